"""What is said in place of an answer that cannot be given?

The same words in every dialect.
"""

from typing import Final

from gateway.domain.exchange import ApprovalPending

CUT_SHORT: Final = "The model's answer broke off before its end: send the request again."


def waiting(pending: ApprovalPending) -> str:
    """What a client of a drop-in dialect reads in place of an answer that waits for approval."""
    return (
        f"[This answer waits for an approver. Approval {pending.approval}: once it is approved, "
        f"GET /v1/approvals/{pending.approval} hands the answer out, once.]"
    )
