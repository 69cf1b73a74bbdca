from collections.abc import Callable
from dataclasses import replace

import pytest

from gateway.domain.detection import Scanned, Stage
from gateway.domain.verdict import Action, Score, decision_of
from policies.engine.applicable import Applicable
from policies.engine.evaluate import evaluate
from policies.engine.model import Policy, Rule, Severity

NOW = 1_000.0


@pytest.mark.rows
@pytest.mark.parametrize(
    ("severities", "points", "decision"),
    [
        (("critical",), 5, "block"),
        (("error",), 4, "allow"),
        (("warning", "notice"), 5, "block"),
        (("notice", "notice"), 4, "allow"),
    ],
)
def test_points_of_a_policys_stage_add_up_to_a_block(
    severities: tuple[Severity, ...],
    points: int,
    decision: str,
    rule_of: Callable[..., Rule],
    policy_of: Callable[..., Policy],
    standing: Callable[..., Applicable],
    scanned_of: Callable[..., Scanned],
) -> None:
    rules = [rule_of(f"r{n}", action=Action.SCORE, severity=severity) for n, severity in enumerate(severities)]
    verdict = evaluate(standing(policy_of(*rules)), [scanned_of("a")], NOW)
    assert verdict.found.scores == (Score(policy="p", stage=Stage.DATA, points=points, threshold=5),)
    assert decision_of(verdict) == decision
    assert [hit.rule for hit in verdict.found.hits] == [rule.id for rule in rules]


def test_points_add_up_over_texts_but_not_over_stages_or_policies(
    rule_of: Callable[..., Rule],
    policy_of: Callable[..., Policy],
    standing: Callable[..., Applicable],
    scanned_of: Callable[..., Scanned],
) -> None:
    a, b = (rule_of(name, f"det.{name}.found", action=Action.SCORE, severity="warning") for name in "ab")
    output = rule_of("o", "det.b.found", stage=Stage.OUTPUT, action=Action.SCORE, severity="warning")
    together = standing(policy_of(a, b))
    assert decision_of(evaluate(together, [scanned_of("a"), scanned_of("b", where="web")], NOW)) == "block"
    stages = evaluate(standing(policy_of(a, output)), [scanned_of("a"), scanned_of("b", stage=Stage.OUTPUT)], NOW)
    assert decision_of(stages) == "allow"
    apart = evaluate(standing(policy_of(a), policy_of(b, name="q")), [scanned_of("a", "b")], NOW)
    assert decision_of(apart) == "allow"
    assert [(score.policy, score.points) for score in apart.found.scores] == [("p", 3), ("q", 3)]


def test_a_rule_scores_once_a_stage_in_however_many_texts_it_hits(
    rule_of: Callable[..., Rule],
    policy_of: Callable[..., Policy],
    standing: Callable[..., Applicable],
    scanned_of: Callable[..., Scanned],
) -> None:
    applicable = standing(policy_of(rule_of(action=Action.SCORE, severity="warning")))
    verdict = evaluate(applicable, [scanned_of("a", where=f"s{n}") for n in range(9)], NOW)
    assert decision_of(verdict) == "allow"
    assert len(verdict.found.hits) == 9
    assert verdict.found.scores[0].points == 3


def test_only_rules_that_score_score(
    rule_of: Callable[..., Rule],
    policy_of: Callable[..., Policy],
    standing: Callable[..., Applicable],
    scanned_of: Callable[..., Scanned],
) -> None:
    others = [rule_of(action, action=action) for action in (Action.REDACT, Action.SET_CHANNEL)]
    policy = policy_of(rule_of(action=Action.SCORE, severity="warning"), *others)
    verdict = evaluate(standing(policy), [scanned_of("a")], NOW)
    assert decision_of(verdict) == "redact"
    assert verdict.found.scores == (Score(policy="p", stage=Stage.DATA, points=3, threshold=5),)


def test_a_severity_of_no_points_is_listed_with_its_score(
    rule_of: Callable[..., Rule],
    policy_of: Callable[..., Policy],
    standing: Callable[..., Applicable],
    scanned_of: Callable[..., Scanned],
) -> None:
    policy = replace(policy_of(rule_of(action=Action.SCORE, severity="notice")), severities={"notice": 0})
    verdict = evaluate(standing(policy), [scanned_of("a")], NOW)
    assert decision_of(verdict) == "allow"
    assert verdict.found.scores[0].points == 0
