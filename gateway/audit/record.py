"""What does a record say of a request, and what never?

Pure: domain values in, the fields of ``docs/audit-format.md`` out. Texts go in only as lengths and as
commitments by the keys of the data subject, never themselves; names and ids that a model or an upstream made up are
not repeated.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Final

import orjson

from gateway.audit._told import Heard, Told
from gateway.audit.line import Value
from gateway.audit.mask import TOOL, masked_name, masked_origin
from gateway.domain.errors import LimitReached
from gateway.domain.evidence import Attempt, Timeline
from gateway.domain.exchange import Handling, Usage
from gateway.domain.finding import Finding
from gateway.domain.identity import Caller
from gateway.domain.jsonvalue import JsonObject
from gateway.domain.prompt import Data, History, Instruction, Media, Prompt, Segment, Speaker, Tool
from gateway.domain.verdict import Decision, Weight
from gateway.pipeline.seams import JOINT
from gateway.pipeline.subjects import OPTIONS, Places
from gateway.pipeline.trail import Judgement
from policies.engine.evaluate import watched

# The text, and whom it is about: gives the commitment.
Commit = Callable[[str, str | None], str]

# Stands for an origin where policy wanted names gone.
_HIDDEN: Final = "(hidden)"
_ARGUMENTS: Final = "arguments"
_CHANNELS: Final[Mapping[type[Segment], str]] = {
    Instruction: "instruction",
    Data: "data",
    Media: "media",
    History: "history",
}
_NS: Final = 1000


def actor_of(caller: Caller) -> dict[str, Value]:
    """Who asked, and how they showed it."""
    told: dict[str, Value] = {"key": caller.key, "tenant": caller.tenant, "method": caller.method}
    return told if caller.secret is None else {**told, "secret": caller.secret}


def judged(judgement: Judgement) -> dict[str, Value]:
    """By which policies a request was judged."""
    policies = judgement.policies
    told: dict[str, Value] = {
        "policies": policies.described,
        "revision": policies.revision,
        "tainted": int(judgement.tainted),
    }
    if judgement.bypass is not None:
        told["bypass"] = judgement.bypass
    return told


def decided(findings: Sequence[Finding], decision: str) -> dict[str, Value]:
    """What was found and what followed, and what would have if rules that only watch counted."""
    told: dict[str, Value] = {"decision": decision}
    if not findings:
        told["shadow"] = decision
        return told
    told["findings"] = [found(finding) for finding in findings]
    told["shadow"] = _stricter(watched(findings), decision)
    actions = sorted({f.action for f in findings if f.action is not None and f.weight is Weight.ACTS})
    if actions:
        told["actions"] = actions
    return told


def found(finding: Finding) -> dict[str, Value]:
    """One finding; the gateway's own removals name no policy."""
    told: dict[str, Value] = {
        "rule": finding.rule,
        "where": finding.where,
        "count": finding.count,
        "weight": finding.weight.value,
    }
    if finding.policy is not None:
        told["policy"] = finding.policy
        told["level"] = finding.level
        told["score"] = finding.points
    if finding.stage is not None:
        told["stage"] = finding.stage.value
    if finding.action is not None:
        told["action"] = finding.action
    if finding.spans:
        told["spans"] = finding.spans
    if finding.exception is not None:
        told["exception"] = finding.exception
    return told


