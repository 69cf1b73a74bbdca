"""What was judged of a request or an answer, as far as its record tells?

Gives the subjects of ``gateway/pipeline/subjects.py`` and of the guard again, without their texts, and what detectors
saw in them. What a record does not tell is marked as unknown, with the reason, and never taken for zero.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from gateway.audit.facts import CANARY, HIDDEN
from gateway.audit.line import Fields, Value
from gateway.audit.looked import Then, settings_of
from gateway.audit.mask import TOOL, UNOFFERED
from gateway.audit.search import number_of, object_of, objects_of, tenant_of, text_of, values_of
from gateway.domain.detection import Detection, Facts, FactType, FactValue, Mark, Scanned, Stage, Subject
from gateway.domain.prompt import Data, History, Instruction, Media, Trust
from gateway.domain.verdict import Action, Findings, Weight
from gateway.pipeline.again import RESTORED
from gateway.pipeline.seams import MARGIN, Seam, seams_of, spread
from gateway.pipeline.subjects import NAMES, OPTIONS, Places
from policies.engine.applicable import Applicable
from policies.engine.doubt import settled, unknown
from policies.engine.model import UNKNOWN_TOOL, ToolRule

NOT_LOOKED: Final = "its detector did not look"
OTHER_SETTINGS: Final = "its detector had other settings"
DIFFERED: Final = "detectors that differ in their credentials saw different things"
IS_TEXT: Final = "it may hold text, so no record does"
NOT_PLANTED: Final = "no canary stood among the instructions"
IS_NAME: Final = "policy wanted the names gone from the record"
NO_NAME: Final = "the model made the tool's name up, and records do not repeat it"
NOT_OFFERED: Final = "the request offered no such tool, and records do not repeat its name"
NUMBERED: Final = "records number the calls of earlier turns, and do not repeat their ids"
NOT_JUDGED: Final = "no rule looked at tool calls"
OTHER_TOOLS: Final = "the policies then said something else of the tool"
OTHER_GROUNDS: Final = "other texts counted as data then"

# Stands for names that policy wanted gone.
GONE: Final = "(hidden)"
# What hangs not only on the request and the policy itself, but on the other policies too.
_VOLATILE: Final = frozenset(
    {"tainted", "tool.effect", "tool.declared", "tool.derived", "tool.derived_args"}
    | {f"det.canary.{short}" for short in ("found", "plain", "encoded", "split", "count", "kinds")}
)
_SEGMENT: Final = {"instruction": Instruction, "data": Data, "media": Media, "history": History}
_PARTS: Final = frozenset({"reasoning", "arguments"})


@dataclass(slots=True)
class Doubts:
    """Which facts are not known, and why: by stage and place, then by name, that of a detector standing for all its."""

    _why: dict[tuple[Stage, str], dict[str, str]] = field(default_factory=dict[tuple[Stage, str], dict[str, str]])

    def note(self, stage: Stage, where: str, name: str, why: str) -> None:
        """The fact, or the detector ``det.NAME``, is not known at this place."""
        self._why.setdefault((stage, where), {})[name] = why

    def about(self, stage: Stage, where: str, refs: Iterable[str]) -> list[tuple[str, str]]:
        """Those of the facts ``refs`` that are not known there, each with its reason."""
        why = self._why.get((stage, where), {})
        return [(ref, told) for ref in refs if (told := why.get(ref) or why.get(ref.rpartition(".")[0]))]

    def any_at(self, stage: Stage, where: str) -> bool:
        """Whether anything is not known there."""
        return (stage, where) in self._why

    def __bool__(self) -> bool:
        return bool(self._why)


@dataclass(frozen=True, slots=True, kw_only=True)
class Recall:
    """Recalls what was judged, for policies that ask.

    ``types`` are those of the facts that their conditions can read, ``services`` the names of detectors that ask one.
    ``canary`` says whether one stood among the instructions then, ``findings`` what was found.
    """

    types: Mapping[str, FactType]
    services: frozenset[str]
    then: Then
    policies: Applicable
    doubts: Doubts
    canary: bool
    findings: Sequence[Fields]
    # Whether all policies are those of then.
    same: bool

    def look(self, subject: Subject, det: Fields, looked: frozenset[str] | None = None) -> Scanned:
        """What the detectors that the policies ask saw there; ``det`` is what the record says of the place."""
        stage = subject.stage
        then = self.then.looks[stage] if looked is None else looked
        seen: dict[str, Detection] = {}
        for key in self.policies.wanted(stage):
            found = self._found(subject, key, det, then)
            if found is not None:
                seen[key] = found
        if self.doubts.any_at(stage, subject.where):
            subject = self._settled(subject)
        return Scanned(subject=subject, detections=seen)

    def _settled(self, subject: Subject) -> Subject:
        """With what is known of rules that looked at the very same then: whether they hit."""
        facts = dict(subject.facts)
        for part in self.policies.parts[subject.stage]:
            then = self.then.policies.get(part.policy.name)
            if then is not None and then.digest == part.policy.digest:
                for ready in part.rules:
                    if self.same or _VOLATILE.isdisjoint(ready.rule.when.refs):
                        name = settled(part.policy.name, ready.rule.id)
                        facts[name] = self._hit(part.policy.name, ready.rule.id, subject)
        return Subject(stage=subject.stage, where=subject.where, text="", facts=facts)

    def _hit(self, policy: str, rule: str, subject: Subject) -> bool:
        """A place whose name is hidden may be any."""
        wheres = {subject.where, GONE}
        return any(
            text_of(one, "policy") == policy
            and text_of(one, "rule") == rule
            and text_of(one, "stage") == subject.stage.value
            and text_of(one, "where") in wheres
            for one in self.findings
        )

    def look_as_data(self, subject: Subject, came: "Came", demoted_then: frozenset[str]) -> Scanned:
        """The same of an instruction that counts as data: what computes saw the same text at either stage."""
        where = subject.where
        seen = {k: one for k, one in came.det.get((Stage.INSTRUCTIONS.value, where), {}).items() if self._computes(k)}
        looked = frozenset([key for key in self.then.looks[Stage.INSTRUCTIONS] if self._computes(key)])
        if where in demoted_then:
            seen |= came.det.get((Stage.DATA.value, where), {})
            looked |= self.then.looks[Stage.DATA]
        return self.look(subject, seen, looked)

    def _computes(self, key: str) -> bool:
        """Whether a detector sees nothing but the text: a service is told where the text stands, too."""
        return key.partition("@")[0] not in self.services

    def doubted(self, subject: Subject, why: Mapping[str, str]) -> Subject:
        """The subject, of which the facts ``why`` are not known."""
        for name, reason in why.items():
            self.doubts.note(subject.stage, subject.where, name, reason)
        facts: dict[str, FactValue] = {**subject.facts, **{unknown(name): True for name in why}}
        return Subject(stage=subject.stage, where=subject.where, text="", facts=facts)

    def _found(self, subject: Subject, key: str, det: Fields, looked: frozenset[str]) -> Detection | None:
        settings = settings_of(key)
        name = settings.partition("@")[0]
        if name == CANARY and self.policies.uses(CANARY) is not self.canary:
            return self._other_canary(subject)
        told = [object_of(det, known) for known in det if settings_of(known) == settings]
        if told and all(one == told[0] for one in told):
            return self._detection(subject, name, told[0])
        if not told and settings in looked:
            return None
        others = any(one.partition("@")[0] == name for one in looked)
        return self._unknown(subject, name, DIFFERED if told else OTHER_SETTINGS if others else NOT_LOOKED)

    def _other_canary(self, subject: Subject) -> Detection | None:
        """Where none is planted none is found; where none was, nobody knows whether it would be."""
        return self._unknown(subject, CANARY, NOT_PLANTED) if self.policies.uses(CANARY) else None

    def _unknown(self, subject: Subject, name: str, why: str) -> Detection:
        self.doubts.note(subject.stage, subject.where, f"det.{name}", why)
        return Detection(facts={unknown(f"det.{name}"): True})

    def _detection(self, subject: Subject, name: str, told: Fields) -> Detection:
        facts: dict[str, FactValue] = {}
        for short, value in told.items():
            fact = f"det.{name}.{short}"
            read = _fact(value, self.types[fact]) if fact in self.types else None
            if read is not None:
                facts[fact] = read
        for short in values_of(told, "hidden"):
            facts[unknown(f"det.{name}.{short}")] = True
            self.doubts.note(subject.stage, subject.where, f"det.{name}.{short}", IS_TEXT)
        return Detection(facts=facts, marks=tuple(_marks(told)), failed=text_of(told, "failed") or None)


def _fact(value: Value, kind: FactType) -> FactValue | None:
    """A recorded fact; None where it is none of this type."""
    match kind:
        case FactType.BOOL:
            return bool(value) if isinstance(value, int) else None
        case FactType.INT:
            return value if isinstance(value, int) else None
        case FactType.DOUBLE:
            return float(value) if isinstance(value, str) else None
        case FactType.STRING:
            return value if isinstance(value, str) else None
        case FactType.STRINGS:
            listed = () if isinstance(value, str | int | Mapping) else value
            return tuple([word for word in listed if isinstance(word, str)])


def _marks(told: Fields) -> Iterator[Mark]:
    """As many of each kind as there were; of those that were brought back on purpose the place says so."""
    kept = object_of(told, "kept")
    for kind, count in object_of(told, "marks").items():
        back = number_of(kept, kind) or 0
        for number in range(count if isinstance(count, int) else 0):
            start = RESTORED if number < back else 0
            yield Mark(kind=kind, start=start, end=start + 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Came:
    """A request as it came: its texts, the seams between them, and what was seen where."""

    common: Facts
    subjects: tuple[Subject, ...]
    seams: tuple[Seam, ...]
    det: Mapping[tuple[str, str], Fields]
    tools: tuple[str, ...]
    canary: bool
    # The tools, and the texts among the options, each under the name that it has among all places.
    tool_places: tuple[tuple[str, str], ...]


def came_of(fields: Fields) -> Came:
    """What an intent or a refusal tells of the request."""
    common = _common(fields)
    places = Places()
    subjects: list[Subject] = []
    seams: list[Seam] = []
    for turn in _turns(objects_of(fields, "segments")):
        found = [(one, _subject(one, places.name(text_of(one, "id")), common)) for one in turn]
        texts = [pair for pair in found if text_of(pair[0], "kind") not in _PARTS]
        joints = seams_of(
            [(_SEGMENT[text_of(one, "channel")], at.where, _as_long(one)) for one, at in texts if not _is_media(one)]
        )
        by_place = {subject.where: subject for _, subject in texts}
        subjects += [subject for _, subject in texts]
        subjects += [_seam(by_place[joint.pieces[0].where], joint) for joint in joints]
        subjects += [subject for one, subject in found if text_of(one, "kind") in _PARTS]
        seams += joints
    about = object_of(object_of(fields, "facts"), "request")
    tools = tuple([name for name in values_of(about, "tools") if isinstance(name, str)])
    if "names" in about:
        subjects.append(_data(NAMES, "request", "names", common))
    return Came(
        common=common,
        subjects=tuple(subjects),
        seams=tuple(seams),
        det={
            (stage, text_of(entry, "where")): object_of(entry, "det")
            for stage in Stage
            for entry in objects_of(object_of(fields, "facts"), stage.value)
        },
        tools=tools,
        canary=CANARY in about,
        tool_places=tuple([(places.name(name), name) for name in (*tools, *([OPTIONS] if "options" in about else []))]),
    )


def recorded_demotions(fields: Fields, came: Came) -> frozenset[str]:
    """The instructions that counted as data then."""
    acted = [one for one in objects_of(fields, "findings") if text_of(one, "weight") == Weight.ACTS.value]
    demoted = [text_of(one, "where") for one in acted if text_of(one, "action") == Action.SET_CHANNEL.value]
    return frozenset(spread(Findings(demoted=tuple(demoted)), came.seams).demoted)


def _common(fields: Fields) -> Facts:
    segments = [one for one in objects_of(fields, "segments") if text_of(one, "kind") not in _PARTS]
    about = object_of(object_of(fields, "facts"), "request")
    return {
        "request.tenant": tenant_of(fields),
        "request.key": text_of(object_of(fields, "actor"), "key"),
        "request.model": text_of(fields, "model"),
        "request.route": text_of(fields, "dialect"),
        "request.stream": "stream" in about,
        "request.tools": len(values_of(about, "tools")),
        "request.segments": len(segments),
        "request.chars": sum([number_of(one, "length") or 0 for one in segments]),
        "tainted": bool(number_of(fields, "tainted")),
    }


def _turns(segments: Sequence[Fields]) -> Iterator[list[Fields]]:
    """The segments of one turn after the other: each begins with one that does not join those before it."""
    turn: list[Fields] = []
    for one in segments:
        if turn and "joins" not in one and text_of(one, "kind") not in _PARTS:
            yield turn
            turn = []
        turn.append(one)
    if turn:
        yield turn


def _subject(one: Fields, where: str, common: Facts) -> Subject:
    channel, kind = text_of(one, "channel"), text_of(one, "kind")
    origin = text_of(one, "origin")
    if channel != "instruction":
        told = {"history": "history", "reasoning": "history"}.get(kind or channel, kind or "text")
        subject = _data(where, origin, told, common, opaque=_is_media(one))
    else:
        facts: dict[str, FactValue] = {
            **common,
            "segment.id": text_of(one, "id"),
            "segment.origin": origin,
            "segment.trust": text_of(one, "trust"),
            "segment.kind": "text",
        }
        subject = Subject(stage=Stage.INSTRUCTIONS, where=where, text="", facts=facts)
    return subject


def _data(where: str, origin: str, kind: str, common: Facts, *, opaque: bool = False) -> Subject:
    facts: dict[str, FactValue] = {
        **common,
        "segment.id": where,
        "segment.origin": origin,
        "segment.trust": Trust.UNTRUSTED.label,
        "segment.kind": kind,
        "segment.opaque": opaque,
    }
    return Subject(stage=Stage.DATA, where=where, text="", facts=facts)


def _seam(first: Subject, joint: Seam) -> Subject:
    facts: dict[str, FactValue] = {**first.facts, "segment.id": joint.where}
    return Subject(stage=first.stage, where=joint.where, text="", facts=facts)


def _is_media(one: Fields) -> bool:
    return text_of(one, "channel") == "media"


def _as_long(one: Fields) -> str:
    """A text as long as the segment's, as far as a seam depends on that."""
    return " " * min(number_of(one, "length") or 0, 2 * MARGIN + 1)


