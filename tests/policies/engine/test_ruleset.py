import fnmatch
from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.domain.verdict import Weight
from policies.engine.applicable import Applicable
from policies.engine.model import ExceptionRule, Match, Policy, Rollout, Rule
from policies.engine.ruleset import Asker, Names, Ruleset, drawn


def weights(applicable: Applicable) -> dict[str, Weight]:
    return {one.policy.name: one.weight for one in applicable.policies}


@pytest.mark.rows
@pytest.mark.parametrize(
    ("match", "matches"),
    [
        (Match(), True),
        (Match(tenants=("acme",)), True),
        (Match(tenants=("acme2",)), False),
        (Match(tenants=("ac*",)), True),
        (Match(tenants=("AC*",)), False),
        (Match(tenants=("other", "a[bc]me")), True),
        (Match(tenants=("a[!c]me",)), False),
        (Match(keys=("k?",)), True),
        (Match(keys=("k",)), False),
        (Match(models=("support",), routes=("split", "openai_chat")), True),
        (Match(models=("support",), routes=("openai_chat",)), False),
        (Match(tenants=("acme",), keys=("k2",)), False),
    ],
)
def test_a_policy_stands_where_all_its_patterns_match(
    match: Match,
    matches: bool,
    policy_of: Callable[..., Policy],
    ruleset_of: Callable[..., Ruleset],
    asker_of: Callable[..., Asker],
) -> None:
    ruleset = ruleset_of(policy_of(match=match))
    assert ruleset.applicable(asker_of()).names == (("p",) if matches else ("fallback",))


@given(st.text("ab*?[!]-", max_size=6), st.text("ab[]-!\n", max_size=6))
def test_globs_mean_what_fnmatchcase_means(pattern: str, name: str) -> None:
    assert (name in Names((pattern,))) == fnmatch.fnmatchcase(name, pattern)


def test_every_matching_policy_stands_in_the_order_given(
    policy_of: Callable[..., Policy], ruleset_of: Callable[..., Ruleset], asker_of: Callable[..., Asker]
) -> None:
    other = policy_of(name="other", match=Match(tenants=("nobody",)))
    ruleset = ruleset_of(policy_of(name="z"), other, policy_of(name="a", mode="shadow"))
    assert weights(ruleset.applicable(asker_of())) == {"z": Weight.ACTS, "a": Weight.SHADOW}
    assert ruleset.applicable(asker_of()).names == ("z", "a")


def test_where_no_policy_matches_the_fallback_stands_whatever_it_says_it_matches(
    policy_of: Callable[..., Policy], ruleset_of: Callable[..., Ruleset], asker_of: Callable[..., Asker]
) -> None:
    nobody = Match(tenants=("nobody",))
    ruleset = ruleset_of(policy_of(match=nobody), fallback=policy_of(name="baseline", match=nobody))
    assert weights(ruleset.applicable(asker_of())) == {"baseline": Weight.ACTS}


def test_a_policy_that_is_off_never_keeps_the_fallback_away(
    rule_of: Callable[..., Rule],
    policy_of: Callable[..., Policy],
    ruleset_of: Callable[..., Ruleset],
    asker_of: Callable[..., Asker],
) -> None:
    alone = ruleset_of(policy_of(rule_of(), mode="off"), fallback=policy_of(name="baseline"))
    assert weights(alone.applicable(asker_of())) == {"baseline": Weight.ACTS}
    other = policy_of(rule_of(), name="other")
    beside = ruleset_of(policy_of(rule_of(), mode="off"), other, fallback=policy_of(name="baseline"))
    assert weights(beside.applicable(asker_of())) == {"other": Weight.ACTS}


