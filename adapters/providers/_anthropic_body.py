"""What exactly is sent to Anthropic's Messages API?

Pure. Options come under their OpenAI chat names and leave under Anthropic's; one that has no counterpart is an error
that names it, unless its value says nothing (``n: 1``). The layout's fields win over all others but the length: there
the layout's is for requests that give none.
Source: Anthropic's API reference, "Create a Message".
"""

from collections.abc import Callable, Mapping
from typing import Final, TypeAlias

from adapters.providers._anthropic_thinking import budget_of, check_thinking, refuse_unthought_calls
from adapters.providers._body import allowed_extra, as_json
from gateway.domain.errors import InvalidField, NotSayable
from gateway.domain.jsonvalue import JsonObject, JsonValue
from gateway.domain.ports import Call
from gateway.domain.request import Options
from gateway.domain.target import Layout, Target

# Fields of the request that chat completions does not know, and this vendor takes.
TAKES: Final = frozenset({"cache_control", "thinking", "top_k"})

_OWN: Final = frozenset({
    "container", "max_tokens", "mcp_servers", "messages", "metadata", "model", "output_config", "service_tier",
    "stop_sequences", "stream", "system", "temperature", "tool_choice", "tools", "top_p",
})  # fmt: skip
# What these values ask for is what happens without them.
_SAYS_NOTHING: Final[JsonObject] = {
    "frequency_penalty": 0,
    "logit_bias": {},
    "logprobs": False,
    "metadata": {},
    "modalities": ["text"],
    "n": 1,
    "presence_penalty": 0,
    "response_format": {"type": "text"},
    "store": False,
}
# Read where they are needed, each with others.
_LENGTHS: Final = ("max_completion_tokens", "max_tokens")
_TOGETHER: Final = frozenset({*_LENGTHS, "parallel_tool_calls", "tool_choice"})
_PERSON: Final = frozenset({"metadata", "safety_identifier", "user"})
_EFFORTS: Final = frozenset({"low", "medium", "high", "xhigh", "max"})
_TIERS: Final = {"auto": "auto", "default": "standard_only", "standard_only": "standard_only"}
_CHOICES: Final = {"auto": "auto", "none": "none", "required": "any"}


def serialise_body(call: Call) -> bytes:
    """The upstream body of ``call``.

    Raises:
        NotSayable: a field that the API has no words for.
        InvalidField: a field of the API's own is not as it must be, or the body cannot be written.
    """
    return as_json(body_of(call.target, call.layout, call.options))


def body_of(target: Target, layout: Layout, options: Options) -> JsonObject:
    """The same before it is bytes; raises as ``serialise_body`` does for its fields."""
    extra = allowed_extra(target, options.extra, _OWN)
    _check_extra(extra)
    body: dict[str, JsonValue] = {"model": target.model, **extra, **_said(options.values)}
    choice = _tool_choice(options.values) if "tools" in layout.body else None
    if choice is not None:
        body["tool_choice"] = choice
    body |= layout.body
    body["max_tokens"] = _length(options.values, layout, extra)
    refuse_unthought_calls(extra, layout.body.get("messages"))
    if options.stream:
        body["stream"] = True
    return body


def _length(values: JsonObject, layout: Layout, extra: JsonObject) -> JsonValue:
    """How long the answer may be; what a model may think is part of it, and comes on top where nobody gave a length."""
    for name in _LENGTHS:
        if name in values:
            return values[name]
    default = layout.body.get("max_tokens")
    return default + budget_of(extra) if isinstance(default, int) else default


def _said(values: JsonObject) -> JsonObject:
    body: dict[str, JsonValue] = {}
    config: dict[str, JsonValue] = {}
    for name, value in values.items():
        if name in _SAYS_NOTHING and value == _SAYS_NOTHING[name]:
            continue
        if name in _FIELDS:
            field, say = _FIELDS[name]
            body[field] = say(value)
        elif name in _CONFIG:
            field, say = _CONFIG[name]
            config[field] = say(value)
        elif name in _PERSON:
            body["metadata"] = {"user_id": _person(values)}
        elif name not in _TOGETHER:
            raise _unsayable(name)
    return {**body, "output_config": config} if config else body


