"""Could a value stem from data?

A request whose context holds data, or history that the gateway does not know as untainted, is tainted. There, a value
counts as data-derived unless the whole of it stands in operator or user text, or in a policy's list: the other
question, whether it stands in the data, misses what was joined, encoded or paraphrased. Values are compared as they are
written, but for the case of ASCII letters where none of them stands in a path: whatever folds more makes two addresses
one.
"""

import unicodedata
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Final, TypeAlias

import orjson

from gateway.domain.detection import Facts
from gateway.domain.jsonvalue import JsonObject, JsonValue
from gateway.domain.ports import Untainted
from gateway.domain.prompt import History, Prompt, Seal, Speaker, Tool, ToolCall, Turn
from gateway.domain.strict_json import parse_object
from policies.engine.applicable import Applicable
from policies.engine.model import ToolRule

# Gives the ``tool.*`` facts of a call that the model made.
CallFacts: TypeAlias = Callable[[ToolCall], Facts]

# Conditions that read one of these hang on what the request's context holds.
TAINT_FACTS: Final = frozenset({"tainted", "tool.derived", "tool.derived_args"})

# More values than this in one call's sinks, or longer ones, are not looked for: they count as derived.
_MOST_VALUES: Final = 64
_LONGEST_VALUE: Final = 8_192
_LONGEST_NAME: Final = 128
# A value that stands in the text more often than this, and never as a whole, counts as derived.
_MOST_TRIES: Final = 1_000
# Bytes of text that one answer's values are looked for in; what is beyond that counts as derived.
_MOST_SEARCHED: Final = 256 * 1024 * 1024
# Beside these, and beside letters and digits, a value is part of a longer word, address or URL.
_INNER: Final = frozenset(b"@._-+%/:=&?#~'\\$*!|")
# These may close what a value stands in, or end its sentence: a blank or the end has to follow.
_CLOSING: Final = frozenset(b".,;:!?'\"`)]}>")
_BLANK: Final = frozenset(b" \t\r\n\f\v")


def is_tainted(prompt: Prompt, tenant: str, untainted: Untainted) -> bool:
    """Whether the request's context holds what nobody vouches for."""
    if prompt.data:
        return True
    return any(
        not untainted.knows(tenant, content_of(turn)) for turn in prompt.turns if turn.speaker is Speaker.ASSISTANT
    )


def content_of(turn: Turn) -> tuple[str, ...]:
    """An assistant's turn as its exact content, for comparison with replies."""
    histories = [segment for segment in turn.segments if isinstance(segment, History)]
    text = "".join([segment.text for segment in histories if not segment.refusal])
    refusal = "".join([segment.text for segment in histories if segment.refusal])
    return exact_content(text, refusal, turn.reasoning, turn.tool_calls, turn.seals)


def exact_content(
    text: str | None,
    refusal: str | None,
    reasoning: str | None,
    calls: Iterable[ToolCall],
    seals: Iterable[Seal],
) -> tuple[str, ...]:
    """What a reply and the assistant's turn made of it have in common; absent and empty texts are alike."""
    told = [part for call in calls for part in (call.name, _spelt(call.arguments))]
    return (text or "", refusal or "", reasoning or "", *told, *[f"seal {seal.token}" for seal in seals])


def _spelt(arguments: str) -> str:
    """Arguments in one spelling: clients whose dialect has them as an object send them back in their own."""
    try:
        return orjson.dumps(parse_object(arguments.strip() or "{}")).decode()
    except ValueError:
        return arguments


class Grounds:
    """What may stand in a sink: operator and user text. One for each answer, whose searches it counts."""

    def __init__(self, texts: Iterable[str], tools: Iterable[Tool], policies: Applicable, *, tainted: bool) -> None:
        self._tainted = tainted
        self._policies = policies
        self._offered: Mapping[str, frozenset[str] | None] = {tool.name: _properties(tool) for tool in tools}
        self._texts = tuple(dict.fromkeys(texts)) if tainted else ()
        self._written: bytes | None = None
        self._lower = b""
        self._left = _MOST_SEARCHED

    @classmethod
    def of(cls, prompts: Sequence[Prompt], policies: Applicable, *, tainted: bool) -> "Grounds":
        """The grounds of a request, of which ``prompts`` are the forms as it came and as it is sent."""
        texts = [segment.text for prompt in prompts for segment in prompt.instructions]
        return cls(texts, [tool for prompt in prompts for tool in prompt.tools], policies, tainted=tainted)

    def facts(self, call: ToolCall) -> Facts:
        """The ``tool.*`` facts of a call that the model made."""
        rule = self._policies.tool(call.name)
        try:
            arguments = parse_object(call.arguments)
        except ValueError:
            arguments = None
        derived = () if not self._tainted else self._derived(arguments, rule, self._offered.get(call.name))
        return {
            "tool.name": call.name,
            "tool.effect": rule.effect.label,
            "tool.declared": self._policies.declares(call.name),
            "tool.offered": call.name in self._offered,
            "tool.valid": arguments is not None,
            "tool.derived": bool(derived),
            "tool.derived_args": derived,
        }

    def _derived(self, arguments: JsonObject | None, rule: ToolRule, known: frozenset[str] | None) -> tuple[str, ...]:
        """The sink arguments that nobody vouches for; ``*`` stands for arguments that cannot be read."""
        if arguments is None:
            return ("*",)
        allowed = _forms(rule.allowed or frozenset[str]())
        sinks = [name for name in arguments if _is_sink(name, arguments[name], rule, known)]
        values = sum(1 for name in sinks for _ in _leaves(arguments[name]))
        if values > _MOST_VALUES:
            return tuple(sinks)
        return tuple([name for name in sinks if not self._vouched(arguments[name], allowed)])

    def _vouched(self, value: JsonValue, allowed: frozenset[str]) -> bool:
        for leaf in _leaves(value):
            told = leaf.strip(" ")
            if told and _form(told) not in allowed and not self._stands(told):
                return False
        return True

    def _stands(self, value: str) -> bool:
        if self._written is None:
            self._written = "\n".join(self._texts).encode(errors="replace")
            self._lower = self._written.lower()
        self._left -= len(self._written)
        if self._left < 0 or len(value) > _LONGEST_VALUE:
            return False
        if "/" in value:
            return stands_in(value.encode(errors="replace"), self._written)
        # Bytes know the case of ASCII letters alone.
        return stands_in(value.encode(errors="replace").lower(), self._lower)


