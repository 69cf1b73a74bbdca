"""What has Redis still to be told?

Sums, and not what they came of: an outage of hours owes no more than there are buckets and periods. The rule: what may
have arrived although nobody said so is told again where it adds to a count, and is forgotten where it takes something
away. After an outage no count is lower than what was used.
"""

from collections.abc import Iterable
from itertools import islice
from typing import Final

from gateway.domain.quota import Bucket
from gateway.domain.value import value
from gateway.stores._redis_message import Change, Place

MOST: Final = 10_000


@value
class Parcel:
    """What is told at once."""

    changes: tuple[Change, ...] = ()
    freed: tuple[Place, ...] = ()

    def __len__(self) -> int:
        return len(self.changes) + len(self.freed)


class Owed:
    """At most ``most`` sums, and as many places: what comes beyond that is dropped, and counted in ``dropped``."""

    def __init__(self, *, most: int = MOST) -> None:
        self._most = most
        self._sums: dict[tuple[Bucket, int], int] = {}
        # Nothing is lost with the oldest of these: Redis frees places by itself.
        self._freed: dict[tuple[Bucket, str], Place] = {}
        self.dropped = 0

    def __len__(self) -> int:
        return len(self._sums) + len(self._freed)

    def change(self, changes: Iterable[Change]) -> None:
        for one in changes:
            key = (one.bucket, one.period)
            if key not in self._sums and len(self._sums) >= self._most:
                self.dropped += 1
                continue
            total = self._sums.get(key, 0) + one.amount
            if total:
                self._sums[key] = total
            else:
                self._sums.pop(key, None)

    def free(self, places: Iterable[Place]) -> None:
        for one in places:
            self._freed[one.bucket, one.holder] = one
            if len(self._freed) > self._most:
                del self._freed[next(iter(self._freed))]

    def parcel(self, most: int) -> Parcel:
        """The oldest of what is owed; it is owed no more."""
        sums = [*islice(self._sums, most)]
        freed = [*islice(self._freed, most)]
        return Parcel(
            changes=tuple([Change(bucket=key[0], period=key[1], amount=self._sums.pop(key)) for key in sums]),
            freed=tuple([self._freed.pop(key) for key in freed]),
        )

    def not_taken(self, parcel: Parcel, *, sent: bool) -> None:
        """``parcel`` was not acknowledged; ``sent`` says that it may have arrived all the same."""
        self.change([one for one in parcel.changes if one.amount > 0 or not sent])
        self.free(parcel.freed)
