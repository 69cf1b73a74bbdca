"""What of the facts that detectors gave does a record hold, so that other policies can be tried on them later?

Numbers, yes and no, and words of a closed vocabulary; never text, nor anything that quotes it: of such a fact only its
name is told. Facts that are zero are left out, and so are texts of which no detector had anything to say. Which
detectors looked at all is told once for each set of policies, where it comes into force.
"""

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from hashlib import sha256
from typing import Final, TypeAlias

from gateway.audit._told import Heard
from gateway.audit.line import Value
from gateway.audit.record import place_in
from gateway.domain.detection import Detection, Detections, Facts, FactValue, Stage
from gateway.domain.prompt import Prompt, Tool
from gateway.domain.request import ClientRequest
from gateway.pipeline.edits import Span
from gateway.pipeline.guard import place_of
from gateway.pipeline.seams import JOINT
from gateway.pipeline.seen import Look, Seen
from gateway.pipeline.subjects import NAMES, Places, has_option_texts
from gateway.pipeline.trail import Judgement
from policies.engine.model import ToolRule

Entry: TypeAlias = dict[str, Value]

# Stands for the name of a tool that says more than a name does.
HIDDEN: Final = "(hidden)"
CANARY: Final = "canary"
_NAME: Final = re.compile(r"[A-Za-z0-9_.:/-]{1,64}")
_LARGEST: Final = 2**53


def of_request(
    judgement: Judgement,
    request: ClientRequest | None,
    closed: frozenset[str],
    changed: Mapping[str, str],
    *,
    hides_names: bool,
) -> dict[str, Value]:
    """What was seen in a request, by stage; ``closed`` are the facts whose words a record may hold.

    ``changed`` are the places that the record calls otherwise.
    """
    stages: dict[str, list[Entry]] = {}
    about: Entry = {}
    for one in judgement.scanned:
        where = one.subject.where
        if one.detections:
            entry: Entry = {"where": place_in(changed, where), "det": detected(one.detections, closed)}
            stages.setdefault(one.subject.stage.value, []).append(entry)
        if where == NAMES:
            about["names"] = 1
    if hides_names:
        _renumber(stages, judgement.came)
    if judgement.came.tools:
        about["tools"] = [tool.name if _NAME.fullmatch(tool.name) else HIDDEN for tool in judgement.came.tools]
    if request is not None:
        if has_option_texts(request.options):
            about["options"] = 1
        if request.options.stream:
            about["stream"] = 1
    if judgement.policies.uses(CANARY):
        about["canary"] = 1
    return {**stages, "request": about} if about else dict(stages)


def of_answer(seen: Seen, judgement: Judgement, texts: Sequence[Heard], closed: frozenset[str]) -> dict[str, Value]:
    """What was seen in an answer, of which the client gets these texts, by choice and channel.

    A quiet text of theirs needs no entry.
    """
    if _is_plain(seen, texts):
        return {}
    elsewhere = {place_of(one.choice, one.label) for one in texts}
    told: dict[str, list[Value]] = {}
    for number in sorted({*seen.acting, *seen.watching}):
        sides = [side for side in (seen.watching.get(number), seen.acting.get(number)) if side is not None]
        about: Entry = {"choice": number} if number else {}
        for where in dict.fromkeys([where for side in sides for where in side.texts]):
            looks = [side.texts[where] for side in sides if where in side.texts]
            entries = _entries(looks, closed)
            if where not in elsewhere or entries != [{}]:
                text = {**about, **_of_text(looks[-1][-1][0]), "where": where}
                told.setdefault(Stage.OUTPUT.value, []).extend([{**text, **entry} for entry in entries])
        for where in dict.fromkeys([where for side in sides for where in side.calls]):
            looks = [side.calls[where] for side in sides if where in side.calls]
            call = {**about, **_of_call(looks[-1][-1][0], judgement), "where": where}
            told.setdefault(Stage.TOOL_CALL.value, []).extend([{**call, **entry} for entry in _entries(looks, closed)])
        acting = seen.acting.get(number)
        if acting is not None and (acting.crowded or not acting.whole):
            told.setdefault("cut", []).append(number)
    return dict(told)


def _is_plain(seen: Seen, texts: Sequence[Heard]) -> bool:
    """Whether the answer is one text that the client gets, and in which nothing was seen: most are."""
    if not texts or texts[0].label != "text" or texts[0].choice or texts[-1].choice:
        return False
    for sides in (seen.acting, seen.watching):
        for number, side in sides.items():
            if number or not side.quiet or not side.whole or len(side.texts) > ("output" in side.texts):
                return False
    return True


