"""Which part of a window is it, how much is used in it, and when will there be room?

What Redis computes in its script is computed here once more from the numbers that it tells, by the same whole numbers:
milliseconds and amounts, so that both say the same.
"""

from datetime import UTC, datetime
from math import ceil, inf
from typing import Final

from gateway.domain.period import period_of as calendar_period_of
from gateway.domain.quota import Calendar, InProgress, Portion, Sliding, Window

_DAY_MS: Final = 86_400_000
# A place is free again when somebody's request ends, and nobody knows when.
_PLACE_S: Final = 1.0


def period_of(window: Window, at: float) -> int:
    """The number of the fixed window, day or month in which ``at`` lies; months count from the year 0."""
    ms = round(at * 1000)
    match window:
        case Sliding(seconds=seconds):
            return ms // (seconds * 1000)
        case Calendar(unit="day"):
            return ms // _DAY_MS
        case Calendar():
            day = datetime.fromtimestamp(ms // 1000, UTC)
            return day.year * 12 + day.month - 1
        case InProgress():
            return 0


def wait_s(portion: Portion, *, present: int, before: int, at: float) -> float:
    """In how many seconds ``portion`` fits, if nothing else is used until then: never, if it is over the limit itself.

    ``present`` was used in the present period, ``before`` in the one before it.
    """
    window, room = portion.bucket.window, portion.bucket.limit - portion.amount
    if room < 0:
        return inf
    match window:
        case Sliding(seconds=seconds):
            return _sliding_ms(seconds * 1000, round(at * 1000), room, present=present, before=before) / 1000
        case Calendar():
            return max(0.001, calendar_period_of(window, round(at * 1000) / 1000).end - at)
        case InProgress():
            return _PLACE_S


def _sliding_ms(length: int, now: int, room: int, *, present: int, before: int) -> int:
    gone = now % length
    if present <= room:
        return max(1, _faded(length, before, room - present) - gone)
    # Not in this period: in the next one, the present one is what fades.
    return max(1, length - gone + _faded(length, present, room))


def _faded(length: int, count: int, room: int) -> int:
    """How far into a period ``count`` of the one before has faded to ``room``, in milliseconds."""
    return 0 if count <= room else length - room * length // count


def used_in(window: Window, *, present: int, before: int, at: float) -> int:
    """How much counts as used at ``at``."""
    if not isinstance(window, Sliding):
        return present
    length = window.seconds * 1000
    return present + ceil(before * (length - round(at * 1000) % length) / length)
