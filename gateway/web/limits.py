"""In which headers is a caller told what its limits leave, before one is reached?

In its vendor's own, of the count that is fullest. Nothing is told of counts that other tenants use as well: those are
not on the tab's list.
"""

import time
from collections.abc import Callable
from functools import cache
from typing import Final, Literal, TypeAlias

from gateway.domain.instant import written
from gateway.domain.period import period_of
from gateway.domain.quota import Calendar, Measure, Portion, Sliding
from gateway.pipeline.limiter import RequestTab

Vendor: TypeAlias = Literal["openai", "anthropic"]

_TOLD: Final = (Measure.REQUESTS, Measure.TOKENS)


def limit_headers(
    tab: RequestTab | None, vendor: Vendor, now: Callable[[], float] = time.time
) -> tuple[tuple[bytes, bytes], ...]:
    """Limit, what is left, and when all of it is there again at the latest: of requests and of tokens."""
    if tab is None or not tab.left:
        return ()
    told: list[tuple[bytes, bytes]] = []
    at = now()
    for measure in _TOLD:
        fullest: Portion | None = None
        for one in tab.left:
            if one.bucket.measure is measure and (fullest is None or _fuller(one, fullest)):
                fullest = one
        if fullest is not None:
            told += _headers(fullest, vendor, at)
    return tuple(told)


def _fuller(one: Portion, other: Portion) -> bool:
    return one.amount / one.bucket.limit < other.amount / other.bucket.limit


def _headers(left: Portion, vendor: Vendor, now: float) -> list[tuple[bytes, bytes]]:
    bucket = left.bucket
    window = bucket.window
    seconds = 0
    if isinstance(window, Sliding):
        seconds = window.seconds
    elif isinstance(window, Calendar):
        seconds = period_of(window, now).end - int(now)
    limit, remaining, reset = _names(vendor, bucket.measure)
    again = written(now + seconds).encode() if vendor == "anthropic" else b"%ds" % seconds
    return [(limit, b"%d" % bucket.limit), (remaining, b"%d" % left.amount), (reset, again)]


@cache
def _names(vendor: Vendor, measure: Measure) -> tuple[bytes, ...]:
    """What a vendor's SDKs look for, in the order in which it is told."""
    words = ("limit", "remaining", "reset")
    if vendor == "anthropic":
        return tuple([f"anthropic-ratelimit-{measure}-{word}".encode() for word in words])
    return tuple([f"x-ratelimit-{word}-{measure}".encode() for word in words])
