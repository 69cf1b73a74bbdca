"""How is a moment written in our files and messages? By RFC 3339, with its zone; counted in seconds since the epoch."""

import re
from datetime import UTC, datetime
from typing import Final

_INSTANT: Final = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ][0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{1,9})?(?:[Zz]|[+-][0-9]{2}:[0-9]{2})"
)
# What can be written again in any zone: the years 1970 to 9998.
_LAST: Final = datetime(9999, 1, 1, tzinfo=UTC).timestamp()


def instant(text: str) -> float:
    """The moment that ``text`` says.

    Raises:
        ValueError: it says none, or leaves its zone open.
    """
    if not _INSTANT.fullmatch(text):
        raise ValueError("must be a moment with its zone, such as 2030-01-31T12:00:00Z")
    try:
        seconds = datetime.fromisoformat(text.upper()).timestamp()
    except (ValueError, OverflowError):
        seconds = -1.0
    if not 0 <= seconds < _LAST:
        raise ValueError("there is no such moment; write one such as 2030-01-31T12:00:00Z")
    return seconds


def written(seconds: float) -> str:
    """The moment in UTC, to the second."""
    return datetime.fromtimestamp(seconds, UTC).replace(tzinfo=None).isoformat(timespec="seconds") + "Z"
