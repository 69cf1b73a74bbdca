"""Which of the gateway's errors is an upstream's refusal?

Of what the upstream says, only words that are plain identifiers are kept: its messages quote prompts, and applications
need no more than ``context_length_exceeded``. Azure's filters refuse with the code ``content_filter`` and say which of
them did, of which the names that are known are told.
"""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Final

import orjson

from gateway.domain.errors import (
    UpstreamError,
    UpstreamFailed,
    UpstreamGarbled,
    UpstreamOverloaded,
    UpstreamRejected,
    UpstreamTimeout,
)
from gateway.domain.jsonvalue import JsonObject, JsonValue

_IDENTIFIER: Final = re.compile(r"[A-Za-z0-9_.\[\]-]{1,64}")
_SECONDS: Final = re.compile(r"[0-9]{1,9}(\.[0-9]{1,9})?")
# Whatever an upstream asks for, nobody is told to wait for longer.
_MOST_DELAY_S: Final = 86_400.0
_FINER_DELAYS: Final = ("retry-after-ms", "x-ms-retry-after-ms")
_CONTEXT: Final = "context_length_exceeded"
# llama.cpp has a word of its own; vLLM says it in its message only.
_ALIASES: Final = {"exceed_context_size_error": _CONTEXT}
_CONTEXT_PHRASE: Final = "maximum context length is"
_FILTERED: Final = "content_filter"
_VIOLATION: Final = "ResponsibleAIPolicyViolation"
_FILTERS: Final = (
    *("jailbreak", "indirect_attack", "hate", "self_harm", "sexual", "violence", "profanity"),
    *("custom_blocklists", "protected_material_text", "protected_material_code"),
)
# Words for having no room that some servers say in ``type`` alone, and that applications act on.
_NO_ROOM: Final = frozenset({"insufficient_quota", "rate_limit_exceeded"})
# Some server behind the upstream did not answer in time, and may still be at work. Bedrock's models time out by 408.
_OUT_OF_TIME: Final = frozenset({408, 504, 524})
# What the litellm process says of a call that its vendor may have worked on.
_MAY_BE_DONE: Final = frozenset({"unchecked_call", "unreadable_answer", "vendor_broke_off"})
_ADVICE: Final = {
    401: "refused the gateway's credentials (401). Check the target's api_key.",
    403: "refused the gateway's credentials (403). Check the target's api_key.",
    404: "does not know the route or the model (404). Check the target's base_url and model.",
}


def read_refusal(
    status: int, headers: Mapping[str, str], body: bytes, *, target: str, now: datetime | None = None
) -> UpstreamError:
    """The error for a response whose status is not 200; ``body`` may be empty or cut short."""
    if status in {429, 503, 529}:
        return UpstreamOverloaded(
            f"Target {target}: the upstream has no room ({status}). Try again later, or give the model another target.",
            target=target,
            retry_after=_delay(headers, now or datetime.now(UTC)),
            reason=_reason(_error_object(body)),
            limited=status == 429,
        )
    if status in {400, 413, 415, 422}:
        return _rejected(status, _error_object(body), target)
    if status in _OUT_OF_TIME:
        return UpstreamTimeout(
            f"Target {target}: the upstream ran out of time itself ({status}). It may have worked on the request; look "
            "at the upstream's log before sending it again.",
            target=target,
            phase="upstream",
        )
    if status == 502 and _reason(_error_object(body)) in _MAY_BE_DONE:
        return UpstreamGarbled(
            f"Target {target}: the vendor's answer cannot be read, or broke off ({status}). It may have worked on the "
            "request; look at the vendor's log before sending it again.",
            target=target,
        )
    if 300 <= status < 400:
        advice = f"answered with a redirect ({status}), which is not followed. Set the target's base_url to its end."
    else:
        advice = _ADVICE.get(status, f"failed with status {status}. Look at the upstream's log.")
    return UpstreamFailed(f"Target {target}: the upstream {advice}", target=target, status=status)


def _delay(headers: Mapping[str, str], now: datetime) -> float | None:
    """The upstream's delay in seconds, from the finest header that it sent."""
    for name in _FINER_DELAYS:
        value = headers.get(name, "").strip()
        if _SECONDS.fullmatch(value):
            return min(float(value) / 1000, _MOST_DELAY_S)
    return read_retry_after(headers.get("retry-after"), now)


def read_retry_after(value: str | None, now: datetime) -> float | None:
    """Seconds from a ``Retry-After`` header's two forms (RFC 9110, section 10.2.3); None where it is neither.

    More than a day counts as a day.
    """
    if value is None:
        return None
    value = value.strip()
    if _SECONDS.fullmatch(value):
        return min(float(value), _MOST_DELAY_S)
    try:
        when = parsedate_to_datetime(value)
    except (ValueError, OverflowError):
        # The second: an offset from UTC of more digits than any date can take.
        return None
    if when.tzinfo is None:
        when = when.replace(tzinfo=UTC)
    return min(max(0.0, (when - now).total_seconds()), _MOST_DELAY_S)


def _rejected(status: int, error: JsonObject, target: str) -> UpstreamRejected:
    reason, param = _reason(error), _identifier(error.get("param"))
    filters = ", ".join(_filters(error)) if reason == _FILTERED else ""
    said = "" if reason is None else f": {reason} ({filters})" if filters else f": {reason}"
    return UpstreamRejected(
        f"Target {target}: the upstream refused the request ({status}{said}). Change the request and send it again.",
        target=target,
        status=status,
        reason=reason,
        param=param,
    )


def _reason(error: JsonObject) -> str | None:
    message = error.get("message")
    if isinstance(message, str) and _CONTEXT_PHRASE in message:
        return _CONTEXT
    named = _identifier(error.get("code"))
    if _VIOLATION in (named, _inner(error).get("code")):
        return _FILTERED
    if named is not None and not named.isdigit():
        # A number there is the status once more, which says nothing.
        return named
    kind = _identifier(error.get("type")) or ""
    return kind if kind in _NO_ROOM else _ALIASES.get(kind)


def _inner(error: JsonObject) -> JsonObject:
    """What Azure's filters say beyond the error itself."""
    inner = error.get("innererror", error.get("inner_error"))
    return inner if isinstance(inner, dict) else {}


def _filters(error: JsonObject) -> list[str]:
    """Which of Azure's filters refused, by names that are known."""
    inner = _inner(error)
    seen = inner.get("content_filter_result", inner.get("content_filter_results"))
    if not isinstance(seen, dict):
        return []
    results = [(name, seen.get(name)) for name in _FILTERS]
    return [name for name, result in results if isinstance(result, dict) and result.get("filtered") is True]


def _identifier(value: JsonValue) -> str | None:
    return value if isinstance(value, str) and _IDENTIFIER.fullmatch(value) else None


def _error_object(body: bytes) -> JsonObject:
    try:
        answer: JsonValue = orjson.loads(body)
    except orjson.JSONDecodeError:
        return {}
    if not isinstance(answer, dict):
        return {}
    # vLLM before 0.10 wrote the error's fields at the top.
    error = answer.get("error", answer)
    return error if isinstance(error, dict) else {}
