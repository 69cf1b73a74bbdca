from collections.abc import Callable
from dataclasses import replace

import pytest

from gateway.domain.card import NO_BAR, Bar
from gateway.domain.detection import Stage
from gateway.domain.isolation import Isolation
from gateway.domain.verdict import Action, Weight
from policies.engine.applicable import Applicable, applicable_of, apply_policy
from policies.engine.model import UNKNOWN_TOOL, Effect, ExceptionRule, Mode, Policy, Rule, Streaming, ToolRule


def test_nothing_follows_from_no_policies() -> None:
    nothing = applicable_of((), "sha256:0")
    assert (nothing.names, nothing.revision, nothing.min_isolation) == ((), "sha256:0", None)
    assert (nothing.streaming, nothing.approves, nothing.restore_anywhere) == (Streaming(), False, False)
    assert nothing.tool("search") == UNKNOWN_TOOL
    assert not any(nothing.guards(stage) or nothing.edits(stage) or nothing.wanted(stage) for stage in Stage)


def test_detectors_are_wanted_where_a_rule_that_is_evaluated_reads_them(
    rule_of: Callable[..., Rule], policy_of: Callable[..., Policy], standing: Callable[..., Applicable]
) -> None:
    applicable = standing(
        policy_of(
            rule_of("both", "det.a.found && det.b.found"),
            rule_of("out", "det.a.found", stage=Stage.OUTPUT, mode="shadow"),
            rule_of("off", "det.c.found", mode="off"),
            rule_of("above", "det.c.found", stage=Stage.TOOLS, level=2),
            rule_of("facts", "tainted", stage=Stage.TOOL_CALL),
        )
    )
    assert {stage: applicable.wanted(stage) for stage in Stage} == {
        Stage.INSTRUCTIONS: frozenset(),
        Stage.DATA: frozenset({"a", "b"}),
        Stage.TOOLS: frozenset(),
        Stage.TOOL_CALL: frozenset(),
        Stage.OUTPUT: frozenset({"a"}),
    }
    assert [stage for stage in Stage if applicable.guards(stage)] == [Stage.DATA, Stage.TOOL_CALL, Stage.OUTPUT]
    assert [name for name in "abc" if applicable.uses(name)] == ["a", "b"]


def test_what_acts_on_an_answer_is_told_apart_from_what_only_watches(
    rule_of: Callable[..., Rule], policy_of: Callable[..., Policy], standing: Callable[..., Applicable]
) -> None:
    watching = standing(policy_of(rule_of("out", stage=Stage.OUTPUT, mode="shadow"), rule_of("in")))
    assert (watching.judges, watching.acting.judges, watching.watching.judges) == (True, False, True)
    assert (watching.acted_at, watching.rewrites_calls) == ({Stage.DATA}, False)
    calls = standing(policy_of(rule_of("call", stage=Stage.TOOL_CALL)))
    assert (calls.judges, calls.acted_at, calls.rewrites_calls) == (True, {Stage.TOOL_CALL}, True)
    approved = standing(policy_of(rule_of("out", stage=Stage.OUTPUT, action=Action.REQUIRE_APPROVAL)))
    assert (approved.acted_at, approved.rewrites_calls) == ({Stage.OUTPUT}, True)


def test_each_policy_reads_its_own_instance_of_a_detector(
    rule_of: Callable[..., Rule], policy_of: Callable[..., Policy]
) -> None:
    one = apply_policy(policy_of(rule_of(), name="one"), Weight.ACTS, {"a": "a"})
    other = apply_policy(policy_of(rule_of(), name="other"), Weight.ACTS, {"a": "a@12345678", "b": "b"})
    assert applicable_of((one, other), "r").wanted(Stage.DATA) == {"a", "a@12345678"}
    assert [part.keys for part in applicable_of((one, other), "r").parts[Stage.DATA]] == [
        {"a": "a"},
        {"a": "a@12345678"},
    ]


def test_only_rules_that_can_hold_while_all_is_quiet_are_awake(
    rule_of: Callable[..., Rule], policy_of: Callable[..., Policy], standing: Callable[..., Applicable]
) -> None:
    applicable = standing(
        policy_of(
            rule_of("waits", "det.a.found && tainted"),
            rule_of("not", "!det.a.found"),
            rule_of("either", "tainted || det.a.found"),
        ),
        policy_of(rule_of("facts", "tainted"), name="q"),
    )
    assert [ready.rule.id for ready in applicable.awake[Stage.DATA]] == ["not", "either", "facts"]
    assert applicable.awake[Stage.OUTPUT] == ()


