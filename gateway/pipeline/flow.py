"""How does a stream come through the guard?

What arrived together is judged together and goes on together; nothing of it waits for what is still to come, nor for
an answer that only what follows it needs. Here is who waits: the guard itself knows no time.
"""

import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import aclosing
from functools import partial
from typing import TypeAlias

from gateway.domain.evidence import Timeline
from gateway.domain.exchange import (
    Finish,
    ReasoningDelta,
    RefusalDelta,
    ReplyEvent,
    StreamEvent,
    TextDelta,
    ToolCallDelta,
    ToolCallStarted,
)
from gateway.pipeline.asking import Asking
from gateway.pipeline.guard import Guard, GuardEvent
from gateway.pipeline.run import LARGE, beside, runner_for
from gateway.pipeline.send import OpenedStream

Passing: TypeAlias = Callable[[Sequence[GuardEvent]], Sequence[ReplyEvent]]
Ending: TypeAlias = Callable[[], AsyncGenerator[Sequence[ReplyEvent], None]]


class Flow:
    """One stream on its way. ``grounds_size`` is how much text a call's values are looked for in.

    ``passing`` makes of what the guard lets through that which goes on, ``ending`` gives what follows in the end: both
    are called from here, since every token would have to pass a generator around this one.
    """

    def __init__(
        self, guard: Guard, asking: Asking, timeline: Timeline, grounds_size: int, *, passing: Passing, ending: Ending
    ) -> None:
        self._passing = passing
        self._ending = ending
        self._guard = guard
        self._asking = asking
        self._timeline = timeline
        self._grounds_size = grounds_size
        # How much there was to judge so far.
        self._size = 0
        # Since when something is held back, in nanoseconds; 0 for nothing.
        self._since = 0

    async def events(self, opened: OpenedStream) -> AsyncGenerator[Sequence[ReplyEvent], None]:
        """What goes on of the upstream's events, until there is nothing more to wait for; then what ends it."""
        guard, hearing = self._guard, opened.hearing
        async with opened as rest:
            came: Sequence[StreamEvent] | None = opened.first
            while came is not None:
                at, passed = self._at_once(came, 0)
                if passed:
                    yield passed
                if at < len(came) or (guard.acts and guard.questions):
                    async with aclosing(self._slowly(came, at)) as slow:
                        async for passed in slow:
                            yield passed
                if guard.acts and (passed := self._overdue()):
                    yield passed
                if guard.acts and guard.over:
                    self._timeline.truncated = True
                    break
                try:
                    came = await (self._more(rest) if guard.acts else anext(rest, None))
                except TimeoutError:
                    yield self._passing(guard.cut_off())
                    self._timeline.truncated = True
                    break
                if hearing is not None and came is not None:
                    hearing(came)
        self._timeline.last = time.perf_counter_ns()
        await self._asking.answered_late(guard, runner_for(self._size))
        async for last in self._ending():
            yield last

    async def _slowly(self, came: Sequence[StreamEvent], at: int) -> AsyncGenerator[Sequence[ReplyEvent], None]:
        """The same of what came from ``at`` on, where something has to be waited for."""
        guard = self._guard
        while at < len(came) or guard.questions:
            at, cleared = await self._in_time(came, at)
            if passed := self._passing(cleared):
                yield passed
            if not guard.questions:
                at, passed = self._at_once(came, at)
                if passed:
                    yield passed

    async def _in_time(self, came: Sequence[StreamEvent], at: int) -> tuple[int, Sequence[GuardEvent]]:
        """Have answered what is asked, or feed what takes long beside the event loop."""
        guard = self._guard
        if guard.questions:
            cleared: Sequence[GuardEvent] = await self._asking.answered(guard, runner_for(self._size))
            self._note(cleared)
        else:
            cleared = await beside(partial(self._fed, came[at], self._weight(came[at])))
            at += 1
        return (len(came) if guard.over else at), cleared

    def _more(self, rest: AsyncGenerator[Sequence[StreamEvent], None]) -> Awaitable[Sequence[StreamEvent] | None]:
        """What comes next, unless that takes longer than something may be held."""
        deadline = self._guard.deadline
        more = anext(rest, None)
        return more if deadline is None else self._asking.in_time(more, deadline)

    def _overdue(self) -> Sequence[ReplyEvent]:
        """What its deadline ends: an upstream that never lets go of the event loop is not waited for either."""
        deadline = self._guard.deadline
        if deadline is None or self._asking.ticks() < deadline:
            return ()
        return self._passing(self._guard.expire(deadline))

    def _at_once(self, came: Sequence[StreamEvent], at: int) -> tuple[int, Sequence[ReplyEvent]]:
        """Feed what came from ``at`` on, up to what takes long or leaves questions; gives how far, and what goes on."""
        guard = self._guard
        cleared: list[GuardEvent] = []
        for event in came[at:] if at else came:
            weight = len(event.text) if isinstance(event, TextDelta) else self._weight(event)
            ends = not weight and isinstance(event, Finish)
            # At a choice's end all of it is judged.
            if (self._size if ends else weight) > LARGE:
                break
            at += 1
            fed = self._fed(event, weight)
            if fed:
                cleared += fed
                if guard.acts and isinstance(fed[-1], Finish) and guard.over:
                    at = len(came)
                    break
            if ends and guard.questions:
                break
        return at, self._passing(cleared) if cleared else ()

    def _fed(self, event: StreamEvent, weight: int) -> Sequence[GuardEvent]:
        self._size += weight
        self._timeline.scanned += 1
        cleared = self._guard.feed(event, self._asking.ticks())
        if self._since:
            self._note(cleared)
        elif weight and not cleared:
            self._since = time.perf_counter_ns()
        return cleared

    def _note(self, cleared: Sequence[GuardEvent]) -> None:
        """Something goes on, or nothing: of the times that something was held back the longest is kept."""
        if self._since and cleared:
            self._timeline.held = max(self._timeline.held, time.perf_counter_ns() - self._since)
            self._since = 0

    def _weight(self, event: StreamEvent) -> int:
        """How much there is to judge because of an event."""
        match event:
            case TextDelta() | ReasoningDelta() | RefusalDelta():
                return len(event.text)
            case ToolCallDelta():
                return len(event.arguments)
            case ToolCallStarted():
                return self._grounds_size
            case _:
                return 0
