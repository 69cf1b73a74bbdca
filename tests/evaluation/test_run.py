import asyncio
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from gateway.evaluation.asking import Unreached
from gateway.evaluation.case import Case
from gateway.evaluation.result import Result
from gateway.evaluation.run import Patience, ask_all, pending
from gateway.evaluation.stopped import MeasurementStopped
from gateway.evaluation.store import Store, opened

HASTY = Patience(retries=2, first_s=0.0, failures=3)


def case(name: str) -> Case:
    return Case(id=name, kind="k", role="clean", instruction="Say it.", data="it")


CASES = tuple(case(f"c{number}") for number in range(5))


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with opened(tmp_path, {"formats": {}}, fresh=False) as opened_store:
        yield opened_store


async def answer(one: Case, name: str) -> Result:
    return Result(case=one.id, format=name, text="it")


def nothing(_: Result) -> None:
    """Told."""


async def ask(store: Store, how: Callable[[Case, str], Result], *, formats: tuple[str, ...] = ("plain",)) -> None:
    async def asked(one: Case, name: str) -> Result:
        await asyncio.sleep(0)
        return how(one, name)

    await ask_all(pending(CASES, formats, store), asked, store, concurrency=2, on_result=nothing, patience=HASTY)


async def test_every_case_is_asked_in_every_format_and_told_once_it_is_kept(store: Store) -> None:
    told: list[tuple[str, str]] = []

    def tell(result: Result) -> None:
        assert store.holds(*result.key)
        told.append(result.key)

    await ask_all(pending(CASES, ("plain", "secalign"), store), answer, store, concurrency=3, on_result=tell)
    assert sorted(told) == sorted((one.id, name) for one in CASES for name in ("plain", "secalign"))


async def test_no_more_are_asked_at_once_than_allowed(store: Store) -> None:
    at_once = most = 0

    async def slowly(one: Case, name: str) -> Result:
        nonlocal at_once, most
        at_once += 1
        most = max(most, at_once)
        await asyncio.sleep(0)
        at_once -= 1
        return await answer(one, name)

    await ask_all(pending(CASES, ("plain",), store), slowly, store, concurrency=2, on_result=nothing)
    assert most == 2


async def test_what_is_kept_is_not_asked_again(store: Store) -> None:
    store.add(Result(case="c1", format="plain", text="kept"))
    await ask(store, lambda one, name: Result(case=one.id, format=name, text="new"))
    assert {result.case: result.text for result in store.results} == {
        **{one.id: "new" for one in CASES},
        "c1": "kept",
    }


async def test_a_call_that_fails_is_made_again(store: Store) -> None:
    calls = Counter[str]()

    def moody(one: Case, name: str) -> Result:
        calls[one.id] += 1
        if calls[one.id] < 3:
            raise Unreached("busy", 0.0)
        return Result(case=one.id, format=name)

    await ask(store, moody)
    assert set(calls.values()) == {3}
    assert len(store.results) == len(CASES)


async def test_a_model_that_stays_away_ends_the_run_which_keeps_what_it_has(store: Store) -> None:
    def gone(one: Case, name: str) -> Result:
        if one.id == "c3":
            raise Unreached("nobody there", None)
        return Result(case=one.id, format=name)

    with pytest.raises(MeasurementStopped, match=r"after 3 tries .*nobody there.* the same command"):
        await ask(store, gone)
    assert store.holds("c0", "plain")
    assert not store.holds("c3", "plain")


async def test_a_format_that_is_never_taken_is_given_up_and_the_others_go_on(store: Store) -> None:
    asked = Counter[str]()

    def picky(one: Case, name: str) -> Result:
        asked[name] += 1
        return Result(case=one.id, format=name, failed="upstream_rejected" if name == "harmony" else None)

    await ask(store, picky, formats=("plain", "harmony"))
    assert asked["plain"] == len(CASES)
    assert asked["harmony"] in {3, 4}  # one may be on its way when the third comes back
    assert not store.holds("c0", "harmony")


async def test_one_request_that_is_not_taken_gives_nothing_up(store: Store) -> None:
    await ask(store, lambda one, name: Result(case=one.id, format=name, failed="long" if one.id in "c1c2" else None))
    assert [result.case for result in store.results if result.failed is not None] == ["c1", "c2"]
    assert len(store.results) == len(CASES)


async def test_a_run_of_which_nothing_is_taken_ends(store: Store) -> None:
    with pytest.raises(MeasurementStopped, match=r"upstream_rejected.*--dry-run"):
        await ask(store, lambda one, name: Result(case=one.id, format=name, failed="upstream_rejected"))


async def test_a_fault_of_ours_is_not_swallowed(store: Store) -> None:
    def broken(_: Case, __: str) -> Result:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await ask(store, broken)