@pytest.mark.rows
@pytest.mark.parametrize(
    ("level", "rule_mode", "weight", "expected"),
    [
        (1, "enforce", Weight.ACTS, Weight.ACTS),
        (1, "shadow", Weight.ACTS, Weight.SHADOW),
        (1, "enforce", Weight.SHADOW, Weight.SHADOW),
        (1, "enforce", Weight.BYPASSED, Weight.BYPASSED),
        (1, "shadow", Weight.BYPASSED, Weight.SHADOW),
        (2, "enforce", Weight.ACTS, Weight.LEVEL),
        (2, "shadow", Weight.SHADOW, Weight.LEVEL),
    ],
)
def test_a_rule_is_weaker_than_its_policy_and_never_stronger(
    level: int,
    rule_mode: Mode,
    weight: Weight,
    expected: Weight,
    rule_of: Callable[..., Rule],
    policy_of: Callable[..., Policy],
) -> None:
    policy = policy_of(rule_of(level=level, mode=rule_mode), detection=2)
    (ready,) = apply_policy(policy, weight, {"a": "a"}).rules
    assert ready.weight is expected


def test_the_highest_floor_of_policies_that_act_stands(
    policy_of: Callable[..., Policy], standing: Callable[..., Applicable]
) -> None:
    channel = replace(policy_of(name="channel"), min_isolation=Isolation.CHANNEL)
    wrapped = replace(policy_of(name="wrapped"), min_isolation=Isolation.WRAPPED)
    watching = replace(policy_of(name="native", mode="shadow"), min_isolation=Isolation.NATIVE)
    assert standing(wrapped, policy_of(), channel, watching).min_isolation is Isolation.CHANNEL
    assert standing(watching).min_isolation is None
    assert standing(channel, bypass="outage").min_isolation is None


def test_what_any_policy_that_acts_asks_of_a_card_is_asked(
    policy_of: Callable[..., Policy], standing: Callable[..., Applicable]
) -> None:
    apart = replace(policy_of(name="apart"), bar=Bar(min_separation=0.9))
    quiet = replace(policy_of(name="quiet"), bar=Bar(min_separation=0.8, max_attack_success=0.1))
    watching = replace(policy_of(name="strict", mode="shadow"), bar=Bar(min_separation=1.0))
    assert standing(apart, policy_of(), quiet, watching).bar == Bar(min_separation=0.9, max_attack_success=0.1)
    assert standing(watching).bar is NO_BAR
    assert standing(apart, bypass="outage").bar is NO_BAR


@pytest.mark.rows
@pytest.mark.parametrize(
    ("action", "mode", "level", "edits"),
    [
        (Action.REDACT, "enforce", 1, True),
        (Action.PSEUDONYMISE, "enforce", 1, True),
        (Action.BLOCK, "enforce", 1, False),
        (Action.REDACT, "shadow", 1, False),
        (Action.REDACT, "enforce", 2, False),
    ],
)
def test_only_rules_that_act_edit(
    action: Action,
    mode: Mode,
    level: int,
    edits: bool,
    rule_of: Callable[..., Rule],
    policy_of: Callable[..., Policy],
    standing: Callable[..., Applicable],
) -> None:
    policy = policy_of(rule_of(action=action, mode=mode, level=level), detection=2)
    assert standing(policy).edits(Stage.DATA) is edits
    assert not standing(policy).edits(Stage.OUTPUT)
    assert not standing(replace(policy, mode="shadow")).edits(Stage.DATA)


def test_only_rules_that_act_hold_calls_for_approval(
    rule_of: Callable[..., Rule], policy_of: Callable[..., Policy], standing: Callable[..., Applicable]
) -> None:
    policy = policy_of(rule_of(when="tainted", stage=Stage.TOOL_CALL, action=Action.REQUIRE_APPROVAL))
    assert standing(policy).approves
    assert not standing(replace(policy, mode="shadow")).approves
    assert not standing(policy_of(rule_of())).approves


def test_placeholders_are_mapped_back_anywhere_only_where_every_rule_permits_it(
    rule_of: Callable[..., Rule], policy_of: Callable[..., Policy], standing: Callable[..., Applicable]
) -> None:
    permits = policy_of(rule_of(action=Action.PSEUDONYMISE, restore_anywhere=True))
    refuses = policy_of(rule_of(action=Action.PSEUDONYMISE), name="q")
    assert standing(permits).restore_anywhere
    assert standing(permits, replace(refuses, mode="shadow")).restore_anywhere
    assert not standing(permits, refuses).restore_anywhere
    assert not standing(replace(permits, mode="shadow")).restore_anywhere