def detected(detections: Detections, closed: frozenset[str], restored: Sequence[Span] = ()) -> Entry:
    """What detectors saw in one text, by their instance keys."""
    return {key: _detection(one, closed, restored) for key, one in detections.items()}


@lru_cache(maxsize=256)
def reach_of(rule: ToolRule) -> str:
    """What tells whether two tools' entries take the same values for derived from data."""
    told = (rule.sink_args, None if rule.allowed is None else sorted(rule.allowed))
    return sha256(repr(told).encode(errors="surrogatepass")).hexdigest()[:8]


def _detection(detection: Detection, closed: frozenset[str], restored: Sequence[Span]) -> Entry:
    told: Entry = {}
    hidden: list[str] = []
    for name, fact in detection.facts.items():
        short = name.rpartition(".")[2]
        if not fact:
            continue
        if _may_tell(name, fact, closed):
            told[short] = repr(fact) if isinstance(fact, float) else int(fact) if isinstance(fact, int) else fact
        else:
            hidden.append(short)
    if hidden:
        told["hidden"] = sorted(hidden)
    if detection.failed is not None:
        told["failed"] = detection.failed
    if detection.marks:
        told["marks"] = Counter([mark.kind for mark in detection.marks])
        kept = [m.kind for m in detection.marks if any(start <= m.start and m.end <= end for start, end in restored)]
        if kept:
            told["kept"] = Counter(kept)
    return told


def _may_tell(name: str, fact: FactValue, closed: frozenset[str]) -> bool:
    if isinstance(fact, str | tuple):
        return name in closed
    return isinstance(fact, float) or -_LARGEST < fact < _LARGEST


def _renumber(stages: Mapping[str, Iterable[Entry]], came: Prompt) -> None:
    """Call segments by their numbers, where the client's names are to be gone from the record."""
    numbers: dict[str, str] = {}
    places = Places()
    for turn in came.turns:
        ids = [segment.id for segment in turn.segments]
        ids += [] if turn.reasoning is None else ["reasoning"]
        for id_ in (*ids, *[call.id for call in turn.tool_calls]):
            numbers[places.name(id_)] = f"#{len(numbers) + 1}"
    for entry in [entry for entries in stages.values() for entry in entries]:
        where = str(entry["where"])
        first, _, last = where.partition(JOINT)
        if where in numbers:
            entry["where"] = numbers[where]
        elif first in numbers and last in numbers:
            entry["where"] = f"{numbers[first]}{JOINT}{numbers[last]}"


def _entries(looks: Sequence[Sequence[Look]], closed: frozenset[str]) -> list[Entry]:
    """The looks at one place, told together: rules that act and rules that only watch have each looked themselves."""
    told: list[Entry] = []
    for number in range(max(map(len, looks))):
        entry: Entry = {}
        det: Entry = {}
        for side in looks:
            _, detections, again, restored = side[min(number, len(side) - 1)]
            det |= detected(detections, closed, restored)
            entry = {"again": 1} if again else {}
        if det:
            entry["det"] = det
        if entry not in told:
            told.append(entry)
    return told


def _of_text(facts: Facts) -> Entry:
    channel = facts.get("output.channel", "text")
    return {} if channel == "text" else {"channel": str(channel)}


def _of_call(facts: Facts, judgement: Judgement) -> Entry:
    """What is known of a call beside its texts; a name that the model made up is not told."""
    name, policies = str(facts.get("tool.name", "")), judgement.policies
    told: Entry = {"sinks": reach_of(policies.tool(name))}
    offered = bool(facts.get("tool.offered"))
    if offered or policies.declares(name):
        told["name"] = name if _NAME.fullmatch(name) else HIDDEN
    told |= {word: 1 for word in ("offered", "valid", "derived") if facts.get(f"tool.{word}")}
    derived = facts.get("tool.derived_args", ())
    if isinstance(derived, tuple) and derived:
        known = {"*", *_parameters(judgement.came.tools, name)}
        told |= {"derived_args": derived} if known.issuperset(derived) else {"hidden": ["derived_args"]}
    return told


def _parameters(tools: Sequence[Tool], name: str) -> Iterable[str]:
    """The names of parameters that the request itself offers."""
    for tool in tools:
        named = (tool.parameters or {}).get("properties") if tool.name == name else None
        if isinstance(named, Mapping):
            yield from [key for key in named if _NAME.fullmatch(key)]
