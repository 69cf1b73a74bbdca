{{/* What are things called? */}}

{{- define "splitgate.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 40 | trimSuffix "-" -}}
{{- else if contains .Chart.Name .Release.Name -}}
{{- .Release.Name | trunc 40 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name .Chart.Name | trunc 40 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{/* These never change in the life of a release: workloads are found by them. */}}
{{- define "splitgate.selector" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name | quote }}
app.kubernetes.io/component: gateway
{{- end -}}

{{- define "splitgate.testSelector" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name | quote }}
app.kubernetes.io/component: test
{{- end -}}

{{- define "splitgate.labels" -}}
{{ include "splitgate.selector" . }}
{{ include "splitgate.versionLabels" . }}
{{- end -}}

{{- define "splitgate.versionLabels" -}}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end -}}

{{/* What the chart writes, and what the values add to it: a name that both have is the chart's. */}}
{{- define "splitgate.beside" -}}
{{- merge (.ours | fromYaml) (deepCopy (default dict .theirs)) | toYaml -}}
{{- end -}}

{{- define "splitgate.image" -}}
{{- $image := .Values.image -}}
{{- $repository := required "image.repository: say where you pushed the image; docs/deploy.md has how to build it" $image.repository -}}
{{- $tag := join "-" (prepend (sortAlpha $image.parts) (default .Chart.AppVersion $image.tag)) -}}
{{- if not $image.digest -}}
{{- printf "%s:%s" $repository $tag -}}
{{- else if $image.tag -}}
{{- printf "%s:%s@%s" $repository $tag $image.digest -}}
{{- else -}}
{{- printf "%s@%s" $repository $image.digest -}}
{{- end -}}
{{- end -}}

{{- define "splitgate.serviceAccount" -}}
{{- default (include "splitgate.fullname" .) .Values.serviceAccount.existing -}}
{{- end -}}

{{- define "splitgate.policiesMap" -}}
{{- if .Values.policies.existingConfigMap -}}
{{- .Values.policies.existingConfigMap -}}
{{- else if .Values.policies.files -}}
{{- include "splitgate.fullname" . }}-policies
{{- end -}}
{{- end -}}
