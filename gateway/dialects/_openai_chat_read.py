"""What does an OpenAI chat request ask?

Reading is strict: every key is known, or the request is refused with its path. Roles are kept as they were sent: what
is instruction and what is data is decided later, in one place for all dialects.
"""

from collections.abc import Callable, Mapping
from typing import Final

from gateway.dialects._checks import (
    flag,
    isolation,
    items,
    members,
    model_name,
    name,
    optional_name,
    optional_subject,
    record,
    string,
    tool_name,
    wrong,
)
from gateway.dialects._forbidden import forbidden, is_forbidden_field, refuse_fields, unknown
from gateway.dialects._media import by_reference
from gateway.dialects._openai_chat_fields import FIELDS, REFERENCES, Treatment, check_together, refusal
from gateway.dialects._openai_chat_parts import annotations, content, said_again, spoken
from gateway.dialects._paths import shown
from gateway.dialects._segments import bounded, data_parts, refuse_repeated_ids
from gateway.dialects._tools import chat_tool_choice, chat_tools, check_function_type
from gateway.domain.jsonvalue import JsonObject, JsonValue
from gateway.domain.prompt import Tool, ToolCall
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

_Fields = dict[str, JsonValue]


def read(body: JsonObject) -> ClientRequest:
    """Read a parsed body.

    Raises:
        RequestError: a field is missing, unknown, forbidden or wrong; ``param`` is its path.
    """
    values, extra = _sort(body)
    tools = _tools(body)
    if body.get("tool_choice") is not None:
        values["tool_choice"] = chat_tool_choice(body["tool_choice"], "tool_choice", tools)
    stream, include_usage = _streaming(body)
    return bounded(
        ClientRequest(
            dialect=NAME,
            model=model_name(body.get("model"), "model"),
            messages=_messages(body),
            tools=tools,
            options=Options(stream=stream, include_usage=include_usage, values=values, extra=extra),
            min_isolation=isolation(body.get("min_isolation"), "min_isolation"),
            subject=_subject(body, values),
        )
    )


def _subject(body: JsonObject, values: JsonObject) -> str | None:
    """Whom the request is about: as said for the audit, else as said to the provider of its end user."""
    given = optional_subject(body.get("subject"), "subject")
    metadata = values.get("metadata")
    named = (
        given,
        values.get("safety_identifier"),
        values.get("user"),
        metadata.get("user_id") if isinstance(metadata, dict) else None,
    )
    return next((name for name in named if isinstance(name, str) and name), None)


def _sort(body: JsonObject) -> tuple[_Fields, _Fields]:
    """Checked fields, and unknown ones."""
    values: _Fields = {}
    extra: _Fields = {}
    for key, value in body.items():
        field = FIELDS.get(key)
        if field is None:
            extra[_unknown_field(key, value)] = value
        elif value is None or field.treatment is Treatment.MAPPED:
            continue
        elif field.treatment is Treatment.PASSED:
            values[key] = field.check(value, key)
        else:
            raise refusal(field, key)
    check_together(values)
    return values, extra


def _unknown_field(key: str, value: JsonValue) -> str:
    if is_forbidden_field(key):
        raise forbidden(shown(key))
    if key in REFERENCES:
        raise by_reference(key)
    if shown(key) != key:
        raise unknown(key, "")
    refuse_fields(value, key)
    return key


def _tools(body: JsonObject) -> tuple[Tool, ...]:
    tools = body.get("tools")
    return () if tools is None else chat_tools(tools, "tools")


def _streaming(body: JsonObject) -> tuple[bool, bool]:
    """Whether to stream, and whether to report usage at its end."""
    stream = flag(body.get("stream"), "stream")
    value = body.get("stream_options")
    if value is None:
        return stream, False
    if not stream:
        raise wrong("stream_options", "be left out unless stream is true")
    options = record(value, "stream_options", ("include_usage", "include_obfuscation"))
    if flag(options.get("include_obfuscation"), "stream_options.include_obfuscation"):
        raise wrong("stream_options.include_obfuscation", "be false: the gateway pads no chunks")
    return stream, flag(options.get("include_usage"), "stream_options.include_usage")


def _messages(body: JsonObject) -> tuple[Message, ...]:
    listed = items(body.get("messages"), "messages")
    if not listed:
        raise wrong("messages", "hold at least one message")
    if len(listed) > MOST_SEGMENTS:
        raise wrong("messages", f"hold at most {MOST_SEGMENTS} messages")
    messages = [_message(value, f"messages[{i}]") for i, value in enumerate(listed)]
    data = body.get("data")
    if data is not None:
        _place(messages, Message(role=Role.INPUT, parts=data_parts(data, "data"), path="data"))
    refuse_repeated_ids(messages)
    return tuple(messages)


def _place(messages: list[Message], data: Message) -> None:
    """Put top-level data after the last user message: it belongs to that turn, and tool results follow it."""
    if data.parts:
        last = max((i for i, message in enumerate(messages) if message.role is Role.USER), default=len(messages) - 1)
        messages.insert(last + 1, data)


def _message(value: JsonValue, path: str) -> Message:
    found = members(value, path)
    role = found.get("role")
    reader = _READERS.get(role) if isinstance(role, str) else None
    if reader is None:
        raise wrong(f"{path}.role", f"be one of {', '.join(_READERS)}")
    return reader(found, path)


def _plain(role: Role) -> Callable[[_Fields, str], Message]:
    """A reader for messages that are content and perhaps a name."""
    known = frozenset({"role", "content", "name"})

    def read_plain(found: _Fields, path: str) -> Message:
        for key in found:
            if key not in known:
                raise unknown(key, path)
        return Message(
            role=role,
            parts=content(found.get("content"), role, f"{path}.content"),
            path=path,
            name=optional_name(found.get("name"), f"{path}.name"),
            listed=isinstance(found.get("content"), list),
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
        name=optional_name(found.get("name"), f"{path}.name"),
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
