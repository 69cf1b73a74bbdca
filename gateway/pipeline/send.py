"""Which target answers, when some of them fail?

Targets are tried in order after failures that are safe to repeat: the connection was not made, the upstream had no
room, or it failed on its own account, and nothing was passed on to the client yet. A call that may have been processed,
such as one that timed out, is never sent twice. A target that turns out to have no words for what is asked counts as
one that was never considered.
"""

import logging
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator
from dataclasses import dataclass, replace
from typing import TypeVar

from gateway.domain.errors import (
    GatewayError,
    NotSayable,
    UpstreamError,
    UpstreamFailed,
    UpstreamGarbled,
    UpstreamOverloaded,
    UpstreamTimeout,
    UpstreamUnreachable,
)
from gateway.domain.evidence import Timeline
from gateway.domain.exchange import StreamEvent
from gateway.domain.ports import Call
from gateway.pipeline.route import Candidate, refusal
from gateway.pipeline.run import Run, at_once

Answer = TypeVar("Answer")

_log = logging.getLogger("splitgate.send")


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenedStream:
    """A stream whose first event has come, so that failing over is behind it."""

    first: StreamEvent
    rest: AsyncGenerator[StreamEvent, None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sending:
    """What sending one request takes.

    ``trace`` is the header ``traceparent`` to send along, if any. ``intend`` is awaited before each attempt: where it
    raises, nothing is sent.
    """

    request_id: str
    intend: Callable[[Call], Awaitable[None]]
    timeline: Timeline
    trace: str | None = None
    run: Run = at_once


async def send(
    ranked: Iterator[Candidate], sending: Sending, ask: Callable[[Call], Awaitable[Answer]]
) -> tuple[Call, Answer]:
    """Get a whole answer, by ``ask``, from the first target that gives one.

    Raises:
        RequestError: no target may be used for this request.
        UpstreamError: the last target's error.
        AuditUnavailable: an attempt could not be recorded.
    """

    async def attempt(call: Call) -> Answer:
        answer = await ask(call)
        sending.timeline.first = sending.timeline.last = time.perf_counter_ns()
        return answer

    return await _first(ranked, sending, attempt)


async def open_stream(
    ranked: Iterator[Candidate], sending: Sending, ask: Callable[[Call], AsyncGenerator[StreamEvent, None]]
) -> tuple[Call, OpenedStream]:
    """Get the first event from the first target that starts to answer; raises as ``send`` does."""

    async def attempt(call: Call) -> OpenedStream:
        events = ask(call)
        first = await anext(events, None)
        if first is None:
            raise UpstreamGarbled("the upstream ended its stream before it began to answer", target=call.target.id)
        sending.timeline.first = time.perf_counter_ns()
        return OpenedStream(first=first, rest=events)

    return await _first(ranked, sending, attempt)


async def _first(
    ranked: Iterator[Candidate], sending: Sending, attempt: Callable[[Call], Awaitable[Answer]]
) -> tuple[Call, Answer]:
    refused: list[Candidate] = []
    failure: GatewayError | None = None
    while (candidate := await sending.run(lambda: next(ranked, None))) is not None:
        if candidate.refusal is not None or candidate.layout is None:
            refused.append(candidate)
            continue
        call = Call(
            id=sending.request_id,
            target=candidate.target,
            layout=candidate.layout,
            options=candidate.options,
            trace=sending.trace,
        )
        await sending.intend(call)
        sending.timeline.sent = time.perf_counter_ns()
        try:
            return call, await attempt(call)
        except NotSayable as refusal_there:
            refused.append(replace(candidate, refusal=refusal_there))
        except UpstreamError as error:
            if not _is_repeatable(error):
                raise
            failure = error
            _log.warning("request %s: target %s failed (%s); looking for another", call.id, error.target, error.code)
    raise failure or refusal(refused)


def _is_repeatable(error: UpstreamError) -> bool:
    """Whether the call was certainly not processed, or failed on the upstream's own account."""
    if isinstance(error, UpstreamTimeout):
        return error.phase == "connect"
    return isinstance(error, UpstreamUnreachable | UpstreamOverloaded | UpstreamFailed)
