"""What of one choice's text, reasoning or refusal may go on now?

A channel keeps what is not cleared yet, and for a window also what went on just before, since a match needs its
surroundings. Positions count from the beginning of what is kept. Nothing goes on twice, and nothing before ``clear``.
"""

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final, Literal, TypeAlias, assert_never

from gateway.domain.detection import Detection, Detections, FactValue, Mark, Subject
from gateway.domain.exchange import ReasoningDelta, RefusalDelta, TextDelta
from gateway.domain.jsonvalue import JsonObject, JsonValue
from gateway.pipeline._watch import Watch
from gateway.pipeline._window import seen
from gateway.pipeline.edits import Replacement, Span, replaced

ChannelName: TypeAlias = Literal["text", "reasoning", "refusal"]
Delta: TypeAlias = TextDelta | ReasoningDelta | RefusalDelta
CHANNELS: Final[dict[type[Delta], ChannelName]] = {
    TextDelta: "text",
    ReasoningDelta: "reasoning",
    RefusalDelta: "refusal",
}

_COUNT: Final = ".count"
_KINDS: Final = ".kinds"


# How far of all there was a piece reaches, when it came, and its tokens' log-probabilities: each token makes one.
_Arrival: TypeAlias = tuple[int, float, JsonObject | None]


class Channel:
    """One channel of one choice; what is pending begins at ``start`` of what is kept.

    ``seen`` of its characters are such that detectors see. ``due`` is how many there have to be before it is worth
    another look, after one that cleared nothing.
    """

    def __init__(self, name: ChannelName, choice: int, *, remembers: bool) -> None:
        self.name: Final[ChannelName] = name
        self.where: Final = place_of(choice, name)
        self._choice = choice
        self._remembers = remembers
        self._kept = ""
        self._pieces: list[str] = []
        self._arrivals: deque[_Arrival] = deque()
        self._edited = False
        # Of all there was: what is not kept any more, and everything.
        self._dropped = self._taken = 0
        self.start = 0
        self.seen = 0
        self.due = 0
        self._passed: list[str] = []

    def take(self, text: str, logprobs: JsonObject | None, now: float) -> None:
        """More text came."""
        self._pieces.append(text)
        self._taken += len(text)
        self.seen += seen(text)
        self._arrivals.append((self._taken, now, logprobs))

    @property
    def edited(self) -> bool:
        """Whether what goes on is not what came."""
        return self._edited

    @property
    def pending(self) -> int:
        """How many characters have not gone on yet."""
        return self._taken - self._dropped - self.start

    @property
    def text(self) -> str:
        """All that is kept: what went on last, and what is pending."""
        if self._pieces:
            self._kept = "".join([self._kept, *self._pieces])
            self._pieces.clear()
        return self._kept

    @property
    def passed(self) -> str:
        """All that went on, where it is remembered: for whoever has to keep the whole answer."""
        return "".join(self._passed)

    @property
    def held_since(self) -> float | None:
        """When the oldest of what is pending came."""
        return self._arrivals[0][1] if self._arrivals else None

    def boundary(self, at: int, detections: Detections) -> int:
        """``at``, where a window begins, or the start of a mark that reaches into it: it may still become longer."""
        for mark in sorted([m for d in detections.values() for m in d.marks], key=_end, reverse=True):
            if mark.start < at < mark.end:
                at = mark.start
        return max(at, self.start)

    def clear(self, end: int, edits: Sequence[Replacement], window: int) -> list[Delta]:
        """What goes on now that the text up to ``end`` is cleared, after ``edits``; ``window`` of it stay in sight."""
        cut = self._pending(edits, end)
        text = self.text
        told = replaced(text[self.start : end], [(a - self.start, b - self.start, words) for a, b, words in cut])
        self._edited = self._edited or bool(cut)
        logprobs = self._logprobs_to(self._dropped + end)
        gone = max(0, end - window)
        self._kept, self.start = text[gone:], end - gone
        self._dropped += gone
        self.seen, self.due = seen(text[end:]), 0
        if self._remembers:
            self._passed.append(told)
        return [self._delta(told, logprobs)] if told or logprobs else []

    def subject(self, watch: Watch) -> Subject:
        """All that is kept, as something to look at."""
        return watch.output(self.where, self.name, self.text, watch.schema if self.name == "text" else None)

    def counted(self, detections: Detections) -> Detections:
        """What detectors saw in what is pending, now that no more will come."""
        return settled(detections, self.start, len(self.text)) if self.start else detections

    def edit(self, put: Sequence[Replacement]) -> bool:
        """Carry out edits in what is pending."""
        self._become(replaced(self.text, self._pending(put, len(self.text))))
        return True

    def restore(self, watch: Watch) -> tuple[Span, ...]:
        """Bring values back for their placeholders, and say where; nothing of the text has gone on."""
        text, spans = watch.restored(self.text)
        if spans:
            self._become(text)
        return spans

    def _become(self, text: str) -> None:
        self._kept = text
        self._edited = True
        self._taken = self._dropped + len(text)
        self._arrivals = deque([(self._taken, at, logprobs) for _, at, logprobs in self._arrivals])

    def _pending(self, put: Sequence[Replacement], end: int) -> list[Replacement]:
        """The parts of edits that lie between what has gone on and ``end``."""
        cut = [(max(left, self.start), min(right, end), words) for left, right, words in put]
        return [(left, right, words) for left, right, words in cut if left < right]

    def _logprobs_to(self, end: int) -> JsonObject | None:
        found: list[JsonObject] = []
        while self._arrivals and self._arrivals[0][0] <= end:
            _, _, logprobs = self._arrivals.popleft()
            if logprobs is not None:
                found.append(logprobs)
        return None if self._edited else _joined(found)

    def _delta(self, text: str, logprobs: JsonObject | None) -> Delta:
        match self.name:
            case "text":
                return TextDelta(choice=self._choice, text=text, logprobs=logprobs)
            case "reasoning":
                return ReasoningDelta(choice=self._choice, text=text)
            case "refusal":
                return RefusalDelta(choice=self._choice, text=text)
            case _:
                assert_never(self.name)


