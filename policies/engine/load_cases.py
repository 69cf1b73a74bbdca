"""What do the tests in a policy file try, and can they be run?"""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from gateway.domain.detection import FactType, FactValue, Stage
from gateway.yamlfile.problems import Loc
from gateway.yamlfile.report import Report
from policies.engine.load_rules import rule_stages
from policies.engine.model import CallCase, Case, Expectation
from policies.engine.schema import SpecSection
from policies.engine.schema_rules import CallSection, ExpectSection, TestSection
from policies.engine.vocabulary import BASE

# What a case can set. No fact of segments, requests and output is anything else.
_TYPES: Final[Mapping[FactType, tuple[type, str]]] = {
    FactType.BOOL: (bool, "true or false, without quotes"),
    FactType.INT: (int, "a whole number, without quotes"),
    FactType.STRING: (str, "text; put it in quotes"),
}


def load_cases(spec: SpecSection, report: Report) -> tuple[Case, ...]:
    seen: set[str] = set()
    stages = rule_stages(spec, report)
    external = [one.name for one in spec.detectors.external]
    made: list[Case] = []
    for index, section in enumerate(spec.tests):
        loc: Loc = ("spec", "tests", index)
        report.expect_unique(seen, section.name, (*loc, "name"), f"the test's name `{section.name}`")
        if report.sound((*loc, "stage")):
            _check_subject(section, loc, report)
            _check_rules(section, loc, report, stages)
        _check_expectation(section.expect, (*loc, "expect"), report)
        made.append(_case(section, loc, report, external))
    return tuple(made)


def _case(section: TestSection, loc: Loc, report: Report, external: Sequence[str]) -> Case:
    expect = section.expect
    is_call = section.stage == Stage.TOOL_CALL
    return Case(
        name=section.name,
        stage=Stage(section.stage),
        text=section.text or "",
        expect=Expectation(decision=expect.decision, rules=expect.rules, text=expect.text),
        facts=dict(_facts(section, loc, report, external)),
        call=_call(section.tool) if section.tool is not None and is_call else None,
        instructions=section.instructions,
        data=section.data,
        near=section.near,
        line=report.source.values.get(loc, (1, 1))[0],
    )


def _call(section: CallSection) -> CallCase:
    given = section.arguments
    text = given if isinstance(given, str) else json.dumps({} if given is None else given, ensure_ascii=False)
    return CallCase(name=section.name, arguments=text)


def _check_subject(section: TestSection, loc: Loc, report: Report) -> None:
    """A case has the text that is scanned at its stage, and nothing that its stage does not have."""
    stage, tool = Stage(section.stage), section.tool
    if stage is Stage.TOOL_CALL:
        _forbid(loc, "text", section.text is not None, "a call's text is its `tool.arguments`", report)
        if tool is None and report.sound((*loc, "tool")):
            report.add(loc, "a test at stage `tool_call` needs the call; add `tool: {name, arguments}`")
    elif section.text is None and report.sound((*loc, "text")):
        report.add(loc, f"a test at stage `{stage}` needs the text that stands there; add `text`")
    if tool is not None and stage is not Stage.TOOL_CALL:
        place = (*loc, "tool")
        _forbid(loc, "tool", stage is not Stage.TOOLS, f"no tool is looked at, at stage `{stage}`", report)
        _forbid(place, "arguments", tool.arguments is not None, "a definition is given as `text`", report)
        _forbid(place, "offered", tool.offered is not None, "a definition is always offered", report)
    if stage not in {Stage.TOOL_CALL, Stage.OUTPUT}:
        for key, text in (("instructions", section.instructions), ("data", section.data)):
            _forbid(loc, key, bool(text), "it goes with `tool_call` and `output`; here, write `text`", report)


def _forbid(loc: Loc, key: str, given: bool, why: str, report: Report) -> None:
    if given:
        report.add((*loc, key), f"`{key}` means nothing here: {why}", at_key=True)


