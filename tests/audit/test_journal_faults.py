"""What does a journal do when the disk fails, and afterwards?

Deadlines and the time between tries are shorter here than the gateway's own, so that a test need not wait for them.
"""

import asyncio
import errno
import os
import shutil
import threading
import time
from collections.abc import Awaitable, Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from gateway.audit.journal import Journal, Plan
from gateway.audit.verdict import Kind
from gateway.domain.errors import AuditUnavailable

NewPlan = Callable[..., Plan]
Until = Callable[[Callable[[], bool]], Awaitable[None]]
Recovered = Callable[..., Awaitable[None]]
Hook = Callable[[str, Path, int, bytes], None]

DEADLINE_S = 0.3


def failing(step: str, name: str, number: int, *, short: int | None = None) -> Hook:
    """Have a step fail on files of this name; of what is to be appended ``short`` bytes come as far as the disk."""

    def hook(now: str, path: Path, descriptor: int, content: bytes) -> None:
        if now == step and path.name.startswith(name):
            if short is not None:
                os.write(descriptor, content[:short])
            raise OSError(number, os.strerror(number))

    return hook


def nothing(*_: object) -> None:
    """Let everything be."""


async def refused(writing: Awaitable[str]) -> float:
    """Expect that a record is refused; how long that took."""
    began = time.monotonic()
    with pytest.raises(AuditUnavailable):
        await writing
    return time.monotonic() - began


@pytest.fixture
def recovered(until: Until) -> Callable[..., Awaitable[None]]:
    """Wait until the journal can be written again, in another epoch than ``than``."""

    def wait(journal: Journal, *, than: str | None = None) -> Awaitable[None]:
        return until(lambda: journal.writable and journal.epoch != than)

    return wait


@contextmanager
def hung(disk: Any) -> Generator[threading.Event]:
    """Have appends to the journal wait until the event is set."""
    free = threading.Event()

    def hold(step: str, path: Path, *_: object) -> None:
        if (step, path.name) == ("append", "journal"):
            free.wait(20)

    disk.hook = hold
    try:
        yield free
    finally:
        free.set()
        disk.hook = nothing


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EIO])
@pytest.mark.parametrize("short", [0, 40, 100_000])
async def test_a_failed_write_refuses_those_who_wait_and_heals_in_a_new_epoch(
    number: int, short: int, new_plan: NewPlan, disk: Any, written: Any, recovered: Recovered
) -> None:
    async with Journal(new_plan(), disk=disk) as journal:
        await journal.write("intent", {"request": "before"})
        old = str(journal.epoch)
        disk.hook = failing("append", "journal", number, short=short)
        # The second comes with the first in one group, or behind it.
        waits = [refused(journal.write("intent", {"request": f"lost-{n}"})) for n in range(3)]
        assert max(await asyncio.gather(*waits)) < 1
        assert not journal.writable
        assert await refused(journal.write("intent", {"request": "turned away"})) < 0.05
        disk.hook = nothing
        await recovered(journal, than=old)
        await journal.write("intent", {"request": "after"})
        started = written.records(journal.epoch)[0]
    requests = written.requests()
    assert [name for name in requests if not name.startswith("lost")] == ["before", "after"]
    # Of a group whose write failed whole lines may be there; nobody was told that they are.
    assert len(requests) == 2 if short < 100_000 else len(requests) > 2
    assert (started["after"], started["lost"]) == (old, 3)
    end = written.ends()[old]
    assert (end["entry"], end["cause"], end["signed"]) == ("sealed", "write-failed", 2)
    assert end["torn"] == (short if short < 100_000 else 0)
    report = written.report()
    assert report.problems == ()
    assert (Kind.TORN_TAIL in {found.kind for found in report.notices}) == (short == 40)


async def test_a_checkpoint_that_fails_ends_the_epoch_and_loses_nothing(
    new_plan: NewPlan, disk: Any, written: Any, recovered: Recovered, until: Until
) -> None:
    async with Journal(new_plan(checkpoint_records=3), disk=disk) as journal:
        old = str(journal.epoch)
        disk.hook = failing("append", "checkpoints", errno.ENOSPC, short=30)
        await journal.write("intent", {"request": "1"})
        await journal.write("intent", {"request": "2"})
        await until(lambda: not journal.writable)
        disk.hook = nothing
        await recovered(journal, than=old)
        await journal.write("intent", {"request": "3"})
    assert written.requests() == ["1", "2", "3"]
    assert (written.ends()[old]["size"], written.ends()[old]["signed"]) == (3, 0)
    report = written.report()
    assert report.problems == ()
    assert {found.kind for found in report.notices} == {Kind.TORN_TAIL, Kind.UNSIGNED_TAIL}


