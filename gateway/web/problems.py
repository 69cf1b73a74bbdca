"""Which HTTP answer does an error get?

This is the one place that knows status codes; the shape of the body is the dialect's. Of our own refusals only those
that are over soon set off a stock SDK's retries.
"""

import math
from collections.abc import Mapping
from typing import Final

from gateway.domain.errors import (
    ApprovalDenied,
    ApprovalGone,
    ApprovalsUnavailable,
    AuditUnavailable,
    BodyTooLarge,
    BudgetSpent,
    DeadlinePassed,
    Forbidden,
    ForeignOrigin,
    GatewayError,
    GatewayFull,
    GatewayStopping,
    LimitReached,
    LimitsUnavailable,
    MethodNotAllowed,
    NotAnApprover,
    PoliciesNotLoaded,
    PoliciesRejected,
    RequestError,
    SignInUnavailable,
    StateUnusable,
    TargetsUnavailable,
    Unauthenticated,
    UnknownApproval,
    UnknownModel,
    UnknownRoute,
    UnsupportedEncoding,
    UpstreamError,
    UpstreamGarbled,
    UpstreamOverloaded,
    UpstreamRejected,
    UpstreamTimeout,
)

# Nobody's SDK is made to wait longer in the middle of a call: some would sleep for as long as they are told.
_PATIENCE_S: Final = 60

STATUS: Mapping[type[GatewayError], int] = {
    BodyTooLarge: 413,
    UnsupportedEncoding: 415,
    Unauthenticated: 401,
    Forbidden: 403,
    ForeignOrigin: 403,
    UnknownModel: 404,
    UnknownRoute: 404,
    MethodNotAllowed: 405,
    LimitReached: 429,
    SignInUnavailable: 503,
    PoliciesNotLoaded: 503,
    PoliciesRejected: 409,
    StateUnusable: 503,
    UnknownApproval: 404,
    NotAnApprover: 403,
    ApprovalDenied: 403,
    ApprovalGone: 410,
    ApprovalsUnavailable: 503,
    AuditUnavailable: 503,
    GatewayFull: 503,
    GatewayStopping: 503,
    LimitsUnavailable: 503,
    UpstreamTimeout: 504,
    DeadlinePassed: 504,
    TargetsUnavailable: 503,
    UpstreamOverloaded: 429,
    UpstreamRejected: 400,
    # The rest of each branch of the tree.
    RequestError: 400,
    UpstreamError: 502,
    GatewayError: 500,
}


def status_of(error: GatewayError) -> int:
    """The status of the nearest ancestor that has one."""
    return next(STATUS[kind] for kind in type(error).__mro__ if kind in STATUS)


def headers_of(error: GatewayError) -> tuple[tuple[bytes, bytes], ...]:
    """Headers that belong to the error: when to retry, how to authenticate, that the connection ends."""
    match error:
        case UpstreamOverloaded(retry_after=float() as seconds):
            return ((b"retry-after", str(max(0, math.ceil(seconds))).encode()),)
        case LimitReached():
            return _waiting(error)
        case TargetsUnavailable(retry_after=seconds):
            return ((b"retry-after", str(max(1, math.ceil(seconds))).encode()),)
        case GatewayFull(retry_after_s=seconds):
            return ((b"retry-after", str(seconds).encode()),)
        case AuditUnavailable(sent=False) | SignInUnavailable() | LimitsUnavailable():
            return ((b"retry-after", b"1"),)
        case AuditUnavailable() | UpstreamTimeout() | UpstreamGarbled() | ApprovalsUnavailable() | GatewayStopping():
            # The upstream may have done the work: stock SDKs would otherwise pay for it again.
            return ((b"x-should-retry", b"false"),)
        case Unauthenticated():
            return ((b"www-authenticate", b"Bearer"),)
        case BodyTooLarge():
            return ((b"connection", b"close"),)
        case _:
            return ()


def _waiting(error: LimitReached) -> tuple[tuple[bytes, bytes], ...]:
    """When to come back; and whether a stock SDK is to do so by itself."""
    after = (b"retry-after", str(error.retry_after_s).encode())
    if isinstance(error, BudgetSpent) or not error.waiting_helps or error.retry_after_s > _PATIENCE_S:
        return (after, (b"x-should-retry", b"false"))
    return (after,)
