"""Counting together over a real Redis, and alone while it is away."""

import asyncio
import logging
import time
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, Literal

import pytest

from gateway.domain.errors import LimitsUnavailable
from gateway.domain.quota import Bucket, Calendar, Denied, InProgress, Measure, Portion, Sliding, Taken
from gateway.stores._reach import Reach
from gateway.stores._redis_message import key_of
from gateway.stores.redis_client import RedisAddress, RedisClient
from gateway.stores.shared_counters import Change, SharedCounters, Told

PATIENCE_S = 0.1
REQUESTS = Bucket(rule="r", subject="key:a", measure=Measure.REQUESTS, window=Sliding(seconds=86_400), limit=1000)
TOKENS = Bucket(rule="t", subject="key:a", measure=Measure.TOKENS, window=Calendar(unit="month"), limit=100_000)
PLACES = Bucket(rule="c", subject="key:a", measure=Measure.CONCURRENT, window=InProgress(), limit=50)
WANTED = tuple(
    [Portion(bucket=bucket, amount=amount) for bucket, amount in ((REQUESTS, 1), (TOKENS, 100), (PLACES, 1))]
)
USED = {Measure.TOKENS: 30}

Proxy = Callable[..., AbstractAsyncContextManager[Any]]


@dataclass
class Alone:
    """Counters of one process, which give whatever a bucket can hold."""

    clock: Callable[[], float]
    taken: list[Taken] = field(default_factory=list[Taken])
    settled: list[tuple[Taken, Mapping[Measure, int]]] = field(
        default_factory=list[tuple[Taken, Mapping[Measure, int]]]
    )

    async def take(self, holder: str, wanted: tuple[Portion, ...]) -> Taken | Denied:
        for one in wanted:
            if one.amount > one.bucket.limit:
                return Denied(bucket=one.bucket, retry_after_s=5.0)
        left = tuple([replace(one, amount=one.bucket.limit - one.amount) for one in wanted])
        self.taken.append(Taken(holder=holder, at=self.clock(), portions=wanted, left=left))
        return self.taken[-1]

    def settle(self, taken: Taken, used: Mapping[Measure, int]) -> None:
        self.settled.append((taken, used))


@dataclass(kw_only=True)
class Gateway:
    counters: SharedCounters
    alone: Alone
    changes: list[Change]
    took: list[float]
    number: int = 0

    async def take(self, *wanted: Portion) -> Taken | Denied:
        self.number += 1
        return await self.counters.take(f"h{id(self)}-{self.number}", wanted or WANTED)

    async def request(self, *wanted: Portion) -> Taken:
        taken = await self.take(*wanted)
        assert isinstance(taken, Taken)
        await self.counters.settle(taken, USED)
        return taken

    async def until(self, *, reached: bool) -> None:
        async with asyncio.timeout(20):
            while self.counters.standing.reached is not reached:  # noqa: ASYNC110  nobody tells
                await asyncio.sleep(0.005)


@asynccontextmanager
async def _gateway(
    port: int,
    on_failure: Literal["local", "close"] = "local",
    *,
    lease_s: float = 1.5,
    clock: Callable[[], float] = time.time,
    **more: Any,
) -> AsyncGenerator[Gateway]:
    changes: list[Change] = []
    took: list[float] = []
    alone = Alone(clock)
    counters = SharedCounters(
        RedisClient(RedisAddress(host="127.0.0.1", port=port, **more)),
        alone,
        prefix="test",
        patience_s=PATIENCE_S,
        on_failure=on_failure,
        told=Told(changed=changes.append, took=took.append),
        reach=partial(Reach, first_s=0.02, most_s=0.1),
        lease_s=lease_s,
        clock=clock,
    )
    async with counters.running():
        yield Gateway(counters=counters, alone=alone, changes=changes, took=took)


def _is_alone(taken: Taken | Denied) -> bool:
    return isinstance(taken, Taken) and taken.alone is not None


def _count(server: Any, bucket: Bucket) -> int:
    """What stands in it, whatever the period."""
    if isinstance(bucket.window, InProgress):
        return int(server.say("ZCARD", key_of("test", bucket)).partition("\r\n")[0].removeprefix(":"))
    values = server.say("HVALS", key_of("test", bucket)).split("\r\n")
    return sum([int(one) for one in values if one.isdigit()])


