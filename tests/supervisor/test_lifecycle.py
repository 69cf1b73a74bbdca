from hypothesis import given
from hypothesis import strategies as st

from gateway.supervisor.lifecycle import Backoff, Lifecycle, Phase

BACKOFF = Backoff(forgiven=1, first=0.5, most=4.0, stable=10.0)


def test_the_first_death_costs_nothing_and_later_ones_wait_twice_as_long_up_to_a_limit() -> None:
    assert [BACKOFF.delay(deaths) for deaths in range(8)] == [0.0, 0.0, 0.5, 1.0, 2.0, 4.0, 4.0, 4.0]


def test_a_child_that_dies_for_weeks_still_has_a_finite_wait() -> None:
    assert BACKOFF.delay(10**9) == 4.0


@given(st.integers(min_value=0, max_value=10_000))
def test_a_wait_never_shrinks_with_more_deaths(deaths: int) -> None:
    assert BACKOFF.delay(deaths) <= BACKOFF.delay(deaths + 1) <= BACKOFF.most


def test_a_worker_is_due_from_the_beginning() -> None:
    assert Lifecycle(on_demand=False, backoff=BACKOFF).phase is Phase.DUE


def test_a_child_on_demand_is_due_only_once_somebody_needs_it() -> None:
    child = Lifecycle(on_demand=True, backoff=BACKOFF)
    assert child.phase is Phase.IDLE
    child.demanded()
    assert child.phase is Phase.DUE


def test_demand_changes_nothing_while_the_child_runs() -> None:
    child = Lifecycle(on_demand=True, backoff=BACKOFF)
    child.spawned(0.0)
    child.demanded()
    assert child.phase is Phase.RUNNING


def test_a_worker_that_dies_once_is_due_at_once_and_a_child_on_demand_waits_for_demand() -> None:
    worker, model = (Lifecycle(on_demand=on_demand, backoff=BACKOFF) for on_demand in (False, True))
    for child in (worker, model):
        child.spawned(0.0)
        assert child.exited(1.0) == 0.0
    assert (worker.phase, model.phase) == (Phase.DUE, Phase.IDLE)


def test_a_child_that_keeps_dying_rests_and_demand_does_not_wake_it() -> None:
    child = Lifecycle(on_demand=True, backoff=BACKOFF)
    child.exited(0.0)
    assert child.exited(100.0) == 0.5
    child.demanded()
    assert child.phase is Phase.RESTING
    assert child.resume_at == 100.5


def test_a_rest_ends_when_its_time_is_over_and_not_before() -> None:
    child = Lifecycle(on_demand=False, backoff=BACKOFF)
    child.exited(0.0)
    child.exited(0.0)
    assert not child.rested(0.49)
    assert child.phase is Phase.RESTING
    assert child.rested(0.5)
    assert child.phase is Phase.DUE
    assert child.resume_at is None


def test_the_end_of_a_rest_is_told_once() -> None:
    child = Lifecycle(on_demand=False, backoff=BACKOFF)
    child.exited(0.0)
    child.exited(0.0)
    assert [child.rested(1.0), child.rested(1.0)] == [True, False]


def test_a_child_that_lived_long_enough_has_cleared_its_record_and_one_that_did_not_has_not() -> None:
    child = Lifecycle(on_demand=False, backoff=BACKOFF)
    for _ in range(5):
        child.exited(0.0)
    child.spawned(0.0)
    assert child.exited(9.9) > 0
    child.spawned(10.0)
    assert child.exited(20.0) == 0.0
