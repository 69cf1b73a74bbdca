"""How do reserved tokens get out of a prompt?

Every text of a prompt goes through one ``Sieve`` on its way into a layout, as the last step, and the sieve counts what
it took, by place. Where the layout is JSON a token is broken without loss; elsewhere it is deleted, save in the parts
of a schema that mean something to programs: there nothing may change in silence, so a token is refused.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from math import isinf
from typing import Final

import orjson

from adapters.formats._folding import ignorable
from adapters.formats._joins import Piece, join_clean
from gateway.domain.errors import NotSayable
from gateway.domain.jsonvalue import JsonObject, JsonValue
from gateway.domain.target import FormatOptions, Removal

HISTORY: Final = "history"
TOOLS: Final = "tools"

# What a JSON schema says to readers alone, what holds values rather than schemas, and what holds schemas by name.
_PROSE: Final = frozenset({"description", "title", "$comment"})
_VALUES: Final = frozenset({"const", "default", "enum", "examples"})
_NAMED: Final = frozenset({"properties", "patternProperties", "$defs", "definitions", "dependentSchemas"})


def as_json(value: JsonValue) -> str:
    """The value as compact JSON. What orjson refuses (integers over 64 bits) is left for the sender to refuse."""
    try:
        return orjson.dumps(value).decode()
    except orjson.JSONEncodeError:
        return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


@lru_cache(maxsize=1)
def _invisible() -> dict[int, None]:
    return dict.fromkeys(map(ord, ignorable()))


def _strictly_parsed(text: str) -> JsonValue:
    """The value of a JSON text that every parser reads alike; ValueError or RecursionError otherwise."""
    return json.loads(text, object_pairs_hook=_unique, parse_constant=_no_constant, parse_float=_finite)


def _unique(pairs: list[tuple[str, JsonValue]]) -> dict[str, JsonValue]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a key stands twice")
    return found


def _finite(digits: str) -> float:
    number = float(digits)
    if isinf(number):
        raise ValueError("a number is too large")
    return number


def _no_constant(name: str) -> JsonValue:
    raise ValueError(f"{name} is not JSON")


def _without_invisible(piece: Piece) -> Piece:
    return Piece(text=piece.text.translate(_invisible()), where=piece.where)


class Sieve:
    """Takes reserved tokens out of one prompt's texts and remembers how many, where."""

    __slots__ = ("_counts", "_options")

    def __init__(self, options: FormatOptions) -> None:
        self._options = options
        self._counts: dict[str, int] = {}

    @property
    def removals(self) -> tuple[Removal, ...]:
        """What was taken so far, by place."""
        if not self._counts:
            return ()
        return tuple([Removal(where=where, count=count) for where, count in self._counts.items()])

    def note(self, where: str, number: int) -> None:
        """Count what was taken out at ``where``."""
        if number:
            self._counts[where] = self._counts.get(where, 0) + number

    def holds_token(self, text: str) -> bool:
        """Whether the text spells a reserved token."""
        return self._options.remove_reserved(text)[1] > 0

    def words(self, text: str, where: str) -> str:
        """The text without reserved tokens."""
        clean, number = self._options.remove_reserved(text)
        if number:
            self.note(where, number)
        return clean

    def joined(self, parts: Sequence[str | Piece]) -> str:
        """The parts one after the other, without reserved tokens, not even such as a join makes."""
        if len(parts) == 1 and isinstance(alone := parts[0], Piece):
            return self.words(alone.text, alone.where)
        text = "".join([part if isinstance(part, str) else part.text for part in parts])
        if not self.holds_token(text):
            return text
        clean = [
            part if isinstance(part, str) else Piece(text=self.words(part.text, part.where), where=part.where)
            for part in parts
        ]
        reach = max(map(len, self._options.reserved), default=1)
        joined, cuts = join_clean(clean, self.holds_token, reach)
        if self.holds_token(joined):
            # Spread out by invisible characters a token is longer than its listed form: without them it is not.
            bare = [part if isinstance(part, str) else _without_invisible(part) for part in clean]
            joined, cuts = join_clean(bare, self.holds_token, reach)
        for where, number in cuts:
            self.note(where, number)
        return joined

    def json(self, value: JsonValue, pieces: Iterable[Piece]) -> str:
        """The value as JSON text with every token broken; ``pieces`` are the texts inside it, for the count."""
        text, number = self._options.break_reserved(as_json(value))
        if number:
            self._count_broken(number, tuple(pieces))
        return text

    def value(self, value: JsonValue, where: str) -> JsonValue:
        """The value with every string in it clean, keys included, at any depth."""
        # One search over the whole is cheaper than one for each string. Without a backslash nothing in it is escaped.
        serialised = as_json(value)
        if "\\" not in serialised and not self.holds_token(serialised):
            return value
        return self._clean(value, where)

    def schema(self, value: JsonValue, where: str, param: str) -> JsonValue:
        """The schema with its prose clean, at any depth.

        Raises:
            NotSayable: a token stands elsewhere, where it means something: a property's name, a value, a pattern.
        """
        serialised = as_json(value)
        if "\\" not in serialised and not self.holds_token(serialised):
            return value
        return self._schema(value, where, param)

    def arguments(self, text: str) -> str:
        r"""A tool call's JSON text, clean also once parsed: model servers parse it, which brings ``\u003c`` back.

        What not every parser reads alike (broken JSON, a key that stands twice, great depth, a byte order mark) is sent
        as one string in an object: no parser then makes a token of its escapes.
        """
        if "\\" not in text and not self.holds_token(text):
            return text
        try:
            value = _strictly_parsed(text)
            clean = self._clean(value, HISTORY)
        except (ValueError, RecursionError):
            words = self.words(text, HISTORY)
            if "\\" not in text:
                return words
            value, clean = None, {"malformed_arguments": words}
        if clean == value and not self.holds_token(text):
            return text
        clean_text, number = self._options.break_reserved(json.dumps(clean))
        self.note(HISTORY, number)
        return clean_text

    def arguments_object(self, text: str) -> JsonObject:
        """The same where a wire has an object in place of the text; what is none comes as one string in an object."""
        clean = self.arguments(text)
        if not clean.strip():
            return {}
        try:
            value = _strictly_parsed(clean)
            orjson.dumps(value)
        except (ValueError, TypeError, RecursionError):
            value = None
        return value if isinstance(value, dict) else {"malformed_arguments": clean}

    def _count_broken(self, number: int, pieces: Sequence[Piece]) -> None:
        for piece in pieces:
            inside = min(number, self._options.break_reserved(as_json(piece.text))[1])
            self.note(piece.where, inside)
            number -= inside
        # What no text holds alone stands across the JSON between two of them.
        self.note(pieces[-1].where, number)

    def _schema(self, value: JsonValue, where: str, param: str) -> JsonValue:
        if isinstance(value, Mapping):
            return {key: self._member(key, item, where, param) for key, item in value.items()}
        if isinstance(value, Sequence) and not isinstance(value, str):
            return [self._schema(item, where, param) for item in value]
        return self._exact(value, param)

    def _member(self, key: str, item: JsonValue, where: str, param: str) -> JsonValue:
        self._exact(key, param)
        if key in _PROSE and isinstance(item, str):
            return self.words(item, where)
        if key in _VALUES:
            return self._exact(item, param)
        if key in _NAMED and isinstance(item, Mapping):
            return {self._name(name, param): self._schema(inner, where, param) for name, inner in item.items()}
        return self._schema(item, where, param)

    def _name(self, name: str, param: str) -> str:
        self._exact(name, param)
        return name

    def _exact(self, value: JsonValue, param: str) -> JsonValue:
        """The value as it is.

        Raises:
            NotSayable: taking tokens out would change it.
        """
        if self._holds(value):
            raise NotSayable(
                f"{param} holds a reserved token of the model outside its descriptions, where the schema would mean "
                "something else without it: write it without the token, or set the target's family if the model does "
                "not have it",
                param=param,
            )
        return value

    def _holds(self, value: JsonValue) -> bool:
        if isinstance(value, str):
            return self.holds_token(value)
        if isinstance(value, Mapping):
            return any(self.holds_token(key) or self._holds(item) for key, item in value.items())
        return isinstance(value, Sequence) and any(self._holds(item) for item in value)

    def _clean(self, value: JsonValue, where: str) -> JsonValue:
        if isinstance(value, str):
            return self.words(value, where)
        if isinstance(value, Mapping):
            return {self.words(key, where): self._clean(item, where) for key, item in value.items()}
        if isinstance(value, Sequence):
            return [self._clean(item, where) for item in value]
        return value
