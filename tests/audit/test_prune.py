"""Pruning: only what is over, whole and shipped goes, the registry says so first, and the rest is finished later."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Coroutine
from dataclasses import replace
from pathlib import Path

import pytest

from gateway.audit.disk import Disk
from gateway.audit.epoch import Epoch
from gateway.audit.journal import Journal, Plan
from gateway.audit.line import NO_LINE, Fields, canonical
from gateway.audit.log import Log
from gateway.audit.note import SigningKey
from gateway.audit.places import EpochPlaces, Places
from gateway.audit.prune import Candidate, Pruning
from gateway.audit.registry import Registry
from gateway.audit.ship.cursor import Cursor, Mark
from gateway.domain.errors import AuditUnavailable

FOREVER = 2**52
Write = Callable[..., Coroutine[None, None, EpochPlaces]]


@pytest.fixture
def log(tmp_path: Path) -> Log:
    return Log(places=Places(tmp_path), name="test", keys=(SigningKey("test", bytes(32)),))


@pytest.fixture
def pruning(log: Log) -> Pruning:
    return Pruning(log, ())


def plan_of(log: Log) -> Plan:
    return Plan(folder=log.places.root, name=log.name, keys=log.keys, process="worker", build="1")


@pytest.fixture
def write(log: Log) -> Write:
    """A worker's epoch with so many outcomes and some content, over and done."""

    async def make(outcomes: int = 3) -> EpochPlaces:
        async with Journal(plan_of(log)) as journal:
            for number in range(outcomes):
                await journal.write("outcome", {"request": str(number)}, b"content")
            assert journal.epoch is not None
            return log.places.epoch(journal.epoch)

    return make


@pytest.fixture
async def own(log: Log) -> AsyncGenerator[str]:
    """The epoch of whoever prunes."""
    async with Journal(plan_of(log)) as journal:
        assert journal.epoch is not None
        yield journal.epoch


def entries(log: Log, epoch: str) -> list[Fields]:
    return [entry for entry in Registry(log).entries() if entry["epoch"] == epoch]


def refusals(candidates: list[Candidate]) -> list[str | None]:
    return [candidate.refusal for candidate in candidates]


async def test_what_is_over_goes_and_its_checkpoints_stay(log: Log, pruning: Pruning, write: Write, own: str) -> None:
    epoch = await write()
    notes = epoch.checkpoints.read_bytes()
    (candidate,) = pruning.candidates(FOREVER)
    assert (candidate.epoch, candidate.refusal) == (epoch.epoch, None)
    pruning.prune(candidate, own)
    assert not epoch.journal.exists()
    assert not epoch.blobs.exists()
    assert epoch.checkpoints.read_bytes() == notes
    last = entries(log, epoch.epoch)[-1]
    closed = entries(log, epoch.epoch)[-2]
    assert (last["entry"], last["size"], last["root"], last["by"]) == ("pruned", closed["size"], closed["root"], own)
    assert (pruning.candidates(FOREVER), pruning.unfinished()) == ([], [])


async def test_what_ended_later_or_still_runs_is_no_candidate(log: Log, pruning: Pruning) -> None:
    async with Journal(plan_of(log)) as journal:
        await journal.write("outcome", {})
        assert pruning.candidates(FOREVER) == []
    (candidate,) = pruning.candidates(FOREVER)
    assert pruning.candidates(candidate.ended) == []
    assert len(pruning.candidates(candidate.ended + 1)) == 1


async def test_what_a_crash_left_goes_once_it_is_sealed(log: Log, pruning: Pruning, write: Write) -> None:
    registry = Registry(log)
    crashed = Epoch(log)
    with registry.locked():
        registry.add("opened", crashed.epoch, process="worker")
    first = {"event": f"{crashed.epoch}.0", "prev": NO_LINE, "time": 1}
    crashed.write([canonical(first)])
    crashed.release()
    with crashed.places.journal.open("ab") as file:
        file.write(b'torn\n{"ti')
    assert pruning.candidates(FOREVER) == []
    await write()
    by_epoch = {candidate.epoch: candidate for candidate in pruning.candidates(FOREVER)}
    assert (by_epoch[crashed.epoch].size, by_epoch[crashed.epoch].refusal) == (1, None)


