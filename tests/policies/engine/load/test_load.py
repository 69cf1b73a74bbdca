import hashlib
from collections.abc import Callable
from pathlib import Path

import pytest

from gateway.domain.card import NO_BAR, Bar
from gateway.domain.detection import Stage
from gateway.domain.isolation import Isolation
from gateway.yamlfile.problems import InvalidConfiguration, Problem
from policies.engine.load import load_policy
from policies.engine.model import DetectorSettings, Effect, Levels, Match, Policy, Rollout, Streaming, ToolRule

Read = Callable[..., Policy]
Problems = Callable[..., tuple[Problem, ...]]
Line = Callable[..., str]


def told(problems: tuple[Problem, ...]) -> list[tuple[int | None, int | None, str]]:
    return [(problem.line, problem.column, problem.message.partition(";")[0]) for problem in problems]


def test_a_policy_is_read_whole(policy_from: Read, sound: str) -> None:
    policy = policy_from(sound)
    assert (policy.name, policy.owner, policy.file, policy.mode) == (
        "support",
        "security@acme.example",
        "p.yaml",
        "enforce",
    )
    assert policy.digest == hashlib.sha256(sound.encode()).hexdigest()
    assert policy.match == Match(tenants=("acme", "team-*"), models=("support",), routes=("split",), keys=("web",))
    assert policy.rollout == Rollout(percent=10.0, tenants=("acme",))
    assert policy.levels == Levels(blocking=1, detection=2)
    assert policy.severities == {"critical": 5, "error": 4, "warning": 3, "notice": 1}
    assert policy.thresholds == {**dict.fromkeys(Stage, 5), Stage.DATA: 8}
    assert policy.on_error == {"default": "block", "secrets": "report", "vendor": "report"}
    assert policy.streaming == Streaming(mode="window", window_chars=400, max_hold_ms=5000)
    assert policy.min_isolation is Isolation.CHANNEL
    assert policy.bar == Bar(min_separation=0.9, max_attack_success=0.05)
    assert policy.lists == {"partners": ("Partner.example", "*.acme.example"), "addresses": ("ops@acme.example",)}
    own = frozenset({"ops@acme.example"})
    assert policy.tools == {
        "send_email": ToolRule(effect=Effect.EGRESS, sink_args=("to",), allowed=own),
        "search": ToolRule(effect=Effect.READ, sink_args=None, allowed=own),
    }
    assert policy.warnings == ()


def test_what_is_left_out_has_the_closed_default(policy_with: Read) -> None:
    policy = policy_with()
    assert policy.streaming == Streaming(mode="hold")
    assert policy.on_error_of("secrets") == "block"
    assert (policy.levels, policy.match, policy.rollout) == (Levels(), Match(), Rollout())
    assert (policy.min_isolation, policy.tools, policy.rules) == (None, {}, ())
    assert policy.bar is NO_BAR
    assert policy.detectors == DetectorSettings()


def test_the_mode_must_be_said(problems_with: Problems, policy_from: Read) -> None:
    assert told(problems_with(mode="enfroce")) == [(5, 9, "`spec.mode` must be 'off', 'shadow' or 'enforce'")]
    with pytest.raises(InvalidConfiguration, match="the key `mode` is missing here"):
        policy_from("apiVersion: splitgate/v1\nkind: Policy\nmetadata: {name: p}\nspec: {rules: []}\n")


def test_detection_follows_blocking_and_is_never_below_it(policy_with: Read, problems_with: Problems) -> None:
    assert policy_with("level: {blocking: 3}").levels == Levels(blocking=3, detection=3)
    ((line, column, message),) = told(problems_with("level: {blocking: 3, detection: 2}"))
    assert (line, column) == (6, 35)
    assert message.startswith("`detection` is below `blocking`")
    ((*_, message),) = told(problems_with("level: {blocking: 5}"))
    assert message == "`spec.level.blocking` must be at most 4"


def test_an_empty_match_is_refused_where_it_would_mean_everyone(problems_with: Problems) -> None:
    assert told(problems_with("match: {tenants: []}")) == [(6, 20, "`spec.match.tenants` must not be empty")]


def test_a_rollout_says_for_whom(policy_with: Read, problems_with: Problems) -> None:
    assert policy_with("rollout: {percent: 5}").rollout == Rollout(percent=5.0)
    assert policy_with("rollout: {tenants: [a]}").rollout == Rollout(tenants=("a",))
    assert told(problems_with("rollout: {}")) == [(6, 3, "`rollout` says nothing")]
    assert told(problems_with("rollout: {percent: 101}")) == [(6, 22, "`spec.rollout.percent` must be at most 100.0")]


def test_a_rollout_of_what_does_not_enforce_is_warned_of(policy_with: Read) -> None:
    (warning,) = policy_with("rollout: {percent: 5}", mode="shadow").warnings
    assert warning.startswith("p.yaml:6:12: `rollout` means nothing in a policy that does not enforce")


