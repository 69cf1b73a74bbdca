"""What is written down of a verdict? A line of JSON on the logger ``splitgate.audit`` where a rule hit, and no text.

Rules that only watched are told as well, with what they would have done: a shadow policy is judged by these lines.
"""

import json
import logging
from collections.abc import Sequence
from typing import Final

from gateway.domain.exchange import AppliedRevision
from gateway.domain.finding import Finding
from gateway.domain.identity import Caller

_log: Final = logging.getLogger("splitgate.audit")


def tell(
    request_id: str,
    caller: Caller,
    *,
    decision: str,
    findings: Sequence[Finding],
    policy: AppliedRevision | None = None,
) -> None:
    """Log what policy decided of one exchange; nothing where no rule hit."""
    hits = [_told(finding) for finding in findings if finding.policy is not None]
    if not hits:
        return
    said = {
        "event": "verdict",
        "request": request_id,
        "tenant": caller.tenant,
        "key": caller.key,
        "decision": decision,
        "revision": None if policy is None else policy.revision,
        "findings": hits,
    }
    _log.info("%s", json.dumps(said, ensure_ascii=True, sort_keys=True))


def _told(finding: Finding) -> dict[str, object]:
    told: dict[str, object] = {
        "policy": finding.policy,
        "rule": finding.rule,
        "where": finding.where,
        "count": finding.count,
        "action": finding.action,
        "weight": finding.weight.value,
    }
    return told if finding.exception is None else {**told, "exception": finding.exception}
