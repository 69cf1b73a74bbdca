{{/* What stands in splitgate.yaml? The values' configuration, and where the chart puts things. */}}

{{- define "splitgate.configuration" -}}
{{- $configuration := deepCopy .Values.configuration -}}
{{- /* A folder that the gateway makes itself: a volume's own is shared with its group, and is not believed. */ -}}
{{- $ours := dict "state_dir" "/var/lib/splitgate/state" -}}
{{- $_ := set $ours "server" (dict "host" .Values.address "port" 8400) -}}
{{- if not (hasKey (default dict $configuration.server) "watch") -}}
{{- $_ := set $ours.server "watch" true -}}
{{- end -}}
{{- $logs := default "json" (default dict $configuration.telemetry).logs -}}
{{- $_ := set $ours "telemetry" (dict "logs" $logs "metrics" (dict "enabled" true "host" .Values.address "port" 9464)) -}}
{{- if .Values.keysFile.existingSecret -}}
{{- $_ := set $ours "keys_file" (printf "/etc/splitgate/keys/%s" .Values.keysFile.key) -}}
{{- end -}}
{{- if include "splitgate.policiesMap" . -}}
{{- $_ := set $ours "policies" (dict "paths" (list "/etc/splitgate/policies")) -}}
{{- end -}}
{{- /* While Redis is away each gateway has its share of a limit: it has to know of how many. */ -}}
{{- $redis := (default dict $configuration.limits).redis -}}
{{- if and $redis (not $redis.replicas) -}}
{{- $most := ternary (max .Values.replicas .Values.autoscaling.maxReplicas) .Values.replicas .Values.autoscaling.enabled -}}
{{- $_ := set $ours "limits" (dict "redis" (dict "replicas" (max 1 $most | int64))) -}}
{{- end -}}
{{- mergeOverwrite $configuration $ours | toYaml -}}
{{- end -}}

{{/* What a running gateway cannot take up: where it listens and how. Without `server.watch` it is all of it. */}}
{{- define "splitgate.needsRestart" -}}
{{- $server := default dict .Values.configuration.server -}}
{{- if ne (toString $server.watch) "false" -}}
{{- dict "address" .Values.address "tls" (kindIs "map" $server.tls) | toJson -}}
{{- else -}}
{{- include "splitgate.configuration" . -}}
{{- end -}}
{{- end -}}

{{/* Seconds from the word to stop until the kubelet kills: the pause before it, the drain, and ten to close up. */}}
{{- define "splitgate.terminationGrace" -}}
{{- $server := default dict .Values.configuration.server -}}
{{- $delay := ternary $server.drain_delay_s 0 (hasKey $server "drain_delay_s") -}}
{{- $grace := ternary $server.grace_s 30 (hasKey $server "grace_s") -}}
{{- addf .Values.drain.preStopSeconds $delay $grace 10 | ceil | int64 -}}
{{- end -}}
