import pytest

from gateway.domain.card import NO_BAR, Bar, strictest


@pytest.mark.rows
@pytest.mark.parametrize(
    ("bars", "expected"),
    [
        ([Bar(min_separation=0.9), NO_BAR], Bar(min_separation=0.9)),
        ([Bar(min_separation=0.9), Bar(min_separation=0.95)], Bar(min_separation=0.95)),
        ([Bar(max_attack_success=0.05), Bar(max_attack_success=0.2)], Bar(max_attack_success=0.05)),
        ([Bar(min_separation=0.0), NO_BAR], Bar(min_separation=0.0)),
        (
            [Bar(min_separation=0.9, max_attack_success=0.1), Bar(max_attack_success=0.0)],
            Bar(min_separation=0.9, max_attack_success=0.0),
        ),
    ],
)
def test_all_that_any_of_them_asks_for_is_asked_in_any_order(bars: list[Bar], expected: Bar) -> None:
    assert strictest(bars) == strictest(reversed(bars)) == expected


@pytest.mark.parametrize("bars", [[], [NO_BAR], [Bar(), Bar()]])
def test_where_none_asks_for_anything_nothing_has_to_be_compared(bars: list[Bar]) -> None:
    assert strictest(bars) is NO_BAR
