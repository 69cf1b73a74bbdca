"""Which epochs are there, and how did each of them end?

A log of its own, one entry a file, so that an entry is there whole or not at all. Processes take turns by a lock that
is held for an entry, never for a request.
"""

import fcntl
import os
import time
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from typing import Final

from gateway.audit.line import NO_LINE, VERSION, Fields, NotCanonical, Value, canonical, parsed
from gateway.audit.log import Log
from gateway.audit.marks import REGISTRY
from gateway.audit.note import BadNote, Checkpoint, checkpoint, opened
from gateway.audit.opening import Unfit, open_safely, read_whole
from gateway.audit.places import registry_entry
from gateway.audit.tree import Tree, leaf_hash
from gateway.domain.errors import AuditUnavailable

_ENDED: Final = frozenset({"closed", "sealed", "pruned"})


class Registry:
    """The registry of one folder of journals."""

    def __init__(self, log: Log) -> None:
        self._log = log
        self._places = log.places
        self._disk = log.disk

    @contextmanager
    def locked(self) -> Generator[None]:
        """Keep other processes out of what takes more than one entry.

        Raises:
            OSError: the folder cannot be used.
        """
        self._disk.make_folder(self._places.registry)
        descriptor = open_safely(self._places.root / ".lock", os.O_RDWR | os.O_CREAT)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)

    def add(self, entry: str, epoch: str, **more: Value) -> Checkpoint:
        """Write an entry, under ``locked`` alone; the checkpoint over all entries then.

        Raises:
            AuditUnavailable: the entries that are there are not whole, or not ours.
            OSError: it cannot be written.
        """
        tree, prev, _ = self._read()
        number = tree.size + 1
        fields: Fields = {
            "v": VERSION,
            "entry": entry,
            "number": number,
            "prev": prev,
            "time": time.time_ns() // 1000,
            "epoch": epoch,
            **more,
        }
        line = canonical(fields)
        tree.add(leaf_hash(line))
        made, note = self._log.checkpoint(REGISTRY, tree)
        self._disk.publish(self._places.registry / f"{number:08d}", line + b"\n\n" + note)
        self._log.marks.keep(REGISTRY, note, self._disk)
        if entry in _ENDED:
            self._log.marks.drop(epoch)
        return made

    def head(self) -> Checkpoint:
        """The size and root of what is there, which nothing vouches for yet.

        Raises:
            AuditUnavailable: the entries are not whole.
            OSError: they cannot be read.
        """
        tree, _, _ = self._read()
        return Checkpoint(origin=self._log.origin(REGISTRY), size=tree.size, root=tree.root)

    def left_open(self) -> list[str]:
        """The epochs that were opened and have no end yet, in their order; raises as ``head`` does."""
        opened: dict[str, None] = {}
        for fields in self.entries():
            epoch = str(fields["epoch"])
            if fields["entry"] == "opened":
                opened[epoch] = None
            elif fields["entry"] in _ENDED:
                opened.pop(epoch, None)
        return list(opened)

    def entries(self) -> list[Mapping[str, Value]]:
        """All entries in their order; raises as ``head`` does."""
        return self._read()[2]

    def _read(self) -> tuple[Tree, str, list[Mapping[str, Value]]]:
        """The tree over all entries, the last one's leaf, and the entries: once it is certain that they are ours."""
        mark = self._log.mark(REGISTRY)
        tree, prev = Tree(), NO_LINE
        found = self._lines()
        for line, _, _ in found:
            leaf = leaf_hash(line)
            tree.add(leaf)
            prev = leaf.hex()
            if mark is not None and tree.size == mark.size and tree.root != mark.root:
                raise self._damaged("an entry up to", f"{mark.size:08d}")
        if mark is not None and tree.size < mark.size:
            raise self._damaged("the missing entry", f"{tree.size + 1:08d}")
        if tree.size:
            self._check(found[-1][2], Checkpoint(origin=self._log.origin(REGISTRY), size=tree.size, root=tree.root))
        return tree, prev, [fields for _, fields, _ in found]

    def _check(self, note: bytes, expected: Checkpoint) -> None:
        """The newest entry's note must say just what the entries say: it vouches for all before it."""
        try:
            vouched = checkpoint(opened(note, self._log.trusted)) == expected
        except BadNote:
            vouched = False
        if not vouched:
            raise self._damaged(
                "none of the keys in `audit.signing_keys` vouches for the entries up to", f"{expected.size:08d}"
            )

    def _lines(self) -> list[tuple[bytes, Fields, bytes]]:
        found: list[tuple[bytes, Fields, bytes]] = []
        for number, path in enumerate(self._places.entries(), start=1):
            try:
                entry = registry_entry(read_whole(path))
            except Unfit as error:
                raise self._damaged("the entry", path.name) from error
            if entry is None or path.name != f"{number:08d}":
                raise self._damaged("the entry", path.name)
            try:
                fields = parsed(entry[0])
            except NotCanonical as error:
                raise self._damaged("the entry", path.name) from error
            if not {"entry", "epoch"} <= fields.keys():
                raise self._damaged("the entry", path.name)
            found.append((entry[0], fields, entry[1]))
        return found

    def _damaged(self, what: str, name: str) -> AuditUnavailable:
        return AuditUnavailable(
            f"the audit registry is not what was written: {what} {self._places.registry / name}. Run `splitgate audit "
            "verify`, keep the folder as evidence, and set `audit.dir` to a new one; after a change of keys name the "
            "old key beside the new one"
        )
