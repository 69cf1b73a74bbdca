"""In which words does a failed exchange reach the operator?

Both clients build their errors here, so that a change of client changes no class, phase or message. No message holds
an address, a header or a body: addresses may carry credentials, bodies carry prompts.
"""

from collections.abc import AsyncIterator
from typing import Literal, TypeAlias

from gateway.domain.errors import UpstreamGarbled, UpstreamTimeout, UpstreamUnreachable
from gateway.domain.target import Timeouts

Phase: TypeAlias = Literal["connect", "first_byte", "idle", "total"]

_WAITED_FOR: dict[Phase, str] = {
    "connect": "a connection",
    "first_byte": "the first byte of an answer",
    "idle": "the next part of an answer",
    "total": "the end of the exchange",
}


def timed_out(target: str, phase: Phase, timeouts: Timeouts) -> UpstreamTimeout:
    """A limit ran out; only ``connect`` says that the request was certainly not sent."""
    limit = {
        "connect": timeouts.connect,
        "first_byte": timeouts.first_byte,
        "idle": timeouts.idle,
        "total": timeouts.total,
    }[phase]
    message = (
        f"Target {target}: waited {limit:g} s for {_WAITED_FOR[phase]}. "
        f"Check that the upstream is healthy, or raise the target's timeouts.{phase}."
    )
    return UpstreamTimeout(message, target=target, phase=phase)


def unreachable(target: str) -> UpstreamUnreachable:
    """No connection came about, so nothing was sent."""
    return UpstreamUnreachable(
        f"Target {target}: no connection could be made. Check the target's base_url and that the upstream is running.",
        target=target,
    )


def unusable_address(target: str) -> UpstreamUnreachable:
    """The client library refused the address or a header before it opened a connection."""
    return UpstreamUnreachable(
        f"Target {target}: its base_url, headers or api_key cannot be put into an HTTP request. "
        "Check them in the configuration.",
        target=target,
    )


def not_allowed(target: str) -> UpstreamUnreachable:
    """Where the address leads no connection may be made; nothing was sent."""
    return UpstreamUnreachable(
        f"Target {target}: its address leads to this machine, a private network or a place that serves no models. "
        "If that is meant, set allow_private beside the address.",
        target=target,
    )


def unanswered(target: str) -> UpstreamGarbled:
    """The connection failed after the request may have been read: not safe to send again."""
    return UpstreamGarbled(
        f"Target {target}: the upstream closed the connection, or spoke no HTTP, before its answer began. "
        "It may have worked on the request; look at the upstream's log before sending it again.",
        target=target,
    )


def broke_off(target: str) -> UpstreamGarbled:
    """The body ended before its declared end."""
    return UpstreamGarbled(
        f"Target {target}: the answer broke off before its end. Look at the upstream's log.", target=target
    )


def too_long(target: str, limit: int) -> UpstreamGarbled:
    """The body is over ``limit`` bytes."""
    return UpstreamGarbled(f"Target {target}: the answer is over {limit} bytes. Ask for a shorter one.", target=target)


async def read_whole(chunks: AsyncIterator[bytes], *, limit: int, target: str) -> bytes:
    """Join a body of at most ``limit`` bytes.

    Raises:
        UpstreamGarbled: the body is longer.
    """
    parts: list[bytes] = []
    size = 0
    async for chunk in chunks:
        size += len(chunk)
        if size > limit:
            raise too_long(target, limit)
        parts.append(chunk)
    return parts[0] if len(parts) == 1 else b"".join(parts)
