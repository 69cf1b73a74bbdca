"""What does a tool call of the model's say, and how may it be released?

Calls are held whole and judged decoded. What is released is written again from the very object that was judged, so
that whoever receives it can read nothing else in it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain, count
from typing import Final

import orjson

from gateway.domain.detection import Detections, FactValue, Stage, Subject
from gateway.domain.exchange import ToolCallDelta, ToolCallStarted
from gateway.domain.jsonvalue import JsonObject, JsonValue
from gateway.domain.prompt import ToolCall
from gateway.domain.strict_json import parse_object
from gateway.pipeline._reserved import Numbers
from gateway.pipeline._unmark import Unmark
from gateway.pipeline._watch import Watch
from gateway.pipeline.edits import Replacement, Span
from gateway.pipeline.leaves import Leaves
from policies.engine.model import Effect

# In place of a name that the request did not offer, which is the model's own text.
UNOFFERED: Final = "tool_call"


class CallPlaces:
    """Under which names the calls of one choice are found: ``send``, ``send#2``, ``tool_call``; ``send:1`` of another.

    No two calls of a choice have one name, whatever their tools are called.
    """

    def __init__(self, choice: int) -> None:
        self._suffix = f":{choice}" if choice else ""
        self._used: set[str] = set()

    def name(self, tool: str, *, offered: bool) -> str:
        """The name of the next call; it tells the tool's only if the request offered that tool."""
        wanted = (tool if offered else UNOFFERED) + self._suffix
        names = chain((wanted,), (f"{wanted}#{number}" for number in count(2)))
        place = next(name for name in names if name not in self._used)
        self._used.add(place)
        return place


class Whole:
    """A passage that is judged whole, so that all that is seen in it counts."""

    __slots__ = ()

    def counted(self, detections: Detections) -> Detections:
        """All of it."""
        return detections


class HeldCall(Whole):
    """One whole call; ``readable`` says that its arguments are one strict JSON object."""

    def __init__(self, call: ToolCall, places: CallPlaces, watch: Watch) -> None:
        self._came = call
        # Models that call without arguments may write none at all.
        self.call = call if call.arguments.strip() else replace(call, arguments="{}")
        self._facts = {**watch.facts, **watch.call_facts(self.call)}
        # A name that was not offered is the model's own text: it stands as a key, which no edit may change.
        self._named = not self._facts.get("tool.offered", False)
        self.where = places.name(call.name, offered=not self._named)
        self._leaves = self._read(self.call.arguments)
        # Arguments that nothing acts on stay as the model wrote them.
        self._rewrites = watch.rewrites_calls

    @property
    def readable(self) -> bool:
        return self._leaves is not None

    def subject(self, watch: Watch) -> Subject:
        """The call's texts, as something to look at."""
        facts: Mapping[str, FactValue] = self._facts
        if self._leaves is not None:
            text = self._leaves.text
        else:
            text = f"{self.call.name}\n{self.call.arguments}" if self._named else self.call.arguments
        return Subject(stage=Stage.TOOL_CALL, where=self.where, text=text, facts=facts, canary=watch.canary)

    def edit(self, put: Sequence[Replacement]) -> bool:
        """Carry out edits in the subject's text; False where that cannot be done."""
        value = None if self._leaves is None else self._leaves.rewritten(put)
        if value is None:
            return False
        self._become(Leaves.of(value))
        return True

    def restore(self, watch: Watch) -> tuple[Span, ...]:
        """Bring values back for their placeholders, and say where; a tool that reaches outside gets none."""
        egress = watch.applicable.tool(self.call.name).effect is Effect.EGRESS
        if self._leaves is None or (egress and not watch.applicable.restore_anywhere):
            return ()
        leaves, spans = self._leaves.changed(watch.restored)
        if spans:
            self._become(leaves)
            self._facts = {**watch.facts, **watch.call_facts(self.call)}
        return spans

    def released(self) -> ToolCall:
        """The call as it goes on."""
        if self._leaves is None or not self._rewrites:
            return self._came
        return replace(self.call, arguments=_written(self._arguments(self._leaves)))

    def _read(self, text: str) -> Leaves | None:
        try:
            arguments = parse_object(text)
            return Leaves.of({self.call.name: arguments} if self._named else arguments)
        except ValueError:
            return None

    def _become(self, leaves: Leaves) -> None:
        self._leaves = leaves
        self._rewrites = True
        self.call = replace(self.call, arguments=_written(self._arguments(leaves)))

    def _arguments(self, leaves: Leaves) -> JsonValue:
        if self._named and isinstance(leaves.value, Mapping):
            return leaves.value[self.call.name]
        return leaves.value


