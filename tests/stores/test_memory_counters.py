"""Counts in memory: never more than the limit, all or nothing, and nothing lost or made up by settling."""

from collections.abc import Coroutine, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from math import inf
from typing import Any, TypeVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.domain.quota import Bucket, Calendar, Denied, InProgress, Measure, Portion, Sliding, Taken, Window
from gateway.stores._sums import Sum
from gateway.stores.memory_counters import OTHERS, MemoryCounters
from gateway.stores.share import Share

DAY = 86_400
NOON = 20_000 * DAY + DAY // 2
MINUTE = Sliding(seconds=60)


Result = TypeVar("Result")


def at_once(work: Coroutine[Any, Any, Result]) -> Result:
    """What ``work`` gives, which must not wait for anything."""
    try:
        work.send(None)
    except StopIteration as over:
        return over.value
    raise AssertionError("it waits")


@dataclass
class Clock:
    at: float = float(NOON)

    def __call__(self) -> float:
        return self.at


@dataclass
class Kept:
    """Counters that are called as if they were not asynchronous."""

    share: Share = field(default_factory=Share)
    most: int = 1000
    clock: Clock = field(default_factory=Clock)

    def __post_init__(self) -> None:
        self.counters = MemoryCounters(self.clock, self.share, most=self.most)

    def take(self, *wanted: tuple[Bucket, int], holder: str = "r") -> Taken | Denied:
        return at_once(self.counters.take(holder, tuple([Portion(bucket=b, amount=a) for b, a in wanted])))

    def taken(self, *wanted: tuple[Bucket, int], holder: str = "r") -> Taken:
        taken = self.take(*wanted, holder=holder)
        assert isinstance(taken, Taken)
        return taken

    def denied(self, *wanted: tuple[Bucket, int]) -> Denied:
        denied = self.take(*wanted)
        assert isinstance(denied, Denied)
        return denied

    def settle(self, taken: Taken, **used: int) -> None:
        self.counters.settle(taken, {Measure(name): amount for name, amount in used.items()})


@pytest.fixture
def kept() -> Kept:
    return Kept()


def bucket(
    limit: int = 10,
    window: Window = MINUTE,
    measure: Measure = Measure.REQUESTS,
    subject: str = "key:k",
    rule: str = "r",
) -> Bucket:
    return Bucket(rule=rule, subject=subject, measure=measure, window=window, limit=limit)


def test_what_is_left_is_told_and_then_nothing_is_given_out(kept: Kept) -> None:
    assert [kept.taken((bucket(2), 1)).left[0].amount for _ in range(2)] == [1, 0]
    assert kept.denied((bucket(2), 1)).bucket == bucket(2)


def test_subjects_rules_measures_and_windows_are_counted_apart(kept: Kept) -> None:
    for other in (
        bucket(1),
        bucket(1, subject="key:l"),
        bucket(1, rule="s"),
        bucket(1, measure=Measure.TOKENS),
        bucket(1, window=Sliding(seconds=61)),
    ):
        kept.taken((other, 1))
        kept.denied((other, 1))


def test_all_is_taken_or_nothing(kept: Kept) -> None:
    wide, tight = bucket(10), bucket(1, rule="tight")
    places = bucket(1, InProgress(), Measure.CONCURRENT)
    kept.taken((tight, 1))
    for _ in range(20):
        kept.denied((wide, 1), (places, 1), (tight, 1))
    assert kept.taken((wide, 10), (places, 1)).left[0].amount == 0


