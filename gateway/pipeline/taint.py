"""Could a value stem from data?

A request whose context holds data, or history that the gateway does not know as untainted, is tainted. There, a value
counts as data-derived unless the whole of it stands in operator or user text, or in a policy's list: the other
question, whether it stands in the data, misses what was joined, encoded or paraphrased.
"""

import unicodedata
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

from gateway.domain.detection import Facts
from gateway.domain.jsonvalue import JsonObject, JsonValue
from gateway.domain.ports import Untainted
from gateway.domain.prompt import History, Prompt, Speaker, ToolCall, Turn
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
# A value that stands in the text more often than this, and never as a whole, counts as derived.
_MOST_TRIES: Final = 1_000
# Beside these a value is part of a longer word, address or URL.
_INNER: Final = frozenset("@._-+%/:=&?#~'\\$*!")
# Unless one of these ends a sentence.
_STOPS: Final = frozenset(".,:;!?'")


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
    return exact_content(text, refusal, turn.reasoning, turn.tool_calls)


def exact_content(
    text: str | None, refusal: str | None, reasoning: str | None, calls: Iterable[ToolCall]
) -> tuple[str, ...]:
    """What a reply and the assistant's turn made of it have in common; absent and empty texts are alike."""
    told = [part for call in calls for part in (call.name, call.arguments)]
    return (text or "", refusal or "", reasoning or "", *told)


@dataclass(frozen=True, slots=True, kw_only=True)
class Grounds:
    """What may stand in a sink: operator and user text, brought into one form."""

    tainted: bool
    offered: frozenset[str]
    text: str
    policies: Applicable

    @classmethod
    def of(cls, prompts: Sequence[Prompt], policies: Applicable, *, tainted: bool) -> "Grounds":
        """The grounds of a request, of which ``prompts`` are the forms as it came and as it is sent."""
        told = [segment.text for prompt in prompts for segment in prompt.instructions] if tainted else []
        text = "\n".join([canonical(one) for one in dict.fromkeys(told)])
        offered = frozenset([tool.name for prompt in prompts for tool in prompt.tools])
        return cls(tainted=tainted, offered=offered, text=text, policies=policies)

    def facts(self, call: ToolCall) -> Facts:
        """The ``tool.*`` facts of a call that the model made."""
        rule = self.policies.tool(call.name)
        try:
            arguments = parse_object(call.arguments)
        except ValueError:
            arguments = None
        derived = () if not self.tainted else _derived(arguments, rule, self.text)
        return {
            "tool.name": call.name,
            "tool.effect": rule.effect.label,
            "tool.declared": self.policies.declares(call.name),
            "tool.offered": call.name in self.offered,
            "tool.valid": arguments is not None,
            "tool.derived": bool(derived),
            "tool.derived_args": derived,
        }


def _derived(arguments: JsonObject | None, rule: ToolRule, text: str) -> tuple[str, ...]:
    """The sink arguments that nobody vouches for; ``*`` stands for arguments that cannot be read."""
    if arguments is None:
        return ("*",)
    allowed = frozenset([canonical(value) for value in rule.allowed or ()])
    sinks = arguments if rule.sink_args is None else [name for name in rule.sink_args if name in arguments]
    return tuple([name for name in sinks if not _is_grounded(arguments[name], text, allowed)])


def _is_grounded(value: JsonValue, text: str, allowed: frozenset[str]) -> bool:
    for count, leaf in enumerate(_leaves(value)):
        if count >= _MOST_VALUES or len(leaf) > _LONGEST_VALUE:
            return False
        told = canonical(leaf)
        if told and told not in allowed and not stands_in(told, text):
            return False
    return True


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


def canonical(text: str) -> str:
    """One form for values that mean the same: compatibility forms and case folded, blanks made one."""
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())


def stands_in(value: str, text: str) -> bool:
    """Whether ``value`` stands in ``text`` as a whole: not as a part of a longer word, address or URL."""
    start = -1
    for _ in range(_MOST_TRIES):
        start = text.find(value, start + 1)
        if start < 0:
            return False
        if _begins(text, start) and _ends(text, start + len(value)):
            return True
    return False


def _begins(text: str, start: int) -> bool:
    return start == 0 or not _is_inner(text[start - 1])


def _ends(text: str, end: int) -> bool:
    if end == len(text) or not _is_inner(text[end]):
        return True
    following = text[end + 1] if end + 1 < len(text) else " "
    return text[end] in _STOPS and not _is_inner(following)


def _is_inner(char: str) -> bool:
    return char.isalnum() or char in _INNER