def segments(
    came: Prompt, sent: Prompt | None, commit: Commit, pseudonym_of: Callable[[str | None], str | None]
) -> list[dict[str, Value]]:
    """Every segment in order, and beside it what was sent in its place where that is another text."""
    changed = {} if sent is None or sent is came else _texts(sent)
    offered = frozenset([tool.name for tool in came.tools]) if came.tools else frozenset[str]()
    told: list[dict[str, Value]] = []
    for turn in came.turns:
        for number, segment in enumerate(turn.segments):
            text, subject = _text(segment), None if isinstance(segment, History) else segment.subject
            one = _segment(segment, text, commit(text, subject))
            if turn.speaker is Speaker.TOOL:
                one["origin"] = masked_origin(str(one["origin"]), offered)
            if number:
                one["joins"] = 1
            went = changed.get(segment.id, text)
            if went != text:
                one["sent"] = commit(went, subject)
            pseudonym = None if subject is None else pseudonym_of(subject)
            if pseudonym is not None:
                one["subject"] = pseudonym
            told.append(one)
        if turn.reasoning is not None:
            told.append(_history("reasoning", "history", turn.reasoning, commit) | {"kind": "reasoning"})
        for call in turn.tool_calls:
            origin = f"{TOOL}{masked_name(call.name, offered)}"
            told.append(_history(call.id, origin, call.arguments, commit) | {"kind": _ARGUMENTS})
    return told


def renamed(told: Sequence[dict[str, Value]], findings: Sequence[Finding]) -> tuple[Finding, ...]:
    """Call segments by numbers, here and in the findings: a rule wanted the client's names gone."""
    numbers: dict[str, str] = {}
    for number, segment in enumerate(told, start=1):
        numbers[str(segment["id"])] = segment["id"] = f"#{number}"
        segment["origin"] = _HIDDEN
    return tuple([replace(one, where=numbers.get(one.where, _HIDDEN)) for one in findings])


def numbered(told: Sequence[dict[str, Value]], tools: Sequence[Tool]) -> Mapping[str, str]:
    """Call earlier turns' calls by numbers: their ids were an upstream's to make up.

    Gives the places of the request that are called otherwise now, for ``place_in``.
    """
    if not [one for one in told if one.get("kind") == _ARGUMENTS]:
        return {}
    came, now = Places(), Places()
    changed: dict[str, str] = {}
    calls = 0
    for one in told:
        before = came.name(str(one["id"]))
        if one.get("kind") == _ARGUMENTS:
            calls += 1
            one["id"] = f"call-{calls}"
        changed[before] = now.name(str(one["id"]))
    for name in (*[tool.name for tool in tools], OPTIONS):
        changed[came.name(name)] = now.name(name)
    return {before: after for before, after in changed.items() if before != after}


def place_in(changed: Mapping[str, str], where: str) -> str:
    """What the place ``where`` is called in the record: a text, or the seam between two."""
    if where in changed:
        return changed[where]
    first, joint, last = where.partition(JOINT)
    return f"{changed.get(first, first)}{joint}{changed.get(last, last)}" if joint else where


def options(tools: Sequence[Tool], values: JsonObject, commit: Commit) -> dict[str, Value]:
    """What the request says beside its prompt: only commitments, since descriptions and schemas are text."""
    told: dict[str, Value] = {}
    if tools:
        listed = [{"name": t.name, "description": t.description, "parameters": t.parameters} for t in tools]
        told["tools"] = {"count": len(tools), "commitment": commit(_json(listed), None)}
    if values:
        told["options"] = commit(_json(values), None)
    return told


def sealed(prompt: Prompt, commit: Commit) -> dict[str, Value]:
    """What earlier turns hold that only its vendor can read: it goes up as it came, and nobody here saw into it."""
    tokens = [seal.token for turn in prompt.turns for seal in turn.seals]
    return {"sealed": {"count": len(tokens), "commitment": commit("\n".join(tokens), None)}} if tokens else {}


def outputs(texts: Iterable[Heard]) -> list[dict[str, Value]]:
    """Every text that the client got; ``cut`` where not all of it is kept."""
    return [
        {
            "channel": one.label,
            "choice": one.choice,
            "length": one.length,
            "commitment": one.commitment,
            **({"cut": 1} if one.cut else {}),
        }
        for one in texts
    ]


