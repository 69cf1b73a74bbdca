"""What does the journal's keeper tell of its work?

The journal knows nothing of this file: it calls what has these methods. All of them are called on the event loop's
thread.
"""

from collections.abc import Callable
from functools import partial

from gateway.telemetry import families
from gateway.telemetry.totals import Totals


class AuditFigures:
    """The figures of one worker's journal."""

    def __init__(self, totals: Totals, *, enabled: bool) -> None:
        # By phase.
        self.records = totals.of(families.AUDIT_RECORDS)
        # Records were durable so many seconds after they were handed over.
        self.appended: Callable[..., None] = partial(totals.histogram(families.AUDIT_APPEND_SECONDS).observe, ())
        self._lag = totals.of(families.AUDIT_LAG_SECONDS)
        self._unwritable = totals.of(families.AUDIT_UNWRITABLE)
        totals.of(families.AUDIT_ENABLED)[()] = float(enabled)

    def stands(self, *, lag_s: float, writable: bool) -> None:
        """How old the oldest record is that is not durable, 0 where there is none; and whether any can be written."""
        self._lag[()] = lag_s
        self._unwritable[()] = float(not writable)
