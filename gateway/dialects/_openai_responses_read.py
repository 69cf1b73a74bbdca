"""What does a request to OpenAI's responses API ask?

Reading is strict: every key is known, or the request is refused with its path. What is read is the same, whichever of
OpenAI's two APIs it is asked of: options go by chat's names, and items become the messages that chat would have had.
"""

from typing import Final

from gateway.dialects._checks import isolation, model_name, string
from gateway.dialects._fields import sort
from gateway.dialects._openai_fields import streaming, subject_of
from gateway.dialects._openai_responses_fields import FIELDS, LOGPROBS, check_together, refuse_chat_fields
from gateway.dialects._openai_responses_items import messages_of
from gateway.dialects._segments import bounded, place_data, refuse_repeated_ids
from gateway.dialects._tools import flat_tool_choice, flat_tools
from gateway.domain.jsonvalue import JsonObject, JsonValue
from gateway.domain.prompt import Tool
from gateway.domain.request import ClientRequest, Message, Options, Role, TextPart

NAME: Final = "openai_responses"

_STREAM_OPTIONS: Final = frozenset({"include_obfuscation"})
# What a response repeats of its request, beside the tools.
_ECHOED: Final = (
    "max_output_tokens", "metadata", "parallel_tool_calls", "prompt_cache_key", "prompt_cache_options",
    "prompt_cache_retention", "reasoning", "safety_identifier", "service_tier", "temperature", "text", "tool_choice",
    "top_logprobs", "top_p", "user",
)  # fmt: skip


def read(body: JsonObject) -> ClientRequest:
    """Read a parsed body.

    Raises:
        RequestError: a field is missing, unknown, forbidden or wrong; ``param`` is its path.
    """
    refuse_chat_fields(body)
    values, extra = sort(body, FIELDS)
    tools = () if body.get("tools") is None else flat_tools(body["tools"], "tools")
    values |= _renamed(body, tools)
    check_together(values)
    stream, _ = streaming(body, _STREAM_OPTIONS)
    return bounded(
        ClientRequest(
            dialect=NAME,
            model=model_name(body.get("model"), "model"),
            messages=_messages(body),
            tools=tools,
            # The last event reports usage whether it was asked for or not.
            options=Options(stream=stream, include_usage=stream, values=values, extra=extra),
            min_isolation=None if (floor := body.get("min_isolation")) is None else isolation(floor, "min_isolation"),
            subject=subject_of(body, values),
            echo=_echo(body, tools),
        )
    )


def _echo(body: JsonObject, tools: tuple[Tool, ...]) -> JsonObject:
    """What the response repeats, as the client wrote it; of a tool it says as well what is not set."""
    told = {key: body[key] for key in _ECHOED if body.get(key) is not None}
    if tools:
        told["tools"] = [
            {
                "type": "function",
                "name": tool.name,
                "description": tool.description,
                "parameters": tool.parameters,
                "strict": tool.strict,
            }
            for tool in tools
        ]
    return told


def _messages(body: JsonObject) -> tuple[Message, ...]:
    messages = messages_of(body.get("input"), "input")
    told = body.get("instructions")
    if told is not None:
        part = TextPart(text=string(told, "instructions"), path="instructions")
        messages.insert(0, Message(role=Role.SYSTEM, parts=(part,), path="instructions"))
    if (data := body.get("data")) is not None:
        place_data(messages, data)
    refuse_repeated_ids(messages)
    return tuple(messages)


def _renamed(body: JsonObject, tools: tuple[Tool, ...]) -> dict[str, JsonValue]:
    """The options that chat calls otherwise, or has elsewhere; each field was checked before."""
    text, reasoning = _object(body, "text"), _object(body, "reasoning")
    found: dict[str, JsonValue] = {
        "max_completion_tokens": body.get("max_output_tokens"),
        "reasoning_effort": reasoning.get("effort"),
        "verbosity": text.get("verbosity"),
        "response_format": _response_format(_object(text, "format")),
        "logprobs": True if LOGPROBS in _list(body, "include") else None,
    }
    if body.get("tool_choice") is not None:
        found["tool_choice"] = flat_tool_choice(body["tool_choice"], "tool_choice", tools)
    return {name: value for name, value in found.items() if value is not None}


def _response_format(form: JsonObject) -> JsonValue:
    if form.get("type") != "json_schema":
        return form or None
    return {"type": "json_schema", "json_schema": {key: held for key, held in form.items() if key != "type"}}


def _object(holder: JsonObject, key: str) -> JsonObject:
    value = holder.get(key)
    return value if isinstance(value, dict) else {}


def _list(holder: JsonObject, key: str) -> list[JsonValue]:
    value = holder.get(key)
    return value if isinstance(value, list) else []
