"""What is there to look at in a request, and how is it found again?

Every text that can reach the model is one subject here, in the order of the walk that ``apply.py`` repeats: segments
and reasoning, the calls of earlier turns, the tools offered, the texts among the options. A text without a subject
would be a hole in every policy.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from types import NoneType
from typing import Final, assert_never

from gateway.domain.detection import Facts, FactValue, Stage, Subject
from gateway.domain.jsonvalue import JsonObject, JsonValue
from gateway.domain.prompt import Data, History, Instruction, Media, Prompt, Segment, Tool, ToolCall, Trust, Turn
from gateway.domain.request import Options
from gateway.domain.strict_json import parse_object
from gateway.pipeline.leaves import Leaves
from gateway.pipeline.seams import Seam, seams_of
from policies.engine.applicable import Applicable

# Where the texts among a request's options are found: schema descriptions, stop sequences, metadata.
OPTIONS: Final = "options"
# Where the names are found that a client gives to segments, messages and calls: no edit may change one, and none is
# called so.
NAMES: Final = "#names"
# For ``isinstance``, which looks into a tuple several times faster than into a union.
_NUMBERS: Final = (int, float)
_NO_TEXT: Final = (int, float, NoneType)
# The ids that ``lift.py`` gives; and so many characters say nothing.
_OURS: Final = re.compile(r"s[0-9]+")
_SHORT: Final = 12
_APART: Final = (Data, Media)
_UNTRUSTED: Final = Trust.UNTRUSTED.label


class Places(dict[str, int]):
    """Gives each place of a walk a name of its own: two walks over one prompt give the same names.

    It counts how often each name was wanted.
    """

    __slots__ = ()

    def name(self, wanted: str) -> str:
        """``wanted``, with a number where it was given before."""
        if wanted not in self:
            self[wanted] = 1
            return wanted
        self[wanted] += 1
        return f"{wanted}#{self[wanted]}"


def subjects_of(prompt: Prompt, options: Options, common: Facts, policies: Applicable) -> tuple[Subject, ...]:
    """Every text of the request; ``common`` are the facts of the request as a whole."""
    places = Places()
    found = _said(prompt.turns, places, common)
    names = _names(prompt)
    if names:
        found.append(_data(names, NAMES, "request", "names", common))
    if policies.guards(Stage.TOOLS):
        found += [_tool(tool, places, common, policies) for tool in prompt.tools]
        texts = option_texts(options)
        if texts:
            facts: Facts = {**common, **_tool_facts(OPTIONS, policies)}
            found.append(
                Subject(stage=Stage.TOOLS, where=places.name(OPTIONS), text=Leaves.of(texts).text, facts=facts)
            )
    return tuple(found)


def segment_places(prompt: Prompt) -> Iterator[tuple[Turn, list[tuple[Segment, str]]]]:
    """Each turn, with its segments under the names that their subjects have.

    Every other place of the walk is passed, so that the names agree.
    """
    places = Places()
    for turn in prompt.turns:
        yield turn, [(segment, places.name(segment.id)) for segment in turn.segments]
        if turn.reasoning is not None:
            places.name("reasoning")
        for call in turn.tool_calls:
            places.name(call.id)


def prompt_seams(prompt: Prompt) -> tuple[Seam, ...]:
    """The seams of all turns, under the names that their subjects have."""
    seams: list[Seam] = []
    for _, segments in segment_places(prompt):
        seams += seams_of([(type(s), where, s.text) for s, where in segments if not isinstance(s, Media)])
    return tuple(seams)


def undemoted(prompt: Prompt, demoted: Sequence[str]) -> Prompt:
    """The prompt without the instructions that policy lowered to data: what the rest may vouch for."""
    if not demoted:
        return prompt
    turns: list[Turn] = []
    for turn, segments in segment_places(prompt):
        kept = [s for s, where in segments if not (isinstance(s, Instruction) and where in demoted)]
        turns.append(replace(turn, segments=tuple(kept)))
    return Prompt(turns=tuple(turns), tools=prompt.tools, roleless=prompt.roleless)


def _names(prompt: Prompt) -> str:
    """The names that a client chose, one a line."""
    names: list[str] = []
    for turn in prompt.turns:
        if turn.name or turn.call_id:
            names += [turn.name or "", turn.call_id or ""]
        for call in turn.tool_calls:
            names.append(call.id)
        for segment in turn.segments:
            if len(segment.id) > _SHORT:
                names.append(segment.id)
        for segment in turn.segments:
            if isinstance(segment, _APART) and len(segment.origin) > _SHORT:
                names.append(segment.origin)
    if not names:
        return ""
    return "\n".join(dict.fromkeys([name for name in names if len(name) > _SHORT and not _OURS.fullmatch(name)]))


def _said(turns: Sequence[Turn], places: Places, common: Facts) -> list[Subject]:
    found: list[Subject] = []
    for turn in turns:
        kind: type[Segment] | None = None
        adjacent = False
        for segment in turn.segments:
            where = places.name(segment.id)
            if isinstance(segment, Data):
                found.append(_data(segment.text, where, segment.origin, "text", common))
            else:
                found.append(_segment(segment, where, common))
            if type(segment) is not Media:
                adjacent = adjacent or kind is type(segment)
                kind = type(segment)
        if adjacent:
            found += _seams(found[-len(turn.segments) :], turn.segments)
        if turn.reasoning is not None:
            found.append(_data(turn.reasoning, places.name("reasoning"), "history", "history", common))
        for call in turn.tool_calls:
            found.append(_data(call_text(call), places.name(call.id), f"tool:{call.name}", "arguments", common))
    return found


def _seams(found: Sequence[Subject], segments: Sequence[Segment]) -> list[Subject]:
    """What stands across the borders of segments that a model reads as one text."""
    texts = [
        (type(segment), subject.where, subject.text)
        for segment, subject in zip(segments, found, strict=True)
        if not isinstance(segment, Media)
    ]
    by_place = {subject.where: subject for subject in found}
    subjects: list[Subject] = []
    for seam in seams_of(texts):
        first = by_place[seam.pieces[0].where]
        facts = {**first.facts, "segment.id": seam.where}
        subjects.append(Subject(stage=first.stage, where=seam.where, text=seam.text, facts=facts))
    return subjects


def _segment(segment: Instruction | History | Media, where: str, common: Facts) -> Subject:
    match segment:
        case Instruction():
            facts: dict[str, FactValue] = {
                **common,
                "segment.id": segment.id,
                "segment.origin": segment.origin,
                "segment.trust": segment.trust.label,
                "segment.kind": "text",
            }
            return Subject(stage=Stage.INSTRUCTIONS, where=where, text=segment.text, facts=facts)
        case History():
            return _data(segment.text, where, "history", "history", common)
        case Media():
            texts = "\n".join([text for text in segment.attributes.values() if isinstance(text, str)])
            return _data(texts, where, segment.origin, segment.kind.value, common, opaque=True)
        case _:
            assert_never(segment)


def _data(text: str, where: str, origin: str, kind: str, common: Facts, *, opaque: bool = False) -> Subject:
    facts: dict[str, FactValue] = {
        **common,
        "segment.id": where,
        "segment.origin": origin,
        "segment.trust": _UNTRUSTED,
        "segment.kind": kind,
        "segment.opaque": opaque,
    }
    return Subject(stage=Stage.DATA, where=where, text=text, facts=facts)


def arguments_text(call: ToolCall) -> str:
    """What a call's arguments say: their decoded texts, or the text itself where it is no strict JSON."""
    try:
        return Leaves.of(parse_object(call.arguments)).text
    except ValueError:
        return call.arguments


