"""Is one epoch whole: its checkpoints, its journal, its end?

What a living process has not signed yet is worth a notice; what lacks a signature once the epoch has ended is a
problem.
"""

from collections.abc import Sequence
from pathlib import Path

from gateway.audit._verify_anchors import Anchored
from gateway.audit._verify_journal import Found, Journal, read_journal
from gateway.audit._verify_log import Pins
from gateway.audit._verify_registry import End, RegistryView, Standing
from gateway.audit._verify_watch import Watch
from gateway.audit.note import VerifierKey
from gateway.audit.opening import MOST_NOTES, is_unfit, read_whole
from gateway.audit.places import EpochPlaces
from gateway.audit.read import Stated, is_held, is_torn, stated
from gateway.audit.verdict import Finding, Kind
from gateway.domain.value import value


@value
class Snapshot:
    """How far an epoch had come when its verification began: its checkpoints, and the length of its journal.

    ``journal`` is None where there was none, ``checkpoints`` likewise.
    """

    checkpoints: bytes | None
    journal: int | None


@value
class Case:
    """An epoch and what it is held against."""

    places: EpochPlaces
    standing: Standing
    snapshot: Snapshot
    keys: Sequence[VerifierKey]
    anchors: Sequence[Anchored]
    registry: RegistryView
    tolerance_s: float


@value
class Outcome:
    """``records`` were read, ``signed`` of them are covered by a sound checkpoint, ``anchored`` by an anchor.

    ``ahead`` is the largest size of the registry that a record knows of.
    """

    findings: tuple[Finding, ...]
    records: int = 0
    signed: int = 0
    anchored: int = 0
    ahead: int = 0


def snapshot(places: EpochPlaces) -> Snapshot:
    """How far the epoch has come. A process signs what it has written: so the checkpoints are looked at first.

    Raises:
        OSError: they cannot be read.
    """
    checkpoints = read_whole(places.checkpoints, MOST_NOTES) if _is_there(places.checkpoints) else None
    return Snapshot(
        checkpoints=checkpoints, journal=places.journal.stat().st_size if _is_there(places.journal) else None
    )


def _is_there(path: Path) -> bool:
    return path.exists() and not is_unfit(path)