def place_of(choice: int, channel: str) -> str:
    """The name under which a channel is found: ``output``, ``output.reasoning``, ``output:1`` for the second choice."""
    place = "output" if choice == 0 else f"output:{choice}"
    return place if channel == "text" else f"{place}.{channel}"


def settled(detections: Detections, start: int, end: int) -> Detections:
    """What was seen between ``start`` and ``end`` alone.

    A detector that marks what it sees is quiet where none of its marks lies there: they were counted before, or more
    text may still change them.
    """
    return {key: kept for key, seen in detections.items() if (kept := _settled(seen, start, end)) is not None}


def _settled(seen: Detection, start: int, end: int) -> Detection | None:
    marks = tuple([mark for mark in seen.marks if mark.start < end and mark.end > start])
    if len(marks) == len(seen.marks) or seen.failed is not None:
        return seen
    return replace(seen, facts=_facts_of(seen.facts, marks), marks=marks) if marks else None


def _facts_of(facts: Mapping[str, FactValue], marks: Sequence[Mark]) -> dict[str, FactValue]:
    """The facts that every detector gives of its marks, for these marks."""
    kinds = {mark.kind for mark in marks}
    told = dict(facts)
    for name, value in facts.items():
        if name.endswith(_COUNT):
            told[name] = len(marks)
        elif name.endswith(_KINDS) and isinstance(value, tuple):
            told[name] = tuple([kind for kind in value if kind in kinds])
    return told


def _joined(pieces: Sequence[JsonObject]) -> JsonObject | None:
    """The log-probabilities of consecutive tokens as one object: lists follow one another."""
    if len(pieces) < 2:
        return pieces[0] if pieces else None
    joined: dict[str, JsonValue] = {}
    for piece in pieces:
        for name, value in piece.items():
            known = joined.get(name)
            joined[name] = [*known, *value] if isinstance(known, list) and isinstance(value, list) else value
    return joined


def _end(mark: Mark) -> int:
    return mark.end
