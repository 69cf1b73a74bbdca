"""The script on a real server, whose clock is set by the test, against a model of what it should do."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from math import ceil
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from redis import Redis

from gateway.domain.quota import Bucket, Calendar, Denied, InProgress, Measure, Portion, Sliding, Taken
from gateway.stores._redis_message import Answer, Change, Message, Place, Wish, answer_of, answers_of, key_of
from gateway.stores._redis_script import LUA
from gateway.stores._windows import period_of

LEASE_S = 30.0
START_MS = 1_772_323_190_000  # ten seconds before March 2026 begins
TIMED = LUA.replace("redis.call('TIME')", "{ARGV[2], 0}")

MINUTE = Bucket(rule="m", subject="key:a", measure=Measure.REQUESTS, window=Sliding(seconds=60), limit=5)
TOKENS = Bucket(rule="t", subject="key:a", measure=Measure.TOKENS, window=Sliding(seconds=10), limit=1000)
DAY = Bucket(rule="d", subject="tenant:x", measure=Measure.TOKENS, window=Calendar(unit="day"), limit=3000)
MONTH = Bucket(rule="b", subject="tenant:x", measure=Measure.MONEY, window=Calendar(unit="month"), limit=7_000_000)
PLACES = Bucket(rule="c", subject="key:a", measure=Measure.CONCURRENT, window=InProgress(), limit=3)


@dataclass
class Script:
    """Runs the script at whole seconds."""

    redis: Any

    def run(self, message: Message, at: int) -> list[object]:
        answers: Any = self.redis.eval(TIMED, len(message.keys), *message.keys, message.argument, at)
        return answers_of(answers, len(answers))

    def take(self, holder: str, at: int, *wanted: Portion) -> Answer:
        message = Message("test", lease_s=LEASE_S)
        wish = Wish(holder=holder, wanted=wanted)
        message.take(wish)
        return answer_of(wish, self.run(message, at)[0])

    def change(self, bucket: Bucket, amount: int, *, then: int, at: int) -> None:
        message = Message("test", lease_s=LEASE_S)
        message.change([Change(bucket=bucket, period=period_of(bucket.window, then), amount=amount)])
        self.run(message, at)

    def free(self, bucket: Bucket, holder: str, amount: int, at: int) -> None:
        message = Message("test", lease_s=LEASE_S)
        message.free([Place(bucket=bucket, holder=holder, amount=amount)])
        self.run(message, at)

    def keep(self, bucket: Bucket, holder: str, at: int, *, only_known: bool) -> None:
        message = Message("test", lease_s=LEASE_S)
        message.keep([Place(bucket=bucket, holder=holder, amount=1)], only_known=only_known)
        self.run(message, at)


@pytest.fixture
def script(redis: Any) -> Iterator[Script]:
    with Redis(port=redis.port) as client:
        yield Script(client)


@dataclass
class Model:
    """What the script should do, said once more in other words."""

    counts: dict[tuple[str, int], int] = field(default_factory=dict[tuple[str, int], int])
    places: dict[tuple[str, str, int], int] = field(default_factory=dict[tuple[str, str, int], int])

    def used(self, bucket: Bucket, at: int) -> int:
        window = bucket.window
        if isinstance(window, InProgress):
            return sum([ends > at for (rule, _, _), ends in self.places.items() if rule == bucket.rule])
        period = period_of(window, at)
        present = self.counts.get((bucket.rule, period), 0)
        if not isinstance(window, Sliding):
            return present
        before = self.counts.get((bucket.rule, period - 1), 0)
        return present + ceil(before * (window.seconds - at % window.seconds) / window.seconds)

    def take(self, holder: str, at: int, wanted: Sequence[Portion]) -> set[Bucket]:
        """Those that lack; nothing is taken where there are any."""
        lacking = {one.bucket for one in wanted if self.used(one.bucket, at) + one.amount > one.bucket.limit}
        for one in () if lacking else wanted:
            if isinstance(one.bucket.window, InProgress):
                self.places |= {(one.bucket.rule, holder, n): at + int(LEASE_S) for n in range(one.amount)}
            else:
                self.change(one.bucket, one.amount, at, at)
        return lacking

    def change(self, bucket: Bucket, amount: int, then: int, at: int) -> None:
        period, present = period_of(bucket.window, then), period_of(bucket.window, at)
        if period >= present - isinstance(bucket.window, Sliding):
            key = (bucket.rule, min(period, present))
            self.counts[key] = max(0, self.counts.get(key, 0) + amount)


BUCKETS = (MINUTE, TOKENS, DAY, MONTH, PLACES)
STEPS = st.lists(
    st.tuples(
        st.sampled_from([0, 0, 1, 3, 9, 30, 61, 125, 3600, 90_000, 3_000_000]),
        st.sampled_from("ttttcf"),
        st.lists(st.tuples(st.sampled_from(BUCKETS), st.integers(0, 3)), min_size=1, max_size=4),
    ),
    max_size=25,
)
AMOUNTS = {Measure.REQUESTS: 1, Measure.TOKENS: 250, Measure.MONEY: 1_500_000, Measure.CONCURRENT: 1}


# Each example begins with nothing on the server.
OURS = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow]


def _agree(script: Script, steps: Any) -> None:
    script.redis.flushall()
    model, at = Model(), START_MS // 1000
    for number, (later, what, wanted) in enumerate(steps):
        at += later
        named = {bucket: times * AMOUNTS[bucket.measure] for bucket, times in wanted}
        portions = tuple([Portion(bucket=bucket, amount=amount) for bucket, amount in named.items()])
        if what == "t":
            answer = script.take(f"h{number}", at, *portions)
            lacking = model.take(f"h{number}", at, portions)
            assert answer.at == at
            assert isinstance(answer.said, Denied) == bool(lacking)
            assert not isinstance(answer.said, Denied) or answer.said.bucket in lacking
            left = {one.bucket: max(0, one.bucket.limit - model.used(one.bucket, at)) for one in portions}
            assert {one.bucket: one.amount for one in answer.left} == {
                bucket: amount for bucket, amount in left.items() if bucket.measure is not Measure.CONCURRENT
            }
        elif what == "c":
            for one in portions:
                if one.bucket is not PLACES:
                    script.change(one.bucket, one.amount - 400, then=at - later, at=at)
                    model.change(one.bucket, one.amount - 400, at - later, at)
        else:
            for rule, holder, place in [*model.places]:
                script.free(PLACES, holder, place + 1, at)
                del model.places[rule, holder, place]
    assert all(script.redis.pttl(key) > 0 for key in script.redis.scan_iter())


@settings(max_examples=15, suppress_health_check=OURS)
@given(steps=STEPS)
def test_it_agrees_with_the_model(script: Script, steps: Any) -> None:
    _agree(script, steps)


@pytest.mark.exhaustive
@settings(max_examples=800, suppress_health_check=OURS)
@given(steps=STEPS)
def test_it_agrees_with_the_model_for_long(script: Script, steps: Any) -> None:
    _agree(script, steps)


def test_all_is_taken_or_nothing(script: Script) -> None:
    at = START_MS // 1000
    one, many = Portion(bucket=MINUTE, amount=1), Portion(bucket=TOKENS, amount=1001)
    denied = script.take("h", at, one, many, Portion(bucket=PLACES, amount=1)).said
    assert isinstance(denied, Denied)
    assert denied.bucket == TOKENS
    assert script.redis.keys() == []
    assert isinstance(script.take("h", at, one, Portion(bucket=TOKENS, amount=1000)).said, Taken)


@pytest.mark.parametrize(("later", "fits"), [(59, False), (60, False), (71, False), (72, True)])
def test_what_is_left_of_the_window_before_is_never_rounded_down(script: Script, later: int, *, fits: bool) -> None:
    at = START_MS // 1000 // 60 * 60
    script.take("h", at, Portion(bucket=MINUTE, amount=5))
    said = script.take("h", at + later, Portion(bucket=MINUTE, amount=1)).said
    assert isinstance(said, Taken) is fits


@pytest.mark.parametrize(
    ("bucket", "ago", "left"), [(MINUTE, 0, 1), (MINUTE, 60, 1), (MINUTE, 120, 5), (MINUTE, -60, 1)]
)
def test_what_is_told_late_counts_in_its_window_while_that_counts(
    script: Script, bucket: Bucket, ago: int, left: int
) -> None:
    at = START_MS // 1000 // 60 * 60
    script.change(bucket, 4, then=at - ago, at=at)
    assert [one.amount for one in script.take("h", at, Portion(bucket=bucket, amount=0)).left] == [left]


@pytest.mark.parametrize(("ago", "left"), [(0, 2600), (86_400, 3000), (-86_400, 2600)])
def test_a_day_that_is_over_is_told_nothing(script: Script, ago: int, left: int) -> None:
    at = START_MS // 1000
    script.change(DAY, 400, then=at - ago, at=at)
    assert [one.amount for one in script.take("h", at, Portion(bucket=DAY, amount=0)).left] == [left]


def test_of_several_that_lack_the_longest_wait_is_told(script: Script) -> None:
    at = START_MS // 1000
    everything = [Portion(bucket=bucket, amount=bucket.limit) for bucket in (TOKENS, MINUTE, DAY)]
    assert isinstance(script.take("a", at, *everything).said, Taken)
    denied = script.take("b", at, *[Portion(bucket=one.bucket, amount=1) for one in everything]).said
    assert isinstance(denied, Denied)
    assert (denied.bucket, denied.retry_after_s) == (MINUTE, pytest.approx(22.0))
    denied = script.take("b", at, Portion(bucket=TOKENS, amount=1), Portion(bucket=DAY, amount=1)).said
    assert isinstance(denied, Denied)
    assert denied.bucket == TOKENS, "the day ends in ten seconds"


@pytest.mark.parametrize("year", [1999, 2000, 2024, 2025, 2100])
def test_its_months_are_those_of_the_calendar(script: Script, year: int) -> None:
    for month in range(1, 13):
        first = int(datetime(year, month, 1, tzinfo=UTC).timestamp())
        for at in (first, first - 1):
            script.redis.flushall()
            script.take("h", at, Portion(bucket=MONTH, amount=1))
            assert script.redis.hgetall(key_of("test", MONTH)) == {str(period_of(MONTH.window, at)).encode(): b"1"}


def test_places_come_free_by_themselves_unless_they_are_kept(script: Script) -> None:
    at = START_MS // 1000
    for holder in "abc":
        assert isinstance(script.take(holder, at, Portion(bucket=PLACES, amount=1)).said, Taken)
    assert isinstance(script.take("d", at + 29, Portion(bucket=PLACES, amount=1)).said, Denied)
    script.keep(PLACES, "a", at + 29, only_known=True)
    assert isinstance(script.take("d", at + 30, Portion(bucket=PLACES, amount=2)).said, Taken)
    assert isinstance(script.take("e", at + 30, Portion(bucket=PLACES, amount=1)).said, Denied)


def test_a_place_that_was_freed_is_kept_only_where_redis_may_have_lost_it(script: Script) -> None:
    at = START_MS // 1000
    script.keep(PLACES, "a", at, only_known=True)
    assert script.redis.zcard(key_of("test", PLACES)) == 0
    script.keep(PLACES, "a", at, only_known=False)
    assert script.redis.zcard(key_of("test", PLACES)) == 1


def test_counts_stop_where_whole_numbers_do(script: Script) -> None:
    at = START_MS // 1000
    for _ in range(3):
        script.change(MONTH, 10**30, then=at, at=at)
    assert script.redis.hvals(key_of("test", MONTH)) == [str(2**53 - 1).encode()]
    script.change(MONTH, -(10**30), then=at, at=at)
    assert script.redis.hvals(key_of("test", MONTH)) == [b"0"]
    assert isinstance(script.take("h", at, Portion(bucket=MONTH, amount=10**30)).said, Denied)


def test_what_is_counted_outlives_a_change_of_the_limit(script: Script) -> None:
    at = START_MS // 1000
    script.take("h", at, Portion(bucket=MINUTE, amount=5))
    more = script.take("h", at, Portion(bucket=replace(MINUTE, limit=8), amount=1))
    assert [one.amount for one in more.left] == [2]


def test_a_bucket_keeps_no_more_periods_than_count(script: Script, redis: Any) -> None:
    at = START_MS // 1000
    for later in range(0, 600, 20):
        script.take("h", at + later, Portion(bucket=MINUTE, amount=1))
    assert script.redis.hlen(key_of("test", MINUTE)) <= 2
    assert "key:a" in redis.say("KEYS", "*")
