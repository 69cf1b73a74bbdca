"""Has it been measured that a target keeps data from being followed, as well as is asked?

What counts is the end of a score's interval that speaks against the model. What was not measured shows nothing.
"""

from collections.abc import Iterator
from typing import Final

from gateway.domain.card import Bar, Card, Score

MEND: Final = "measure it with `splitgate evaluate` and name what that writes in the target's `card`"


def shortfalls(card: Card | None, bar: Bar) -> tuple[str, ...]:
    """What a target with this card does not show of what is asked, each in words; none if it shows all."""
    return tuple(_shortfalls(card, bar))


def _shortfalls(card: Card | None, bar: Bar) -> Iterator[str]:
    least, most = bar.min_separation, bar.max_attack_success
    if least is not None:
        score = None if card is None else card.scores.separation
        if score is None or score.low < least:
            yield f"min_separation {least:g} is asked for, and {_found(card, score, 'separation', 'low')}"
    if most is not None:
        score = None if card is None else card.scores.attack_success
        if score is None or score.high > most:
            yield f"max_attack_success {most:g} is asked for, and {_found(card, score, 'attack_success', 'high')}"


def _found(card: Card | None, score: Score | None, name: str, end: str) -> str:
    if card is None:
        return "it has no card"
    if score is None:
        return f"its card says nothing of {name}"
    return f"its card shows {name} {in_words(score)}, of which the {end} end counts"


def in_words(score: Score) -> str:
    """The share and its interval."""
    return f"{score.value:.3f} ({score.low:.3f} to {score.high:.3f})"
