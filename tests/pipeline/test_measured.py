from dataclasses import replace

import pytest

from gateway.domain.card import NO_BAR, Bar, Card, Score, Scores
from gateway.pipeline.measured import shortfalls

NEVER = Score(value=0.0, low=0.0, high=0.01, n=500)


@pytest.mark.rows
@pytest.mark.parametrize(
    ("bar", "short"),
    [
        (NO_BAR, []),
        # The card: separation 0.96 (0.93 to 0.98), attack success 0.02 (0.01 to 0.05).
        (Bar(min_separation=0.93), []),
        (Bar(min_separation=0.9301), ["min_separation"]),
        (Bar(max_attack_success=0.05), []),
        (Bar(max_attack_success=0.0499), ["max_attack_success"]),
        (Bar(min_separation=0.5, max_attack_success=0.04), ["max_attack_success"]),
        (Bar(min_separation=0.95, max_attack_success=0.0), ["min_separation", "max_attack_success"]),
    ],
)
def test_the_end_of_the_interval_that_speaks_against_the_model_is_compared(
    card: Card, bar: Bar, short: list[str]
) -> None:
    assert [told.partition(" ")[0] for told in shortfalls(card, bar)] == short


@pytest.mark.parametrize("bar", [Bar(min_separation=0.0), Bar(max_attack_success=1.0)])
def test_what_was_not_measured_shows_nothing_however_little_is_asked(card: Card, bar: Bar) -> None:
    assert shortfalls(card, bar) == ()
    (none,) = shortfalls(None, bar)
    assert none.endswith(" is asked for, and it has no card")
    other = replace(card, scores=Scores(utility=NEVER))
    (silent,) = shortfalls(other, bar)
    assert "its card says nothing of" in silent


def test_without_a_card_nothing_is_short_of_nothing() -> None:
    assert shortfalls(None, NO_BAR) == ()


def test_what_is_short_is_told_with_its_interval(card: Card) -> None:
    apart, attacks = shortfalls(card, Bar(min_separation=0.95, max_attack_success=0.01))
    shown = "its card shows separation 0.960 (0.930 to 0.980), of which the low end counts"
    assert apart == f"min_separation 0.95 is asked for, and {shown}"
    shown = "its card shows attack_success 0.020 (0.010 to 0.050), of which the high end counts"
    assert attacks == f"max_attack_success 0.01 is asked for, and {shown}"