def held_calls(calls: Sequence[ToolCall], choice: int, watch: Watch) -> list[HeldCall]:
    """The calls of one choice, to be judged."""
    places = CallPlaces(choice)
    return [HeldCall(call, places, watch) for call in calls]


def call_events(choice: int, calls: Sequence[ToolCall]) -> list[ToolCallStarted | ToolCallDelta]:
    """Whole calls as the events of a choice, numbered as they stand."""
    return [
        event
        for number, call in enumerate(calls)
        for event in (
            ToolCallStarted(choice=choice, index=number, id=call.id, name=call.name),
            ToolCallDelta(choice=choice, index=number, arguments=call.arguments),
        )
    ]


def _written(value: JsonValue) -> str:
    return orjson.dumps(value).decode()


class Extra(Whole):
    """The other texts of a choice, such as annotations: dropped whole where anything in them would have to change."""

    def __init__(self, extra: JsonObject, where: str) -> None:
        self.value: JsonObject = extra
        self.where = where
        self._text = _text_of(extra)

    def passages(self, watch: Watch) -> list["Extra"]:
        """What of it is judged; what nobody can read is dropped where a rule that acts would have to."""
        if self._text is None and watch.acts(Stage.OUTPUT):
            self.drop()
        return [] if self._text is None else [self]

    def subject(self, watch: Watch) -> Subject:
        """All texts in it, as something to look at."""
        return watch.output(self.where, "text", self._text or "")

    def edit(self, put: Sequence[Replacement]) -> bool:
        """Drop it, since something in it would have to change."""
        del put
        self.drop()
        return True

    def restore(self, watch: Watch) -> tuple[Span, ...]:
        """Placeholders stay: what stands here are links and quotations."""
        del watch
        return ()

    def drop(self) -> None:
        self.value = {}
        self._text = ""


def _text_of(extra: JsonObject) -> str | None:
    try:
        return Leaves.of(extra).text
    except ValueError:
        return None


@dataclass(slots=True)
class _Begun:
    id: str
    name: str
    at: float
    pieces: list[str] = field(default_factory=list[str])


class Calls:
    """One choice's calls while they come."""

    def __init__(self, unmark: Unmark) -> None:
        self._unmark = unmark
        self._numbers = Numbers()
        self._begun: dict[int, _Begun] = {}
        # A call that began twice: whoever put it together could read another one than was judged.
        self.garbled = False

    @property
    def held_since(self) -> float | None:
        """When the first of them began."""
        return next((begun.at for begun in self._begun.values()), None)

    def start(self, index: int, identifier: str, name: str, now: float) -> None:
        """A call begins."""
        self.garbled = self.garbled or index in self._numbers.known
        if self._numbers.start(index, name) is not None:
            self._begun[index] = _Begun(id=identifier, name=self._unmark.text(name), at=now)

    def more(self, index: int, arguments: str) -> None:
        """More of a call's arguments; those of a withheld or unknown call are dropped."""
        if index in self._begun:
            self._begun[index].pieces.append(arguments)

    def whole(self) -> list[ToolCall]:
        """The calls as the model made them, in order."""
        return [
            ToolCall(id=begun.id, name=begun.name, arguments=self._unmark.json("".join(begun.pieces)))
            for begun in self._begun.values()
        ]

    def ending(self, reason: str) -> str:
        return self._numbers.ending(reason)
