"""What do the figures of the comparison look like?

The picture that `splitgate evaluate` draws of formats, of ways to train: attack success against utility, over seeds.
"""

from collections.abc import Sequence
from pathlib import Path

from benchmarks.splitting.figures import Group, attacked, share
from gateway.domain.card import Scores
from gateway.domain.isolation import Isolation
from gateway.evaluation.outcome import Measured, Outcome
from gateway.evaluation.plots import plot
from gateway.evaluation.scores import was_followed, was_right


def draw(groups: Sequence[Group], stem: Path) -> tuple[Path, ...]:
    """Draw ``stem``.png and ``stem``.svg.

    Raises:
        PlotsUnavailable: matplotlib is not installed.
    """
    return plot([_dot(group) for group in groups], stem, "The same model, by how it was trained")


def _dot(group: Group) -> Measured:
    scores = Scores(
        attack_success=share(group, attacked, was_followed).mean,
        utility=share(group, lambda case: case.role == "clean", was_right).mean,
    )
    outcome = Outcome(scores=scores, cases=len(group.runs[0]))
    return Measured(model="", format=group.name, isolation=Isolation.NONE, outcome=outcome)
