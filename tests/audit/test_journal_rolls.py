"""How does a journal go on in a new epoch, once the old one is large?"""

import asyncio
import errno
import os
import threading
from collections.abc import Awaitable, Callable
from itertools import chain
from pathlib import Path
from typing import Any

import pytest

from gateway.audit.journal import Journal, Plan
from gateway.audit.registry import Registry
from gateway.domain.errors import AuditUnavailable

NewPlan = Callable[..., Plan]
Until = Callable[[Callable[[], bool]], Awaitable[None]]

ROLL_BYTES = 3_000
FILLER = {"filler": "x" * 500}


def nothing(*_: object) -> None:
    """Let everything be."""


def fill(journal: Journal) -> None:
    """Make the journal large enough to be rolled; nobody waits for that."""
    for _ in range(ROLL_BYTES // 500):
        journal.note("outcome", {**FILLER})


async def test_records_go_on_in_new_epochs_and_none_is_lost(new_plan: NewPlan, written: Any) -> None:
    async with Journal(new_plan(roll_bytes=ROLL_BYTES)) as journal:
        journal.preamble = lambda: ({"what": "configuration"},)

        async def write(name: str) -> list[tuple[str, str]]:
            return [
                (await journal.write("intent", {"request": f"{name}-{n}", **FILLER}), f"{name}-{n}") for n in range(20)
            ]

        told = dict(chain.from_iterable(await asyncio.gather(*[write(name) for name in "abcdef"])))
    assert {record["event"]: record["request"] for record in written.records() if "request" in record} == told
    ends = list(written.ends().values())
    assert len(ends) > 5
    assert [end["cause"] for end in ends] == [*["rolled"] * (len(ends) - 1), "stopped"]
    for epoch in list(written.ends())[1:]:
        assert [record.get("what") for record in written.records(epoch)[:2]] == ["started", "configuration"]
    assert written.report().findings == ()


async def test_without_room_for_a_new_epoch_the_old_one_goes_on(
    new_plan: NewPlan, disk: Any, written: Any, until: Until
) -> None:
    def full(step: str, *_: object) -> None:
        if step == "publish":
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    async with Journal(new_plan(roll_bytes=ROLL_BYTES), disk=disk) as journal:
        old = journal.epoch
        disk.hook = full
        fill(journal)
        await until(lambda: ("publish", "00000002") in disk.steps)
        await journal.write("intent", {"request": "still the old one"})
        assert journal.epoch == old
        disk.hook = nothing
        fill(journal)
        await until(lambda: journal.epoch != old)
    assert written.report().findings == ()


async def test_a_stop_while_rolling_leaves_nothing_open(new_plan: NewPlan, disk: Any, written: Any) -> None:
    free, begun = threading.Event(), threading.Event()

    def hold(step: str, path: Path, *_: object) -> None:
        if (step, path.name) == ("publish", "00000002"):
            begun.set()
            free.wait(5)

    journal = Journal(new_plan(roll_bytes=ROLL_BYTES), disk=disk)
    await journal.start()
    disk.hook = hold
    fill(journal)
    await asyncio.to_thread(begun.wait, 5)
    waiting = asyncio.ensure_future(journal.write("intent", {"request": "last"}))
    closing = asyncio.ensure_future(journal.close())
    await asyncio.sleep(0.05)
    free.set()
    await closing
    await waiting
    assert [end["entry"] for end in written.ends().values()] == ["closed", "closed"]
    assert written.requests() == ["last"]
    assert written.report().findings == ()


async def test_an_epoch_that_fails_while_the_next_is_begun_is_followed_by_one_alone(
    new_plan: NewPlan, disk: Any, written: Any, until: Until
) -> None:
    async with Journal(new_plan(roll_bytes=ROLL_BYTES, reopen_s=0.0), disk=disk) as journal:
        old = str(journal.epoch)
        failed = threading.Event()

        def hook(step: str, path: Path, *_: object) -> None:
            if (step, path.name) == ("append", "journal") and old in str(path) and armed.is_set():
                failed.set()
                raise OSError(errno.EIO, os.strerror(errno.EIO))

        armed = threading.Event()
        disk.hook = hook
        for _ in range(ROLL_BYTES // 500 - 2):
            await journal.write("intent", {**FILLER})
        armed.set()
        # Both fail in one group: the roll has been ordered when the failure is told.
        rest = [journal.write("intent", {**FILLER}) for _ in range(4)]
        lost = await asyncio.gather(*rest, return_exceptions=True)
        assert failed.is_set()
        assert all(isinstance(one, AuditUnavailable) for one in lost)
        await until(lambda: journal.writable and journal.epoch != old)
        await asyncio.sleep(0.1)
        await journal.write("intent", {"request": "after"})
        opened = [entry for entry in written.registry() if entry["entry"] == "opened"]
        assert len(opened) == 2
    # It failed too late for the one that was being begun to seal it: whoever comes next does.
    async with Journal(new_plan()):
        pass
    assert [end["entry"] for end in written.ends().values()] == ["sealed", "closed", "closed"]
    assert written.requests() == ["after"]
    assert written.report().problems == ()


async def test_what_is_lost_with_an_epoch_that_was_rolled_is_told_in_the_next(
    new_plan: NewPlan, disk: Any, written: Any, until: Until
) -> None:
    async with Journal(new_plan(roll_bytes=ROLL_BYTES), disk=disk) as journal:
        old = str(journal.epoch)
        opened, switched = threading.Event(), threading.Event()

        def hook(step: str, path: Path, *_: object) -> None:
            if (step, path.name) == ("publish", "00000002"):
                # The opening holds up the writer, so that what follows is ordered in the old epoch, and written late.
                opened.wait(5)
            if (step, path.name) == ("append", "journal") and old in str(path) and opened.is_set():
                switched.wait(5)
                raise OSError(errno.EIO, os.strerror(errno.EIO))

        disk.hook = hook
        fill(journal)
        await until(lambda: ("publish", "00000002") in disk.steps)
        late = [asyncio.ensure_future(journal.write("intent", {})) for _ in range(3)]
        await asyncio.sleep(0)
        opened.set()
        await until(lambda: journal.epoch != old)
        switched.set()
        lost = await asyncio.gather(*late, return_exceptions=True)
        assert all(isinstance(one, AuditUnavailable) for one in lost)
        await journal.write("intent", {"request": "after"})
    told = [record for record in written.records() if "lost" in record]
    assert [(record["what"], record["after"], record["lost"]) for record in told] == [("lost", old, 3)]
    assert written.report().problems == ()


@pytest.mark.exhaustive
async def test_many_rolls_under_load_lose_nothing(new_plan: NewPlan, written: Any) -> None:
    async with Journal(new_plan(roll_bytes=20_000)) as journal:

        async def write(name: str) -> list[str]:
            return [await journal.write("intent", {"request": f"{name}-{n}", **FILLER}) for n in range(200)]

        told = chain.from_iterable(await asyncio.gather(*[write(str(name)) for name in range(20)]))
    assert {record["event"] for record in written.records() if "request" in record} == set(told)
    assert written.report().findings == ()


async def test_an_error_that_nobody_foresaw_ends_no_rolling(
    new_plan: NewPlan, disk: Any, written: Any, until: Until, caplog: pytest.LogCaptureFixture
) -> None:
    async with Journal(new_plan(roll_bytes=ROLL_BYTES), disk=disk) as journal:

        def broken(step: str, *_: object) -> None:
            if step == "publish":
                raise ValueError("planted-value")

        disk.hook = broken
        first = journal.epoch
        fill(journal)
        await until(lambda: "the old one goes on: ValueError" in caplog.text)
        disk.hook = nothing
        assert journal.epoch == first
        await until(lambda: journal.lag_s <= 0.0)
        fill(journal)
        await until(lambda: journal.epoch != first)
    assert "planted" not in caplog.text
    assert written.report().whole


async def test_an_error_that_nobody_foresaw_ends_no_heartbeats_and_is_told_of_once(
    new_plan: NewPlan, monkeypatch: pytest.MonkeyPatch, until: Until, caplog: pytest.LogCaptureFixture
) -> None:
    beats = 0

    def broken(_: Registry) -> None:
        nonlocal beats
        beats += 1
        raise ValueError("planted-value")

    monkeypatch.setattr(Registry, "head", broken)
    async with Journal(new_plan(heartbeat_s=0.01)):
        await until(lambda: beats >= 3)
    assert [record.getMessage() for record in caplog.records if "heartbeat" in record.getMessage()] == [
        "audit: a heartbeat failed (ValueError), and is tried again; report it"
    ]
