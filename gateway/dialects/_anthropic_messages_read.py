"""What does an Anthropic Messages request ask?

Reading is strict: every key is known, or the request is refused with its path. A user's message becomes several: each
tool result is a message of the role ``tool``, and what stands around it messages of the user's, in the order of the
blocks. One text in a list is the same as that text alone, as the vendor has it.
"""

from collections.abc import Callable, Mapping
from typing import Final

from gateway.dialects._anthropic_messages_blocks import block, blocks, content, is_listed
from gateway.dialects._anthropic_messages_fields import cache_life
from gateway.dialects._anthropic_messages_said import assistant
from gateway.dialects._anthropic_messages_tools import options_of, tools_of
from gateway.dialects._checks import (
    flag,
    isolation,
    items,
    members,
    model_name,
    name,
    optional_subject,
    record,
    wrong,
)
from gateway.dialects._segments import bounded, place_data, refuse_repeated_ids
from gateway.domain.jsonvalue import JsonObject, JsonValue
from gateway.domain.request import MOST_SEGMENTS, ClientRequest, Message, Options, Part, Role, TextPart

NAME: Final = "anthropic_messages"

_RESULT: Final = frozenset({"type", "tool_use_id", "content", "is_error", "cache_control", "toolset_name"})


def read(body: JsonObject) -> ClientRequest:
    """Read a parsed body.

    Raises:
        RequestError: a field is missing, unknown, forbidden or wrong; ``param`` is its path.
    """
    return _read(body, counts=False)


def read_count(body: JsonObject) -> ClientRequest:
    """Read a request that only asks how many tokens it has; it says nothing of the answer, such as its length.

    Raises:
        RequestError: as ``read``.
    """
    return _read(body, counts=True)


def _read(body: JsonObject, *, counts: bool) -> ClientRequest:
    tools = tools_of(body)
    options = options_of(body, tools, counts=counts)
    return bounded(
        ClientRequest(
            dialect=NAME,
            model=model_name(body.get("model"), "model"),
            messages=_messages(body),
            tools=tools,
            options=options,
            min_isolation=None if (floor := body.get("min_isolation")) is None else isolation(floor, "min_isolation"),
            subject=_subject(body, options),
        )
    )


def _subject(body: JsonObject, options: Options) -> str | None:
    """Whom the request is about: as said for the audit, else as said to the provider of its end user."""
    given = optional_subject(body.get("subject"), "subject")
    user = options.values.get("user")
    return given or (user if isinstance(user, str) and user else None)


def _messages(body: JsonObject) -> tuple[Message, ...]:
    listed = items(body.get("messages"), "messages")
    if not listed:
        raise wrong("messages", "hold at least one message")
    if len(listed) > MOST_SEGMENTS:
        raise wrong("messages", f"hold at most {MOST_SEGMENTS} messages")
    messages = _system(body.get("system"))
    for index, value in enumerate(listed):
        messages += _message(value, f"messages[{index}]")
    if (data := body.get("data")) is not None:
        place_data(messages, data)
    refuse_repeated_ids(messages)
    return tuple(messages)


def _system(value: JsonValue) -> list[Message]:
    """The operator's message, if there is one."""
    if value is None or value == []:
        return []
    return [_of(Role.SYSTEM, content(value, Role.SYSTEM, "system"), "system")]


def _message(value: JsonValue, path: str) -> list[Message]:
    found = members(value, path)
    role = found.get("role")
    reader = _READERS.get(role) if isinstance(role, str) else None
    if reader is None:
        raise wrong(f"{path}.role", f"be one of {', '.join(_READERS)}")
    return reader(found, path)


def _plain(role: Role) -> Callable[[JsonObject, str], list[Message]]:
    """A reader for messages that are content alone."""

    def read_plain(found: JsonObject, path: str) -> list[Message]:
        held = record(found, path, ("role", "content")).get("content")
        return [_of(role, content(held, role, f"{path}.content"), path)]

    return read_plain


def _said(found: JsonObject, path: str) -> list[Message]:
    return [assistant(found, path)]


def _user(found: JsonObject, path: str) -> list[Message]:
    held = record(found, path, ("role", "content")).get("content")
    where = f"{path}.content"
    if isinstance(held, str):
        return [_of(Role.USER, [TextPart(text=held, path=where)], path)]
    messages: list[Message] = []
    parts: list[Part] = []
    for index, entry in enumerate(blocks(held, where)):
        here = f"{where}[{index}]"
        if members(entry, here).get("type") != "tool_result":
            parts += block(entry, Role.USER, here)
            continue
        messages += [_of(Role.USER, parts, path)] if parts else []
        messages.append(_result(members(entry, here), here))
        parts = []
    return [*messages, _of(Role.USER, parts, path)] if parts else messages


def _result(found: JsonObject, path: str) -> Message:
    """A tool's result; one without content is an empty text."""
    record(found, path, _RESULT)
    if found.get("toolset_name") is not None:
        raise wrong(f"{path}.toolset_name", "be left out: offer custom tools")
    held = found.get("content")
    parts = content("" if held is None or held == [] else held, Role.TOOL, f"{path}.content")
    return Message(
        role=Role.TOOL,
        parts=tuple(parts),
        path=path,
        call_id=name(found.get("tool_use_id"), f"{path}.tool_use_id"),
        listed=is_listed(parts),
        failed=flag(found.get("is_error"), f"{path}.is_error"),
        cache=cache_life(found.get("cache_control"), f"{path}.cache_control"),
    )


def _of(role: Role, parts: list[Part], path: str) -> Message:
    return Message(role=role, parts=tuple(parts), path=path, listed=is_listed(parts))


_READERS: Final[Mapping[str, Callable[[JsonObject, str], list[Message]]]] = {
    "user": _user,
    "assistant": _said,
    "system": _plain(Role.SYSTEM),
    "input": _plain(Role.INPUT),
}
