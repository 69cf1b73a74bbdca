"""May a target that failed be called again?

A state machine without I/O and without a clock: the time comes in with each question, in seconds by a clock that nobody
sets. Everything that changes a breaker's state lives here. Closed: calls go through. Open: none does, until its
cool-down is over. Half-open: one call is a trial, and what becomes of it closes or opens the breaker.
"""

from collections.abc import Callable
from enum import StrEnum
from typing import Final

from gateway.domain.target import BreakerLimits
from gateway.domain.value import value

# A cool-down is drawn between this part of its length and all of it, so that workers do not try at the same moment.
_LEAST_PART: Final = 0.5
# From here on doubling once more changes nothing: the longest cool-down is a day at most.
_MOST_DOUBLINGS: Final = 40


class State(StrEnum):
    """What a breaker lets through."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half-open"


class Outcome(StrEnum):
    """What a call says of its target: that it works, that it does not, or nothing of the kind."""

    SUCCEEDED = "succeeded"
    FAILED = "failed"
    NEITHER = "neither"


@value
class Admission:
    """A call that was let through. ``trial`` is 0 for one through a closed breaker.

    What becomes of a call counts only while the breaker is in the ``episode`` in which it began: an answer to a call
    from before it opened says nothing about now.
    """

    episode: int
    trial: int


class Breaker:
    """One target's breaker. ``draw`` gives numbers from 0 to 1; ``on_change`` hears of each change: before, after.

    ``closed`` is what each call counts as that begins while it is closed.
    """

    __slots__ = (
        "_draw", "_episode", "_in_row", "_limits", "_next", "_on_change", "_openings", "_probes", "_trial", "_unwell",
        "closed", "state",
    )  # fmt: skip

    def __init__(
        self, limits: BreakerLimits, draw: Callable[[], float], on_change: Callable[[State, State], None]
    ) -> None:
        self.state = State.CLOSED
        self._limits = limits
        self._draw = draw
        self._on_change = on_change
        self._episode = 0
        self.closed = Admission(episode=0, trial=0)
        self._in_row = 0
        self._openings = 0
        # When the next trial may begin; the trial that is under way, by its number, 0 for none.
        self._next = 0.0
        self._trial = 0
        # Probes that failed in a row; whether they, not calls, opened it.
        self._probes = 0
        self._unwell = False

    @property
    def failures(self) -> int:
        """How many calls failed in a row."""
        return self._in_row

    @property
    def unwell(self) -> bool:
        """Whether health probes, and not calls, opened it."""
        return self._unwell

    def admits(self, now: float) -> bool:
        """Whether a call may begin."""
        return self.state is State.CLOSED or now >= self._next

    def left(self, now: float) -> float:
        """In how many seconds a call may begin, as far as that is known: a trial may end sooner."""
        return 0.0 if self.state is State.CLOSED else max(0.0, self._next - now)

    def begin(self, now: float) -> Admission:
        """Let a call through that ``admits`` admitted."""
        if self.state is State.CLOSED:
            return self.closed
        self._become(State.HALF_OPEN)
        self._trial += 1
        # A trial that never ends does not keep the target out for good.
        self._next = now + self._limits.longest_s
        return Admission(episode=self._episode, trial=self._trial)

    def end(self, admission: Admission, outcome: Outcome, now: float) -> None:
        """What became of a call that was let through; to be told once of each."""
        if admission.episode != self._episode:
            return
        if outcome is Outcome.SUCCEEDED:
            self._in_row = 0
            if admission.trial:
                self._close()
        elif outcome is Outcome.FAILED:
            self._in_row += 1
            if admission.trial or 0 < self._limits.failures <= self._in_row:
                self._open(now, unwell=False)
        elif admission.trial and admission.trial == self._trial:
            self._next = now

    def settle(self, trial: Admission, now: float) -> Admission:
        """A trial has come out well, though its call goes on: gives what that call counts as from here on."""
        if trial.episode != self._episode:
            return trial
        self.end(trial, Outcome.SUCCEEDED, now)
        return self.closed

    def probed(self, now: float, *, well: bool, most: int, hold_s: float) -> None:
        """What a health probe found; ``most`` failures in a row open the breaker, each for ``hold_s`` seconds.

        A good probe closes what bad ones opened. What calls opened it only has tried at once: a target may say that it
        is well, and fail at its work.
        """
        if not well:
            self._probes += 1
            if self._probes >= most:
                if self.state is State.CLOSED:
                    self._open(now, unwell=True)
                self._unwell = True
                # As long as probes go on to fail there is no trial: a request is worth more than a probe.
                self._next = max(self._next, now + hold_s)
            return
        self._probes = 0
        if self.state is State.CLOSED:
            return
        if self._unwell:
            self._close()
        elif self.state is State.OPEN:
            self._next = now

    def _open(self, now: float, *, unwell: bool) -> None:
        limits = self._limits
        length = min(limits.longest_s, limits.cooldown_s * 2 ** min(self._openings, _MOST_DOUBLINGS))
        self._openings += 1
        self._next = now + length * (_LEAST_PART + (1 - _LEAST_PART) * self._draw())
        self._unwell = unwell
        self._begin_episode()
        self._become(State.OPEN)

    def _close(self) -> None:
        self._in_row = self._openings = self._probes = 0
        self._unwell = False
        self._begin_episode()
        self._become(State.CLOSED)

    def _begin_episode(self) -> None:
        self._episode += 1
        self._trial = 0
        self.closed = Admission(episode=self._episode, trial=0)

    def _become(self, state: State) -> None:
        before, self.state = self.state, state
        if before is not state:
            self._on_change(before, state)