async def test_what_is_not_as_it_was_signed_stays(pruning: Pruning, write: Write) -> None:
    epoch = await write()
    raw = epoch.journal.read_bytes()
    lines = raw.split(b"\n")
    for changed in (raw[:-2], raw.replace(b'"request":"1"', b'"request":"9"'), b"\n".join(lines[1:]), raw + b"more\n"):
        epoch.journal.write_bytes(changed)
        (refusal,) = refusals(pruning.candidates(FOREVER))
        assert refusal is not None
        assert "splitgate audit verify" in refusal
    epoch.journal.write_bytes(raw)
    assert refusals(pruning.candidates(FOREVER)) == [None]
    epoch.journal.unlink()
    (refusal,) = refusals(pruning.candidates(FOREVER))
    assert refusal is not None
    assert "nobody pruned it" in refusal


async def test_what_its_last_checkpoint_does_not_cover_stays(pruning: Pruning, write: Write) -> None:
    epoch = await write()
    notes = epoch.checkpoints.read_bytes()
    for changed in (b"", notes.replace(b"\n", b"\n\n"), notes[: len(notes) // 2]):
        epoch.checkpoints.write_bytes(changed)
        (refusal,) = refusals(pruning.candidates(FOREVER))
        assert refusal is not None
        assert "checkpoint" in refusal
    epoch.checkpoints.unlink()
    assert refusals(pruning.candidates(FOREVER)) != [None]


async def test_what_an_earlier_key_signed_goes_once_that_key_is_named(log: Log, write: Write) -> None:
    await write()
    later = Log(places=log.places, name="test", keys=(SigningKey("test", bytes([1] * 32)),))
    with pytest.raises(AuditUnavailable, match="none of the keys"):
        Pruning(later, ()).candidates(FOREVER)
    assert refusals(Pruning(replace(later, also=log.trusted), ()).candidates(FOREVER)) == [None]


async def test_what_a_sink_did_not_get_stays(log: Log, write: Write) -> None:
    epoch = await write()
    size = len(epoch.journal.read_bytes().splitlines())
    cursor = Cursor(log.places.ship / "siem.json")
    cursor.move(epoch.epoch, Mark(bytes=10, records=size - 1))
    cursor.save(now=True)
    assert refusals(Pruning(log, ()).candidates(FOREVER)) == [None]
    assert refusals(Pruning(log, ("siem",)).candidates(FOREVER)) == ["siem lacks 1 of its records"]
    assert refusals(Pruning(log, ("other",)).candidates(FOREVER)) == [f"other lacks {size} of its records"]
    cursor.move(epoch.epoch, Mark(bytes=11, records=size))
    cursor.save(now=True)
    assert refusals(Pruning(log, ("siem",)).candidates(FOREVER)) == [None]


async def test_what_was_cut_short_is_finished(pruning: Pruning, write: Write, own: str) -> None:
    epoch = await write()
    (candidate,) = pruning.candidates(FOREVER)
    journal = epoch.journal.read_bytes()
    pruning.prune(candidate, own)
    epoch.journal.write_bytes(journal)
    assert (pruning.candidates(FOREVER), pruning.unfinished()) == ([], [epoch.epoch])
    pruning.finish(epoch.epoch)
    assert (epoch.journal.exists(), pruning.unfinished()) == (False, [])


async def test_the_registry_speaks_before_anything_goes(log: Log, write: Write, own: str) -> None:
    class Full(Disk):
        def publish(self, path: Path, content: bytes) -> None:
            raise OSError(28, f"No space left on device for {len(content)} bytes", str(path))

    epoch = await write()
    (candidate,) = Pruning(log, ()).candidates(FOREVER)
    full = Log(places=log.places, name=log.name, keys=log.keys, disk=Full())
    with pytest.raises(OSError, match="No space"):
        Pruning(full, ()).prune(candidate, own)
    assert epoch.journal.exists()
    assert epoch.blobs.exists()


async def test_two_who_prune_at_once_write_one_entry(log: Log, write: Write, own: str) -> None:
    epoch = await write()
    prunings = [Pruning(log, ()) for _ in range(8)]
    found = [pruning.candidates(FOREVER)[0] for pruning in prunings]
    await asyncio.gather(
        *(asyncio.to_thread(one.prune, candidate, own) for one, candidate in zip(prunings, found, strict=True))
    )
    assert [entry["entry"] for entry in entries(log, epoch.epoch)] == ["opened", "closed", "pruned"]


async def test_progress_is_told_of_every_record(pruning: Pruning, write: Write) -> None:
    epoch = await write(25)
    told: list[int] = []
    pruning.candidates(FOREVER, told.append)
    assert sum(told) == len(epoch.journal.read_bytes().splitlines())
