"""What does a native request ask?

``instructions`` become system and user messages in the order in which they were written, ``data`` one input message
after them. Every field is known, or the request is refused: nothing is passed on unread.
"""

from collections.abc import Mapping
from itertools import groupby
from typing import Final

from gateway.dialects._checks import (
    Check,
    boolean,
    integer,
    isolation,
    members,
    model_name,
    name_at,
    number,
    one_of,
    optional_subject,
    record,
    stop,
    text_at,
    wrong,
)
from gateway.dialects._forbidden import unknown
from gateway.dialects._segments import bounded, data_parts, refuse_repeated_ids
from gateway.dialects._tools import choice_word, chosen, functions
from gateway.domain.jsonvalue import JsonObject, JsonValue
from gateway.domain.prompt import Tool, Trust
from gateway.domain.request import ClientRequest, Message, Options, Role, TextPart

NAME: Final = "split"

_INSTRUCTION: Final = frozenset({"id", "origin", "text", "trust", "subject"})
_LABEL: Final = one_of("operator", "user")

# The fields that go upstream under the same name once they are checked.
_PASSED: Final[Mapping[str, Check]] = {
    "max_tokens": integer(1, 2**31 - 1),
    "temperature": number(0, 2),
    "top_p": number(0, 1),
    "seed": integer(-(2**63), 2**63 - 1),
    "stop": stop,
}
FIELDS: Final = frozenset(_PASSED) | {
    "model", "instructions", "data", "min_isolation", "stream", "tools", "tool_choice", "output_schema", "subject",
}  # fmt: skip


def read(body: JsonObject) -> ClientRequest:
    """Read a parsed body.

    Raises:
        RequestError: a field is missing, unknown, forbidden or wrong; ``param`` is its path.
    """
    for key in body:
        if key not in FIELDS:
            raise unknown(key, "")
    tools = () if body.get("tools") is None else functions(body["tools"], "tools")
    asked, floor, subject = body.get("stream"), body.get("min_isolation"), body.get("subject")
    stream = asked is not None and boolean(asked, "stream")
    return bounded(
        ClientRequest(
            dialect=NAME,
            model=model_name(body.get("model"), "model"),
            messages=_messages(body),
            tools=tools,
            # The last event reports usage whether it was asked for or not.
            options=Options(stream=stream, include_usage=stream, values=_values(body, tools)),
            min_isolation=None if floor is None else isolation(floor, "min_isolation"),
            roleless=True,
            subject=None if subject is None else optional_subject(subject, "subject"),
        )
    )


def _values(body: JsonObject, tools: tuple[Tool, ...]) -> dict[str, JsonValue]:
    values: dict[str, JsonValue] = {}
    for key, check in _PASSED.items():
        if (value := body.get(key)) is not None:
            values[key] = check(value, key)
    if body.get("tool_choice") is not None:
        values["tool_choice"] = _tool_choice(body["tool_choice"], tools)
    if body.get("output_schema") is not None:
        schema = members(body["output_schema"], "output_schema")
        values["response_format"] = {
            "type": "json_schema",
            "json_schema": {"name": "output", "schema": schema, "strict": True},
        }
    return values


def _tool_choice(value: JsonValue, tools: tuple[Tool, ...]) -> JsonValue:
    """A word, or ``{"name": …}``."""
    if isinstance(value, str):
        return choice_word(value, "tool_choice", tools)
    named = record(value, "tool_choice", ("name",))
    return {"type": "function", "function": {"name": chosen(named.get("name"), "tool_choice.name", tools)}}


def _messages(body: JsonObject) -> tuple[Message, ...]:
    messages = list(_instructions(body.get("instructions"), "instructions"))
    data = body.get("data")
    parts = () if data is None else data_parts(data, "data")
    if parts:
        messages.append(Message(role=Role.INPUT, parts=parts, path="data"))
    refuse_repeated_ids(messages)
    return tuple(messages)


def _instructions(value: JsonValue, path: str) -> tuple[Message, ...]:
    """One message for each run of segments of the same trust."""
    if isinstance(value, str):
        part = TextPart(text=_instruction_text(value, path), path=path)
        return (Message(role=Role.SYSTEM, parts=(part,), path=path),)
    if not isinstance(value, list) or not value:
        raise wrong(path, "be a string or a list of at least one segment")
    segments = [_instruction(segment, f"{path}[{i}]") for i, segment in enumerate(value)]
    return tuple(
        Message(role=role, parts=(parts := tuple(part for _, part in run)), path=parts[0].path)
        for role, run in groupby(segments, key=lambda segment: segment[0])
    )


def _instruction(value: JsonValue, path: str) -> tuple[Role, TextPart]:
    found = record(value, path, _INSTRUCTION)
    if found.get("trust") == Trust.UNTRUSTED.label:
        raise wrong(f"{path}.trust", "be operator or user: untrusted text belongs into data")
    trust = _LABEL(found.get("trust", "operator"), f"{path}.trust")
    part = TextPart(
        text=_instruction_text(text_at(found, "text", path), f"{path}.text"),
        path=path,
        id=name_at(found, "id", path),
        origin=name_at(found, "origin", path),
        subject=optional_subject(found.get("subject"), f"{path}.subject"),
    )
    return (Role.USER if trust == "user" else Role.SYSTEM), part


def _instruction_text(text: str, path: str) -> str:
    if not text.strip():
        raise wrong(path, "say what to do: it is empty")
    return text
