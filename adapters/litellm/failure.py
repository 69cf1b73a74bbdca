"""What is a client told of a call that failed?

The vendor's own status and its plain word for what went wrong, where the call came so far; otherwise what litellm says
of the kind of failure. No message of either's is ever handed on: they quote prompts, addresses and credentials.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from adapters._refusal import Refused
from adapters.litellm.gate import Passage

_PASSED: Final = frozenset({400, 401, 403, 404, 408, 413, 422, 429, 500, 502, 503, 504})
# What litellm's names for errors say that a status alone does not.
_WORDS: Final = {
    "ContextWindowExceededError": "context_length_exceeded",
    "ContentPolicyViolationError": "content_filter",
}
_WORD: Final = re.compile(r"\b[a-z_]{1,40}\b")
_RETRY_AFTER: Final = re.compile(r"[\x20-\x7e]{1,64}")
# What went wrong before a byte of the request was written. The call may be made elsewhere then, and else it may not.
_UNCONNECTED: Final = ("ConnectError", "ConnectTimeout", "PoolTimeout")
# A refusal that is no fault of the request's.
_OURS: Final = "unknown_wire"


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """The answer to a call that failed."""

    status: int
    code: str
    message: str
    param: str | None = None
    retry_after: str | None = None


def told(error: BaseException, passage: Passage, options: Iterable[str] = ()) -> Failure:
    """The failure that ``error`` is; ``options`` are the request's, of which litellm may name one."""
    if passage.refused is not None:
        return _refused(passage.refused)
    kinds = [kind.__name__ for kind in type(error).__mro__]
    if passage.status is not None and passage.status >= 300:
        return _by_status(passage.status, kinds, passage)
    if passage.sent:
        return _unanswered(error, kinds, passage)
    return _unsent(error, kinds, options)


def _refused(refused: Refused) -> Failure:
    status = 502 if refused.code == _OURS else 400
    return Failure(status=status, code=refused.code, message=refused.message, param=refused.param)


def _by_status(status: int, kinds: list[str], passage: Passage) -> Failure:
    if status < 400:
        message = "The vendor redirects, which is not followed: correct the target's base_url."
        return Failure(status=502, code="redirected", message=message)
    known = next((_WORDS[kind] for kind in kinds if kind in _WORDS), None) if status < 429 else None
    if status not in _PASSED:
        status = 400 if status < 500 else 502
    given = passage.retry_after
    return Failure(
        status=status,
        code=known or passage.code or "vendor_refused",
        message="The vendor refused the request, or failed: its code says why.",
        retry_after=given if given is not None and _RETRY_AFTER.fullmatch(given) else None,
    )


def _unanswered(error: BaseException, kinds: list[str], passage: Passage) -> Failure:
    """The request went out, and no usable answer came."""
    if any(_stands_for(error, name) for name in _UNCONNECTED):
        return Failure(
            status=502, code="vendor_unreachable", message="The vendor cannot be reached: check the target's base_url."
        )
    if "Timeout" in kinds or _stands_for(error, "TimeoutException"):
        return Failure(status=504, code="vendor_timeout", message="The vendor took too long: try again.")
    if passage.status is None:
        message = "The connection to the vendor broke before it answered: it may have worked on the request."
        return Failure(status=502, code="vendor_broke_off", message=message)
    return Failure(status=502, code="unreadable_answer", message="The vendor's answer cannot be read.")


def _unsent(error: BaseException, kinds: list[str], options: Iterable[str]) -> Failure:
    """Litellm could not even make a request of it."""
    if _stands_for(error, "ImportError"):
        message = "litellm needs a package for this vendor that is not installed: see docs/vendors.md."
        return Failure(status=500, code="package_missing", message=message)
    if "AuthenticationError" in kinds:
        message = "litellm lacks a credential for this vendor: check the target's api_key and credentials."
        return Failure(status=401, code="credential_missing", message=message)
    # Bedrock takes no tool's call or result without the tools.
    named = set(_WORD.findall(str(error))) & {*options, "tools"} if "UnsupportedParamsError" in kinds else set[str]()
    param = min(named, default=None)
    what = f"{param} cannot be said" if param else "The request cannot be put"
    message = f"{what} to this vendor: leave out what it has no word for, or use another target."
    return Failure(status=400, code="not_sayable", message=message, param=param)


def _stands_for(error: BaseException, name: str) -> bool:
    """Whether an error of this kind is behind ``error``."""
    seen: set[int] = set()
    todo: list[BaseException | None] = [error]
    while todo:
        one = todo.pop()
        if one is None or id(one) in seen:
            continue
        seen.add(id(one))
        if any(kind.__name__ == name for kind in type(one).__mro__):
            return True
        todo += [one.__cause__, one.__context__]
    return False
