"""What is known of a target, and is what is counted given back?"""

import logging
from collections.abc import Callable
from dataclasses import replace

import pytest

from gateway.domain.target import BreakerLimits, HealthCheck, Target
from gateway.pipeline.breaker import Outcome, State
from gateway.pipeline.condition import Condition, Conditions

MakeTarget = Callable[..., Target]


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def condition(a_target: MakeTarget, clock: Clock) -> Condition:
    limits = BreakerLimits(failures=2, cooldown_s=2.0, longest_s=8.0)
    return Conditions(ticks=clock, draw=lambda: 1.0).of(replace(a_target("t"), breaker=limits))


def call(condition: Condition, outcome: Outcome, came_to: str = "answered", rest_s: float | None = None) -> None:
    ticket = condition.begin(again=False)
    assert ticket is not None
    ticket.end(outcome, came_to, rest_s=rest_s)


def test_a_call_counts_as_in_progress_until_it_ends_once(condition: Condition) -> None:
    one, other = condition.begin(again=False), condition.begin(again=False)
    assert one is not None
    assert other is not None
    assert condition.pending == 2
    one.end(Outcome.SUCCEEDED)
    one.end(Outcome.FAILED, "upstream_failed")
    one.abandon()
    one.drop()
    assert (condition.pending, dict(condition.attempts)) == (1, {"answered": 1})
    other.drop()
    assert (condition.pending, dict(condition.attempts)) == (0, {"answered": 1})


def test_a_streamed_answer_is_in_other_hands(condition: Condition) -> None:
    ticket = condition.begin(again=False)
    assert ticket is not None
    taken = ticket.answering()
    ticket.drop()
    assert condition.pending == 1
    taken.end(Outcome.SUCCEEDED)
    assert (condition.pending, dict(condition.attempts)) == (0, {"answered": 1})


def test_a_ticket_that_nobody_holds_any_more_ends(condition: Condition) -> None:
    ticket = condition.begin(again=False)
    assert ticket is not None
    taken = ticket.answering()
    del ticket
    assert condition.pending == 1
    del taken
    assert (condition.pending, dict(condition.attempts)) == (0, {"abandoned": 1})


def test_a_target_that_asks_for_it_is_left_alone_by_all(condition: Condition, clock: Clock) -> None:
    call(condition, Outcome.NEITHER, "upstream_overloaded", rest_s=3.0)
    assert condition.begin(again=False) is None
    assert (condition.wait(again=False), condition.left()) == (3.0, (False, 3.0))
    clock.now += 2.9
    assert condition.begin(again=False) is None
    clock.now += 0.1
    call(condition, Outcome.SUCCEEDED)
    assert (condition.wait(again=False), condition.breaker.state) == (0.0, State.CLOSED)


def test_the_longest_rest_that_was_asked_for_counts_up_to_a_bound(condition: Condition, a_target: MakeTarget) -> None:
    tickets = [condition.begin(again=False) for _ in range(3)]
    for ticket, rest in zip(tickets, (5.0, 1.0, 0.0), strict=True):
        assert ticket is not None
        ticket.end(Outcome.NEITHER, "upstream_overloaded", rest_s=rest)
    assert condition.wait(again=False) == 5.0
    late = Conditions(ticks=lambda: 0.0).of(a_target("late"))
    call(late, Outcome.NEITHER, "upstream_overloaded", rest_s=1e9)
    assert late.wait(again=False) == BreakerLimits().longest_rest_s


def test_a_target_whose_wish_is_not_to_be_minded_is_not_left_alone(a_target: MakeTarget) -> None:
    condition = Conditions().of(replace(a_target("t"), breaker=BreakerLimits(longest_rest_s=0.0)))
    call(condition, Outcome.NEITHER, "upstream_overloaded", rest_s=7.0)
    assert condition.begin(again=False) is not None


def test_an_open_breaker_lets_nothing_through_and_waiting_for_it_is_of_no_use(
    condition: Condition, clock: Clock
) -> None:
    for _ in range(2):
        call(condition, Outcome.FAILED, "upstream_failed")
    assert condition.begin(again=False) is None
    assert (condition.wait(again=False), condition.left()) == (None, (True, 2.0))
    clock.now += 2.0
    trial = condition.begin(again=False)
    assert trial is not None
    assert condition.begin(again=False) is None
    streamed = trial.answering()
    assert condition.breaker.state is State.CLOSED
    streamed.abandon()
    assert (condition.pending, condition.breaker.state) == (0, State.CLOSED)


def test_a_trial_that_nobody_waits_for_leaves_its_place_to_the_next(condition: Condition, clock: Clock) -> None:
    for _ in range(2):
        call(condition, Outcome.FAILED, "upstream_failed")
    clock.now += 2.0
    trial = condition.begin(again=False)
    assert trial is not None
    trial.abandon()
    assert condition.begin(again=False) is not None


def test_few_calls_are_made_again(condition: Condition) -> None:
    made = 0
    while (ticket := condition.begin(again=True)) is not None:
        ticket.end(Outcome.NEITHER)
        made += 1
    assert (made, condition.again, condition.wait(again=True)) == (10, 10, None)
    # Ten first calls earn one more; what is asked for the first time is not held up.
    for _ in range(11):
        call(condition, Outcome.SUCCEEDED)
    assert condition.wait(again=True) == 0.0
    assert condition.begin(again=True) is not None
    assert condition.begin(again=True) is None


def test_its_standing_says_how_it_is_doing(condition: Condition) -> None:
    call(condition, Outcome.FAILED, "upstream_failed")
    call(condition, Outcome.NEITHER, "abandoned")
    call(condition, Outcome.NEITHER, "upstream_overloaded", rest_s=4.0)
    standing = condition.standing
    assert (standing.target, standing.state, standing.pending, standing.failures) == ("t", State.CLOSED, 0, 1)
    assert (standing.resting_s, standing.retry_s, standing.error) == (4.0, 0.0, "upstream_overloaded")
    assert standing.attempts == {"upstream_failed": 1, "abandoned": 1, "upstream_overloaded": 1}


def test_each_change_of_the_breaker_is_one_line(
    condition: Condition, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "splitgate.targets")
    for _ in range(2):
        call(condition, Outcome.FAILED, "upstream_failed")
    clock.now += 2.0
    call(condition, Outcome.SUCCEEDED)
    for _ in range(2):
        condition.probed(HealthCheck(path="/", failures=2), well=False)
    told = [record.getMessage() for record in caplog.records]
    assert told == [
        "target t: its breaker was closed and is open after 2 failures in a row, the last one upstream_failed",
        "target t: its breaker was open and is half-open",
        "target t: its breaker was half-open and is closed",
        "target t: its breaker was closed and is open after failing health probes",
    ]
    assert [record.levelname for record in caplog.records] == ["WARNING", "INFO", "INFO", "WARNING"]


def test_conditions_are_shared_by_all_who_ask(a_target: MakeTarget) -> None:
    conditions = Conditions([a_target("a")])
    assert conditions.of(a_target("a")) is conditions.of(a_target("a"))
    conditions.of(a_target("b"))
    assert [standing.target for standing in conditions.standings()] == ["a", "b"]
