from collections.abc import Callable
from dataclasses import replace

import pytest

from gateway.domain.detection import Detection, Mark, Scanned, Stage, Subject
from gateway.domain.verdict import Action, Decision, Redact
from policies.engine.applicable import Applicable
from policies.engine.cases import CaseRunner, Gap, Tried, coverage, rehearsed, run_cases
from policies.engine.evaluate import evaluate
from policies.engine.model import Case, ExceptionRule, Expectation, Match, Mode, Policy, Rollout, Rule


@pytest.fixture
def scan(standing: Callable[..., Applicable]) -> CaseRunner:
    """Detector ``a`` sees the letter a, and so on; a redaction leaves stars."""

    def run(policy: Policy, case: Case) -> Tried:
        subject = Subject(stage=case.stage, where="case", text=case.text, facts=case.facts)
        seen = {
            name: Detection(facts={f"det.{name}.found": True}, marks=(Mark(kind=name, start=0, end=1),))
            for name in "abc"
            if name in case.text
        }
        verdict = evaluate(standing(policy), [Scanned(subject=subject, detections=seen)], 0.0)
        text = "***" if isinstance(verdict, Redact) else case.text
        return Tried(verdict=verdict, text=text)

    return run


def a_case(
    text: str,
    decision: Decision = "allow",
    *rules: str,
    near: tuple[str, ...] = (),
    stage: Stage = Stage.DATA,
    out: str | None = None,
) -> Case:
    expect = Expectation(decision=decision, rules=rules, text=out)
    return Case(name=text or "empty", stage=stage, text=text, expect=expect, near=near)


def with_cases(policy: Policy, *cases: Case) -> Policy:
    return replace(policy, cases=cases)


def test_cases_that_come_out_as_they_say_pass(
    rule_of: Callable[..., Rule], policy_of: Callable[..., Policy], scan: CaseRunner
) -> None:
    policy = policy_of(rule_of("a"), rule_of("b", "det.b.found"))
    cases = (a_case("ab", "block", "b", "a"), a_case("x", near=("a", "b")))
    results = run_cases(with_cases(policy, *cases), scan)
    assert [(result.case, result.passed, result.decision) for result in results] == [
        (cases[0], True, "block"),
        (cases[1], True, "allow"),
    ]


@pytest.mark.parametrize(
    ("case", "missing", "unexpected", "too_near"),
    [
        (a_case("a", "block", "a", "b"), ("b",), (), ()),
        (a_case("ab", "block", "a"), (), ("b",), ()),
        (a_case("b", "block", "a"), ("a",), ("b",), ()),
        (a_case("a", "block", "a", near=("a", "b")), (), (), ("a",)),
        (a_case("a", "allow", "a"), (), (), ()),
    ],
)
def test_a_case_that_comes_out_otherwise_fails_and_says_how(
    case: Case,
    missing: tuple[str, ...],
    unexpected: tuple[str, ...],
    too_near: tuple[str, ...],
    rule_of: Callable[..., Rule],
    policy_of: Callable[..., Policy],
    scan: CaseRunner,
) -> None:
    policy = policy_of(rule_of("a"), rule_of("b", "det.b.found"))
    (result,) = run_cases(with_cases(policy, case), scan)
    assert not result.passed
    assert (result.missing, result.unexpected, result.too_near) == (missing, unexpected, too_near)
    assert result.decision == "block"


def test_a_case_may_ask_for_the_text_that_is_sent_on(
    rule_of: Callable[..., Rule], policy_of: Callable[..., Policy], scan: CaseRunner
) -> None:
    policy = policy_of(rule_of("a", action=Action.REDACT))
    right, wrong, silent = (a_case("a", "redact", "a", out=out) for out in ("***", "a", None))
    results = run_cases(with_cases(policy, right, wrong, silent), scan)
    assert [(result.passed, result.wrong_text) for result in results] == [(True, None), (False, "***"), (True, None)]


@pytest.mark.parametrize("mode", ["off", "shadow", "enforce"])
def test_cases_try_the_policy_as_enforced_for_everybody_without_exceptions(
    mode: Mode, rule_of: Callable[..., Rule], policy_of: Callable[..., Policy], scan: CaseRunner
) -> None:
    nobody = Match(tenants=("nobody",))
    policy = policy_of(rule_of("a"), mode=mode, match=nobody, rollout=Rollout(percent=0.0))
    exception = ExceptionRule(id="e", rules=("a",), reason=".", approver=".", expires=9.0)
    policy = replace(with_cases(policy, a_case("a", "block", "a")), exceptions=(exception,))
    assert [result.passed for result in run_cases(policy, scan)] == [True]
    assert rehearsed(policy).name == policy.name


def test_a_rule_in_shadow_is_expected_by_its_hit_and_not_by_a_decision(
    rule_of: Callable[..., Rule], policy_of: Callable[..., Policy], scan: CaseRunner
) -> None:
    policy = policy_of(rule_of("a", mode="shadow"))
    assert [result.passed for result in run_cases(with_cases(policy, a_case("a", "allow", "a")), scan)] == [True]


def test_a_rule_is_covered_by_a_hit_and_a_near_miss(
    rule_of: Callable[..., Rule], policy_of: Callable[..., Policy], scan: CaseRunner
) -> None:
    policy = policy_of(rule_of("a"))
    hit, near = a_case("a", "block", "a"), a_case("x", near=("a",))
    elsewhere, failing = a_case("y", near=("a",), stage=Stage.OUTPUT), a_case("z", "block", near=("a",))

    def gaps(*cases: Case) -> list[Gap]:
        tried = with_cases(policy, *cases)
        return coverage(tried, run_cases(tried, scan))

    no_hit, no_near = Gap(rule="a", missing="hit"), Gap(rule="a", missing="near miss")
    assert gaps(hit, near) == []
    assert gaps() == [no_hit, no_near]
    assert gaps(hit) == [no_near]
    assert gaps(near) == [no_hit]
    assert gaps(hit, elsewhere) == [no_near]
    assert gaps(hit, failing) == [no_near]
    assert gaps(hit, a_case("w")) == [no_near]


def test_rules_that_are_not_evaluated_need_no_cases(
    rule_of: Callable[..., Rule], policy_of: Callable[..., Policy]
) -> None:
    policy = policy_of(rule_of("off", mode="off"), rule_of("above", level=2), rule_of("watches", mode="shadow"))
    assert {gap.rule for gap in coverage(policy, [])} == {"watches"}
