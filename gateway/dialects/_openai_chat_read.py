"""What does an OpenAI chat request ask?

Reading is strict: every key is known, or the request is refused with its path. Roles are kept as they were sent: what
is instruction and what is data is decided later, in one place for all dialects.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Final

from gateway.dialects._checks import (
    flag,
    isolation,
    items,
    members,
    model_name,
    name,
    name_at,
    record,
    string,
    tool_name,
    wrong,
)
from gateway.dialects._fields import sort
from gateway.dialects._forbidden import unknown
from gateway.dialects._openai_chat_fields import FIELDS
from gateway.dialects._openai_chat_parts import PARTS, content, said_again, spoken
from gateway.dialects._openai_fields import streaming, subject_of
from gateway.dialects._openai_parts import annotations, parts_of
from gateway.dialects._segments import bounded, place_data, refuse_repeated_ids
from gateway.dialects._tools import chat_tool_choice, chat_tools, check_function_type
from gateway.domain.jsonvalue import JsonObject, JsonValue
from gateway.domain.prompt import ToolCall
from gateway.domain.request import (
    MOST_SEGMENTS,
    REASONING_FIELDS,
    ClientRequest,
    Message,
    Options,
    Part,
    RefusalPart,
    Role,
)

NAME: Final = "openai_chat"

_STREAM_OPTIONS: Final = frozenset({"include_usage", "include_obfuscation"})

_Fields = dict[str, JsonValue]


def read(body: JsonObject) -> ClientRequest:
    """Read a parsed body.

    Raises:
        RequestError: a field is missing, unknown, forbidden or wrong; ``param`` is its path.
    """
    values, extra = sort(body, FIELDS)
    if "top_logprobs" in values and values.get("logprobs") is not True:
        raise wrong("top_logprobs", "come with logprobs set to true")
    tools = () if (offered := body.get("tools")) is None else chat_tools(offered, "tools")
    if body.get("tool_choice") is not None:
        values["tool_choice"] = chat_tool_choice(body["tool_choice"], "tool_choice", tools)
    stream, options = streaming(body, _STREAM_OPTIONS)
    include_usage = bool(options) and flag(options.get("include_usage"), "stream_options.include_usage")
    return bounded(
        ClientRequest(
            dialect=NAME,
            model=model_name(body.get("model"), "model"),
            messages=_messages(body),
            tools=tools,
            options=Options(stream=stream, include_usage=include_usage, values=values, extra=extra),
            min_isolation=None if (floor := body.get("min_isolation")) is None else isolation(floor, "min_isolation"),
            subject=subject_of(body, values),
        )
    )


def _messages(body: JsonObject) -> tuple[Message, ...]:
    listed = body.get("messages")
    if not isinstance(listed, list):
        raise wrong("messages", "be a list")
    if not listed:
        raise wrong("messages", "hold at least one message")
    if len(listed) > MOST_SEGMENTS:
        raise wrong("messages", f"hold at most {MOST_SEGMENTS} messages")
    messages = _turns(listed)
    if (data := body.get("data")) is not None:
        place_data(messages, data)
    refuse_repeated_ids(messages)
    return tuple(messages)


def _turns(listed: Sequence[JsonValue]) -> list[Message]:
    messages: list[Message] = []
    for index, value in enumerate(listed):
        path = f"messages[{index}]"
        if not isinstance(value, dict):
            raise wrong(path, "be an object")
        role = value.get("role")
        reader = _READERS.get(role) if isinstance(role, str) else None
        if reader is None:
            raise wrong(f"{path}.role", f"be one of {', '.join(_READERS)}")
        messages.append(reader(value, path))
    return messages


def _plain(role: Role) -> Callable[[_Fields, str], Message]:
    """A reader for messages that are content and perhaps a name."""
    known = frozenset({"role", "content", "name"})
    readers = PARTS[role]

    def read_plain(found: _Fields, path: str) -> Message:
        for key in found:
            if key not in known:
                raise unknown(key, path)
        held = found.get("content")
        return Message(
            role=role,
            parts=parts_of(held, role, f"{path}.content", readers),
            path=path,
            name=name_at(found, "name", path) if "name" in found else None,
            listed=isinstance(held, list),
        )

    return read_plain


_TOOL: Final = frozenset({"role", "content", "name", "tool_call_id"})
_FUNCTION: Final = frozenset({"role", "content", "name"})
# The last ones are what SDKs give back of an answer. Annotations say where it came from, and are no input of OpenAI's
# API: they are left out. Whether reasoning goes up is the target's matter.
_ASSISTANT: Final = frozenset(
    {"role", "content", "name", "refusal", "tool_calls", "function_call", "audio"}
    | {"annotations", "provider_specific_fields", *REASONING_FIELDS}
)


def _tool(found: _Fields, path: str) -> Message:
    record(found, path, _TOOL)
    author = found.get("name")
    return Message(
        role=Role.TOOL,
        parts=content(found.get("content"), Role.TOOL, f"{path}.content"),
        path=path,
        name=None if author is None else tool_name(author, f"{path}.name"),
        call_id=name(found.get("tool_call_id"), f"{path}.tool_call_id"),
        listed=isinstance(found.get("content"), list),
    )


def _function(found: _Fields, path: str) -> Message:
    """The deprecated form of a tool result, which knows its call by the function's name."""
    record(found, path, _FUNCTION)
    called = tool_name(found.get("name"), f"{path}.name")
    held = found.get("content")
    return Message(
        role=Role.TOOL,
        parts=content("" if held is None else held, Role.TOOL, f"{path}.content"),
        path=path,
        name=called,
        call_id=_legacy_id(called),
    )