def _temperature(value: JsonValue) -> JsonValue:
    if isinstance(value, int | float) and value > 1:
        raise _unsayable("temperature", "temperature above 1")
    return value


def _person(values: JsonObject) -> JsonValue:
    """The end user, whom chat completions names in several fields."""
    named = [values[name] for name in ("safety_identifier", "user") if name in values]
    labels = values.get("metadata")
    if isinstance(labels, Mapping) and labels:
        if set(labels) != {"user_id"}:
            raise _unsayable("metadata", "metadata beyond user_id")
        named.append(labels["user_id"])
    if any(other != named[0] for other in named[1:]):
        raise _unsayable("user", "more than one end user (user, safety_identifier, metadata.user_id)")
    return named[0]


def _same(value: JsonValue) -> JsonValue:
    return value


def _stop(value: JsonValue) -> JsonValue:
    return [value] if isinstance(value, str) else value


def _tier(value: JsonValue) -> JsonValue:
    return _one_of(_TIERS, value, "service_tier")


def _effort(value: JsonValue) -> JsonValue:
    if value not in _EFFORTS:
        raise _unsayable("reasoning_effort", f"reasoning_effort {value}")
    return value


def _format(value: JsonValue) -> JsonObject:
    schema = value.get("json_schema") if isinstance(value, Mapping) else None
    found = schema.get("schema") if isinstance(schema, Mapping) else None
    if not isinstance(schema, Mapping) or not isinstance(found, Mapping):
        raise _unsayable("response_format", "a response_format without a schema")
    if "description" in schema:
        if "description" in found:
            raise _unsayable("response_format", "two descriptions of one response_format")
        found = {"description": schema["description"], **found}
    return {"type": "json_schema", "schema": found}


def _tool_choice(values: JsonObject) -> JsonObject | None:
    """Which tools may be called and whether several at once; None where the request leaves both to the model."""
    one_at_once = values.get("parallel_tool_calls") is False
    choice = values.get("tool_choice", "auto" if one_at_once else None)
    if choice is None:
        return None
    if isinstance(choice, Mapping):
        function = choice.get("function")
        if not isinstance(function, Mapping):
            raise _unsayable("tool_choice", "a tool_choice among some of the tools")
        said: JsonObject = {"type": "tool", "name": function.get("name")}
    else:
        said = {"type": _one_of(_CHOICES, choice, "tool_choice")}
    return {**said, "disable_parallel_tool_use": True} if one_at_once and said["type"] != "none" else said


def _one_of(words: Mapping[str, str], value: JsonValue, name: str) -> str:
    if not isinstance(value, str) or value not in words:
        raise _unsayable(name, f"{name} {value}")
    return words[value]


def _check_extra(extra: JsonObject) -> None:
    """Check what no dialect has: the vendor's own fields."""
    if "top_k" in extra:
        count = extra["top_k"]
        if not isinstance(count, int) or isinstance(count, bool) or count < 0:
            raise InvalidField("top_k must be a whole number from 0.", param="top_k")
    if "cache_control" in extra:
        control = extra["cache_control"]
        good = isinstance(control, Mapping) and control.get("type") == "ephemeral" and set(control) <= {"type", "ttl"}
        if not good or not isinstance(control, Mapping) or control.get("ttl", "5m") not in {"5m", "1h"}:
            raise InvalidField(
                'cache_control must be {"type": "ephemeral"}, with a ttl of 5m or 1h if there is one.',
                param="cache_control",
            )
    check_thinking(extra)


_Say: TypeAlias = Callable[[JsonValue], JsonValue]
_FIELDS: Final[Mapping[str, tuple[str, _Say]]] = {
    "service_tier": ("service_tier", _tier),
    "stop": ("stop_sequences", _stop),
    "temperature": ("temperature", _temperature),
    "top_p": ("top_p", _same),
}
_CONFIG: Final[Mapping[str, tuple[str, _Say]]] = {
    "reasoning_effort": ("effort", _effort),
    "response_format": ("format", _format),
}


def _unsayable(param: str, what: str | None = None) -> NotSayable:
    return NotSayable(
        f"{what or param} cannot be said to Anthropic's Messages API. Leave it out, or give the model a target of "
        "another provider.",
        param=param,
    )