@pytest.mark.rows
@pytest.mark.parametrize(
    ("rollout", "weight"),
    [
        (Rollout(), Weight.ACTS),
        (Rollout(tenants=("acme",)), Weight.ACTS),
        (Rollout(tenants=("ac*",)), Weight.ACTS),
        (Rollout(tenants=("acme2",)), Weight.SHADOW),
        (Rollout(percent=0.0), Weight.SHADOW),
        (Rollout(percent=100.0), Weight.ACTS),
        (Rollout(percent=0.0, tenants=("acme",)), Weight.ACTS),
        (Rollout(percent=0.0, tenants=("acme2",)), Weight.SHADOW),
        # No digest to draw by: it acts.
        (Rollout(percent=1.0), Weight.ACTS),
        (Rollout(percent=1.0, tenants=("acme2",)), Weight.ACTS),
    ],
)
def test_a_roll_out_decides_for_whom_a_policy_acts(
    rollout: Rollout,
    weight: Weight,
    policy_of: Callable[..., Policy],
    ruleset_of: Callable[..., Ruleset],
    asker_of: Callable[..., Asker],
) -> None:
    assert weights(ruleset_of(policy_of(rollout=rollout)).applicable(asker_of())) == {"p": weight}


def test_a_roll_out_makes_no_policy_act_that_is_in_shadow(
    policy_of: Callable[..., Policy], ruleset_of: Callable[..., Ruleset], asker_of: Callable[..., Asker]
) -> None:
    ruleset = ruleset_of(policy_of(mode="shadow", rollout=Rollout(percent=50.0, tenants=("acme",))))
    assert weights(ruleset.applicable(asker_of(digest=b"1"))) == {"p": Weight.SHADOW}


def test_a_percentage_acts_on_its_share_of_requests_and_always_on_the_same(
    policy_of: Callable[..., Policy], ruleset_of: Callable[..., Ruleset], asker_of: Callable[..., Asker]
) -> None:
    ruleset = ruleset_of(policy_of(rollout=Rollout(percent=25.0, tenants=("pilot",))))
    digests = [str(number).encode() for number in range(2000)]
    acted = [digest for digest in digests if weights(ruleset.applicable(asker_of(digest=digest)))["p"] is Weight.ACTS]
    assert 400 < len(acted) < 600
    assert acted == [digest for digest in digests if drawn("p", digest, 25.0)]
    assert acted != [digest for digest in digests if drawn("q", digest, 25.0)]
    pilots = {ruleset.applicable(asker_of(tenant="pilot", digest=digest)).policies[0].weight for digest in digests}
    assert pilots == {Weight.ACTS}


def test_a_percentage_of_one_policy_is_drawn_beside_policies_that_are_settled(
    policy_of: Callable[..., Policy], ruleset_of: Callable[..., Ruleset], asker_of: Callable[..., Asker]
) -> None:
    ruleset = ruleset_of(policy_of(rollout=Rollout(percent=50.0)), policy_of(name="q"))
    seen = [weights(ruleset.applicable(asker_of(digest=bytes([n])))) for n in range(64)]
    assert {one["p"] for one in seen} == {Weight.ACTS, Weight.SHADOW}
    assert {one["q"] for one in seen} == {Weight.ACTS}


@pytest.mark.rows
@pytest.mark.parametrize(
    ("percent", "needed"), [(None, False), (0.0, False), (0.5, True), (99.5, True), (100.0, False)]
)
def test_a_digest_is_needed_only_where_some_policy_draws_by_it(
    percent: float | None, needed: bool, policy_of: Callable[..., Policy], ruleset_of: Callable[..., Ruleset]
) -> None:
    rolled = policy_of(name="q", rollout=Rollout(percent=percent))
    assert ruleset_of(policy_of(), rolled).needs_digest is needed
    assert ruleset_of(policy_of(), fallback=rolled).needs_digest is needed


@given(st.binary(min_size=1), st.floats(0, 100), st.floats(0, 100))
def test_raising_a_percentage_keeps_what_was_drawn(digest: bytes, one: float, other: float) -> None:
    lower, higher = sorted((one, other))
    assert drawn("p", digest, higher) or not drawn("p", digest, lower)


def test_a_drawn_request_is_known_by_the_digest_that_the_documentation_names() -> None:
    # The first eight bytes of SHA-256(b"p\0x") are 0.5376 of 2⁶⁴.
    assert [percent for percent in range(101) if drawn("p", b"x", percent)] == list(range(54, 101))


