from collections.abc import Callable
from dataclasses import replace

import pytest

from gateway.domain.detection import Fact, FactType, Stage, Vocabulary
from gateway.domain.verdict import Action
from policies.engine.model import DetectorSettings, PiiSettings, Policy, Rule, UrlSettings
from policies.engine.mutants import mutants

Rules = Callable[..., Rule]
Policies = Callable[..., Policy]


@pytest.fixture
def vocabulary() -> Vocabulary:
    facts = (
        Fact(name="det.a.found", type=FactType.BOOL, doc="."),
        Fact(name="det.a.count", type=FactType.INT, doc="."),
    )
    return {fact.name: fact for fact in facts}


def changes(policy: Policy, detectors: Vocabulary, what: str = "r") -> set[str]:
    return {mutant.change for mutant in mutants(policy, detectors) if mutant.what == what}


def test_a_mutant_differs_in_the_one_rule(rule_of: Rules, policy_of: Policies, vocabulary: Vocabulary) -> None:
    policy = policy_of(rule_of("r"), rule_of("other"))
    for mutant in mutants(policy, vocabulary):
        pairs = zip(policy.rules, mutant.policy.rules, strict=True)
        assert [was.id for was, now in pairs if was != now] == [mutant.what]


def test_a_blocking_rule_has_these(rule_of: Rules, policy_of: Policies, vocabulary: Vocabulary) -> None:
    policy = policy_of(rule_of(severity="warning", stage=Stage.OUTPUT), detection=2)
    assert changes(policy, vocabulary) == {
        "mode: off",
        "mode: shadow",
        "level: 2",
        "when: !(det.a.found)",
        "stage: instructions",
        "stage: data",
        "stage: tools",
        "stage: tool_call",
        "action: score",
        "action: redact",
        "action: require_approval",
    }


def test_a_score_that_reaches_the_threshold_is_a_block(
    rule_of: Rules, policy_of: Policies, vocabulary: Vocabulary
) -> None:
    assert "action: score" not in changes(policy_of(rule_of(severity="critical")), vocabulary)
    scoring = policy_of(rule_of(action=Action.SCORE, severity="critical"))
    assert "action: block" not in changes(scoring, vocabulary)
    assert "action: block" in changes(policy_of(rule_of(action=Action.SCORE, severity="error")), vocabulary)


def test_actions_are_those_of_the_stage(rule_of: Rules, policy_of: Policies, vocabulary: Vocabulary) -> None:
    found = changes(policy_of(rule_of(action=Action.PSEUDONYMISE)), vocabulary)
    assert "action: require_approval" not in found
    assert {one for one in found if one.startswith("stage")} == {"stage: instructions"}


def test_a_rule_without_detectors_has_nothing_to_redact(
    rule_of: Rules, policy_of: Policies, vocabulary: Vocabulary
) -> None:
    assert "action: redact" not in changes(policy_of(rule_of(when="tainted")), vocabulary)


def test_what_would_not_load_is_no_mutant(rule_of: Rules, policy_of: Policies, vocabulary: Vocabulary) -> None:
    found = changes(policy_of(rule_of(when="det.a.count < 9223372036854775807")), vocabulary)
    assert "when: (det.a.count < 9223372036854775806)" in found
    assert "when: (det.a.count < 9223372036854775808)" not in found


def test_a_stage_that_lacks_a_fact_makes_no_mutant(rule_of: Rules, policy_of: Policies, vocabulary: Vocabulary) -> None:
    found = changes(policy_of(rule_of(when="segment.origin == 'web'")), vocabulary)
    assert {one for one in found if one.startswith("stage")} == {"stage: instructions"}


def test_a_rule_that_is_not_evaluated_has_none(rule_of: Rules, policy_of: Policies, vocabulary: Vocabulary) -> None:
    assert changes(policy_of(rule_of(level=2), detection=1), vocabulary) == set()


def test_a_rule_that_only_records_may_come_to_act(rule_of: Rules, policy_of: Policies, vocabulary: Vocabulary) -> None:
    found = changes(policy_of(rule_of(level=2), detection=2), vocabulary)
    assert "level: 1" in found
    assert not [one for one in found if one.startswith(("action", "mode: shadow", "severity"))]


