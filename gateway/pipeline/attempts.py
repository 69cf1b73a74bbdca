"""Which targets are called for one request, in which order, and when once more?

Each target that may be called is called once, in order; then, after a pause, those that may do better by now are called
again, within the request's deadline. What may be called again at all is settled in ``failing.py``, whether a target may
be called now in ``condition.py``. A target that cannot reach the floor is never called, whatever becomes of the others.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import field, replace
from typing import Final, Generic, TypeVar

from gateway.domain.errors import (
    DeadlinePassed,
    GatewayError,
    NotSayable,
    TargetsUnavailable,
    UpstreamError,
    UpstreamOverloaded,
)
from gateway.domain.evidence import ABANDONED, Attempt, Timeline
from gateway.domain.model import Persistence
from gateway.domain.ports import Call
from gateway.domain.target import Target
from gateway.domain.value import value
from gateway.pipeline.breaker import Outcome
from gateway.pipeline.condition import Conditions, Ticket
from gateway.pipeline.failing import back_off, read
from gateway.pipeline.route import Candidate, Ranked, refusal
from gateway.pipeline.run import Run, at_once
from gateway.pipeline.tab import UNLIMITED, Tab

Answer = TypeVar("Answer")

_log = logging.getLogger("splitgate.send")

_NS: Final = 1_000_000_000
# A pause for a target's rest is no shorter, however little is left of it.
_LEAST_PAUSE_S: Final = 0.001
# With less than this part of the request's whole time a call that runs out of it says nothing of its target.
_FAIR_PART: Final = 0.75


@value
class Sending:
    """What sending one request takes.

    ``trace`` is the header ``traceparent`` to send along, if any. ``intend`` is awaited before each attempt: where it
    raises, nothing is sent; ``tried`` hears of each attempt once it is over. ``ends`` is the request's deadline by the
    conditions' clock, None for none. ``tab`` hears who is asked, and which of them failed.
    """

    request_id: str
    intend: Callable[[Call], Awaitable[None]]
    tried: Callable[[Attempt], None]
    timeline: Timeline
    conditions: Conditions
    persistence: Persistence = field(default_factory=Persistence)
    ends: float | None = None
    trace: str | None = None
    tab: Tab = UNLIMITED
    run: Run = at_once
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep


class Attempts(Generic[Answer]):
    """The calls for one request. ``ask`` makes one; what is not over once it has come takes the call's ticket over."""

    __slots__ = (
        "_ask", "_called", "_calls", "_failure", "_judged", "_late", "_out", "_paused", "_ranked", "_refused", "_round",
        "_sending", "_usable", "_waited",
    )  # fmt: skip

    def __init__(self, ranked: Ranked, sending: Sending, ask: Callable[[Call, Ticket], Awaitable[Answer]]) -> None:
        self._ranked = ranked
        self._sending = sending
        self._ask = ask
        self._judged: dict[str, Candidate] = {}
        self._refused: list[Candidate] = []
        self._calls = 0
        # Targets that were called, and those that are not called any more, by their ids.
        self._called: set[str] = set()
        self._out: set[str] = set()
        self._usable: Sequence[Target] = ()
        self._failure: UpstreamError | None = None
        self._late = False
        self._round = 0
        # Seconds that the request waited in all, and before the next attempt.
        self._waited = self._paused = 0.0

    async def answered(self) -> tuple[Call, Answer]:
        """The first answer there is, and the call that it answers.

        Raises:
            RequestError: no target may be used for this request.
            UpstreamError: the last target's error, or that none may be called now.
            AuditUnavailable: an attempt could not be recorded.
        """
        targets = self._ranked.targets
        while True:
            before = self._calls
            for target in targets:
                answered = await self._try(target)
                if answered is not None:
                    return answered
            pause = await self._pause(made=self._calls > before)
            if pause is None:
                raise self._error()
            await self._rest(pause)
            targets = self._usable

    async def _try(self, target: Target) -> tuple[Call, Answer] | None:
        """Call a target, if it may be called: its answer, or None where another one may be asked."""
        sending = self._sending
        ends = sending.ends
        if ends is not None and self._over():
            return None
        ticket = sending.conditions.of(target).begin(again=target.id in self._called)
        if ticket is None:
            return None
        try:
            candidate = self._judged.get(target.id)
            if candidate is None:
                candidate = self._noted(await sending.run(self._ranked.judge, target))
            layout = candidate.layout
            if layout is None or target.id in self._out:
                return None
            call = Call(
                id=sending.request_id, target=target, layout=layout, options=candidate.options, trace=sending.trace
            )
            await sending.intend(call)
            if ends is not None and self._over():
                now = time.perf_counter_ns()
                sending.tried(Attempt(target=target, error=DeadlinePassed.code, began=now, took=0))
                return None
            return call, await self._made(call if ends is None else self._bounded(call, ends), ticket)
        except NotSayable as refused_there:
            self._out.add(target.id)
            self._refused.append(replace(self._judged[target.id], refusal=refused_there))
        except UpstreamError as error:
            reading = read(error)
            if not reading.elsewhere:
                raise
            if not reading.again:
                self._out.add(target.id)
            self._failure = error
            _log.warning(
                "request %s: target %s failed (%s); looking for another", sending.request_id, error.target, error.code
            )
        finally:
            # Of a call that was made the ticket has been ended, or is in other hands by now.
            ticket.drop()
        return None

    def _noted(self, candidate: Candidate) -> Candidate:
        """Keep how a target stands for this request: it is judged once."""
        self._judged[candidate.target.id] = candidate
        if candidate.refusal is not None or candidate.layout is None:
            self._out.add(candidate.target.id)
            self._refused.append(candidate)
        return candidate

    async def _still_usable(self) -> Sequence[Target]:
        """The targets that may be called, now or later; those that were passed by are judged for it."""
        for target in self._ranked.targets:
            if target.id not in self._judged:
                self._noted(await self._sending.run(self._ranked.judge, target))
        return [target for target in self._ranked.targets if target.id not in self._out]

    def _bounded(self, call: Call, ends: float) -> Call:
        """The call, with no more time than the request has left."""
        timeouts = call.target.timeouts
        left = max(_LEAST_PAUSE_S, ends - self._sending.conditions.ticks())
        if timeouts.total <= left:
            return call
        return replace(call, target=replace(call.target, timeouts=replace(timeouts, total=left)))

    async def _made(self, call: Call, ticket: Ticket) -> Answer:
        """Make the call, and tell what came of it."""
        timeline = self._sending.timeline
        again = call.target.id in self._called
        self._sending.tab.asking(call.target)
        self._called.add(call.target.id)
        self._calls += 1
        own_time = self._sending.ends is None or self._has_most_of_its_time()
        began = time.perf_counter_ns()
        if timeline.sent:
            timeline.elsewhere += began - timeline.sent
        timeline.sent = began
        error: str | None = ABANDONED
        try:
            answer = await self._ask(call, ticket)
            error = None
            timeline.first = timeline.last = time.perf_counter_ns()
            ticket.end(Outcome.SUCCEEDED)
        except NotSayable as refused_there:
            error = refused_there.code
            self._sending.tab.failed(refused_there)
            raise
        except UpstreamError as failure:
            error = failure.code
            self._sending.tab.failed(failure)
            reading = read(failure, own_time=own_time)
            ticket.end(reading.outcome, error, rest_s=reading.rest_s)
            raise
        finally:
            paused, self._paused = self._paused, 0.0
            if error is ABANDONED:
                ticket.abandon()
            self._sending.tried(
                Attempt(
                    target=call.target,
                    error=error,
                    began=began,
                    took=time.perf_counter_ns() - began,
                    waited=int(paused * _NS),
                    again=again,
                )
            )
        return answer

    async def _pause(self, *, made: bool) -> float | None:
        """How long to wait before those that may be called again are; None where that is of no use."""
        sending, persistence = self._sending, self._sending.persistence
        no_more = self._over() or self._round >= persistence.retries + (not made)
        if no_more and self._failure is not None:
            return None
        usable = self._usable = await self._still_usable()
        if no_more:
            return None
        waits = [sending.conditions.of(target).wait(again=target.id in self._called) for target in usable]
        shortest = min([wait for wait in waits if wait is not None], default=None)
        room = persistence.max_wait_s - self._waited
        if shortest is None or shortest > room or room <= 0:
            return None
        if made or not shortest:
            self._round += 1
        pause = min(room, max(_LEAST_PAUSE_S, shortest) + back_off(self._round or 1, sending.conditions.draw))
        return None if self._left() <= pause else pause

    async def _rest(self, pause: float) -> None:
        self._waited += pause
        self._paused += pause
        if not self._sending.timeline.sent:
            self._sending.timeline.elsewhere += int(pause * _NS)
        await self._sending.sleep(pause)

    def _left(self) -> float:
        """How many seconds the request has left."""
        ends = self._sending.ends
        return float("inf") if ends is None else ends - self._sending.conditions.ticks()

    def _has_most_of_its_time(self) -> bool:
        deadline = self._sending.persistence.deadline_s
        return deadline is None or self._left() >= deadline * _FAIR_PART

    def _over(self) -> bool:
        if self._sending.ends is not None and self._left() <= 0:
            self._late = True
        return self._late

    def _error(self) -> GatewayError:
        """Why there is no answer: what failed comes first, then what might have served and was left alone."""
        if self._failure is not None:
            return self._failure
        if self._usable and not self._late:
            return _unavailable(self._usable, self._sending.conditions)
        if self._late:
            first = self._ranked.targets[0].id
            return DeadlinePassed(
                "the time that requests for this model may take was over before a target could be called; send the "
                "request again, or raise the model's deadline_s",
                target=first,
            )
        return refusal(self._refused)


def _unavailable(targets: Sequence[Target], conditions: Conditions) -> UpstreamError:
    """No target that might serve the request is called at present."""
    named = ", ".join([target.id for target in targets])
    left = [conditions.of(target).left() for target in targets]
    after = min([seconds for _, seconds in left])
    if all(broken for broken, _ in left):
        return TargetsUnavailable(
            f"Targets {named}: they failed time and again and are left alone for {after:.1f} s more. Try again then; "
            "GET /admin/targets says how they stand.",
            target=targets[0].id,
            retry_after=after,
        )
    return UpstreamOverloaded(
        f"Targets {named}: the upstream asked to be left alone, for {after:.1f} s more. Try again then, or give the "
        "model another target.",
        target=targets[0].id,
        retry_after=after,
    )
