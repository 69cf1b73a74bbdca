"""Keys are fetched together, by a thread that nobody who gives up stops."""

import asyncio
import threading
from collections.abc import Generator, Sequence

import pytest

from gateway.audit._fetching import Fetching, Named
from gateway.domain.errors import StateUnusable

PATIENCE_S = 20.0


class File:
    """Finds what is asked for, once it may: each key is the subject's name."""

    def __init__(self) -> None:
        self.asked: list[Sequence[Named]] = []
        self.kept: dict[Named, str] = {}
        self.may, self.began = threading.Semaphore(0), threading.Semaphore(0)
        self.fails: Exception | None = None

    def find(self, names: Sequence[Named]) -> Sequence[str | StateUnusable]:
        self.asked.append(names)
        self.began.release()
        assert self.may.acquire(timeout=PATIENCE_S)
        if self.fails is not None:
            raise self.fails
        return [StateUnusable("damaged") if subject == "bad" else str(subject) for _, subject in names]

    def keep(self, named: Named, key: str) -> None:
        self.kept[named] = key


@pytest.fixture
def file() -> File:
    return File()


@pytest.fixture
def fetching(file: File) -> Generator[Fetching[str]]:
    made = Fetching(file.find, file.keep)
    yield made
    file.may.release(100)
    assert made.close()


async def at_work(file: File) -> None:
    """Until the thread looks into the file the next time."""
    assert await asyncio.to_thread(file.began.acquire, timeout=PATIENCE_S)


async def test_what_is_asked_for_meanwhile_is_fetched_together_and_each_once(
    file: File, fetching: Fetching[str]
) -> None:
    first = asyncio.ensure_future(fetching.fetch(("t", "first")))
    await at_work(file)
    rest = [asyncio.ensure_future(fetching.fetch(("t", f"u{n % 50}"))) for n in range(100)]
    await asyncio.sleep(0)
    file.may.release(2)
    assert await first == "first"
    assert await asyncio.gather(*rest) == [f"u{n % 50}" for n in range(100)]
    assert [len(names) for names in file.asked] == [1, 50]


async def test_one_that_fails_fails_alone_and_is_not_kept(file: File, fetching: Fetching[str]) -> None:
    file.may.release(3)
    found = await asyncio.gather(*(fetching.fetch(("t", u)) for u in ("u", "bad", "v")), return_exceptions=True)
    assert (found[0], str(found[1]), found[2]) == ("u", "damaged", "v")
    assert set(file.kept) == {("t", "u"), ("t", "v")}


@pytest.mark.parametrize("error", [StateUnusable("no file"), RuntimeError("planted")])
async def test_a_file_that_fails_is_told_to_all_who_wait_and_asked_again_the_next_time(
    file: File, fetching: Fetching[str], error: Exception
) -> None:
    file.fails = error
    file.may.release(2)
    found = await asyncio.gather(*(fetching.fetch(("t", u)) for u in ("u", "v")), return_exceptions=True)
    assert [type(one) for one in found] == [StateUnusable, StateUnusable]
    assert "planted" not in str(found)
    file.fails = None
    file.may.release()
    assert await fetching.fetch(("t", "u")) == "u"


async def test_who_gives_up_stops_nobody_and_what_was_found_is_kept(file: File, fetching: Fetching[str]) -> None:
    hasty = asyncio.ensure_future(fetching.fetch(("t", "u")))
    await at_work(file)
    patient = asyncio.ensure_future(fetching.fetch(("t", "u")))
    await asyncio.sleep(0)
    hasty.cancel()
    file.may.release()
    assert await patient == "u"
    assert hasty.cancelled()
    assert file.kept == {("t", "u"): "u"}
    assert len(file.asked) == 1


def test_a_loop_that_is_closed_meanwhile_does_not_stop_the_thread(file: File, fetching: Fetching[str]) -> None:
    async def give_up() -> None:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await fetching.fetch(("t", "u"))

    asyncio.run(give_up())
    file.may.release(2)
    assert asyncio.run(fetching.fetch(("t", "v"))) == "v"


async def test_a_thread_that_hangs_is_left_behind(file: File) -> None:
    stuck = Fetching(file.find, file.keep, patience_s=0.05)
    waiting = asyncio.ensure_future(stuck.fetch(("t", "u")))
    await at_work(file)
    assert not stuck.close()
    file.may.release()
    assert await waiting == "u"


def test_one_that_never_fetched_has_nothing_to_close(file: File) -> None:
    assert Fetching(file.find, file.keep).close()
