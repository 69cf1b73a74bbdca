"""How does a request get its answer, whole or as a stream?

Which targets are called is the business of ``attempts.py``. A stream may fail over until its first event has come, and
never after that; until it ends its call counts as one in progress.
"""

from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from types import TracebackType
from typing import TypeVar

from gateway.domain.errors import UpstreamError, UpstreamGarbled
from gateway.domain.exchange import StreamEvent
from gateway.domain.ports import Call
from gateway.domain.value import value
from gateway.pipeline.attempts import Attempts, Sending
from gateway.pipeline.breaker import Outcome
from gateway.pipeline.condition import Ticket
from gateway.pipeline.failing import read
from gateway.pipeline.route import Ranked
from gateway.pipeline.tab import Hearing

Answer = TypeVar("Answer")


@value
class OpenedStream:
    """A stream whose first events have come, so that failing over is behind it.

    ``async with`` gives the rest of it, which is closed in the end, and with it the call's ticket. ``hearing`` is to be
    told of the rest as it comes, as it was of the first.
    """

    first: Sequence[StreamEvent]
    rest: AsyncGenerator[Sequence[StreamEvent], None]
    ticket: Ticket | None = None
    hearing: Hearing | None = None

    async def __aenter__(self) -> AsyncGenerator[Sequence[StreamEvent], None]:
        return self.rest

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            await self.rest.aclose()
        finally:
            if self.ticket is not None:
                _end(self.ticket, error)


def send(ranked: Ranked, sending: Sending, ask: Callable[[Call], Awaitable[Answer]]) -> Awaitable[tuple[Call, Answer]]:
    """Get a whole answer, by ``ask``, from the first target that gives one.

    Raises:
        RequestError: no target may be used for this request.
        UpstreamError: the last target's error, or that none may be called now.
        AuditUnavailable: an attempt could not be recorded.
    """
    return Attempts(ranked, sending, lambda call, _: ask(call)).answered()


async def open_stream(
    ranked: Ranked,
    sending: Sending,
    ask: Callable[[Call], AsyncGenerator[Sequence[StreamEvent], None]],
) -> tuple[Call, OpenedStream]:
    """Get the first events from the first target that starts to answer; raises as ``send`` does."""

    async def opened(call: Call, ticket: Ticket) -> OpenedStream:
        events = ask(call)
        first = await anext(events, None)
        if first is None:
            raise UpstreamGarbled("the upstream ended its stream before it began to answer", target=call.target.id)
        hearing = sending.tab.hearing
        if hearing is not None:
            hearing(first)
        return OpenedStream(first=first, rest=events, ticket=ticket.answering(), hearing=hearing)

    answered = await Attempts(ranked, sending, opened).answered()
    # Its first events are not all of it.
    sending.timeline.last = 0
    return answered


def _end(ticket: Ticket, error: BaseException | None) -> None:
    match error:
        case None:
            ticket.end(Outcome.SUCCEEDED)
        case UpstreamError():
            # Events came: that the end did not come in time may be the answer's length, or its reader's doing.
            reading = read(error, own_time=False)
            ticket.end(reading.outcome, error.code, rest_s=reading.rest_s)
        case _:
            ticket.abandon()
