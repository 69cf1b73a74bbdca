"""Many workers on one file: of all who try, one decides, one gets the reply, and nobody is refused without a reason."""

import asyncio
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier
from typing import Literal

import pytest

from gateway.domain.approval import Approval, ApprovalStatus, HeldReply
from gateway.domain.exchange import Choice, Handling, Reply
from gateway.stores.approvals import SqliteApprovals

REVISION = "sha256:1"
THREADS = 16
APPROVED, DENIED = ApprovalStatus.APPROVED, ApprovalStatus.DENIED


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state" / "approvals.sqlite3"


@pytest.fixture
def opened(path: Path) -> Callable[[], SqliteApprovals]:
    return lambda: SqliteApprovals(path, lambda: 1000.0, patience_s=60.0)


@pytest.fixture
def stores(opened: Callable[[], SqliteApprovals]) -> tuple[SqliteApprovals, SqliteApprovals]:
    return opened(), opened()


@pytest.fixture
def held() -> Callable[[str], HeldReply]:
    def make(id_: str) -> HeldReply:
        approval = Approval(
            id=id_, tenant="t", key="asker", dialect="split", model="m", request_digest="d", calls=(), tools=(),
            rules=(), revision=REVISION, created=1000.0, expires=2000.0,
        )  # fmt: skip
        reply = Reply(id="1", model="m", created=1, choices=(Choice(index=0, text="hello", finish_reason="stop"),))
        handling = Handling(request_id="r", model="m", created=1, isolation="channel", format="plain", target="t")
        return HeldReply(approval=approval, reply=reply, handling=handling)

    return make


async def at_once(works: list[Callable[[], object]]) -> list[object]:
    """Do all of it in threads that start together."""
    barrier = Barrier(len(works))

    def do(work: Callable[[], object]) -> object:
        barrier.wait(60)
        return work()

    with ThreadPoolExecutor(len(works)) as pool:
        loop = asyncio.get_running_loop()
        return list(await asyncio.gather(*(loop.run_in_executor(pool, do, work) for work in works)))


@pytest.mark.parametrize("attempt", range(5))
async def test_of_many_who_fetch_one_gets_the_reply(
    stores: tuple[SqliteApprovals, SqliteApprovals], held: Callable[[str], HeldReply], attempt: int
) -> None:
    id_ = f"a{attempt}"
    await stores[0].hold(held(id_))
    await stores[1].decide(id_, "t", APPROVED, by="boss", reason="fine")
    takes: list[Callable[[], object]] = [
        lambda store=stores[n % 2]: store._take(id_, "t", "asker", REVISION)  # pyright: ignore[reportPrivateUsage]
        for n in range(THREADS)
    ]
    taken = [one for one in await at_once(takes) if one is not None]
    assert len(taken) == 1
    assert isinstance(taken[0], HeldReply)
    assert taken[0].reply == held(id_).reply


@pytest.mark.parametrize("attempt", range(5))
async def test_of_many_who_decide_one_counts(
    stores: tuple[SqliteApprovals, SqliteApprovals], held: Callable[[str], HeldReply], attempt: int
) -> None:
    id_ = f"a{attempt}"
    await stores[0].hold(held(id_))

    def decide(n: int) -> Callable[[], object]:
        status: Literal[ApprovalStatus.APPROVED, ApprovalStatus.DENIED] = APPROVED if n % 2 else DENIED
        return lambda: stores[n % 2]._decide(id_, "t", status, f"boss-{n}", "why")  # pyright: ignore[reportPrivateUsage]

    decided = [one for one in await at_once([decide(n) for n in range(THREADS)]) if one is not None]
    assert len(decided) == 1
    assert isinstance(decided[0], Approval)
    assert await stores[0].look(id_, "t") == decided[0]
    got = await stores[1].take(id_, "t", "asker", REVISION)
    assert (got is not None) == (decided[0].status is APPROVED)


async def test_workers_that_all_begin_at_once_make_one_file(
    opened: Callable[[], SqliteApprovals], path: Path, held: Callable[[str], HeldReply]
) -> None:
    holds: list[Callable[[], object]] = [
        lambda n=n: opened()._hold(held(f"a{n}"))  # pyright: ignore[reportPrivateUsage]
        for n in range(THREADS)
    ]
    await at_once(holds)
    for n in range(THREADS):
        assert (await opened().look(f"a{n}", "t")).status is ApprovalStatus.PENDING
    assert [file.name for file in path.parent.iterdir()] == [path.name]


PROCESS = """
import asyncio, pathlib, sys
from gateway.stores.approvals import SqliteApprovals
store = SqliteApprovals(pathlib.Path(sys.argv[1]), lambda: 1000.0, patience_s=60.0)
async def take():
    got = [await store.take(f"a{n}", "t", "asker", "sha256:1") for n in range(20)]
    print(sum(one is not None for one in got))
sys.stdin.read()
asyncio.run(take())
"""


@pytest.fixture
def begin(path: Path) -> Callable[[], "subprocess.Popen[bytes]"]:
    command = (sys.executable, "-c", PROCESS, str(path))
    return lambda: subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)


async def test_of_many_processes_that_fetch_one_gets_each_reply(
    opened: Callable[[], SqliteApprovals],
    held: Callable[[str], HeldReply],
    begin: Callable[[], "subprocess.Popen[bytes]"],
) -> None:
    store = opened()
    for n in range(20):
        await store.hold(held(f"a{n}"))
        await store.decide(f"a{n}", "t", APPROVED, by="boss", reason="fine")
    workers = [begin() for _ in range(4)]
    # They wait for each other's start: none fetches before its input ends.
    told = await asyncio.gather(*(asyncio.to_thread(worker.communicate, b"", 60) for worker in workers))
    assert sum(int(out) for out, _ in told) == 20
