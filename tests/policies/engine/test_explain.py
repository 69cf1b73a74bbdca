from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.domain.detection import Scanned, Stage
from gateway.domain.verdict import Action, Weight
from policies.engine.applicable import Applicable
from policies.engine.evaluate import evaluate
from policies.engine.explain import Explanation, Total, explain
from policies.engine.model import ExceptionRule, Mode, Policy, Rollout, Rule
from policies.engine.ruleset import Asker, Ruleset

NOW = 1_000.0
FAILING = "request.chars / request.tools > 1"


def lines(explanation: Explanation) -> list[tuple[str, str, int, int, int | None]]:
    return [(step.rule, step.outcome, step.points, step.score, step.threshold) for step in explanation.steps]


def test_every_rule_of_the_stage_is_accounted_for_with_the_running_score(
    rule_of: Callable[..., Rule],
    policy_of: Callable[..., Policy],
    standing: Callable[..., Applicable],
    scanned_of: Callable[..., Scanned],
) -> None:
    policy = policy_of(
        rule_of("warns", "det.a.found", action=Action.SCORE, severity="warning"),
        rule_of("not", "det.a.count > 1", action=Action.SCORE),
        rule_of("waits", "det.b.found"),
        rule_of("off", mode="off"),
        rule_of("above", level=3),
        rule_of("elsewhere", stage=Stage.OUTPUT),
        rule_of("notes", "det.a.found", action=Action.SCORE, severity="notice"),
        rule_of("edits", "det.a.found", action=Action.REDACT),
        rule_of("fails", FAILING, action=Action.SCORE),
    )
    explanation = explain(standing(policy), [scanned_of("a", failed={"b": "timeout"}), scanned_of("a")], NOW)
    assert explanation.decision == "block"
    assert lines(explanation) == [
        ("on_error:b", "failed", 0, 0, None),
        ("warns", "hit", 3, 3, 5),
        ("not", "no hit", 0, 3, 5),
        ("waits", "no hit", 0, 3, None),
        ("off", "off", 0, 3, None),
        ("above", "above", 0, 3, None),
        ("notes", "hit", 2, 5, 5),
        ("edits", "hit", 0, 5, None),
        ("fails", "failed", 0, 5, 5),
        ("warns", "hit", 0, 5, 5),
        ("not", "no hit", 0, 5, 5),
        ("waits", "dormant", 0, 5, None),
        ("off", "off", 0, 5, None),
        ("above", "above", 0, 5, None),
        ("notes", "hit", 0, 5, 5),
        ("edits", "hit", 0, 5, None),
        ("fails", "failed", 0, 5, 5),
    ]
    why = {step.rule: step.why for step in explanation.steps[:9]}
    assert why == {
        "on_error:b": "It acts: block.",
        "warns": "It adds 3.",
        "not": "The condition does not hold.",
        "waits": "The condition does not hold.",
        "off": "The rule's mode is off.",
        "above": "The rule's level is 3; the policy evaluates up to 1.",
        "notes": "It adds 2.",
        "edits": "It acts: redact.",
        "fails": "It acts: block.",
    }
    assert explanation.steps[9].why == "It has counted at this stage already."
    assert explanation.steps[11].why == "All the detectors that the condition waits for are quiet."
    assert explanation.steps[1].condition == "det.a.found"
    assert explanation.totals == (Total(policy="p", stage=Stage.DATA, score=5, watched=5, threshold=5),)
    assert explanation.totals[0].reached