def test_a_rule_in_shadow_keeps_its_action(rule_of: Rules, policy_of: Policies, vocabulary: Vocabulary) -> None:
    assert not [one for one in changes(policy_of(rule_of(mode="shadow")), vocabulary) if one.startswith("action")]


def test_a_score_that_no_other_score_joins_may_act_or_not(
    rule_of: Rules, policy_of: Policies, vocabulary: Vocabulary
) -> None:
    alone = policy_of(rule_of(action=Action.SCORE, severity="notice", level=2), detection=2)
    assert "level: 1" not in changes(alone, vocabulary)
    other = rule_of("other", action=Action.SCORE, severity="warning")
    assert "level: 1" in changes(policy_of(*alone.rules, other, detection=2), vocabulary)


def test_severities_count_where_some_sum_tells_them_apart(
    rule_of: Rules, policy_of: Policies, vocabulary: Vocabulary
) -> None:
    warning = rule_of(action=Action.SCORE, severity="warning")
    assert {one for one in changes(policy_of(warning), vocabulary) if one.startswith("severity")} == {
        "severity: critical"
    }
    notice = rule_of("other", action=Action.SCORE, severity="notice")
    both = changes(policy_of(warning, notice), vocabulary)
    # 3 and 2 reach 5, as 4 and 2 do; 2 and 2 do not.
    assert {one for one in both if one.startswith("severity")} == {"severity: critical", "severity: notice"}


def test_thresholds_count_where_some_sum_tells_them_apart(
    rule_of: Rules, policy_of: Policies, vocabulary: Vocabulary
) -> None:
    warning = rule_of(action=Action.SCORE, severity="warning")
    notice = rule_of("other", action=Action.SCORE, severity="notice")
    assert changes(policy_of(warning, notice), vocabulary, "scoring") == {"threshold of data: 6"}
    assert changes(policy_of(warning), vocabulary, "scoring") == set()


def test_kinds_of_an_edit_are_left_out(rule_of: Rules, policy_of: Policies, vocabulary: Vocabulary) -> None:
    found = changes(policy_of(rule_of(action=Action.REDACT, only=("A", "B"))), vocabulary)
    assert {"only: no A", "only: no B", "only: everything"} <= found


def test_the_last_kind_left_out_leaves_nothing_to_edit(
    rule_of: Rules, policy_of: Policies, vocabulary: Vocabulary
) -> None:
    policy = policy_of(rule_of(action=Action.REDACT, only=("A",)))
    (mutant,) = [one for one in mutants(policy, vocabulary) if one.change == "only: no A"]
    assert "A" not in mutant.policy.rules[0].only
    assert mutant.policy.rules[0].only


def test_settings_lose_their_entries(policy_of: Policies, vocabulary: Vocabulary) -> None:
    settings = DetectorSettings(
        pii=PiiSettings(entities=("EMAIL_ADDRESS", "IBAN_CODE")),
        urls=UrlSettings(allowed_hosts=("a.example",), protected_hosts=("b.example",)),
    )
    assert changes(replace(policy_of(), detectors=settings), vocabulary, "detectors") == {
        "pii: no EMAIL_ADDRESS",
        "pii: no IBAN_CODE",
        "urls: a.example not allowed",
        "urls: b.example not protected",
    }


def test_the_last_kind_of_personal_data_stays_since_none_means_all(policy_of: Policies, vocabulary: Vocabulary) -> None:
    settings = DetectorSettings(pii=PiiSettings(entities=("IBAN_CODE",)))
    assert changes(replace(policy_of(), detectors=settings), vocabulary, "detectors") == set()


def test_lists_are_known_to_changed_conditions(rule_of: Rules, policy_of: Policies, vocabulary: Vocabulary) -> None:
    policy = replace(policy_of(rule_of(when="tainted && det.a.count > 1")), lists={"hosts": ("a.example",)})
    assert "when: (tainted || (det.a.count > 1))" in changes(policy, vocabulary)
