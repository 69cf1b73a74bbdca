"""What was left of a budget when Redis was last heard of?

A budget of a month that is used up must not begin anew in each process because Redis is away: what a process then gives
out is a share of what was left, and not of all. Sliding windows are not remembered, since what was used in them fades
within the time that they are long.
"""

from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import replace
from typing import Final

from gateway.domain.quota import Bucket, Calendar, Portion
from gateway.stores._windows import period_of

MOST: Final = 10_000


class LastHeard:
    """Remembers at most ``most`` budgets, those last asked for."""

    def __init__(self, *, most: int = MOST) -> None:
        self._most = most
        self._left: OrderedDict[Bucket, tuple[int, int]] = OrderedDict()

    def told(self, left: Iterable[Portion], at: float) -> None:
        """So much was left in buckets at ``at``."""
        for one in left:
            window = one.bucket.window
            if isinstance(window, Calendar):
                self._left[one.bucket] = (period_of(window, at), one.amount)
                self._left.move_to_end(one.bucket)
        while len(self._left) > self._most:
            self._left.popitem(last=False)

    def without_redis(self, wanted: tuple[Portion, ...], at: float) -> tuple[Portion, ...]:
        """The same portions, of buckets that hold no more than what was left."""
        return tuple([replace(one, bucket=self._shrunk(one.bucket, at)) for one in wanted])

    def _shrunk(self, bucket: Bucket, at: float) -> Bucket:
        known = self._left.get(bucket)
        if known is None or known[0] != period_of(bucket.window, at):
            return bucket
        return replace(bucket, limit=min(bucket.limit, known[1]))