async def test_while_no_epoch_can_be_registered_nothing_passes_and_no_litter_is_left(
    new_plan: NewPlan, disk: Any, written: Any, tmp_path: Path, recovered: Recovered
) -> None:
    async with Journal(new_plan(), disk=disk) as journal:
        old = str(journal.epoch)

        def full(step: str, *_: object) -> None:
            if step in {"append", "publish"}:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        disk.hook = full
        await refused(journal.write("intent", {"request": "lost"}))
        # Long enough for several tries.
        await asyncio.sleep(0.3)
        assert disk.steps.count(("open_to_append", "journal")) >= 3
        assert not journal.writable
        assert len(list((tmp_path / "audit" / "epochs").iterdir())) <= 2
        disk.hook = nothing
        await recovered(journal, than=old)
        await journal.write("intent", {"request": "next"})
        assert written.records(journal.epoch)[0]["lost"] == 1
    assert len(list((tmp_path / "audit" / "epochs").iterdir())) == 2
    assert written.report().problems == ()


async def test_a_loss_is_told_though_the_next_epoch_fails_before_it_could_tell(
    new_plan: NewPlan, disk: Any, written: Any, recovered: Recovered, until: Until
) -> None:
    async with Journal(new_plan(), disk=disk) as journal:
        old = str(journal.epoch)
        await journal.write("intent", {"request": "before"})
        disk.hook = failing("append", "journal", errno.EIO)
        await asyncio.gather(*[refused(journal.write("intent", {})) for _ in range(4)])
        # The first record of the next epoch fails as well.
        await until(lambda: disk.steps.count(("append", "journal")) >= 4)
        disk.hook = nothing
        await recovered(journal, than=None)
        await journal.write("intent", {})
        started = written.records(journal.epoch)[0]
    assert (started["after"], started["lost"]) == (old, 4)
    assert len(written.ends()) >= 3
    assert written.report().problems == ()


def _removed(journal: Path) -> None:
    journal.unlink()


def _replaced(journal: Path) -> None:
    content = journal.read_bytes()
    journal.unlink()
    journal.write_bytes(content)


def _cut(journal: Path) -> None:
    os.truncate(journal, journal.read_bytes().index(b"\n") + 1)


def _folder_removed(journal: Path) -> None:
    shutil.rmtree(journal.parent)


def _all_removed(journal: Path) -> None:
    shutil.rmtree(journal.parent.parent.parent)


@pytest.mark.parametrize(
    ("harm", "kinds"),
    [
        (_removed, {Kind.MISSING_SHARD}),
        (_replaced, set[Kind]()),
        (_cut, {Kind.MISSING}),
        (_folder_removed, {Kind.MISSING_SHARD}),
        (_all_removed, set[Kind]()),
    ],
)
async def test_a_journal_taken_away_is_noticed_with_the_next_record_and_told_by_verification(
    harm: Callable[[Path], None],
    kinds: set[Kind],
    new_plan: NewPlan,
    written: Any,
    tmp_path: Path,
    recovered: Recovered,
) -> None:
    async with Journal(new_plan()) as journal:
        old = str(journal.epoch)
        await journal.write("intent", {"request": "acknowledged"})
        await journal.write("intent", {"request": "this too"})
        harm(tmp_path / "audit" / "epochs" / old / "journal")
        assert await refused(journal.write("intent", {"request": "lost"})) < 1
        assert not journal.writable
        await recovered(journal, than=old)
        await journal.write("intent", {"request": "after"})
        started = written.records(journal.epoch)[0]
    assert (started["after"], started["lost"]) == (old, 1)
    assert {found.kind for found in written.report().problems} == kinds


async def test_a_hung_disk_refuses_within_the_deadline_and_then_at_once(
    new_plan: NewPlan, disk: Any, written: Any, recovered: Recovered
) -> None:
    async with Journal(new_plan(deadline_s=DEADLINE_S), disk=disk) as journal:
        old = journal.epoch
        await journal.write("intent", {"request": "before"})
        with hung(disk) as free:
            waits: list[asyncio.Task[float]] = []
            for number in range(5):
                # Wherever between two looks they come.
                waits.append(asyncio.create_task(refused(journal.write("intent", {"request": f"late-{number}"}))))
                await asyncio.sleep(0.02)
            took = await asyncio.gather(*waits)
            assert min(took) >= DEADLINE_S
            assert max(took) < DEADLINE_S * 1.25
            assert not journal.writable
            assert journal.lag_s >= DEADLINE_S
            assert await refused(journal.write("intent", {"request": "turned away"})) < DEADLINE_S / 10
            with pytest.raises(AuditUnavailable):
                journal.note("outcome", {"request": "turned away too"})
            free.set()
            await recovered(journal, than=None)
        # It is slow, not broken: the epoch goes on, and what was late is there by now.
        assert journal.epoch == old
        await journal.write("intent", {"request": "after"})
        assert journal.refused == {"audit_unavailable": 1}
    assert written.requests() == ["before", *[f"late-{n}" for n in range(5)], "after"]
    assert written.report().findings == ()


def _takes(journal: Journal, blob: bytes) -> bool:
    try:
        journal.note("outcome", {}, blob)
    except AuditUnavailable:
        return False
    return True


