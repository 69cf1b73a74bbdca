"""Would a policy's cases notice if one of its rules said something else?

Each mutant is the policy with one thing changed that somebody could have mistyped. Those that decide every text as the
policy does are left out, since no case could tell them; the rest a good set of cases catches.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import combinations
from typing import Final

from gateway.domain.detection import STAGES, FactValue, Stage, Vocabulary
from gateway.domain.value import value
from gateway.domain.verdict import Action
from policies.engine.applicable import evaluated
from policies.engine.condition import Condition, ConditionError, compile_condition
from policies.engine.expression.variations import variations
from policies.engine.model import DetectorSettings, Policy, Rule
from policies.engine.vocabulary import BASE

_EDITS: Final = frozenset({Action.REDACT, Action.PSEUDONYMISE})
_INPUT: Final = frozenset({Stage.INSTRUCTIONS, Stage.DATA})
_MADE: Final = frozenset({Stage.TOOL_CALL, Stage.OUTPUT})
# Where an action can be done, as a file may ask for it.
_STAGES: Final[Mapping[Action, frozenset[Stage]]] = {
    Action.SCORE: STAGES,
    Action.BLOCK: STAGES,
    Action.REDACT: STAGES,
    Action.PSEUDONYMISE: _INPUT,
    Action.REQUIRE_APPROVAL: _MADE,
    Action.SET_CHANNEL: frozenset({Stage.INSTRUCTIONS}),
}


@value
class Mutant:
    """A policy with one ``change`` in ``what``: a rule's id, or the part of the file."""

    what: str
    change: str
    policy: Policy


def mutants(policy: Policy, detectors: Vocabulary) -> Iterator[Mutant]:
    """Every policy that is nearly this one; ``detectors`` are the facts that its conditions may name beside the base.

    A rule that is not evaluated has none. One that only watches differs by its condition, stage and level alone.
    """
    vocabulary = {**BASE, **detectors}
    for at, rule in enumerate(policy.rules):
        if not evaluated(policy, rule):
            continue
        for change, other in _rules(policy, rule, vocabulary):
            rules = (*policy.rules[:at], other, *policy.rules[at + 1 :])
            yield Mutant(what=rule.id, change=change, policy=replace(policy, rules=rules))
    yield from _thresholds(policy)
    for change, settings in _settings(policy.detectors):
        yield Mutant(what="detectors", change=change, policy=replace(policy, detectors=settings))


def _rules(policy: Policy, rule: Rule, vocabulary: Vocabulary) -> Iterator[tuple[str, Rule]]:
    yield "mode: off", replace(rule, mode="off")
    yield from _conditions(policy, rule, vocabulary)
    yield from _other_stages(policy, rule, vocabulary)
    yield from _levels(policy, rule)
    if rule.level <= policy.levels.blocking and rule.mode == "enforce":
        yield "mode: shadow", replace(rule, mode="shadow")
        yield from _actions(policy, rule)
        yield from _severities(policy, rule)
        for kind in rule.only:
            yield f"only: no {kind}", replace(rule, only=tuple(one for one in rule.only if one != kind) or ("nothing",))
        if rule.only:
            yield "only: everything", replace(rule, only=())


def _conditions(policy: Policy, rule: Rule, vocabulary: Vocabulary) -> Iterator[tuple[str, Rule]]:
    for source in dict.fromkeys(variations(rule.when.source, vocabulary, rule.stage)):
        condition = _compiled(policy, source, rule.stage, vocabulary)
        if condition is not None:
            yield f"when: {source}", replace(rule, when=condition)


def _other_stages(policy: Policy, rule: Rule, vocabulary: Vocabulary) -> Iterator[tuple[str, Rule]]:
    for stage in sorted(_STAGES[rule.action] - {rule.stage}):
        condition = _compiled(policy, rule.when.source, stage, vocabulary)
        if condition is not None:
            yield f"stage: {stage}", replace(rule, stage=stage, when=condition)


