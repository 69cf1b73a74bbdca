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
  expr: max(splitgate_audit_unshipped_records{{ $of }}) > 10000 or absent(splitgate_audit_unshipped_records{{ $of }})
  for: 15m
  labels: {severity: warning}
  annotations:
    summary: Records are not copied to where they should be, or nobody copies them.
{{- end }}
- alert: SplitgateWorkersDisagree
  expr: count(count by (revision) (splitgate_policy_info{{ $of }} == 1)) > 1
  for: 10m
  labels: {severity: warning}
  annotations:
    summary: Workers have different policies in force.
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
