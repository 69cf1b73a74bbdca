from collections.abc import Callable

import pytest

from gateway.domain.detection import Stage
from gateway.yamlfile.problems import InvalidConfiguration, Problem
from policies.engine.model import CallCase, Case, Expectation, Policy

Read = Callable[..., Policy]
Problems = Callable[..., tuple[Problem, ...]]
Line = Callable[..., str]


def test_cases_are_read_whole(policy_from: Read, sound: str) -> None:
    hit, near, call, broken, bare, definition, mail = policy_from(sound).cases
    assert hit == Case(
        name="A key in the answer",
        stage=Stage.OUTPUT,
        text="key AKIA",
        expect=Expectation(decision="block", rules=("out-secret",)),
        facts={"output.channel": "text", "request.stream": True, "request.tools": 2},
        line=76,
    )
    assert (near.instructions, near.data, near.near) == ("Say it.", "a mail", ("out-secret",))
    assert near.facts == {"tainted": True}
    assert near.expect == Expectation(decision="allow")
    assert call.call == CallCase(name="send_email", arguments='{"to": "a@b.example", "n": [1, {"x": "é"}]}')
    assert call.facts == {"tool.offered": False}
    assert broken.call == CallCase(name="send_email", arguments='{"to": ')
    assert bare.call == CallCase(name="search", arguments="{}")
    assert (definition.text, definition.facts, definition.call) == ("Searches.", {"tool.name": "search"}, None)
    assert mail.expect == Expectation(decision="redact", rules=("mail-pii",), text="From <EMAIL_1>")
    assert mail.facts == {"segment.origin": "email", "segment.opaque": False}


def test_two_cases_of_one_name_are_refused(problems_with: Problems, cases: Line) -> None:
    (problem,) = problems_with(cases({}, {}))
    assert problem.message == "the test's name `c` stands twice; each needs its own"


@pytest.mark.rows
@pytest.mark.parametrize(
    ("case", "message"),
    [
        ({"text": None}, "a test at stage `data` needs the text that stands there; add `text`"),
        ({"stage": "tool_call", "text": None}, "a test at stage `tool_call` needs the call; add"),
        ({"stage": "tool_call", "tool": "{name: t}"}, "`text` means nothing here"),
        ({"tool": "{name: t}"}, "`tool` means nothing here: no tool is looked at, at stage `data`"),
        ({"stage": "tools", "tool": "{name: t, arguments: {}}"}, "`arguments` means nothing here"),
        ({"stage": "tools", "tool": "{name: t, offered: true}"}, "`offered` means nothing here"),
        ({"data": "x"}, "`data` means nothing here"),
        ({"instructions": "x", "stage": "tools"}, "`instructions` means nothing here"),
        (
            {"tool": "{name: t, arguments: 3}", "stage": "tool_call", "text": None},
            "`spec.tests[0].tool.arguments` must",
        ),
    ],
)
def test_a_case_holds_what_its_stage_has(problems_with: Problems, cases: Line, case: object, message: str) -> None:
    (problem,) = problems_with(cases(case))
    assert problem.message.startswith(message)


@pytest.mark.rows
@pytest.mark.parametrize(
    "case",
    [
        {"text": "''"},
        {"stage": "tool_call", "text": None, "tool": "{name: t}", "data": "x"},
        {"stage": "tools", "tool": "{name: t}"},
        {"stage": "tools"},
        {"stage": "output", "instructions": "x", "data": "y"},
    ],
)
def test_a_case_that_fits_its_stage_is_read(policy_with: Read, cases: Line, case: object) -> None:
    assert len(policy_with(cases(case)).cases) == 1


@pytest.mark.rows
@pytest.mark.parametrize(
    ("expect", "message"),
    [
        ("block", "name the rules that hit"),
        ("{decision: redact}", "name the rules that hit"),
        ("{decision: allow, text: x}", "only `decision: redact` changes the text"),
        ("{decision: block, rules: [rr]}", "no rule is called `rr`; did you mean `r`?"),
        ("{decision: block, rules: [o]}", "the rule `o` looks at stage `output`, this test at `data`"),
        ("{decision: [x]}", "`spec.tests[0].expect.decision` must be"),
        ("3", "`spec.tests[0].expect` must be a mapping"),
    ],
)
def test_an_expectation_that_could_not_be_met_is_refused(
    problems_with: Problems, rules: Line, cases: Line, expect: str, message: str
) -> None:
    (problem,) = problems_with(rules({}, {"id": "o", "stage": "output"}), cases({"expect": expect}))
    assert problem.message.startswith(message)
    assert problem.line == 7


