"""How does a conversation read in Anthropic's Messages API?

``Writer`` takes a prompt's blocks in order and writes ``system`` and ``messages``. The rules: operator text stands in
``system``, gathered in the client's order, as models differ in whether they take a later system turn; messages of one
role that follow each other are one; a text that says nothing is left out, as the API refuses it; a text that the client
wrote as a part of its own stays one, with its own cache mark.
Source: Anthropic's API reference, "Create a Message".
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Final, Literal, TypeAlias

from adapters.formats._joins import Piece
from adapters.formats._parts import texts_apart
from adapters.formats._sieve import HISTORY, Sieve
from adapters.formats._turns import Said, Told, needs_gap, piece, text_of
from gateway.domain.jsonvalue import JsonValue
from gateway.domain.prompt import CACHE_LIVES, CacheLife, Seal
from gateway.domain.value import value

Block: TypeAlias = dict[str, JsonValue]
Speaker: TypeAlias = Literal["user", "assistant"]

GATHERED_NOTE: Final = "operator-text-gathered"
OPENED_NOTE: Final = "opening-added"
REASONING_NOTE: Final = "reasoning-left-out"
UNMARKED_NOTE: Final = "cache-marks-left-out"

# The API wants the user to speak first, also where material or the assistant's words come first.
OPENING: Final = "(The conversation so far follows.)"
_GAP: Final = "\n\n"
_THOUGHTS: Final = frozenset({"thinking", "redacted_thinking"})


@dataclass(slots=True)
class _Text:
    """A text block to be. Further texts of the same ``place`` join it, unless it is ``listed`` or marked."""

    parts: list[str | Piece]
    place: int | None
    listed: bool
    cache: CacheLife | None = None


@dataclass(slots=True)
class _Message:
    role: Speaker
    items: list[_Text | Block] = field(default_factory=list["_Text | Block"])


@value
class Written:
    """What a finished writer has: each message holds at least one block. ``blocks`` are all of them, in order."""

    system: list[Block]
    messages: list[Block]
    blocks: list[Block]
    notes: tuple[str, ...]


class Writer:
    """The system's texts and the messages so far."""

    __slots__ = ("_messages", "_notes", "_said", "_sieve", "_system")

    def __init__(self, sieve: Sieve) -> None:
        self._sieve = sieve
        self._system: list[_Text | Block] = []
        self._messages: list[_Message] = []
        self._notes: dict[str, None] = {}
        self._said = 0

    def tell(self, told: Told) -> None:
        """Put instructions in their role."""
        if told.role == "system":
            items = self._system
            if self._messages:
                self._notes[GATHERED_NOTE] = None
        else:
            items = self._items("user")
        for index, instruction in enumerate(told.instructions):
            self._put(
                items,
                _Text(parts=[piece(instruction)], place=told.turn, listed=told.listed, cache=instruction.cache),
                part=told.listed and index > 0,
            )

    def say(self, said: Said, calls: Sequence[Block]) -> None:
        """Add an assistant's turn, which ends with these blocks."""
        items = self._items("assistant")
        thoughts = thinking(said, self._sieve)
        if thoughts is None:
            self._notes[REASONING_NOTE] = None
        items += thoughts or ()
        self._said += 1
        for index, history in enumerate(said.history):
            self._put(
                items,
                # No turn of the client's has a number below zero.
                _Text(
                    parts=[Piece(text=history.text, where=HISTORY)],
                    place=-self._said,
                    listed=said.listed,
                    cache=history.cache,
                ),
                part=said.listed and index > 0,
            )
        items += calls
        if said.cache is not None:
            self._mark(items, said.cache)

    def add(self, role: Speaker, *blocks: Block) -> None:
        """Put finished blocks, whose texts are clean."""
        items = self._items(role)
        items += blocks

    def finish(self) -> Written | None:
        """All that was put; None where there is nothing for a model to answer."""
        system = self._resolved(self._system)
        said = [(message.role, self._resolved(message.items)) for message in self._messages]
        said = [(role, content) for role, content in said if content]
        if not said and system:
            # The operator's text alone is the task.
            said, system = [("user", system)], []
        if not said:
            return None
        if said[0][0] == "assistant":
            self._notes[OPENED_NOTE] = None
            said.insert(0, ("user", [{"type": "text", "text": OPENING}]))
        return Written(
            system=system,
            messages=[{"role": role, "content": [*content]} for role, content in said],
            blocks=[*system, *(block for _, content in said for block in content)],
            notes=tuple(self._notes),
        )

    def _items(self, role: Speaker) -> list[_Text | Block]:
        if not self._messages or self._messages[-1].role != role:
            self._messages.append(_Message(role=role))
        return self._messages[-1].items

    def _put(self, items: list[_Text | Block], text: _Text, *, part: bool) -> None:
        """Add a text; a ``part`` goes on with the one before it, others stand a blank line apart."""
        last = items[-1] if items else None
        if not text_of(text.parts[0]):
            if text.cache is not None:
                self._mark(items, text.cache)
            return
        if not isinstance(last, _Text):
            items.append(text)
            return
        if not part and needs_gap(text_of(last.parts[-1]), text_of(text.parts[0])):
            text.parts.insert(0, _GAP)
        placed = last.place is None or text.place is None or last.place == text.place
        if placed and last.cache is None and not (last.listed or text.listed):
            last.parts += text.parts
            last.cache = text.cache
        else:
            items.append(text)

    def _mark(self, items: Sequence[_Text | Block], cache: CacheLife) -> None:
        """Have the prompt cached up to the end of what was put last."""
        last = items[-1] if items else None
        if isinstance(last, _Text):
            last.cache = cache
        elif last is None or last["type"] in _THOUGHTS:
            self._notes[UNMARKED_NOTE] = None
        else:
            last.update(mark(cache))

    def _resolved(self, items: Sequence[_Text | Block]) -> list[Block]:
        blocks: list[Block] = []
        for _, run in groupby(items, key=_is_text):
            together = list(run)
            texts = [item for item in together if isinstance(item, _Text)]
            blocks += self._texts(texts) if texts else [item for item in together if not isinstance(item, _Text)]
        return self._telling(blocks)

    def _texts(self, run: Sequence[_Text]) -> list[Block]:
        clean = texts_apart([text.parts for text in run], self._sieve)
        marks: list[CacheLife | None] = [text.cache for text in run]
        if len(clean) < len(run):
            # A reserved token would come of them apart: they are one, and so are their marks.
            marks = [behind_all(marks)]
        return [{"type": "text", "text": text, **mark(cache)} for text, cache in zip(clean, marks, strict=True)]

    def _telling(self, blocks: list[Block]) -> list[Block]:
        """The blocks without empty texts, and without blank ones where no text says more."""
        texts = [str(block["text"]) for block in blocks if block["type"] == "text"]
        blank = not any(map(str.strip, texts))
        if all(texts) and not blank:
            return blocks
        kept = [block for block in blocks if block["type"] != "text" or (block["text"] and not blank)]
        if len(list(filter(life_of, kept))) < len(list(filter(life_of, blocks))):
            self._notes[UNMARKED_NOTE] = None
        return kept


