"""What did policy decide, and by which rules?

Verdicts are ordered: block > require_approval > redact > allow. Each names every rule that hit, also those that only
watched, so that a shadow policy can be judged by what it would have done.
"""

from enum import StrEnum
from typing import Final, Literal, TypeAlias

from gateway.domain.detection import Stage
from gateway.domain.value import value


class Action(StrEnum):
    """What a rule asks for where its condition holds."""

    SCORE = "score"
    BLOCK = "block"
    REDACT = "redact"
    PSEUDONYMISE = "pseudonymise"
    REQUIRE_APPROVAL = "require_approval"
    SET_CHANNEL = "set_channel"


class Weight(StrEnum):
    """What becomes of a hit.

    ``acts``: it counts. ``shadow``: the policy, the rule or a roll-out only watches. ``excepted``: an exception names
    it. ``level``: the rule stands above the blocking level. ``bypassed``: a break-glass grant is in force.
    """

    ACTS = "acts"
    SHADOW = "shadow"
    EXCEPTED = "excepted"
    LEVEL = "level"
    BYPASSED = "bypassed"


@value
class Hit:
    """A rule whose condition held for one subject; ``points`` is what its severity scores, ``count`` its marks.

    ``level`` is the rule's, ``threshold`` the score from which its stage blocks where it scores, ``spans`` where in the
    subject's text the first of its marks stand, in characters.
    """

    policy: str
    rule: str
    stage: Stage
    where: str
    action: Action
    weight: Weight
    points: int
    message: str
    count: int = 1
    # The id of the exception that suppressed it.
    exception: str | None = None
    level: int = 0
    threshold: int = 0
    spans: tuple[tuple[int, int], ...] = ()


@value
class Edit:
    """Characters ``start`` to ``end`` of the subject at ``where`` are to be replaced."""

    stage: Stage
    where: str
    start: int
    end: int
    kind: str
    action: Literal[Action.REDACT, Action.PSEUDONYMISE]


@value
class Score:
    """The anomaly score of one stage under one policy, and the threshold from which it blocks."""

    policy: str
    stage: Stage
    points: int
    threshold: int

    @property
    def reached(self) -> bool:
        """Whether the score blocks."""
        return self.points >= self.threshold


@value
class Findings:
    """What every verdict carries: the rules that hit, the scores, the edits and the segments to treat as data."""

    hits: tuple[Hit, ...] = ()
    scores: tuple[Score, ...] = ()
    edits: tuple[Edit, ...] = ()
    demoted: tuple[str, ...] = ()


NOTHING: Final = Findings()


@value
class Allow:
    """Nothing that acts; ``found`` may hold hits that only watched, and segments to treat as data."""

    found: Findings


@value
class Redact:
    """Send on after the edits."""

    found: Findings


@value
class RequireApproval:
    """Hold until an approver says yes."""

    found: Findings


@value
class Block:
    """Refuse."""

    found: Findings


Verdict: TypeAlias = Allow | Redact | RequireApproval | Block
Decision: TypeAlias = Literal["allow", "redact", "require_approval", "block"]


def decision_of(verdict: Verdict) -> Decision:
    """The verdict's word in replies, headers and records."""
    match verdict:
        case Block():
            return "block"
        case RequireApproval():
            return "require_approval"
        case Redact():
            return "redact"
        case Allow():
            return "allow"