def streaming_policy(policy: Policy, streaming: Streaming) -> Policy:
    return replace(policy, streaming=streaming)


def test_output_is_held_if_any_policy_with_rules_on_output_holds_it(
    rule_of: Callable[..., Rule], policy_of: Callable[..., Policy], standing: Callable[..., Applicable]
) -> None:
    output = rule_of(stage=Stage.OUTPUT)
    window = streaming_policy(policy_of(output, name="w"), Streaming(mode="window", window_chars=64, max_hold_ms=900))
    wider = streaming_policy(policy_of(output, name="v"), Streaming(mode="window", window_chars=128, max_hold_ms=500))
    hold = streaming_policy(policy_of(output, name="h"), Streaming(window_chars=32, max_hold_ms=700))
    elsewhere = streaming_policy(policy_of(rule_of(), name="e"), Streaming(max_hold_ms=1))
    assert standing(window, wider).streaming == Streaming(mode="window", window_chars=128, max_hold_ms=500)
    assert standing(window, hold).streaming == Streaming(mode="hold", window_chars=64, max_hold_ms=700)
    assert standing(window, elsewhere).streaming == Streaming(mode="window", window_chars=64, max_hold_ms=900)
    assert standing(elsewhere).streaming == Streaming()


def test_what_only_watches_has_no_word_in_how_output_is_held(
    rule_of: Callable[..., Rule], policy_of: Callable[..., Policy], standing: Callable[..., Applicable]
) -> None:
    output = rule_of(stage=Stage.OUTPUT)
    window = streaming_policy(policy_of(output, name="w"), Streaming(mode="window", window_chars=64, max_hold_ms=900))
    watching = streaming_policy(policy_of(output, name="s", mode="shadow"), Streaming(window_chars=999, max_hold_ms=1))
    quiet = rule_of(stage=Stage.OUTPUT, mode="shadow")
    by_rule = streaming_policy(policy_of(quiet, rule_of(), name="r"), Streaming(window_chars=999, max_hold_ms=1))
    for other in (watching, by_rule):
        assert standing(window, other).streaming == window.streaming
        assert standing(other).streaming == Streaming()
    assert standing(window, bypass="an outage").streaming == Streaming()


def test_what_acts_and_what_only_watches_can_be_had_apart(
    rule_of: Callable[..., Rule], policy_of: Callable[..., Policy], standing: Callable[..., Applicable]
) -> None:
    shadow = rule_of("shadow", "det.b.found", stage=Stage.OUTPUT, mode="shadow")
    calls = rule_of("calls", "tainted", stage=Stage.TOOL_CALL, action=Action.REQUIRE_APPROVAL)
    acting = policy_of(rule_of("acts", stage=Stage.OUTPUT, action=Action.REDACT), shadow, calls)
    watching = policy_of(rule_of("w", "tainted", stage=Stage.OUTPUT), name="q", mode="shadow")
    both = standing(acting, watching)

    def rules(view: Applicable, stage: Stage = Stage.OUTPUT) -> list[str]:
        return [ready.rule.id for part in view.parts[stage] for ready in part.rules]

    assert rules(both.acting) == ["acts"]
    assert rules(both.watching) == ["shadow", "w"]
    assert (rules(both.acting, Stage.TOOL_CALL), rules(both.watching, Stage.TOOL_CALL)) == (["calls"], [])
    assert (both.acting.wanted(Stage.OUTPUT), both.watching.wanted(Stage.OUTPUT)) == ({"a"}, {"b"})
    assert [part.keys for part in both.acting.parts[Stage.OUTPUT]] == [{"a": "a"}]
    assert [ready.rule.id for ready in both.watching.awake[Stage.OUTPUT]] == ["w"]
    assert (both.acting.approves, both.watching.approves) == (True, False)
    assert (both.acting.edits(Stage.OUTPUT), both.watching.edits(Stage.OUTPUT)) == (True, False)
    assert both.acting is both.acting
    assert not both.watching.guards(Stage.TOOL_CALL)


def test_rules_on_tool_calls_alone_limit_how_long_a_call_is_held(
    rule_of: Callable[..., Rule], policy_of: Callable[..., Policy], standing: Callable[..., Applicable]
) -> None:
    calls = policy_of(rule_of(when="tainted", stage=Stage.TOOL_CALL))
    assert standing(streaming_policy(calls, Streaming(max_hold_ms=300))).streaming.max_hold_ms == 300