class CallGrounds:
    """Gives the ``tool.*`` facts of an answer's calls; ``prompts`` as in ``Grounds.of``.

    The grounds are made once the model calls a tool, where the call is judged: few answers do, and of long prompts it
    takes long. Rules that act and rules that only watch ask for the same calls, so their facts are kept.
    """

    __slots__ = ("_facts", "_grounds", "_policies", "_prompts", "_tainted")

    def __init__(self, prompts: Sequence[Prompt], policies: Applicable, *, tainted: bool) -> None:
        self._prompts = prompts
        self._policies = policies
        self._tainted = tainted
        self._grounds: Grounds | None = None
        self._facts: dict[ToolCall, Facts] = {}

    def __call__(self, call: ToolCall) -> Facts:
        """The facts of one call."""
        facts = self._facts.get(call)
        if facts is None:
            if self._grounds is None:
                self._grounds = Grounds.of(self._prompts, self._policies, tainted=self._tainted)
            facts = self._facts[call] = self._grounds.facts(call)
        return facts


def _properties(tool: Tool) -> frozenset[str] | None:
    """The arguments that a tool's schema names; None where it names none."""
    named: JsonValue = (tool.parameters or {}).get("properties")
    return frozenset([str(name) for name in named]) if isinstance(named, Mapping) and named else None


def _is_sink(name: str, value: JsonValue, rule: ToolRule, known: frozenset[str] | None) -> bool:
    """Whether something can leave by an argument: a declared one, however its name is written, or one nobody knows."""
    if rule.sink_args is None or (known is not None and name not in known):
        return True
    sinks = _names(rule.sink_args)
    return _name(name) in sinks or any(_name(key) in sinks for key in _keys(value))


@lru_cache(maxsize=256)
def _names(sinks: tuple[str, ...]) -> frozenset[str]:
    return frozenset([_name(sink) for sink in sinks])


def _name(name: str) -> str:
    """One form for names that a program may take for one another."""
    if len(name) > _LONGEST_NAME:
        return name
    folded = unicodedata.normalize("NFKC", name).casefold()
    return "".join([char for char in folded if char.isalnum()]).removesuffix("s")


@lru_cache(maxsize=256)
def _forms(values: frozenset[str]) -> frozenset[str]:
    return frozenset([_form(value.strip(" ")) for value in values])


def _form(value: str) -> str:
    """A value as it is compared: as it is written, in one case of ASCII letters where it holds no path."""
    return value if "/" in value else value.encode(errors="replace").lower().decode()


def _keys(value: JsonValue) -> Iterator[str]:
    """Every key within a value."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield key
            yield from _keys(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _keys(inner)


def _leaves(value: JsonValue) -> Iterator[str]:
    """Every text in a value, keys included; numbers as they are written."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key, inner in value.items():
            yield key
            yield from _leaves(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _leaves(inner)
    elif isinstance(value, bool):
        yield "true" if value else "false"
    elif value is not None:
        yield str(value)


def stands_in(value: bytes, text: bytes) -> bool:
    """Whether ``value`` stands in ``text`` as a whole: not as a part of a longer word, address or URL. Both UTF-8."""
    start = -1
    for _ in range(_MOST_TRIES):
        start = text.find(value, start + 1)
        if start < 0:
            return False
        if (start == 0 or not _is_inner(text[start - 1])) and _ends(text, start + len(value)):
            return True
    return False


def _ends(text: bytes, end: int) -> bool:
    """Whether nothing but what closes a bracket, a quotation or a sentence follows, and then a blank or the end."""
    while end < len(text) and text[end] in _CLOSING:
        end += 1
    return end == len(text) or text[end] in _BLANK


def _is_inner(byte: int) -> bool:
    return byte >= 0x80 or byte in _INNER or chr(byte).isalnum()
