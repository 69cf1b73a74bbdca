"""Workers hear of each other through one file, requests never wait for it, and what it cannot take is kept."""

# ruff: noqa: ASYNC110, ASYNC240 — what is waited for happens in a thread, and nobody else waits for this event loop

import asyncio
import logging
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from gateway.domain.quota import Bucket, Calendar, Denied, Measure, Portion, Taken
from gateway.stores._sums import Sum
from gateway.stores.counts_file import CountsFile, Heard
from gateway.stores.memory_counters import MemoryCounters
from gateway.stores.share import Share
from gateway.stores.shared_counts import sharing

DAILY = Bucket(rule="r", subject="key:k", measure=Measure.MONEY, window=Calendar(unit="day"), limit=10)
PATIENCE_S = 20.0


def now() -> float:
    return 1_000_000.0


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state" / "limits.sqlite3"


async def take(counters: MemoryCounters, amount: int) -> Taken | Denied:
    return await counters.take("r", (Portion(bucket=DAILY, amount=amount),))


async def left(counters: MemoryCounters) -> int:
    taken = await take(counters, 0)
    return taken.left[0].amount if isinstance(taken, Taken) else -1


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while not holds():
            await asyncio.sleep(0.005)


async def test_what_one_used_the_others_know_soon(path: Path) -> None:
    workers = [MemoryCounters(now, Share(number=number, of=2)) for number in (1, 2)]
    async with AsyncExitStack() as ours:
        for counters in workers:
            await ours.enter_async_context(sharing(counters, CountsFile(path), others=True, every_s=0.01, now=now))
        await take(workers[0], 6)
        async with asyncio.timeout(PATIENCE_S):
            while await left(workers[1]) != 4:
                await asyncio.sleep(0.005)
        assert isinstance(await take(workers[1], 5), Denied)


async def test_what_was_used_outlives_the_process(path: Path) -> None:
    async with sharing(MemoryCounters(now), CountsFile(path), others=False, every_s=60, now=now):
        pass
    before = MemoryCounters(now)
    async with sharing(before, CountsFile(path), others=False, every_s=60, now=now):
        await take(before, 6)
    after = MemoryCounters(now)
    async with sharing(after, CountsFile(path), others=False, every_s=60, now=now):
        assert await left(after) == 4


async def test_a_file_that_fails_is_told_of_once_and_gets_all_of_it_later(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING, "splitgate.limits")
    path.parent.mkdir(mode=0o700)
    path.mkdir()
    counters = MemoryCounters(now)
    tried = 0

    class Tried(CountsFile):
        def exchange(self, more: Sequence[Sum], since: int, now: float) -> Heard:
            nonlocal tried
            tried += 1
            return super().exchange(more, since, now)

    async with sharing(counters, Tried(path, patience_s=0.05), others=False, every_s=0.01, now=now):
        await take(counters, 6)
        await until(lambda: tried > 4)
        assert await left(counters) == 4
        assert len(caplog.records) == 1
        path.rmdir()
        await until(lambda: len(caplog.records) == 2)
    assert "again" in caplog.records[1].message
    again = MemoryCounters(now)
    async with sharing(again, CountsFile(path), others=False, every_s=60, now=now):
        assert await left(again) == 4