def _check_rules(section: TestSection, loc: Loc, report: Report, stages: Mapping[str, str | None] | None) -> None:
    named: tuple[tuple[Loc, tuple[str, ...]], ...] = (
        ((*loc, "expect", "rules"), section.expect.rules),
        ((*loc, "near"), section.near),
    )
    for place, ids in named:
        if stages is None or not report.sound(place):
            continue
        for index, rule in enumerate(ids):
            known = report.expect_name((*place, index), "rule", rule, stages)
            if known and stages[rule] not in {None, section.stage}:
                message = f"the rule `{rule}` looks at stage `{stages[rule]}`, this test at `{section.stage}`"
                report.add((*place, index), f"{message}; test it there")
    for index, rule in enumerate(section.near):
        if rule in section.expect.rules:
            message = f"the rule `{rule}` is expected to hit, and to miss; name it once"
            report.add((*loc, "near", index), message)


def _check_expectation(section: ExpectSection, loc: Loc, report: Report) -> None:
    if not report.sound(loc):
        return
    if section.decision != "allow" and not section.rules:
        message = f"name the rules that hit: `expect: {{decision: {section.decision}, rules: [id]}}`"
        report.add(loc, message)
    if section.text is not None and section.decision != "redact":
        report.add((*loc, "text"), "only `decision: redact` changes the text; leave `text` out", at_key=True)


def _facts(section: TestSection, loc: Loc, report: Report, external: Sequence[str]) -> Iterator[tuple[str, FactValue]]:
    if section.tainted is not None:
        yield "tainted", section.tainted
    if section.tool is not None:
        if section.stage == Stage.TOOLS:
            yield "tool.name", section.tool.name
        if section.tool.offered is not None:
            yield "tool.offered", section.tool.offered
    yield from _said(section, (*loc, "det"), report, external)
    for prefix, facts in (("segment", section.segment), ("request", section.request), ("output", section.output)):
        if report.sound((*loc, "stage")):
            yield from _facts_of(Stage(section.stage), facts, (*loc, prefix), report)


def _facts_of(stage: Stage, facts: Mapping[str, object], loc: Loc, report: Report) -> Iterator[tuple[str, FactValue]]:
    """Those that there are at this stage, with values of their types."""
    prefix = loc[-1]
    known = {
        name.partition(".")[2]: fact.type
        for name, fact in BASE.items()
        if name.startswith(f"{prefix}.") and stage in fact.stages
    }
    for key, given in facts.items():
        what = f"fact of `{prefix}` at stage `{stage}`"
        if report.expect_name((*loc, key), what, key, known, at_key=True):
            kind, words = _TYPES[known[key]]
            if isinstance(given, bool | int | str) and type(given) is kind:
                yield f"{prefix}.{key}", given
            else:
                report.add((*loc, key), f"`{prefix}.{key}` must be {words}")


# What an external classifier says; `found` follows.
_SAID: Final[Mapping[str, tuple[type, str]]] = {
    "flagged": (bool, "true or false, without quotes"),
    "score": (float, "a number with a point, such as 0.9"),
}


def _said(section: TestSection, loc: Loc, report: Report, external: Sequence[str]) -> Iterator[tuple[str, FactValue]]:
    """What the case takes external classifiers to say."""
    for name, facts in section.det.items():
        if not report.expect_name((*loc, name), "external detector", name, external, at_key=True):
            continue
        for key, given in facts.items():
            if not report.expect_name((*loc, name, key), f"fact of `{name}`", key, _SAID, at_key=True):
                continue
            kind, words = _SAID[key]
            if isinstance(given, bool | float) and type(given) is kind:
                yield f"det.{name}.{key}", given
            else:
                report.add((*loc, name, key), f"`det.{name}.{key}` must be {words}")
        if facts.get("flagged") is True:
            yield f"det.{name}.found", True
