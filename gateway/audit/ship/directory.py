"""How are journals copied into a folder of another owner's, so that the copy can be verified by itself?

The copy is laid out as the journals are, and each of its files is at every moment the beginning of the one it copies:
bytes are compared or appended, never changed.
"""

import logging
import time
from collections.abc import Set as AbstractSet
from pathlib import Path
from typing import Final

from gateway.audit.places import Places
from gateway.audit.ship.batch import Batch
from gateway.audit.ship.blocking import Blocking
from gateway.audit.ship.cursor import Cursor
from gateway.audit.ship.failure import Disputed, NotTaken, Shortened
from gateway.audit.ship.flushing import append, make_folders
from gateway.audit.ship.following import Following, Piece
from gateway.audit.ship.source import Seen

_log: Final = logging.getLogger("splitgate.audit")


class DirectorySink:
    """Copies ``source`` to the folder ``root``, which must be there."""

    def __init__(self, name: str, root: Path, source: Places, timeout_s: float) -> None:
        self._name = name
        self._copy = Places(root)
        self._blocking = Blocking(timeout_s)
        self._patience_s = timeout_s / 4
        # From the beginning in each process: what stands in the copy is compared.
        self._following = Following(name, source)
        self._disputed: set[Path] = set()

    async def deliver(self, batch: Batch) -> None:
        path = self._copy.epoch(batch.epoch).journal
        await self._blocking.do(lambda: self._append(path, batch.offset, batch.content))

    async def accompany(self, seen: Seen, cursor: Cursor, disputed: AbstractSet[str]) -> bool:
        return await self._blocking.do(lambda: self._accompany(seen, cursor, disputed))

    async def close(self) -> None:
        self._blocking.close()

    def _accompany(self, seen: Seen, cursor: Cursor, disputed: AbstractSet[str]) -> bool:
        until, moved = time.monotonic() + self._patience_s, False
        for piece in self._following.pieces(seen, cursor, disputed):
            if moved and time.monotonic() > until:
                return True
            self._add(self._path(piece), piece.offset, piece.content)
            moved = True
        return moved

    def _path(self, piece: Piece) -> Path:
        if piece.entry:
            return self._copy.registry / f"{piece.entry:08d}"
        return self._copy.epoch(piece.epoch).folder / piece.file

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
            self._following.begin()
            raise NotTaken("a file of the copy was cut; it is compared and filled up") from None

    def _append(self, path: Path, offset: int, content: bytes) -> None:
        make_folders(self._copy.root, path.parent)
        append(path, offset, content)
