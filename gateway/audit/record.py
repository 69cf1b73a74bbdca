"""What does a record say of a request, and what never?

Pure: domain values in, the fields of ``docs/audit-format.md`` out. Texts go in only as lengths and as
commitments by the keys of the data subject, never themselves; names and ids that a model or an upstream made up are
not repeated.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Final, Protocol

import orjson

from gateway.audit._told import Heard, Told
from gateway.audit.line import Value
from gateway.audit.mask import TOOL, masked_name, masked_origin
from gateway.domain.errors import LimitReached
from gateway.domain.evidence import Attempt, Timeline
from gateway.domain.exchange import Handling
from gateway.domain.finding import Finding
from gateway.domain.identity import Caller
from gateway.domain.jsonvalue import JsonObject
from gateway.domain.prompt import Data, History, Instruction, Media, Prompt, Segment, Speaker, Tool
from gateway.domain.verdict import Decision, Weight
from gateway.pipeline.seams import JOINT
from gateway.pipeline.subjects import OPTIONS, Places
from gateway.pipeline.trail import Judgement
from policies.engine.evaluate import watched


class Keyed(Protocol):
    """The keys by which the texts about somebody are committed to; ``pseudonym`` is how records call them."""

    @property
    def pseudonym(self) -> str | None: ...

    def commitment(self, text: str) -> str: ...


# Gives the commitment to a text.
Commit = Callable[[str], str]

# Stands for an origin where policy wanted names gone.
_HIDDEN: Final = "(hidden)"
_ARGUMENTS: Final = "arguments"
_UNTRUSTED: Final = "untrusted"
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


def segments(came: Prompt, sent: Prompt | None, keys: Mapping[str | None, Keyed]) -> list[dict[str, Value]]:
    """Every segment in order, and beside it what was sent in its place where that is another text.

    ``keys`` are those of the subjects that segments have of their own; by those under None all else is committed to.
    """
    own = keys[None]
    changed = {} if sent is None or sent is came else _texts(sent)
    offered = frozenset([tool.name for tool in came.tools]) if came.tools else frozenset[str]()
    told: list[dict[str, Value]] = []
    for turn in came.turns:
        for number, segment in enumerate(turn.segments):
            one, text, subject = _segment(segment)
            whose = None if subject is None else keys.get(subject)
            commit = own.commitment if whose is None else whose.commitment
            one["id"], one["length"], one["commitment"] = segment.id, len(text), commit(text)
            if turn.speaker is Speaker.TOOL:
                one["origin"] = masked_origin(str(one["origin"]), offered)
            if number:
                one["joins"] = 1
            if changed and (went := changed.get(segment.id, text)) != text:
                one["sent"] = commit(went)
            if whose is not None and whose.pseudonym is not None:
                one["subject"] = whose.pseudonym
            told.append(one)
        if turn.reasoning is not None:
            told.append(_history("reasoning", "history", turn.reasoning, own.commitment) | {"kind": "reasoning"})
        for call in turn.tool_calls:
            origin = f"{TOOL}{masked_name(call.name, offered)}"
            told.append(_history(call.id, origin, call.arguments, own.commitment) | {"kind": _ARGUMENTS})
    return told


def renamed(told: Sequence[dict[str, Value]], findings: Sequence[Finding]) -> tuple[Finding, ...]:
    """Call segments by numbers, here and in the findings: a rule wanted the client's names gone."""
    numbers: dict[str, str] = {}
    for number, segment in enumerate(told, start=1):
        numbers[str(segment["id"])] = segment["id"] = f"#{number}"
        segment["origin"] = _HIDDEN
    return tuple([replace(one, where=numbers.get(one.where, _HIDDEN)) for one in findings])


