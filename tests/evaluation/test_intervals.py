from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.domain.card import Score
from gateway.evaluation.intervals import (
    difference,
    difference_over_seeds,
    over_seeds,
    separation,
    share,
    share_of,
)

runs = st.lists(st.booleans(), min_size=1, max_size=30)
twins = st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=30)


def shape(score: Score | None) -> tuple[float, float, float, int]:
    assert score is not None
    return round(score.value, 4), round(score.low, 4), round(score.high, 4), score.n


@pytest.mark.rows
@pytest.mark.parametrize(
    ("hits", "n", "low", "high"),
    [
        # Newcombe 1998, table 1: method 3, the score without a correction.
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0, 0.1611),
        (1, 29, 0.0061, 0.1718),
        (20, 20, 0.8389, 1.0),
    ],
)
def test_a_share_has_wilsons_bounds(hits: int, n: int, low: float, high: float) -> None:
    assert shape(share(hits, n)) == (round(hits / n, 4), low, high, n)


def test_of_no_cases_there_is_no_share() -> None:
    assert share(0, 0) is None
    assert share_of([]) is None


@pytest.mark.parametrize(("hits", "n"), [(-1, 3), (4, 3), (1, 0)])
def test_what_is_no_share_is_refused(hits: int, n: int) -> None:
    with pytest.raises(ValueError, match="is no share"):
        share(hits, n)


@given(st.data(), st.integers(1, 5_000))
def test_bounds_are_within_0_and_1_and_hold_the_share(data: st.DataObject, n: int) -> None:
    score = share(data.draw(st.integers(0, n)), n)
    assert score is not None
    assert 0 <= score.low <= score.value <= score.high <= 1
    assert score.low < score.high


@given(st.integers(0, 20), st.integers(1, 20))
def test_bounds_shrink_with_the_cases(hits: int, more: int) -> None:
    n = hits + more
    widths = [score.high - score.low for times in (1, 2, 4, 8) if (score := share(hits * times, n * times)) is not None]
    assert all(wider > narrower for wider, narrower in pairwise(widths))


@given(runs)
def test_what_hits_and_what_misses_have_mirrored_bounds(run: list[bool]) -> None:
    hits, misses = share_of(run), share_of([not one for one in run])
    assert hits is not None
    assert misses is not None
    assert (hits.low, hits.high) == pytest.approx((1 - misses.high, 1 - misses.low))


def test_separation_is_of_probes_that_were_followed_as_instructions() -> None:
    found = separation([(True, False)] * 6 + [(True, True)] * 2 + [(False, True)] * 7 + [(False, False)] * 5)
    assert found is not None
    assert found.value == 6 / 8
    assert found.n == 20


def test_where_no_probe_is_followed_as_an_instruction_there_is_no_separation() -> None:
    assert separation([]) is None
    assert separation([(False, True), (False, False)]) is None


def test_twins_that_are_all_alike_do_not_say_that_all_others_are() -> None:
    assert shape(separation([(True, False)] * 20)) == (1.0, 0.8389, 1.0, 20)
    assert shape(separation([(True, True)] * 20)) == (0.0, 0.0, 0.1611, 20)


@settings(max_examples=20, deadline=None)
@given(twins)
def test_the_bounds_of_separation_are_the_same_each_time_and_no_narrower_than_wilsons(
    pairs: list[tuple[bool, bool]],
) -> None:
    found = separation(pairs)
    assert separation(pairs) == found
    wilson = share_of([not data for instruction, data in pairs if instruction])
    if found is None or wilson is None:
        assert found is wilson
        return
    assert 0 <= found.low <= wilson.low <= found.value <= wilson.high <= found.high <= 1


def test_the_bounds_of_separation_shrink_with_the_twins() -> None:
    few = [(True, False)] * 6 + [(True, True)] * 2 + [(False, False)] * 2
    widths = [found.high - found.low for times in (1, 4, 16) if (found := separation(few * times)) is not None]
    assert all(wider > narrower for wider, narrower in pairwise(widths))


def test_a_difference_pairs_the_cases() -> None:
    first, second = [True] * 60 + [False] * 40, [True] * 50 + [False] * 50
    paired = difference(first, second)
    assert (paired.value, paired.n) == (pytest.approx(0.1), 100)
    assert 0.03 < paired.low < 0.07
    assert 0.13 < paired.high < 0.18
    # The same shares, of which most change places: the bounds hold 0.
    crossed = difference(first, list(reversed(second)))
    assert crossed.value == pytest.approx(0.1)
    assert crossed.low < 0 < crossed.high


def test_runs_that_are_alike_may_still_differ_on_other_cases() -> None:
    alike = difference([True] * 20, [True] * 20)
    assert (alike.value, round(alike.low, 4), round(alike.high, 4)) == (0.0, -0.1611, 0.1611)
    apart = difference([True] * 20, [False] * 20)
    assert (apart.value, round(apart.low, 4), apart.high) == (1.0, 0.8389, 1.0)


@settings(max_examples=20, deadline=None)
@given(st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=20))
def test_a_difference_turns_its_sign_with_the_runs(pairs: list[tuple[bool, bool]]) -> None:
    first, second = [one for one, _ in pairs], [other for _, other in pairs]
    found, turned = difference(first, second), difference(second, first)
    assert -1 <= found.low <= found.value <= found.high <= 1
    assert turned.value == pytest.approx(-found.value)


def test_seeds_that_disagree_widen_the_bounds() -> None:
    base = [False] * 100
    steady = [[True] * 20 + [False] * 80] * 3
    torn = [[True] * 60 + [False] * 40, [False] * 100, [False] * 100]
    narrow, wide = difference_over_seeds(steady, [base]), difference_over_seeds(torn, [base])
    assert narrow.value == pytest.approx(wide.value) == pytest.approx(0.2)
    assert wide.high - wide.low > narrow.high - narrow.low
    assert narrow.low > 0 >= wide.low


def test_a_share_over_seeds_has_each_and_the_mean() -> None:
    found = over_seeds([[True, True, False, False], [True, False, False, False]])
    assert found.mean.value == pytest.approx(0.375)
    assert found.mean.n == 4
    assert [one.value for one in found.each] == [0.5, 0.25]


@settings(max_examples=20, deadline=None)
@given(st.lists(st.lists(st.booleans(), min_size=8, max_size=8), min_size=1, max_size=3))
def test_seeds_make_no_more_cases_of_them(seeds: list[list[bool]]) -> None:
    found, alone = over_seeds(seeds), over_seeds([seeds[0]] * 3).mean
    assert 0 <= found.mean.low <= found.mean.value <= found.mean.high <= 1
    one = share_of(seeds[0])
    assert one is not None
    assert alone.low <= one.low + 1e-9
    assert alone.high >= one.high - 1e-9


@pytest.mark.parametrize("wrong", [[[True], [True, False]], [[], []]])
def test_runs_of_other_cases_are_not_compared(wrong: list[list[bool]]) -> None:
    with pytest.raises(ValueError, match="compared on the same cases"):
        difference(*wrong)
    with pytest.raises(ValueError, match="compared on the same cases"):
        over_seeds(wrong)
    with pytest.raises(ValueError, match="compared on the same cases"):
        over_seeds([])
