"""Which messages may be handed to litellm?

Those of OpenAI's chat completions, with content that stands in the request itself: a URL that is not ``data:`` would
have litellm fetch it.
"""

from collections.abc import Callable, Mapping
from typing import Final

from adapters._refusal import Refused
from adapters.litellm._keys import items, record, text, wrong
from gateway.domain.jsonvalue import JsonObject, JsonValue

_MOST_MESSAGES: Final = 8192
_MOST_PARTS: Final = 8192
_COMMON: Final = frozenset({"role", "content", "name"})
_KEYS: Final[Mapping[str, frozenset[str]]] = {
    "system": _COMMON,
    "user": _COMMON,
    "assistant": _COMMON | {"tool_calls", "refusal"},
    "tool": _COMMON | {"tool_call_id"},
}
# Under which names an assistant's earlier reasoning may come, for targets that take it.
_REASONING: Final = frozenset({"reasoning_content", "reasoning"})


def check_messages(value: JsonValue, fields: frozenset[str]) -> list[JsonValue]:
    """The messages, each with no keys but its role's; ``fields`` are what the target takes beside OpenAI's.

    Raises:
        Refused: one has to change.
    """
    messages = items(value, "messages", _MOST_MESSAGES)
    if not messages:
        raise wrong("messages")
    checked: list[JsonValue] = []
    for index, one in enumerate(messages):
        path = f"messages[{index}]"
        role = text(one.get("role"), f"{path}.role") if isinstance(one, dict) else ""
        allowed = _KEYS.get(role)
        if allowed is None:
            raise wrong(f"{path}.role")
        message = record(one, path, allowed | (fields & _REASONING) if role == "assistant" else allowed)
        _check(message, path, role)
        checked.append(message)
    return checked


def _check(message: JsonObject, path: str, role: str) -> None:
    content = message.get("content")
    if isinstance(content, list):
        for index, part in enumerate(items(content, f"{path}.content", _MOST_PARTS)):
            _check_part(part, f"{path}.content[{index}]", role)
    elif not (content is None and role == "assistant"):
        text(content, f"{path}.content")
    for key in ("name", "refusal", "tool_call_id", *_REASONING):
        if key in message:
            text(message[key], f"{path}.{key}")
    if role == "tool":
        text(message.get("tool_call_id"), f"{path}.tool_call_id")
    for index, call in enumerate(items(message.get("tool_calls", []), f"{path}.tool_calls")):
        _check_call(call, f"{path}.tool_calls[{index}]")


def _check_call(value: JsonValue, path: str) -> None:
    call = record(value, path, frozenset({"id", "type", "function", "extra_content"}))
    text(call.get("id"), f"{path}.id")
    if call.get("type") != "function":
        raise wrong(f"{path}.type")
    function = record(call.get("function"), f"{path}.function", frozenset({"name", "arguments"}))
    text(function.get("name"), f"{path}.function.name")
    text(function.get("arguments"), f"{path}.function.arguments")
    if "extra_content" in call:
        # Where Gemini's signatures are in OpenAI's protocol.
        of_google = record(call["extra_content"], f"{path}.extra_content", frozenset({"google"}))
        google = record(of_google.get("google"), f"{path}.extra_content.google", frozenset({"thought_signature"}))
        text(google.get("thought_signature"), f"{path}.extra_content.google.thought_signature")


def _check_part(value: JsonValue, path: str, role: str) -> None:
    kind = value.get("type") if isinstance(value, dict) else None
    if not isinstance(kind, str) or kind not in _PARTS.get(role, _TEXT_ALONE):
        raise wrong(f"{path}.type")
    _READERS[kind](record(value, path, frozenset({"type", kind})).get(kind), f"{path}.{kind}")


def _string(value: JsonValue, path: str) -> None:
    text(value, path)


def _image(value: JsonValue, path: str) -> None:
    image = record(value, path, frozenset({"url", "detail"}))
    _inline(image.get("url"), f"{path}.url")


def _sound(value: JsonValue, path: str) -> None:
    sound = record(value, path, frozenset({"data", "format"}))
    text(sound.get("data"), f"{path}.data")
    text(sound.get("format"), f"{path}.format")


def _file(value: JsonValue, path: str) -> None:
    file = record(value, path, frozenset({"file_data", "filename"}))
    _inline(file.get("file_data"), f"{path}.file_data")


def _inline(value: JsonValue, path: str) -> None:
    head, found, content = text(value, path).partition(";base64,")
    if not found or not head.startswith("data:") or not content:
        raise Refused(
            "content_by_reference", f"{path} must be a data: URL: content is sent in the request itself.", param=path
        )


_READERS: Final[Mapping[str, Callable[[JsonValue, str], None]]] = {
    "text": _string,
    "refusal": _string,
    "image_url": _image,
    "input_audio": _sound,
    "file": _file,
}
_TEXT_ALONE: Final = frozenset({"text"})
_PARTS: Final[Mapping[str, frozenset[str]]] = {
    "user": frozenset({"text", "image_url", "input_audio", "file"}),
    "assistant": frozenset({"text", "refusal"}),
}
