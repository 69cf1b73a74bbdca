from collections.abc import Callable, Mapping

import pytest

from gateway.yamlfile.problems import Problem
from policies.engine.model import Policy

Read = Callable[..., Policy]
Problems = Callable[..., tuple[Problem, ...]]
Line = Callable[..., str]

WINDOW = "streaming: {mode: window, window_chars: 300}"
OUT = {"stage": "output"}

NEED_HOLD: list[tuple[Mapping[str, str], str]] = [
    ({"when": "det.urls.found"}, "its condition rests on the whole text"),
    ({"when": "det.secrets.found && det.urls.found"}, "its condition rests on the whole text"),
    ({"when": "'!det.secrets.found'"}, "what comes later can make its condition false again"),
    ({"action": "score", "severity": "error"}, "its 4 points alone do not reach the threshold of 5"),
    ({"action": "require_approval"}, "an answer that waits for approval is held whole"),
]
FIT: list[Mapping[str, str]] = [
    {},
    {"when": "det.secrets.found || tainted"},
    {"action": "score"},
    {"action": "redact"},
]


@pytest.mark.rows
@pytest.mark.parametrize(("rule", "why"), NEED_HOLD)
def test_a_rule_that_needs_the_whole_answer_is_refused_in_a_window(
    problems_with: Problems, policy_with: Read, rules: Line, rule: Mapping[str, str], why: str
) -> None:
    (problem,) = problems_with(WINDOW, rules({**OUT, **rule}))
    assert problem.message.startswith(f"the rule `r` cannot decide inside a window: {why}")
    assert problem.message.endswith("set `spec.streaming.mode: hold`")
    assert problem.line == 7
    assert policy_with(rules({**OUT, **rule})).streaming.mode == "hold"


@pytest.mark.rows
@pytest.mark.parametrize("rule", FIT)
def test_a_rule_that_a_window_decides_is_taken(policy_with: Read, rules: Line, rule: Mapping[str, str]) -> None:
    assert policy_with(WINDOW, rules({**OUT, **rule})).streaming.mode == "window"


def test_a_window_is_as_long_as_the_longest_match(problems_with: Problems, rules: Line) -> None:
    (problem,) = problems_with("streaming: {mode: window, window_chars: 299}", rules(OUT))
    assert "rests on up to 300 characters; set `window_chars` to that" in problem.message


@pytest.mark.rows
@pytest.mark.parametrize(
    "exempt",
    [{"stage": "data"}, {"stage": "tool_call"}, {"stage": "output", "mode": "off"}, {"stage": "output", "level": "2"}],
)
def test_only_rules_that_are_evaluated_on_output_are_judged(
    policy_with: Read, rules: Line, exempt: Mapping[str, str]
) -> None:
    assert policy_with(WINDOW, rules({**exempt, "when": "det.urls.found"})).streaming.mode == "window"


@pytest.mark.parametrize("rule", [{"mode": "shadow"}, {"level": "2"}])
def test_a_rule_that_only_watches_is_judged_too(problems_with: Problems, rules: Line, rule: Mapping[str, str]) -> None:
    line = rules({**OUT, **rule, "when": "det.urls.found"})
    (problem,) = problems_with(WINDOW, "level: {blocking: 1, detection: 2}", line)
    assert "rests on the whole text" in problem.message


def test_points_and_thresholds_are_the_files(policy_with: Read, problems_with: Problems, rules: Line) -> None:
    score = rules({**OUT, "action": "score", "severity": "notice"})
    assert policy_with(WINDOW, "scoring: {threshold: {output: 2}}", score).streaming.mode == "window"
    (problem,) = problems_with(WINDOW, "scoring: {threshold: {output: 3}}", score)
    assert "its 2 points alone do not reach the threshold of 3" in problem.message


def test_a_streaming_section_that_cannot_be_read_is_not_judged_by(problems_with: Problems, rules: Line) -> None:
    (problem,) = problems_with("streaming: {mode: window, window_chars: x}", rules({**OUT, "when": "det.urls.found"}))
    assert problem.message.startswith("`spec.streaming.window_chars` must be a whole number")
