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

{{- define "splitgate.refuseSecrets" -}}
{{- $names := list -}}
{{- range $index, $secret := .Values.secrets -}}
{{- include "splitgate.refusePlaceholder" (dict "name" $secret.existingSecret "at" (printf "secrets[%d].existingSecret" $index)) -}}
{{- if has $secret.name $names -}}
{{- fail (printf "secrets[%d].name: `%s` is the name of two; choose another one" $index $secret.name) -}}
{{- end -}}
{{- $names = append $names $secret.name -}}
{{- end -}}
{{- include "splitgate.refusePlaceholder" (dict "name" .Values.keysFile.existingSecret "at" "keysFile.existingSecret") -}}
{{- include "splitgate.refusePlaceholder" (dict "name" .Values.ingress.tlsSecret "at" "ingress.tlsSecret") -}}
{{- range $index, $name := .Values.image.pullSecrets -}}
{{- include "splitgate.refusePlaceholder" (dict "name" $name "at" (printf "image.pullSecrets[%d]" $index)) -}}
{{- end -}}
{{- include "splitgate.walk" (dict "value" .Values.configuration "at" "configuration" "names" $names "secret" false) -}}
{{- range $file, $text := .Values.policies.files -}}
{{- $detectors := fromYaml $text -}}
{{- range list "spec" "detectors" "external" -}}
{{- $detectors = get (ternary $detectors dict (kindIs "map" $detectors)) . -}}
{{- end -}}
{{- range $index, $one := ternary $detectors list (kindIs "slice" $detectors) -}}
{{- $at := printf "policies.files.%s: spec.detectors.external[%d]" $file $index -}}
{{- $told := ternary $one dict (kindIs "map" $one) -}}
{{- include "splitgate.walk" (dict "value" $told.key "at" (print $at ".key") "names" $names "secret" true) -}}
{{- include "splitgate.walk" (dict "value" $told.url "at" (print $at ".url") "names" $names "secret" false) -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- define "splitgate.refusePlaceholder" -}}
{{- if regexMatch "^(change-?me.*|replace-?me.*|placeholder.*|todo|dummy|x{3,}|your-.*|example.*|my-secret)$" (lower (default "" .name)) -}}
{{- fail (printf "%s: `%s` reads like a placeholder; make a secret and name it here" .at .name) -}}
{{- end -}}
{{- end -}}

{{/* Every credential of the configuration must be a file of a secret that is mounted; whatever else looks like a
reference must be one too. A number is a password as well, headers are named by whoever asks for them, and what has the
shape of a key is one under any name. */}}
{{- define "splitgate.walk" -}}
{{- $known := list "api_key" "secret" "password" "master_key" "signing_keys" "access_key_id" "secret_access_key" "aws_access_key_id" "aws_secret_access_key" "aws_session_token" "vertex_credentials" "authorization" "x-api-key" "api-key" -}}
{{- $shapes := "^(sg-[0-9a-f]{8}-.{20}|sk-[A-Za-z0-9_-]{20}|AIza[A-Za-z0-9_-]{35}|A[KS]IA[0-9A-Z]{16}|(?i:bearer|basic) .{8}|PRIVATE\\+KEY\\+)|-----BEGIN [A-Z ]*PRIVATE KEY" -}}
{{- $names := .names -}}
{{- $at := .at -}}
{{- $secret := .secret -}}
{{- $headers := hasSuffix ".headers" .at -}}
{{- if kindIs "map" .value -}}
{{- range $key, $inner := .value -}}
{{- $named := or (has (lower $key) $known) (and $headers (regexMatch "auth|token|secret|passw|key|credential|cookie|signature|honeycomb-team" (lower $key))) -}}
{{- include "splitgate.walk" (dict "value" $inner "at" (printf "%s.%s" $at $key) "names" $names "secret" (or $secret $named)) -}}
{{- end -}}
{{- else if kindIs "slice" .value -}}
{{- range $index, $inner := .value -}}
{{- include "splitgate.walk" (dict "value" $inner "at" (printf "%s[%d]" $at $index) "names" $names "secret" $secret) -}}
{{- end -}}
{{- else if kindIs "invalid" .value -}}
{{- else if or $secret (regexMatch "^(file|env):" (toString .value)) (regexMatch $shapes (toString .value)) -}}
{{- $told := toString .value -}}
{{- $name := regexReplaceAll "^file:/etc/splitgate/secrets/([^/]+)/[^/]+$" $told "${1}" -}}
{{- if eq $name $told -}}
{{- fail (printf "%s: credentials are files of mounted secrets: write `file:/etc/splitgate/secrets/NAME/KEY`, and name the secret in `secrets`" $at) -}}
{{- end -}}
{{- if not (has $name $names) -}}
{{- fail (printf "%s: no entry of `secrets` is called `%s`" $at $name) -}}
{{- end -}}
{{- else if regexMatch "://[^/?#]*@" (toString .value) -}}
{{- fail (printf "%s: no credentials may stand in an address; name them beside it, as `file:/etc/splitgate/secrets/NAME/KEY`" $at) -}}
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
{{- if not (or .Values.ingress.tlsSecret .Values.ingress.tlsElsewhere) -}}
{{- fail "ingress.tlsSecret: keys would travel in clear; name the secret with the certificate, or set ingress.tlsElsewhere" -}}
{{- end -}}
{{- end -}}
{{- end -}}
