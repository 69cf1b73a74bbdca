"""What becomes of an epoch that nobody closed, whatever its last write left behind?"""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest

from gateway.audit.epoch import Epoch
from gateway.audit.journal import Plan
from gateway.audit.line import NO_LINE, canonical
from gateway.audit.log import Log
from gateway.audit.note import SigningKey
from gateway.audit.places import EpochPlaces, Places, event_of
from gateway.audit.registry import Registry
from gateway.audit.seal import discard_unborn, seal_left_open
from gateway.audit.tree import Tree, leaf_hash
from gateway.audit.verdict import Kind, Report
from gateway.audit.verify import verify

BY = "20270101T000000Z-ffffffff"


@pytest.fixture
def log(new_plan: Callable[..., Plan], disk: Any) -> Log:
    plan = new_plan()
    keys = (*plan.keys, SigningKey(plan.name, b"8" * 32))
    return Log(places=Places(plan.folder), name=plan.name, keys=keys, disk=disk)


@pytest.fixture
def registry(log: Log) -> Registry:
    return Registry(log)


class Left:
    """An epoch whose process ended: five records, of which three were signed."""

    def __init__(self, log: Log, registry: Registry) -> None:
        self._prev = NO_LINE
        self._tree = Tree()
        epoch = Epoch(log)
        self.places: EpochPlaces = epoch.places
        with registry.locked():
            registry.add("opened", epoch.epoch, process="worker")
        epoch.write([self.line(number) for number in range(3)])
        epoch.checkpoint()
        epoch.write([self.line(number) for number in range(3, 5)])
        epoch.release()
        # The checkpoint that its process was about to write.
        self.note = log.checkpoint(epoch.epoch, self._tree)[1] + b"\n"

    def line(self, number: int) -> bytes:
        """The next line; it has to be number ``number``."""
        event = event_of(self.places.epoch, number)
        line = canonical({"v": 1, "phase": "config", "event": event, "prev": self._prev, "time": number, "build": "0"})
        self._prev = leaf_hash(line).hex()
        self._tree.add(leaf_hash(line))
        return line

    def append(self, path: Path, content: bytes) -> bytes:
        with path.open("ab") as file:
            file.write(content)
        return path.read_bytes()


@pytest.fixture
def left(log: Log, registry: Registry) -> Left:
    return Left(log, registry)


@pytest.fixture
def seal(log: Log, registry: Registry) -> Callable[..., list[str]]:
    def order(**how: Any) -> list[str]:
        with registry.locked():
            return seal_left_open(log, registry, BY, **how)

    return order


def checked(log: Log) -> Report:
    return verify(log.places, list(log.trusted))


def test_what_is_whole_is_signed_after_the_fact_and_said_to_be(
    left: Left, seal: Callable[..., list[str]], registry: Registry, written: Any, log: Log
) -> None:
    journal = left.places.journal.read_bytes()
    assert seal() == [left.places.epoch]
    end = written.registry()[-1]
    assert (end["entry"], end["size"], end["signed"], end["torn"]) == ("sealed", 5, 3, 0)
    assert (end["cause"], end["by"]) == ("crash", BY)
    assert left.places.journal.read_bytes() == journal
    assert [(found.kind, found.notice, found.count) for found in checked(log).findings] == [
        (Kind.UNSIGNED_TAIL, True, 2)
    ]
    assert registry.left_open() == []
    assert seal() == []


def test_an_epoch_that_its_own_process_gave_up_is_told_from_a_crash(
    left: Left, seal: Callable[..., list[str]], written: Any
) -> None:
    seal(failed={left.places.epoch})
    assert written.registry()[-1]["cause"] == "write-failed"


def test_a_line_torn_anywhere_is_measured_and_left_where_it_is(
    log: Log, registry: Registry, seal: Callable[..., list[str]], written: Any
) -> None:
    for cut in (1, 20, -1):
        left = Left(log, registry)
        torn = (left.line(5) + b"\n")[:cut]
        before = left.append(left.places.journal, torn)
        seal()
        end = written.registry()[-1]
        assert (end["size"], end["torn"]) == (5, len(torn))
        assert left.places.journal.read_bytes() == before
    assert checked(log).problems == ()
    assert [found.kind for found in checked(log).notices].count(Kind.TORN_TAIL) == 3


def test_a_whole_line_that_does_not_follow_is_no_record(
    left: Left, seal: Callable[..., list[str]], written: Any, log: Log
) -> None:
    stray = canonical({"v": 1, "event": "another", "prev": NO_LINE}) + b"\n"
    left.append(left.places.journal, stray)
    seal()
    end = written.registry()[-1]
    assert (end["size"], end["torn"]) == (5, len(stray))
    assert checked(log).problems == ()


def _torn_checkpoints(
    log: Log, registry: Registry, seal: Callable[..., list[str]], written: Any, cuts: Iterable[int]
) -> None:
    for cut in cuts:
        left = Left(log, registry)
        before = left.append(left.places.checkpoints, left.note[:cut])
        seal()
        after = left.places.checkpoints.read_bytes()
        assert after.startswith(before), cut
        # What is added is a note of its own, whatever stands before it.
        assert after.endswith(b"\n\n" + left.note), cut
        assert b"\n\n\n" not in after, cut
        end = written.registry()[-1]
        assert (end["size"], end["signed"]) == (5, 3), cut
    report = checked(log)
    assert report.problems == ()
    assert report.signed == report.records


