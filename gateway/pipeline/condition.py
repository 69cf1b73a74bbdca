"""How is each target doing, and may it be called now?

What is known of a target in this worker, shared by all requests: its breaker, how long it asked to be left alone, how
many calls are in progress, and how many calls may still be made a second time. Called on the event loop's thread alone.
"""

import logging
import random
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import Final

from gateway.domain.evidence import ABANDONED, ANSWERED
from gateway.domain.target import HealthCheck, Target
from gateway.domain.value import value
from gateway.pipeline.breaker import Admission, Breaker, Outcome, State

_log = logging.getLogger("splitgate.targets")

# Of ten calls one more may be made again; so many may be from the start, and at most so many at once.
_BUDGET_SHARE: Final = 0.1
_BUDGET_MOST: Final = 10.0


@value
class Standing:
    """A target as administrators and metrics see it. ``resting_s`` and ``retry_s`` say for how long it is left alone.

    ``attempts`` counts the calls that are over by what became of them, ``again`` those that were made once more for
    the same request.
    """

    target: str
    state: State
    pending: int
    failures: int
    resting_s: float
    retry_s: float
    again: int
    attempts: Mapping[str, int]
    error: str | None


class Ticket:
    """One call in progress. It is ended once, whatever becomes of it; to end it again changes nothing."""

    __slots__ = ("_admission", "_condition")

    def __init__(self, condition: "Condition | None", admission: Admission) -> None:
        self._condition = condition
        self._admission = admission

    def end(self, outcome: Outcome, came_to: str = ANSWERED, *, rest_s: float | None = None) -> None:
        """The call is over; with ``rest_s`` the target wants to be left alone for so many seconds."""
        condition, self._condition = self._condition, None
        if condition is not None:
            condition.attempts[came_to] += 1
            if came_to is not ANSWERED and came_to is not ABANDONED:
                condition.error = came_to
            condition.end(self._admission, outcome, rest_s)

    def abandon(self) -> None:
        """Nobody waits for the call any more: it says nothing about its target."""
        self.end(Outcome.NEITHER, ABANDONED)

    def drop(self) -> None:
        """The call was not made."""
        condition, self._condition = self._condition, None
        if condition is not None:
            condition.end(self._admission, Outcome.NEITHER, None)

    def answering(self) -> "Ticket":
        """The same call in other hands, now that its answer has begun: what is done with this ticket changes nothing.

        A trial has come out well with that, though the call goes on.
        """
        condition, self._condition = self._condition, None
        admission = self._admission
        if condition is not None and admission.trial:
            admission = condition.settle(admission)
        return _Streamed(condition, admission)


class _Streamed(Ticket):
    """The ticket of a stream. One that nobody begins to read is dropped: its call must not count for good."""

    __slots__ = ()

    def __del__(self) -> None:
        self.abandon()


class Condition:
    """What is known of one target."""

    __slots__ = (
        "_budget", "_most_rest_s", "_rest_until", "_ticks", "again", "attempts", "breaker", "error", "pending",
        "target",
    )  # fmt: skip

    def __init__(self, target: Target, ticks: Callable[[], float], draw: Callable[[], float]) -> None:
        self.target = target.id
        self.breaker = Breaker(target.breaker, draw, self._changed)
        self.pending = 0
        self.again = 0
        self.attempts: defaultdict[str, int] = defaultdict(int)
        # The code of the last error.
        self.error: str | None = None
        self._ticks = ticks
        self._most_rest_s = target.breaker.longest_rest_s
        self._rest_until = 0.0
        self._budget = _BUDGET_MOST

    def begin(self, *, again: bool) -> Ticket | None:
        """Begin a call, for the same request ``again`` or for the first time; None where none may be made now."""
        breaker = self.breaker
        if breaker.state is State.CLOSED and not self._rest_until and not again:
            # What nearly every call meets, without a look at the clock.
            admission = breaker.closed
        else:
            now = self._ticks()
            if self._resting(now) or not breaker.admits(now) or (again and self._budget < 1.0):
                return None
            admission = breaker.begin(now)
        if again:
            self._budget -= 1.0
            self.again += 1
        elif self._budget < _BUDGET_MOST:
            self._budget = min(_BUDGET_MOST, self._budget + _BUDGET_SHARE)
        self.pending += 1
        return Ticket(self, admission)

    def end(self, admission: Admission, outcome: Outcome, rest_s: float | None) -> None:
        """End a call: a ticket's business."""
        self.pending -= 1
        # An answer to a call that is no trial asks nothing of the clock.
        now = self._ticks() if admission.trial or outcome is not Outcome.SUCCEEDED else 0.0
        if rest_s:
            self._rest_until = max(self._rest_until, now + min(rest_s, self._most_rest_s))
        self.breaker.end(admission, outcome, now)

    def settle(self, trial: Admission) -> Admission:
        """Close the breaker after a trial that goes on: from here on the call is one like others."""
        return self.breaker.settle(trial, self._ticks())

    def wait(self, *, again: bool) -> float | None:
        """In how many seconds a call may be begun; None where it is not known to help to wait."""
        now = self._ticks()
        if not self.breaker.admits(now) or (again and self._budget < 1.0):
            return None
        return max(0.0, self._rest_until - now)

    def left(self) -> tuple[bool, float]:
        """Whether the target's breaker is what forbids a call, and for how many seconds one is forbidden."""
        now = self._ticks()
        rest = max(0.0, self._rest_until - now)
        return not self.breaker.admits(now), max(rest, self.breaker.left(now))

    def probed(self, check: HealthCheck, *, well: bool) -> None:
        """What a health probe found; what it opened stays so until the next one could have come."""
        hold_s = check.interval_s + check.timeout_s
        self.breaker.probed(self._ticks(), well=well, most=check.failures, hold_s=hold_s)

    @property
    def standing(self) -> Standing:
        """How the target is doing at this moment."""
        now = self._ticks()
        return Standing(
            target=self.target,
            state=self.breaker.state,
            pending=self.pending,
            failures=self.breaker.failures,
            resting_s=max(0.0, self._rest_until - now),
            retry_s=self.breaker.left(now),
            again=self.again,
            attempts=MappingProxyType(self.attempts),
            error=self.error,
        )

    def _resting(self, now: float) -> bool:
        if not self._rest_until:
            return False
        if now < self._rest_until:
            return True
        self._rest_until = 0.0
        return False

    def _changed(self, before: State, after: State) -> None:
        why = ""
        if after is State.OPEN:
            failed = f"{self.breaker.failures} failures in a row, the last one {self.error}"
            why = f" after {'failing health probes' if self.breaker.unwell else failed}"
        level = logging.WARNING if after is State.OPEN else logging.INFO
        _log.log(level, "target %s: its breaker was %s and is %s%s", self.target, before, after, why)


class Conditions:
    """The conditions of all targets of a worker, each made when it is first asked for.

    ``ticks`` gives seconds by a clock that nobody sets, ``draw`` numbers from 0 to 1.
    """

    def __init__(
        self,
        targets: Iterable[Target] = (),
        *,
        ticks: Callable[[], float] = time.monotonic,
        draw: Callable[[], float] = random.random,
    ) -> None:
        self.ticks = ticks
        self.draw = draw
        self._known = {target.id: Condition(target, ticks, draw) for target in targets}

    def of(self, target: Target) -> Condition:
        """The target's condition."""
        known = self._known.get(target.id)
        if known is None:
            known = self._known[target.id] = Condition(target, self.ticks, self.draw)
        return known

    def standings(self) -> Iterable[Standing]:
        """How each target is doing at this moment."""
        return [condition.standing for condition in self._known.values()]
