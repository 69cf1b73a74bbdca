from collections.abc import Callable
from dataclasses import replace

import pytest

from gateway.domain.detection import QUIET, Detection, Scanned, Stage, Subject
from gateway.domain.verdict import (
    Action,
    Allow,
    Block,
    Edit,
    Findings,
    Hit,
    Redact,
    RequireApproval,
    Verdict,
    Weight,
    decision_of,
)
from policies.engine.applicable import Applicable, applicable_of, apply_policy
from policies.engine.evaluate import CLEAR, evaluate
from policies.engine.model import ExceptionRule, Mode, Policy, Rule

NOW = 1_000.0
# It divides by zero where the request offers no tools.
FAILING = "request.chars / request.tools > 1"


def weights(verdict: Verdict) -> dict[str, Weight]:
    return {hit.rule: hit.weight for hit in verdict.found.hits}


def an_exception(*rules: str, expires: float = NOW + 1, name: str = "e") -> ExceptionRule:
    return ExceptionRule(id=name, rules=rules, reason="a known sender", approver="ciso", expires=expires)


@pytest.mark.rows
@pytest.mark.parametrize(
    ("action", "verdict"),
    [
        (Action.BLOCK, Block),
        (Action.REQUIRE_APPROVAL, RequireApproval),
        (Action.REDACT, Redact),
        (Action.PSEUDONYMISE, Redact),
        (Action.SET_CHANNEL, Allow),
        (Action.SCORE, Block),
    ],
)
def test_a_rule_that_hits_gets_what_it_asks_for(
    action: Action,
    verdict: type[Verdict],
    rule_of: Callable[..., Rule],
    policy_of: Callable[..., Policy],
    standing: Callable[..., Applicable],
    scanned_of: Callable[..., Scanned],
) -> None:
    applicable = standing(policy_of(rule_of(action=action)))
    got = evaluate(applicable, [scanned_of("a")], NOW)
    assert type(got) is verdict
    assert got.found.hits == (
        Hit(
            policy="p",
            rule="r",
            stage=Stage.DATA,
            where="mail",
            action=action,
            weight=Weight.ACTS,
            points=5 if action is Action.SCORE else 0,
            message="r hit.",
            level=1,
            threshold=5 if action is Action.SCORE else 0,
            spans=((0, 4),),
        ),
    )
    assert evaluate(applicable, [scanned_of("b")], NOW) == CLEAR
    assert evaluate(applicable, [scanned_of()], NOW) == CLEAR
    assert evaluate(applicable, [scanned_of("a", stage=Stage.OUTPUT)], NOW) == CLEAR


@pytest.mark.rows
@pytest.mark.parametrize(
    ("actions", "decision"),
    [
        ((Action.REDACT, Action.BLOCK, Action.REQUIRE_APPROVAL), "block"),
        ((Action.REDACT, Action.REQUIRE_APPROVAL, Action.PSEUDONYMISE), "require_approval"),
        ((Action.SET_CHANNEL, Action.REDACT), "redact"),
        ((Action.SET_CHANNEL,), "allow"),
        ((), "allow"),
    ],
)
def test_the_strictest_of_all_policies_stands_and_all_are_named(
    actions: tuple[Action, ...],
    decision: str,
    rule_of: Callable[..., Rule],
    policy_of: Callable[..., Policy],
    standing: Callable[..., Applicable],
    scanned_of: Callable[..., Scanned],
) -> None:
    policies = [policy_of(rule_of(action=action), name=f"p{index}") for index, action in enumerate(actions)]
    verdict = evaluate(standing(*policies), [scanned_of("a")], NOW)
    assert decision_of(verdict) == decision
    assert [hit.policy for hit in verdict.found.hits] == [policy.name for policy in policies]