@pytest.mark.rows
@pytest.mark.parametrize(
    "expect", ["allow", "{decision: allow, rules: [r]}", "{decision: redact, rules: [r], text: x}"]
)
def test_an_expectation_that_can_be_met_is_read(policy_with: Read, rules: Line, cases: Line, expect: str) -> None:
    assert policy_with(rules({}), cases({"expect": expect})).cases[0].stage is Stage.DATA


def test_a_near_miss_names_rules_of_its_stage_that_do_not_hit(
    problems_with: Problems, policy_with: Read, rules: Line, cases: Line
) -> None:
    both = rules({}, {"id": "o", "stage": "output"})
    (problem,) = problems_with(both, cases({"near": "[q]"}))
    assert problem.message == "no rule is called `q`; there are o, r"
    (problem,) = problems_with(both, cases({"near": "[o]"}))
    assert problem.message.startswith("the rule `o` looks at stage `output`")
    (problem,) = problems_with(both, cases({"near": "[r]", "expect": "{decision: block, rules: [r]}"}))
    assert problem.message == "the rule `r` is expected to hit, and to miss; name it once"
    assert policy_with(both, cases({"near": "[r]"})).cases[0].near == ("r",)


def test_a_case_of_rules_that_cannot_be_read_is_not_judged_by_them(
    problems_with: Problems, rules: Line, cases: Line
) -> None:
    (problem,) = problems_with(rules({"id": "3"}), cases({"near": "[x]"}))
    assert problem.message.startswith("`spec.rules[0].id`")
    (problem,) = problems_with(rules({"stage": "dta"}), cases({"near": "[r]"}))
    assert problem.message.startswith("`spec.rules[0].stage`")
    (problem,) = problems_with(rules({}), cases({"near": "[3]"}))
    assert problem.message.startswith("`spec.tests[0].near[0]`")


@pytest.mark.rows
@pytest.mark.parametrize(
    ("facts", "message"),
    [
        ({"segment": "{orign: x}"}, "no fact of `segment` at stage `data` is called `orign`; did you mean `origin`?"),
        ({"segment": "{origin: 3}"}, "`segment.origin` must be text; put it in quotes"),
        ({"segment": "{opaque: 1}"}, "`segment.opaque` must be true or false, without quotes"),
        ({"request": "{tools: true}"}, "`request.tools` must be a whole number, without quotes"),
        ({"request": "{tools: [1]}"}, "`request.tools` must be a whole number, without quotes"),
        ({"output": "{channel: text}"}, "no fact of `output` at stage `data` is called `channel`; there is none"),
        ({"tainted": "1"}, "`spec.tests[0].tainted` must be true or false, without quotes"),
    ],
)
def test_facts_are_known_and_of_their_types(problems_with: Problems, cases: Line, facts: object, message: str) -> None:
    (problem,) = problems_with(cases(facts))
    assert problem.message == message


def test_facts_of_a_stage_that_cannot_be_read_are_not_judged(problems_with: Problems, cases: Line) -> None:
    (problem,) = problems_with(cases({"stage": "dta", "segment": "{orign: x}", "text": None}))
    assert problem.message.startswith("`spec.tests[0].stage` must be")


EXTERNAL = 'detectors: {external: [{name: vendor, kind: webhook, url: "https://c.example/x"}]}'
WITH_DET = """apiVersion: splitgate/v1
kind: Policy
metadata: {name: p, owner: o@acme.example}
spec:
  mode: enforce
  %s
  tests:
    - {name: c, stage: data, text: x, expect: allow, det: %s}
"""


def test_a_case_says_what_an_external_classifier_sees(policy_from: Read) -> None:
    (case,) = policy_from(WITH_DET % (EXTERNAL, "{vendor: {flagged: true, score: 0.5}}")).cases
    assert case.facts == {"det.vendor.flagged": True, "det.vendor.score": 0.5, "det.vendor.found": True}
    (quiet,) = policy_from(WITH_DET % (EXTERNAL, "{vendor: {flagged: false}}")).cases
    assert quiet.facts == {"det.vendor.flagged": False}


@pytest.mark.rows
@pytest.mark.parametrize(
    ("said", "message"),
    [
        ("{vendr: {flagged: true}}", "no external detector is called `vendr`; did you mean `vendor`?"),
        ("{secrets: {found: true}}", "no external detector is called `secrets`; there are vendor"),
        ("{vendor: {flaged: true}}", "no fact of `vendor` is called `flaged`; did you mean `flagged`?"),
        ("{vendor: {flagged: 1}}", "`det.vendor.flagged` must be true or false, without quotes"),
        ("{vendor: {score: true}}", "`det.vendor.score` must be a number with a point, such as 0.9"),
    ],
)
def test_what_it_is_taken_to_say_is_checked(policy_from: Read, said: str, message: str) -> None:
    with pytest.raises(InvalidConfiguration) as caught:
        policy_from(WITH_DET % (EXTERNAL, said))
    assert [problem.message for problem in caught.value.problems] == [message]
