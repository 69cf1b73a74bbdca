# ruff: noqa: S311 — what is drawn is to be drawn again

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.soaking.trend import trend

SECONDS = [5.0 * n for n in range(200)]


def test_the_slope_is_for_an_hour_and_a_line_leaves_nothing_open() -> None:
    found = trend(SECONDS, [100 + 2 * second for second in SECONDS])
    assert found is not None
    assert found.per_hour == pytest.approx(7200)
    assert found.low == pytest.approx(7200)
    assert found.high == pytest.approx(7200)


def test_what_stays_as_it_is_has_no_trend() -> None:
    found = trend(SECONDS, [7.0] * 200)
    assert found is not None
    assert (found.per_hour, found.low, found.high) == (0, 0, 0)


@pytest.mark.rows
@pytest.mark.parametrize("seconds", [[], [1.0, 2.0, 3.0], [1.0] * 9])
def test_too_few_samples_or_all_at_one_time_have_none(seconds: list[float]) -> None:
    assert trend(seconds, list(range(len(seconds)))) is None


def wandering(chance: random.Random, growth: float, alike: float) -> list[float]:
    """Noise in which each value says something of the next, above a line."""
    values, level = list[float](), 0.0
    for second in SECONDS:
        level = alike * level + chance.gauss(0, 1)
        values.append(level + growth * second)
    return values


@pytest.mark.parametrize("alike", [0.0, 0.6])
def test_the_interval_holds_the_true_slope_about_as_often_as_it_says(alike: float) -> None:
    chance = random.Random(17)
    held = 0
    for _ in range(300):
        found = trend(SECONDS, wandering(chance, growth=0.01, alike=alike))
        assert found is not None
        held += found.low <= 36 <= found.high
    assert 0.90 <= held / 300 <= 0.99


def test_growth_that_is_certain_is_told_from_noise() -> None:
    chance = random.Random(17)
    flat = trend(SECONDS, wandering(chance, growth=0.0, alike=0.5))
    grows = trend(SECONDS, wandering(chance, growth=0.02, alike=0.5))
    assert flat is not None
    assert grows is not None
    assert flat.low < 0 < flat.high
    assert grows.low > 36


@given(st.lists(st.floats(-1e9, 1e9), min_size=4, max_size=50))
def test_the_slope_lies_in_its_interval(values: list[float]) -> None:
    found = trend(list(range(len(values))), values)
    assert found is not None
    assert found.low <= found.per_hour <= found.high
