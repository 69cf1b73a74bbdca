from collections.abc import Callable

import pytest

from gateway.domain.detection import Stage
from gateway.domain.verdict import Action, Allow, Block, Findings, Hit, Redact, Verdict, Weight
from policies.engine.compare import Change, RuleName, compare, false_positives


def name(rule: str, policy: str = "p") -> RuleName:
    return RuleName(policy=policy, rule=rule)


@pytest.fixture
def found() -> Callable[..., Findings]:
    def make(*rules: str, weight: Weight = Weight.ACTS, policy: str = "p") -> Findings:
        return Findings(
            hits=tuple(
                Hit(
                    policy=policy,
                    rule=rule,
                    stage=Stage.DATA,
                    where="s1",
                    action=Action.BLOCK,
                    weight=weight,
                    points=0,
                    message="",
                )
                for rule in rules
            )
        )

    return make


def test_texts_that_are_decided_otherwise_or_hit_by_other_rules_are_told_apart(
    found: Callable[..., Findings],
) -> None:
    before: list[Verdict] = [
        Allow(found=found()),
        Block(found=found("a", "a")),
        Redact(found=found("a")),
        Block(found=found("a", "b")),
        Block(found=found("a")),
    ]
    after: list[Verdict] = [
        Block(found=found("c", "b")),
        Block(found=found("a")),
        Allow(found=found()),
        Block(found=found("b", "c")),
        Block(found=found("a", policy="q")),
    ]
    comparison = compare(before, after)
    assert comparison.changes == (
        Change(index=0, before="allow", after="block", appeared=(name("b"), name("c")), gone=()),
        Change(index=2, before="redact", after="allow", appeared=(), gone=(name("a"),)),
        Change(index=3, before="block", after="block", appeared=(name("c"),), gone=(name("a"),)),
        Change(index=4, before="block", after="block", appeared=(name("a", "q"),), gone=(name("a"),)),
    )
    assert [(change.stricter, change.looser) for change in comparison.changes] == [
        (True, False),
        (False, True),
        (False, False),
        (False, False),
    ]
    assert comparison.texts == 5
    assert comparison.moved == {("allow", "block"): 1, ("block", "block"): 3, ("redact", "allow"): 1}


def test_the_same_rule_with_another_decision_is_a_change(found: Callable[..., Findings]) -> None:
    comparison = compare([Allow(found=found("a"))], [Block(found=found("a"))])
    assert [(change.appeared, change.gone, change.stricter) for change in comparison.changes] == [((), (), True)]


def test_runs_over_different_corpora_are_refused(found: Callable[..., Findings]) -> None:
    with pytest.raises(ValueError, match="argument 2 is shorter"):
        compare([Allow(found=found())], [])


def test_false_positives_count_each_rule_once_a_text_most_frequent_first(found: Callable[..., Findings]) -> None:
    verdicts: list[Verdict] = [
        Block(found=found("b", "b")),
        Allow(found=found("a", "b", weight=Weight.SHADOW)),
        Allow(found=found("c")),
        Allow(found=found()),
    ]
    counted = false_positives(verdicts)
    assert counted.texts == 4
    assert counted.decisions == {"block": 1, "allow": 3}
    assert counted.blocked_rate == 0.25
    assert [(str(rate.name), rate.hit, rate.acted, rate.rate) for rate in counted.rules] == [
        ("p/b", 2, 1, 0.5),
        ("p/a", 1, 0, 0.25),
        ("p/c", 1, 1, 0.25),
    ]


def test_an_empty_corpus_has_rates_of_zero(found: Callable[..., Findings]) -> None:
    assert false_positives([]).blocked_rate == 0.0
    (rate,) = false_positives([Block(found=found("a"))]).rules
    assert rate.rate == 1.0
    assert compare([], []).changes == ()