def test_a_rule_that_no_detector_wakes_is_evaluated_on_quiet_texts_too(
    rule_of: Callable[..., Rule],
    policy_of: Callable[..., Policy],
    standing: Callable[..., Applicable],
    scanned_of: Callable[..., Scanned],
) -> None:
    applicable = standing(policy_of(rule_of(when="tainted && !det.a.found")))
    assert decision_of(evaluate(applicable, [scanned_of(facts={"tainted": True})], NOW)) == "block"
    assert decision_of(evaluate(applicable, [scanned_of("b", facts={"tainted": True})], NOW)) == "block"
    assert evaluate(applicable, [scanned_of("a", facts={"tainted": True})], NOW) == CLEAR
    assert evaluate(applicable, [scanned_of()], NOW) == CLEAR


def test_a_policy_sees_its_own_instance_of_a_detector_and_no_other(
    rule_of: Callable[..., Rule], policy_of: Callable[..., Policy]
) -> None:
    one = apply_policy(policy_of(rule_of(), name="one"), Weight.ACTS, {"a": "a"})
    other = apply_policy(policy_of(rule_of(when="!det.a.found"), name="other"), Weight.ACTS, {"a": "a@1"})
    subject = Subject(stage=Stage.DATA, where="s1", text="", facts={})
    seen = Detection(facts={"det.a.found": True})
    applicable = applicable_of((one, other), "r")
    for detections, hit in (({"a": seen}, ["one", "other"]), ({"a@1": seen}, []), ({"a": QUIET}, ["other"])):
        verdict = evaluate(applicable, [Scanned(subject=subject, detections=detections)], NOW)
        assert [hit.policy for hit in verdict.found.hits] == hit


def test_a_rule_edits_what_its_own_detectors_marked(
    rule_of: Callable[..., Rule],
    policy_of: Callable[..., Policy],
    standing: Callable[..., Applicable],
    scanned_of: Callable[..., Scanned],
) -> None:
    policy = policy_of(
        rule_of("r", "det.a.found", action=Action.REDACT),
        rule_of("s", "det.b.found", action=Action.PSEUDONYMISE, only=("NAME",)),
    )
    marks = {"a": [("KEY", 0, 4)], "b": [("NAME", 2, 6), ("CITY", 8, 9), ("NAME", 9, 12)], "c": [("X", 1, 2)]}
    verdict = evaluate(standing(policy), [scanned_of(marks=marks)], NOW)

    def edit(start: int, end: int, kind: str, action: Action) -> Edit:
        assert action is Action.REDACT or action is Action.PSEUDONYMISE
        return Edit(stage=Stage.DATA, where="mail", start=start, end=end, kind=kind, action=action)

    assert verdict == Redact(found=verdict.found)
    assert verdict.found.edits == (
        edit(0, 4, "KEY", Action.REDACT),
        edit(2, 6, "NAME", Action.PSEUDONYMISE),
        edit(9, 12, "NAME", Action.PSEUDONYMISE),
    )
    assert [(hit.rule, hit.count) for hit in verdict.found.hits] == [("r", 1), ("s", 2)]


def test_a_redaction_that_leaves_every_mark_alone_changes_nothing_and_is_listed(
    rule_of: Callable[..., Rule],
    policy_of: Callable[..., Policy],
    standing: Callable[..., Applicable],
    scanned_of: Callable[..., Scanned],
) -> None:
    policy = policy_of(rule_of(action=Action.REDACT, only=("OTHER",)))
    verdict = evaluate(standing(policy), [scanned_of("a")], NOW)
    assert decision_of(verdict) == "allow"
    assert [(hit.rule, hit.count) for hit in verdict.found.hits] == [("r", 1)]


def test_segments_are_demoted_once_each_by_rules_that_act(
    rule_of: Callable[..., Rule],
    policy_of: Callable[..., Policy],
    standing: Callable[..., Applicable],
    scanned_of: Callable[..., Scanned],
) -> None:
    stage = Stage.INSTRUCTIONS
    act = [rule_of(name, stage=stage, action=Action.SET_CHANNEL) for name in ("r", "s")]
    watch = rule_of("t", "det.b.found", stage=stage, action=Action.SET_CHANNEL, mode="shadow")
    texts = [scanned_of("a", where="s2", stage=stage), scanned_of("a", "b", where="s1", stage=stage)]
    texts.append(scanned_of("b", where="s3", stage=stage))
    assert evaluate(standing(policy_of(*act, watch)), texts, NOW).found.demoted == ("s2", "s1")


