"""What can go wrong, in the domain's own terms?

    GatewayError
    ├── RequestError                the client's doing: nothing was sent upstream
    │   ├── MalformedBody           not JSON, or JSON that parsers disagree about
    │   ├── InvalidField            a field's value has the wrong type, range or form
    │   ├── UnknownField            a field that neither we nor the target's configuration know
    │   ├── ForbiddenField          a field that could redirect, re-credential or re-template the call
    │   ├── ContentByReference      content that the gateway cannot see
    │   ├── BodyTooLarge
    │   ├── UnsupportedEncoding     content type or content encoding
    │   ├── Unauthenticated
    │   │   ├── CredentialExpired   a key or token that was good
    │   │   ├── CredentialRevoked   a key that somebody took back
    │   │   └── InvalidToken        a token (JWT) that does not show who is calling
    │   ├── Forbidden               a good key that may not do this
    │   ├── ForeignOrigin           Host or Origin is not ours, and no keys are configured
    │   ├── UnknownModel
    │   ├── UnknownRoute
    │   ├── MethodNotAllowed
    │   ├── LimitReached            a limit leaves no room for it at present
    │   │   └── BudgetSpent         the money that may be spent in a while is spent
    │   ├── BlockedByPolicy         rules of policy refuse it
    │   ├── UnknownApproval         no such approval of this caller's tenant
    │   ├── NotAnApprover           this key may not decide on that answer
    │   ├── ApprovalDecided         the first decision stands
    │   ├── ApprovalDenied          an approver said no
    │   ├── ApprovalGone            expired, handed out before, or of other policies
    │   ├── IsolationUnreachable    no target reaches the floor
    │   ├── SplitUnproven           no target has been measured to be as safe with data as is asked
    │   └── NotSayable              no target of the model can say what was asked
    ├── UpstreamError               the model's side
    │   ├── UpstreamUnreachable     connect failed: nothing was sent
    │   ├── UpstreamTimeout         a time limit ran out
    │   ├── UpstreamRejected        it refused the request (4xx)
    │   ├── UpstreamOverloaded      429, 503 or 529, with retry-after where given
    │   ├── UpstreamFailed          5xx, or our credentials were refused
    │   ├── UpstreamGarbled         an answer that is not its protocol, or one that broke off
    │   ├── TargetsUnavailable      every target that may serve it is left alone for now: nothing was sent
    │   └── DeadlinePassed          the request's time was over before a target could be called
    ├── SignInUnavailable           a token cannot be checked: its issuer's keys are not to be had
    ├── PoliciesNotLoaded           no policies are in force yet: nothing may pass
    ├── PoliciesRejected            the policy files cannot be put in force; those in force stay
    ├── StateUnusable               the folder for state cannot be used
    ├── GatewayFull                 as many requests as may be are in progress
    ├── GatewayStopping             the gateway ends before the request does
    ├── AuditUnavailable            what happens cannot be recorded: nothing may pass
    ├── LimitsUnavailable           what is used cannot be counted, and nothing may pass uncounted
    ├── ApprovalsUnavailable        answers cannot be held for approval, or those held cannot be read
    └── ConfigError                 a file of ours cannot be used

Each message says what to do next and carries no prompt text and no secret. HTTP is not known here: ``web/problems.py``
maps classes to status codes.
"""

from typing import ClassVar

from gateway.domain.quota import Measure
from gateway.domain.verdict import NOTHING, Findings


