"""What goes with the records to a sink that keeps copies, and when?

Checkpoints follow the records that they cover, and an entry of the registry that an epoch is over follows all of that
epoch: so a copy is at every moment the beginning of what stands here. What was handed over is remembered here.
"""

import errno
import logging
import sys
from collections.abc import Callable, Iterator
from collections.abc import Set as AbstractSet
from functools import partial
from typing import Final

from gateway.audit.opening import MOST_NOTES, Unfit, read_whole, reading
from gateway.audit.places import Places
from gateway.audit.ship.batch import MOST_BYTES
from gateway.audit.ship.cursor import Cursor
from gateway.audit.ship.entries import Entry, read_entry
from gateway.audit.ship.notes import notes
from gateway.audit.ship.source import EpochSeen, Seen
from gateway.domain.value import value

_ENTRIES_AT_ONCE: Final = 64
_log: Final = logging.getLogger("splitgate.audit")


@value
class Piece:
    """What is to stand at byte ``offset`` of a file: the journal or the checkpoints of ``epoch``, or an entry.

    ``entry`` is a number where it is an entry of the registry. Without ``content`` the file is to be there.
    """

    file: str
    epoch: str = ""
    entry: int = 0
    offset: int = 0
    content: bytes


class Following:
    """What the sink ``name`` is to get beside the records of ``source``."""

    def __init__(self, name: str, source: Places) -> None:
        self._name = name
        self._source = source
        # What was handed over: bytes of checkpoints, entries, bytes behind all lines.
        self._noted: dict[str, int] = {}
        self._entries = 0
        self._torn: set[str] = set()
        self._unread: set[str] = set()

    def begin(self, noted: dict[str, int] | None = None, entries: int = 0) -> None:
        """Go on behind that; without a word from the beginning."""
        self._noted = noted or {}
        self._entries = entries

    def pieces(self, seen: Seen, cursor: Cursor, disputed: AbstractSet[str]) -> Iterator[Piece]:
        """What is due, in its order. A piece counts as handed over once the next one is asked for.

        It blocks: files are read. A sink hands over all of it, since more may be due then.
        """
        for name, epoch in seen.epochs.items():
            if name in disputed:
                continue
            yield from self._notes(epoch, sys.maxsize if name in seen.pruned else cursor.mark(name).records)
            if name not in seen.pruned:
                yield from self._torn_end(epoch, cursor.mark(name).bytes)
        yield from self._registry(seen, cursor, disputed)

    def _notes(self, epoch: EpochSeen, records: int) -> Iterator[Piece]:
        """Checkpoints over no more records than the copy has."""
        name = epoch.places.epoch
        before = self._noted.get(name, 0)
        if before >= epoch.notes:
            return
        content = self._read(lambda: _covered(epoch, before, records))
        if content:
            yield Piece(file="checkpoints", epoch=name, offset=before, content=content)
            self._noted[name] = before + len(content)

    def _torn_end(self, epoch: EpochSeen, copied: int) -> Iterator[Piece]:
        """What stands behind the last whole line of an epoch that is over."""
        name = epoch.places.epoch
        if not epoch.settled or copied != epoch.whole or epoch.whole >= epoch.size or name in self._torn:
            return
        content = self._read(lambda: _torn(epoch))
        if content is not None:
            yield Piece(file="journal", epoch=name, offset=epoch.whole, content=content)
        self._torn.add(name)

    def _registry(self, seen: Seen, cursor: Cursor, disputed: AbstractSet[str]) -> Iterator[Piece]:
        for _ in range(_ENTRIES_AT_ONCE):
            if self._entries >= seen.entries:
                return
            number = self._entries + 1
            raw = self._read(partial(read_whole, self._source.registry / f"{number:08d}"))
            entry = None if raw is None else read_entry(raw)
            if raw is None or (entry is not None and not self._is_due(entry, seen, cursor, disputed)):
                return
            if entry is not None and not entry.is_end:
                yield from self._begun(entry, seen, disputed)
            yield Piece(file="registry", entry=number, content=raw)
            self._entries = number

    def _is_due(self, entry: Entry, seen: Seen, cursor: Cursor, disputed: AbstractSet[str]) -> bool:
        """Whether the copy has what an entry speaks of: of an epoch that is over all."""
        name = entry.epoch
        epoch = seen.epochs.get(name)
        if epoch is None or not entry.is_end or name in disputed or name in seen.pruned:
            return True
        copied = cursor.mark(name).bytes >= epoch.whole and self._noted.get(name, 0) >= epoch.notes
        return copied and epoch.settled

    def _begun(self, entry: Entry, seen: Seen, disputed: AbstractSet[str]) -> Iterator[Piece]:
        """The journal of an epoch that was opened, though nothing stands in it yet."""
        name = entry.epoch
        epoch = seen.epochs.get(name)
        if epoch is not None and name not in disputed and name not in seen.pruned and epoch.places.journal.exists():
            yield Piece(file="journal", epoch=name, content=b"")

    def _read(self, what: Callable[[], bytes]) -> bytes | None:
        """Read what is ours. What cannot be read is no failure of the copy's: it is told of once, and left out."""
        try:
            return what()
        except OSError as error:
            if str(error) not in self._unread:
                self._unread.add(str(error))
                _log.error("audit: shipping to %s: %s; run `splitgate audit verify`", self._name, error)
            return None


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