def test_a_bypass_lets_nothing_act_and_an_empty_reason_is_no_bypass(
    policy_of: Callable[..., Policy], ruleset_of: Callable[..., Ruleset], asker_of: Callable[..., Asker]
) -> None:
    ruleset = ruleset_of(policy_of(name="a"), policy_of(name="b", mode="shadow"))
    asker = asker_of()
    assert set(weights(ruleset.applicable(asker, bypass="outage")).values()) == {Weight.BYPASSED}
    assert weights(ruleset.applicable(asker, bypass="")) == {"a": Weight.ACTS, "b": Weight.SHADOW}
    assert weights(ruleset.applicable(asker)) == {"a": Weight.ACTS, "b": Weight.SHADOW}


def test_equal_choices_share_what_was_worked_out(
    policy_of: Callable[..., Policy], ruleset_of: Callable[..., Ruleset], asker_of: Callable[..., Asker]
) -> None:
    ruleset = ruleset_of(policy_of(match=Match(tenants=("a*",))))
    assert ruleset.applicable(asker_of(tenant="acme")) is ruleset.applicable(asker_of(tenant="axe", key="k2"))
    assert ruleset.applicable(asker_of(tenant="acme")) is not ruleset.applicable(asker_of(tenant="bow"))


def test_an_exception_stands_only_for_whom_it_matches(
    rule_of: Callable[..., Rule],
    policy_of: Callable[..., Policy],
    ruleset_of: Callable[..., Ruleset],
    asker_of: Callable[..., Asker],
) -> None:
    exception = ExceptionRule(
        id="e", rules=("r",), reason=".", approver=".", expires=9.0, match=Match(tenants=("acme",))
    )
    ruleset = ruleset_of(replace(policy_of(rule_of("r"), rule_of("s")), exceptions=(exception,)))
    excepted = {
        tenant: [ready.exceptions for ready in ruleset.applicable(asker_of(tenant=tenant)).policies[0].rules]
        for tenant in ("acme", "acme2")
    }
    assert excepted == {"acme": [(exception,), ()], "acme2": [(), ()]}


def test_the_revision_is_of_names_and_digests_in_any_order(
    policy_of: Callable[..., Policy], ruleset_of: Callable[..., Ruleset], asker_of: Callable[..., Asker]
) -> None:
    one, other = policy_of(name="one"), policy_of(name="other")
    revision = ruleset_of(one, other).revision
    assert revision.startswith("sha256:")
    assert len(revision) == 7 + 64
    assert ruleset_of(other, one).revision == revision
    assert ruleset_of(other, one).applicable(asker_of()).revision == revision
    assert ruleset_of(one).revision != revision
    assert ruleset_of(one, replace(other, digest="changed")).revision != revision
    assert ruleset_of(one, other, fallback=policy_of(name="another")).revision != revision


def test_a_fallback_that_is_also_among_the_policies_counts_once(
    policy_of: Callable[..., Policy], ruleset_of: Callable[..., Ruleset]
) -> None:
    one = policy_of(name="one")
    assert ruleset_of(one, fallback=one).revision == ruleset_of(fallback=one).revision


def test_two_different_policies_of_one_name_are_refused(
    policy_of: Callable[..., Policy], ruleset_of: Callable[..., Ruleset]
) -> None:
    with pytest.raises(ValueError, match=r"two policies are named p: give"):
        ruleset_of(policy_of(), replace(policy_of(), digest="other"))


def test_a_missing_instance_is_refused_before_any_request(
    rule_of: Callable[..., Rule], policy_of: Callable[..., Policy]
) -> None:
    with pytest.raises(ValueError, match=r"policy p: no instance of the detector a, which rule r reads"):
        Ruleset([policy_of(rule_of())], {"p": {"b": "b"}}, policy_of(name="fallback"))


def test_names_that_clients_make_up_do_not_pile_up(
    policy_of: Callable[..., Policy], ruleset_of: Callable[..., Ruleset], asker_of: Callable[..., Asker]
) -> None:
    ruleset = ruleset_of(policy_of())
    for number in range(5000):
        assert ruleset.applicable(asker_of(model=f"m{number}")).names == ("p",)
    assert len(ruleset._choices) <= 4096  # pyright: ignore[reportPrivateUsage]