def test_on_error_names_detectors(problems_with: Problems) -> None:
    (problem,) = problems_with("on_error: {secrts: report}")
    assert (problem.line, problem.column) == (6, 14)
    assert problem.message == "no detector is called `secrts`; did you mean `secrets`?"


def test_a_window_in_hold_mode_is_warned_of(policy_with: Read) -> None:
    assert "`window_chars` means nothing" in policy_with("streaming: {window_chars: 64}").warnings[0]
    assert policy_with("streaming: {mode: window, window_chars: 64}").warnings == ()


def test_tools_name_lists_that_there_are(problems_with: Problems, policy_with: Read) -> None:
    lists = "lists: {hosts: [a]}"
    (problem,) = problems_with(lists, "tools: {t: {effect: read, allowed: [hostz]}}")
    assert (problem.line, problem.column) == (7, 39)
    assert problem.message == "no list is called `hostz`; did you mean `hosts`?"
    (problem,) = problems_with("tools: {t: {effect: read, allowed: [x]}}")
    assert problem.message == "no list is called `x`; there is none"
    assert policy_with(lists, "tools: {t: {effect: write, allowed: [hosts]}}").tools["t"].allowed == {"a"}


def test_a_list_that_nothing_uses_is_warned_of(policy_with: Read, rules: Line) -> None:
    line = "lists: {hosts: [a]}"
    assert policy_with(line).warnings == ("p.yaml:6:18: nothing uses the list `hosts`",)
    assert policy_with(line, rules({"when": "'segment.origin in lists.hosts'"})).warnings == ()


def test_a_wrong_shape_in_one_place_leaves_the_rest_to_be_told(
    problems_with: Problems, rules: Line, exceptions: Line, cases: Line
) -> None:
    found = problems_with(
        rules({"id": "3"}, {"id": "b", "stage": "dta", "when": "nothing"}, {"id": "c", "when": "nothing"}),
        exceptions({"rules": "[zzz]", "expires": "2026-02-30"}),
        cases({"expect": "alow"}, {"near": "[zzz]", "segment": "{orign: x}"}),
        "lists: 3",
        "tools: {t: {effect: red, allowed: [x]}}",
        "match: {tenants: [3]}",
    )
    assert [(line, message.partition(":")[0]) for line, _, message in told(found)] == [
        (6, "`spec.rules[0].id` must be text"),
        (6, "`spec.rules[1].stage` must be 'instructions', 'data', 'tools', 'tool_call' or 'output'"),
        (6, "`nothing` is not known"),
        (7, "there is no such day"),
        (8, "`spec.tests[0].expect.decision` must be 'allow', 'redact', 'require_approval' or 'block'"),
        (8, "the test's name `c` stands twice"),
        (8, "no fact of `segment` at stage `data` is called `orign`"),
        (9, "`spec.lists` must be a mapping of keys to values"),
        (10, "`spec.tools.t.effect` must be 'read', 'write' or 'egress'"),
        (11, "`spec.match.tenants[0]` must be text"),
    ]


def test_words_that_were_nearly_written_are_named(problems_with: Problems, rules: Line, cases: Line) -> None:
    found = problems_with(rules({"action": "blok"}), cases({"expect": "alow"}))
    assert [problem.message.partition("; ")[2] for problem in found] == [
        "did you mean `block`?",
        "did you mean `allow`?",
    ]


@pytest.mark.rows
@pytest.mark.parametrize("text", ["", "3", "[a]", "spec: 3", "metadata: 3", "kind: Polisy", "a: b: c"])
def test_what_is_no_policy_at_all_is_refused(policy_from: Read, text: str) -> None:
    with pytest.raises(InvalidConfiguration) as caught:
        policy_from(text)
    assert all(problem.line for problem in caught.value.problems)


def test_the_clock_is_the_machines_unless_given(policy_from: Read, sound: str) -> None:
    text = f"{sound.partition('spec:')[0]}spec:\n  mode: enforce\n"
    item = "{id: e, rules: [r], reason: x, approver: x, expires: 1999-01-31}"
    rule = "{id: r, stage: data, severity: error, when: tainted, action: block, message: m, tags: [ASI01]}"
    text += f"  exceptions: [{item}]\n  rules: [{rule}]\n"
    assert "has expired" in load_policy("p.yaml", text.encode(), lambda _: {}, {}).warnings[0]
    assert policy_from(text).warnings == load_policy("p.yaml", text.encode(), lambda _: {}, {}).warnings


def test_references_to_files_count_from_the_policys_folder(policy_from: Read, sound: str, tmp_path: Path) -> None:
    (tmp_path / "key").write_text("sk-2\n", encoding="utf-8")
    text = sound.replace("env:KEY", "file:key")
    (external,) = policy_from(text, file=str(tmp_path / "p.yaml")).detectors.external
    assert external.key is not None
    assert external.key.reveal() == "sk-2"


def test_offline_no_credential_is_read(policy_from: Read, sound: str) -> None:
    with pytest.raises(InvalidConfiguration, match="the environment variable KEY is missing"):
        policy_from(sound, {})
    assert policy_from(sound, {}, offline=True).name == "support"
