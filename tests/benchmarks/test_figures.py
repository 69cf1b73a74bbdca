import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.figures import BUCKETS_US, Measured, Row, Spread, figures_of, histogram, percentile, spread, verdict


@pytest.mark.rows
@pytest.mark.parametrize(
    ("share", "expected"), [(0.0, 10), (0.1, 10), (0.5, 50), (0.51, 60), (0.9, 90), (0.99, 100), (1.0, 100)]
)
def test_a_percentile_is_a_value_that_was_measured(share: float, expected: int) -> None:
    assert percentile(range(10, 101, 10), share) == expected


def test_one_value_is_every_percentile() -> None:
    assert percentile([7], 0.5) == percentile([7], 0.99) == 7


def test_no_value_has_no_percentile() -> None:
    with pytest.raises(ValueError, match="at least one"):
        percentile([], 0.5)


@given(st.lists(st.integers(0, 10**9), min_size=1).map(sorted), st.floats(0.01, 1))
def test_at_least_the_share_asked_for_is_at_or_below_a_percentile(ordered: list[int], share: float) -> None:
    found = percentile(ordered, share)
    assert sum(value <= found for value in ordered) >= share * len(ordered) - 1e-6


@given(st.lists(st.integers(0, 10**11)))
def test_a_histogram_counts_each_value_once(values: list[int]) -> None:
    assert sum(histogram(values).values()) == len(values)


def test_a_bucket_holds_its_upper_bound() -> None:
    assert histogram([10_000, 10_001, 20_000]) == {"10": 1, "20": 2}
    assert histogram([BUCKETS_US[-1] * 1000 + 1]) == {"more": 1}


def test_figures_of_whole_answers_are_for_each_answer() -> None:
    measured = Measured(
        wall_ns=2_000_000_000, cpu_ns=1_000_000_000, preempted=3, answers=5_000, tokens=5_000, latencies=[3_000_000]
    )
    assert figures_of(measured, streams=False) == {
        "answers": 5_000,
        "rate": 2_500,
        "cpu_share": 0.5,
        "preempted": 3,
        "cpu_us": 200,
        "latency_p50": 3,
        "latency_p90": 3,
        "latency_p99": 3,
        "latency_max": 3,
    }


def test_figures_of_streams_are_for_each_token() -> None:
    measured = Measured(
        wall_ns=1_000_000_000, cpu_ns=40_000_000, preempted=0, answers=10, tokens=1_000, delays=[50_000, 70_000]
    )
    figures = figures_of(measured, streams=True)
    assert figures["cpu_us"] == 40
    assert figures["token_rate"] == 1_000
    assert (figures["delay_p50"], figures["delay_p99"]) == (0.05, 0.07)
    assert "first_p50" not in figures


def test_a_window_without_answers_has_no_cost_of_one() -> None:
    figures = figures_of(Measured(wall_ns=1, cpu_ns=1, preempted=0, answers=0, tokens=0), streams=False)
    assert "cpu_us" not in figures


def test_a_spread_is_the_median_with_its_range() -> None:
    assert spread([3, 1, 2]) == Spread(median=2, low=1, high=3)
    assert spread([]) is None


def test_added_time_is_taken_round_by_round() -> None:
    floor = Row(scenario="s", contender="direct", rounds=[{"p50": 1.0}, {"p50": 5.0}])
    row = Row(scenario="s", contender="gateway", rounds=[{"p50": 2.0}, {"p50": 6.0}])
    assert row.added("p50", floor) == Spread(median=1, low=1, high=1)
    assert row.spread("p50") == Spread(median=4, low=2, high=6)


def test_a_figure_that_no_round_has_is_none() -> None:
    row = Row(scenario="s", contender="gateway", rounds=[{}])
    assert row.spread("p50") is None
    assert row.added("p50", Row(scenario="s", contender="direct", rounds=[{"p50": 1.0}])) is None


@pytest.mark.rows
@pytest.mark.parametrize(
    ("bound", "at_most", "at_least"),
    [
        (1, "MISSED", "met"),
        (2, "open, the range holds it", "met"),
        (3, "open, the range holds it", "open, the range holds it"),
        (4, "met", "open, the range holds it"),
        (5, "met", "MISSED"),
    ],
)
def test_a_range_that_holds_the_bound_is_no_verdict(bound: float, at_most: str, at_least: str) -> None:
    found = Spread(median=3, low=2, high=4)
    assert (verdict(found, bound), verdict(found, bound, more=True)) == (at_most, at_least)