def test_a_checkpoint_that_was_torn_is_left_and_hides_none_behind_it(
    log: Log, registry: Registry, seal: Callable[..., list[str]], written: Any
) -> None:
    length = len(Left(log, registry).note)
    seal()
    _torn_checkpoints(log, registry, seal, written, [*range(1, length, 40), *range(length - 3, length)])


@pytest.mark.exhaustive
def test_a_checkpoint_may_be_torn_anywhere(
    log: Log, registry: Registry, seal: Callable[..., list[str]], written: Any
) -> None:
    length = len(Left(log, registry).note)
    seal()
    _torn_checkpoints(log, registry, seal, written, range(1, length))


def test_a_checkpoint_that_was_written_out_is_the_epochs_own(
    left: Left, seal: Callable[..., list[str]], written: Any, log: Log
) -> None:
    before = left.append(left.places.checkpoints, left.note)
    seal()
    assert left.places.checkpoints.read_bytes() == before
    assert (written.registry()[-1]["size"], written.registry()[-1]["signed"]) == (5, 5)
    assert checked(log).findings == ()


def test_a_sealer_that_ended_before_it_had_registered_is_no_witness_of_the_epochs_own(
    left: Left, seal: Callable[..., list[str]], disk: Any, written: Any, log: Log
) -> None:
    full = True

    def fails(step: str, *_: object) -> None:
        if full and step == "publish":
            raise OSError(28, "No space left on device")

    disk.hook = fails
    with pytest.raises(OSError, match="No space"):
        seal()
    assert left.places.checkpoints.read_bytes().endswith(left.note)
    full = False
    seal()
    assert (written.registry()[-1]["size"], written.registry()[-1]["signed"]) == (5, 3)
    assert [found.kind for found in checked(log).findings] == [Kind.UNSIGNED_TAIL]


@pytest.mark.parametrize("torn", [b"\nsigned 9", b"\nsigned 9\n", b"garbage", b"\nsig"])
def test_what_a_sealer_noted_by_half_is_not_believed(
    torn: bytes, left: Left, seal: Callable[..., list[str]], written: Any
) -> None:
    left.append(left.places.lock, torn)
    seal()
    assert written.registry()[-1]["signed"] == 3


def test_a_note_of_more_than_was_signed_counts_for_nothing(
    left: Left, seal: Callable[..., list[str]], written: Any
) -> None:
    left.append(left.places.lock, b"\nsigned 5;\n")
    seal()
    assert written.registry()[-1]["signed"] == 3


def test_a_living_epoch_is_left_alone(log: Log, registry: Registry, seal: Callable[..., list[str]]) -> None:
    epoch = Epoch(log)
    with registry.locked():
        registry.add("opened", epoch.epoch, process="worker")
    assert seal() == []
    epoch.release()
    assert seal() == [epoch.epoch]


def test_the_callers_own_epoch_is_not_sealed(left: Left, log: Log, registry: Registry) -> None:
    with registry.locked():
        assert seal_left_open(log, registry, left.places.epoch) == []


@pytest.mark.parametrize("harm", ["gone", "cut", "changed"])
def test_what_is_not_what_was_signed_is_left_for_verification(
    harm: str, left: Left, seal: Callable[..., list[str]], written: Any, log: Log
) -> None:
    raw = left.places.journal.read_bytes()
    if harm == "gone":
        left.places.journal.unlink()
    else:
        left.places.journal.write_bytes(raw[: raw.index(b"\n") + 1] if harm == "cut" else raw.replace(b"0", b"1", 1))
    assert seal() == []
    assert [entry["entry"] for entry in written.registry()] == ["opened"]
    assert checked(log).problems != ()


def test_lines_that_were_cut_off_behind_the_last_checkpoint_are_not_made_up(
    left: Left, seal: Callable[..., list[str]], written: Any
) -> None:
    raw = left.places.journal.read_bytes().splitlines(keepends=True)
    left.places.journal.write_bytes(b"".join(raw[:4]))
    seal()
    assert (written.registry()[-1]["size"], written.registry()[-1]["signed"]) == (4, 3)


def test_an_epoch_without_a_record_is_sealed_as_such(
    log: Log, registry: Registry, seal: Callable[..., list[str]], written: Any
) -> None:
    epoch = Epoch(log)
    with registry.locked():
        registry.add("opened", epoch.epoch, process="worker")
    epoch.release()
    epoch.places.checkpoints.unlink()
    seal()
    assert (written.registry()[-1]["size"], written.registry()[-1]["signed"]) == (0, 0)
    assert checked(log).problems == ()


def test_files_of_an_epoch_that_never_began_go_and_all_else_stays(left: Left, log: Log, registry: Registry) -> None:
    with registry.locked():
        unborn = Epoch(log)
        unborn.release()
        holding = Epoch(log)
        holding.write([b"{}"])
        holding.release()
        strange = Epoch(log)
        (strange.places.folder / "strange").touch()
        strange.release()
        discard_unborn(log, registry)
    assert not unborn.places.folder.exists()
    assert {places.epoch for places in log.places.epochs()} == {left.places.epoch, holding.epoch, strange.epoch}
    assert holding.places.journal.read_bytes() == b"{}\n"
