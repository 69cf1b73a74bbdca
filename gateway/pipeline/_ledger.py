"""What was found in an answer so far, and what follows from all of it?

An answer may be judged in pieces, and twice where values came back into it: a rule that hits one place again is still
one hit, and scores count once.
"""

from collections.abc import Iterable
from dataclasses import replace
from typing import Final, TypeAlias

from gateway.domain.detection import Stage
from gateway.domain.verdict import (
    Action,
    Allow,
    Block,
    Edit,
    Findings,
    Hit,
    Redact,
    RequireApproval,
    Score,
    Verdict,
    Weight,
)
from policies.engine.evaluate import CLEAR, decide, scores

# The policy that the gateway's own refusals are told under.
OWN: Final = "splitgate"
_MESSAGES: Final = {
    "max_hold_ms": "The answer was not cleared within max_hold_ms. Ask for a shorter one, or raise the policy's limit.",
    "garbled_calls": "The model began one tool call twice, so that nobody can tell what it calls. Ask again.",
    "unreadable_arguments": "A tool call's arguments are no strict JSON object, so that rules cannot judge them.",
    "uneditable": "A redaction falls on a name or a number in a tool call's arguments, which cannot be replaced.",
}

_Key: TypeAlias = tuple[str, str, Stage, str]
_EDITING: Final = frozenset({Action.REDACT, Action.PSEUDONYMISE})


class Ledger:
    """The findings of one choice."""

    __slots__ = ("_edits", "_hits", "_thresholds", "verdict")

    def __init__(self) -> None:
        # What follows from all that was found; asked for far more often than anything is found.
        self.verdict: Verdict = CLEAR
        self._hits: dict[_Key, Hit] = {}
        self._thresholds: dict[tuple[str, Stage], int] = {}
        self._edits: list[Edit] = []

    def add(self, found: Findings, *, more: bool = False) -> None:
        """Note findings, of which there are some; with ``more`` they are of further text: their counts add up."""
        for hit in found.hits:
            self._note(hit, more=more)
        self._thresholds |= {(score.policy, score.stage): score.threshold for score in found.scores}
        self._edits += found.edits
        hits = tuple(self._hits.values())
        self.verdict = decide(Findings(hits=hits, scores=scores(hits, self._thresholds), edits=tuple(self._edits)))

    def refuse(self, rule: str, stage: Stage, where: str) -> None:
        """Note a refusal of the gateway's own."""
        self.add(Findings(hits=(_own_hit(rule, stage, where),)))

    def _note(self, hit: Hit, *, more: bool) -> None:
        key = _key(hit)
        known = self._hits.get(key)
        if known is None:
            self._hits[key] = hit
            return
        # An exception may run out between two looks: what acts is never forgotten for what did not.
        stricter = known if known.weight is Weight.ACTS else hit
        count = known.count + hit.count if more else max(known.count, hit.count)
        self._hits[key] = replace(stricter, count=count)


def without_edits(found: Findings, edits: tuple[Edit, ...]) -> Findings:
    """``found`` with no edits but ``edits``, and without the hits whose edits are all gone."""
    kept = [hit for hit in found.hits if not _edits(hit) or any(_asked_for(hit, edit) for edit in edits)]
    return replace(found, hits=tuple(kept), edits=edits)


def _asked_for(hit: Hit, edit: Edit) -> bool:
    """Whether the edit may be the hit's: of many marks only the first ones' places are told."""
    if (hit.stage, hit.where) != (edit.stage, edit.where):
        return False
    return len(hit.spans) < hit.count or (edit.start, edit.end) in hit.spans


def beside(acting: Verdict, watching: Verdict) -> Verdict:
    """``acting``, told with what was found by what only watches, which decides nothing."""
    known = {_key(hit) for hit in acting.found.hits}
    more = [hit for hit in watching.found.hits if hit.weight is not Weight.ACTS and _key(hit) not in known]
    hits = (*acting.found.hits, *more)
    return replace(acting, found=replace(acting.found, hits=hits)) if more else acting


def together(verdicts: Iterable[Verdict]) -> Verdict:
    """The strictest of several choices' verdicts, with the findings of all; each choice has scores of its own."""
    kind: type[Verdict] = Allow
    hits: list[Hit] = []
    edits: list[Edit] = []
    reached: dict[tuple[str, Stage], Score] = {}
    for verdict in verdicts:
        kind = max(kind, type(verdict), key=_STRICTNESS.index)
        hits += verdict.found.hits
        edits += verdict.found.edits
        for score in verdict.found.scores:
            known = reached.get((score.policy, score.stage))
            if known is None or known.points < score.points:
                reached[score.policy, score.stage] = score
    return kind(found=Findings(hits=tuple(hits), scores=tuple(reached.values()), edits=tuple(edits)))


def _edits(hit: Hit) -> bool:
    """Whether the hit asked for edits: one that only watches, or is excepted, never did."""
    return hit.weight is Weight.ACTS and hit.action in _EDITING


def _key(hit: Hit) -> _Key:
    return (hit.policy, hit.rule, hit.stage, hit.where)


_STRICTNESS: Final[tuple[type[Verdict], ...]] = (Allow, Redact, RequireApproval, Block)


def _own_hit(rule: str, stage: Stage, where: str) -> Hit:
    """A refusal of the gateway's own, where a rule could not be kept."""
    return Hit(
        policy=OWN,
        rule=rule,
        stage=stage,
        where=where,
        action=Action.BLOCK,
        weight=Weight.ACTS,
        points=0,
        message=_MESSAGES[rule],
    )