async def test_two_gateways_share_one_limit(redis: Any) -> None:
    last = replace(REQUESTS, limit=7)
    async with _gateway(redis.port) as one, _gateway(redis.port) as other:
        answers = [await gate.take(Portion(bucket=last, amount=1)) for gate in (one, other) * 5]
    assert [isinstance(answer, Taken) for answer in answers] == [True] * 7 + [False] * 3
    denied = answers[-1]
    assert isinstance(denied, Denied)
    assert denied.bucket == last
    assert one.alone.taken == other.alone.taken == []


async def test_many_at_once_take_no_more_than_there_is(redis: Any) -> None:
    few = replace(REQUESTS, limit=20)
    async with _gateway(redis.port) as one, _gateway(redis.port) as other:
        asked = [gate.take(Portion(bucket=few, amount=1)) for gate in (one, other) * 50]
        answers = await asyncio.gather(*asked)
    assert sum([isinstance(answer, Taken) for answer in answers]) == 20


async def test_what_was_used_stands_in_the_place_of_what_was_taken(redis: Any) -> None:
    async with _gateway(redis.port) as gate:
        taken = await gate.take()
        assert isinstance(taken, Taken)
        assert [one.amount for one in taken.left] == [999, 99_900]
        assert (_count(redis, TOKENS), _count(redis, PLACES)) == (100, 1)
        await gate.counters.settle(taken, USED)
        assert (_count(redis, REQUESTS), _count(redis, TOKENS), _count(redis, PLACES)) == (1, 30, 0)
        more = await gate.take()
        assert isinstance(more, Taken)
        await gate.counters.settle(more, {Measure.TOKENS: 170})
        assert (_count(redis, TOKENS), len(gate.took)) == (200, 2)


@pytest.mark.exhaustive
async def test_what_took_until_the_next_window_counts_there(redis: Any) -> None:
    second = replace(TOKENS, window=Sliding(seconds=1))
    async with _gateway(redis.port) as gate:
        taken = await gate.take(Portion(bucket=second, amount=10))
        assert isinstance(taken, Taken)
        await asyncio.sleep(int(taken.at) + 2.05 - taken.at)
        await gate.counters.settle(taken, {Measure.TOKENS: 500})
        last = await gate.take(Portion(bucket=second, amount=1))
        assert isinstance(last, Taken)
        assert last.left[0].amount <= second.limit - 400


@pytest.mark.parametrize("ahead_s", [-86_400.0 * 40, 86_400.0 * 40])
async def test_the_clocks_of_gateways_do_not_matter(redis: Any, between: Proxy, ahead_s: float) -> None:
    async with between(redis.port) as way, _gateway(way.port, clock=lambda: time.time() + ahead_s) as gate:
        await gate.request()
        taken = await gate.take()
        assert isinstance(taken, Taken)
        assert taken.at == pytest.approx(time.time(), abs=5)
        way.fault = "close"
        way.cut()
        await gate.until(reached=False)
        await gate.request()
        way.fault = "none"
        await gate.until(reached=True)
        await gate.counters.settle(taken, {Measure.TOKENS: 170})
    assert (_count(redis, REQUESTS), _count(redis, TOKENS)) == (3, 230)


async def test_places_of_a_killed_gateway_come_free_and_those_of_a_living_one_do_not(redis: Any) -> None:
    two = replace(PLACES, limit=2)
    async with AsyncExitStack() as killed, _gateway(redis.port, lease_s=0.6) as living:
        dead = await killed.enter_async_context(_gateway(redis.port, lease_s=0.6))
        for gate in (dead, living):
            assert isinstance(await gate.take(Portion(bucket=two, amount=1)), Taken)
        await killed.aclose()
        assert isinstance(await living.take(Portion(bucket=two, amount=1)), Denied)
        await asyncio.sleep(1.0)
        assert isinstance(await living.take(Portion(bucket=two, amount=1)), Taken)
        assert isinstance(await living.take(Portion(bucket=two, amount=1)), Denied)


async def test_a_caller_that_goes_away_while_it_asks_has_taken_nothing(redis: Any, between: Proxy) -> None:
    async with between(redis.port) as way, _gateway(way.port) as gate:
        way.fault, way.delay_s = "delay", 0.03
        asked = asyncio.create_task(gate.take())
        await asyncio.sleep(0.01)
        asked.cancel()
        await asyncio.wait([asked])
        way.fault = "none"
        async with asyncio.timeout(5):
            while _count(redis, PLACES) or _count(redis, TOKENS) or not gate.number:  # noqa: ASYNC110  nobody tells
                await asyncio.sleep(0.01)
        assert gate.counters.standing.reached
        await gate.request()
        assert (_count(redis, REQUESTS), _count(redis, TOKENS)) == (1, 30)


