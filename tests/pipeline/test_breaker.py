"""When does a breaker let a call through, and when none?"""

from collections.abc import Callable
from itertools import pairwise
from typing import TypeAlias

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.domain.target import BreakerLimits
from gateway.pipeline.breaker import Admission, Breaker, Outcome, State

LIMITS = BreakerLimits(failures=3, cooldown_s=2.0, longest_s=16.0)

Changes: TypeAlias = list[tuple[State, State]]


@pytest.fixture
def changes() -> Changes:
    return []


@pytest.fixture
def breaker(changes: Changes) -> Breaker:
    return made(changes)


def made(changes: Changes, limits: BreakerLimits = LIMITS, draw: Callable[[], float] = lambda: 1.0) -> Breaker:
    return Breaker(limits, draw, lambda before, after: changes.append((before, after)))


def call(breaker: Breaker, outcome: Outcome, now: float = 0.0) -> None:
    assert breaker.admits(now)
    breaker.end(breaker.begin(now), outcome, now)


def opened(breaker: Breaker, now: float = 0.0) -> None:
    for _ in range(LIMITS.failures):
        call(breaker, Outcome.FAILED, now)


def test_so_many_failures_in_a_row_open_it(breaker: Breaker, changes: Changes) -> None:
    for _ in range(LIMITS.failures - 1):
        call(breaker, Outcome.FAILED)
    assert (breaker.state, changes) == (State.CLOSED, [])
    call(breaker, Outcome.FAILED)
    assert (breaker.state, breaker.admits(1.9), breaker.left(0.5)) == (State.OPEN, False, 1.5)
    assert changes == [(State.CLOSED, State.OPEN)]


def test_a_success_between_them_begins_the_count_anew(breaker: Breaker) -> None:
    for outcome in [Outcome.FAILED, Outcome.FAILED, Outcome.SUCCEEDED, Outcome.FAILED, Outcome.FAILED]:
        call(breaker, outcome)
    assert (breaker.state, breaker.failures) == (State.CLOSED, 2)


def test_a_call_that_says_nothing_neither_counts_nor_forgives(breaker: Breaker) -> None:
    for outcome in [Outcome.FAILED, Outcome.NEITHER, Outcome.FAILED, Outcome.NEITHER]:
        call(breaker, outcome)
    assert (breaker.state, breaker.failures) == (State.CLOSED, 2)
    call(breaker, Outcome.FAILED)
    assert breaker.state is State.OPEN


def test_after_the_cool_down_one_call_at_a_time_is_a_trial(breaker: Breaker) -> None:
    opened(breaker)
    assert not breaker.admits(1.99)
    assert breaker.admits(2.0)
    breaker.begin(2.0)
    assert (breaker.state, breaker.admits(2.0), breaker.admits(17.9)) == (State.HALF_OPEN, False, False)


def test_a_trial_that_never_ends_is_followed_by_another(breaker: Breaker) -> None:
    opened(breaker)
    endless = breaker.begin(2.0)
    assert breaker.admits(18.0)
    later = breaker.begin(18.0)
    # Nobody waits for the first one any more: that frees nothing, since another one is under way.
    breaker.end(endless, Outcome.NEITHER, 18.0)
    assert not breaker.admits(18.0)
    breaker.end(later, Outcome.SUCCEEDED, 19.0)
    assert breaker.state is State.CLOSED


def test_a_trial_that_comes_out_well_closes_it(breaker: Breaker, changes: Changes) -> None:
    opened(breaker)
    breaker.end(breaker.begin(2.0), Outcome.SUCCEEDED, 3.0)
    assert (breaker.state, breaker.failures, breaker.left(3.0)) == (State.CLOSED, 0, 0.0)
    assert changes == [(State.CLOSED, State.OPEN), (State.OPEN, State.HALF_OPEN), (State.HALF_OPEN, State.CLOSED)]


def test_each_trial_that_fails_doubles_the_cool_down_up_to_the_longest(breaker: Breaker) -> None:
    opened(breaker)
    now, waits = 0.0, list[float]()
    for _ in range(6):
        waits.append(breaker.left(now))
        now += breaker.left(now)
        breaker.end(breaker.begin(now), Outcome.FAILED, now)
    assert waits == [2.0, 4.0, 8.0, 16.0, 16.0, 16.0]


def test_a_target_that_recovered_begins_with_the_first_cool_down_again(breaker: Breaker) -> None:
    opened(breaker)
    breaker.end(breaker.begin(2.0), Outcome.FAILED, 2.0)
    breaker.end(breaker.begin(6.0), Outcome.SUCCEEDED, 6.0)
    opened(breaker, 7.0)
    assert breaker.left(7.0) == 2.0


def test_a_trial_that_says_nothing_frees_its_place(breaker: Breaker) -> None:
    opened(breaker)
    breaker.end(breaker.begin(2.0), Outcome.NEITHER, 2.5)
    assert (breaker.state, breaker.admits(2.5)) == (State.HALF_OPEN, True)


@pytest.mark.parametrize("outcome", list(Outcome))
def test_what_began_before_it_opened_says_nothing_about_now(breaker: Breaker, outcome: Outcome) -> None:
    before = breaker.begin(0.0)
    opened(breaker)
    breaker.end(before, outcome, 1.0)
    assert (breaker.state, breaker.left(1.0)) == (State.OPEN, 1.0)
    breaker.begin(2.0)
    breaker.end(before, outcome, 2.0)
    assert (breaker.state, breaker.admits(2.0)) == (State.HALF_OPEN, False)


