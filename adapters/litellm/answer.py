"""What does a vendor's answer say, in OpenAI's shape?

Pure: from what litellm gives as dictionaries, field by field, so that nothing of it gets out that nobody asked for:
prices, addresses, vendors' own fields. An answer with content that no reader of ours can take is refused, not thinned.
"""

from collections.abc import Mapping, Sequence
from typing import Final

from gateway.domain.jsonvalue import JsonObject, JsonValue

_DETAILS: Final[Mapping[str, tuple[str, ...]]] = {
    "prompt_tokens_details": ("cached_tokens", "cache_write_tokens"),
    "completion_tokens_details": ("reasoning_tokens",),
}
_COUNTS: Final = ("prompt_tokens", "completion_tokens", "total_tokens")
# What a message may hold that has no place in a text answer.
_UNREADABLE: Final = ("audio", "images", "function_call")


class Unreadable(Exception):
    """The answer holds what cannot be handed on."""


def whole(answer: JsonObject) -> JsonObject:
    """A chat completion.

    Raises:
        Unreadable: it holds content of another kind than text and tool calls.
    """
    choices: list[JsonValue] = [
        {
            "index": choice.get("index", 0),
            "message": {"role": "assistant", **_said(_object(choice.get("message")), ("id",))},
            "finish_reason": choice.get("finish_reason"),
            "logprobs": choice.get("logprobs"),
        }
        for choice in _objects(answer.get("choices"))
    ]
    return {**_head(answer, "chat.completion"), "choices": choices, **_usage(answer)}


def piece(chunk: JsonObject) -> JsonObject:
    """One chunk of a stream; raises as ``whole`` does."""
    choices: list[JsonValue] = [
        {
            "index": choice.get("index", 0),
            "delta": _said(_object(choice.get("delta")), ("index", "id")),
            "finish_reason": choice.get("finish_reason"),
            "logprobs": choice.get("logprobs"),
        }
        for choice in _objects(chunk.get("choices"))
    ]
    return {**_head(chunk, "chat.completion.chunk"), "choices": choices, **_usage(chunk)}


def finishes(chunk: JsonObject) -> bool:
    """Whether a chunk says that a choice is at its end."""
    return any(choice.get("finish_reason") for choice in _objects(chunk.get("choices")))


def in_pieces(answer: JsonObject) -> list[JsonObject]:
    """A whole completion, as ``whole`` gives it, told as a stream."""
    head = {**answer, "object": "chat.completion.chunk"}
    usage = head.pop("usage", None)
    said: list[JsonValue] = []
    ends: list[JsonValue] = []
    for choice in _objects(answer["choices"]):
        message = _object(choice.get("message"))
        calls = [{"index": index, **call} for index, call in enumerate(_objects(message.get("tool_calls")))]
        delta = {**message, "tool_calls": calls} if calls else message
        said.append({**choice, "delta": delta, "message": None, "finish_reason": None})
        ends.append({"index": choice["index"], "delta": {}, "finish_reason": choice["finish_reason"]})
    last: list[JsonObject] = [] if usage is None else [{**head, "choices": [], "usage": usage}]
    return [{**head, "choices": said}, {**head, "choices": ends}, *last]


def embeddings(answer: JsonObject, model: str) -> JsonObject:
    """Embeddings, in the order of their inputs."""
    data: list[JsonValue] = [
        {"object": "embedding", "index": index, "embedding": one.get("embedding")}
        for index, one in enumerate(_objects(answer.get("data")))
    ]
    return {"object": "list", "data": data, "model": answer.get("model") or model, **_usage(answer)}


def _head(answer: JsonObject, kind: str) -> dict[str, JsonValue]:
    return {
        "id": answer.get("id") or "",
        "object": kind,
        "created": answer.get("created") or 0,
        "model": answer.get("model") or "",
    }


def _said(message: JsonObject, of_calls: Sequence[str]) -> JsonObject:
    """The content of a message or of a delta, without what it leaves out; ``of_calls`` is what calls are known by."""
    for name in _UNREADABLE:
        if message.get(name):
            raise Unreadable
    said: dict[str, JsonValue] = {
        name: message[name]
        for name in ("content", "reasoning_content", "refusal")
        if isinstance(message.get(name), str)
    }
    calls: list[JsonValue] = [_call(call, of_calls) for call in _objects(message.get("tool_calls"))]
    if calls:
        said["tool_calls"] = calls
    if notes := _objects(message.get("annotations")):
        said["annotations"] = list[JsonValue](notes)
    return said


def _call(call: JsonObject, known_by: Sequence[str]) -> JsonObject:
    function = _object(call.get("function"))
    told: dict[str, JsonValue] = {
        name: function[name] for name in ("name", "arguments") if function.get(name) is not None
    }
    head = {name: call[name] for name in known_by if call.get(name) is not None}
    if isinstance(given := head.get("id"), str):
        # litellm packs Gemini's opaque signature into the id, which is longer than any client may send back.
        head["id"] = given.partition("__thought__")[0]
    return {**head, "type": "function", "function": told}


def _usage(answer: JsonObject) -> JsonObject:
    usage = answer.get("usage")
    if not isinstance(usage, Mapping):
        return {}
    counted: dict[str, JsonValue] = {name: usage.get(name) or 0 for name in _COUNTS}
    for name, wanted in _DETAILS.items():
        held = _object(usage.get(name))
        details = {one: held[one] for one in wanted if isinstance(held.get(one), int)}
        if details:
            counted[name] = details
    return {"usage": counted}


def _object(value: JsonValue) -> JsonObject:
    return value if isinstance(value, Mapping) else {}


def _objects(value: JsonValue) -> list[JsonObject]:
    return [one for one in value if isinstance(one, Mapping)] if isinstance(value, list) else []