@pytest.mark.rows
@pytest.mark.parametrize("action", list(Action))
@pytest.mark.parametrize(
    ("policy_mode", "rule_mode", "level", "bypass", "weight"),
    [
        ("shadow", "enforce", 1, None, Weight.SHADOW),
        ("enforce", "shadow", 1, None, Weight.SHADOW),
        ("enforce", "enforce", 2, None, Weight.LEVEL),
        ("enforce", "enforce", 1, "outage", Weight.BYPASSED),
    ],
)
def test_what_only_watches_is_recorded_and_neither_decides_nor_edits_nor_scores(
    action: Action,
    policy_mode: Mode,
    rule_mode: Mode,
    level: int,
    bypass: str | None,
    weight: Weight,
    rule_of: Callable[..., Rule],
    policy_of: Callable[..., Policy],
    standing: Callable[..., Applicable],
    scanned_of: Callable[..., Scanned],
) -> None:
    policy = policy_of(rule_of(action=action, mode=rule_mode, level=level), mode=policy_mode, detection=2)
    verdict = evaluate(standing(policy, bypass=bypass), [scanned_of("a")], NOW)
    assert weights(verdict) == {"r": weight}
    assert verdict == Allow(found=Findings(hits=verdict.found.hits))


def test_a_rule_that_is_off_or_above_the_detection_level_is_not_evaluated(
    rule_of: Callable[..., Rule],
    policy_of: Callable[..., Policy],
    standing: Callable[..., Applicable],
    scanned_of: Callable[..., Scanned],
) -> None:
    policy = policy_of(rule_of("off", mode="off"), rule_of("above", level=3), blocking=2, detection=2)
    assert evaluate(standing(policy), [scanned_of("a")], NOW) == CLEAR


def test_an_exception_suppresses_the_exact_rule_until_it_expires_and_is_named(
    rule_of: Callable[..., Rule],
    policy_of: Callable[..., Policy],
    standing: Callable[..., Applicable],
    scanned_of: Callable[..., Scanned],
) -> None:
    exceptions = (an_exception("r", expires=NOW, name="old"), an_exception("r", "x"))
    policy = replace(policy_of(rule_of("r"), rule_of("r2", action=Action.REDACT)), exceptions=exceptions)
    verdict = evaluate(standing(policy), [scanned_of("a")], NOW)
    assert decision_of(verdict) == "redact"
    assert [(hit.rule, hit.weight, hit.exception) for hit in verdict.found.hits] == [
        ("r", Weight.EXCEPTED, "e"),
        ("r2", Weight.ACTS, None),
    ]
    assert decision_of(evaluate(standing(policy), [scanned_of("a")], NOW + 1)) == "block"


@pytest.mark.rows
@pytest.mark.parametrize(
    ("on_error", "weight", "decision"),
    [
        ({}, Weight.ACTS, "block"),
        ({"default": "report"}, Weight.LEVEL, "allow"),
        ({"a": "report"}, Weight.LEVEL, "allow"),
        ({"default": "report", "a": "block"}, Weight.ACTS, "block"),
    ],
)
def test_a_detector_that_failed_closes_the_door_unless_the_policy_says_report(
    on_error: dict[str, str],
    weight: Weight,
    decision: str,
    rule_of: Callable[..., Rule],
    policy_of: Callable[..., Policy],
    standing: Callable[..., Applicable],
    scanned_of: Callable[..., Scanned],
) -> None:
    policy = policy_of(rule_of("r", action=Action.SCORE), rule_of("b", "det.b.found"))
    policy = replace(policy, on_error=on_error)
    verdict = evaluate(standing(policy), [scanned_of(failed={"a": "timeout", "c": "error"})], NOW)
    assert decision_of(verdict) == decision
    (hit,) = verdict.found.hits
    assert (hit.rule, hit.action, hit.weight) == ("on_error:a", Action.BLOCK, weight)
    assert "timeout" in hit.message