def tools(policy: Policy, **declared: ToolRule) -> Policy:
    return replace(policy, tools=declared)


def test_a_tool_may_do_what_every_policy_that_declares_it_allows(
    policy_of: Callable[..., Policy], standing: Callable[..., Applicable]
) -> None:
    one = tools(
        policy_of(name="one"),
        mail=ToolRule(effect=Effect.WRITE, sink_args=("to", "cc"), allowed=frozenset({"x", "y"})),
        search=ToolRule(effect=Effect.READ, sink_args=(), allowed=frozenset()),
    )
    other = tools(
        policy_of(name="other"),
        mail=ToolRule(effect=Effect.EGRESS, sink_args=("cc", "bcc"), allowed=frozenset({"y", "z"})),
        search=ToolRule(effect=Effect.READ),
    )
    applicable = standing(one, other)
    assert applicable.tool("mail") == ToolRule(
        effect=Effect.EGRESS, sink_args=("to", "cc", "bcc"), allowed=frozenset({"y"})
    )
    assert applicable.tool("search") == ToolRule(effect=Effect.READ, sink_args=None, allowed=None)
    assert standing(one).tool("search") == one.tools["search"]
    assert standing(other, one).tool("search") == ToolRule(effect=Effect.READ, sink_args=None, allowed=None)
    assert [name for name in ("mail", "search", "Mail") if applicable.declares(name)] == ["mail", "search"]


@pytest.mark.rows
@pytest.mark.parametrize(
    ("when", "action", "heard"),
    [
        ("tool.effect == 'egress'", Action.BLOCK, False),
        ("tool.derived", Action.BLOCK, False),
        ("det.a.found", Action.PSEUDONYMISE, False),
        ("tool.name == 'search'", Action.BLOCK, True),
    ],
)
def test_a_policy_that_watches_declares_tools_only_while_nothing_that_acts_depends_on_it(
    when: str,
    action: Action,
    heard: bool,
    rule_of: Callable[..., Rule],
    policy_of: Callable[..., Policy],
    standing: Callable[..., Applicable],
) -> None:
    search = ToolRule(effect=Effect.READ)
    watching = tools(policy_of(name="watching", mode="shadow"), search=search)
    acting = policy_of(rule_of("s", "tainted"), rule_of(when=when, stage=Stage.TOOL_CALL, action=action))
    assert standing(watching, acting).declares("search") is heard
    assert standing(watching, acting).tool("search") == (search if heard else UNKNOWN_TOOL)
    assert standing(watching, replace(acting, mode="shadow")).tool("search") == search


def test_a_score_without_a_threshold_is_refused(rule_of: Callable[..., Rule], policy_of: Callable[..., Policy]) -> None:
    policy = replace(policy_of(rule_of(action=Action.SCORE)), thresholds={Stage.OUTPUT: 5})
    with pytest.raises(ValueError, match=r"policy p: rule r scores, and data has no threshold"):
        apply_policy(policy, Weight.ACTS, {"a": "a"})
    (ready,) = apply_policy(replace(policy, thresholds={Stage.DATA: 7}), Weight.ACTS, {"a": "a"}).rules
    assert (ready.points, ready.threshold) == (5, 7)
    (blocks,) = apply_policy(replace(policy, rules=(rule_of(),)), Weight.ACTS, {"a": "a"}).rules
    assert (blocks.points, blocks.threshold) == (0, 0)


def test_a_missing_instance_is_refused(rule_of: Callable[..., Rule], policy_of: Callable[..., Policy]) -> None:
    with pytest.raises(ValueError, match=r"policy p: no instance of the detector b, which rule r reads"):
        apply_policy(policy_of(rule_of(when="det.a.found && det.b.found")), Weight.ACTS, {"a": "a"})


def test_exceptions_are_found_by_the_exact_rules_that_they_name(
    rule_of: Callable[..., Rule], policy_of: Callable[..., Policy]
) -> None:
    first, second = (
        ExceptionRule(id=name, rules=rules, reason=".", approver=".", expires=9.0)
        for name, rules in (("first", ("r", "s")), ("second", ("s", "r2")))
    )
    policy = policy_of(rule_of("r"), rule_of("s"), rule_of("R"))
    applied = apply_policy(policy, Weight.ACTS, {"a": "a"}, (first, second))
    assert [ready.exceptions for ready in applied.rules] == [(first,), (first, second), ()]