@pytest.mark.rows
@pytest.mark.parametrize(
    ("mode", "rule_mode", "level", "excepted", "bypass", "weight", "why"),
    [
        ("shadow", "enforce", 1, False, None, Weight.SHADOW, "It only watches. The policy's mode is shadow."),
        ("enforce", "shadow", 1, False, None, Weight.SHADOW, "It only watches. The rule's own mode is shadow."),
        ("enforce", "enforce", 2, False, None, Weight.LEVEL, "Its level is above 1,"),
        ("enforce", "enforce", 1, True, None, Weight.EXCEPTED, "The exception e suppresses it."),
        ("enforce", "enforce", 1, False, "outage", Weight.BYPASSED, "A break-glass grant is in force."),
    ],
)
def test_a_hit_that_does_not_act_says_why(
    mode: Mode,
    rule_mode: Mode,
    level: int,
    excepted: bool,
    bypass: str | None,
    weight: Weight,
    why: str,
    rule_of: Callable[..., Rule],
    policy_of: Callable[..., Policy],
    standing: Callable[..., Applicable],
    scanned_of: Callable[..., Scanned],
) -> None:
    exception = ExceptionRule(id="e", rules=("r",), reason=".", approver=".", expires=NOW + 1)
    policy = policy_of(rule_of(mode=rule_mode, level=level, action=Action.SCORE), mode=mode, detection=2)
    policy = replace(policy, exceptions=(exception,) if excepted else ())
    explanation = explain(standing(policy, bypass=bypass), [scanned_of("a")], NOW)
    (step,) = explanation.steps
    assert step.hit is not None
    assert (step.hit.weight, step.points, step.score) == (weight, 0, 0)
    assert step.why.startswith(why)
    (total,) = explanation.totals
    assert (total.score, total.reached) == (0, False)
    assert total.would_reach is (weight in {Weight.SHADOW, Weight.BYPASSED})
    assert explanation.decision == "allow"


def test_what_could_not_be_looked_at_and_is_reported_says_so(
    rule_of: Callable[..., Rule],
    policy_of: Callable[..., Policy],
    standing: Callable[..., Applicable],
    scanned_of: Callable[..., Scanned],
) -> None:
    policy = replace(policy_of(rule_of()), on_error={"default": "report"})
    first, second = explain(standing(policy), [scanned_of(failed={"a": "error"})], NOW).steps
    assert first.why == "What could not be looked at is reported, and does not act."
    assert second.why == "The condition does not hold."


def test_each_policy_says_why_it_stands_as_it_does(
    policy_of: Callable[..., Policy], ruleset_of: Callable[..., Ruleset], asker_of: Callable[..., Asker]
) -> None:
    ruleset = ruleset_of(
        policy_of(name="acts"),
        policy_of(name="watches", mode="shadow"),
        policy_of(name="pilot", rollout=Rollout(tenants=("nobody",))),
    )

    def why(bypass: str | None) -> dict[str, str]:
        explanation = explain(ruleset.applicable(asker_of(), bypass=bypass), [], NOW)
        return {policy.policy: policy.why for policy in explanation.policies}

    assert why(None) == {
        "acts": "The policy is enforced for this request.",
        "watches": "The policy's mode is shadow.",
        "pilot": "The policy's roll-out does not reach this request.",
    }
    assert set(why("outage").values()) == {"A break-glass grant is in force."}


def test_a_stage_without_rules_needs_no_account(
    rule_of: Callable[..., Rule],
    policy_of: Callable[..., Policy],
    standing: Callable[..., Applicable],
    scanned_of: Callable[..., Scanned],
) -> None:
    policy = policy_of(rule_of(), rule_of("off", stage=Stage.TOOLS, mode="off"))
    assert explain(standing(policy), [scanned_of("a", stage=Stage.OUTPUT)], NOW).steps == ()
    assert lines(explain(standing(policy), [scanned_of("a", stage=Stage.TOOLS)], NOW)) == [("off", "off", 0, 0, None)]


@given(data=st.data())
def test_the_account_has_the_verdicts_own_hits_and_scores(
    data: st.DataObject,
    rule_of: Callable[..., Rule],
    policy_of: Callable[..., Policy],
    standing: Callable[..., Applicable],
    scanned_of: Callable[..., Scanned],
) -> None:
    conditions = st.sampled_from(["det.a.found", "!det.b.found", "tainted", FAILING])
    drawn = st.lists(st.tuples(conditions, st.sampled_from(list(Action)), st.sampled_from(["enforce", "shadow"])))
    policies = [
        policy_of(
            *(rule_of(f"r{n}", when, action=act, mode=mode) for n, (when, act, mode) in enumerate(data.draw(drawn))),
            name=name,
        )
        for name in ("p", "q")
    ]
    texts = [scanned_of(*found) for found in data.draw(st.lists(st.sampled_from(["", "a", "b", "ab"]), max_size=3))]
    applicable = standing(*policies)
    explanation = explain(applicable, texts, NOW)
    verdict = evaluate(applicable, texts, NOW)
    assert explanation.verdict == verdict
    assert sorted(str(step.hit) for step in explanation.steps if step.hit) == sorted(map(str, verdict.found.hits))
    acting = {(total.policy, total.stage): total.score for total in explanation.totals if total.score}
    assert acting == {(score.policy, score.stage): score.points for score in verdict.found.scores}
