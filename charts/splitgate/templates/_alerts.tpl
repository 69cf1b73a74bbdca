{{/* What should wake somebody? Metrics are in docs/telemetry.md, what to do in docs/operations.md and docs/audit.md. */}}

{{- define "splitgate.alerts" -}}
{{- $of := printf `{namespace="%s",service="%s-monitoring"}` .Release.Namespace (include "splitgate.fullname" .) -}}
{{- $audit := default dict .Values.configuration.audit -}}
- alert: SplitgateBreakGlass
  expr: max(splitgate_break_glass{{ $of }}) == 1
  labels: {severity: critical}
  annotations:
    summary: A break-glass grant is in force, and policies only watch.
- alert: SplitgateJournalUnwritable
  expr: max by (pod) (splitgate_audit_unwritable{{ $of }}) == 1
  labels: {severity: critical}
  annotations:
    summary: {{ "{{ $labels.pod }} cannot write its journal, and refuses requests." | quote }}
- alert: SplitgateJournalLag
  expr: max by (pod) (splitgate_audit_lag_seconds{{ $of }}) > 0.5
  for: 2m
  labels: {severity: warning}
  annotations:
    summary: {{ "The journal of {{ $labels.pod }} is slow; requests are refused from `audit.deadline_s` on." | quote }}
- alert: SplitgateHistoryRewritten
  expr: sum by (anchor) (increase(splitgate_audit_forks_total{{ $of }}[1h])) > 0
  labels: {severity: critical}
  annotations:
    summary: {{ "Checkpoints at {{ $labels.anchor }} contradict the journal: somebody rewrote it." | quote }}
{{- if or $audit.ship $audit.anchors }}
- alert: SplitgateNotShipped
  # One pod's shipper may be gone while those of others tell what they do.
  expr: max by (pod) (splitgate_audit_unshipped_records{{ $of }}) > 10000 or (max by (pod) (splitgate_audit_unwritable{{ $of }}) unless max by (pod) (splitgate_audit_unshipped_records{{ $of }})) >= 0
  for: 15m
  labels: {severity: warning}
  annotations:
    summary: {{ "Records of {{ $labels.pod }} are not copied to where they should be, or nobody copies them." | quote }}
{{- end }}
- alert: SplitgateWorkersDisagree
  expr: count(count by (revision) (splitgate_policy_info{{ $of }} == 1)) > 1
  for: 10m
  labels: {severity: warning}
  annotations:
    summary: Workers have different policies in force.
- alert: SplitgateConfigurationsDiffer
  expr: count(count by (digest) (splitgate_config_info{{ $of }} == 1)) > 1
  for: 15m
  labels: {severity: warning}
  annotations:
    summary: Workers run different configurations.
- alert: SplitgateConfigurationRefused
  expr: max by (pod) (splitgate_config_refused{{ $of }}) == 1
  for: 2m
  labels: {severity: warning}
  annotations:
    summary: {{ "What stands in the configuration of {{ $labels.pod }} cannot be used, and is not what runs." | quote }}
- alert: SplitgateSecretStale
  expr: max by (name) (splitgate_secret_stale{{ $of }}) == 1
  for: 5m
  labels: {severity: warning}
  annotations:
    summary: {{ "The mounted file of {{ $labels.name }} cannot be used; what was last good in it serves on." | quote }}
- alert: SplitgateCertificateEnds
  expr: min by (name) (splitgate_certificate_expires_timestamp_seconds{{ $of }}) - time() < 14 * 86400
  for: 1h
  labels: {severity: warning}
  annotations:
    summary: {{ "The certificate of {{ $labels.name }} ends within two weeks." | quote }}
- alert: SplitgateTargetDown
  expr: max by (target) (splitgate_target_state{{ $of | replace "}" `,state="closed"}` }}) == 0
  for: 5m
  labels: {severity: warning}
  annotations:
    summary: {{ "No worker calls the target {{ $labels.target }}: its breaker is open." | quote }}
{{- if (default dict .Values.configuration.limits).redis }}
- alert: SplitgateCountsAlone
  expr: min by (pod) (splitgate_limits_together{{ $of }}) == 0
  for: 5m
  labels: {severity: warning}
  annotations:
    summary: {{ "{{ $labels.pod }} does not reach Redis: each worker has its share of every limit." | quote }}
{{- end }}
- alert: SplitgateWorkersDie
  expr: sum by (pod) (increase(splitgate_worker_restarts_total{{ $of }}[10m])) > 2
  labels: {severity: warning}
  annotations:
    summary: {{ "Workers of {{ $labels.pod }} die and are started again." | quote }}
- alert: SplitgateErrors
  expr: sum(rate(splitgate_requests_total{{ $of | replace "}" `,status=~"5.."}` }}[5m])) / sum(rate(splitgate_requests_total{{ $of }}[5m])) > 0.05
  for: 10m
  labels: {severity: warning}
  annotations:
    summary: More than one request in twenty ends in an error of ours or of a model's server.
- alert: SplitgateFull
  expr: sum(rate(splitgate_errors_total{{ $of | replace "}" `,code="gateway_full"}` }}[5m])) > 0
  for: 5m
  labels: {severity: warning}
  annotations:
    summary: Requests find no place; more pods or workers are needed, or fewer requests.
{{- end -}}
