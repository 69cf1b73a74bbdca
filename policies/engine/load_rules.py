"""Can each rule hold, and can its action be done at its stage?"""

from collections.abc import Mapping, Sequence
from typing import Final

from gateway.domain.detection import STAGES, FactValue, Stage, Vocabulary
from gateway.domain.value import value
from gateway.domain.verdict import Action
from gateway.yamlfile.problems import Loc
from gateway.yamlfile.report import Report
from policies.engine.condition import Condition, ConditionError, compile_condition
from policies.engine.model import Mode, PiiSettings, Rule
from policies.engine.schema import SpecSection
from policies.engine.schema_rules import RuleSection

_EDITS: Final = frozenset({Action.REDACT, Action.PSEUDONYMISE})
# An instruction can be lowered to data; nothing is ever raised. Placeholders are for what is sent to the model.
_STAGES: Final[Mapping[Action, frozenset[Stage]]] = {
    Action.SCORE: STAGES,
    Action.BLOCK: STAGES,
    Action.REDACT: STAGES,
    Action.PSEUDONYMISE: frozenset({Stage.INSTRUCTIONS, Stage.DATA}),
    Action.REQUIRE_APPROVAL: frozenset({Stage.TOOL_CALL, Stage.OUTPUT}),
    Action.SET_CHANNEL: frozenset({Stage.INSTRUCTIONS}),
}
_STRENGTH: Final[Mapping[Mode, int]] = {"off": 0, "shadow": 1, "enforce": 2}


@value
class Terms:
    """What rules may speak of: facts, the policy's lists by dotted name, its settings of ``pii``, its owner."""

    vocabulary: Vocabulary
    constants: Mapping[str, FactValue]
    pii: PiiSettings
    owner: str

    def marks(self, detectors: frozenset[str]) -> frozenset[str]:
        """Those of ``detectors`` that say where in the text they found something."""
        return frozenset(name for name in detectors if f"det.{name}.kinds" in self.vocabulary)


def load_rules(spec: SpecSection, report: Report, terms: Terms) -> Sequence[Rule | None]:
    """Each rule in the file's order; None where its condition cannot be used."""
    seen: set[str] = set()
    rules: list[Rule | None] = []
    for index, section in enumerate(spec.rules):
        loc: Loc = ("spec", "rules", index)
        report.expect_unique(seen, section.id, (*loc, "id"), f"the rule id `{section.id}`")
        _check_mode(section, spec.mode, loc, report)
        _check_action(section, loc, report)
        _warn_of_gaps(section, loc, report, terms)
        condition = _condition(section, loc, report, terms)
        if condition is not None:
            _check_edit(section, condition, loc, report, terms)
        rules.append(None if condition is None else _rule(section, condition, terms))
    return rules


def _rule(section: RuleSection, condition: Condition, terms: Terms) -> Rule:
    return Rule(
        id=section.id,
        stage=Stage(section.stage),
        severity=section.severity,
        when=condition,
        action=Action(section.action),
        message=section.message,
        why=section.why,
        owner=section.owner or terms.owner,
        level=section.level,
        mode=section.mode or "enforce",
        tags=section.tags,
        only=section.only,
        restore_anywhere=section.restore_anywhere,
    )


def _check_mode(section: RuleSection, of_file: Mode, loc: Loc, report: Report) -> None:
    # A file that is switched off, maybe in haste, still loads.
    if section.mode is None or of_file == "off" or not report.sound(("spec", "mode")):
        return
    if _STRENGTH[section.mode] > _STRENGTH[of_file]:
        message = f"a rule may only be weaker than its file, whose mode is `{of_file}`; leave `mode` out here"
        report.add((*loc, "mode"), message)


def _check_action(section: RuleSection, loc: Loc, report: Report) -> None:
    action, stage = Action(section.action), Stage(section.stage)
    if not (report.sound((*loc, "action")) and report.sound((*loc, "stage"))):
        return
    if stage not in _STAGES[action]:
        possible = ", ".join(f"`{one}`" for one in Action if stage in _STAGES[one])
        report.add((*loc, "action"), f"`{action}` cannot be done at stage `{stage}`; there, write one of {possible}")
    elif action is Action.SET_CHANNEL and section.channel is None and report.sound((*loc, "channel")):
        report.add((*loc, "action"), "`set_channel` needs the channel beside it; add `channel: data`")
    for key, given, fitting in (
        ("channel", section.channel is not None, {Action.SET_CHANNEL}),
        ("only", bool(section.only), _EDITS),
        ("restore_anywhere", section.restore_anywhere, {Action.PSEUDONYMISE}),
    ):
        if given and action not in fitting:
            message = f"`{key}` means nothing beside `action: {action}`; it goes with {' and '.join(sorted(fitting))}"
            report.add((*loc, key), message, at_key=True)


def _warn_of_gaps(section: RuleSection, loc: Loc, report: Report, terms: Terms) -> None:
    if not section.tags:
        report.warn(loc, f"the rule `{section.id}` has no `tags`; say what it is about, such as LLM01:2025")
    if not (section.owner or terms.owner):
        report.warn(loc, f"the rule `{section.id}` has no `owner`; name one here or in `metadata`")


def _condition(section: RuleSection, loc: Loc, report: Report, terms: Terms) -> Condition | None:
    where = (*loc, "when")
    if not (report.sound(where) and report.sound((*loc, "stage"))):
        return None
    try:
        return compile_condition(section.when, terms.vocabulary, Stage(section.stage), terms.constants)
    except ConditionError as error:
        report.add(where, error.message, offset=error.offset)
        return None


def _check_edit(section: RuleSection, condition: Condition, loc: Loc, report: Report, terms: Terms) -> None:
    if Action(section.action) not in _EDITS or not report.sound((*loc, "action")):
        return
    marking = terms.marks(condition.detectors)
    if not marking:
        some = ", ".join(sorted(terms.marks(_all_detectors(terms))))
        message = f"`{section.action}` would find nothing to do: `when` names no detector that marks what it found; "
        report.add((*loc, "when"), f"{message}those are {some or 'none here'}")
    if marking == frozenset({"pii"}) and terms.pii.entities and report.sound(("spec", "detectors", "pii")):
        kinds = {*terms.pii.entities, *(one.entity for one in terms.pii.recognizers)}
        for index, kind in enumerate(section.only):
            report.expect_name((*loc, "only", index), "kind that `spec.detectors.pii` looks for", kind, kinds)


def _all_detectors(terms: Terms) -> frozenset[str]:
    return frozenset(name.split(".")[1] for name in terms.vocabulary if name.startswith("det."))


def rule_stages(spec: SpecSection, report: Report) -> Mapping[str, str | None] | None:
    """The stage of each rule by its id, None for one that is not readable; None where not all ids are readable."""
    locs: list[Loc] = [("spec", "rules", index) for index in range(len(spec.rules))]
    if report.hidden(("spec", "rules")) or not all(report.sound((*loc, "id")) for loc in locs):
        return None
    return {
        rule.id: rule.stage if report.sound((*loc, "stage")) else None
        for rule, loc in zip(spec.rules, locs, strict=True)
    }
