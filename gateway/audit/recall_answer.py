"""What was judged of an answer, as far as its record tells?

Each text and call of each choice, with every look at it; see ``recall.py``. What the gateway refused for reasons of its
own is told again where it would be refused again.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Final, TypeAlias

from gateway.audit.facts import reach_of
from gateway.audit.line import Fields
from gateway.audit.mask import UNOFFERED
from gateway.audit.recall import (
    IS_TEXT,
    NOT_JUDGED,
    OTHER_GROUNDS,
    OTHER_TOOLS,
    Recall,
    named_tools,
    tool_facts,
    tool_name,
)
from gateway.audit.search import number_of, object_of, objects_of, text_of, values_of
from gateway.domain.detection import Facts, FactValue, Stage, Subject
from gateway.domain.value import value
from gateway.domain.verdict import Action
from gateway.pipeline.again import OWN, Look
from gateway.pipeline.guard import place_of
from policies.engine.applicable import Applicable
from policies.engine.doubt import is_known
from policies.engine.model import ToolRule

Refusal: TypeAlias = tuple[str, Stage, str]

LATE: Final = "max_hold_ms"
_UNREADABLE: Final = "unreadable_arguments"
_GARBLED: Final = "garbled_calls"
_UNEDITABLE: Final = "uneditable"
_CHOICE: Final = re.compile(r":([0-9]{1,9})(?=[.#]|$)")


@value
class Ground:
    """What a call's arguments are compared with: whether data stands in the context, then and now, and which tools.

    ``same`` says that the same instructions count as data.
    """

    tainted_then: bool
    tainted: bool
    same: bool
    offered: tuple[str, ...]


@value
class Said:
    """One choice of an answer; ``unsure`` are refusals that may be.

    ``cut`` says that not all of it was seen, ``late`` that it was refused for its time.
    """

    looks: tuple[Look, ...]
    refusals: tuple[Refusal, ...]
    unsure: tuple[Refusal, ...]
    cut: bool
    late: bool


@value
class AnswerRecall:
    """Recalls the answer that an outcome tells of; ``common`` are the facts of the request."""

    recall: Recall
    fields: Fields
    common: Facts
    ground: Ground

    def choices(self) -> Mapping[int, Said]:
        """Every choice by its number."""
        facts = object_of(self.fields, "facts")
        looks: dict[int, list[Look]] = {number: [] for number in range(len(values_of(self.fields, "finish")))}
        for number, look in (*self._judged(facts), *self._passed(facts)):
            looks.setdefault(number, []).append(look)
        for number, found in looks.items():
            if not found:
                # Where nothing is said and nothing called, that is judged as an empty text.
                found.append(self._text(place_of(number, "text"), "text", {}))
        refused = [(one, _choice(one[2])) for one in self._refused()]
        cut = {number for number in values_of(facts, "cut") if isinstance(number, int)}
        return {
            number: Said(
                looks=tuple(found),
                refusals=(
                    *[one for one, of in refused if of == number and self._again(one)],
                    *self._unreadable(found, sure=True),
                ),
                unsure=tuple(self._unreadable(found, sure=False)),
                cut=number in cut,
                late=any(one[0] == LATE and of == number for one, of in refused),
            )
            for number, found in looks.items()
        }

    def _judged(self, facts: Fields) -> Iterator[tuple[int, Look]]:
        """What detectors looked at and had something to say of, or that the client did not get."""
        for entry in objects_of(facts, Stage.OUTPUT.value):
            channel = text_of(entry, "channel") or "text"
            yield number_of(entry, "choice") or 0, self._text(text_of(entry, "where"), channel, entry)
        for entry in objects_of(facts, Stage.TOOL_CALL.value):
            yield number_of(entry, "choice") or 0, self._call(entry)

    def _passed(self, facts: Fields) -> Iterator[tuple[int, Look]]:
        """What the client got beside that."""
        told = {text_of(entry, "where") for entry in objects_of(facts, Stage.OUTPUT.value)}
        for one in objects_of(self.fields, "output"):
            number, channel = number_of(one, "choice") or 0, text_of(one, "channel")
            if place_of(number, channel) not in told:
                yield number, self._text(place_of(number, channel), channel, {})
        judged = {number_of(entry, "choice") or 0 for entry in objects_of(facts, Stage.TOOL_CALL.value)}
        for one in objects_of(self.fields, "calls"):
            if (number_of(one, "choice") or 0) not in judged:
                yield number_of(one, "choice") or 0, self._unjudged(one)

    def _text(self, where: str, channel: str, entry: Fields) -> Look:
        facts: dict[str, FactValue] = {**self.common, "output.channel": channel}
        subject = Subject(stage=Stage.OUTPUT, where=where, text="", facts=facts)
        return Look(scanned=self.recall.look(subject, object_of(entry, "det")), again="again" in entry)

    def _call(self, entry: Fields) -> Look:
        name = tool_name(text_of(entry, "name"))
        told, rule, why = self._tool(name or None)
        facts: dict[str, FactValue] = {
            **self.common,
            **told,
            "tool.offered": "offered" in entry,
            "tool.valid": "valid" in entry,
        }
        derived, unsure = self._derived(entry, rule, sure_of_rule=not why.keys() - {"tool.name"})
        subject = Subject(stage=Stage.TOOL_CALL, where=text_of(entry, "where"), text="", facts={**facts, **derived})
        subject = self.recall.doubted(subject, {**why, **unsure})
        return Look(scanned=self.recall.look(subject, object_of(entry, "det")), again="again" in entry)

    def _unjudged(self, call: Fields) -> Look:
        """A call that no rule looked at: only its name is known."""
        name = text_of(call, "name")
        offered = name != UNOFFERED
        told, _, why = self._tool(name if offered else None)
        why |= {"tool.valid": NOT_JUDGED}
        if self.ground.tainted:
            why |= {"tool.derived": NOT_JUDGED, "tool.derived_args": NOT_JUDGED}
        number = number_of(call, "choice") or 0
        where = (name if offered else "tool_call") + (f":{number}" if number else "")
        facts: dict[str, FactValue] = {**self.common, **told, "tool.offered": offered}
        subject = self.recall.doubted(Subject(stage=Stage.TOOL_CALL, where=where, text="", facts=facts), why)
        return Look(scanned=self.recall.look(subject, {}))

    def _tool(self, name: str | None) -> tuple[Facts, ToolRule, dict[str, str]]:
        recall = self.recall
        others = frozenset[str]() if name else named_tools(recall.policies, recall.then, self.ground.offered)
        return tool_facts(name, recall.policies, others)

    def _derived(self, entry: Fields, rule: ToolRule, *, sure_of_rule: bool) -> tuple[Facts, dict[str, str]]:
        """Whether a sink argument may stem from data, and what of that is not known."""
        ground = self.ground
        if not ground.tainted:
            return {}, {}
        if not ground.tainted_then or not ground.same:
            return {}, {"tool.derived": OTHER_GROUNDS, "tool.derived_args": OTHER_GROUNDS}
        if not sure_of_rule or text_of(entry, "sinks") != reach_of(rule):
            return {}, {"tool.derived": OTHER_TOOLS, "tool.derived_args": OTHER_TOOLS}
        names = tuple([name for name in values_of(entry, "derived_args") if isinstance(name, str)])
        facts: Facts = {"tool.derived": "derived" in entry, "tool.derived_args": names}
        return facts, {f"tool.{short}": IS_TEXT for short in values_of(entry, "hidden")}

    def _refused(self) -> list[Refusal]:
        """What the gateway refused for reasons of its own."""
        return [
            (text_of(one, "rule"), Stage(text_of(one, "stage")), text_of(one, "where"))
            for one in objects_of(self.fields, "findings")
            if text_of(one, "policy") == OWN and text_of(one, "stage")
        ]

    def _again(self, refusal: Refusal) -> bool:
        """Whether it would be refused for that under the policies that are tried."""
        rule, stage, _ = refusal
        policies = self.recall.policies
        if rule == _UNEDITABLE:
            return policies.edits(stage)
        if rule == _GARBLED:
            acting = policies.acting
            return acting.guards(Stage.OUTPUT) or acting.guards(Stage.TOOL_CALL) or _restores(policies)
        return rule == _UNREADABLE and policies.rewrites_calls

    def _unreadable(self, looks: Sequence[Look], *, sure: bool) -> list[Refusal]:
        """Calls that nobody could read, where rules have to; or those of which that is not known."""
        if not self.recall.policies.rewrites_calls:
            return []
        subjects = {look.scanned.subject.where: look.scanned.subject for look in looks}
        calls = [one for one in subjects.values() if one.stage is Stage.TOOL_CALL]
        meant = [
            one
            for one in calls
            if (one.facts.get("tool.valid") is False if sure else not is_known("tool.valid", one.facts))
        ]
        return [(_UNREADABLE, Stage.TOOL_CALL, one.where) for one in meant]


def _restores(policies: Applicable) -> bool:
    """Whether placeholders may have to become values again, so that an answer is judged whatever rules say of it."""
    every = (ready for of_stage in policies.parts.values() for part in of_stage for ready in part.rules)
    return any(ready.acts and ready.rule.action is Action.PSEUDONYMISE for ready in every)


def _choice(where: str) -> int:
    """The number of the choice that a place is in."""
    found = _CHOICE.search(where)
    return int(found[1]) if found else 0
