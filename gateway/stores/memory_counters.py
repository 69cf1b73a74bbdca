"""How much is used of each limit, as far as this process knows?

Everything is in memory and done at once. Of short windows, and of places in progress, this process gives out its share
of the limit. Long windows are counted over all processes of the machine: what is taken here goes to a file and comes
from there about once a second (``shared_counts.py``). The rule: what is not known for certain counts as used.
"""

from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Final

from gateway.domain.quota import Bucket, Denied, InProgress, Measure, Portion, Taken
from gateway.stores._count import Count, Places
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
        found = self._find(wanted, now)
        denied: Denied | None = None
        for portion, kept in zip(wanted, found, strict=True):
            limit = self._limit(kept, now) if kept.long is True else kept.limit
            if kept.used(now) + portion.amount > limit:
                wait = kept.wait(portion.amount, limit, now)
                if denied is None or wait > denied.retry_after_s:
                    denied = Denied(bucket=portion.bucket, retry_after_s=wait)
        if denied is not None:
            return denied
        left: list[Portion] = []
        apart = True
        for portion, kept in zip(wanted, found, strict=True):
            bucket, amount = kept.bucket, portion.amount
            apart = apart and bucket is portion.bucket
            if isinstance(kept, Places):
                kept.enter(holder, amount)
            else:
                kept.amount += amount
                if kept.long:
                    self._freshen(kept, amount)
                left.append(Portion(bucket=bucket, amount=self._left(kept, now)))
        if not apart:
            wanted = tuple([replace(one, bucket=kept.bucket) for one, kept in zip(wanted, found, strict=True)])
        return Taken(holder=holder, at=now, portions=wanted, left=tuple(left))

    def settle(self, taken: Taken, used: Mapping[Measure, int]) -> None:
        """Put ``used`` in the place of what was taken, and free places in progress."""
        portions = taken.portions
        for portion, kept in zip(portions, self._find(portions, self._now()), strict=True):
            measure = portion.bucket.measure
            if isinstance(kept, Places):
                kept.leave(taken.holder)
            elif measure in used and (more := used[measure] - portion.amount):
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

    def _find(self, portions: tuple[Portion, ...], now: float) -> list[Count | Places]:
        """What is kept for the bucket of each portion, in the window of ``now``."""
        found: list[Count | Places] = []
        for portion in portions:
            bucket = portion.bucket
            kept = self._near.get(id(bucket))
            if kept is None or kept.bucket is not bucket:
                kept = self._kept.get(bucket) or self._new(bucket, now)
            if now >= kept.end and isinstance(kept, Count):
                self._roll(kept, now)
            found.append(kept)
        return found

    def _new(self, bucket: Bucket, now: float) -> Count | Places:
        for _ in range(min(_LOOKED_AT, len(self._kept))):
            self._look_at_oldest(now)
        if len(self._kept) >= self._most and bucket.subject != OTHERS:
            others = replace(bucket, subject=OTHERS)
            return self._kept.get(others) or self._new(others, now)
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

    def _limit(self, count: Count, now: float) -> float:
        """The most that may stand in a long window here at present."""
        if not self._alone or self._share.of == 1:
            return count.bucket.limit
        used = count.used(now) - count.amount + count.known
        return used + self._share.part(max(0, int(count.bucket.limit - used)))

    def _left(self, count: Count, now: float) -> int:
        """What is left, over all processes; of what is divided, if the others have as much left."""
        limit = self._limit(count, now) if count.long else count.limit
        left = max(0, int(limit - count.used(now)))
        return left if count.long or self._share.of == 1 else min(count.bucket.limit, left * self._share.of)

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
        if more < 0:
            if at < count.start:
                return self._give_back(count, more, at)
            more = max(more, -count.amount)
        count.amount += more
        if count.long:
            self._freshen(count, more)
        return None

    def _give_back(self, count: Count, more: int, at: float) -> None:
        """The same of less than nothing, to the window before the present one."""
        if count.length and at >= count.start - count.length:
            more = max(more, -count.before)
            count.before += more
            if count.long:
                self._sums.add(count.name, count.start - count.length, more, count.end)

    def _freshen(self, count: Count, amount: int) -> None:
        """So much of a long window nobody else was told of yet."""
        if not count.fresh:
            self._fresh.append(count)
        count.fresh += amount
