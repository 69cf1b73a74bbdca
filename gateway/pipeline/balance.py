"""In which order are a model's targets tried?

Lower tiers first, as the model's targets stand; within a tier in their order, or the ones with the fewest calls in
progress first. Which of them may be used is not decided here, and no layout is made.
"""

import math
from collections.abc import Sequence

from gateway.domain.model import Model
from gateway.domain.target import Target
from gateway.pipeline.condition import Conditions


def order(model: Model, conditions: Conditions) -> Sequence[Target]:
    """The model's targets in the order in which they are to be tried."""
    targets = model.targets
    if model.balance == "in_order" or len(targets) == 1:
        return targets
    draw = conditions.draw

    def rank(target: Target) -> tuple[int, float, float]:
        # Ties are broken at random, a target of twice the weight winning twice as often.
        chance = -math.log(1.0 - draw() * 0.999_999) / target.weight
        return target.tier, conditions.of(target).pending / target.weight, chance

    return sorted(targets, key=rank)
