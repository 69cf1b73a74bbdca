"""What of the journals may be handed over by now?

Journals are followed by looking at them. Their writer opens them with ``O_DSYNC``, so that bytes can be read a moment
before they are durable; and what a sink or an anchor has must not be missing here after a power cut. Hence the rule:
before bytes are offered, their file is flushed from here as well. That costs nothing where the writer has done it.
"""

import asyncio
import logging
import math
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Final

from gateway.audit.opening import read_whole, reading
from gateway.audit.places import EpochPlaces, Places
from gateway.audit.ship.entries import Entry, read_entry
from gateway.audit.ship.flushing import flush_folder, flush_path
from gateway.domain.value import value

_PIECE: Final = 1024 * 1024
_log: Final = logging.getLogger("splitgate.audit")


@value
class EpochSeen:
    """One epoch, as far as it is durable.

    ``size`` are the journal's bytes, of which ``whole`` hold whole lines, ``records`` of them; ``notes`` are the bytes
    of its checkpoints, which cover no more records than that. ``settled``: it is over, and was looked at since.
    """

    places: EpochPlaces
    size: int = 0
    whole: int = 0
    records: int = 0
    notes: int = 0
    settled: bool = False


@value
class Seen:
    """All journals, as they were opened.

    ``entries`` is how many entries the registry has, ``pruned`` how many records an epoch had that was pruned.
    """

    epochs: Mapping[str, EpochSeen]
    entries: int = 0
    pruned: Mapping[str, int]


class Source:
    """Follows the journals. ``look`` blocks and is called by one thread at a time; the rest belongs to one loop."""

    def __init__(self, places: Places, rescan_s: float = 30.0, *, flush: Callable[[Path], None] = flush_path) -> None:
        self.places = places
        self.seen = Seen(epochs={}, pruned={})
        self.news = asyncio.Event()
        """Set once there is something new; then another event takes its place."""
        self.over = asyncio.Event()
        """Set once nothing will be added any more."""
        self._rescan_s = rescan_s
        self._flush = flush
        self._rescan_at = 0.0
        self._listed_at = 0
        self._entries = 0
        self._opened: dict[str, int] = {}
        self._ends: dict[str, Entry] = {}
        self._epochs: dict[str, EpochSeen] = {}
        self._told: set[tuple[str, str]] = set()

    async def refresh(self) -> None:
        """Look once, and tell whoever waits if there is anything new."""
        seen = await asyncio.to_thread(self.look)
        if seen != self.seen:
            self.seen = seen
            self.news.set()
            self.news = asyncio.Event()

    def look(self) -> Seen:
        """Look at what is there now. What cannot be read is told of once, and looked at again."""
        try:
            self._read_registry()
            rescan = self._list()
            for name, before in self._epochs.items():
                if rescan or not before.settled:
                    self._epochs[name] = self._look_at(before)
            pruned = {name: end.records for name, end in self._ends.items() if end.kind == "pruned"}
            # Once more: an epoch is registered before its first record, and so none is seen without its entry.
            self._read_registry()
        except OSError as error:
            self._tell("", f"the journals cannot be read ({error.strerror})")
            return self.seen
        epochs = dict(sorted(self._epochs.items(), key=lambda one: self._turn(one[0])))
        return Seen(epochs=epochs, entries=self._entries, pruned=pruned)

    def _read_registry(self) -> None:
        before = self._entries
        while (path := self.places.registry / f"{self._entries + 1:08d}").is_file():
            entry = read_entry(read_whole(path))
            self._entries += 1
            if entry is not None and entry.is_end:
                self._ends[entry.epoch] = entry
                self._unsettle(entry.epoch)
            elif entry is not None:
                self._opened.setdefault(entry.epoch, self._entries)
        if self._entries > before:
            # An entry that was anchored must not be lost with the power, and another written in its place.
            flush_folder(self.places.registry)
            self._listed_at = 0

    def _list(self) -> bool:
        """Find new epochs; whether those that are over are to be looked at as well."""
        now = time.monotonic()
        rescan = now >= self._rescan_at
        folder = self.places.root / "epochs"
        if not folder.is_dir():
            return rescan
        changed = folder.stat().st_mtime_ns
        # A folder's time is coarse: what was made in the same instant as the last look is found by the next entry of
        # the registry, or by the next look at everything.
        if rescan or changed != self._listed_at:
            for places in self.places.epochs():
                self._epochs.setdefault(places.epoch, EpochSeen(places=places))
            self._listed_at = changed
        if rescan:
            self._rescan_at = now + self._rescan_s
        return rescan

    def _turn(self, name: str) -> tuple[float, str]:
        return self._opened.get(name, math.inf), name

    def _unsettle(self, name: str) -> None:
        if name in self._epochs:
            self._epochs[name] = replace(self._epochs[name], settled=False)

    def _look_at(self, before: EpochSeen) -> EpochSeen:
        places, name = before.places, before.places.epoch
        end = self._ends.get(name)
        try:
            # Checkpoints first: those that are seen then cover only records that are seen as well.
            notes = self._flushed(places.checkpoints, before.notes) if places.checkpoints.exists() else 0
            if end is not None and end.kind == "pruned":
                return EpochSeen(places=places, notes=notes, settled=True)
            size = self._flushed(places.journal, before.size, sure=end is not None and end.kind == "closed")
            if size < before.size:
                self._tell(name, f"its journal was {before.size} bytes long, and now has {size}")
                return before
            whole, records = self._count(before, size, end)
        except FileNotFoundError:
            if before.size or end is not None:
                self._tell(name, "its journal is gone, and the registry does not say that it was pruned")
            return before
        except OSError as error:
            self._tell(name, f"it cannot be read ({error.strerror})")
            return before
        return EpochSeen(places=places, size=size, whole=whole, records=records, notes=notes, settled=end is not None)

    def _count(self, before: EpochSeen, size: int, end: Entry | None) -> tuple[int, int]:
        if end is not None and end.torn <= size:
            # What is over need not be read to be counted, and whoever sealed it knows what of it is no record.
            return size - end.torn, end.records
        if size == before.size:
            return before.whole, before.records
        more, records = _counted(before.places.journal, before.whole, size)
        return before.whole + more, before.records + records

    def _flushed(self, path: Path, known: int, *, sure: bool = False) -> int:
        """How long the file is, all of it durable; ``sure`` says that its writer vouched for that."""
        size = path.stat().st_size
        if size > known and not sure:
            self._flush(path)
        return size

    def _tell(self, epoch: str, what: str) -> None:
        if (epoch, what) not in self._told:
            self._told.add((epoch, what))
            _log.error("audit: shipping %s: %s; run `splitgate audit verify`", epoch or self.places.root, what)


def _counted(path: Path, start: int, end: int) -> tuple[int, int]:
    """How many bytes of whole lines follow ``start`` below ``end``, and how many lines."""
    whole = records = read = 0
    with reading(path) as file:
        file.seek(start)
        while piece := file.read(min(_PIECE, end - start - read)):
            records += piece.count(b"\n")
            last = piece.rfind(b"\n") + 1
            whole = read + last if last else whole
            read += len(piece)
    return whole, records
