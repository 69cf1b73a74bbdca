"""Whether Redis can be counted on: the states, by themselves."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from gateway.stores._reach import CALM_S, FIRST_S, MOST_NEEDED, MOST_S, NEEDED, Reach


def _reached() -> Reach:
    reach = Reach(0.0)
    assert reach.answered()
    reach.back(0.0)
    return reach


def test_it_begins_unreached_and_the_first_answer_is_enough() -> None:
    reach = Reach(0.0)
    assert not reach.reached
    assert reach.answered()
    assert not reach.reached, "it comes back only once it was told what it is owed"
    reach.back(1.0)
    assert (reach.reached, reach.since, reach.changes) == (True, 1.0, 1)


def test_the_first_failure_is_enough_and_those_after_it_change_nothing() -> None:
    reach = _reached()
    assert reach.failed(5.0)
    assert (reach.reached, reach.since, reach.changes) == (False, 5.0, 2)
    assert not reach.failed(6.0)
    assert (reach.since, reach.changes) == (5.0, 2)


def test_it_has_to_answer_several_times_in_a_row() -> None:
    reach = _reached()
    reach.failed(CALM_S)
    assert [reach.answered() for _ in range(NEEDED)] == [False] * (NEEDED - 1) + [True]
    reach.failed(CALM_S + 1)
    assert [reach.answered() for _ in range(NEEDED)] == [False] * (NEEDED - 1) + [True]


def test_one_that_comes_and_goes_has_to_answer_more_often_until_it_stays() -> None:
    reach, now = _reached(), CALM_S
    needed: list[int] = []
    for stays in (0.0, 1.0, 1.0, 1.0, 1.0, CALM_S):
        now += stays
        reach.failed(now)
        answers = 1
        while not reach.answered():
            answers += 1
        needed.append(answers)
        reach.back(now)
    assert needed == [3, 6, 12, 24, MOST_NEEDED, 3]


def test_trials_are_further_apart_the_longer_it_is_away() -> None:
    reach = _reached()
    reach.failed(0.0)
    waits: list[float] = []
    for _ in range(6):
        waits.append(reach.wait_s(1.0))
        reach.failed(0.0)
    assert waits == [FIRST_S, 2 * FIRST_S, 4 * FIRST_S, MOST_S, MOST_S, MOST_S]
    reach.answered()
    assert reach.wait_s(1.0) == FIRST_S
    assert reach.wait_s(0.0) == FIRST_S / 2


@given(st.lists(st.sampled_from(["failed", "answered"])), st.floats(0, 1, exclude_max=True))
def test_whatever_happens_it_changes_only_from_one_to_the_other(events: list[str], chance: float) -> None:
    reach, told, now = Reach(0.0), [False], 0.0
    for event in events:
        now += 1.0
        if event == "failed":
            if reach.failed(now):
                told.append(False)
        elif reach.answered():
            reach.back(now)
            told.append(True)
        assert reach.reached is told[-1]
        assert reach.changes == len(told) - 1
        assert FIRST_S / 2 <= reach.wait_s(chance) <= MOST_S
    assert all(one is not other for one, other in pairwise(told))
