"""What of a request reaches litellm?

Pure. litellm takes several hundred arguments, and many of them would send a call elsewhere, change on whose account it
is made, or have litellm fetch something; it also reads keys of messages and of parts that nobody else knows. So every
key is listed, at each depth, and the rest is refused. A null means that a field is not set.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

import orjson

from adapters._refusal import Refused
from adapters.litellm._keys import (
    checked_extra,
    items,
    name_of,
    own_keys,
    record,
    text,
    wrong,
)
from adapters.litellm._messages import check_messages
from adapters.litellm.targets import Target
from gateway.domain.jsonvalue import JsonObject, JsonValue

# Vendors take some twenty megabytes; beyond that is what base64 adds.
MOST_BYTES: Final = 32 * 1024 * 1024
_MOST_TOOLS: Final = 1024
_MOST_INPUTS: Final = 2048

_OWN: Final = frozenset({"model", "messages", "stream", "stream_options", "tools"})
# Passed on as they are: numbers, words, and flat lists and mappings of them.
_FLAT: Final = frozenset({
    "temperature", "top_p", "n", "stop", "seed", "max_tokens", "max_completion_tokens", "presence_penalty",
    "frequency_penalty", "logit_bias", "logprobs", "top_logprobs", "parallel_tool_calls", "reasoning_effort",
    "verbosity", "user", "safety_identifier", "prompt_cache_key", "service_tier", "store", "modalities",
})  # fmt: skip
_EMBEDDING: Final = frozenset({"model", "input", "dimensions", "encoding_format", "user"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A request that may go on: ``body`` without the target's id, streaming and nulls."""

    target: str
    body: JsonObject
    stream: bool = False


def parse(raw: bytes) -> JsonObject:
    """The body as JSON.

    Raises:
        Refused: it is no JSON object.
    """
    try:
        body: JsonValue = orjson.loads(raw)
    except orjson.JSONDecodeError:
        # Without a cause: the decoder's error carries the text that it read.
        raise Refused("invalid_json", "The request's body is not JSON: send a JSON object.") from None
    if not isinstance(body, dict):
        raise Refused("invalid_json", "The request's body is not a JSON object: send one.")
    return {name: value for name, value in body.items() if value is not None}


def target_of(body: JsonObject) -> str:
    """The id of the target that is to be called."""
    return text(body.get("model"), "model")


def admit_chat(body: JsonObject, target: Target) -> Asked:
    """A chat request as litellm may see it.

    Raises:
        Refused: the request has to change.
    """
    options: dict[str, JsonValue] = {}
    for name, value in body.items():
        if name in _FLAT:
            options[name] = _flat(value, name)
        elif name in _CHECKED:
            options[name] = _CHECKED[name](value)
        elif name in target.fields:
            options[name] = checked_extra(value, name)
        elif name not in _OWN:
            raise _unknown(name)
    return Asked(
        target=target.id,
        body={"messages": check_messages(body.get("messages"), target.fields), **_tools(body), **options},
        stream=_stream(body),
    )


def admit_embedding(body: JsonObject, target: Target) -> Asked:
    """A request for embeddings as litellm may see it.

    Raises:
        Refused: the request has to change.
    """
    for name in body:
        if name not in _EMBEDDING:
            raise _unknown(name)
    given = body.get("input")
    inputs = [given] if isinstance(given, str) else items(given, "input", _MOST_INPUTS)
    if not inputs:
        raise wrong("input")
    options = {name: _flat(body[name], name) for name in ("dimensions", "encoding_format", "user") if name in body}
    texts: list[JsonValue] = [text(one, f"input[{index}]") for index, one in enumerate(inputs)]
    return Asked(target=target.id, body={"input": texts, **options})


def _stream(body: JsonObject) -> bool:
    stream = body.get("stream", False)
    if not isinstance(stream, bool):
        raise wrong("stream")
    # Usage is always told at a stream's end.
    record(body.get("stream_options", {}), "stream_options", frozenset({"include_usage"}))
    return stream


def _tools(body: JsonObject) -> JsonObject:
    if "tools" not in body:
        return {}
    tools = items(body["tools"], "tools", _MOST_TOOLS)
    for index, one in enumerate(tools):
        path = f"tools[{index}]"
        tool = record(one, path, frozenset({"type", "function"}))
        if tool.get("type") != "function":
            raise wrong(f"{path}.type")
        allowed = frozenset({"name", "description", "parameters", "strict"})
        function = record(tool.get("function"), f"{path}.function", allowed)
        text(function.get("name"), f"{path}.function.name")
        # A schema's own keys are free: litellm sends them on.
        if not isinstance(function.get("parameters", {}), dict):
            raise wrong(f"{path}.function.parameters")
    return {"tools": tools}


def _flat(value: JsonValue, path: str) -> JsonValue:
    """A value without anything nested in it."""
    held: list[JsonValue] = []
    if isinstance(value, list):
        held = value
    elif isinstance(value, dict):
        held = list(value.values())
        own_keys(value, path)
    if any(isinstance(one, list | dict) for one in held):
        raise wrong(path)
    return value


def _response_format(value: JsonValue) -> JsonValue:
    form = record(value, "response_format", frozenset({"type", "json_schema"}))
    text(form.get("type"), "response_format.type")
    if "json_schema" in form:
        path, allowed = "response_format.json_schema", frozenset({"name", "description", "schema", "strict"})
        if not isinstance(record(form["json_schema"], path, allowed).get("schema", {}), dict):
            raise wrong(f"{path}.schema")
    return value


def _tool_choice(value: JsonValue) -> JsonValue:
    if not isinstance(value, str):
        choice = record(value, "tool_choice", frozenset({"type", "function"}))
        record(choice.get("function"), "tool_choice.function", frozenset({"name"}))
    return value


def _prediction(value: JsonValue) -> JsonValue:
    prediction = record(value, "prediction", frozenset({"type", "content"}))
    content = prediction.get("content")
    for index, part in enumerate([] if isinstance(content, str) else items(content, "prediction.content")):
        record(part, f"prediction.content[{index}]", frozenset({"type", "text"}))
    return value


def _unknown(name: str) -> Refused:
    return Refused(
        "unsupported_field",
        "The target does not take a field of this name: leave it out, or list it in the target's extra_params.",
        param=name_of(name),
    )


_CHECKED: Final[Mapping[str, Callable[[JsonValue], JsonValue]]] = {
    "response_format": _response_format,
    "tool_choice": _tool_choice,
    "prediction": _prediction,
}
