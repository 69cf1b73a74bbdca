"""Which option of a request is nowhere in what a vendor is about to get?

A number or a word must be there as it is, whatever the vendor calls it; what is translated into something else must at
least be there under one of the names that vendors have for it. What says no more than what holds anyway need not be
said.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from gateway.domain.jsonvalue import JsonObject, JsonValue

# Names on the wire, without underscores and in lower case.
_NAMES: Final[Mapping[str, frozenset[str]]] = {
    "tool_choice": frozenset({"toolchoice", "functioncallingconfig"}),
    "parallel_tool_calls": frozenset({"paralleltoolcalls", "disableparalleltooluse"}),
    "response_format": frozenset({"responseformat", "responsemimetype", "outputconfig", "outputformat"}),
    "reasoning_effort": frozenset({"reasoningeffort", "reasoning", "reasoningconfig", "thinking", "thinkingconfig"}),
    "logprobs": frozenset({"logprobs", "responselogprobs"}),
    "modalities": frozenset({"modalities", "responsemodalities"}),
}
# Two ways to ask for a form: a schema is more than JSON, and has names of its own on the wire.
_SCHEMA_NAMES: Final = frozenset({
    "jsonschema", "outputconfig", "outputformat", "responsejsonschema", "responseschema",
})  # fmt: skip
_HOLDS_ANYWAY: Final[Mapping[str, JsonValue]] = {
    "n": 1,
    "tool_choice": "auto",
    "parallel_tool_calls": True,
    "response_format": {"type": "text"},
    "logprobs": False,
    "top_logprobs": 0,
    "modalities": ["text"],
    "reasoning_effort": "none",
    "logit_bias": {},
}


@dataclass(frozen=True, slots=True)
class Said:
    """What stands on the wire outside of messages and tools: words, numbers, and keys as ``plain`` gives them."""

    words: set[str] = field(default_factory=set[str])
    numbers: set[float] = field(default_factory=set[float])
    keys: set[str] = field(default_factory=set[str])


def plain(key: str) -> str:
    """A key as it is compared: vendors write the same words with and without underscores."""
    return key.replace("_", "").casefold()


def unsaid(options: JsonObject, said: Said) -> str | None:
    """The first option that is not said."""
    for name, value in options.items():
        if name in _HOLDS_ANYWAY and _same(value, _HOLDS_ANYWAY[name]):
            continue
        if not _is_said(name, value, said):
            return name
    return None


def _is_said(name: str, value: JsonValue, said: Said) -> bool:
    if name == "response_format" and isinstance(value, Mapping) and value.get("type") == "json_schema":
        return not said.keys.isdisjoint(_SCHEMA_NAMES)
    if name in _NAMES:
        return not said.keys.isdisjoint(_NAMES[name])
    match value:
        case str():
            return value in said.words
        case bool() | Mapping():
            return plain(name) in said.keys
        case int() | float():
            return float(value) in said.numbers
        case None:
            return True
        case _:
            return all(_is_said(name, one, said) for one in value)


def _same(one: JsonValue, other: JsonValue) -> bool:
    """Equal, and of one type: 1 is not True."""
    return type(one) is type(other) and one == other
