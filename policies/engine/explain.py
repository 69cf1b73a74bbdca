"""How did a verdict come about, rule by rule?

Each rule of each policy that stands is accounted for at each text, also those that were not looked at. Hits come from
the functions that ``evaluate`` itself runs, so that the account cannot differ from the verdict.
"""

from collections.abc import Iterator, Sequence
from typing import Literal, TypeAlias, assert_never

from gateway.domain.detection import Scanned, Stage, Subject
from gateway.domain.value import value
from gateway.domain.verdict import Action, Decision, Hit, Verdict, Weight, decision_of
from policies.engine.applicable import Applicable, AppliedPolicy, Part, evaluated
from policies.engine.evaluate import Strike, asleep, evaluate, facts_for, failures, strike_of
from policies.engine.model import Policy, Rule

# `dormant`: all that it waits for is quiet, so it cannot hold; `off` and `above`: not looked at, for its mode or level.
Outcome: TypeAlias = Literal["hit", "no hit", "dormant", "off", "above", "failed"]


@value
class Standing:
    """A policy that stands for the request, with what weight, and why with that."""

    policy: str
    weight: Weight
    why: str


@value
class Step:
    """One rule at one text. ``rule`` is ``on_error:…`` where something could not look.

    ``points`` are those that the hit adds, ``score`` the sum of the policy's stage after it, ``threshold`` the sum from
    which it blocks (None: the rule does not score). ``condition`` is as the file has it.
    """

    policy: str
    stage: Stage
    where: str
    rule: str
    condition: str
    outcome: Outcome
    hit: Hit | None
    points: int
    score: int
    threshold: int | None
    why: str


@value
class Total:
    """One policy's score at one stage; ``watched`` is what it would be if what only watches acted as well."""

    policy: str
    stage: Stage
    score: int
    watched: int
    threshold: int

    @property
    def reached(self) -> bool:
        """Whether the score blocks."""
        return self.score >= self.threshold

    @property
    def would_reach(self) -> bool:
        """Whether it would block if what only watches acted."""
        return self.watched >= self.threshold


@value
class Explanation:
    """The verdict and the whole way to it."""

    verdict: Verdict
    policies: tuple[Standing, ...]
    steps: tuple[Step, ...]
    totals: tuple[Total, ...]

    @property
    def decision(self) -> Decision:
        """The verdict's word."""
        return decision_of(self.verdict)


def explain(applicable: Applicable, scanned: Sequence[Scanned], now: float) -> Explanation:
    """Evaluate, and account for every rule."""
    tally = _Tally()
    steps = tuple(
        step for one in scanned for applied in applicable.policies for step in _steps(applied, one, now, tally)
    )
    return Explanation(
        verdict=evaluate(applicable, scanned, now),
        policies=tuple(
            Standing(policy=applied.policy.name, weight=applied.weight, why=_why_standing(applied))
            for applied in applicable.policies
        ),
        steps=steps,
        totals=tuple(tally.totals()),
    )


class _Tally:
    """The running scores: which rules have counted, and which would have if what only watches acted."""

    def __init__(self) -> None:
        self._acting: dict[tuple[str, Stage], dict[str, int]] = {}
        self._watched: dict[tuple[str, Stage], dict[str, int]] = {}
        self._thresholds: dict[tuple[str, Stage], int] = {}

    def add(self, strike: Strike) -> int:
        """Count a hit; what it adds to the score that acts."""
        hit, ready = strike.hit, strike.rule
        if ready is None or hit.action is not Action.SCORE:
            return 0
        stage = (hit.policy, hit.stage)
        self._thresholds[stage] = ready.threshold
        if hit.weight not in {Weight.EXCEPTED, Weight.LEVEL}:
            self._watched.setdefault(stage, {})[hit.rule] = hit.points
        if hit.weight is not Weight.ACTS or hit.rule in self._acting.get(stage, {}):
            return 0
        self._acting.setdefault(stage, {})[hit.rule] = hit.points
        return hit.points

    def score(self, policy: str, stage: Stage) -> int:
        """The score that acts, so far."""
        return sum(self._acting.get((policy, stage), {}).values())

    def totals(self) -> tuple[Total, ...]:
        """The scores of all stages that a scoring rule hit."""
        return tuple(
            Total(
                policy=policy,
                stage=stage,
                score=self.score(policy, stage),
                watched=sum(self._watched.get((policy, stage), {}).values()),
                threshold=threshold,
            )
            for (policy, stage), threshold in self._thresholds.items()
        )


