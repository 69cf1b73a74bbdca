"""How are journals copied into a bucket of an S3-compatible store?

A batch is an object, named by where in its file it begins (see ``objects``), and none is ever overwritten. After a
crash batches may be cut otherwise than those that are there: then their common part is compared, and what lies beyond
is put as an object of its own. ``splitgate audit assemble`` makes a folder of them again.
"""

import asyncio
import logging
from collections.abc import Set as AbstractSet
from dataclasses import replace
from typing import Final

from gateway.audit.opening import read_whole
from gateway.audit.places import Places
from gateway.audit.ship.batch import Batch
from gateway.audit.ship.cursor import Cursor, Mark
from gateway.audit.ship.entries import read_entry
from gateway.audit.ship.failure import Disputed, NotTaken
from gateway.audit.ship.following import Following, Piece
from gateway.audit.ship.objects import Stretch, entry_name, stretch_name
from gateway.audit.ship.s3_store import S3Store
from gateway.audit.ship.source import Seen

_KIND: Final = "application/octet-stream"
_log: Final = logging.getLogger("splitgate.audit")


class S3Sink:
    """Copies ``source`` into ``store``; ``beside`` is how far checkpoints and the registry are."""

    def __init__(self, name: str, store: S3Store, source: Places, beside: Cursor) -> None:
        self._name = name
        self._store = store
        self._source = source
        self._beside = beside
        self._following = Following(name, source)
        self._following.begin({epoch: mark.bytes for epoch, mark in beside.marks.items()}, beside.registry)
        self._log: str | None = None
        self._disputed: set[tuple[str, str, int]] = set()

    async def deliver(self, batch: Batch) -> None:
        await self._put_stretch(Stretch(epoch=batch.epoch, file="journal", offset=batch.offset), batch.content)

    async def accompany(self, seen: Seen, cursor: Cursor, disputed: AbstractSet[str]) -> bool:
        moved = False
        pieces = self._following.pieces(seen, cursor, disputed)
        # A generator's steps read files, one after another.
        while (piece := await asyncio.to_thread(next, pieces, None)) is not None:
            if piece.content:
                await self._add(piece)
                moved = True
        await asyncio.to_thread(self._beside.save)
        return moved

    async def close(self) -> None:
        self._beside.save(now=True)
        await self._store.close()

    async def _add(self, piece: Piece) -> None:
        which = (piece.epoch, piece.file, piece.entry)
        if which in self._disputed:
            return
        try:
            await self._put_piece(piece)
        except Disputed:
            # Neither is changed, and others are copied: whoever verifies the copy sees both histories.
            self._disputed.add(which)
            where = f"{piece.file}/{piece.entry:08d}" if piece.entry else f"{piece.epoch}/{piece.file}"
            _log.error("audit: shipping: %s of %s is not what stands here; verify both", where, self._name)
            return
        if piece.entry and piece.entry == self._beside.registry + 1:
            # Not past a disputed one: each process tells of it again.
            self._beside.move_registry(piece.entry)
        elif piece.file == "checkpoints":
            self._beside.move(piece.epoch, Mark(bytes=piece.offset + len(piece.content)))

    async def _put_piece(self, piece: Piece) -> None:
        if not piece.entry:
            await self._put_stretch(Stretch(epoch=piece.epoch, file=piece.file, offset=piece.offset), piece.content)
            return
        name = entry_name(await self._log_name(), piece.entry)
        kept = await self._store.put(name, piece.content, _KIND)
        if kept is not None and kept != piece.content:
            raise Disputed

    async def _put_stretch(self, stretch: Stretch, content: bytes) -> None:
        """Have ``content`` stand there, in as many objects as it takes."""
        log = await self._log_name()
        while content:
            kept = await self._store.put(stretch_name(log, stretch), content, _KIND, len(content))
            if kept is None:
                return
            common = min(len(kept), len(content))
            if not common or kept[:common] != content[:common]:
                raise Disputed
            stretch = replace(stretch, offset=stretch.offset + common)
            content = content[common:]

    async def _log_name(self) -> str:
        if self._log is None:
            self._log = await asyncio.to_thread(self._first_epoch)
        return self._log

    def _first_epoch(self) -> str:
        try:
            entry = read_entry(read_whole(self._source.registry / f"{1:08d}"))
        except OSError:
            entry = None
        if entry is None:
            raise NotTaken("the registry's first entry cannot be read; run `splitgate audit verify`")
        return entry.epoch
