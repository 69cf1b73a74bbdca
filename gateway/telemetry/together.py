"""What is counted of counting together with other gateways?"""

from typing import Final

from gateway.telemetry import families
from gateway.telemetry.totals import Totals

TOGETHER: Final = "together"
ALONE: Final = "alone"


class TogetherFigures:
    """The figures of one worker, which is called ``worker``."""

    def __init__(self, totals: Totals, worker: str) -> None:
        self._worker = worker
        self._together = totals.of(families.LIMITS_TOGETHER)
        self._changes = totals.of(families.LIMITS_CHANGES)
        self._seconds = totals.histogram(families.LIMITS_SECONDS)

    def changed(self, *, together: bool) -> None:
        """The worker counts with others from now on, or alone."""
        self._together[self._worker,] = float(together)
        self._changes[TOGETHER if together else ALONE,] += 1

    def took(self, seconds: float) -> None:
        """Redis has answered a request."""
        self._seconds.observe((), seconds)