def _compiled(policy: Policy, source: str, stage: Stage, vocabulary: Vocabulary) -> Condition | None:
    """None where the file would not load: such a mistake needs no case to be found."""
    constants: dict[str, FactValue] = {f"lists.{name}": texts for name, texts in policy.lists.items()}
    try:
        return compile_condition(source, vocabulary, stage, constants)
    except ConditionError:
        return None


def _levels(policy: Policy, rule: Rule) -> Iterator[tuple[str, Rule]]:
    """One step over the line between what acts and what watches, whichever way that is."""
    blocking = policy.levels.blocking
    level = blocking + 1 if rule.level <= blocking else blocking
    # What would score nothing that blocks by itself may act without anybody noticing.
    told = rule.action is not Action.SCORE or _matters(policy, rule, 0, policy.severities[rule.severity])
    if level <= max(policy.levels.detection, rule.level) and told:
        yield f"level: {level}", replace(rule, level=level)


def _actions(policy: Policy, rule: Rule) -> Iterator[tuple[str, Rule]]:
    points = policy.severities[rule.severity]
    # A score that reaches the threshold by itself blocks.
    scores_as_block = points >= policy.thresholds[rule.stage]
    for action in (Action.BLOCK, Action.SCORE, Action.REDACT, Action.REQUIRE_APPROVAL):
        same = scores_as_block and {action, rule.action} == {Action.BLOCK, Action.SCORE}
        possible = rule.stage in _STAGES[action] and (action not in _EDITS or rule.when.detectors)
        if action is not rule.action and possible and not same:
            yield f"action: {action}", replace(rule, action=action, only=rule.only if action in _EDITS else ())


def _severities(policy: Policy, rule: Rule) -> Iterator[tuple[str, Rule]]:
    if rule.action is not Action.SCORE:
        return
    points = policy.severities[rule.severity]
    for severity, others in policy.severities.items():
        if _matters(policy, rule, points, others):
            yield f"severity: {severity}", replace(rule, severity=severity)


def _matters(policy: Policy, rule: Rule, points: int, others: int) -> bool:
    """Whether some set of other hits is over the threshold with the one score and under it with the other."""
    threshold = policy.thresholds[rule.stage]
    beside = [policy.severities[one.severity] for one in _scoring(policy, rule.stage) if one is not rule]
    return any((total + points >= threshold) != (total + others >= threshold) for total in _totals(beside))


def _thresholds(policy: Policy) -> Iterator[Mutant]:
    for stage, threshold in policy.thresholds.items():
        totals = _totals([policy.severities[one.severity] for one in _scoring(policy, stage)])
        for other in (threshold - 1, threshold + 1):
            if any((total >= threshold) != (total >= other) for total in totals):
                changed = replace(policy, thresholds={**policy.thresholds, stage: other})
                yield Mutant(what="scoring", change=f"threshold of {stage}: {other}", policy=changed)


def _scoring(policy: Policy, stage: Stage) -> list[Rule]:
    return [
        rule
        for rule in policy.rules
        if rule.stage is stage and rule.action is Action.SCORE and rule.level <= policy.levels.blocking
    ]


def _totals(points: Sequence[int]) -> frozenset[int]:
    """What hits of any of these can add up to."""
    return frozenset(sum(some) for count in range(len(points) + 1) for some in combinations(points, count))


def _settings(settings: DetectorSettings) -> Iterator[tuple[str, DetectorSettings]]:
    """Each kind of personal data and each host left out."""
    pii, urls = settings.pii, settings.urls
    if len(pii.entities) > 1:
        for entity in pii.entities:
            left = tuple(one for one in pii.entities if one != entity)
            yield f"pii: no {entity}", replace(settings, pii=replace(pii, entities=left))
    for host in urls.allowed_hosts:
        left = tuple(one for one in urls.allowed_hosts if one != host)
        yield f"urls: {host} not allowed", replace(settings, urls=replace(urls, allowed_hosts=left))
    for host in urls.protected_hosts:
        left = tuple(one for one in urls.protected_hosts if one != host)
        yield f"urls: {host} not protected", replace(settings, urls=replace(urls, protected_hosts=left))