def _steps(applied: AppliedPolicy, one: Scanned, now: float, tally: _Tally) -> Iterator[Step]:
    """One policy at one text: detectors that failed first, as ``evaluate`` has them, then its rules in their order."""
    policy, stage = applied.policy, one.subject.stage
    part = applied.parts.get(stage, Part(policy=policy, rules=(), keys={}))
    for strike in failures(part, one, now):
        yield _failed_step(applied, one.subject, strike.hit, tally)
    facts = facts_for(part, one)
    ready = {known.rule.id: known for known in part.rules}
    for rule in policy.rules:
        if rule.stage is not stage:
            continue
        found = ready.get(rule.id)
        looked_at = found is not None and not asleep(found, one.detections)
        strike = strike_of(found, facts, one, now) if found is not None and looked_at else None
        outcome = _unstruck(policy, rule, looked_at=looked_at) if strike is None else _struck(strike)
        yield _rule_step(applied, rule, one.subject, (outcome, strike), tally)


def _unstruck(policy: Policy, rule: Rule, *, looked_at: bool) -> Outcome:
    if looked_at:
        return "no hit"
    if evaluated(policy, rule):
        return "dormant"
    return "off" if rule.mode == "off" else "above"


def _struck(strike: Strike) -> Outcome:
    return "failed" if strike.rule is None else "hit"


def _failed_step(applied: AppliedPolicy, subject: Subject, hit: Hit, tally: _Tally) -> Step:
    return Step(
        policy=hit.policy,
        stage=subject.stage,
        where=subject.where,
        rule=hit.rule,
        condition="",
        outcome="failed",
        hit=hit,
        points=0,
        score=tally.score(hit.policy, subject.stage),
        threshold=None,
        why=_why_hit(applied, hit, 0),
    )


def _rule_step(
    applied: AppliedPolicy, rule: Rule, subject: Subject, account: tuple[Outcome, Strike | None], tally: _Tally
) -> Step:
    policy, (outcome, strike) = applied.policy, account
    points = tally.add(strike) if strike is not None else 0
    return Step(
        policy=policy.name,
        stage=subject.stage,
        where=subject.where,
        rule=rule.id,
        condition=rule.when.source,
        outcome=outcome,
        hit=None if strike is None else strike.hit,
        points=points,
        score=tally.score(policy.name, subject.stage),
        threshold=policy.thresholds.get(subject.stage) if rule.action is Action.SCORE else None,
        why=_why_not(policy, rule, outcome) if strike is None else _why_hit(applied, strike.hit, points),
    )


def _why_standing(applied: AppliedPolicy) -> str:
    if applied.weight is Weight.BYPASSED:
        return "A break-glass grant is in force."
    if applied.weight is Weight.ACTS:
        return "The policy is enforced for this request."
    if applied.policy.mode == "shadow":
        return "The policy's mode is shadow."
    return "The policy's roll-out does not reach this request."


def _why_not(policy: Policy, rule: Rule, outcome: Outcome) -> str:
    match outcome:
        case "off":
            return "The rule's mode is off."
        case "above":
            return f"The rule's level is {rule.level}; the policy evaluates up to {policy.levels.detection}."
        case "dormant":
            return "All the detectors that the condition waits for are quiet."
        case "no hit" | "hit" | "failed":
            return "The condition does not hold."
        case _:
            assert_never(outcome)


def _why_hit(applied: AppliedPolicy, hit: Hit, points: int) -> str:
    match hit.weight:
        case Weight.ACTS if hit.action is not Action.SCORE:
            return f"It acts: {hit.action}."
        case Weight.ACTS:
            return f"It adds {points}." if points else "It has counted at this stage already."
        case Weight.SHADOW if applied.weight is Weight.SHADOW:
            return f"It only watches. {_why_standing(applied)}"
        case Weight.SHADOW:
            return "It only watches. The rule's own mode is shadow."
        case Weight.EXCEPTED:
            return f"The exception {hit.exception} suppresses it."
        case Weight.LEVEL if hit.rule.startswith("on_error:"):
            return "What could not be looked at is reported, and does not act."
        case Weight.LEVEL:
            return f"Its level is above {applied.policy.levels.blocking}, up to which rules of the policy act."
        case Weight.BYPASSED:
            return "A break-glass grant is in force."
        case _:
            assert_never(hit.weight)
