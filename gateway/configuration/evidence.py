"""How much isolation may a target be credited with, before its server was asked anything?

`native` must be earned: by a model that is known to be trained for its format, or whose card shows it, and by a render
probe at start. An explicit setting can stand in for either, and is visible then.
"""

from typing import Final, Literal

from gateway.domain.card import Card
from gateway.domain.isolation import Isolation
from gateway.domain.value import value

# What a card has to show: so few attacks succeed, at the interval's upper end, and so many were tried.
MAX_ATTACK_SUCCESS: Final = 0.05
MIN_CASES: Final = 200


def shows_native(card: Card | None) -> bool:
    """Whether the model was trained to keep data apart, and was measured to."""
    if card is None or card.trained is None or card.trained.isolation != "native":
        return False
    attacks = card.scores.attack_success
    return attacks is not None and attacks.high <= MAX_ATTACK_SUCCESS and attacks.n >= MIN_CASES


@value
class Credit:
    """``ceiling`` holds at once, or with ``needs_probe`` after a probe; ``assumed`` says that it rests on our word."""

    ceiling: Isolation
    needs_probe: bool = False
    assumed: bool = False


def credit(
    *,
    best: Isolation,
    unproven: Isolation,
    known: bool,
    trained: Literal["auto"] | bool,
    probe: Literal["required", "off"],
) -> Credit:
    """Judge a target by what its configuration says.

    ``best`` is the most that its format can reach, ``unproven`` what the same layout counts for without training;
    ``known`` says that the model's name is on the list of those trained for the format, or that its card shows it.
    """
    if best is not Isolation.NATIVE:
        return Credit(ceiling=best)
    if trained is False or (trained == "auto" and not known):
        return Credit(ceiling=unproven)
    return Credit(
        ceiling=Isolation.NATIVE,
        needs_probe=probe == "required",
        assumed=trained is True or probe == "off",
    )
