"""May a request to Anthropic ask for thinking as it does?

The API takes thinking of type ``enabled`` only while the assistant's last turn begins with a thinking block, if it
calls tools. A call that the gateway made up for data has none: what the API would refuse is refused here, with the way
out.
Source: Anthropic's documentation, "Thinking" and "Extended thinking".
"""

from collections.abc import Mapping, Sequence
from typing import Final

from gateway.domain.errors import InvalidField, NotSayable
from gateway.domain.jsonvalue import JsonObject, JsonValue

_FIELD: Final = "thinking"
_KNOWN: Final[Mapping[str, frozenset[str]]] = {
    "adaptive": frozenset({"type", "display"}),
    "between_tools": frozenset({"type"}),
    "disabled": frozenset({"type"}),
    "enabled": frozenset({"type", "budget_tokens", "display"}),
}
_DISPLAYS: Final = frozenset({"omitted", "summarized"})
_LEAST_BUDGET: Final = 1024
_MOST_BUDGET: Final = 2**31 - 1
_THOUGHTS: Final = frozenset({"thinking", "redacted_thinking"})


def check_thinking(extra: JsonObject) -> None:
    """Check the field, if it is there.

    Raises:
        InvalidField: names the member at fault.
    """
    if _FIELD not in extra:
        return
    asked = extra[_FIELD]
    kind = asked.get("type") if isinstance(asked, Mapping) else None
    if not isinstance(asked, Mapping) or not isinstance(kind, str) or kind not in _KNOWN:
        raise _wrong("type", f"be one of {', '.join(sorted(_KNOWN))}")
    for name in asked:
        if name not in _KNOWN[kind]:
            raise _wrong(name, f"be left out: thinking of type {kind} does not know it")
    if asked.get("display", "omitted") not in _DISPLAYS:
        raise _wrong("display", "be omitted or summarized")
    budget = asked.get("budget_tokens", _LEAST_BUDGET if kind != "enabled" else None)
    if not isinstance(budget, int) or isinstance(budget, bool) or not _LEAST_BUDGET <= budget <= _MOST_BUDGET:
        raise _wrong("budget_tokens", f"be a whole number from {_LEAST_BUDGET}")


def budget_of(extra: JsonObject) -> int:
    """How many tokens a checked request sets aside for thinking."""
    asked = extra.get(_FIELD)
    budget = asked.get("budget_tokens") if isinstance(asked, Mapping) else None
    return budget if isinstance(budget, int) else 0


def refuse_unthought_calls(extra: JsonObject, messages: JsonValue) -> None:
    """Refuse what the API would: ``enabled`` behind tool calls before which there is no thinking.

    Raises:
        NotSayable: says how to send it all the same.
    """
    asked = extra.get(_FIELD)
    if not isinstance(asked, Mapping) or asked.get("type") != "enabled" or not isinstance(messages, Sequence):
        return
    last = next((m for m in reversed(messages) if isinstance(m, Mapping) and m.get("role") == "assistant"), None)
    content = None if last is None else last.get("content")
    kinds = [b.get("type") for b in content if isinstance(b, Mapping)] if isinstance(content, Sequence) else []
    if "tool_use" in kinds and kinds[0] not in _THOUGHTS:
        raise NotSayable(
            "thinking of type enabled cannot follow a tool call that has no thinking of its own, as data is sent here: "
            "ask for type adaptive where the model knows it, or set format_options.place of the target to document",
            param=_FIELD,
        )


def _wrong(name: str, must: str) -> InvalidField:
    return InvalidField(f"{_FIELD}.{name} must {must}.", param=f"{_FIELD}.{name}")
