"""In which order do records stand, and who hears what of theirs?"""

import asyncio
import json
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from gateway.audit._chain import Chain
from gateway.audit.epoch import Epoch
from gateway.audit.journal import Plan
from gateway.audit.log import Log
from gateway.audit.opening import MOST_LINE, MOST_NOTES
from gateway.audit.places import Places
from gateway.domain.errors import AuditUnavailable

MOST = 10_000


@pytest.fixture
def epoch(new_plan: Callable[..., Plan]) -> Iterator[Epoch]:
    plan = new_plan()
    made = Epoch(Log(places=Places(plan.folder), name=plan.name, keys=plan.keys))
    yield made
    made.release()


@pytest.fixture
def chain(epoch: Epoch) -> Chain:
    return Chain(epoch, "0.1.0", MOST)


def waiter() -> "asyncio.Future[None]":
    return asyncio.get_running_loop().create_future()


async def test_each_record_names_the_one_before_it(chain: Chain, epoch: Epoch, second: Any) -> None:
    assert chain.next_event == f"{epoch.epoch}.0"
    events = [chain.order("config", {"n": number}, b"", None) for number in range(3)]
    group = chain.taken()
    lines = group.lines
    fields = [json.loads(line) for line in lines]
    assert events == [one["event"] for one in fields] == [f"{epoch.epoch}.{number}" for number in range(3)]
    assert group.leaves == [second.leaf(line) for line in lines]
    assert [one["prev"] for one in fields] == ["0" * 64, *[second.leaf(line).hex() for line in lines[:2]]]
    assert {(one["v"], one["phase"], one["build"]) for one in fields} == {(1, "config", "0.1.0")}
    assert chain.next_event == f"{epoch.epoch}.3"


async def test_what_cannot_be_a_line_takes_no_place(chain: Chain) -> None:
    event = chain.next_event
    with pytest.raises(AuditUnavailable):
        chain.order("config", {"text": "\udfff"}, b"blob", None)
    assert (chain.next_event, chain.blob_end, chain.waiting, chain.waiting_bytes) == (event, 0, 0, 0)


async def test_only_records_that_somebody_waits_for_are_worth_waiting_for(chain: Chain) -> None:
    for waits, company in ((1, False), (2, True), (0, False)):
        for _ in range(waits):
            chain.order("intent", {}, b"", waiter())
        chain.order("outcome", {}, b"", None)
        assert chain.taken().waiters == waits
        assert chain.company is company


async def test_those_are_woken_whose_records_are_durable(chain: Chain) -> None:
    waiters = [waiter() for _ in range(3)]
    for one in waiters[:2]:
        chain.order("intent", {}, b"blob", one)
    first = chain.taken()
    chain.order("intent", {}, b"blob", waiters[2])
    second = chain.taken()
    assert (chain.blob_end, chain.writing) == (12, 2)
    born = chain.oldest
    assert born is not None
    waited = chain.durable(2, first.size)
    since = time.monotonic() - born
    assert [one.done() for one in waiters] == [True, True, False]
    assert (chain.waiting, chain.waiting_bytes) == (1, len(second.lines[0]) + 4)
    assert since >= waited[0] >= waited[1] >= 0
    assert chain.oldest is not None
    assert chain.oldest >= born
    chain.durable(3, second.size)
    assert (chain.oldest, chain.waiting, chain.waiting_bytes, chain.writing) == (None, 0, 0, 0)


async def test_what_was_taken_is_gathered_no_more(chain: Chain) -> None:
    chain.order("intent", {}, b"blob", None)
    chain.order("outcome", {}, b"", None)
    assert len(chain.gathered.lines) == 2
    group = chain.taken()
    assert (len(group.lines), group.blobs, chain.gathered.lines) == (2, [b"blob"], [])
    assert group.size == sum(map(len, group.lines)) + 4 == chain.waiting_bytes


async def test_who_waits_too_long_is_refused_and_the_record_stays(chain: Chain) -> None:
    early, gone = waiter(), waiter()
    chain.order("intent", {}, b"", early)
    chain.order("outcome", {}, b"", None)
    chain.order("intent", {}, b"", gone)
    gone.cancel()
    between = time.monotonic()
    late = waiter()
    chain.order("intent", {}, b"", late)
    chain.refuse_late(between)
    with pytest.raises(AuditUnavailable, match="in time"):
        await early
    assert not late.done()
    assert chain.waiting == 4
    # It becomes durable after all, and nobody is woken twice.
    assert len(chain.durable(4, chain.waiting_bytes)) == 1
    assert late.done()


async def test_giving_up_refuses_everybody_and_counts_what_no_epoch_repeats(chain: Chain) -> None:
    chain.preamble = 2
    for _ in range(2):
        chain.order("config", {}, b"", None)
    waits = waiter()
    chain.order("intent", {}, b"", waits)
    chain.order("outcome", {}, b"", None)
    assert chain.give_up("planted reason") == 2
    with pytest.raises(AuditUnavailable, match="planted reason"):
        await waits
    assert (chain.waiting, chain.oldest, chain.waiting_bytes, chain.gathered.lines) == (0, None, 0, [])
    assert chain.give_up("again") == 0


async def test_what_is_too_large_to_be_read_again_takes_no_place(chain: Chain) -> None:
    before = chain.next_event
    with pytest.raises(AuditUnavailable, match="too large"):
        chain.order("intent", {"filler": "x" * MOST_LINE}, b"", None)
    assert chain.next_event == before


async def test_it_is_large_by_its_records_or_by_its_checkpoints(
    chain: Chain, epoch: Epoch, monkeypatch: pytest.MonkeyPatch
) -> None:
    def is_large() -> bool:
        chain.taken()
        return chain.large

    chain.order("intent", {}, b"", None)
    assert not is_large()
    chain.order("intent", {"filler": "x" * MOST}, b"", None)
    assert is_large()
    # It could not be rolled: that is tried again after as much again.
    chain.go_on()
    assert not chain.large
    assert not is_large()
    monkeypatch.setattr(epoch, "noted", MOST_NOTES // 2)
    assert is_large()
    chain.go_on()
    assert not is_large()