async def test_what_waits_for_a_hung_disk_is_bounded(new_plan: NewPlan, disk: Any) -> None:
    blob = b"x" * 8_000_000
    async with Journal(new_plan(deadline_s=20.0), disk=disk) as journal:
        with hung(disk):
            taken = sum(_takes(journal, blob) for _ in range(12))
        assert 64_000_000 / len(blob) <= taken <= 64_000_000 / len(blob) + 2


async def test_a_hang_that_ends_in_a_failure_is_a_failure(
    new_plan: NewPlan, disk: Any, written: Any, recovered: Recovered, until: Until
) -> None:
    async with Journal(new_plan(deadline_s=DEADLINE_S), disk=disk) as journal:
        old = str(journal.epoch)
        free = threading.Event()

        def hook(step: str, path: Path, *_: object) -> None:
            if (step, path.name) == ("append", "journal"):
                free.wait(5)
                raise OSError(errno.EIO, os.strerror(errno.EIO))

        disk.hook = hook
        await refused(journal.write("intent", {"request": "late"}))
        young = asyncio.ensure_future(refused(journal.write("intent", {"request": "young"})))
        free.set()
        await young
        await until(lambda: journal.epoch != old)
        disk.hook = nothing
        await recovered(journal, than=old)
        await journal.write("intent", {})
        assert written.records(journal.epoch)[0]["lost"] >= 1
    assert written.report().problems == ()


async def test_a_stop_right_after_a_failure_registers_no_end_that_nobody_can_vouch_for(
    new_plan: NewPlan, disk: Any, written: Any
) -> None:
    async with Journal(new_plan(), disk=disk) as journal:
        await journal.write("intent", {"request": "before"})
        disk.hook = failing("append", "journal", errno.ENOSPC, short=20)
        # Nobody waits, so that the stop comes before anybody heard of the failure.
        journal.note("outcome", {"request": "lost"})
    assert [entry["entry"] for entry in written.registry()] == ["opened"]
    async with Journal(new_plan()):
        pass
    sealed = written.ends()[str(written.registry()[0]["epoch"])]
    assert (sealed["entry"], sealed["cause"], sealed["torn"], sealed["size"]) == ("sealed", "crash", 20, 2)
    assert written.report().problems == ()


@pytest.mark.parametrize(("step", "name"), [("append", "checkpoints"), ("publish", "0")])
async def test_an_end_that_cannot_be_written_is_left_to_whoever_comes_next(
    step: str, name: str, new_plan: NewPlan, disk: Any, written: Any
) -> None:
    async with Journal(new_plan(), disk=disk) as journal:
        await journal.write("intent", {"request": "kept"})
        disk.hook = failing(step, name, errno.ENOSPC)
    assert len(written.registry()) == 1
    async with Journal(new_plan()):
        pass
    assert [end["entry"] for end in written.ends().values()] == ["sealed", "closed"]
    assert written.requests() == ["kept"]
    assert written.report().problems == ()


async def test_a_stop_does_not_wait_for_those_who_cannot_be_served(new_plan: NewPlan, disk: Any) -> None:
    journal = Journal(new_plan(deadline_s=DEADLINE_S), disk=disk)
    await journal.start()
    with hung(disk) as free:
        journal.note("outcome", {})
        await asyncio.sleep(DEADLINE_S * 0.9)
        young = asyncio.ensure_future(refused(journal.write("intent", {})))
        await asyncio.sleep(DEADLINE_S * 0.2)
        closing = asyncio.ensure_future(journal.close())
        # It is as late as everybody else by now, so that no last record is taken.
        await young
        free.set()
        await closing
    assert not journal.writable


async def test_a_stop_does_not_wait_for_a_disk_that_hangs_for_good(new_plan: NewPlan, disk: Any) -> None:
    journal = Journal(new_plan(close_s=0.2), disk=disk)
    await journal.start()
    with hung(disk):
        waiting = asyncio.ensure_future(refused(journal.write("intent", {})))
        await asyncio.sleep(0.02)
        began = time.monotonic()
        await journal.close()
        assert time.monotonic() - began < 2
        # Well before its deadline.
        assert await waiting < 2


async def test_a_failing_clock_or_preamble_is_not_the_last_try(
    new_plan: NewPlan, disk: Any, written: Any, recovered: Recovered
) -> None:
    journal = Journal(new_plan(), disk=disk)
    async with journal:
        old = journal.epoch
        asked = 0

        def preamble() -> tuple[()]:
            nonlocal asked
            asked += 1
            if asked == 1:
                raise ValueError("not yet")
            return ()

        journal.preamble = preamble
        disk.hook = failing("append", "journal", errno.EIO)
        await refused(journal.write("intent", {}))
        disk.hook = nothing
        await recovered(journal, than=old)
        await journal.write("intent", {"request": "after"})
    assert asked == 2
    assert written.requests() == ["after"]
    assert [end["entry"] for end in written.ends().values()] == ["sealed", "closed", "closed"]
