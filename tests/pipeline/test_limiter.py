"""A request's tab: what it takes, what stands in its place at the end, and that this happens once."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

import pytest

from gateway.domain.errors import (
    BudgetSpent,
    GatewayError,
    LimitReached,
    UpstreamFailed,
    UpstreamGarbled,
    UpstreamTimeout,
    UpstreamUnreachable,
)
from gateway.domain.exchange import (
    Choice,
    Embeddings,
    Finish,
    Reply,
    Started,
    StreamEvent,
    TextDelta,
    Usage,
    UsageReport,
)
from gateway.domain.identity import Caller
from gateway.domain.limits import Allowance, LimitRule, Limits, Per, Price
from gateway.domain.model import Model
from gateway.domain.operation import Operation
from gateway.domain.quota import Bucket, Calendar, Denied, InProgress, Measure, Portion, Sliding, Taken
from gateway.domain.request import ClientRequest, Message, Options, Role, TextPart
from gateway.domain.target import Target
from gateway.pipeline.limiter import Limiter, RequestTab
from gateway.pipeline.tab import UNLIMITED
from gateway.stores.memory_counters import MemoryCounters

CALLER = Caller(key="k", tenant="t")
REQUESTS = Allowance(measure=Measure.REQUESTS, window=Sliding(seconds=60), amount=9)
PLACES = Allowance(measure=Measure.CONCURRENT, window=InProgress(), amount=9)
TOKENS = Allowance(measure=Measure.TOKENS, window=Sliding(seconds=60), amount=10**6)
MONEY = Allowance(measure=Measure.MONEY, window=Calendar(unit="day"), amount=10**9)
CHEAP = Price(input=1_000_000, output=2_000_000, cached_input=500_000, cache_write=1_000_000)
DEAR = Price(input=10_000_000, output=20_000_000, cached_input=5_000_000, cache_write=10_000_000)
# 300 characters and one message are 104 tokens.
ASKED = ClientRequest(
    dialect="split",
    model="m",
    messages=(Message(role=Role.USER, parts=(TextPart(text="x" * 300, path="p"),), path="p"),),
    options=Options(values={"max_tokens": 50}),
)
EXPECTED = 154


def rule(*allows: Allowance, name: str = "r", per: Per = Per.KEY, **globs: tuple[str, ...]) -> LimitRule:
    return LimitRule(name=name, per=(per,), allows=allows, **globs)  # pyright: ignore[reportArgumentType]


@dataclass
class Counters:
    """Remembers what it is asked for; ``full`` is a measure that it denies."""

    full: Measure | None = None
    taken: list[tuple[str, tuple[Portion, ...]]] = field(default_factory=list[tuple[str, tuple[Portion, ...]]])
    settled: list[tuple[Taken, Mapping[Measure, int]]] = field(
        default_factory=list[tuple[Taken, Mapping[Measure, int]]]
    )
    slow: asyncio.Event | None = None

    async def take(self, holder: str, wanted: tuple[Portion, ...]) -> Taken | Denied:
        if self.slow is not None:
            await self.slow.wait()
        self.taken.append((holder, wanted))
        denied = next((one.bucket for one in wanted if one.bucket.measure is self.full), None)
        if denied is not None:
            return Denied(bucket=denied, retry_after_s=3.0)
        left = tuple([Portion(bucket=one.bucket, amount=one.bucket.limit // 3) for one in wanted])
        return Taken(holder=holder, at=1.0, portions=wanted, left=left)

    async def settle(self, taken: Taken, used: Mapping[Measure, int]) -> None:
        if self.slow is not None:
            await self.slow.wait()
        self.settled.append((taken, used))

    def wanted(self) -> dict[Measure, int]:
        ((_, wanted),) = self.taken
        return {one.bucket.measure: one.amount for one in wanted}

    def used(self) -> Mapping[Measure, int]:
        ((_, used),) = self.settled
        return used


@dataclass
class Desk:
    """A limiter over ``counters`` for the model ``m`` with the targets ``cheap`` and ``dear``."""

    counters: Counters
    limiter: Limiter
    model: Model
    cheap: Target
    dear: Target

    async def tab(self, operation: Operation = Operation.CHAT, request: ClientRequest = ASKED) -> RequestTab:
        tab = RequestTab(self.limiter, "id", "split", operation)
        await tab.take(request, CALLER, self.model)
        return tab

    async def closed(self, tab: RequestTab) -> Mapping[Measure, int]:
        """What is put in place of what was taken."""
        tab.close()
        await self.limiter.drained()
        return self.counters.used()


@pytest.fixture
def desk_of(a_target: Callable[..., Target]) -> Callable[..., Desk]:
    def make(*rules: LimitRule, full: Measure | None = None) -> Desk:
        cheap, dear = a_target("cheap"), a_target("dear")
        limits = Limits(rules=rules, prices={"cheap": CHEAP, "dear": DEAR}, assumed_output_tokens=1000)
        counters = Counters(full=full)
        return Desk(counters, Limiter(limits, counters), Model(name="m", targets=(cheap, dear)), cheap, dear)

    return make


@pytest.fixture
def desk(desk_of: Callable[..., Desk]) -> Desk:
    return desk_of(rule(REQUESTS, PLACES, TOKENS, MONEY))


DeskOf = Callable[..., Desk]
Answer = TypeVar("Answer")


def reply(usage: Usage | None, text: str = "") -> Reply:
    choices = (Choice(index=0, text=text, finish_reason="stop"),)
    return Reply(id="u", model="m", created=1, choices=choices, usage=usage)


def counted(input_tokens: int, output_tokens: int, cached: int = 0) -> Usage:
    details = {"prompt_tokens_details": {"cached_tokens": cached}}
    return Usage(input_tokens=input_tokens, output_tokens=output_tokens, details=details)


async def answers() -> None:
    """Stand for a call that ends well."""


async def fails(error: GatewayError) -> None:
    raise error


async def stream(*events: StreamEvent | GatewayError) -> AsyncGenerator[Sequence[StreamEvent], None]:
    for event in events:
        if isinstance(event, GatewayError):
            raise event
        yield (event,)


async def asked(tab: RequestTab, target: Target, answer: Awaitable[Answer]) -> Answer:
    """As a target is asked."""
    tab.asking(target)
    try:
        return await answer
    except GatewayError as error:
        tab.failed(error)
        raise


async def heard(
    tab: RequestTab, target: Target, events: AsyncGenerator[Sequence[StreamEvent], None]
) -> AsyncGenerator[Sequence[StreamEvent], None]:
    """As a stream is asked for, and read."""
    together = await asked(tab, target, anext(events, None))
    hear = tab.hearing
    assert hear is not None
    while together is not None:
        hear(together)
        yield together
        together = await anext(events, None)


async def test_a_request_takes_itself_a_place_and_what_it_may_come_to_where_it_costs_most(desk: Desk) -> None:
    await desk.tab()
    assert desk.counters.wanted() == {
        Measure.REQUESTS: 1,
        Measure.CONCURRENT: 1,
        Measure.TOKENS: EXPECTED,
        Measure.MONEY: 104 * 10 + 50 * 20,
    }
    assert desk.counters.taken[0][0] == "id"


async def test_all_rules_that_stand_for_it_count_it_each_for_its_own_subject(desk_of: DeskOf) -> None:
    desk = desk_of(
        rule(REQUESTS, name="a"),
        rule(REQUESTS, name="b", per=Per.TENANT),
        rule(REQUESTS, name="c", keys=("other",)),
        rule(REQUESTS, name="d", per=Per.GATEWAY, models=("m*",)),
    )
    await desk.tab()
    ((_, wanted),) = desk.counters.taken
    assert [(one.bucket.rule, one.bucket.subject) for one in wanted] == [
        ("a", "key:k"),
        ("b", "tenant:t"),
        ("d", "gateway"),
    ]


async def test_what_nothing_stands_for_is_not_counted(desk_of: DeskOf) -> None:
    desk = desk_of(rule(REQUESTS, TOKENS, keys=("other",)))
    tab = await desk.tab()
    tab.close()
    await desk.limiter.drained()
    assert desk.counters == Counters()


async def test_a_count_is_a_request_and_no_tokens(desk: Desk) -> None:
    tab = await desk.tab(Operation.COUNT)
    assert desk.counters.wanted() == {Measure.REQUESTS: 1, Measure.CONCURRENT: 1}
    assert await desk.closed(tab) == {}


async def test_texts_to_embed_take_no_output(desk: Desk) -> None:
    tab = await desk.tab(Operation.EMBED)
    assert desk.counters.wanted()[Measure.TOKENS] == 104
    await asked(tab, desk.cheap, answers())
    tab.answered(Embeddings(vectors=((1.0,),), usage=counted(90, 0)))
    assert await desk.closed(tab) == {Measure.TOKENS: 90, Measure.MONEY: 90}


async def test_an_answer_costs_what_was_counted_by_the_price_of_who_gave_it(desk: Desk) -> None:
    tab = await desk.tab()
    await asked(tab, desk.cheap, answers())
    tab.answered(reply(counted(100, 10, cached=60)))
    assert await desk.closed(tab) == {Measure.TOKENS: 110, Measure.MONEY: 40 + 30 + 20}


async def test_requests_and_places_are_never_given_back_by_amount(desk: Desk) -> None:
    tab = await desk.tab()
    tab.close()
    await desk.limiter.drained()
    assert Measure.REQUESTS not in desk.counters.used()
    ((taken, _),) = desk.counters.settled
    assert {one.bucket.measure for one in taken.portions} == set(Measure)


async def test_what_was_never_sent_costs_nothing_but_the_request(desk: Desk) -> None:
    assert await desk.closed(await desk.tab()) == {Measure.TOKENS: 0, Measure.MONEY: 0}


async def test_attempts_that_cannot_have_cost_anything_are_not_counted(desk: Desk) -> None:
    tab = await desk.tab()
    for error in (UpstreamUnreachable("m", target="t"), UpstreamFailed("m", target="t")):
        with pytest.raises(type(error)):
            await asked(tab, desk.dear, fails(error))
    await asked(tab, desk.cheap, answers())
    tab.answered(reply(counted(100, 10)))
    assert await desk.closed(tab) == {Measure.TOKENS: 110, Measure.MONEY: 120}


async def test_an_attempt_that_may_have_cost_something_is_counted_beside_the_one_that_did(desk: Desk) -> None:
    tab = await desk.tab()
    with pytest.raises(UpstreamTimeout):
        await asked(tab, desk.dear, fails(UpstreamTimeout("m", target="t", phase="first_byte")))
    await asked(tab, desk.cheap, answers())
    tab.answered(reply(counted(100, 10)))
    assert await desk.closed(tab) == {Measure.TOKENS: 110 + EXPECTED, Measure.MONEY: 120 + 2040}


async def test_where_nobody_counts_the_estimate_stands_at_the_price_of_who_was_asked(desk: Desk) -> None:
    tab = await desk.tab()
    with pytest.raises(UpstreamGarbled):
        await asked(tab, desk.cheap, fails(UpstreamGarbled("m", target="t")))
    assert await desk.closed(tab) == {Measure.TOKENS: EXPECTED, Measure.MONEY: 204}


@pytest.mark.parametrize("usage", [None, counted(0, 0), counted(-9, 5), counted(5, -9), counted(10**12, 1)])
async def test_nonsense_is_as_good_as_nothing_and_what_came_counts(desk: Desk, usage: Usage | None) -> None:
    tab = await desk.tab()
    await asked(tab, desk.cheap, answers())
    tab.answered(reply(usage, "y" * 3000))
    assert await desk.closed(tab) == {Measure.TOKENS: 104 + 1000, Measure.MONEY: 104 + 2000}


DELTA = TextDelta(choice=0, text="y" * 30)
STARTED = Started(id="u", model="m", created=1)


async def test_a_stream_is_passed_on_and_its_count_is_heard_though_nobody_is_shown_it(desk: Desk) -> None:
    tab = await desk.tab()
    events = (STARTED, DELTA, Finish(choice=0, reason="stop"), UsageReport(usage=counted(100, 10)))
    assert [event async for together in heard(tab, desk.cheap, stream(*events)) for event in together] == list(events)
    assert await desk.closed(tab) == {Measure.TOKENS: 110, Measure.MONEY: 120}


@pytest.mark.parametrize(("read", "said"), [(2, 50), (5, 50), (6, 50), (7, 60), (31, 300)])
async def test_a_stream_that_is_cut_off_is_never_cheaper_than_the_estimate_nor_than_what_came(
    desk: Desk, read: int, said: int
) -> None:
    tab = await desk.tab()
    events = heard(tab, desk.cheap, stream(STARTED, *[DELTA] * 40, UsageReport(usage=counted(1, 0))))
    for _ in range(read):
        await anext(events)
    await events.aclose()
    assert await desk.closed(tab) == {Measure.TOKENS: 104 + said, Measure.MONEY: 104 + 2 * said}


@pytest.mark.parametrize(
    ("events", "tokens"),
    [
        ((UpstreamFailed("m", target="t"),), 0),
        ((STARTED, UpstreamFailed("m", target="t")), EXPECTED),
        ((UpstreamGarbled("m", target="t"),), EXPECTED),
    ],
)
async def test_a_stream_that_fails_before_it_begins_costs_what_its_error_says(
    desk: Desk, events: Sequence[StreamEvent | GatewayError], tokens: int
) -> None:
    tab = await desk.tab()
    with pytest.raises(GatewayError):
        _ = [event async for together in heard(tab, desk.cheap, stream(*events)) for event in together]
    assert (await desk.closed(tab))[Measure.TOKENS] == tokens


async def test_nobody_listens_to_a_stream_whose_tokens_do_not_count(desk_of: DeskOf) -> None:
    assert (await desk_of(rule(REQUESTS, PLACES)).tab()).hearing is None


async def test_a_tab_is_settled_once_however_often_it_is_closed(desk: Desk) -> None:
    tab = await desk.tab()
    for _ in range(3):
        tab.close()
    await desk.limiter.drained()
    assert len(desk.counters.settled) == 1


async def test_nobody_waits_for_a_tab_to_be_settled_and_a_cancelled_request_settles_too(desk: Desk) -> None:
    async def request() -> None:
        tab = await desk.tab()
        try:
            await asked(tab, desk.cheap, asyncio.sleep(60))
        finally:
            tab.close()

    task = asyncio.create_task(request())
    await asyncio.sleep(0)
    desk.counters.slow = asyncio.Event()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert desk.counters.settled == []
    desk.counters.slow.set()
    await desk.limiter.drained()
    assert desk.counters.used() == {Measure.TOKENS: EXPECTED, Measure.MONEY: 204}


async def test_what_is_counted_in_memory_is_settled_once_a_tab_is_closed(a_target: Callable[..., Target]) -> None:
    one_place = Allowance(measure=Measure.CONCURRENT, window=InProgress(), amount=1)
    limiter = Limiter(Limits(rules=(rule(one_place),)), MemoryCounters(lambda: 0.0))
    model = Model(name="m", targets=(a_target(),))
    for _ in range(2):
        tab = RequestTab(limiter, "id", "split", Operation.CHAT)
        await tab.take(ASKED, CALLER, model)
        tab.close()


async def test_who_goes_away_while_it_takes_leaves_no_place_taken(desk: Desk) -> None:
    desk.counters.slow = asyncio.Event()
    tab = RequestTab(desk.limiter, "id", "split", Operation.CHAT)
    task = asyncio.create_task(tab.take(ASKED, CALLER, desk.model))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    desk.counters.slow.set()
    tab.close()
    await desk.limiter.drained()
    ((taken, used),) = desk.counters.settled
    assert (taken.holder, used) == ("id", {})
    assert Measure.CONCURRENT in {one.bucket.measure for one in taken.portions}


async def test_a_refusal_names_the_rule_and_takes_nothing(desk_of: DeskOf) -> None:
    for full, kind in ((Measure.REQUESTS, LimitReached), (Measure.MONEY, BudgetSpent)):
        desk = desk_of(rule(REQUESTS, MONEY), full=full)
        tab = RequestTab(desk.limiter, "id", "split", Operation.CHAT)
        with pytest.raises(kind) as caught:
            await tab.take(ASKED, CALLER, desk.model)
        assert (caught.value.rule, caught.value.measure) == ("r", full)
        tab.close()
        await desk.limiter.drained()
        assert desk.counters.settled == []
        assert desk.limiter.fullest == {"r": 1.0}


async def test_only_what_is_its_callers_own_is_told_of_what_is_left(desk_of: DeskOf) -> None:
    desk = desk_of(rule(REQUESTS, name="mine"), rule(REQUESTS, name="all", per=Per.GATEWAY))
    tab = await desk.tab()
    assert [one.bucket.rule for one in tab.left] == ["mine"]
    assert desk.limiter.fullest == {"mine": pytest.approx(2 / 3), "all": pytest.approx(2 / 3)}


async def test_buckets_are_the_same_for_the_same_caller(desk: Desk) -> None:
    buckets: list[Bucket] = []
    for _ in range(2):
        await desk.tab()
        buckets.append(desk.counters.taken[-1][1][0].bucket)
    assert buckets[0] is buckets[1]


async def test_where_nothing_is_limited_all_passes_as_it_is(a_target: Callable[..., Target]) -> None:
    target = a_target("t")
    await UNLIMITED.take(ASKED, CALLER, Model(name="m", targets=(target,)))
    UNLIMITED.asking(target)
    UNLIMITED.failed(GatewayError("m"))
    assert UNLIMITED.hearing is None
    UNLIMITED.answered(reply(None))
