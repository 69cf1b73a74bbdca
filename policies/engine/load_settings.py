"""What does a policy set beside its rules, and does it fit together?"""

import re
from collections.abc import Mapping
from typing import Final

from gateway.domain.card import Bar, strictest
from gateway.domain.detection import Stage
from gateway.domain.isolation import Isolation, isolation_from_label
from gateway.yamlfile.problems import Loc
from gateway.yamlfile.report import Report
from policies.engine.model import Effect, Levels, Match, OnError, Rollout, Severity, Streaming, ToolRule
from policies.engine.schema import LevelSection, SeveritySection, SpecSection, StreamingSection, ThresholdSection
from policies.engine.schema_rules import MatchSection
from policies.engine.schema_words import ListName

_LIST: Final = re.compile(r"\blists\s*\.\s*([a-z][a-z0-9_]*)")
_PREFIX: Final = "lists."


def match_of(section: MatchSection) -> Match:
    return Match(tenants=section.tenants, models=section.models, routes=section.routes, keys=section.keys)


def levels_of(section: LevelSection, report: Report) -> Levels:
    detection = section.blocking if section.detection is None else section.detection
    if detection < section.blocking:
        message = f"`detection` is below `blocking`: rules up to {section.blocking} act, so detect at least as far"
        report.add(("spec", "level", "detection"), message)
    return Levels(blocking=section.blocking, detection=detection)


def severities_of(section: SeveritySection) -> Mapping[Severity, int]:
    return {
        "critical": section.critical,
        "error": section.error,
        "warning": section.warning,
        "notice": section.notice,
    }


def thresholds_of(section: ThresholdSection) -> Mapping[Stage, int]:
    return {
        Stage.INSTRUCTIONS: section.instructions,
        Stage.DATA: section.data,
        Stage.TOOLS: section.tools,
        Stage.TOOL_CALL: section.tool_call,
        Stage.OUTPUT: section.output,
    }


def isolation_of(spec: SpecSection) -> Isolation | None:
    return None if spec.min_isolation is None else isolation_from_label(spec.min_isolation)


def bar_of(spec: SpecSection) -> Bar:
    return strictest([Bar(min_separation=spec.min_separation, max_attack_success=spec.max_attack_success)])


def load_rollout(spec: SpecSection, report: Report) -> Rollout:
    section, loc = spec.rollout, ("spec", "rollout")
    if section is None:
        return Rollout()
    if section.percent is None and not section.tenants and report.sound(loc):
        report.add(loc, "`rollout` says nothing; give `percent` or `tenants`, or leave it out", at_key=True)
    if spec.mode != "enforce":
        report.warn(loc, f"`rollout` means nothing in a policy that does not enforce; its mode is `{spec.mode}`")
    return Rollout(percent=section.percent, tenants=section.tenants)


def load_on_error(spec: SpecSection, report: Report, detectors: frozenset[str]) -> Mapping[str, OnError]:
    for name in spec.on_error:
        report.expect_name(("spec", "on_error", name), "detector", name, detectors | {"default"}, at_key=True)
    return spec.on_error


def load_streaming(section: StreamingSection, report: Report) -> Streaming:
    if section.mode == "hold" and "window_chars" in section.model_fields_set:
        report.warn(("spec", "streaming", "window_chars"), "`window_chars` means nothing in `hold` mode")
    return Streaming(mode=section.mode, window_chars=section.window_chars, max_hold_ms=section.max_hold_ms)


def load_tools(spec: SpecSection, report: Report) -> Mapping[str, ToolRule]:
    return {
        name: ToolRule(
            effect=Effect[section.effect.upper()],
            sink_args=section.sink_args,
            allowed=_allowed(section.allowed, spec, ("spec", "tools", name, "allowed"), report),
        )
        for name, section in spec.tools.items()
    }


def _allowed(names: tuple[str, ...] | None, spec: SpecSection, loc: Loc, report: Report) -> frozenset[str] | None:
    if names is None:
        return None
    found = (named_list(name, spec, (*loc, index), report) for index, name in enumerate(names))
    return frozenset(text for texts in found for text in texts)


def named_list(name: str, spec: SpecSection, loc: Loc, report: Report) -> tuple[str, ...]:
    """The list that is called ``name`` or ``lists.name``; empty, with a problem at ``loc``, where there is none."""
    bare = name.removeprefix(_PREFIX)
    if report.hidden(("spec", "lists")):
        return ()
    known = report.expect_name(loc, "list", bare, spec.lists)
    return spec.lists[bare] if known else ()


def warn_of_unused_lists(spec: SpecSection, report: Report) -> None:
    urls = spec.detectors.urls
    settings = [
        name for names in (urls.allowed_hosts, urls.protected_hosts) if isinstance(names, ListName) for name in names
    ]
    allowed = [name for tool in spec.tools.values() for name in tool.allowed or ()]
    used = {name.removeprefix(_PREFIX) for name in (*settings, *allowed)}
    used.update(name for rule in spec.rules for name in _LIST.findall(rule.when))
    for name in spec.lists:
        if name not in used:
            report.warn(("spec", "lists", name), f"nothing uses the list `{name}`")
