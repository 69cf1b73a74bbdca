{{/* What is in a pod? The same for the Deployment and the StatefulSet, but for where the journal lies. */}}

{{/* Running gateways follow what is mounted; these stand for what they cannot take up. */}}
{{- define "splitgate.checksums" -}}
checksum/needs-restart: {{ include "splitgate.needsRestart" . | sha256sum | quote }}
{{- if eq (toString (default dict .Values.configuration.policies).watch) "false" }}
checksum/policies: {{ .Values.policies.files | toJson | sha256sum | quote }}
{{- end }}
{{- end -}}

{{- define "splitgate.pod" -}}
metadata:
  labels:
    {{- include "splitgate.beside" (dict "ours" (include "splitgate.labels" .) "theirs" .Values.podLabels) | nindent 4 }}
  annotations:
    {{- include "splitgate.beside" (dict "ours" (include "splitgate.checksums" .) "theirs" .Values.podAnnotations) | nindent 4 }}
spec:
  serviceAccountName: {{ include "splitgate.serviceAccount" . | quote }}
  automountServiceAccountToken: false
  enableServiceLinks: false
  terminationGracePeriodSeconds: {{ include "splitgate.terminationGrace" . }}
  {{- with .Values.image.pullSecrets }}
  imagePullSecrets:
    {{- range . }}
    - name: {{ . | quote }}
    {{- end }}
  {{- end }}
  securityContext:
    runAsNonRoot: true
    runAsUser: 65532
    runAsGroup: 65532
    fsGroup: 65532
    # Never for what lies in a volume already: state that a group may write is not believed.
    fsGroupChangePolicy: OnRootMismatch
    seccompProfile:
      type: RuntimeDefault
  containers:
    - name: splitgate
      image: {{ include "splitgate.image" . | quote }}
      imagePullPolicy: {{ .Values.image.pullPolicy }}
      args: [serve, --config, /etc/splitgate/configuration/splitgate.yaml, --workers, {{ .Values.workers | quote }}]
      securityContext:
        allowPrivilegeEscalation: false
        readOnlyRootFilesystem: true
        capabilities:
          drop: [ALL]
      ports:
        - name: http
          containerPort: 8400
        - name: monitoring
          containerPort: 9464
      # Beside the metrics there is room for a probe when the gateway has as many connections as it may.
      startupProbe:
        httpGet: {path: /healthz, port: monitoring}
        periodSeconds: 2
        failureThreshold: 60
      livenessProbe:
        httpGet: {path: /healthz, port: monitoring}
        periodSeconds: 10
        timeoutSeconds: 5
        failureThreshold: 6
      readinessProbe:
        httpGet: {path: /readyz, port: monitoring}
        periodSeconds: 5
        timeoutSeconds: 3
        failureThreshold: 2
      {{- if .Values.drain.preStopSeconds }}
      lifecycle:
        preStop:
          sleep:
            seconds: {{ .Values.drain.preStopSeconds }}
      {{- end }}
      resources:
        {{- toYaml .Values.resources | nindent 8 }}
      volumeMounts:
        # Folders, never single files: those would not follow their ConfigMap.
        - {name: configuration, mountPath: /etc/splitgate/configuration, readOnly: true}
        {{- if include "splitgate.policiesMap" . }}
        - {name: policies, mountPath: /etc/splitgate/policies, readOnly: true}
        {{- end }}
        {{- if .Values.keysFile.existingSecret }}
        - {name: keys, mountPath: /etc/splitgate/keys, readOnly: true}
        {{- end }}
        {{- range .Values.secrets }}
        - {name: secret-{{ .name }}, mountPath: /etc/splitgate/secrets/{{ .name }}, readOnly: true}
        {{- end }}
        - {name: state, mountPath: /var/lib/splitgate}
        - {name: tmp, mountPath: /tmp}
  volumes:
    - name: configuration
      configMap:
        name: {{ include "splitgate.fullname" . }}-configuration
    {{- with include "splitgate.policiesMap" . }}
    - name: policies
      configMap:
        name: {{ . | quote }}
    {{- end }}
    {{- with .Values.keysFile.existingSecret }}
    - name: keys
      secret:
        secretName: {{ . | quote }}
        defaultMode: 288  # 0440
    {{- end }}
    {{- range .Values.secrets }}
    - name: secret-{{ .name }}
      secret:
        secretName: {{ .existingSecret | quote }}
        defaultMode: 288  # 0440
    {{- end }}
    {{- if not .Values.journal.persistent }}
    - name: state
      emptyDir:
        sizeLimit: {{ .Values.journal.size }}
    {{- end }}
    # Sockets between the processes of a pod, and the figures that they share.
    - name: tmp
      emptyDir:
        medium: Memory
        sizeLimit: 128Mi
  {{- with .Values.topologySpreadConstraints }}
  topologySpreadConstraints:
    {{- range . }}
    - {{- merge (dict "labelSelector" (dict "matchLabels" (include "splitgate.selector" $ | fromYaml))) . | toYaml | nindent 6 }}
    {{- end }}
  {{- end }}
  {{- with .Values.nodeSelector }}
  nodeSelector:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .Values.tolerations }}
  tolerations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .Values.affinity }}
  affinity:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .Values.priorityClassName }}
  priorityClassName: {{ . | quote }}
  {{- end }}
{{- end -}}
