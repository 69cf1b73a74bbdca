"""What stands in one bucket, and when is there room again?

Pure, and counted by a clock that is handed in. Two fixed windows stand for a sliding one, as ``domain/quota.py`` says.
"""

from math import inf
from typing import Final, Literal

from gateway.domain.limits import is_long, window_in_words
from gateway.domain.period import period_of
from gateway.domain.quota import Bucket, Calendar, Sliding

# Seconds until a place in progress may be free: nobody knows.
PLACE_S: Final = 1.0
# The least that anybody is told to wait.
_LEAST_S: Final = 0.001


class Count:
    """What was used of a bucket in the present window, ``amount``, and in the one before it.

    ``start`` and ``end`` are the window's; ``length`` is a sliding one's in seconds, 0 for days and months, of which
    the one before does not count. ``limit`` is what may be used here, ``known`` what of ``amount`` all processes
    together are known to have used, of a ``long`` window, and ``fresh`` what nobody else was told of yet.
    """

    __slots__ = ("amount", "before", "bucket", "end", "fresh", "known", "length", "limit", "long", "name", "start")

    def __init__(self, bucket: Bucket, limit: int, now: float) -> None:
        self.bucket = bucket
        self.limit = limit
        self.name = name_of(bucket)
        self.length = bucket.window.seconds if isinstance(bucket.window, Sliding) else 0
        self.long: bool = is_long(bucket.window)
        self.amount = self.before = self.known = self.fresh = 0
        self.start, self.end = self._window_of(now)

    def roll(self, now: float) -> None:
        """Go on from a window that is over to the one in which ``now`` lies."""
        start, end = self._window_of(now)
        self.before = self.amount if self.length and start == self.end else 0
        self.amount = self.known = self.fresh = 0
        self.start, self.end = start, end

    def used(self, now: float) -> float:
        """What counts at ``now``, which lies in the present window."""
        if not self.before:
            return self.amount
        return self.before * min(1.0, (self.end - now) / self.length) + self.amount

    def over(self, now: float) -> bool:
        """Whether nothing in it counts any more."""
        return now >= self.end + self.length

    def wait(self, amount: int, limit: float, now: float) -> float:
        """Seconds until ``amount`` more, for which there is no room now, fits into ``limit`` if nobody takes anything.

        More than this process may ever give out of a short window never fits.
        """
        if amount > limit and not self.long:
            return inf
        left = max(_LEAST_S, self.end - now)
        room = limit - amount
        if not self.length:
            return left
        if room < 0:
            # It never fits.
            return left + self.length
        if self.amount <= room:
            # What is left of the window before must have shrunk to what fits beside the present one.
            return max(_LEAST_S, left - self.length * (room - self.amount) / self.before)
        # The present window is then the one before.
        return left + self.length * (1.0 - room / self.amount)

    def _window_of(self, now: float) -> tuple[int, int]:
        window = self.bucket.window
        if isinstance(window, Calendar):
            period = period_of(window, now)
            return period.start, period.end
        start = int(now // self.length) * self.length
        return start, start + self.length


class Places:
    """Who is in progress, and with how much; at most ``limit`` in all. It has no end, and no others."""

    __slots__ = ("amount", "bucket", "holders", "limit")

    end: Final = inf
    long: Literal[False] = False

    def __init__(self, bucket: Bucket, limit: int) -> None:
        self.bucket = bucket
        self.limit = limit
        self.holders: dict[str, int] = {}
        self.amount = 0

    def used(self, _now: float) -> int:
        return self.amount

    def wait(self, _amount: int, _limit: float, _now: float) -> float:
        return PLACE_S

    def enter(self, holder: str, amount: int) -> None:
        self.holders[holder] = self.holders.get(holder, 0) + amount
        self.amount += amount

    def leave(self, holder: str) -> None:
        self.amount -= self.holders.pop(holder, 0)


def name_of(bucket: Bucket) -> str:
    """What a bucket of some length is called in the shared file, whatever its limit is at present."""
    return f"{bucket.rule} {bucket.measure} {window_in_words(bucket.window)} {bucket.subject}"
