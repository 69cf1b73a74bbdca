"""How are journals copied into a folder of another owner's, so that the copy can be verified by itself?

The copy is laid out as the journals are, and each of its files is at every moment the beginning of the one it copies:
bytes are compared or appended, never changed. Checkpoints follow the records that they cover, and an entry of the
registry that an epoch is over follows all of that epoch.
"""

import errno
import logging
import sys
import time
from collections.abc import Callable
from collections.abc import Set as AbstractSet
from functools import partial
from pathlib import Path
from typing import Final

from gateway.audit.opening import MOST_NOTES, Unfit, read_whole, reading
from gateway.audit.places import Places
from gateway.audit.ship.batch import MOST_BYTES, Batch
from gateway.audit.ship.blocking import Blocking
from gateway.audit.ship.cursor import Cursor
from gateway.audit.ship.entries import Entry, read_entry
from gateway.audit.ship.failure import Disputed, NotTaken, Shortened
from gateway.audit.ship.flushing import append, make_folders
from gateway.audit.ship.notes import notes
from gateway.audit.ship.source import EpochSeen, Seen

_ENTRIES_AT_ONCE: Final = 64
_log: Final = logging.getLogger("splitgate.audit")


class DirectorySink:
    """Copies ``source`` to the folder ``root``, which must be there."""

    def __init__(self, name: str, root: Path, source: Places, timeout_s: float) -> None:
        self._name = name
        self._copy = Places(root)
        self._source = source
        self._blocking = Blocking(timeout_s)
        self._patience_s = timeout_s / 4
        # What was compared or copied since this process began: bytes of checkpoints, entries, bytes behind all lines.
        self._noted: dict[str, int] = {}
        self._entries = 0
        self._torn: set[str] = set()
        self._disputed: set[Path] = set()
        self._unread: set[str] = set()

    async def deliver(self, batch: Batch) -> None:
        path = self._copy.epoch(batch.epoch).journal
        await self._blocking.do(lambda: self._append(path, batch.offset, batch.content))

    async def accompany(self, seen: Seen, cursor: Cursor, disputed: AbstractSet[str]) -> bool:
        return await self._blocking.do(lambda: self._accompany(seen, cursor, disputed))

    async def close(self) -> None:
        self._blocking.close()

    def _accompany(self, seen: Seen, cursor: Cursor, disputed: AbstractSet[str]) -> bool:
        until, moved = time.monotonic() + self._patience_s, False
        for name, epoch in seen.epochs.items():
            if name in disputed:
                continue
            records = sys.maxsize if name in seen.pruned else cursor.mark(name).records
            moved = self._follow_notes(epoch, records) or moved
            if name not in seen.pruned:
                moved = self._follow_torn(epoch, cursor.mark(name).bytes) or moved
            if time.monotonic() > until:
                return True
        return self._follow_registry(seen, cursor, disputed) or moved

    def _follow_notes(self, epoch: EpochSeen, records: int) -> bool:
        """Copy checkpoints over no more records than the copy has."""
        name = epoch.places.epoch
        before = self._noted.get(name, 0)
        if before >= epoch.notes:
            return False
        content = self._read(lambda: _covered(epoch, before, records))
        if content:
            self._add(self._copy.epoch(name).checkpoints, before, content)
            self._noted[name] = before + len(content)
        return bool(content)

    def _follow_torn(self, epoch: EpochSeen, copied: int) -> bool:
        """Copy what stands behind the last whole line of an epoch that is over."""
        name = epoch.places.epoch
        if not epoch.settled or copied != epoch.whole or epoch.whole >= epoch.size or name in self._torn:
            return False
        content = self._read(lambda: _torn(epoch))
        if content is not None:
            self._add(self._copy.epoch(name).journal, epoch.whole, content)
        self._torn.add(name)
        return True

    def _follow_registry(self, seen: Seen, cursor: Cursor, disputed: AbstractSet[str]) -> bool:
        for _ in range(_ENTRIES_AT_ONCE):
            if self._entries >= seen.entries:
                return False
            name = f"{self._entries + 1:08d}"
            raw = self._read(partial(read_whole, self._source.registry / name))
            entry = None if raw is None else read_entry(raw)
            if raw is None or (entry is not None and not self._prepared(entry, seen, cursor, disputed)):
                return False
            self._add(self._copy.registry / name, 0, raw)
            self._entries += 1
        return True

    def _prepared(self, entry: Entry, seen: Seen, cursor: Cursor, disputed: AbstractSet[str]) -> bool:
        """Whether the copy has what an entry speaks of: of an epoch that was opened a journal, of others all."""
        name = entry.epoch
        epoch = seen.epochs.get(name)
        if epoch is None or name in disputed or name in seen.pruned:
            return True
        if not entry.is_end:
            if epoch.places.journal.exists():
                self._add(self._copy.epoch(name).journal, 0, b"")
            return True
        copied = cursor.mark(name).bytes >= epoch.whole and self._noted.get(name, 0) >= epoch.notes
        return copied and epoch.settled

    def _read(self, what: Callable[[], bytes]) -> bytes | None:
        """Read what is ours. What cannot be read is no failure of the copy's: it is told of once, and left out."""
        try:
            return what()
        except OSError as error:
            if str(error) not in self._unread:
                self._unread.add(str(error))
                _log.error("audit: shipping to %s: %s; run `splitgate audit verify`", self._name, error)
            return None

    def _add(self, path: Path, offset: int, content: bytes) -> None:
        if path in self._disputed:
            return
        try:
            self._append(path, offset, content)
        except Disputed:
            # Neither is changed, and other files are copied: whoever verifies the copy sees both histories.
            self._disputed.add(path)
            where = path.relative_to(self._copy.root)
            _log.error("audit: shipping: %s of %s is not what stands here; verify both", where, self._name)
        except Shortened:
            self._noted.clear()
            self._entries = 0
            raise NotTaken("a file of the copy was cut; it is compared and filled up") from None

    def _append(self, path: Path, offset: int, content: bytes) -> None:
        make_folders(self._copy.root, path.parent)
        append(path, offset, content)


def _covered(epoch: EpochSeen, start: int, records: int) -> bytes:
    """The checkpoints from byte ``start`` on over at most ``records``, a piece of them where they are many."""
    found: list[bytes] = []
    size = 0
    for note in notes(epoch.places.checkpoints, start, epoch.notes):
        said = note.checkpoint
        if said is not None and said.size > records:
            break
        found.append(note.content + b"\n")
        size += len(found[-1])
        if size > MOST_BYTES:
            break
    return b"".join(found)


def _torn(epoch: EpochSeen) -> bytes:
    if epoch.size - epoch.whole > MOST_NOTES:
        raise Unfit(errno.EFBIG, "too much follows its last line", str(epoch.places.journal))
    with reading(epoch.places.journal) as file:
        file.seek(epoch.whole)
        return file.read(epoch.size - epoch.whole)