class GatewayError(Exception):
    """``param`` is the path of the field at fault; ``code`` is a stable word for programs."""

    code: ClassVar[str] = "internal_error"

    def __init__(self, message: str, *, param: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.param = param


class RequestError(GatewayError):
    """The client's request cannot be served as it is."""

    code = "invalid_request"


class MalformedBody(RequestError):
    """The body is not JSON, or is JSON that two parsers could read differently."""

    code = "malformed_body"


class InvalidField(RequestError):
    """A field's value has the wrong type, range or form."""

    code = "invalid_field"


class UnknownField(RequestError):
    """A field that neither the gateway nor the target's configuration knows."""

    code = "unknown_field"


class ForbiddenField(RequestError):
    """A field that could redirect, re-credential or re-template the upstream call."""

    code = "forbidden_field"


class ContentByReference(RequestError):
    """Content that the gateway would not see: remote URLs, file ids, stored responses."""

    code = "content_by_reference"


class BodyTooLarge(RequestError):
    """The body is over the configured limit."""

    code = "body_too_large"


class UnsupportedEncoding(RequestError):
    """The content type is not JSON, or the body is compressed where that is not enabled."""

    code = "unsupported_encoding"


class Unauthenticated(RequestError):
    """No key, or a wrong one."""

    code = "invalid_api_key"


class CredentialExpired(Unauthenticated):
    """A key or a token whose time is over."""

    code = "credential_expired"


class CredentialRevoked(Unauthenticated):
    """A key that was taken back."""

    code = "credential_revoked"


class InvalidToken(Unauthenticated):
    """A token (JWT) that does not show who is calling."""

    code = "invalid_token"


class Forbidden(RequestError):
    """The key is good and may not do this."""

    code = "forbidden"


class ForeignOrigin(RequestError):
    """``Host`` or ``Origin`` is not this gateway's, while no key is asked for."""

    code = "foreign_origin"


class UnknownModel(RequestError):
    """The model's name is not in the configuration."""

    code = "model_not_found"


class UnknownRoute(RequestError):
    """The path is none of ours; nothing is ever forwarded by path."""

    code = "unknown_route"


class MethodNotAllowed(RequestError):
    """The path exists, the method does not."""

    code = "method_not_allowed"


class LimitReached(RequestError):
    """A limit of the configuration leaves no room for the request.

    ``rule`` is its name there, ``measure`` what it counts, ``window`` in which while, in words. There may be room in
    ``retry_after_s`` whole seconds; with ``waiting_helps`` False there will never be for a request as large as this.
    """

    code = "rate_limited"

    def __init__(
        self,
        message: str,
        *,
        rule: str = "",
        measure: Measure = Measure.REQUESTS,
        window: str = "",
        retry_after_s: int = 1,
        waiting_helps: bool = True,
    ) -> None:
        super().__init__(message)
        self.rule = rule
        self.measure = measure
        self.window = window
        self.retry_after_s = retry_after_s
        self.waiting_helps = waiting_helps


class BudgetSpent(LimitReached):
    """So much money as the request may cost is not left."""

    code = "budget_spent"


def limit_told(error: GatewayError) -> dict[str, str] | None:
    """Which limit refused the request, of what and in which while; None if none did."""
    if not isinstance(error, LimitReached):
        return None
    return {"rule": error.rule, "measure": error.measure.value, "window": error.window}


class BlockedByPolicy(RequestError):
    """Policy refuses the request. ``rules`` are the ids of the rules that did, ``found`` is all that was found."""

    code = "splitgate_blocked"

    def __init__(
        self, message: str, *, rules: tuple[str, ...] = (), found: Findings = NOTHING, param: str | None = None
    ) -> None:
        super().__init__(message, param=param)
        self.rules = rules
        self.found = found


def blocking_rules(error: GatewayError) -> tuple[str, ...]:
    """The ids of the rules that refused the request, if any did."""
    return error.rules if isinstance(error, BlockedByPolicy) else ()


class UnknownApproval(RequestError):
    """There is no such approval, or it is not this caller's to see."""

    code = "approval_not_found"


class NotAnApprover(RequestError):
    """The key is no approver's, or it is the one whose request is to be decided on."""

    code = "not_an_approver"


class ApprovalDecided(RequestError):
    """Somebody decided before, and that stands."""

    code = "approval_decided"


class ApprovalDenied(RequestError):
    """An approver said no: the answer is not handed out."""

    code = "approval_denied"


class ApprovalGone(RequestError):
    """The answer expired, was handed out before, or was held under other policies."""

    code = "approval_gone"


class IsolationUnreachable(RequestError):
    """No target of the model can keep this request's data as far apart as asked."""

    code = "isolation_unreachable"


class SplitUnproven(RequestError):
    """No target of the model has a card that shows what is asked of one before data goes to it."""

    code = "split_unproven"


class NotSayable(RequestError):
    """The request asks for something that no eligible target can express."""

    code = "not_sayable"


class UpstreamError(GatewayError):
    """The upstream did not answer as it should. ``target`` is its id in the configuration."""

    code = "upstream_error"

    def __init__(self, message: str, *, target: str, param: str | None = None) -> None:
        super().__init__(message, param=param)
        self.target = target


class UpstreamUnreachable(UpstreamError):
    """The connection could not be made: the request was certainly not processed."""

    code = "upstream_unreachable"


class UpstreamTimeout(UpstreamError):
    """A limit ran out. ``phase`` is connect, first_byte, idle or total, or upstream where it was the upstream's own."""

    code = "upstream_timeout"

    def __init__(self, message: str, *, target: str, phase: str) -> None:
        super().__init__(message, target=target)
        self.phase = phase


class UpstreamRejected(UpstreamError):
    """The upstream refused the request itself; ``reason`` is its own error code where that is a plain identifier."""

    code = "upstream_rejected"

    def __init__(self, message: str, *, target: str, status: int, reason: str | None, param: str | None = None) -> None:
        super().__init__(message, target=target, param=param)
        self.status = status
        self.reason = reason


class UpstreamOverloaded(UpstreamError):
    """The upstream has no room (429, 503, 529).

    ``retry_after`` is its own header value in seconds, if it gave one, ``reason`` as in ``UpstreamRejected``.
    ``limited`` says that it is an answer to this caller's or account's use (429), not one of a server in need.
    """

    code = "upstream_overloaded"

    def __init__(
        self, message: str, *, target: str, retry_after: float | None, reason: str | None = None, limited: bool = False
    ) -> None:
        super().__init__(message, target=target)
        self.retry_after = retry_after
        self.reason = reason
        self.limited = limited


def upstream_reason(error: GatewayError) -> str | None:
    """The upstream's own code for what it refused, if it gave one."""
    return error.reason if isinstance(error, UpstreamRejected | UpstreamOverloaded) else None


class UpstreamFailed(UpstreamError):
    """The upstream failed on its own account, or refused the gateway's credentials.

    ``status`` is what it answered, None where its answer had begun before it failed.
    """

    code = "upstream_failed"

    def __init__(self, message: str, *, target: str, status: int | None = None) -> None:
        super().__init__(message, target=target)
        self.status = status


class UpstreamGarbled(UpstreamError):
    """The answer is not the protocol's, or broke off before its end."""

    code = "upstream_garbled"


class TargetsUnavailable(UpstreamError):
    """No target that may serve the request is called at present, since they failed time and again: nothing was sent.

    ``retry_after`` is in seconds: when the first of them will be tried again.
    """

    code = "targets_unavailable"

    def __init__(self, message: str, *, target: str, retry_after: float) -> None:
        super().__init__(message, target=target)
        self.retry_after = retry_after


class DeadlinePassed(UpstreamError):
    """The time that the model's requests may take was over before a target could be called: nothing was sent."""

    code = "deadline_passed"


class SignInUnavailable(GatewayError):
    """A token cannot be checked at present, since the signing keys of its issuer are not to be had."""

    code = "sign_in_unavailable"


class PoliciesNotLoaded(GatewayError):
    """No policies are in force, and nothing passes without them."""

    code = "policies_not_loaded"


class PoliciesRejected(GatewayError):
    """The policy files cannot be put in force. What was in force before still is."""

    code = "policies_rejected"


class StateUnusable(GatewayError):
    """The folder for state cannot be written, or is open to others."""

    code = "state_unusable"


class AuditUnavailable(GatewayError):
    """What happens cannot be recorded, or not in time. ``sent`` says that an upstream was called already."""

    code = "audit_unavailable"

    def __init__(self, message: str, *, sent: bool = False) -> None:
        super().__init__(message)
        self.sent = sent


class GatewayFull(GatewayError):
    """As many requests as may be are in progress: nothing was begun. ``retry_after_s`` is in whole seconds."""

    code = "gateway_full"

    def __init__(self, message: str, *, retry_after_s: int = 1) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class GatewayStopping(GatewayError):
    """The gateway stops, and the request was not over in time. An upstream may have been called."""

    code = "gateway_stopping"


class LimitsUnavailable(GatewayError):
    """What a request uses cannot be counted for all at present, and the settings let nothing pass uncounted."""

    code = "limits_unavailable"


class ApprovalsUnavailable(GatewayError):
    """Answers that wait for an approver cannot be kept, or not be read: nothing is released."""

    code = "approvals_unavailable"


class ConfigError(GatewayError):
    """A configuration file cannot be used. Lines and columns count from 1."""

    code = "invalid_configuration"

    def __init__(self, message: str, *, file: str, line: int | None = None, column: int | None = None) -> None:
        where = ":".join(str(part) for part in (file, line, column) if part is not None)
        super().__init__(f"{where}: {message}")
        self.file = file
        self.line = line
        self.column = column
