"""What Redis is told of a request that is over, and what it keeps for those that are not."""

import asyncio
from collections.abc import Sequence
from typing import Any

import orjson
import pytest

from gateway.domain.quota import Bucket, Calendar, InProgress, Measure, Portion, Sliding, Taken
from gateway.stores._lanes import LANES
from gateway.stores._redis_failure import Away
from gateway.stores.redis_counters import RedisCounters

MINUTE = Bucket(rule="r", subject="s", measure=Measure.TOKENS, window=Sliding(seconds=60), limit=1000)
DAY = Bucket(rule="d", subject="s", measure=Measure.MONEY, window=Calendar(unit="day"), limit=1000)
PLACES = Bucket(rule="c", subject="s", measure=Measure.CONCURRENT, window=InProgress(), limit=10)
AT = 6_000_000.0


class Played:
    """Says yes to everything, at ``now`` by its clock."""

    def __init__(self) -> None:
        self.asked: list[dict[str, Any]] = []
        self.now = AT
        self.delay_s = 0.0
        self.first: asyncio.Future[None] | None = None

    async def run(self, keys: Sequence[str], argument: bytes) -> object:
        assert all(key.startswith("{p}:") for key in keys)
        self.asked.append(orjson.loads(argument))
        if self.first is not None and len(self.asked) == 1:
            await self.first
        await asyncio.sleep(self.delay_s)
        return [[int(self.now * 1000), 1, *[0, 0, 0] * len(take[1])] for take in self.asked[-1]["take"]]

    async def close(self) -> None:
        """Nothing is open."""


@pytest.fixture
def played() -> Played:
    return Played()


@pytest.fixture
async def counters(played: Played) -> RedisCounters:
    lost: list[Away] = []
    made = RedisCounters(
        played,
        prefix="p",
        patience_s=0.1,
        lost=lost.append,
        heard=lambda left, at: None,  # noqa: ARG005
        # A clock that is a day behind Redis's.
        clock=lambda: played.now - 86_400.0,
    )
    made.open()
    return made


def _portions(**amounts: int) -> tuple[Portion, ...]:
    buckets = {"minute": MINUTE, "day": DAY, "places": PLACES}
    return tuple([Portion(bucket=buckets[name], amount=amount) for name, amount in amounts.items()])


async def _take(counters: RedisCounters, holder: str = "h") -> Taken:
    taken = await counters.take(holder, _portions(minute=100, day=100, places=1))
    assert isinstance(taken, Taken)
    return taken


async def test_less_is_given_back_to_then_and_more_counts_now(played: Played, counters: RedisCounters) -> None:
    taken = await _take(counters)
    played.now += 180.0
    await counters.settle(taken, {Measure.TOKENS: 40, Measure.MONEY: 130})
    told = played.asked[-1]
    assert [row[1:] for row in told["add"]] == [[60, AT // 60, -60], ["day", (AT + 180) // 86_400, 30]]
    assert [row[1:] for row in told["free"]] == [["h", 1]]


async def test_buckets_that_are_not_named_keep_what_was_taken(played: Played, counters: RedisCounters) -> None:
    await counters.settle(await _take(counters), {Measure.MONEY: 100})
    assert (played.asked[-1]["add"], len(played.asked[-1]["free"])) == ([], 1)


async def test_a_bucket_that_is_wanted_twice_is_asked_for_once(played: Played, counters: RedisCounters) -> None:
    taken = await counters.take("h", _portions(minute=100) * 2)
    assert isinstance(taken, Taken)
    assert taken.portions == _portions(minute=200)
    assert [row[2] for row in played.asked[-1]["take"][0][1]] == [200]


async def test_places_are_kept_until_their_request_is_over(played: Played, counters: RedisCounters) -> None:
    first = await _take(counters, "one")
    await _take(counters, "two")
    await counters.renew()
    assert [row[1:] for row in played.asked[-1]["keep"]] == [["one", 1, True], ["two", 1, True]]
    await counters.settle(first, {})
    await counters.restore()
    assert [row[1:] for row in played.asked[-1]["keep"]] == [["two", 1, False]]


async def test_a_trial_writes_and_the_first_one_makes_the_connections(played: Played, counters: RedisCounters) -> None:
    await counters.try_out()
    assert [len(call["add"]) for call in played.asked] == [1] * (LANES + 1)
    await counters.try_out()
    assert len(played.asked) == LANES + 2


async def test_who_stops_in_the_moment_in_which_a_trial_fails_is_stopped(
    played: Played, counters: RedisCounters
) -> None:
    played.first = asyncio.get_running_loop().create_future()
    played.delay_s = 60.0
    trying = asyncio.create_task(counters.try_out())
    while len(played.asked) < LANES:  # noqa: ASYNC110  nobody tells
        await asyncio.sleep(0)
    played.first.set_exception(ConnectionError())
    await asyncio.sleep(0)
    trying.cancel()
    with pytest.raises(asyncio.CancelledError):
        await trying


async def test_one_that_answers_later_than_requests_wait_is_away(played: Played, counters: RedisCounters) -> None:
    await counters.try_out()
    played.delay_s = 0.15
    for _ in range(2):
        with pytest.raises(Away, match="does not answer in time"):
            await counters.try_out()
    played.delay_s = 0.0
    await counters.try_out()


async def test_what_was_counted_elsewhere_is_told_in_whole(played: Played, counters: RedisCounters) -> None:
    counters.shut(Away("it is away", sent=False))
    taken = Taken(holder="h", at=AT, portions=_portions(minute=100, day=100, places=1))
    counters.adopt(taken)
    await counters.settle(taken, {Measure.TOKENS: 30})
    assert played.asked == []
    await counters.restore()
    assert [row[1:] for row in played.asked[0]["add"]] == [[60, AT // 60, 30], ["day", AT // 86_400, 100]]
    assert [row[1:] for row in played.asked[0]["free"]] == [["h", 1]]