def test_of_several_that_are_full_the_one_that_takes_longest_is_told(kept: Kept) -> None:
    minute, day = bucket(1), bucket(1, Calendar(unit="day"), rule="day")
    kept.taken((day, 1), (minute, 1))
    denied = kept.denied((day, 1), (minute, 1))
    assert (denied.bucket, denied.retry_after_s) == (day, DAY // 2)
    assert kept.denied((minute, 1), (day, 1)).bucket == day


def test_after_the_time_told_there_is_room_and_not_before(kept: Kept) -> None:
    kept.clock.at += 20.0
    kept.taken((bucket(10), 10))
    wait = kept.denied((bucket(10), 1)).retry_after_s
    assert 40 < wait <= 60
    kept.clock.at += wait - 0.5
    kept.denied((bucket(10), 1))
    kept.clock.at += 0.5
    kept.taken((bucket(10), 1))


@given(
    st.lists(st.tuples(st.floats(0, 100), st.integers(1, 12)), max_size=12),
    st.integers(1, 12),
)
def test_whoever_waits_as_told_finds_room(before: Sequence[tuple[float, int]], amount: int) -> None:
    kept = Kept()
    for pause, one in before:
        kept.clock.at += pause
        kept.take((bucket(12), one))
    answer = kept.take((bucket(12), amount))
    if isinstance(answer, Denied):
        kept.clock.at += answer.retry_after_s + 1e-3
        kept.taken((bucket(12), amount))


def test_what_is_more_than_the_limit_never_fits(kept: Kept) -> None:
    assert kept.denied((bucket(10), 11)).retry_after_s == inf


@given(st.lists(st.tuples(st.floats(0, 90), st.integers(1, 7)), max_size=40), st.integers(1, 12))
def test_no_moment_has_more_than_the_limit_in_two_windows_as_defined(
    asked: Sequence[tuple[float, int]], limit: int
) -> None:
    kept = Kept()
    got: list[tuple[float, int]] = []
    for pause, amount in asked:
        kept.clock.at += pause
        if isinstance(kept.take((bucket(limit), amount)), Taken):
            got.append((kept.clock.at, amount))
        start = kept.clock.at // 60 * 60
        present = sum(amount for at, amount in got if at >= start)
        before = sum(amount for at, amount in got if start - 60 <= at < start)
        assert before * (start + 60 - kept.clock.at) / 60 + present <= limit + 1e-9
    assert all(one <= other for (one, _), (other, _) in pairwise(got))


@given(st.lists(st.tuples(st.floats(0, 40_000), st.integers(1, 7)), max_size=40))
def test_no_day_has_more_than_its_limit(asked: Sequence[tuple[float, int]]) -> None:
    kept, days = Kept(), dict[int, int]()
    daily = bucket(10, Calendar(unit="day"))
    for pause, amount in asked:
        kept.clock.at += pause
        if isinstance(kept.take((daily, amount)), Taken):
            day = int(kept.clock.at // DAY)
            days[day] = days.get(day, 0) + amount
    assert all(amount <= 10 for amount in days.values())


def test_a_day_that_is_over_is_forgotten_at_once(kept: Kept) -> None:
    daily = bucket(1, Calendar(unit="day"))
    kept.taken((daily, 1))
    kept.clock.at = NOON + DAY / 2 - 0.001
    assert kept.denied((daily, 1)).retry_after_s == pytest.approx(0.001, abs=1e-3)
    kept.clock.at = NOON + DAY / 2
    kept.taken((daily, 1))


def test_a_clock_that_is_set_back_gives_nothing_out_twice(kept: Kept) -> None:
    kept.taken((bucket(1), 1))
    kept.clock.at -= 3600
    kept.denied((bucket(1), 1))


TOKENS = bucket(100, measure=Measure.TOKENS)


def test_what_was_not_used_is_given_back(kept: Kept) -> None:
    taken = kept.taken((TOKENS, 100))
    kept.settle(taken, tokens=30)
    assert kept.taken((TOKENS, 70)).left[0].amount == 0


def test_a_count_may_be_named_by_another_object_that_says_the_same(kept: Kept) -> None:
    kept.taken((bucket(), 1), (TOKENS, 30))
    taken = kept.taken((bucket(100, measure=Measure.TOKENS), 70))
    assert (taken.portions[0].bucket is TOKENS, taken.left[0].amount) == (True, 0)


def test_what_is_not_named_stays_taken(kept: Kept) -> None:
    taken = kept.taken((bucket(), 1), (TOKENS, 40))
    kept.settle(taken, tokens=0)
    assert [one.amount for one in kept.taken((bucket(), 1), (TOKENS, 0)).left] == [8, 100]


def test_more_than_was_taken_and_more_than_there_is_denies_the_next_one(kept: Kept) -> None:
    taken = kept.taken((TOKENS, 10))
    kept.settle(taken, tokens=500)
    kept.denied((TOKENS, 1))
    kept.clock.at += 60
    kept.denied((TOKENS, 1))


def test_what_was_used_in_excess_of_a_window_long_gone_counts_now(kept: Kept) -> None:
    taken = kept.taken((TOKENS, 10))
    kept.clock.at += 300
    kept.settle(taken, tokens=110)
    kept.denied((TOKENS, 1))


def test_what_is_given_back_to_a_window_long_gone_makes_no_room_in_this_one(kept: Kept) -> None:
    taken = kept.taken((TOKENS, 100))
    kept.clock.at += 300
    kept.taken((TOKENS, 100))
    kept.settle(taken, tokens=0)
    kept.denied((TOKENS, 1))


def test_what_is_given_back_to_the_window_before_makes_room_in_that(kept: Kept) -> None:
    taken = kept.taken((TOKENS, 100))
    kept.clock.at += 60
    kept.denied((TOKENS, 1))
    kept.settle(taken, tokens=0)
    kept.taken((TOKENS, 100))


@given(st.lists(st.tuples(st.integers(0, 40), st.integers(0, 60), st.floats(0, 20)), max_size=20))
def test_settling_leaves_what_was_used_and_nothing_else(requests: Sequence[tuple[int, int, float]]) -> None:
    kept = Kept()
    daily = bucket(10**6, Calendar(unit="day"), Measure.TOKENS)
    used_in_all = 0
    for expected, used, pause in requests:
        taken = kept.taken((daily, expected))
        kept.clock.at += pause
        kept.settle(taken, tokens=used)
        used_in_all += used
    assert kept.taken((daily, 0)).left[0].amount == 10**6 - used_in_all


PLACES = bucket(2, InProgress(), Measure.CONCURRENT)


def test_places_are_free_again_when_requests_end(kept: Kept) -> None:
    first = kept.taken((PLACES, 1), holder="a")
    kept.taken((PLACES, 1), holder="b")
    assert kept.denied((PLACES, 1)).retry_after_s == 1.0
    kept.settle(first)
    kept.taken((PLACES, 1), holder="c")
    kept.denied((PLACES, 1))


def test_a_place_is_freed_once_however_often_it_is_settled(kept: Kept) -> None:
    first = kept.taken((PLACES, 1), holder="a")
    kept.taken((PLACES, 1), holder="b")
    for _ in range(3):
        kept.settle(first)
    kept.taken((PLACES, 1), holder="c")
    kept.denied((PLACES, 1))


def test_who_never_had_a_place_frees_none(kept: Kept) -> None:
    kept.taken((PLACES, 2), holder="a")
    kept.settle(Taken(holder="ghost", at=0.0, portions=(Portion(bucket=PLACES, amount=1),)))
    kept.denied((PLACES, 1))


@given(st.integers(1, 50), st.integers(2, 8))
def test_workers_together_give_out_the_limit_and_no_more(limit: int, workers: int) -> None:
    all_of_them = [Kept(share=Share(number=number, of=workers)) for number in range(1, workers + 1)]
    given_out = sum(isinstance(one.take((bucket(limit), 1)), Taken) for one in all_of_them for _ in range(limit + 1))
    assert given_out == limit


def test_what_is_left_is_told_over_all_workers(kept: Kept) -> None:
    half = Kept(share=Share(number=1, of=2))
    assert half.taken((bucket(10), 1)).left[0].amount == 8
    assert kept.taken((bucket(10), 1)).left[0].amount == 9


def test_what_is_larger_than_a_workers_part_never_fits_there() -> None:
    half = Kept(share=Share(number=1, of=2))
    assert half.denied((TOKENS, 51)).retry_after_s == inf
    half.taken((TOKENS, 50))


def test_counts_that_are_over_make_room_for_new_ones() -> None:
    kept = Kept(most=10)
    for number in range(1000):
        kept.taken((bucket(1, subject=f"key:{number}"), 1))
        kept.clock.at += 60
    assert kept.counters.size <= 10


def test_those_for_whom_there_is_no_room_are_counted_together() -> None:
    kept = Kept(most=3)
    for number in range(3):
        kept.taken((bucket(2, subject=f"key:{number}"), 1))
    taken = kept.taken((bucket(2, subject="key:late"), 1))
    assert taken.portions[0].bucket.subject == OTHERS
    kept.taken((bucket(2, subject="key:later"), 1))
    assert kept.denied((bucket(2, subject="key:last"), 1)).bucket.subject == "key:last"
    kept.settle(taken, requests=0)
    kept.taken((bucket(2, subject="key:last"), 1))
    # Who was there before is not touched by it.
    kept.taken((bucket(2, subject="key:1"), 1))
    kept.denied((bucket(2, subject="key:1"), 1))


HOURLY = bucket(10, Sliding(seconds=3600))
HOUR_START = NOON
NAME = "r requests hour key:k"


def exchange(*all_of_them: Kept, known: dict[tuple[str, int], Sum]) -> None:
    """What a file does between workers."""
    for one in all_of_them:
        for more in one.counters.outgoing():
            before = known.get((more.name, more.start))
            amount = more.amount + (before.amount if before else 0)
            known[more.name, more.start] = Sum(name=more.name, start=more.start, amount=amount, expires=more.expires)
        one.counters.told(known.values())


def test_long_windows_are_the_whole_limit_for_each_and_counted_over_all() -> None:
    one, other = Kept(share=Share(number=1, of=2)), Kept(share=Share(number=2, of=2))
    known: dict[tuple[str, int], Sum] = {}
    one.taken((HOURLY, 7))
    exchange(one, other, known=known)
    assert other.taken((HOURLY, 1)).left[0].amount == 2
    other.denied((HOURLY, 3))
    exchange(other, one, known=known)
    one.denied((HOURLY, 3))
    one.taken((HOURLY, 2))


def test_what_all_used_in_the_window_before_counts_as_well() -> None:
    one, other = Kept(share=Share(number=1, of=2)), Kept(share=Share(number=2, of=2))
    known: dict[tuple[str, int], Sum] = {}
    one.taken((HOURLY, 10))
    exchange(one, other, known=known)
    one.clock.at = other.clock.at = HOUR_START + 3600 + 1800
    other.denied((HOURLY, 6))
    other.taken((HOURLY, 5))
    one.taken((HOURLY, 5))


def test_what_could_not_be_told_is_told_the_next_time() -> None:
    one = Kept(share=Share(number=1, of=2))
    one.taken((HOURLY, 3))
    one.counters.outgoing()
    one.taken((HOURLY, 2))
    one.counters.untold()
    assert one.counters.waiting
    assert [(more.name, more.start, more.amount) for more in one.counters.outgoing()] == [(NAME, HOUR_START, 5)]
    one.counters.told(())
    assert not one.counters.waiting


def test_who_hears_nothing_of_the_others_has_its_part_of_what_was_left() -> None:
    one, other = Kept(share=Share(number=1, of=2)), Kept(share=Share(number=2, of=2))
    known: dict[tuple[str, int], Sum] = {}
    one.taken((HOURLY, 4))
    exchange(one, other, known=known)
    for cut_off in (one, other):
        cut_off.counters.outgoing()
        cut_off.counters.untold()
        cut_off.taken((HOURLY, 3))
        cut_off.denied((HOURLY, 1))
    exchange(one, other, known=known)
    assert known[NAME, HOUR_START].amount == 10
    other.denied((HOURLY, 1))


def test_what_is_used_while_it_is_being_told_is_neither_lost_nor_counted_twice() -> None:
    one = Kept()
    one.taken((HOURLY, 3))
    (more,) = one.counters.outgoing()
    one.taken((HOURLY, 2))
    one.counters.told([more])
    assert one.taken((HOURLY, 1)).left[0].amount == 4
    assert [more.amount for more in one.counters.outgoing()] == [3]


def test_what_is_given_back_is_told_too() -> None:
    one = Kept()
    taken = one.taken((HOURLY, 6))
    one.counters.outgoing()
    one.counters.told([Sum(name=NAME, start=HOUR_START, amount=6, expires=HOUR_START + 7200)])
    one.clock.at += 3600
    one.settle(taken, requests=2)
    assert [(more.start, more.amount) for more in one.counters.outgoing()] == [(HOUR_START, -4)]


def test_what_is_larger_than_an_hours_limit_is_told_to_wait_until_all_is_there_again() -> None:
    assert Kept().denied((HOURLY, 11)).retry_after_s == 7200.0


def test_sums_that_count_no_more_are_forgotten() -> None:
    one = Kept()
    one.counters.told([Sum(name=NAME, start=HOUR_START, amount=6, expires=HOUR_START + 7200)])
    one.counters.sweep()
    assert one.taken((HOURLY, 1)).left[0].amount == 3
    fresh = Kept()
    fresh.counters.told([Sum(name=NAME, start=HOUR_START, amount=6, expires=HOUR_START)])
    fresh.counters.sweep()
    assert fresh.taken((HOURLY, 1)).left[0].amount == 9
