from collections.abc import Callable

import pytest

from gateway.domain.detection import Stage
from gateway.domain.verdict import Action
from gateway.yamlfile.problems import Problem
from policies.engine.model import Policy

Read = Callable[..., Policy]
Problems = Callable[..., tuple[Problem, ...]]
Line = Callable[..., str]

POSSIBLE = {
    "instructions": {"score", "block", "redact", "pseudonymise", "set_channel"},
    "data": {"score", "block", "redact", "pseudonymise"},
    "tools": {"score", "block", "redact"},
    "tool_call": {"score", "block", "redact", "require_approval"},
    "output": {"score", "block", "redact", "require_approval"},
}
BESIDE = {"set_channel": {"channel": "data"}}


def test_a_rule_is_read_whole(policy_from: Read, sound: str) -> None:
    first, second, third, last = policy_from(sound).rules
    assert (first.id, first.stage, first.severity, first.action) == (
        "out-secret",
        Stage.OUTPUT,
        "critical",
        Action.BLOCK,
    )
    assert (first.message, first.why) == ("A credential was about to leave.", "Credentials leave in answers.")
    assert (first.owner, first.tags) == ("a@acme.example", ("LLM02:2025", "AML.T0057"))
    assert (first.level, first.mode, first.only, first.restore_anywhere) == (1, "enforce", (), False)
    assert first.when.holds({"det.secrets.found": True})
    assert (second.level, second.mode, second.restore_anywhere) == (2, "shadow", True)
    assert second.only == ("EMAIL_ADDRESS", "STAFF_NUMBER")
    assert third.action is Action.SET_CHANNEL
    assert last.action is Action.REQUIRE_APPROVAL


def test_a_rule_without_an_owner_has_the_policys(policy_with: Read, rules: Line) -> None:
    assert policy_with(rules({})).rules[0].owner == "o@acme.example"
    assert policy_with(rules({"owner": "me"})).rules[0].owner == "me"


def test_what_a_rule_lacks_is_warned_of(policy_from: Read, policy_with: Read, rules: Line) -> None:
    assert policy_with(rules({})).warnings == ()
    ((warning),) = policy_with(rules({"tags": None})).warnings
    assert "the rule `r` has no `tags`" in warning
    text = f"apiVersion: splitgate/v1\nkind: Policy\nmetadata: {{name: p}}\nspec:\n  mode: enforce\n  {rules({})}\n"
    (warning,) = policy_from(text).warnings
    assert warning.startswith("p.yaml:6:11: the rule `r` has no `owner`")


def test_a_rule_without_a_message_is_refused(problems_with: Problems, rules: Line) -> None:
    (problem,) = problems_with(rules({"message": None}))
    assert problem.message == "the key `message` is missing here; add it"


def test_two_rules_of_one_id_are_refused(problems_with: Problems, policy_with: Read, rules: Line) -> None:
    (problem,) = problems_with(rules({}, {}))
    assert problem.message == "the rule id `r` stands twice; each needs its own"
    assert len(policy_with(rules({}, {"id": "R"})).rules) == 2


@pytest.mark.rows
@pytest.mark.parametrize(
    ("file", "rule", "sound"),
    [
        ("enforce", "enforce", True),
        ("enforce", "shadow", True),
        ("enforce", "off", True),
        ("shadow", "enforce", False),
        ("shadow", "shadow", True),
        ("shadow", "off", True),
        ("off", "enforce", True),
    ],
)
def test_a_rule_is_never_stronger_than_its_file(
    policy_with: Read, problems_with: Problems, rules: Line, file: str, rule: str, *, sound: bool
) -> None:
    line = rules({"mode": rule})
    if sound:
        assert policy_with(line, mode=file).rules[0].mode == rule
    else:
        (problem,) = problems_with(line, mode=file)
        assert problem.message.startswith("a rule may only be weaker than its file, whose mode is `shadow`")


def test_a_rule_that_says_no_mode_follows_its_file(policy_with: Read, rules: Line) -> None:
    assert policy_with(rules({}), mode="shadow").rules[0].mode == "enforce"


@pytest.mark.rows
@pytest.mark.parametrize("stage", list(POSSIBLE))
@pytest.mark.parametrize("action", list(Action))
def test_each_action_is_for_its_stages(
    policy_with: Read, problems_with: Problems, rules: Line, stage: str, action: str
) -> None:
    line = rules({"stage": stage, "action": action, **BESIDE.get(action, {})})
    if action in POSSIBLE[stage]:
        assert policy_with(line).rules[0].action == action
    else:
        (problem,) = problems_with(line)
        assert problem.message.startswith(f"`{action}` cannot be done at stage `{stage}`")
        assert all(f"`{possible}`" in problem.message for possible in POSSIBLE[stage])


def test_a_channel_is_always_data_and_always_said(problems_with: Problems, rules: Line) -> None:
    change = {"stage": "instructions", "action": "set_channel"}
    (problem,) = problems_with(rules(change))
    assert problem.message == "`set_channel` needs the channel beside it; add `channel: data`"
    (problem,) = problems_with(rules({**change, "channel": "instructions"}))
    assert problem.message == "`spec.rules[0].channel` must be 'data'"