def named_tools(policies: Applicable, then: Then, offered: Iterable[str]) -> frozenset[str]:
    """The names that a tool may have of which a record says no name: whatever was declared or offered it would say."""
    new = [
        one
        for one in policies.declaring
        if one.name not in then.policies or one.digest != then.policies[one.name].digest
    ]
    return frozenset([name for one in new for name in one.tools]) - frozenset(offered)


def tool_facts(
    name: str | None, policies: Applicable, others: frozenset[str]
) -> tuple[Facts, ToolRule, dict[str, str]]:
    """What policies say of a tool, and what of it is not known; ``name`` is None where that is not."""
    if name is not None:
        rule = policies.tool(name)
        known: Facts = {"tool.name": name, "tool.effect": rule.effect.label, "tool.declared": policies.declares(name)}
        return known, rule, {}
    why = {"tool.name": NO_NAME}
    if others:
        why |= {"tool.effect": NO_NAME, "tool.declared": NO_NAME}
    return {"tool.effect": UNKNOWN_TOOL.effect.label}, UNKNOWN_TOOL, why


def hidden_names(one: Subject) -> dict[str, str]:
    """The facts of a segment that the record hides."""
    origin = one.facts.get("segment.origin")
    if origin == GONE:
        return {"segment.id": IS_NAME, "segment.origin": IS_NAME}
    hidden = {"segment.id": NUMBERED} if one.facts.get("segment.kind") == "arguments" else {}
    return hidden | ({"segment.origin": NOT_OFFERED} if origin == f"{TOOL}{UNOFFERED}" else {})


def tool_name(told: str) -> str | None:
    """The name of an offered tool, if the record says it."""
    return None if told == HIDDEN else told
