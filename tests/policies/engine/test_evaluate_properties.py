from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.domain.detection import Scanned
from gateway.domain.verdict import (
    Action,
    Verdict,
    Weight,
    decision_of,
)
from policies.engine.applicable import Applicable
from policies.engine.evaluate import decide, evaluate
from policies.engine.model import ExceptionRule, Mode, Policy, Rule, Severity

NOW = 1_000.0
STRICTNESS = ("allow", "redact", "require_approval", "block")
# It divides by zero where the request offers no tools.
FAILING = "request.chars / request.tools > 1"


def strictness(verdict: Verdict) -> int:
    return STRICTNESS.index(decision_of(verdict))


def an_exception(*rules: str, expires: float = NOW + 1, name: str = "e") -> ExceptionRule:
    return ExceptionRule(id=name, rules=rules, reason="a known sender", approver="ciso", expires=expires)


@pytest.fixture(scope="session")
def some_rules(rule_of: Callable[..., Rule]) -> st.SearchStrategy[Rule]:
    def make(choice: tuple[int, str, Action, Severity, int, Mode]) -> Rule:
        number, when, action, severity, level, mode = choice
        return rule_of(f"r{number}", when, action=action, severity=severity, level=level, mode=mode)

    severities: list[Severity] = ["critical", "warning", "notice"]
    modes: list[Mode] = ["enforce", "enforce", "shadow", "off"]
    conditions = ["det.a.found", "det.b.found && tainted", "!det.c.found", "tainted", FAILING, "det.a.count > 1"]
    return st.tuples(
        st.integers(0, 9),
        st.sampled_from(conditions),
        st.sampled_from(list(Action)),
        st.sampled_from(severities),
        st.integers(1, 3),
        st.sampled_from(modes),
    ).map(make)


@pytest.fixture(scope="session")
def some_policies(
    some_rules: st.SearchStrategy[Rule], policy_of: Callable[..., Policy]
) -> st.SearchStrategy[list[Policy]]:
    def make(drawn: list[tuple[list[Rule], Mode]]) -> list[Policy]:
        return [
            policy_of(*rules, name=f"p{number}", mode=mode, blocking=1, detection=2)
            for number, (rules, mode) in enumerate(drawn)
        ]

    modes: list[Mode] = ["enforce", "enforce", "shadow", "off"]
    rules = st.lists(some_rules, max_size=4, unique_by=lambda rule: rule.id)
    return st.lists(st.tuples(rules, st.sampled_from(modes)), min_size=1, max_size=4).map(make)


@pytest.fixture(scope="session")
def some_texts(scanned_of: Callable[..., Scanned]) -> st.SearchStrategy[list[Scanned]]:
    def make(drawn: list[tuple[frozenset[str], frozenset[str], bool, int]]) -> list[Scanned]:
        return [
            scanned_of(
                *sorted(found),
                where=f"s{number}",
                facts={"tainted": tainted, "request.tools": tools},
                failed=dict.fromkeys(sorted(failed), "error"),
            )
            for number, (found, failed, tainted, tools) in enumerate(drawn)
        ]

    some = st.frozensets(st.sampled_from(["a", "b", "c"]), max_size=2)
    few = st.one_of(st.just(frozenset[str]()), some)
    return st.lists(st.tuples(some, few, st.booleans(), st.integers(0, 1)), min_size=1, max_size=4).map(make)


@given(data=st.data())
def test_no_order_of_policies_or_texts_changes_the_decision(
    data: st.DataObject,
    some_policies: st.SearchStrategy[list[Policy]],
    some_texts: st.SearchStrategy[list[Scanned]],
    standing: Callable[..., Applicable],
) -> None:
    policies, texts = data.draw(some_policies), data.draw(some_texts)
    first = evaluate(standing(*policies), texts, NOW)
    other = standing(*data.draw(st.permutations(policies)))
    second = evaluate(other, data.draw(st.permutations(texts)), NOW)
    assert decision_of(first) == decision_of(second)
    assert frozenset(first.found.hits) == frozenset(second.found.hits)
    assert frozenset(first.found.scores) == frozenset(second.found.scores)


@given(data=st.data())
def test_a_policy_in_shadow_changes_nothing_but_what_is_recorded(
    data: st.DataObject,
    some_policies: st.SearchStrategy[list[Policy]],
    some_texts: st.SearchStrategy[list[Scanned]],
    standing: Callable[..., Applicable],
) -> None:
    policies, texts = data.draw(some_policies), data.draw(some_texts)
    watching = replace(policies[0], mode="shadow")
    without = evaluate(standing(replace(watching, mode="off"), *policies[1:]), texts, NOW)
    watched = evaluate(standing(watching, *policies[1:]), texts, NOW)
    others = tuple(hit for hit in watched.found.hits if hit.policy != watching.name)
    assert replace(watched.found, hits=others) == without.found
    assert type(watched) is type(without)
    assert all(hit.weight is not Weight.ACTS for hit in watched.found.hits if hit.policy == watching.name)


@given(data=st.data())
def test_an_exception_more_is_never_stricter(
    data: st.DataObject,
    some_policies: st.SearchStrategy[list[Policy]],
    some_texts: st.SearchStrategy[list[Scanned]],
    standing: Callable[..., Applicable],
) -> None:
    policies, texts = data.draw(some_policies), data.draw(some_texts)
    names = data.draw(st.lists(st.sampled_from([f"r{n}" for n in range(10)]), min_size=1, max_size=5))
    excepted = replace(policies[0], exceptions=(an_exception(*names),))
    before = evaluate(standing(*policies), texts, NOW)
    after = evaluate(standing(excepted, *policies[1:]), texts, NOW)
    assert strictness(after) <= strictness(before)
    assert [hit.rule for hit in after.found.hits] == [hit.rule for hit in before.found.hits]


@given(data=st.data())
def test_the_decision_is_the_strictest_of_what_each_policy_decides_alone(
    data: st.DataObject,
    some_policies: st.SearchStrategy[list[Policy]],
    some_texts: st.SearchStrategy[list[Scanned]],
    standing: Callable[..., Applicable],
) -> None:
    policies, texts = data.draw(some_policies), data.draw(some_texts)
    alone = [evaluate(standing(policy), texts, NOW) for policy in policies]
    together = evaluate(standing(*policies), texts, NOW)
    assert strictness(together) == max(map(strictness, alone))
    assert frozenset(together.found.hits) == frozenset(hit for one in alone for hit in one.found.hits)


@given(data=st.data())
def test_what_is_decided_follows_from_the_findings_alone(
    data: st.DataObject,
    some_policies: st.SearchStrategy[list[Policy]],
    some_texts: st.SearchStrategy[list[Scanned]],
    standing: Callable[..., Applicable],
) -> None:
    verdict = evaluate(standing(*data.draw(some_policies)), data.draw(some_texts), NOW)
    assert decide(verdict.found) == verdict
