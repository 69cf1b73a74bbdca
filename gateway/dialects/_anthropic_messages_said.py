"""What did the assistant say before, in an Anthropic message?

Text and calls as an SDK gives them back of an answer. Thinking is put together from all of its blocks, each of which
its signature seals; where a signature is missing nothing counts as sealed, since a vendor takes back all or nothing.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

import orjson

from gateway.dialects._anthropic_messages_blocks import blocks, is_listed, misplaced, uncited
from gateway.dialects._anthropic_messages_fields import cache_life
from gateway.dialects._checks import members, name, record, string, tool_name, wrong
from gateway.dialects._seals import TOKEN
from gateway.domain.errors import ContentByReference
from gateway.domain.jsonvalue import JsonObject, JsonValue
from gateway.domain.prompt import CacheLife, Seal, ToolCall
from gateway.domain.request import Message, Part, Role, TextPart

_TEXT: Final = frozenset({"type", "text", "cache_control", "citations"})
_CALL: Final = frozenset({"type", "id", "name", "input", "cache_control", "caller", "toolset_name"})


@dataclass(slots=True)
class _Said:
    """A message while it is read."""

    parts: list[Part] = field(default_factory=list[Part])
    calls: list[ToolCall] = field(default_factory=list[ToolCall])
    thought: list[str] = field(default_factory=list[str])
    seals: list[Seal] = field(default_factory=list[Seal])
    sealed: bool = True
    cache: CacheLife | None = None


def assistant(found: JsonObject, path: str) -> Message:
    """An assistant's message."""
    where = f"{path}.content"
    said = _Said()
    held = record(found, path, ("role", "content")).get("content")
    if isinstance(held, str):
        said.parts.append(TextPart(text=held, path=where))
    else:
        for index, entry in enumerate(blocks(held, where)):
            _take(said, members(entry, f"{where}[{index}]"), f"{where}[{index}]")
    if not (said.parts or said.calls or said.seals or any(said.thought)):
        raise wrong(where, "say something")
    return Message(
        role=Role.ASSISTANT,
        parts=tuple(said.parts),
        path=path,
        tool_calls=tuple(said.calls),
        listed=is_listed(said.parts),
        reasoning="".join(said.thought) or None,
        seals=tuple(said.seals) if said.sealed else (),
        cache=said.cache,
    )


def _take(said: _Said, found: JsonObject, path: str) -> None:
    kind = found.get("type")
    reader = _READERS.get(kind) if isinstance(kind, str) else None
    if reader is None:
        raise misplaced(kind, tuple(_READERS), f"{path}.type")
    reader(said, found, path)


def _text(said: _Said, found: JsonObject, path: str) -> None:
    record(found, path, _TEXT)
    uncited(found.get("citations"), f"{path}.citations")
    text = string(found.get("text"), f"{path}.text")
    said.parts.append(TextPart(text=text, path=path, cache=_cache(found, path)))


def _thinking(said: _Said, found: JsonObject, path: str) -> None:
    record(found, path, ("type", "thinking", "signature"))
    text = string(found.get("thinking"), f"{path}.thinking")
    said.thought.append(text)
    signature = found.get("signature")
    if signature is None or signature == "":
        said.sealed = said.sealed and not text
    else:
        said.seals.append(Seal(length=len(text), token=_token(signature, f"{path}.signature")))


def _redacted(said: _Said, found: JsonObject, path: str) -> None:
    record(found, path, ("type", "data"))
    said.seals.append(Seal(length=0, token=_token(found.get("data"), f"{path}.data"), hidden=True))


def _token(value: JsonValue, path: str) -> str:
    """A vendor's own token: never words."""
    if isinstance(value, str) and TOKEN.fullmatch(value):
        return value
    raise wrong(path, "be what an earlier answer had there, unchanged")


def _tool_use(said: _Said, found: JsonObject, path: str) -> None:
    record(found, path, _CALL)
    caller = found.get("caller")
    if caller is not None and record(caller, f"{path}.caller", ("type", "tool_id")).get("type") != "direct":
        raise ContentByReference(
            f"{path}.caller says that code which the provider ran made this call: the gateway cannot see why.",
            param=f"{path}.caller",
        )
    if found.get("toolset_name") is not None:
        raise wrong(f"{path}.toolset_name", "be left out: offer custom tools")
    call = ToolCall(
        id=name(found.get("id"), f"{path}.id"),
        name=tool_name(found.get("name"), f"{path}.name"),
        arguments=orjson.dumps(members(found.get("input"), f"{path}.input")).decode(),
    )
    said.calls.append(call)
    # A mark on any of the calls stands behind the whole message.
    said.cache = _cache(found, path) or said.cache


def _cache(found: JsonObject, path: str) -> CacheLife | None:
    return cache_life(found.get("cache_control"), f"{path}.cache_control")


_READERS: Final[Mapping[str, Callable[[_Said, JsonObject, str], None]]] = {
    "text": _text,
    "thinking": _thinking,
    "redacted_thinking": _redacted,
    "tool_use": _tool_use,
}