async def test_without_redis_a_gateway_counts_alone_and_tells_it_afterwards(redis: Any, between: Proxy) -> None:
    async with between(redis.port) as way, _gateway(way.port) as gate:
        before = await gate.take()
        assert isinstance(before, Taken)
        way.fault = "close"
        way.cut()
        await gate.until(reached=False)
        alone = await gate.take()
        assert isinstance(alone, Taken)
        assert alone.alone is not None
        assert (alone.portions, [one.bucket for one in alone.left]) == (WANTED, [REQUESTS, TOKENS, PLACES])
        await gate.request()
        # What was taken there and ends while it is away, and the other way round.
        await gate.counters.settle(before, USED)
        assert gate.counters.standing.owed > 0
        way.fault = "none"
        await gate.until(reached=True)
        assert (_count(redis, REQUESTS), _count(redis, TOKENS), _count(redis, PLACES)) == (3, 160, 1)
        await gate.counters.settle(alone, USED)
        assert (_count(redis, TOKENS), _count(redis, PLACES)) == (90, 0)
        assert gate.counters.standing.owed == 0
        assert [used for _, used in gate.alone.settled] == [USED, USED]


async def test_places_that_redis_lost_are_taken_again_when_it_is_back(redis: Any, between: Proxy) -> None:
    async with between(redis.port) as way, _gateway(way.port) as gate:
        taken = await gate.take()
        assert isinstance(taken, Taken)
        way.fault = "close"
        way.cut()
        await gate.until(reached=False)
        redis.say("FLUSHALL")
        way.fault = "none"
        await gate.until(reached=True)
        assert _count(redis, PLACES) == 1


async def test_a_budget_that_is_used_up_does_not_begin_anew_alone(redis: Any, between: Proxy) -> None:
    budget = replace(TOKENS, limit=1000)
    other = replace(TOKENS, subject="key:b", limit=1000)
    async with between(redis.port) as way, _gateway(way.port) as gate:
        assert isinstance(await gate.take(Portion(bucket=budget, amount=900)), Taken)
        way.fault = "close"
        way.cut()
        await gate.until(reached=False)
        denied = await gate.take(Portion(bucket=budget, amount=101))
        assert isinstance(denied, Denied)
        assert denied.bucket == budget, "as it was asked for"
        taken = await gate.take(Portion(bucket=budget, amount=100))
        assert isinstance(taken, Taken)
        assert taken.alone is not None
        await gate.counters.settle(taken, {Measure.TOKENS: 7})
        assert gate.alone.settled == [(taken.alone, {Measure.TOKENS: 7})]
        assert taken.alone.portions == (Portion(bucket=replace(budget, limit=100), amount=100),)
        assert _is_alone(await gate.take(Portion(bucket=other, amount=1000)))


async def test_where_the_settings_say_so_nothing_passes_uncounted(redis: Any, between: Proxy) -> None:
    async with between(redis.port) as way, _gateway(way.port, "close") as gate:
        taken = await gate.take()
        assert isinstance(taken, Taken)
        way.fault = "close"
        way.cut()
        for _ in range(3):
            with pytest.raises(LimitsUnavailable, match="nothing passes uncounted"):
                await gate.take()
        await gate.counters.settle(taken, USED)
        assert gate.alone.taken == []
        way.fault = "none"
        await gate.until(reached=True)
        await gate.request()
        assert (_count(redis, TOKENS), _count(redis, PLACES)) == (60, 0)


async def test_a_start_without_redis_is_told_once_and_does_not_take_long(
    caplog: pytest.LogCaptureFixture, between: Proxy, redis: Any
) -> None:
    caplog.set_level(logging.INFO, "splitgate.limits")
    async with between(redis.port) as way:
        way.fault = "close"
        async with _gateway(way.port) as gate:
            assert not gate.counters.standing.reached
            assert _is_alone(await gate.request())
            way.fault = "none"
            await gate.until(reached=True)
    assert [record.levelname for record in caplog.records] == ["WARNING", "INFO"]
    assert [change.reached for change in gate.changes] == [False, True]
    assert _count(redis, REQUESTS) == 1


async def test_what_is_owed_at_the_end_is_told(redis: Any) -> None:
    second = replace(TOKENS, window=Sliding(seconds=60))
    async with _gateway(redis.port) as gate:
        taken = await gate.take(Portion(bucket=second, amount=10))
        assert isinstance(taken, Taken)
        await gate.counters.settle(taken, {Measure.TOKENS: 25})
    assert _count(redis, second) == 25
