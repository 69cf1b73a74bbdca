"""Do a policy's own test cases come out as the file says, and is every rule covered by them?

A rule is covered by one case that it hits and one near miss at its stage that it does not hit: without the second
nobody knows that the rule is not simply always true. Cases try rules, as if the policy were enforced for everybody.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Literal, TypeAlias

from gateway.domain.value import value
from gateway.domain.verdict import Decision, Findings, Verdict, decision_of
from policies.engine.applicable import evaluated
from policies.engine.model import Case, Match, Policy, Rollout


@value
class Tried:
    """What came of a case; ``text`` is its text as it would be sent on, edits applied."""

    verdict: Verdict
    text: str


# Builds the case's subject, scans and evaluates it, and applies the edits.
CaseRunner: TypeAlias = Callable[[Policy, Case], Tried]


@value
class CaseResult:
    """A case and what came of it.

    ``got`` are the rules that hit, whatever their weight. ``missing`` were expected and did not hit, ``unexpected`` hit
    and were not, ``too_near`` were to be missed narrowly and were hit. ``wrong_text`` is the text that came out where
    the case asks for another.
    """

    case: Case
    decision: Decision
    got: tuple[str, ...]
    missing: tuple[str, ...]
    unexpected: tuple[str, ...]
    too_near: tuple[str, ...]
    wrong_text: str | None

    @property
    def passed(self) -> bool:
        """Whether all came out as the case says."""
        as_said = self.decision == self.case.expect.decision and self.wrong_text is None
        return as_said and not (self.missing or self.unexpected or self.too_near)


@value
class Gap:
    """What no passing case shows of a rule: that it hits, or that it does not hit what is nearly the same."""

    rule: str
    missing: Literal["hit", "near miss"]


def run_cases(policy: Policy, scan: CaseRunner) -> list[CaseResult]:
    """Try each case of the file, in its order."""
    tried = rehearsed(policy)
    return [_result(case, scan(tried, case)) for case in policy.cases]


def rehearsed(policy: Policy) -> Policy:
    """The policy as its cases try it: enforced for everybody, without exceptions.

    Exceptions are for somebody and for a while; with them a case would come out otherwise on another day.
    """
    return replace(policy, mode="enforce", match=Match(), rollout=Rollout(), exceptions=())


def coverage(policy: Policy, results: Sequence[CaseResult]) -> list[Gap]:
    """What the passing cases leave unshown, rule by rule; rules that are not evaluated need none."""
    passed = [result for result in results if result.passed]
    gaps: list[Gap] = []
    for rule in policy.rules:
        if not evaluated(policy, rule):
            continue
        if not any(rule.id in result.got for result in passed):
            gaps.append(Gap(rule=rule.id, missing="hit"))
        near = (result for result in passed if result.case.stage is rule.stage)
        if not any(rule.id in result.case.near for result in near):
            gaps.append(Gap(rule=rule.id, missing="near miss"))
    return gaps


def _result(case: Case, tried: Tried) -> CaseResult:
    got = _rules(tried.verdict.found)
    return CaseResult(
        case=case,
        decision=decision_of(tried.verdict),
        got=got,
        missing=_without(case.expect.rules, got),
        unexpected=_without(got, case.expect.rules),
        too_near=tuple(rule for rule in case.near if rule in got),
        wrong_text=None if case.expect.text in (None, tried.text) else tried.text,
    )


def _rules(found: Findings) -> tuple[str, ...]:
    return tuple(dict.fromkeys(hit.rule for hit in found.hits))


def _without(rules: Iterable[str], others: Sequence[str]) -> tuple[str, ...]:
    return tuple(rule for rule in rules if rule not in others)
