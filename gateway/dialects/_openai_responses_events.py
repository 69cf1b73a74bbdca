"""How are the events of a stream of OpenAI's responses API written?

Each has a number. A text's pieces differ in nothing but that and the words, so that what they share is built once and a
piece costs one small splice.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

import orjson

from gateway.dialects import _sse
from gateway.dialects._openai_responses_output import reasoning_part, refusal_part, summary_part, text_part
from gateway.domain.jsonvalue import JsonObject, JsonValue
from gateway.domain.value import value


@value
class TextKind:
    """How a kind of text is called: its own events by ``word``, those of its part by ``part``, its place by ``index``.

    ``whole`` is the field that has all of the text in the event at its end, ``make`` makes the part.
    """

    word: str
    make: Callable[[str], JsonObject]
    part: str = "content_part"
    index: str = "content_index"
    whole: str = "text"


SAID: Final = TextKind(word="output_text", make=text_part)
REFUSED: Final = TextKind(word="refusal", make=refusal_part, whole="refusal")
THOUGHT: Final = TextKind(word="reasoning_text", make=reasoning_part)
SUMMED_UP: Final = TextKind(
    word="reasoning_summary_text", make=summary_part, part="reasoning_summary_part", index="summary_index"
)


class Events:
    """Numbers events while it writes them."""

    def __init__(self) -> None:
        self._number = 0

    def event(self, name: str, payload: JsonObject) -> bytes:
        """An event of the response's life, ``name`` without what all names begin with."""
        return self.bare(f"response.{name}", payload)

    def bare(self, name: str, payload: JsonObject) -> bytes:
        """An event whose whole name this is."""
        return _sse.event(name, {"type": name, "sequence_number": self._next(), **payload})

    def piece(self, head: bytes, text: str) -> bytes:
        """A piece of a text, behind its ``head``."""
        return b'%b%d,"delta":%b}\n\n' % (head, self._next(), orjson.dumps(text))

    def _next(self) -> int:
        number = self._number
        self._number += 1
        return number


def head(name: str, place: JsonObject) -> bytes:
    """What all pieces of one text share, up to their number."""
    event = f"response.{name}.delta"
    shared = orjson.dumps({"type": event, **place})
    return b'event: %b\ndata: %b,"sequence_number":' % (event.encode(), shared[:-1])


@dataclass(slots=True, kw_only=True)
class OpenText:
    """A text that still grows, as a part of an item; ``place`` says where."""

    kind: TextKind
    place: JsonObject
    head: bytes = b""
    pieces: list[str] = field(default_factory=list[str])

    def __post_init__(self) -> None:
        aside: JsonObject = {"logprobs": []} if self.kind is SAID else {}
        self.head = head(self.kind.word, {**self.place, **aside})

    @property
    def text(self) -> str:
        """All of it so far."""
        return "".join(self.pieces)

    def begun(self, events: Events) -> bytes:
        return events.event(f"{self.kind.part}.added", {**self.place, "part": self.kind.make("")})

    def more(self, events: Events, text: str, told: list[JsonValue]) -> bytes:
        """A piece of it, with the log-probabilities of just these tokens."""
        self.pieces.append(text)
        if told:
            return events.event(f"{self.kind.word}.delta", {**self.place, "logprobs": told, "delta": text})
        return events.piece(self.head, text)

    def done(self, events: Events, told: list[JsonValue]) -> bytes:
        """Its end, and its part's; ``told`` are all of its log-probabilities."""
        text = self.text
        aside: JsonObject = {"logprobs": told} if self.kind is SAID else {}
        part = text_part(text, told) if self.kind is SAID else self.kind.make(text)
        return events.event(f"{self.kind.word}.done", {**self.place, self.kind.whole: text, **aside}) + events.event(
            f"{self.kind.part}.done", {**self.place, "part": part}
        )
