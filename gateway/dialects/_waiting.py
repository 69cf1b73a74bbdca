"""What is said of an answer that waits for an approver, in a dialect that has no words for that?"""

from gateway.domain.exchange import ApprovalPending


def waiting(pending: ApprovalPending) -> str:
    """The words that a client gets in place of the answer."""
    return (
        f"[This answer waits for an approver. Approval {pending.approval}: once it is approved, "
        f"GET /v1/approvals/{pending.approval} hands the answer out, once.]"
    )