def _is_text(item: _Text | Block) -> bool:
    return isinstance(item, _Text)


def behind_all(marks: Iterable[CacheLife | None]) -> CacheLife | None:
    """The last of several marks: what is cached up to it holds all that is cached up to the others."""
    last: CacheLife | None = None
    for cache in marks:
        last = cache or last
    return last


def mark(cache: CacheLife | None) -> Block:
    """The field that has the prompt cached up to the end of its block, if there is a mark."""
    if cache is None:
        return {}
    return {"cache_control": {"type": "ephemeral"} if cache == "5m" else {"type": "ephemeral", "ttl": cache}}


def life_of(block: Block) -> CacheLife | None:
    """The mark that a block carries, if any."""
    control = block.get("cache_control")
    if control is None:
        return None
    return next((life for life in CACHE_LIVES if control == mark(life)["cache_control"]), None)


def thinking(said: Said, sieve: Sieve) -> list[Block] | None:
    """An assistant's reasoning as the vendor takes it back: sealed, whole and unchanged; None where it cannot be."""
    if said.reasoning is None and not said.seals:
        return []
    text = said.reasoning or ""
    spelled = sieve.holds_token(text) or any(sieve.holds_token(seal.token) for seal in said.seals)
    if spelled or not said.seals or sum(seal.length for seal in said.seals) != len(text):
        return None
    blocks: list[Block] = []
    start = 0
    for seal in said.seals:
        blocks.append(_thought(text[start : start + seal.length], seal))
        start += seal.length
    return blocks


def _thought(text: str, seal: Seal) -> Block:
    if seal.hidden:
        return {"type": "redacted_thinking", "data": seal.token}
    return {"type": "thinking", "thinking": text, "signature": seal.token}