def call_text(call: ToolCall) -> str:
    """The same behind the call's name, which no edit may change."""
    try:
        return Leaves.of(call_leaves(call, parse_object(call.arguments))).text
    except ValueError:
        return f"{call.name}\n{call.arguments}"


def call_leaves(call: ToolCall, arguments: JsonObject) -> JsonObject:
    """A call's texts, under its name."""
    return {call.name: arguments}


def tool_leaves(tool: Tool) -> JsonObject:
    """A tool's texts under its name: its description, and all that its schema says."""
    return {tool.name: {"description": tool.description or "", "parameters": tool.parameters}}


def option_texts(options: Options) -> dict[str, JsonValue]:
    """The options that hold text of the client's own."""
    values = {name: value for name, value in options.values.items() if not isinstance(value, _NO_TEXT)}
    return {**values, **{name: value for name, value in options.extra.items() if not isinstance(value, _NUMBERS)}}


def has_option_texts(options: Options) -> bool:
    """Whether there is any such option."""
    for value in options.values.values():
        if not isinstance(value, _NO_TEXT):
            return True
    return bool(options.extra and [value for value in options.extra.values() if not isinstance(value, _NUMBERS)])


def _tool(tool: Tool, places: Places, common: Facts, policies: Applicable) -> Subject:
    return Subject(
        stage=Stage.TOOLS,
        where=places.name(tool.name),
        text=Leaves.of(tool_leaves(tool)).text,
        facts={**common, **_tool_facts(tool.name, policies)},
    )


def _tool_facts(name: str, policies: Applicable) -> Facts:
    return {
        "tool.name": name,
        "tool.effect": policies.tool(name).effect.label,
        "tool.declared": policies.declares(name),
    }