def numbered(told: Sequence[dict[str, Value]], came: Prompt) -> Mapping[str, str]:
    """Call earlier turns' calls by numbers, of the prompt that is ``told``: their ids were an upstream's to make up.

    Gives the places of the request that are called otherwise now, for ``place_in``.
    """
    for turn in came.turns:
        if turn.tool_calls:
            break
    else:
        return {}
    were, are = Places(), Places()
    changed: dict[str, str] = {}
    calls = 0
    for one in told:
        before = were.name(str(one["id"]))
        if one.get("kind") == _ARGUMENTS:
            calls += 1
            one["id"] = f"call-{calls}"
        changed[before] = are.name(str(one["id"]))
    for name in (*[tool.name for tool in came.tools], OPTIONS):
        changed[were.name(name)] = are.name(name)
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
        told["tools"] = {"count": len(tools), "commitment": commit(_json(listed))}
    if values:
        told["options"] = commit(_json(values))
    return told


def sealed(prompt: Prompt, commit: Commit) -> dict[str, Value]:
    """What earlier turns hold that only its vendor can read: it goes up as it came, and nobody here saw into it."""
    tokens: list[str] = []
    for turn in prompt.turns:
        if turn.seals:
            tokens += [seal.token for seal in turn.seals]
    return {"sealed": {"count": len(tokens), "commitment": commit("\n".join(tokens))}} if tokens else {}


def outputs(texts: Iterable[Heard]) -> list[dict[str, Value]]:
    """Every text that the client got; ``cut`` where not all of it is kept."""
    told: list[dict[str, Value]] = []
    for one in texts:
        said = one.said
        told.append({"channel": one.label, "choice": one.choice, "length": said.length, "commitment": said.hexdigest()})
        if one.cut:
            told[-1]["cut"] = 1
    return told


def calls(made: Mapping[tuple[int, int], Heard], offered: frozenset[str], *, tainted: bool) -> list[dict[str, Value]]:
    """Every tool call that the client got."""
    return [
        {
            "choice": one.choice,
            "name": masked_name(one.label, offered),
            "length": one.said.length,
            "arguments": one.said.hexdigest(),
            "tainted": int(tainted),
        }
        for _, one in sorted(made.items())
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
    """What is told of an answer beside its texts, with tokens as the upstream counted them.

    Of vectors that is their number and length: texts show in them.
    """
    told: dict[str, Value] = {}
    if said.approval is not None:
        told["approval"] = said.approval
    if said.finish:
        told["finish"] = said.finish
    if (usage := said.usage) is not None:
        told["usage"] = {"input": usage.input_tokens, "output": usage.output_tokens}
    if said.counted is not None:
        told["counted"] = said.counted
    if said.vectors is not None:
        told["vectors"] = {"count": said.vectors[0], "dimensions": said.vectors[1]}
    return told


def limited(error: LimitReached) -> dict[str, Value]:
    """Which limit refused a request, and what it counts."""
    return {"rule": error.rule, "measure": error.measure.value}


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


def _segment(segment: Segment) -> tuple[dict[str, Value], str, str | None]:
    """What a segment is and where it came from; its text, and whom that is about, if the segment says so itself."""
    match segment:
        case Instruction():
            told: dict[str, Value] = {"channel": "instruction", "trust": segment.trust.label, "origin": segment.origin}
            return told, segment.text, segment.subject
        case Data():
            return {"channel": "data", "trust": _UNTRUSTED, "origin": segment.origin}, segment.text, segment.subject
        case Media():
            told = {"channel": "media", "trust": _UNTRUSTED, "origin": segment.origin, "kind": segment.kind.value}
            return told, segment.content, segment.subject
        case History():
            return {"channel": "history", "trust": _UNTRUSTED, "origin": "history"}, segment.text, None


def _history(id_: str, origin: str, text: str, commit: Commit) -> dict[str, Value]:
    return {
        "id": id_,
        "channel": "history",
        "trust": _UNTRUSTED,
        "origin": origin,
        "length": len(text),
        "commitment": commit(text),
    }


def _texts(prompt: Prompt) -> dict[str, str]:
    return {one.id: one.content if isinstance(one, Media) else one.text for one in prompt.segments()}


def _json(held: object) -> str:
    return orjson.dumps(held, option=orjson.OPT_SORT_KEYS).decode()


_STRICTNESS: Final[Sequence[Decision]] = ("allow", "redact", "require_approval", "block")


def _stricter(one: Decision, other: str) -> str:
    return max(one, other, key=lambda word: _STRICTNESS.index(word) if word in _STRICTNESS else 0)
