"""Which checkpoints does one anchor get?

Of an epoch that goes on the newest, once in a while, since it covers all before it; the last of one that is over; and
all of the registry's, so that no epoch can be left out later.
"""

import asyncio
import logging
import time
from collections.abc import Callable
from typing import Final

from gateway.audit.opening import read_whole
from gateway.audit.places import Places, registry_entry
from gateway.audit.ship.anchor import REGISTRY, Anchor, Anchored, Forked, anchored
from gateway.audit.ship.cursor import Cursor, Mark
from gateway.audit.ship.notes import Note, notes
from gateway.audit.ship.pace import Pace
from gateway.audit.ship.source import EpochSeen, Seen

_log: Final = logging.getLogger("splitgate.audit")


class Anchoring:
    """Hands checkpoints to one anchor. ``on_fork`` is called for each one that is kept there and contradicts ours."""

    def __init__(
        self, name: str, anchor: Anchor, cursor: Cursor, *, places: Places, pace: Pace, on_fork: Callable[[], None]
    ) -> None:
        self.name = name
        self._anchor = anchor
        self._cursor = cursor
        self._places = places
        self._pace = pace
        self._on_fork = on_fork
        self._due: dict[str, float] = {}
        self._told: set[tuple[str, str]] = set()

    async def go(self, seen: Seen) -> bool:
        """Hand over what is due. Raises ``NotTaken``."""
        moved = False
        for epoch in seen.epochs.values():
            moved = await self._follow(epoch) or moved
        while self._cursor.registry < seen.entries and await self._register(self._cursor.registry + 1):
            moved = True
        for name in [name for name in self._cursor.marks if name in seen.pruned and name not in seen.epochs]:
            self._cursor.drop(name)
        await asyncio.to_thread(self._cursor.save, now=not moved)
        return moved

    async def close(self) -> None:
        self._cursor.save(now=True)
        await self._anchor.close()

    async def _follow(self, epoch: EpochSeen) -> bool:
        name = epoch.places.epoch
        mark, now = self._cursor.mark(name), time.monotonic()
        if mark.bytes >= epoch.notes or (not epoch.settled and now < self._due.get(name, 0.0)):
            return False
        newest = await asyncio.to_thread(self._newest, epoch, mark.bytes)
        if newest is None:
            return False
        size = await self._keep(anchored(newest.content, name), name)
        self._cursor.move(name, Mark(bytes=newest.end, records=size))
        self._due[name] = now + self._pace.anchor_s
        if epoch.settled:
            self._due.pop(name)
        return True

    async def _register(self, number: int) -> bool:
        try:
            raw = await asyncio.to_thread(read_whole, self._places.registry / f"{number:08d}")
        except OSError as error:
            self._tell(REGISTRY, f"its entry {number} cannot be read ({error.strerror})")
            return False
        entry = registry_entry(raw)
        await self._keep(None if entry is None else anchored(entry[1], REGISTRY), REGISTRY)
        self._cursor.move_registry(number)
        return True

    async def _keep(self, what: Anchored | None, part: str) -> int:
        if what is None:
            self._tell(part, "a checkpoint is none, or not its own")
            return 0
        try:
            await self._anchor.keep(what)
        except Forked:
            self._on_fork()
            self._tell(part, f"{self.name} keeps another checkpoint over {what.size} records: the log was forked")
        return what.size

    def _newest(self, epoch: EpochSeen, start: int) -> Note | None:
        newest: Note | None = None
        try:
            for note in notes(epoch.places.checkpoints, start, epoch.notes):
                newest = note
        except OSError as error:
            self._tell(epoch.places.epoch, f"its checkpoints cannot be read ({error.strerror})")
        return newest

    def _tell(self, part: str, what: str) -> None:
        if (part, what) not in self._told:
            self._told.add((part, what))
            _log.error("audit: anchoring %s: %s; run `splitgate audit verify`", part, what)
