{{/* What is not rendered, because a cluster would take it and somebody would be sorry? Each message names the value. */}}

{{- define "splitgate.refuse" -}}
{{- $called := include "splitgate.fullname" . -}}
{{- if or (not (regexMatch "^[a-z]([-a-z0-9]*[a-z0-9])?$" $called)) (kindIs "bool" (fromYaml (print "x: " $called)).x) (eq $called "null") -}}
{{- fail (printf "fullnameOverride: no Service may be called `%s`; give a name of small letters, digits and hyphens that begins with a letter" $called) -}}
{{- end -}}
{{- include "splitgate.refuseConfiguration" . -}}
{{- include "splitgate.refuseSecrets" . -}}
{{- include "splitgate.refuseModels" . -}}
{{- include "splitgate.refuseJournal" . -}}
{{- include "splitgate.refuseNetwork" . -}}
{{- if and .Values.policies.files .Values.policies.existingConfigMap -}}
{{- fail "policies.existingConfigMap: it would stand in for policies.files; give one of the two" -}}
{{- end -}}
{{- range $name, $value := .Values.podAnnotations -}}
{{- if and (hasPrefix "container.apparmor.security.beta.kubernetes.io/" $name) (eq $value "unconfined") -}}
{{- fail (printf "podAnnotations: `%s: unconfined` is less than the Pod Security Standard `restricted` asks for; take it out" $name) -}}
{{- end -}}
{{- end -}}
{{- with .Values.autoscaling -}}
{{- if and .enabled (not (or .cpuPercent .inFlight)) -}}
{{- fail "autoscaling: there is nothing to follow; set autoscaling.cpuPercent or autoscaling.inFlight" -}}
{{- end -}}
{{- $resources := default dict $.Values.resources -}}
{{- if and .enabled .cpuPercent (not (or (default dict $resources.requests).cpu (default dict $resources.limits).cpu)) -}}
{{- fail "resources.requests.cpu: autoscaling.cpuPercent is a share of it; say how much a pod gets, or set autoscaling.cpuPercent to 0" -}}
{{- end -}}
{{- if and .enabled (lt (int .maxReplicas) (int .minReplicas)) -}}
{{- fail "autoscaling.maxReplicas: less than autoscaling.minReplicas; raise it" -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- define "splitgate.refuseConfiguration" -}}
{{- $given := .Values.configuration -}}
{{- range $path := list "server.host" "server.port" "telemetry.metrics" "state_dir" "audit.dir" "keys_file" "policies.paths" -}}
{{- $at := $given -}}
{{- range $name := splitList "." $path -}}
{{- $at = ternary (get (default dict $at) $name) nil (kindIs "map" (default dict $at)) -}}
{{- end -}}
{{- if not (or (kindIs "invalid" $at) (eq (toString $at) "")) -}}
{{- fail (printf "configuration.%s: the chart sets this; take it out" $path) -}}
{{- end -}}
{{- end -}}
{{- if not $given.models -}}
{{- fail "configuration.models: name the models that clients may ask for, as in docs/configuration.md" -}}
{{- end -}}
{{- $issuers := (default dict $given.auth).oidc -}}
{{- if not (or $given.keys $issuers .Values.keysFile.existingSecret) -}}
{{- fail "nobody would be asked who they are: give configuration.keys (`splitgate keys new` prints an entry), configuration.auth.oidc, or keysFile.existingSecret" -}}
{{- end -}}
{{- range $index, $key := default list $given.keys -}}
{{- range $digest := append (default list $key.digests) $key -}}
{{- if and (hasKey $digest "sha256") (not (regexMatch "^[0-9a-f]{64}$" (toString $digest.sha256))) -}}
{{- fail (printf "configuration.keys[%d]: sha256 must be the 64 hexadecimal digits that `splitgate keys new` prints" $index) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- define "splitgate.refuseModels" -}}
{{- $parts := .Values.image.parts -}}
{{- range $name, $model := .Values.configuration.models -}}
{{- range $index, $target := (default dict $model).targets -}}
{{- $needed := dict "litellm" "litellm" "bedrock" "litellm" "embedded" "embedded" -}}
{{- $part := get $needed (toString $target.provider) -}}
{{- if and $part (not (has $part $parts)) -}}
{{- fail (printf "configuration.models.%s.targets[%d]: provider `%s` needs an image with the part `%s`; build one and name the part in image.parts" $name $index $target.provider $part) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- define "splitgate.refuseJournal" -}}
{{- $audit := default dict .Values.configuration.audit -}}
{{- $kept := ne (toString $audit.enabled) "false" -}}
{{- range $list := list "ship" "anchors" -}}
{{- range $index, $place := default list (get $audit $list) -}}
{{- if eq (toString $place.kind) "directory" -}}
{{- fail (printf "configuration.audit.%s[%d]: a folder of the pod's own is no other place; use a kind that leads out of it" $list $index) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- if and $kept (not .Values.journal.persistent) -}}
{{- if eq (toString $audit.content) "encrypted" -}}
{{- fail "configuration.audit.content: texts are not shipped, and would be lost with each pod; set journal.persistent" -}}
{{- end -}}
{{- if not (or .Values.journal.acknowledgeLoss (and $audit.ship $audit.signing_keys)) -}}
{{- fail "the journal would be lost with each pod: set journal.persistent, or configuration.audit.ship and configuration.audit.signing_keys; journal.acknowledgeLoss takes the loss" -}}
{{- end -}}
{{- end -}}
{{- end -}}
