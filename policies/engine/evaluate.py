"""What do the policies that stand for a request decide about these texts?

A pure function of policies, texts, detections and the time, the same for server, command line and replay. Whatever
could not be looked at counts against the text, unless the policy says ``report``.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final, Literal, Protocol, TypeAlias

from gateway.domain.detection import Detections, Facts, Mark, Scanned, Stage, Subject
from gateway.domain.value import value
from gateway.domain.verdict import (
    Action,
    Allow,
    Block,
    Decision,
    Edit,
    Findings,
    Hit,
    Redact,
    RequireApproval,
    Score,
    Verdict,
    Weight,
)
from policies.engine.applicable import Applicable, Part, ReadyRule
from policies.engine.condition import ConditionFailed
from policies.engine.model import Policy

CLEAR: Final = Allow(found=Findings())

# From what counts to what does not: a failed detector weighs as much as the weightiest rule that needs it.
_WEIGHTIEST_FIRST: Final = (Weight.ACTS, Weight.BYPASSED, Weight.SHADOW, Weight.LEVEL, Weight.EXCEPTED)

# How many places of its marks a hit tells.
_MOST_SPANS: Final = 32

_Editing: TypeAlias = Literal[Action.REDACT, Action.PSEUDONYMISE]


class HitLike(Protocol):
    """A hit, or the finding that tells of one."""

    @property
    def policy(self) -> str | None: ...
    @property
    def rule(self) -> str: ...
    @property
    def stage(self) -> Stage | None: ...
    @property
    def action(self) -> str | None: ...
    @property
    def weight(self) -> Weight: ...
    @property
    def points(self) -> int: ...
    @property
    def threshold(self) -> int: ...


@value
class Strike:
    """A hit and the edits that it asks for; ``rule`` is None where a detector could not look."""

    hit: Hit
    rule: ReadyRule | None = None
    edits: tuple[Edit, ...] = ()


def evaluate(applicable: Applicable, scanned: Sequence[Scanned], now: float) -> Verdict:
    """Judge all texts of one exchange, or of one part of it, at ``now`` (seconds since the epoch)."""
    struck: list[Strike] = []
    for one in scanned:
        subject = one.subject
        if one.detections:
            for part in applicable.parts[subject.stage]:
                struck.extend(strikes(part, one, now))
            continue
        facts = subject.facts
        for ready in applicable.awake[subject.stage]:
            try:
                if not ready.holds(facts):
                    continue
            except ConditionFailed:
                struck.append(_condition_failed(ready, subject, now))
            else:
                struck.append(_struck(ready, one, now))
    return decide(_findings(struck)) if struck else CLEAR


def watched(hits: Sequence[HitLike]) -> Decision:
    """What would have been decided if every hit counted that no exception names: also those that only watch."""
    counted = [hit for hit in hits if hit.weight is not Weight.EXCEPTED and hit.action is not None]
    asked = {hit.action for hit in counted}
    scored: dict[tuple[str | None, Stage | None], dict[str, HitLike]] = {}
    for hit in counted:
        if hit.action == Action.SCORE:
            scored.setdefault((hit.policy, hit.stage), {})[hit.rule] = hit
    reached = [
        sum([hit.points for hit in by_rule.values()]) >= max([hit.threshold for hit in by_rule.values()])
        for by_rule in scored.values()
    ]
    if Action.BLOCK in asked or any(reached):
        return "block"
    if Action.REQUIRE_APPROVAL in asked:
        return "require_approval"
    return "redact" if asked & {Action.REDACT, Action.PSEUDONYMISE} else "allow"


def decide(found: Findings) -> Verdict:
    """The strictest of what the findings that act ask for; a redaction that found nothing to change asks nothing."""
    asked = {hit.action for hit in found.hits if hit.weight is Weight.ACTS}
    if Action.BLOCK in asked or any(score.reached for score in found.scores):
        return Block(found=found)
    if Action.REQUIRE_APPROVAL in asked:
        return RequireApproval(found=found)
    return Redact(found=found) if found.edits else Allow(found=found)


def strikes(part: Part, one: Scanned, now: float) -> Iterator[Strike]:
    """What one policy's rules, and its detectors that failed, say of one text."""
    yield from failures(part, one, now)
    facts = facts_for(part, one)
    for ready in part.rules:
        if not asleep(ready, one.detections):
            strike = strike_of(ready, facts, one, now)
            if strike is not None:
                yield strike


def facts_for(part: Part, one: Scanned) -> Facts:
    """What the policy's conditions see: the text's facts, and those of the policy's own detectors alone."""
    seen = [one.detections[key].facts for key in part.keys.values() if key in one.detections]
    if not seen:
        return one.subject.facts
    facts = dict(one.subject.facts)
    for more in seen:
        facts.update(more)
    return facts


def asleep(ready: ReadyRule, detections: Detections) -> bool:
    """Whether the rule cannot hold, since all that it waits for is quiet."""
    return ready.rule.when.dormant and ready.keys.isdisjoint(detections)


