"""How much is used of each limit, as far as this process knows?

Everything is in memory and done at once. Of short windows, and of places in progress, this process gives out its share
of the limit. Long windows are counted over all processes of the machine: what is taken here goes to a file and comes
from there about once a second (``shared_counts.py``). The rule: what is not known for certain counts as used.
"""

from collections import OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import replace
from math import inf
from typing import Final

from gateway.domain.quota import Bucket, Denied, InProgress, Portion, Taken
from gateway.stores._count import PLACE_S, Count, Places
from gateway.stores._sums import Sum, Sums
from gateway.stores.share import ALONE, Share

# So many counts are kept apart; those for whom there is no room are counted together.
MOST: Final = 100_000
OTHERS: Final = ":others"
# So many of the oldest counts are looked at for each new one, so that those that are over go sooner than new ones come.
_LOOKED_AT: Final = 2


class MemoryCounters:
    """``Counters`` of one process; ``now`` gives seconds since the epoch."""

    def __init__(self, now: Callable[[], float], share: Share = ALONE, *, most: int = MOST) -> None:
        self._now = now
        self._share = share
        self._most = most
        self._kept: OrderedDict[Bucket, Count | Places] = OrderedDict()
        # The same by the bucket's identity, which is found several times faster: whoever asks keeps its buckets.
        self._near: dict[int, Count | Places] = {}
        self._long: dict[str, Count] = {}
        self._sums = Sums()
        self._fresh: list[Count] = []
        # Whether nothing is heard of the other processes: then what is left is divided.
        self._alone = False

    async def take(self, holder: str, wanted: tuple[Portion, ...]) -> Taken | Denied:
        """Take all that is wanted, or nothing; of several that are full the one that takes longest is told."""
        now = self._now()
        denied: Denied | None = None
        found: list[tuple[Count | Places, int]] = []
        apart = True
        for portion in wanted:
            bucket, amount = portion.bucket, portion.amount
            kept = self._find(bucket, now)
            apart = apart and kept.bucket is bucket
            found.append((kept, amount))
            wait = self._wait(kept, amount, now)
            if wait and (denied is None or wait > denied.retry_after_s):
                denied = Denied(bucket=bucket, retry_after_s=wait)
        if denied is not None:
            return denied
        left: list[Portion] = []
        for kept, amount in found:
            if isinstance(kept, Places):
                kept.enter(holder, amount)
            else:
                self._add(kept, amount)
                left.append(Portion(bucket=kept.bucket, amount=self._left(kept, now)))
        portions = wanted if apart else tuple([Portion(bucket=kept.bucket, amount=amount) for kept, amount in found])
        return Taken(holder=holder, at=now, portions=portions, left=tuple(left))

    def settle(self, taken: Taken, used: tuple[Portion, ...]) -> None:
        """Put ``used`` in the place of what was taken, and free places in progress."""
        now = self._now()
        for portion in taken.portions:
            kept = self._find(portion.bucket, now)
            if isinstance(kept, Places):
                kept.leave(taken.holder)
            elif more := _instead(portion, used) - portion.amount:
                self._change(kept, more, taken.at)

    @property
    def size(self) -> int:
        """How many counts are kept."""
        return len(self._kept)

    def outgoing(self) -> tuple[Sum, ...]:
        """What the other processes are to be told; ``told`` or ``untold`` must follow before this is asked again."""
        self._gather()
        return self._sums.outgoing()

    @property
    def waiting(self) -> bool:
        """Whether there is something to tell them."""
        return bool(self._fresh) or self._sums.waiting

    def told(self, sums: Iterable[Sum]) -> None:
        """They know it; ``sums`` are those of all processes that changed since, in whole."""
        self._gather()
        changed = tuple(sums)
        self._sums.told(changed)
        self._alone = False
        for one in changed:
            count = self._long.get(one.name)
            if count is not None:
                self._recall(count)

    def untold(self) -> None:
        """They could not be told, nor heard."""
        self._sums.untold()
        self._alone = True

    def sweep(self) -> None:
        """Forget sums that count no more."""
        self._sums.sweep(self._now())

    def _find(self, bucket: Bucket, now: float) -> Count | Places:
        kept = self._near.get(id(bucket))
        if kept is None or kept.bucket is not bucket:
            kept = self._kept.get(bucket) or self._new(bucket, now)
        if isinstance(kept, Count) and now >= kept.end:
            self._roll(kept, now)
        return kept

    def _new(self, bucket: Bucket, now: float) -> Count | Places:
        for _ in range(min(_LOOKED_AT, len(self._kept))):
            self._look_at_oldest(now)
        if len(self._kept) >= self._most and bucket.subject != OTHERS:
            return self._find(replace(bucket, subject=OTHERS), now)
        limit = self._share.part(bucket.limit)
        kept = Places(bucket, limit) if isinstance(bucket.window, InProgress) else Count(bucket, limit, now)
        self._kept[bucket] = self._near[id(bucket)] = kept
        if isinstance(kept, Count) and kept.long:
            self._long[kept.name] = kept
            self._recall(kept)
        return kept

    def _look_at_oldest(self, now: float) -> None:
        oldest, kept = next(iter(self._kept.items()))
        if kept.over(now) if isinstance(kept, Count) else not kept.holders:
            del self._kept[oldest], self._near[id(oldest)]
            if isinstance(kept, Count):
                self._long.pop(kept.name, None)
        else:
            self._kept.move_to_end(oldest)

    def _wait(self, kept: Count | Places, amount: int, now: float) -> float:
        if isinstance(kept, Places):
            return 0.0 if kept.used + amount <= kept.limit else PLACE_S
        if kept.long:
            return kept.wait(amount, self._limit(kept, now), now)
        # What is more than this process may ever give out never fits.
        return kept.wait(amount, kept.limit, now) if amount <= kept.limit else inf

    def _limit(self, count: Count, now: float) -> float:
        """The most that may stand in a long window here at present."""
        if not self._alone or self._share.of == 1:
            return count.bucket.limit
        used = count.used(now) - count.amount + count.known
        return used + self._share.part(max(0, int(count.bucket.limit - used)))

    def _left(self, count: Count, now: float) -> int:
        """What is left, over all processes; of what is divided, if the others have as much left."""
        if count.long:
            return max(0, int(self._limit(count, now) - count.used(now)))
        left = max(0, int(count.limit - count.used(now)))
        return left if self._share.of == 1 else min(count.bucket.limit, left * self._share.of)

    def _roll(self, count: Count, now: float) -> None:
        if count.long:
            # What is still to be told belongs to the window that is over.
            self._gather()
        count.roll(now)
        if count.long:
            self._recall(count)

    def _gather(self) -> None:
        """Put what is fresh among what the others are to be told."""
        for count in self._fresh:
            self._sums.add(count.name, count.start, count.fresh, count.end + count.length)
            count.fresh = 0
        self._fresh.clear()

    def _recall(self, count: Count) -> None:
        """Bring a long window, none of which is fresh, up to date with what is known of all processes."""
        count.known = self._sums.known(count.name, count.start)
        count.amount = self._sums.of(count.name, count.start)
        if count.length:
            count.before = self._sums.of(count.name, count.start - count.length)

    def _change(self, count: Count, more: int, at: float) -> None:
        """More counts from now on, less is given back to the window of ``at``, if that still counts for anything."""
        if more > 0:
            self._add(count, more)
        elif at >= count.start:
            self._add(count, max(more, -count.amount))
        elif count.length and at >= count.start - count.length:
            more = max(more, -count.before)
            count.before += more
            if count.long:
                self._sums.add(count.name, count.start - count.length, more, count.end)

    def _add(self, count: Count, amount: int) -> None:
        count.amount += amount
        if count.long:
            if not count.fresh:
                self._fresh.append(count)
            count.fresh += amount


def _instead(taken: Portion, used: tuple[Portion, ...]) -> int:
    """What of ``used`` takes its place: itself, where its bucket is not named."""
    bucket = taken.bucket
    for one in used:
        if one.bucket is bucket:
            return one.amount
    same = (one.amount for one in used if one.bucket.measure is bucket.measure and one.bucket == bucket)
    return next(same, taken.amount)
