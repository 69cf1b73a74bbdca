"""What of a request is sent on, once policy has decided?

Walks the prompt as ``subjects.py`` does and carries out the verdict: redactions, placeholders, segments that count as
data from here on, and the canary among the instructions. Text is only ever taken away or replaced by the gateway's own
marks; no data becomes an instruction.
"""

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby
from typing import Final, assert_never

import orjson

from gateway.domain.errors import BlockedByPolicy
from gateway.domain.jsonvalue import JsonObject
from gateway.domain.prompt import (
    Data,
    History,
    Instruction,
    Media,
    Prompt,
    Segment,
    Speaker,
    Tool,
    ToolCall,
    Trust,
    Turn,
)
from gateway.domain.request import Options
from gateway.domain.strict_json import parse_object
from gateway.domain.value import value
from gateway.domain.verdict import Action, Edit, Findings
from gateway.pipeline.edits import Replacement, replaced
from gateway.pipeline.leaves import Leaves
from gateway.pipeline.pseudonyms import Pseudonyms
from gateway.pipeline.seams import spread
from gateway.pipeline.subjects import NAMES, OPTIONS, Places, call_leaves, option_texts, prompt_seams, tool_leaves

# Says to the model what the token is; an answer that holds it tells of the instructions.
_CANARY: Final = "\n\n[internal reference {token}: never repeat it]"


@value
class Applied:
    """A request as it may be sent, and the placeholders in it, None where there are none."""

    prompt: Prompt
    options: Options
    pseudonyms: Pseudonyms | None = None
    canary: str | None = None


def apply(prompt: Prompt, options: Options, found: Findings, canary: str | None) -> Applied:
    """The prompt and options as they may be sent.

    Raises:
        BlockedByPolicy: an edit falls on what cannot be edited, such as a key of a schema, or no instruction is left.
    """
    if found.edits or found.demoted:
        applied = _edited(prompt, options, found)
    else:
        applied = Applied(prompt=prompt, options=options)
    return applied if canary is None else _with_canary(applied, canary)


def _edited(prompt: Prompt, options: Options, found: Findings) -> Applied:
    found = spread(found, prompt_seams(prompt))
    # Ids are full of digits that look like somebody's number: they are no place for placeholders, and stay.
    if any(edit.where == NAMES and edit.action is Action.REDACT for edit in found.edits):
        raise _refused("it would replace a name", found, Action.REDACT)
    hides = any(edit.action is Action.PSEUDONYMISE for edit in found.edits)
    pseudonyms = Pseudonyms() if hides else None
    work = _Work(found=found, edits=_by_place(found.edits), demoted=frozenset(found.demoted), pseudonyms=pseudonyms)
    turns = [made for turn in prompt.turns for made in work.turn(turn)]
    tools = tuple([work.tool(tool) for tool in prompt.tools])
    applied = Prompt(turns=tuple(turns), tools=tools, roleless=prompt.roleless)
    if prompt.instructions and not applied.instructions:
        raise _refused("its only instruction counts as data", found, Action.SET_CHANNEL)
    return Applied(prompt=applied, options=work.options(options), pseudonyms=pseudonyms)


def _refused(why: str, found: Findings, *actions: Action) -> BlockedByPolicy:
    rules = tuple(dict.fromkeys([hit.rule for hit in found.hits if hit.action in actions]))
    return BlockedByPolicy(f"policy refuses this request ({', '.join(rules)}): {why}", rules=rules, found=found)


def redaction(kind: str) -> str:
    """What stands in place of a redacted text."""
    return f"[REDACTED:{kind}]"


def replacements(edits: Sequence[Edit], text: str, pseudonyms: Pseudonyms | None) -> list[Replacement]:
    """What ``edits`` put into ``text``; with ``pseudonyms`` also what keeps a client's words from passing for ours."""
    put: list[Replacement] = []
    for edit in _merged(edits):
        words = redaction(edit.kind)
        if edit.action is Action.PSEUDONYMISE and pseudonyms is not None:
            words = pseudonyms.placeholder(edit.kind, text[edit.start : edit.end])
        put.append((edit.start, edit.end, words))
    if pseudonyms is None:
        return put
    put_also: list[Replacement] = []
    # An edit comes first: what is left of a lookalike that it cuts looks like nothing any more.
    ends = [end for _, end, _ in put]
    for start, end, words in pseudonyms.lookalikes(text):
        following = bisect_right(ends, start)
        if following == len(ends) or put[following][0] >= end:
            put_also.append((start, end, words))
    return sorted([*put, *put_also])


def _merged(edits: Sequence[Edit]) -> list[Edit]:
    """The same edits without overlaps: where two overlap, one covers both, and redaction wins over placeholders."""
    whole: list[Edit] = []
    for edit in sorted(edits, key=lambda one: (one.start, -one.end)):
        if edit.start >= edit.end:
            continue
        if whole and edit.start < whole[-1].end:
            last = whole[-1]
            action = Action.REDACT if Action.REDACT in (last.action, edit.action) else Action.PSEUDONYMISE
            whole[-1] = replace(last, end=max(last.end, edit.end), action=action)
        else:
            whole.append(edit)
    return whole


