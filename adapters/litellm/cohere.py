"""What does Cohere's own answer say?

litellm reads of it less than is there: it takes every answer for a finished one, leaves the text out where tools are
called, and of a stream it reads neither tool calls nor the end. So Cohere is always asked for a whole answer, which is
read here. Source: Cohere's API reference, "Chat", version 2.
"""

from collections.abc import Mapping
from typing import Final

import orjson

from adapters.litellm.answer import Unreadable
from gateway.domain.jsonvalue import JsonObject, JsonValue

VENDORS: Final = frozenset({"cohere", "cohere_chat"})
_ENDINGS: Final[Mapping[str, str]] = {
    "COMPLETE": "stop",
    "STOP_SEQUENCE": "stop",
    "MAX_TOKENS": "length",
    "TOOL_CALL": "tool_calls",
}


def corrected(answer: JsonObject, raw: bytes) -> JsonObject:
    """Litellm's ``answer`` as a dictionary, with what Cohere's own, ``raw``, says of text, calls and ending.

    Raises:
        Unreadable: it is no answer, or none that came to its end.
    """
    try:
        own: JsonValue = orjson.loads(raw)
    except orjson.JSONDecodeError:
        raise Unreadable from None
    if not isinstance(own, Mapping) or not isinstance(message := own.get("message"), Mapping):
        raise Unreadable
    ending = _ENDINGS.get(str(own.get("finish_reason")))
    if ending is None:
        raise Unreadable
    calls = message.get("tool_calls")
    said: JsonObject = {**_said(message), "tool_calls": calls, "annotations": _annotations(answer.get("choices"))}
    choices: list[JsonValue] = [{"index": 0, "message": said, "finish_reason": ending}]
    return {**answer, "id": own.get("id") or answer.get("id"), "choices": choices}


def _annotations(choices: JsonValue) -> JsonValue:
    """What litellm makes of the citations."""
    match choices:
        case [{"message": {"annotations": notes}}]:
            return notes
        case _:
            return None


def _said(message: JsonObject) -> JsonObject:
    """Text and reasoning; a plan for tools is what a model says before it calls them."""
    content = message.get("content")
    texts: list[str] = []
    thoughts: list[str] = [plan] if isinstance(plan := message.get("tool_plan"), str) and plan else []
    for part in content if isinstance(content, list) else []:
        match part:
            case {"type": "text", "text": str() as text}:
                texts.append(text)
            case {"type": "thinking", "thinking": str() as text}:
                thoughts.append(text)
            case _:
                raise Unreadable
    return {
        "content": "".join(texts) if texts else None,
        "reasoning_content": "\n".join(thoughts) if thoughts else None,
    }
