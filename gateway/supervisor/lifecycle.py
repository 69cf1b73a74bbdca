"""When may a child process be started again?

No clock and no process in here: times come in as seconds of one monotonic clock, decisions go out as answers.
Everything that changes a child's phase is a method of ``Lifecycle``.
"""

from enum import StrEnum

from gateway.domain.value import value


@value
class Backoff:
    """How long to wait before a child that keeps dying is started once more, in seconds.

    ``forgiven`` deaths in a row cost nothing, the next one waits ``first``, each one after it twice as long, up to
    ``most``. A child that lived for ``stable`` has cleared its record.
    """

    forgiven: int = 1
    first: float = 0.5
    most: float = 30.0
    stable: float = 10.0

    def delay(self, deaths: int) -> float:
        """The wait after so many deaths in a row."""
        if deaths <= self.forgiven:
            return 0.0
        # The exponent is held down so that a child dying for weeks cannot overflow the power.
        return min(self.most, self.first * 2.0 ** min(deaths - self.forgiven - 1, 60))


class Phase(StrEnum):
    """Where a child stands."""

    IDLE = "idle"  # not needed yet
    DUE = "due"  # to be started now
    RUNNING = "running"
    RESTING = "resting"  # died too often: waits


class Lifecycle:
    """One child's phases. A child on demand is started after ``demanded``, any other one whenever it is not there."""

    def __init__(self, *, on_demand: bool, backoff: Backoff) -> None:
        self._at_rest = Phase.IDLE if on_demand else Phase.DUE
        self._backoff = backoff
        self._deaths = 0
        self._since = 0.0
        self.phase = self._at_rest
        self.resume_at: float | None = None
        """When a resting child may be started again; None unless it is resting."""

    def demanded(self) -> None:
        """Somebody needs the child."""
        if self.phase is Phase.IDLE:
            self.phase = Phase.DUE

    def spawned(self, now: float) -> None:
        """It was started."""
        self.phase = Phase.RUNNING
        self._since = now

    def exited(self, now: float) -> float:
        """It died, or could not even be started; the answer is the wait in seconds before the next start."""
        lived = now - self._since if self.phase is Phase.RUNNING else 0.0
        self._deaths = 1 if lived >= self._backoff.stable else self._deaths + 1
        delay = self._backoff.delay(self._deaths)
        self.phase = Phase.RESTING if delay else self._at_rest
        self.resume_at = now + delay if delay else None
        return delay

    def rested(self, now: float) -> bool:
        """End a rest whose time is over; true at that moment alone."""
        if self.resume_at is None or now < self.resume_at:
            return False
        self.resume_at = None
        self.phase = self._at_rest
        return True
