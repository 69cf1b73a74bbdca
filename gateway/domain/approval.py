"""What waits for a person's yes, to what exactly would that yes belong, and why is a held reply not handed out?"""

from enum import StrEnum

from gateway.domain.errors import ApprovalDecided, ApprovalDenied, ApprovalGone, GatewayError
from gateway.domain.exchange import Handling, Reply
from gateway.domain.prompt import ToolCall
from gateway.domain.value import value


class ApprovalStatus(StrEnum):
    """``consumed``: approved, and the reply was handed out, which happens once. ``voided``: policies changed since."""

    PENDING = "pending"
    APPROVED = "approved"
    DENIED = "denied"
    EXPIRED = "expired"
    CONSUMED = "consumed"
    VOIDED = "voided"


@value
class Approval:
    """A held reply's terms: the yes is for this caller, request, these calls and this policy revision, until then.

    ``tools`` are the names of the tools that are called as far as they may be told before the yes: one that nobody
    offered is text of the held answer. ``request_digest`` is the SHA-256 of the request as it was inspected, in
    hexadecimal digits; the calls' arguments are canonical JSON; times are seconds since the epoch. Once nothing can be
    handed out any more, of the calls those names alone are left.
    """

    id: str
    tenant: str
    key: str
    dialect: str
    model: str
    request_digest: str
    calls: tuple[ToolCall, ...]
    tools: tuple[str, ...]
    rules: tuple[str, ...]
    revision: str
    created: float
    expires: float
    status: ApprovalStatus = ApprovalStatus.PENDING
    decided_by: str | None = None
    reason: str | None = None


@value
class HeldReply:
    """A reply that waits, whole, and what will be told with it."""

    approval: Approval
    reply: Reply
    handling: Handling


_ANEW = "send the request again, and have it approved anew"
_GONE = {
    ApprovalStatus.EXPIRED: f"nobody approved or fetched this answer in time; {_ANEW}",
    ApprovalStatus.CONSUMED: f"this answer was handed out already, which happens once; {_ANEW}",
    ApprovalStatus.VOIDED: f"the policies are not those under which this answer was held; {_ANEW}",
}


def refusal(status: ApprovalStatus) -> GatewayError:
    """Why a reply of this status, which neither waits nor is ready, is not handed out."""
    if status is ApprovalStatus.DENIED:
        return ApprovalDenied("an approver said no to this answer; ask them, or send another request")
    return ApprovalGone(_GONE.get(status, f"this answer cannot be handed out any more; {_ANEW}"))


def too_late(status: ApprovalStatus) -> GatewayError:
    """Why nobody can decide on a reply of this status, which does not wait any more."""
    if status in {ApprovalStatus.EXPIRED, ApprovalStatus.VOIDED}:
        return ApprovalGone(_GONE[status])
    return ApprovalDecided("this answer was decided on before, and the first decision stands; there is nothing to do")