def calls(made: Iterable[Heard], offered: frozenset[str], *, tainted: bool) -> list[dict[str, Value]]:
    """Every tool call that the client got."""
    return [
        {
            "choice": one.choice,
            "name": masked_name(one.label, offered),
            "length": one.length,
            "arguments": one.commitment,
            "tainted": int(tainted),
        }
        for one in made
    ]


def attempt(handling: Handling, upstream: str, number: int) -> dict[str, Value]:
    """Where a request is about to be sent, and how."""
    return {
        "target": handling.target,
        "upstream": upstream,
        "format": handling.format,
        "isolation": handling.isolation,
        "attempt": number,
    }


def attempts(tried: Sequence[Attempt]) -> dict[str, Value]:
    """How each call ended; of a single one that was answered at once the rest of the record says it."""
    if not tried or (len(tried) == 1 and tried[0].error is None and not tried[0].waited):
        return {}
    return {"attempts": [_tried(one) for one in tried]}


def _tried(one: Attempt) -> dict[str, Value]:
    told: dict[str, Value] = {"target": one.target.id, "took": one.took // _NS}
    if one.waited:
        told["waited"] = one.waited // _NS
    if one.error is not None:
        told["error"] = one.error
    return told


def ending(said: Told) -> dict[str, Value]:
    """What is told of an answer beside its texts. Of vectors that is their number and length: texts show in them."""
    told: dict[str, Value] = {}
    if said.approval is not None:
        told["approval"] = said.approval
    if said.finish:
        told["finish"] = said.finish
    if said.usage is not None:
        told["usage"] = used(said.usage)
    if said.counted is not None:
        told["counted"] = said.counted
    if said.vectors is not None:
        told["vectors"] = {"count": said.vectors[0], "dimensions": said.vectors[1]}
    return told


def limited(error: LimitReached) -> dict[str, Value]:
    """Which limit refused a request, and what it counts."""
    return {"rule": error.rule, "measure": error.measure.value}


def used(usage: Usage) -> dict[str, Value]:
    """Tokens, as the upstream counted them."""
    return {"input": usage.input_tokens, "output": usage.output_tokens}


def times(timeline: Timeline) -> dict[str, Value]:
    """Durations in microseconds."""
    total, upstream, gateway = timeline.shares()
    told: dict[str, Value] = {
        "total": total // _NS,
        "gateway": gateway // _NS,
        "journal": timeline.journal // _NS,
    }
    if timeline.sent:
        told["upstream"] = upstream // _NS
        told["held"] = timeline.held // _NS
    if timeline.first:
        told["first"] = (timeline.first - timeline.sent) // _NS
    return told


def _segment(segment: Segment, text: str, commitment: str) -> dict[str, Value]:
    told: dict[str, Value] = {
        "id": segment.id,
        "channel": _CHANNELS[type(segment)],
        "trust": segment.trust.label if isinstance(segment, Instruction) else "untrusted",
        "origin": "history" if isinstance(segment, History) else segment.origin,
        "length": len(text),
        "commitment": commitment,
    }
    if isinstance(segment, Media):
        told["kind"] = segment.kind.value
    return told


def _history(id_: str, origin: str, text: str, commit: Commit) -> dict[str, Value]:
    return {
        "id": id_,
        "channel": "history",
        "trust": "untrusted",
        "origin": origin,
        "length": len(text),
        "commitment": commit(text, None),
    }


def _texts(prompt: Prompt) -> dict[str, str]:
    return {segment.id: _text(segment) for segment in prompt.segments()}


def _text(segment: Segment) -> str:
    return segment.content if isinstance(segment, Media) else segment.text


def _json(held: object) -> str:
    return orjson.dumps(held, option=orjson.OPT_SORT_KEYS).decode()


_STRICTNESS: Final[Sequence[Decision]] = ("allow", "redact", "require_approval", "block")


def _stricter(one: Decision, other: str) -> str:
    return max(one, other, key=lambda word: _STRICTNESS.index(word) if word in _STRICTNESS else 0)
