"""Which JSON schemas may the engine turn into a grammar?

Pure. The engine compiles a schema and then tries every way to go on at every token, in the one thread that serves all
requests: regular expressions and recursion let a few hundred bytes keep it busy for ever, long lists of choices for
seconds per token. So the keywords are listed, and what they can grow to is counted with every reference written out.
"""

from collections.abc import Callable, Mapping
from typing import Final

import orjson

from adapters._refusal import Refused
from gateway.domain.jsonvalue import JsonObject, JsonValue

# With all of these at once the engine's longest pause was measured below a second on two cores.
MOST_NODES: Final = 500
MOST_CHOICES: Final = 200
MOST_DEPTH: Final = 32
MOST_TEXT: Final = 20_000
MOST_REPEATS: Final = 1024
MOST_MAGNITUDE: Final = 10**15

# They say nothing about the answer's form; definitions count where they are referred to.
_NOTES: Final = frozenset({
    "title", "description", "default", "example", "examples", "deprecated", "readOnly", "writeOnly", "nullable",
    "discriminator", "$schema", "$id", "$comment", "$defs", "definitions", "uniqueItems", "multipleOf", "format",
})  # fmt: skip
_REPEATS: Final = frozenset({"minItems", "maxItems", "minLength", "maxLength", "minProperties", "maxProperties"})
_MAGNITUDES: Final = frozenset({"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"})
_CHOICES: Final = frozenset({"anyOf", "oneOf"})
_LISTS: Final = _CHOICES | {"allOf", "prefixItems"}
_PATTERNS: Final = frozenset({"pattern", "patternProperties", "propertyNames"})
_FORMAT_LENGTH: Final = 64


def check_schema(schema: JsonValue, param: str) -> None:
    """Refuse a schema that is not known to be cheap; ``param`` names the request's field that holds it.

    Raises:
        Refused: ``schema_too_complex`` for a limit, ``schema_unsupported`` for a keyword or a shape.
    """
    _Walk(schema, param).visit(schema, 1)


class _Walk:
    """One walk over a schema: what was counted, and which references are being followed."""

    def __init__(self, root: JsonValue, param: str) -> None:
        self._root = root
        self._param = param
        self._nodes = 0
        self._choices = 0
        self._text = 0
        self._following: list[str] = []
        self._own: Final[Mapping[str, Callable[[JsonValue, int], None]]] = {
            "$ref": self._follow,
            "properties": self._properties,
            "items": self._items,
            "additionalProperties": self.visit,
            "enum": self._enum,
            "const": self._value,
            "type": self._names,
            "required": self._names,
        }

    def visit(self, schema: JsonValue, depth: int) -> None:
        self._nodes += 1
        if self._nodes > MOST_NODES:
            raise self._too_complex(f"have more than {MOST_NODES} parts, references written out")
        if depth > MOST_DEPTH:
            raise self._too_complex(f"be nested more than {MOST_DEPTH} deep")
        if isinstance(schema, bool):
            return
        for keyword, value in self._object(schema).items():
            self._keyword(keyword, value, depth)

    def _keyword(self, keyword: str, value: JsonValue, depth: int) -> None:
        if keyword in self._own:
            self._own[keyword](value, depth + 1)
        elif keyword in _LISTS:
            self._each(value, depth, choices=keyword in _CHOICES)
        elif keyword in _REPEATS:
            self._within(value, MOST_REPEATS, lowest=0)
        elif keyword in _MAGNITUDES:
            self._within(value, MOST_MAGNITUDE, lowest=-MOST_MAGNITUDE)
        elif keyword in _PATTERNS:
            raise self._unsupported(f"use `{keyword}`")
        elif keyword not in _NOTES or (keyword == "format" and not _is_short(value)):
            raise self._unsupported("use a keyword beyond the common ones")

    def _each(self, value: JsonValue, depth: int, *, choices: bool) -> None:
        found = self._list(value)
        if choices:
            self._choose(len(found))
        for one in found:
            self.visit(one, depth + 1)

    def _items(self, value: JsonValue, depth: int) -> None:
        if isinstance(value, list):
            self._each(value, depth, choices=False)
        else:
            self.visit(value, depth)

    def _properties(self, value: JsonValue, depth: int) -> None:
        for name, schema in self._object(value).items():
            self._write(len(name))
            self.visit(schema, depth)

    def _enum(self, value: JsonValue, depth: int) -> None:
        found = self._list(value)
        self._choose(len(found))
        for one in found:
            self._value(one, depth)

    def _value(self, value: JsonValue, _depth: int) -> None:
        self._write(len(orjson.dumps(value)))

    def _names(self, value: JsonValue, depth: int) -> None:
        found = value if isinstance(value, list) else [value]
        if not all(isinstance(one, str) for one in found):
            raise self._unsupported("have names that are no strings")
        for one in found:
            self._value(one, depth)

    def _follow(self, value: JsonValue, depth: int) -> None:
        if not isinstance(value, str) or not value.startswith("#/") or "~" in value or "%" in value:
            raise self._unsupported("use references other than `#/$defs/NAME`")
        if value in self._following:
            raise self._too_complex("refer to itself")
        self._following.append(value)
        self.visit(self._resolve(value), depth)
        self._following.pop()

    def _resolve(self, reference: str) -> JsonValue:
        found = self._root
        for step in reference.split("/")[1:]:
            if not isinstance(found, dict) or step not in found:
                raise self._unsupported("refer to what is not there")
            found = found[step]
        return found

    def _choose(self, count: int) -> None:
        self._choices += count
        if self._choices > MOST_CHOICES:
            raise self._too_complex(f"offer more than {MOST_CHOICES} choices in `enum`, `anyOf` and `oneOf`")

    def _write(self, length: int) -> None:
        self._text += length
        if self._text > MOST_TEXT:
            raise self._too_complex(f"hold more than {MOST_TEXT} characters in names and values")

    def _within(self, value: JsonValue, most: int, *, lowest: int) -> None:
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise self._unsupported("have bounds that are no numbers")
        if not lowest <= value <= most:
            raise self._too_complex(f"have bounds outside of {lowest} to {most}")

    def _object(self, value: JsonValue) -> JsonObject:
        if not isinstance(value, dict):
            raise self._unsupported("hold something that is no schema")
        return value

    def _list(self, value: JsonValue) -> list[JsonValue]:
        if not isinstance(value, list):
            raise self._unsupported("hold something else where a list belongs")
        return value

    def _too_complex(self, fault: str) -> Refused:
        return self._refused("schema_too_complex", fault)

    def _unsupported(self, fault: str) -> Refused:
        return self._refused("schema_unsupported", fault)

    def _refused(self, code: str, fault: str) -> Refused:
        message = f"A schema for the embedded model may not {fault}: make the schema in {self._param} simpler."
        return Refused(code, message, param=self._param)


def _is_short(value: JsonValue) -> bool:
    return isinstance(value, str) and len(value) <= _FORMAT_LENGTH