def test_a_streamed_trial_closes_it_when_its_answer_begins(breaker: Breaker) -> None:
    opened(breaker)
    trial = breaker.begin(2.0)
    going_on = breaker.settle(trial, 2.5)
    assert breaker.state is State.CLOSED
    # From there on it is a call like others: one failure opens nothing.
    breaker.end(going_on, Outcome.FAILED, 9.0)
    assert (breaker.state, breaker.failures) == (State.CLOSED, 1)


def test_a_streamed_trial_that_was_overtaken_changes_nothing(breaker: Breaker) -> None:
    opened(breaker)
    endless = breaker.begin(2.0)
    breaker.end(breaker.begin(18.0), Outcome.FAILED, 18.0)
    assert breaker.settle(endless, 18.5) is endless
    assert breaker.state is State.OPEN


def test_none_of_it_where_the_limit_is_zero(changes: Changes) -> None:
    breaker = made(changes, BreakerLimits(failures=0))
    for _ in range(100):
        call(breaker, Outcome.FAILED)
    assert (breaker.state, changes) == (State.CLOSED, [])


@pytest.mark.parametrize(("drawn", "left"), [(0.0, 1.0), (0.5, 1.5), (1.0, 2.0)])
def test_the_cool_down_is_drawn(changes: Changes, drawn: float, left: float) -> None:
    breaker = made(changes, draw=lambda: drawn)
    opened(breaker)
    assert breaker.left(0.0) == left


def test_failing_probes_open_it_and_a_good_one_closes_it(breaker: Breaker) -> None:
    breaker.probed(0.0, well=False, most=2, hold_s=9.0)
    breaker.probed(1.0, well=True, most=2, hold_s=9.0)
    breaker.probed(2.0, well=False, most=2, hold_s=9.0)
    assert breaker.state is State.CLOSED
    breaker.probed(3.0, well=False, most=2, hold_s=9.0)
    assert (breaker.state, breaker.unwell) == (State.OPEN, True)
    breaker.probed(3.1, well=True, most=2, hold_s=9.0)
    assert (breaker.state, breaker.unwell) == (State.CLOSED, False)


def test_a_good_probe_has_a_target_tried_that_failed_at_its_work(breaker: Breaker) -> None:
    opened(breaker)
    breaker.probed(0.5, well=True, most=2, hold_s=9.0)
    assert (breaker.state, breaker.admits(0.5)) == (State.OPEN, True)
    breaker.begin(0.5)
    breaker.probed(0.6, well=True, most=2, hold_s=9.0)
    assert (breaker.state, breaker.admits(0.6)) == (State.HALF_OPEN, False)


def test_while_probes_go_on_failing_no_call_is_a_trial(breaker: Breaker) -> None:
    for now in (0.0, 8.0, 16.0):
        breaker.probed(now, well=False, most=1, hold_s=9.0)
    assert (breaker.left(16.0), breaker.unwell) == (9.0, True)
    # Should no probe come any more, a call may find out.
    assert breaker.admits(25.0)
    breaker.end(breaker.begin(25.0), Outcome.FAILED, 25.0)
    assert not breaker.unwell


def test_probes_that_fail_as_calls_do_keep_it_open_and_a_good_one_closes_it(breaker: Breaker) -> None:
    opened(breaker)
    breaker.probed(0.5, well=False, most=2, hold_s=9.0)
    assert breaker.left(0.5) == 1.5
    breaker.probed(1.0, well=False, most=2, hold_s=9.0)
    assert breaker.left(1.0) == 9.0
    breaker.probed(2.0, well=True, most=2, hold_s=9.0)
    assert breaker.state is State.CLOSED


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["begin", "end", "probe", "settle"]),
        st.sampled_from(list(Outcome)),
        st.integers(0, 9),
        st.floats(0, 20, allow_nan=False),
    ),
    max_size=60,
)


@given(steps=STEPS)
def test_whatever_happens_it_comes_round(steps: list[tuple[str, Outcome, int, float]]) -> None:
    changes: Changes = []
    breaker, now = made(changes), 0.0
    under_way: list[Admission] = []
    for what, outcome, which, later in steps:
        now += later
        match what:
            case "begin" if breaker.admits(now):
                was_closed = breaker.state is State.CLOSED
                under_way.append(breaker.begin(now))
                # One trial at a time, for as long as the longest cool-down.
                assert was_closed or not breaker.admits(now + LIMITS.longest_s - 0.01)
            case "end" if under_way:
                breaker.end(under_way.pop(which % len(under_way)), outcome, now)
            case "settle" if under_way:
                place = which % len(under_way)
                if under_way[place].trial:
                    under_way[place] = breaker.settle(under_way[place], now)
            case "probe":
                breaker.probed(now, well=outcome is Outcome.SUCCEEDED, most=2, hold_s=9.0)
            case _:
                pass
        assert breaker.left(now) <= LIMITS.longest_s + 1e-6
        assert (breaker.left(now) == 0.0) == breaker.admits(now)
    # Whatever was lost on the way, after the longest cool-down a call may be made, and one that succeeds closes it.
    now += LIMITS.longest_s
    assert breaker.admits(now)
    breaker.end(breaker.begin(now), Outcome.SUCCEEDED, now)
    assert breaker.state is State.CLOSED
    assert all(before is not after for before, after in changes)
    assert all(one[1] is other[0] for one, other in pairwise(changes))
