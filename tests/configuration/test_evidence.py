from dataclasses import replace
from typing import Literal

import pytest

from gateway.configuration.evidence import Credit, credit, shows_native
from gateway.domain.card import Card, Score, Scores, Training
from gateway.domain.isolation import Isolation


@pytest.mark.rows
@pytest.mark.parametrize(
    ("known", "unproven", "trained", "probe", "expected"),
    [
        (True, Isolation.WRAPPED, "auto", "required", Credit(ceiling=Isolation.NATIVE, needs_probe=True)),
        (True, Isolation.WRAPPED, "auto", "off", Credit(ceiling=Isolation.NATIVE, assumed=True)),
        (True, Isolation.WRAPPED, False, "required", Credit(ceiling=Isolation.WRAPPED)),
        (False, Isolation.WRAPPED, "auto", "required", Credit(ceiling=Isolation.WRAPPED)),
        (False, Isolation.WRAPPED, "auto", "off", Credit(ceiling=Isolation.WRAPPED)),
        (False, Isolation.WRAPPED, True, "required", Credit(ceiling=Isolation.NATIVE, needs_probe=True, assumed=True)),
        (False, Isolation.WRAPPED, True, "off", Credit(ceiling=Isolation.NATIVE, assumed=True)),
        (False, Isolation.NONE, "auto", "required", Credit(ceiling=Isolation.NONE)),
    ],
)
def test_native_needs_training_and_a_probe_or_somebodys_word(
    known: bool,
    unproven: Isolation,
    trained: Literal["auto"] | bool,
    probe: Literal["required", "off"],
    expected: Credit,
) -> None:
    found = credit(best=Isolation.NATIVE, unproven=unproven, known=known, trained=trained, probe=probe)
    assert found == expected


@pytest.mark.rows
@pytest.mark.parametrize("best", [Isolation.CHANNEL, Isolation.WRAPPED, Isolation.NONE])
def test_lower_levels_need_no_evidence_and_no_word_raises_them(best: Isolation) -> None:
    found = credit(best=best, unproven=Isolation.NONE, known=False, trained=True, probe="off")
    assert found == Credit(ceiling=best)


def _attacked(high: float, n: int) -> Scores:
    return Scores(attack_success=Score(value=0.0, low=0.0, high=high, n=n))


@pytest.mark.rows
@pytest.mark.parametrize(
    ("scores", "expected"),
    [
        (_attacked(0.05, 200), True),
        (_attacked(0.051, 200), False),
        (_attacked(0.05, 199), False),
        (Scores(separation=Score(value=1.0, low=0.99, high=1.0, n=500)), False),
    ],
)
def test_a_card_shows_native_where_few_of_many_attacks_succeed(card: Card, scores: Scores, expected: bool) -> None:
    assert shows_native(replace(card, scores=scores)) is expected


def test_a_card_shows_native_of_a_model_alone_that_was_trained_to_be(card: Card) -> None:
    assert shows_native(card)
    assert not shows_native(None)
    assert not shows_native(replace(card, trained=None))
    assert not shows_native(replace(card, trained=Training(method="struq", isolation="wrapped", report="r")))