@pytest.mark.rows
@pytest.mark.parametrize(
    ("key", "text", "action"),
    [
        ("channel", "data", "block"),
        ("only", "[A]", "block"),
        ("restore_anywhere", "true", "redact"),
    ],
)
def test_what_means_nothing_beside_an_action_is_refused(
    problems_with: Problems, rules: Line, key: str, text: str, action: str
) -> None:
    (problem,) = problems_with(rules({"action": action, key: text}))
    assert problem.message.startswith(f"`{key}` means nothing beside `action: {action}`")


@pytest.mark.rows
@pytest.mark.parametrize("action", ["redact", "pseudonymise"])
@pytest.mark.parametrize("condition", ["tainted", "det.size.chars > 10"])
def test_an_edit_needs_a_detector_with_marks(
    problems_with: Problems, policy_with: Read, rules: Line, action: str, condition: str
) -> None:
    (problem,) = problems_with(rules({"action": action, "when": condition}))
    assert "`when` names no detector that marks what it found" in problem.message
    assert problem.message.endswith("those are pii, secrets, urls")
    near_miss = f"{condition} && det.secrets.found"
    assert policy_with(rules({"action": action, "when": near_miss})).rules[0].action == action


def test_only_names_kinds_that_pii_looks_for(problems_with: Problems, policy_with: Read, rules: Line) -> None:
    settings = "detectors: {pii: {entities: [EMAIL_ADDRESS], recognizers: [{entity: STAFF, pattern: x}]}}"
    change = {"action": "redact", "when": "det.pii.found"}
    (problem,) = problems_with(settings, rules({**change, "only": "[EMAIL_ADRESS]"}))
    assert problem.message.endswith("is called `EMAIL_ADRESS`; did you mean `EMAIL_ADDRESS`?")
    for kinds in ("[EMAIL_ADDRESS]", "[STAFF]"):
        assert policy_with(settings, rules({**change, "only": kinds})).rules[0].action is Action.REDACT
    assert policy_with(rules({**change, "only": "[IBAN_CODE]"})).rules[0].only == ("IBAN_CODE",)


def test_kinds_are_not_judged_by_settings_that_cannot_be_read(problems_with: Problems, rules: Line) -> None:
    settings = "detectors: {pii: {entities: [EMAIL_ADDRESS, 3]}}"
    (problem,) = problems_with(settings, rules({"action": "redact", "when": "det.pii.found", "only": "[IBAN]"}))
    assert problem.message.startswith("`spec.detectors.pii.entities[1]` must be text")


@pytest.mark.rows
@pytest.mark.parametrize(
    ("text", "line", "column"),
    [
        ("when: det.secrets.found && det.secret.found", 6, 34),
        ("when: 'det.secrets.found && det.secret.found'", 6, 35),
        ('when: "det.secrets.found && det.secret.found"', 6, 35),
        ('when: "det.secrets.found \\u0026& det.secret.found"', 6, 40),
        ("when: >-\n        det.secrets.found &&\n        det.secret.found", 8, 9),
        ("when: |\n        det.secrets.found &&\n          det.secret.found", 8, 11),
    ],
)
def test_a_condition_is_told_where_it_is_wrong(problems_with: Problems, text: str, line: int, column: int) -> None:
    sound = "stage: data, severity: notice, action: block, message: m, id: r"
    block = "rules:\n    - " + text + "\n" + "".join(f"      {one.strip()}\n" for one in sound.split(","))
    (problem,) = problems_with(block)
    assert problem.message.endswith("did you mean `det.secrets.found`?")
    assert (problem.line, problem.column) == (line + 1, column)


def test_a_condition_is_read_for_its_stage(problems_with: Problems, policy_with: Read, rules: Line) -> None:
    (problem,) = problems_with(rules({"when": "tool.valid"}))
    assert "tool.valid" in problem.message
    assert policy_with(rules({"when": "tool.valid", "stage": "tool_call"})).rules[0].stage is Stage.TOOL_CALL


@pytest.mark.rows
@pytest.mark.parametrize(
    ("tag", "sound"),
    [
        ("LLM01:2025", True),
        ("ASI01", True),
        ("ASI01:2026", True),
        ("CWE-79", True),
        ("AML.T0051", True),
        ("AML.T0051.001", True),
        ("AML.TA0002", True),
        ("AML.T51", False),
        ("llm01:2025", False),
        ("L", False),
        ("'LLM01: 2025'", False),
        ("'LLM01:'", False),
    ],
)
def test_tags_are_ids_of_the_lists_that_people_know(
    policy_with: Read, problems_with: Problems, rules: Line, tag: str, *, sound: bool
) -> None:
    line = rules({"tags": f"['{tag.strip(chr(39))}']"})
    if sound:
        assert policy_with(line).rules[0].tags == (tag,)
    else:
        (problem,) = problems_with(line)
        assert "must be an id such as LLM01:2025" in problem.message