class EpochVerifier:
    """Verifies one epoch, once."""

    def __init__(self, case: Case) -> None:
        self._case = case
        self._epoch = case.places.epoch
        self._end = case.standing.end
        self._pins = Pins()
        self._findings: list[Finding] = []
        # Up to which record there are sound checkpoints.
        self._covered = 0

    def verify(self) -> Outcome:
        """Read all of it.

        Raises:
            OSError: a file cannot be read.
        """
        self._tell_unfit()
        self._read_checkpoints()
        if self._end is not None:
            self._pins.put(self._end.size, self._end.root, f"the registry's entry {self._end.number}")
        if self._case.snapshot.journal is None:
            return self._without_journal()
        case = self._case
        found = read_journal(
            Journal(
                places=case.places,
                limit=case.snapshot.journal,
                end=self._end,
                pins=self._pins,
                anchors=case.anchors,
                watch=lambda: Watch(self._epoch, case.registry.roots, case.places.blobs, case.tolerance_s),
            )
        )
        if not self._is_being_opened(found):
            self._findings += found.findings
            self._tell_tails(found)
        return Outcome(
            findings=tuple(self._findings),
            records=found.records,
            signed=min(found.records, self._covered),
            anchored=self._anchored(found),
            ahead=found.ahead,
        )

    def _anchored(self, found: Found) -> int:
        agreed = [a.said.size for a in self._case.anchors if found.roots.get(a.said.size) == a.said.root]
        end = self._end
        if end is not None and end.number <= self._case.registry.anchored and found.roots.get(end.size) == end.root:
            agreed.append(end.size)
        return max(agreed, default=0)

    def _tell_unfit(self) -> None:
        places = self._case.places
        for path in (places.journal, places.checkpoints, places.blobs, places.lock):
            if is_unfit(path):
                self._tell(Kind.MODIFIED, None, f"`{path.name}` is no regular file: something was put in its place")

    def _read_checkpoints(self) -> None:
        parts = stated(self._case.snapshot.checkpoints or b"", self._epoch, self._case.keys)
        for index, part in enumerate(parts):
            if part.said is None:
                self._tell_unsound(part, is_late=index >= len(parts) - 2)
                continue
            if part.said.size < self._covered:
                told = "the epoch's checkpoints do not stand in the order of their sizes"
                self._tell(Kind.REORDERED, part.said.size, told)
            self._covered = max(self._covered, part.said.size)
            self._pins.add(part.said, "a checkpoint of the epoch")

    def _tell_unsound(self, part: Stated, *, is_late: bool) -> None:
        left = self._end is None or self._end.entry == "sealed"
        if self._is_known and left and is_late and is_torn(part, self._epoch, self._case.keys):
            told = "a checkpoint was cut off while it was written"
            self._tell(Kind.TORN_TAIL, part.size, told, notice=True)
            return
        of = "something among the checkpoints" if part.size is None else f"the checkpoint of {part.size} records"
        self._tell(Kind.BAD_SIGNATURE, part.size, f"{of} is not to be trusted: {part.fault}")

    @property
    def _is_known(self) -> bool:
        return self._case.standing.opened or self._end is not None

    def _is_being_opened(self, found: Found) -> bool:
        """Whether its process has made the files and is about to register them."""
        return not self._is_known and not found.records and is_held(self._case.places.lock) is True

    def _without_journal(self) -> Outcome:
        pruned = self._case.standing.pruned
        if pruned is not None:
            self._tell_pruned(pruned)
        elif self._is_known:
            told = "the epoch's journal is gone, and nothing says that it was pruned"
            self._tell(Kind.MISSING_SHARD, None, told)
        else:
            self._tell(Kind.UNREGISTERED, None, "the registry has no entry that opens the epoch, which has no journal")
        return Outcome(findings=tuple(self._findings))

    def _tell_pruned(self, pruned: End) -> None:
        self._pins.put(pruned.size, pruned.root, f"the registry's entry {pruned.number}")
        within = [anchor for anchor in self._case.anchors if anchor.said.size <= pruned.size]
        self._findings += self._pins.also(within).forks(self._epoch)
        for anchor in self._case.anchors:
            if anchor not in within:
                told = (
                    f"{anchor.source} knows {anchor.said.size} records; {pruned.size} were pruned: history was cut off"
                )
                self._tell(Kind.ANCHOR_MISMATCH, pruned.size, told)
        if self._case.snapshot.checkpoints is None and pruned.size:
            told = "the epoch was pruned, and the checkpoints that were to stay are gone"
            self._tell(Kind.MISSING_SHARD, None, told)
        elif self._covered != pruned.size:
            told = f"{pruned.size} records were pruned, and the checkpoints that stayed cover {self._covered}"
            self._tell(Kind.MISSING_SHARD, self._covered, told)

    def _tell_tails(self, found: Found) -> None:
        end = self._end
        tail = max(0, (found.end if end is None else min(found.end, end.size)) - self._covered)
        if end is not None:
            self._tell_end(end, tail, found)
        elif self._case.standing.opened:
            self._tell_open(tail, found.rest)
        else:
            self._tell(Kind.UNREGISTERED, None, "the registry has no entry that opens the epoch")
            if tail:
                self._tell(Kind.UNSIGNED_TAIL, self._covered, f"{tail} records follow the last checkpoint", count=tail)
            if found.rest:
                self._tell(Kind.TORN_TAIL, found.records, f"{found.rest} bytes follow the last whole record")

    def _tell_end(self, end: End, tail: int, found: Found) -> None:
        rest = found.rest
        if tail:
            told = (
                f"no checkpoint of the epoch covers its last {tail} records, and there was one when it was {end.entry}"
            )
            self._tell(Kind.UNSIGNED_TAIL, self._covered, told, count=tail)
        late = end.size - end.signed if end.entry == "sealed" else 0
        if late:
            told = f"the last {late} records were signed after the fact, by the process that sealed the epoch"
            self._tell(Kind.UNSIGNED_TAIL, end.signed, told, count=late, notice=True)
        expected = end.torn if end.entry == "sealed" else 0
        if rest and rest == expected:
            told = f"{rest} bytes follow the last record, as they did when the epoch was sealed: they are no evidence"
            self._tell(Kind.TORN_TAIL, end.size, told, notice=True)
        elif rest != expected:
            told = f"{rest} bytes follow the last whole record, and {expected} did when the epoch was {end.entry}"
            self._tell(Kind.TORN_TAIL, found.records, told)

    def _tell_open(self, tail: int, rest: int) -> None:
        held = is_held(self._case.places.lock)
        if held is False:
            told = (
                "the epoch was left open, unless this is a copy: seal it by starting the gateway; "
                f"{tail} records follow its last checkpoint"
            )
            self._tell(Kind.UNSIGNED_TAIL, self._covered, told, count=tail, notice=True)
        elif tail:
            why = "its process still writes" if held else "the epoch has no end yet"
            told = f"{tail} records follow the last checkpoint: {why}"
            self._tell(Kind.UNSIGNED_TAIL, self._covered, told, count=tail, notice=True)
        if rest:
            told = f"{rest} bytes follow the last whole record: a write was cut off, or is under way"
            self._tell(Kind.TORN_TAIL, self._covered + tail, told, notice=True)

    def _tell(self, kind: Kind, position: int | None, message: str, *, count: int = 1, notice: bool = False) -> None:
        self._findings.append(
            Finding(kind=kind, epoch=self._epoch, position=position, message=message, count=count, notice=notice)
        )