def _legacy_id(called: str) -> str:
    return f"fn.{called}"[:64]


def _assistant(found: _Fields, path: str) -> Message:
    record(found, path, _ASSISTANT)
    spoken(found.get("audio"), f"{path}.audio")
    annotations(found.get("annotations"), f"{path}.annotations")
    said_again(found.get("provider_specific_fields"), found, f"{path}.provider_specific_fields")
    calls = _tool_calls(found, path)
    parts = _assistant_parts(found, path)
    if not parts and not calls:
        raise wrong(f"{path}.content", "be given where the message has no tool calls")
    return Message(
        role=Role.ASSISTANT,
        parts=parts,
        path=path,
        name=name_at(found, "name", path),
        tool_calls=calls,
        listed=isinstance(found.get("content"), list),
        reasoning=_reasoning(found, path),
    )


def _reasoning(found: _Fields, path: str) -> str | None:
    """The assistant's reasoning, under either of its names; a server that fills both says the same twice."""
    given = [string(found[key], f"{path}.{key}") for key in REASONING_FIELDS if found.get(key)]
    return given[0] if given else None


def _assistant_parts(found: _Fields, path: str) -> tuple[Part, ...]:
    held = found.get("content")
    parts = () if held is None else content(held, Role.ASSISTANT, f"{path}.content")
    refused = found.get("refusal")
    if refused is None:
        return parts
    return (*parts, RefusalPart(text=string(refused, f"{path}.refusal"), path=f"{path}.refusal"))


def _tool_calls(found: _Fields, path: str) -> tuple[ToolCall, ...]:
    listed = found.get("tool_calls")
    where = f"{path}.tool_calls"
    entries = () if listed is None else items(listed, where)
    calls = tuple([_tool_call(value, f"{where}[{i}]") for i, value in enumerate(entries)])
    legacy = found.get("function_call")
    if legacy is None:
        return calls
    called, arguments = _called(legacy, f"{path}.function_call")
    return (*calls, ToolCall(id=_legacy_id(called), name=called, arguments=arguments))


def _tool_call(value: JsonValue, path: str) -> ToolCall:
    check_function_type(members(value, path).get("type"), f"{path}.type")
    found = record(value, path, ("id", "type", "function"))
    called, arguments = _called(found.get("function"), f"{path}.function")
    return ToolCall(id=name(found.get("id"), f"{path}.id"), name=called, arguments=arguments)


def _called(value: JsonValue, path: str) -> tuple[str, str]:
    found = record(value, path, ("name", "arguments"))
    return tool_name(found.get("name"), f"{path}.name"), string(found.get("arguments"), f"{path}.arguments")


_READERS: Final[Mapping[str, Callable[[_Fields, str], Message]]] = {
    "system": _plain(Role.SYSTEM),
    "developer": _plain(Role.DEVELOPER),
    "user": _plain(Role.USER),
    "assistant": _assistant,
    "tool": _tool,
    "function": _function,
    "input": _plain(Role.INPUT),
}
