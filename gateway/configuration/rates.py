"""What does `60/minute` mean?

The notation is that of the library ``limits``: an amount, ``/`` or ``per``, perhaps a number, and a unit of time.
Amounts of money may have decimals.
"""

import re
from typing import Final

from gateway.domain.limits import MILLION
from gateway.domain.quota import Calendar, Sliding, Window

# The most that can be counted exactly wherever it is kept, and the longest window that slides.
MOST: Final = 10**12
_LONGEST_S: Final = 31 * 24 * 3600

_NO_TIME: Final = re.compile(r"(?:/|per)\s*0+\s*[a-z]", re.IGNORECASE)
_PARTS: Final = re.compile(r"\s*([0-9]{1,15})(?:\.([0-9]{1,6}))?\s*((?:/|per\b).*)", re.IGNORECASE)


def rate_of(text: str) -> tuple[int, Window]:
    """How much, in which window.

    Raises:
        ValueError: the text says no such thing.
    """
    return _read(text, text)


def budget_of(text: str) -> tuple[int, Window]:
    """The same of money, in millionths."""
    parts = _PARTS.fullmatch(text)
    if parts is None:
        raise ValueError("must be an amount in a while, such as `50/day` or `12.50/hour`")
    amount = int(parts[1]) * MILLION + int((parts[2] or "").ljust(6, "0"))
    _, window = _read(f"1 {parts[3]}", text)
    return _checked(amount), window


def _read(rate: str, told: str) -> tuple[int, Window]:
    from limits import parse_many  # noqa: PLC0415  loaded only where there are limits: it takes its time

    try:
        items = parse_many(rate)
    except ValueError:
        raise ValueError(
            f"`{told}` is no rate; write one such as `60/minute`, `100/15 minutes` or `5000/day`"
        ) from None
    if _NO_TIME.search(rate):
        raise ValueError(f"`{told}` is no rate: its window has no length")
    if len(items) != 1:
        raise ValueError("holds several rates; make each an entry of the list")
    (item,) = items
    return _checked(item.amount), _window(item.GRANULARITY.name, item.multiples)


def _window(unit: str, multiple: int) -> Window:
    match unit:
        case "day" | "month" if multiple == 1:
            return Calendar(unit=unit)
        case "day" | "month" | "year":
            raise ValueError("days and months are those of the calendar, one at a time; write several as hours")
        case _:
            seconds = multiple * {"second": 1, "minute": 60, "hour": 3600}[unit]
            if not 0 < seconds <= _LONGEST_S:
                raise ValueError("a window that slides is at most 744 hours long; take `month`")
            return Sliding(seconds=seconds)


def _checked(amount: int) -> int:
    if not 0 < amount <= MOST * MILLION:
        raise ValueError(f"the amount must be more than 0 and at most {MOST}")
    return amount
