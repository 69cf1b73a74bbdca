"""What does one sink get next?

Epochs as they were opened: of each what it holds when a round begins, so that no epoch waits for another that grows
without end. No batch is offered before the last one was acknowledged, and one that was not taken is offered again as it
was, so that whoever goes by its idempotency key loses nothing.
"""

import asyncio
import logging
import time
from collections import deque
from typing import Final

from gateway.audit.ship.batch import Batch, next_batch
from gateway.audit.ship.cursor import Cursor, Mark
from gateway.audit.ship.failure import Disputed, Shortened
from gateway.audit.ship.gathering import Gathering
from gateway.audit.ship.pace import Pace
from gateway.audit.ship.sink import Sink
from gateway.audit.ship.source import EpochSeen, Seen

_log: Final = logging.getLogger("splitgate.audit")


class Shipping:
    """Hands the records to one sink, ``batch`` of them at most at once; ``gather_s`` is how long it waits for more."""

    def __init__(self, name: str, sink: Sink, cursor: Cursor, batch: int, pace: Pace, *, gather_s: float = 0.0) -> None:
        self.name = name
        self._sink = sink
        self._cursor = cursor
        self._batch = batch
        self._gathering = Gathering(batch, gather_s)
        self._pace = pace
        self._pending: Batch | None = None
        # Those whose turn it is, as they were when the round began; whether another's turn came since the sink last got
        # what goes with the records.
        self._round: deque[EpochSeen] = deque()
        self._follow = True
        # Epochs of which the sink keeps something else, and when that is looked at again.
        self._disputed: dict[str, float] = {}
        self._told: set[tuple[str, str]] = set()

    async def go(self, seen: Seen) -> bool:
        """Hand over the next batch, and what goes with those before it; whether there was any. Raises ``NotTaken``."""
        self._forget(seen)
        if self._pending is None:
            self._pending = await self._next(seen)
        moved = self._pending is not None
        if self._follow or not moved:
            # Before a sink gets of another epoch, it has all that belongs to the last one.
            while await self._sink.accompany(seen, self._cursor, self._disputed.keys()):
                moved = True
            self._follow = False
        if self._pending is not None:
            await self._offer(self._pending)
        await asyncio.to_thread(self._cursor.save, now=not moved)
        return moved

    def unshipped(self, seen: Seen) -> int:
        """How many records the sink does not have yet."""
        return sum([max(0, epoch.records - self._cursor.mark(name).records) for name, epoch in seen.epochs.items()])

    def hurry(self) -> None:
        """Wait for nothing more to come."""
        self._gathering.hurry()

    async def close(self) -> None:
        self._cursor.save(now=True)
        await self._sink.close()

    async def _next(self, seen: Seen) -> Batch | None:
        batch = await self._next_of_round()
        if batch is None:
            self._round.extend(seen.epochs.values())
            self._follow = True
            batch = await self._next_of_round()
        return batch

    async def _next_of_round(self) -> Batch | None:
        while self._round:
            batch = await self._batch_of(self._round[0]) if self._is_behind(self._round[0]) else None
            if batch is not None:
                return batch
            self._round.popleft()
            self._follow = True
        return None

    def _is_behind(self, epoch: EpochSeen) -> bool:
        name = epoch.places.epoch
        mark = self._cursor.mark(name)
        if mark.bytes > epoch.size > 0:
            self._tell(name, f"{self.name} has more of it than stands here")
        behind = mark.bytes < epoch.whole and self._disputed.get(name, 0.0) <= time.monotonic()
        return behind and self._gathering.is_time(epoch, mark)

    async def _batch_of(self, epoch: EpochSeen) -> Batch | None:
        name = epoch.places.epoch
        mark = self._cursor.mark(name)
        if not mark.records:
            # From here on it is known that the sink has something to get of it.
            self._cursor.move(name, mark)
        try:
            return await asyncio.to_thread(next_batch, epoch.places, mark, epoch.whole, self._batch)
        except OSError as error:
            self._tell(name, f"its journal cannot be read ({error.strerror})")
            return None

    async def _offer(self, batch: Batch) -> None:
        try:
            await self._sink.deliver(batch)
        except Disputed:
            self._disputed[batch.epoch] = time.monotonic() + self._pace.slow_s
            self._tell(batch.epoch, f"what {self.name} keeps of it is not what stands here, and neither is changed")
        except Shortened:
            self._cursor.move(batch.epoch, Mark())
            _log.warning("audit: %s lost a part of %s; it is compared and filled up", self.name, batch.epoch)
        else:
            self._disputed.pop(batch.epoch, None)
            self._cursor.move(batch.epoch, batch.end)
        self._pending = None

    def _forget(self, seen: Seen) -> None:
        for name in [name for name in self._cursor.marks if name in seen.pruned]:
            missing = seen.pruned[name] - self._cursor.mark(name).records
            if missing > 0:
                self._tell(name, f"it was pruned before {self.name} had its last {missing} records")
            self._cursor.drop(name)
            if self._pending is not None and self._pending.epoch == name:
                self._pending = None

    def _tell(self, epoch: str, what: str) -> None:
        if (epoch, what) not in self._told:
            self._told.add((epoch, what))
            _log.error("audit: shipping %s: %s; run `splitgate audit verify`", epoch, what)
