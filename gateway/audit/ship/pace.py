"""How often is somebody asked, and how long is one left alone that did not take what it was given?"""

import secrets
from typing import Final

from gateway.audit.ship.failure import NotTaken
from gateway.domain.value import value

_LONGEST_WISH_S: Final = 3600.0


@value
class Pace:
    """Times in seconds.

    ``poll_s`` between two looks at the journals; ``first_s`` before something is offered again, twice as long each
    time up to ``most_s``; ``slow_s`` where it was refused for good; ``idle_s`` before one that has nothing to do looks
    again; ``save_s`` between two writes of a cursor; ``anchor_s`` between two anchors of an epoch that goes on;
    ``rescan_s`` between two looks at epochs that are over; ``grace_s`` to hand over the rest at the end.
    """

    poll_s: float = 0.2
    first_s: float = 0.2
    most_s: float = 30.0
    slow_s: float = 30.0
    idle_s: float = 1.0
    save_s: float = 0.25
    anchor_s: float = 1.0
    rescan_s: float = 30.0
    grace_s: float = 1.5


class Patience:
    """The waits after failures in a row. They differ by chance, so that many do not come back at once."""

    def __init__(self, pace: Pace) -> None:
        self._pace = pace
        self._failures = 0

    def after(self, failure: NotTaken) -> float:
        """How long to wait after this one."""
        pace = self._pace
        # The exponent is held down so that an outage of weeks cannot overflow the power.
        grown = min(pace.most_s, pace.first_s * 2.0 ** min(self._failures, 30))
        self._failures += 1
        wait = (pace.slow_s if failure.for_good else grown) * (0.5 + secrets.randbelow(1000) / 2000)
        return max(wait, min(_LONGEST_WISH_S, failure.retry_after or 0.0))

    def forget(self) -> None:
        """It was taken."""
        self._failures = 0