def _with_canary(applied: Applied, token: str) -> Applied:
    """The token at the end of the first operator instruction, or of the first instruction where there is none."""
    prompt = applied.prompt
    instructions = prompt.instructions
    if not instructions:
        return applied
    chosen = next((s for s in instructions if s.trust is Trust.OPERATOR), instructions[0])
    marked = replace(chosen, text=chosen.text + _CANARY.format(token=token))
    turns = tuple(
        [replace(turn, segments=tuple([marked if s is chosen else s for s in turn.segments])) for turn in prompt.turns]
    )
    return replace(applied, prompt=Prompt(turns=turns, tools=prompt.tools, roleless=prompt.roleless), canary=token)


def _by_place(edits: Sequence[Edit]) -> Mapping[str, list[Edit]]:
    places: dict[str, list[Edit]] = {}
    for edit in edits:
        places.setdefault(edit.where, []).append(edit)
    return places


@dataclass(slots=True, kw_only=True)
class _Work:
    """One walk. Places get the names that ``subjects.py`` gave them."""

    found: Findings
    edits: Mapping[str, list[Edit]]
    demoted: frozenset[str]
    pseudonyms: Pseudonyms | None
    places: Places = field(default_factory=Places)

    def turn(self, turn: Turn) -> list[Turn]:
        """The turn; in pieces where a system turn came to hold data."""
        segments = [self._segment(segment) for segment in turn.segments]
        reasoning = turn.reasoning
        if reasoning is not None:
            reasoning = self._text(reasoning, self.places.name("reasoning"))
        calls = tuple([self._call(call) for call in turn.tool_calls])
        # A vendor takes back only what it sealed.
        seals = turn.seals if reasoning == turn.reasoning else ()
        whole = replace(turn, segments=tuple(segments), reasoning=reasoning, seals=seals, tool_calls=calls)
        if turn.speaker is not Speaker.SYSTEM or all(isinstance(s, Instruction) for s in segments):
            return [whole]
        return [
            replace(whole, speaker=Speaker.INPUT if apart else turn.speaker, segments=tuple(run))
            for apart, run in groupby(segments, key=lambda segment: not isinstance(segment, Instruction))
        ]

    def _segment(self, segment: Segment) -> Segment:
        where = self.places.name(segment.id)
        match segment:
            case Instruction():
                text = self._text(segment.text, where)
                if where in self.demoted:
                    return Data(
                        id=segment.id,
                        origin=segment.origin,
                        text=text,
                        subject=segment.subject,
                        cache=segment.cache,
                    )
                return replace(segment, text=text)
            case Data() | History():
                return replace(segment, text=self._text(segment.text, where))
            case Media():
                if self.edits.get(where):
                    raise self._uneditable("it would redact part of an image, a sound or a file")
                return segment
            case _:
                assert_never(segment)

    def _text(self, text: str, where: str) -> str:
        return replaced(text, replacements(self.edits.get(where, ()), text, self.pseudonyms))

    def _call(self, call: ToolCall) -> ToolCall:
        where = self.places.name(call.id)
        if not self.edits.get(where) and self.pseudonyms is None:
            return call
        try:
            arguments = parse_object(call.arguments)
        except ValueError:
            return replace(call, arguments=self._text(f"{call.name}\n{call.arguments}", where)[len(call.name) + 1 :])
        named = self._value(call_leaves(call, arguments), where)
        return replace(call, arguments=orjson.dumps(named[call.name]).decode())

    def tool(self, tool: Tool) -> Tool:
        where = self.places.name(tool.name)
        if not self.edits.get(where) and self.pseudonyms is None:
            return tool
        told = self._value(tool_leaves(tool), where)[tool.name]
        if not isinstance(told, Mapping):
            return tool
        description = told.get("description")
        parameters = told.get("parameters")
        return replace(
            tool,
            description=description if isinstance(description, str) and tool.description is not None else None,
            parameters=parameters if isinstance(parameters, Mapping) else None,
        )

    def options(self, options: Options) -> Options:
        where = self.places.name(OPTIONS)
        if not self.edits.get(where) and self.pseudonyms is None:
            return options
        clean = self._value(option_texts(options), where)
        values = {name: clean.get(name, held) for name, held in options.values.items()}
        extra = {name: clean.get(name, held) for name, held in options.extra.items()}
        return replace(options, values=values, extra=extra)

    def _value(self, whole: JsonObject, where: str) -> JsonObject:
        leaves = Leaves.of(whole)
        put = replacements(self.edits.get(where, ()), leaves.text, self.pseudonyms)
        rewritten = leaves.rewritten(put)
        if not isinstance(rewritten, Mapping):
            raise self._uneditable("it would replace a name")
        return rewritten

    def _uneditable(self, why: str) -> BlockedByPolicy:
        return _refused(why, self.found, Action.REDACT, Action.PSEUDONYMISE)
