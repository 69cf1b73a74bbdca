"""When does a day or a month begin and end? In UTC, for all callers alike; in seconds since the epoch."""

from datetime import UTC, datetime, timedelta
from typing import Final

from gateway.domain.quota import Calendar
from gateway.domain.value import value

_DAY: Final = timedelta(days=1)
# Longer than any month: what lies so far behind its first day lies in the next one.
_NEXT_MONTH: Final = timedelta(days=31)


@value
class Period:
    """One day or month: ``end`` is the first second of the next."""

    start: int
    end: int


def period_of(window: Calendar, at: float) -> Period:
    """The one in which ``at`` lies."""
    day = datetime.fromtimestamp(at, UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    if window.unit == "day":
        return Period(start=_seconds(day), end=_seconds(day + _DAY))
    first = day.replace(day=1)
    return Period(start=_seconds(first), end=_seconds((first + _NEXT_MONTH).replace(day=1)))


def _seconds(moment: datetime) -> int:
    return int(moment.timestamp())
