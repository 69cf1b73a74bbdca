"""What request does a file hold, and in which dialect?"""

import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Final

from gateway.cli.told import WRONG, CommandFailed
from gateway.dialects.body import parse_body
from gateway.dialects.registry import DIALECTS
from gateway.domain.errors import InvalidField
from gateway.domain.jsonvalue import JsonObject, JsonValue
from gateway.domain.request import ClientRequest

MAX_BYTES: Final = 256 * 1024 * 1024

# Records say which dialect they are in by its name; people may write the other spelling.
_READERS: Final[Mapping[str, Callable[[JsonObject], ClientRequest]]] = {
    spelling: dialect.read for name, dialect in DIALECTS.items() for spelling in (name, name.replace("_", "-"))
}

_ANTHROPICS: Final = frozenset({"system", "stop_sequences", "thinking", "output_config", "cache_control"})
_ANTHROPICS_BLOCKS: Final = frozenset({
    "image", "document", "search_result", "tool_use", "tool_result", "thinking", "redacted_thinking",
})  # fmt: skip


def read_bytes(path: Path) -> bytes:
    """The file's bytes, or stdin's for ``-``.

    Raises:
        CommandFailed: there is no such file, or it is far too large.
    """
    try:
        if str(path) == "-":
            raw = sys.stdin.buffer.read(MAX_BYTES + 1)
        else:
            with path.open("rb") as file:
                raw = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise CommandFailed(
            f"{path} cannot be read ({error.strerror}); name a file, or - for stdin", code=WRONG
        ) from error
    if len(raw) > MAX_BYTES:
        raise CommandFailed(f"{path} is larger than {MAX_BYTES} bytes; split it", code=WRONG)
    return raw


def read_request(raw: bytes, *, dialect: str, model: str | None = None) -> ClientRequest:
    """Read a body, or a record ``{"dialect": …, "body": …}`` of one.

    Raises:
        RequestError: what the gateway would answer to this body.
    """
    body: JsonObject = parse_body(raw)
    recorded, named = body.get("body"), body.get("dialect")
    if isinstance(recorded, Mapping):
        dialect = named if dialect == "auto" and isinstance(named, str) else dialect
        body = recorded
    return read_body(body, dialect=dialect, model=model)


def read_body(body: JsonObject, *, dialect: str, model: str | None = None) -> ClientRequest:
    """Read a parsed body.

    Raises:
        RequestError: what the gateway would answer to this body.
    """
    if model is not None:
        body = {**body, "model": model}
    reader = _READERS.get(_dialect_of(body) if dialect == "auto" else dialect)
    if reader is None:
        raise InvalidField(
            f"no dialect has the recorded name; there are {', '.join(sorted(_READERS))}", param="dialect"
        )
    return reader(body)


def _dialect_of(body: JsonObject) -> str:
    """By the fields: Anthropic's only where something stands that OpenAI's API does not know at that place."""
    messages = body.get("messages")
    if messages is None:
        return "openai-responses" if "input" in body else "split"
    return "anthropic-messages" if _is_anthropics(body, messages) else "openai-chat"


def _is_anthropics(body: JsonObject, messages: JsonValue) -> bool:
    if not _ANTHROPICS.isdisjoint(body) or any("input_schema" in tool for tool in _objects(body.get("tools"))):
        return True
    blocks = [block for message in _objects(messages) for block in _objects(message.get("content"))]
    return any(block.get("type") in _ANTHROPICS_BLOCKS for block in blocks)


def _objects(value: JsonValue) -> Iterator[JsonObject]:
    """The objects in a list."""
    for one in value if isinstance(value, list) else ():
        if isinstance(one, Mapping):
            yield one
