{{/* Is a credential in the values, where a ConfigMap would show it, or a placeholder where the name of a secret should be? */}}

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
