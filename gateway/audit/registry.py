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
from gateway.audit.note import Checkpoint
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
        descriptor = os.open(self._places.root / ".lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)

    def add(self, entry: str, epoch: str, **more: Value) -> Checkpoint:
        """Write an entry, under ``locked`` alone; the checkpoint over all entries then.

        Raises:
            AuditUnavailable: the entries that are there are not whole.
            OSError: it cannot be written.
        """
        tree, prev = self._read()
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
        checkpoint, note = self._log.checkpoint("registry", tree)
        self._disk.publish(self._places.registry / f"{number:08d}", line + b"\n\n" + note)
        return checkpoint

    def head(self) -> Checkpoint:
        """The size and root of what is there, which nothing vouches for yet.

        Raises:
            AuditUnavailable: the entries are not whole.
            OSError: they cannot be read.
        """
        tree, _ = self._read()
        return Checkpoint(origin=self._log.origin("registry"), size=tree.size, root=tree.root)

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
        return [fields for _, fields in self._lines()]

    def _read(self) -> tuple[Tree, str]:
        tree, prev = Tree(), NO_LINE
        for line, _ in self._lines():
            leaf = leaf_hash(line)
            tree.add(leaf)
            prev = leaf.hex()
        return tree, prev

    def _lines(self) -> list[tuple[bytes, Fields]]:
        found: list[tuple[bytes, Fields]] = []
        for number, path in enumerate(self._places.entries(), start=1):
            entry = registry_entry(path.read_bytes())
            if entry is None or path.name != f"{number:08d}":
                raise self._damaged(path.name)
            try:
                fields = parsed(entry[0])
            except NotCanonical as error:
                raise self._damaged(path.name) from error
            if not {"entry", "epoch"} <= fields.keys():
                raise self._damaged(path.name)
            found.append((entry[0], fields))
        return found

    def _damaged(self, name: str) -> AuditUnavailable:
        return AuditUnavailable(
            f"the audit registry is damaged at {self._places.registry / name}: run `splitgate audit verify`, keep the "
            "folder as evidence, and set `audit.dir` to a new one"
        )
