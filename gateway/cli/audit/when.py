"""Which moment does somebody mean?

RFC 3339, as ``2026-08-01T12:00:00Z`` or with an offset; a date alone is its midnight in UTC; ``90s``, ``2h`` or ``7d``
is so long ago. Moments are microseconds since the epoch.
"""

import re
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Final

from gateway.cli.told import WRONG, CommandFailed
from gateway.domain.instant import instant, written

_AGO: Final = re.compile(r"([0-9]{1,9})([smhdw])")
_UNITS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)


def moment(text: str | None, option: str, now: Callable[[], int]) -> int | None:
    """The moment that ``option`` names; None where it names none. ``now`` gives microseconds since the epoch.

    Raises:
        CommandFailed: the text is no moment.
    """
    if text is None:
        return None
    ago = _AGO.fullmatch(text)
    if ago is not None:
        return now() - int(ago[1]) * _UNITS[ago[2]] * 1_000_000
    try:
        if len(text) == len("2026-08-01"):
            meant = datetime.combine(date.fromisoformat(text), datetime.min.time(), UTC)
        else:
            meant = datetime.fromisoformat(text)
    except ValueError:
        meant = None
    if meant is None or meant.tzinfo is None:
        raise CommandFailed(
            f"{option} must be a moment such as 2026-08-01T12:00:00Z (with its zone), 2026-08-01, 2h or 7d", code=WRONG
        )
    return (meant - _EPOCH) // _MICROSECOND


def later(text: str, option: str, now: float) -> float:
    """The moment that ``option`` names: ``2h`` or ``90d`` from ``now`` on, or one to come. In seconds since the epoch.

    Raises:
        CommandFailed: the text is no moment, or one that has gone by.
    """
    ahead = _AGO.fullmatch(text)
    try:
        meant = now + int(ahead[1]) * _UNITS[ahead[2]] if ahead is not None else instant(text)
        # What cannot be written cannot be kept.
        written(meant)
    except (ValueError, OverflowError, OSError):
        meant = -1.0
    if meant <= now:
        raise CommandFailed(
            f"{option} must be a time from now, such as 2h or 90d, or a moment such as "
            "2030-01-31T12:00:00Z that is still to come",
            code=WRONG,
        )
    return meant


def shown(time: int) -> str:
    """A moment in UTC, to the second."""
    return _shown(time, "seconds")


def shown_exactly(time: int) -> str:
    """The same, to the millisecond."""
    return _shown(time, "milliseconds")


def _shown(time: int, spec: str) -> str:
    try:
        return (_EPOCH + time * _MICROSECOND).replace(tzinfo=None).isoformat(timespec=spec) + "Z"
    except OverflowError:
        return f"{time} µs"