def test_a_detector_that_failed_after_it_found_something_counts_for_both(
    rule_of: Callable[..., Rule],
    policy_of: Callable[..., Policy],
    standing: Callable[..., Applicable],
    scanned_of: Callable[..., Scanned],
) -> None:
    verdict = evaluate(standing(policy_of(rule_of())), [scanned_of("a", failed={"a": "error"})], NOW)
    assert weights(verdict) == {"on_error:a": Weight.ACTS, "r": Weight.ACTS}


@pytest.mark.rows
@pytest.mark.parametrize("when", ["det.a.found", FAILING])
@pytest.mark.parametrize(
    ("rules", "policy_mode", "bypass", "weight"),
    [
        ([("enforce", 1)], "enforce", None, Weight.ACTS),
        ([("shadow", 1), ("enforce", 2)], "enforce", None, Weight.SHADOW),
        ([("enforce", 2)], "enforce", None, Weight.LEVEL),
        ([("enforce", 1)], "shadow", None, Weight.SHADOW),
        ([("enforce", 1)], "enforce", "outage", Weight.BYPASSED),
    ],
)
def test_a_failure_weighs_no_more_than_the_weightiest_rule_that_it_concerns(
    when: str,
    rules: list[tuple[Mode, int]],
    policy_mode: Mode,
    bypass: str | None,
    weight: Weight,
    rule_of: Callable[..., Rule],
    policy_of: Callable[..., Policy],
    standing: Callable[..., Applicable],
    scanned_of: Callable[..., Scanned],
) -> None:
    made = [rule_of(f"r{n}", when, mode=mode, level=level) for n, (mode, level) in enumerate(rules)]
    policy = policy_of(*made, mode=policy_mode, detection=2)
    verdict = evaluate(standing(policy, bypass=bypass), [scanned_of(failed={"a": "error"})], NOW)
    assert weight in {hit.weight for hit in verdict.found.hits}
    assert decision_of(verdict) == ("block" if weight is Weight.ACTS else "allow")
    assert all(hit.rule.startswith("on_error:") for hit in verdict.found.hits)


def test_an_exception_for_every_rule_that_needs_a_detector_covers_its_failure(
    rule_of: Callable[..., Rule],
    policy_of: Callable[..., Policy],
    standing: Callable[..., Applicable],
    scanned_of: Callable[..., Scanned],
) -> None:
    policy = replace(policy_of(rule_of("r"), rule_of("s", "det.b.found")), exceptions=(an_exception("r"),))
    verdict = evaluate(standing(policy), [scanned_of(failed={"a": "error"})], NOW)
    assert decision_of(verdict) == "allow"
    assert [(hit.rule, hit.weight, hit.exception) for hit in verdict.found.hits] == [
        ("on_error:a", Weight.EXCEPTED, "e")
    ]
    assert decision_of(evaluate(standing(policy), [scanned_of(failed={"b": "error"})], NOW)) == "block"


@pytest.mark.parametrize("loud", [(), ("b",)])
def test_a_condition_that_fails_closes_the_door_unless_the_policy_says_report(
    loud: tuple[str, ...],
    rule_of: Callable[..., Rule],
    policy_of: Callable[..., Policy],
    standing: Callable[..., Applicable],
    scanned_of: Callable[..., Scanned],
) -> None:
    policy = policy_of(rule_of("r", FAILING, action=Action.SCORE), rule_of("s", "det.b.found", action=Action.REDACT))
    verdict = evaluate(standing(policy), [scanned_of(*loud)], NOW)
    assert decision_of(verdict) == "block"
    assert (verdict.found.hits[0].rule, verdict.found.hits[0].action) == ("on_error:r", Action.BLOCK)
    assert verdict.found.scores == ()
    report = standing(replace(policy, on_error={"default": "report"}))
    assert weights(evaluate(report, [scanned_of(*loud)], NOW))["on_error:r"] is Weight.LEVEL
    assert evaluate(standing(policy), [scanned_of(facts={"request.tools": 1})], NOW) == CLEAR