def strike_of(ready: ReadyRule, facts: Facts, one: Scanned, now: float) -> Strike | None:
    """What the rule says of one text; None where its condition does not hold."""
    try:
        return _struck(ready, one, now) if ready.holds(facts) else None
    except ConditionFailed:
        return _condition_failed(ready, one.subject, now)


def failures(part: Part, one: Scanned, now: float) -> Iterator[Strike]:
    """A hit for each detector that could not look and that a rule of the policy needs here."""
    for name, key in part.keys.items():
        detection = one.detections.get(key)
        if detection is None or detection.failed is None:
            continue
        weighed = [_weighed(ready, now) for ready in part.rules if key in ready.keys]
        hit = _failure(
            part.policy,
            name,
            one.subject,
            weighed=min(weighed, key=lambda pair: _WEIGHTIEST_FIRST.index(pair[0])),
            reported=part.policy.on_error_of(name) == "report",
            message=f"The detector {name} could not look at this text ({detection.failed}). Send it again later.",
        )
        yield Strike(hit=hit)


def scores(hits: Iterable[Hit], thresholds: Mapping[tuple[str, Stage], int]) -> tuple[Score, ...]:
    """The anomaly scores of hits that act; a rule counts once a stage, in however many texts it hits.

    A long conversation repeats itself with every turn, and the same weak sign twice is no stronger sign.
    """
    points: dict[tuple[str, Stage], dict[str, int]] = {}
    for hit in hits:
        if hit.weight is Weight.ACTS and hit.action is Action.SCORE:
            points.setdefault((hit.policy, hit.stage), {})[hit.rule] = hit.points
    return tuple(
        Score(policy=policy, stage=stage, points=sum(by_rule.values()), threshold=thresholds[policy, stage])
        for (policy, stage), by_rule in points.items()
    )


def _findings(struck: Sequence[Strike]) -> Findings:
    hits = tuple(strike.hit for strike in struck)
    ready = (strike.rule for strike in struck if strike.rule is not None)
    scoring = (one for one in ready if one.rule.action is Action.SCORE)
    return Findings(
        hits=hits,
        scores=scores(hits, {(one.policy.name, one.rule.stage): one.threshold for one in scoring}),
        edits=tuple(edit for strike in struck for edit in strike.edits),
        demoted=tuple(dict.fromkeys(hit.where for hit in hits if _demotes(hit))),
    )


def _demotes(hit: Hit) -> bool:
    return hit.weight is Weight.ACTS and hit.action is Action.SET_CHANNEL


def _struck(ready: ReadyRule, one: Scanned, now: float) -> Strike:
    rule, subject = ready.rule, one.subject
    weight, exception = _weighed(ready, now)
    marks = _marks(ready, one.detections) if one.detections else ()
    hit = Hit(
        policy=ready.policy.name,
        rule=rule.id,
        stage=subject.stage,
        where=subject.where,
        action=rule.action,
        weight=weight,
        points=ready.points,
        message=rule.message,
        count=max(1, len(marks)),
        exception=exception,
        level=rule.level,
        threshold=ready.threshold,
        spans=tuple([(mark.start, mark.end) for mark in marks[:_MOST_SPANS]]) if marks else (),
    )
    edits: tuple[Edit, ...] = ()
    if weight is Weight.ACTS and (rule.action is Action.REDACT or rule.action is Action.PSEUDONYMISE):
        edits = tuple(_edit(subject, mark, rule.action) for mark in marks)
    return Strike(hit=hit, rule=ready, edits=edits)


def _marks(ready: ReadyRule, detections: Detections) -> tuple[Mark, ...]:
    """What the detectors that the condition reads marked, less what the rule leaves alone."""
    only = ready.rule.only
    seen = [detections[key].marks for key in sorted(ready.keys) if key in detections]
    return tuple(mark for marks in seen for mark in marks if not only or mark.kind in only)


def _edit(subject: Subject, mark: Mark, action: _Editing) -> Edit:
    return Edit(stage=subject.stage, where=subject.where, start=mark.start, end=mark.end, kind=mark.kind, action=action)


def _weighed(ready: ReadyRule, now: float) -> tuple[Weight, str | None]:
    """What becomes of a hit now, and the exception that suppresses it, if one does."""
    for exception in ready.exceptions:
        if now < exception.expires:
            return Weight.EXCEPTED, exception.id
    return ready.weight, None


def _condition_failed(ready: ReadyRule, subject: Subject, now: float) -> Strike:
    hit = _failure(
        ready.policy,
        ready.rule.id,
        subject,
        weighed=_weighed(ready, now),
        reported=ready.policy.on_error.get("default", "block") == "report",
        message=f"The condition of rule {ready.rule.id} failed. Its policy's owner should correct it.",
    )
    return Strike(hit=hit)


def _failure(
    policy: Policy, what: str, subject: Subject, *, weighed: tuple[Weight, str | None], reported: bool, message: str
) -> Hit:
    weight, exception = weighed
    return Hit(
        policy=policy.name,
        rule=f"on_error:{what}",
        stage=subject.stage,
        where=subject.where,
        action=Action.BLOCK,
        weight=Weight.LEVEL if reported and weight is Weight.ACTS else weight,
        points=0,
        message=message,
        exception=exception,
    )
