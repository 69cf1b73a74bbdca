"""Which known threats do the shipped packs do something about? The tables of ``docs/control-map.md``.

Made of the tags of rules and of ``policies/packs/controls.yaml``, which says for each id how far it goes. The rule:
both agree, or there is no page.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict

from gateway.configuration.packs import PACKS, POLICY, shipped
from gateway.detectors.build import vocabulary
from gateway.reference.tables import table
from gateway.yamlfile.problems import refuse
from gateway.yamlfile.report import Report
from gateway.yamlfile.source import read_source
from gateway.yamlfile.validate import Shape, validate
from policies.engine.applicable import evaluated
from policies.engine.load import load_policy
from policies.engine.model import Policy

CONTROLS: Final = PACKS / "controls.yaml"

# By id, the rules with that tag as a table shows them.
Tagged: TypeAlias = Mapping[str, Sequence[str]]


class Section(BaseModel):
    """Unknown keys are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Control(Section):
    """One threat, and what the packs do about it and what not."""

    id: str
    name: str
    status: Literal["covered", "partial", "out"]
    says: str


class ThreatList(Section):
    """Threats that somebody keeps a list of."""

    name: str
    controls: tuple[Control, ...]


class Document(Section):
    """The whole file."""

    lists: tuple[ThreatList, ...]


_SHAPE: Final = Shape(
    document=Document,
    sections=(((), Document), (("lists", "*"), ThreatList), (("lists", "*", "controls", "*"), Control)),
)


def control_map(controls: Path = CONTROLS, packs: Path = PACKS) -> str:
    """Every id with its status, and the rules that carry it.

    Raises:
        InvalidConfiguration: a file cannot be read, or statuses and tags disagree.
    """
    policies = [_policy(packs / name / POLICY) for name in shipped(packs)]
    tagged = _tagged(policies)
    lists = _checked(controls, tagged)
    return "\n\n".join(f"## {one.name}\n\n{_summary(one)}\n\n{_table(one, tagged)}" for one in lists)


def _policy(path: Path) -> Policy:
    return load_policy(str(path), path.read_bytes(), vocabulary, {})


def _tagged(policies: Sequence[Policy]) -> Tagged:
    tagged: dict[str, list[str]] = defaultdict(list)
    for policy in policies:
        for rule in policy.rules:
            if not evaluated(policy, rule):
                continue
            watches = rule.level > policy.levels.blocking or rule.mode == "shadow"
            for tag in rule.tags:
                tagged[tag].append(f"`{policy.name}/{rule.id}`{' (recorded)' if watches else ''}")
    return tagged


def _checked(path: Path, tagged: Tagged) -> Sequence[ThreatList]:
    source = read_source(str(path), path.read_bytes())
    document, faults = validate(source, _SHAPE)
    report = Report(source=source, faults=faults)
    if document is None:
        refuse(report.problems)
    known: set[str] = set()
    for number, threats in enumerate(document.lists):
        for index, control in enumerate(threats.controls):
            loc = ("lists", number, "controls", index, "id")
            report.expect_unique(known, control.id, loc, f"the id {control.id}")
            if wrong := _disagreement(control, tagged.get(control.id, ())):
                report.add(loc, wrong)
    for tag in sorted(tagged.keys() - known):
        report.add(("lists",), f"{tag}, a tag of {tagged[tag][0]}, stands not here; add it, or correct the tag")
    report.finish()
    return document.lists


def _disagreement(control: Control, rules: Sequence[str]) -> str | None:
    if control.status == "out" and rules:
        return f"{control.id} is `out`, and {rules[0]} has it as a tag; say what that rule does, or drop the tag"
    if control.status != "out" and not rules:
        return f"{control.id} is `{control.status}`, and no rule has it as a tag; tag one, or write `out`"
    acting = [rule for rule in rules if not rule.endswith("(recorded)")]
    if control.status == "covered" and not acting:
        return f"{control.id} is `covered`, and its rules only record; write `partial`"
    return None


def _summary(threats: ThreatList) -> str:
    counts = (
        (status, sum(one.status == status for one in threats.controls)) for status in ("covered", "partial", "out")
    )
    return f"Of {len(threats.controls)}: " + ", ".join(f"{count} {status}" for status, count in counts) + "."


def _table(threats: ThreatList, tagged: Tagged) -> str:
    return table(("id", "threat", "status", "what is done, and what not", "rules"), _rows(threats, tagged))


def _rows(threats: ThreatList, tagged: Tagged) -> Iterator[tuple[str, ...]]:
    for one in threats.controls:
        yield one.id, one.name, one.status, one.says, ", ".join(tagged.get(one.id, ())) or "none"
