"""What is told of what was seen in a request or its answer?"""

from gateway.domain.detection import Stage
from gateway.domain.value import value
from gateway.domain.verdict import Hit, Weight


@value
class Finding:
    """What a rule saw ``count`` times at ``where``: a segment id, ``tools``, ``history`` or ``output``. Never its text.

    The gateway's own removals name no policy and no stage. ``weight`` says whether the rule's ``action`` was
    taken; ``stage``, ``level``, ``points``, ``threshold`` and ``spans`` are those of the hit.
    """

    rule: str
    where: str
    count: int
    policy: str | None = None
    action: str | None = None
    weight: Weight = Weight.ACTS
    exception: str | None = None
    stage: Stage | None = None
    level: int = 0
    points: int = 0
    threshold: int = 0
    spans: tuple[tuple[int, int], ...] = ()


def finding_of(hit: Hit) -> Finding:
    """What is told of a rule that hit."""
    return Finding(
        rule=hit.rule,
        where=hit.where,
        count=hit.count,
        policy=hit.policy,
        action=hit.action.value,
        weight=hit.weight,
        exception=hit.exception,
        stage=hit.stage,
        level=hit.level,
        points=hit.points,
        threshold=hit.threshold,
        spans=hit.spans,
    )
