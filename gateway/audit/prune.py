"""Which epochs may be taken away, and how, so that nobody takes pruning for a loss or a loss for pruning?

Only what is over, whole as it was signed, and with every sink. The registry says that an epoch is pruned before its
journal goes; whoever crashes in between leaves files that the next run takes away. Its checkpoints stay.
"""

import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

from gateway.audit.line import Fields
from gateway.audit.log import Log
from gateway.audit.opening import MOST_NOTES, read_whole
from gateway.audit.places import EpochPlaces, whole_lines
from gateway.audit.read import stated
from gateway.audit.registry import Registry
from gateway.audit.search import last_time, number_of, text_of, time_of
from gateway.audit.ship.cursor import Cursor
from gateway.audit.tree import Tree, leaf_hash
from gateway.domain.value import value

_ENDS: Final = frozenset({"closed", "sealed"})
# How many lines are counted between two calls of ``progress``.
_STEP: Final = 10_000


@value
class Candidate:
    """An epoch that ended in time: how many records and bytes it has, the root over them, and when it ended.

    ``refusal`` says why it may not go all the same.
    """

    epoch: str
    size: int
    root: str
    bytes: int
    ended: int
    refusal: str | None = None


class Pruning:
    """Takes epochs away; ``sinks`` are those that must have got every record."""

    def __init__(self, log: Log, sinks: Sequence[str]) -> None:
        self._log = log
        self._registry = Registry(log)
        self._sinks = tuple([(name, Cursor(log.places.ship / f"{name}.json")) for name in sinks])
        self._keys = log.trusted

    def candidates(self, before: int, progress: Callable[[int], None] = lambda _records: None) -> list[Candidate]:
        """The epochs that ended before then (microseconds since the epoch), each looked at from end to end.

        ``progress`` is told of more records that were looked at.

        Raises:
            OSError: something cannot be read.
            AuditUnavailable: the registry is damaged.
        """
        ends = _ends(self._registry.entries())
        found = [
            self._candidate(self._log.places.epoch(epoch), end, before, progress)
            for epoch, end in ends.items()
            if text_of(end, "entry") in _ENDS
        ]
        return [candidate for candidate in found if candidate is not None]

    def unfinished(self) -> list[str]:
        """Epochs of which the registry says that they were pruned, and of which files are left; raises as above."""
        ends = _ends(self._registry.entries())
        pruned = [epoch for epoch, end in ends.items() if text_of(end, "entry") == "pruned"]
        return [epoch for epoch in pruned if any(path.exists() for path in _taken(self._log.places.epoch(epoch)))]

    def prune(self, candidate: Candidate, by: str) -> None:
        """Say in the registry that the epoch is pruned, and take its journal and content away.

        ``by`` is the epoch of the caller's own.

        Raises:
            OSError: it cannot be said, or not all can be taken away; the next run goes on from there.
            AuditUnavailable: the registry is damaged.
        """
        with self._registry.locked():
            end = _ends(self._registry.entries()).get(candidate.epoch, {})
            if text_of(end, "entry") in _ENDS:
                self._registry.add("pruned", candidate.epoch, size=candidate.size, root=candidate.root, by=by)
            self.finish(candidate.epoch)

    def finish(self, epoch: str) -> None:
        """Take away what is left of a pruned epoch.

        Raises:
            OSError: not all can be taken away.
        """
        places = self._log.places.epoch(epoch)
        for path in _taken(places):
            path.unlink(missing_ok=True)
        descriptor = os.open(places.folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def _candidate(
        self, places: EpochPlaces, end: Fields, before: int, progress: Callable[[int], None]
    ) -> Candidate | None:
        there = places.journal.is_file()
        last = last_time(places) if there else None
        candidate = Candidate(
            epoch=places.epoch,
            size=number_of(end, "size") or 0,
            root=text_of(end, "root"),
            bytes=sum([path.stat().st_size for path in _taken(places) if path.exists()]),
            ended=time_of(end) if last is None else last,
        )
        if candidate.ended >= before:
            return None
        if not there:
            return replace(candidate, refusal="its journal is gone, and nobody pruned it; run `splitgate audit verify`")
        refusal = self._not_as_signed(places, candidate, number_of(end, "torn") or 0, progress) or self._unshipped(
            candidate
        )
        return replace(candidate, refusal=refusal)

    def _not_as_signed(
        self, places: EpochPlaces, candidate: Candidate, torn: int, progress: Callable[[int], None]
    ) -> str | None:
        tree, whole = Tree(), 0
        for line in whole_lines(places.journal):
            if tree.size == candidate.size:
                # What follows was torn when its process ended.
                break
            tree.add(leaf_hash(line))
            whole += len(line) + 1
            if tree.size % _STEP == 0:
                progress(_STEP)
        progress(tree.size % _STEP)
        as_registered = (candidate.size, candidate.root, places.journal.stat().st_size - torn)
        if (tree.size, tree.root.hex(), whole) != as_registered:
            return "it is not what the registry says; run `splitgate audit verify`, and keep it as evidence"
        raw = read_whole(places.checkpoints, MOST_NOTES) if places.checkpoints.exists() else b""
        notes = stated(raw, places.epoch, self._keys)
        said = [note.said for note in notes if note.said is not None]
        covered = candidate.size == 0 or (bool(said) and (said[-1].size, said[-1].root) == (tree.size, tree.root))
        return None if covered else "its last checkpoint does not cover it, or no key that is known signed that"

    def _unshipped(self, candidate: Candidate) -> str | None:
        late = [
            f"{name} lacks {candidate.size - cursor.mark(candidate.epoch).records} of its records"
            for name, cursor in self._sinks
            if cursor.mark(candidate.epoch).records < candidate.size
        ]
        return ", ".join(late) or None


def _ends(entries: Iterable[Fields]) -> dict[str, Fields]:
    """The last entry of each epoch."""
    return {text_of(entry, "epoch"): entry for entry in entries}


def _taken(places: EpochPlaces) -> tuple[Path, ...]:
    return (places.journal, places.blobs)
