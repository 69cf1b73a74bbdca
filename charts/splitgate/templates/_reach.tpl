{{/* Would the network policy cut off what the configuration needs, or lead where nobody should come? */}}

{{/* What to leave out of a network so that 169.254.169.254, or AWS's fd00:ec2::254, is not in it: nothing if it is not. */}}
{{- define "splitgate.leadsToCredentials" -}}
{{- $parts := splitList "/" . -}}
{{- $length := last $parts | int -}}
{{- if contains ":" . -}}
{{- if regexMatch "^(?i)(.*/0+|[89a-f][0-9a-f]{3}:.*/[1-8]|fd00:.*/(9|1[0-9]|20)|fd00:0?ec2:.*)$" . -}}
fd00:ec2::/32
{{- end -}}
{{- else -}}
{{- $number := 0 -}}
{{- range first $parts | splitList "." -}}
{{- $number = add (mul $number 256) (int .) -}}
{{- end -}}
{{- $size := 1 -}}
{{- range until (sub 32 $length | int) -}}
{{- $size = mul $size 2 -}}
{{- end -}}
{{- if eq (div $number $size) (div 2852039166 $size) -}}
169.254.0.0/16
{{- end -}}
{{- end -}}
{{- end -}}

{{- define "splitgate.refuseNetwork" -}}
{{- $network := .Values.networkPolicy -}}
{{- if $network.enabled -}}
{{- $outside := false -}}
{{- range $name, $model := .Values.configuration.models -}}
{{- range (default dict $model).targets -}}
{{- if ne (toString .provider) "embedded" -}}
{{- $outside = true -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- if and $outside (not $network.providers) -}}
{{- fail "networkPolicy.providers: no model could be reached; list where they are, or turn networkPolicy.enabled off" -}}
{{- end -}}
{{- if and (default dict .Values.configuration.limits).redis (not $network.redis) -}}
{{- fail "networkPolicy.redis: Redis could not be reached; say where it is, or turn networkPolicy.enabled off" -}}
{{- end -}}
{{- $audit := default dict .Values.configuration.audit -}}
{{- $sinks := list -}}
{{- range $audit.ship -}}
{{- if not (and (eq (toString .kind) "redis_stream") $network.redis) -}}
{{- $sinks = append $sinks .kind -}}
{{- end -}}
{{- end -}}
{{- $places := dict "audit.ship" $sinks "audit.anchors" $audit.anchors "telemetry.traces" (default dict (default dict .Values.configuration.telemetry).traces).endpoint "auth.oidc" (default dict .Values.configuration.auth).oidc -}}
{{- range $name, $place := $places -}}
{{- if and $place (not $network.others) -}}
{{- fail (printf "networkPolicy.others: what configuration.%s names could not be reached; say where it is, or turn networkPolicy.enabled off" $name) -}}
{{- end -}}
{{- end -}}
{{- if and .Values.monitoring.serviceMonitor.enabled (not $network.watchers) -}}
{{- fail "networkPolicy.watchers: Prometheus could not read metrics; say where it is, or turn networkPolicy.enabled off" -}}
{{- end -}}
{{- range $list, $entries := dict "providers" $network.providers "redis" $network.redis "others" $network.others -}}
{{- range $index, $entry := $entries -}}
{{- range $entry.to -}}
{{- if .ipBlock -}}
{{- /* One that is no more than that address was meant. */ -}}
{{- $open := ternary "" (include "splitgate.leadsToCredentials" .ipBlock.cidr) (regexMatch "/(32|128)$" .ipBlock.cidr) -}}
{{- range .ipBlock.except -}}
{{- $open = ternary "" $open (eq $open (include "splitgate.leadsToCredentials" .)) -}}
{{- end -}}
{{- if $open -}}
{{- fail (printf "networkPolicy.%s[%d]: %s leads to where clouds hand out credentials; add `except: [%s]`" $list $index .ipBlock.cidr $open) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- if .Values.ingress.enabled -}}
{{- if not .Values.ingress.hosts -}}
{{- fail "ingress.hosts: name at least one host" -}}
{{- end -}}
{{- $pause := .Values.ingress.readTimeoutSeconds -}}
{{- range $name, $model := .Values.configuration.models -}}
{{- range $index, $target := (default dict $model).targets -}}
{{- if gt ((default dict $target.timeouts).first_byte | default 600 | float64) (float64 $pause) -}}
{{- fail (printf "ingress.readTimeoutSeconds: less than configuration.models.%s.targets[%d].timeouts.first_byte (600 if not given); raise it, or answers are cut off in front" $name $index) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- if not (or .Values.ingress.tlsSecret .Values.ingress.tlsElsewhere) -}}
{{- fail "ingress.tlsSecret: keys would travel in clear; name the secret with the certificate, or set ingress.tlsElsewhere" -}}
{{- end -}}
{{- end -}}
{{- end -}}
