"""Which tools does an Anthropic Messages request offer, and how is the answer to be made?

Custom tools alone: of the others the gateway knows neither schema nor results. Options get OpenAI's chat names, which
is where the domain keeps them.
"""

from collections.abc import Mapping
from typing import Final

from gateway.dialects._anthropic_messages_fields import LENGTH, cache_life, sort
from gateway.dialects._checks import (
    boolean,
    flag,
    members,
    one_of,
    record,
    short_string,
    stop,
    string,
    tool_name,
    wrong,
)
from gateway.dialects._tools import choice_word, chosen, each, is_hosted
from gateway.domain.errors import ContentByReference, InvalidField
from gateway.domain.jsonvalue import JsonObject, JsonValue
from gateway.domain.prompt import Tool
from gateway.domain.request import Options

_TOOL: Final = frozenset({
    "type", "name", "description", "input_schema", "strict", "cache_control", "allowed_callers", "defer_loading",
    "eager_input_streaming", "input_examples",
})  # fmt: skip
# How the types of tools begin that run on the client's side, with a schema that only the vendor knows.
_VENDORS: Final = ("bash_", "text_editor_", "computer_", "browser_", "memory_")
_EFFORT: Final = one_of("low", "medium", "high", "xhigh", "max")
_FORMAT_TYPE: Final = one_of("json_schema")
_TIER: Final = one_of("auto", "standard_only")
_CHOICE: Final = one_of("auto", "any", "tool", "none")
_WORDS: Final[Mapping[JsonValue, str]] = {"auto": "auto", "any": "required", "none": "none"}
_LABEL: Final = short_string(512)


def tools_of(body: JsonObject) -> tuple[Tool, ...]:
    """The tools that the request offers."""
    value = body.get("tools")
    return () if value is None else each(value, "tools", _tool)


def _tool(value: JsonValue, path: str) -> Tool:
    _check_type(members(value, path).get("type"), f"{path}.type")
    found = record(value, path, _TOOL)
    _check_plain(found, path)
    description, strict = found.get("description"), found.get("strict")
    return Tool(
        name=tool_name(found.get("name"), f"{path}.name"),
        description=None if description is None else string(description, f"{path}.description"),
        parameters=members(found.get("input_schema"), f"{path}.input_schema"),
        strict=None if strict is None else boolean(strict, f"{path}.strict"),
        cache=cache_life(found.get("cache_control"), f"{path}.cache_control"),
    )


def _check_type(kind: JsonValue, path: str) -> None:
    """Refuse every type of tool but ``custom``.

    Raises:
        ContentByReference: the provider would run the tool, and its results would reach the model unseen.
        InvalidField: any other type, such as those whose schema only the vendor knows.
    """
    if kind is None or kind == "custom":
        return
    if isinstance(kind, str) and kind.startswith(_VENDORS):
        raise InvalidField(
            f"{path} asks for a tool whose schema stands with the vendor and not in the request: define a custom tool "
            "that says what it takes.",
            param=path,
        )
    if is_hosted(kind):
        raise ContentByReference(
            f"{path} asks for a tool that the provider runs, whose results the gateway cannot see: define a custom "
            "tool and return its result in a tool_result block.",
            param=path,
        )
    raise wrong(path, "be custom")


def _check_plain(tool: JsonObject, path: str) -> None:
    """Refuse what would have other things than the model call the tool, or show it what is not inspected."""
    if tool.get("allowed_callers") not in (None, ["direct"]):
        raise wrong(f"{path}.allowed_callers", 'be ["direct"]: code that the provider runs would call the tool')
    if flag(tool.get("defer_loading"), f"{path}.defer_loading"):
        raise wrong(f"{path}.defer_loading", "be false: the provider would choose which tools the model is shown")
    # How finely a call's input is streamed is decided by what policy has to see of it.
    flag(tool.get("eager_input_streaming"), f"{path}.eager_input_streaming")
    if tool.get("input_examples") not in (None, []):
        raise wrong(f"{path}.input_examples", "be left out: put examples into the description")


def options_of(body: JsonObject, tools: tuple[Tool, ...], *, counts: bool) -> Options:
    """How to generate; with ``counts`` the request only asks how many tokens it has.

    Raises:
        RequestError: a field is missing, refused, unknown or wrong.
    """
    values, extra = sort(body, counts=counts)
    values |= _output_config(body.get("output_config"))
    values |= _tool_choice(body.get("tool_choice"), tools)
    if counts:
        return Options(values=values, extra=extra)
    if "max_tokens" not in values:
        LENGTH(None, "max_tokens")
    values |= _stop(body.get("stop_sequences")) | _metadata(body.get("metadata"))
    if body.get("service_tier") is not None:
        tier = _TIER(body["service_tier"], "service_tier")
        values["service_tier"] = "default" if tier == "standard_only" else tier
    stream = flag(body.get("stream"), "stream")
    # The last but one event reports usage whether it was asked for or not.
    return Options(stream=stream, include_usage=stream, values=values, extra=extra)


def _stop(value: JsonValue) -> dict[str, JsonValue]:
    if value is None or value == []:
        return {}
    if not isinstance(value, list):
        raise wrong("stop_sequences", "be a list of strings")
    return {"stop": stop(value, "stop_sequences")}


def _metadata(value: JsonValue) -> dict[str, JsonValue]:
    named = {} if value is None else record(value, "metadata", ("user_id",))
    user = named.get("user_id")
    return {} if user is None else {"user": _LABEL(user, "metadata.user_id")}


def _output_config(value: JsonValue) -> dict[str, JsonValue]:
    values: dict[str, JsonValue] = {}
    config = {} if value is None else record(value, "output_config", ("effort", "format"))
    if config.get("effort") is not None:
        values["reasoning_effort"] = _EFFORT(config["effort"], "output_config.effort")
    if config.get("format") is not None:
        path = "output_config.format"
        form = record(config["format"], path, ("type", "schema"))
        _FORMAT_TYPE(form.get("type"), f"{path}.type")
        schema = members(form.get("schema"), f"{path}.schema")
        values["response_format"] = {
            "type": "json_schema",
            "json_schema": {"name": "output", "schema": schema, "strict": True},
        }
    return values


def _tool_choice(value: JsonValue, tools: tuple[Tool, ...]) -> dict[str, JsonValue]:
    if value is None:
        return {}
    path = "tool_choice"
    kind = _CHOICE(members(value, path).get("type"), f"{path}.type")
    known = {"tool": ("type", "name", "disable_parallel_tool_use"), "none": ("type",)}
    found = record(value, path, known.get(str(kind), ("type", "disable_parallel_tool_use")))
    values: dict[str, JsonValue] = {}
    if flag(found.get("disable_parallel_tool_use"), f"{path}.disable_parallel_tool_use"):
        values["parallel_tool_calls"] = False
    if kind == "tool":
        name = chosen(found.get("name"), f"{path}.name", tools)
        return {**values, "tool_choice": {"type": "function", "function": {"name": name}}}
    return {**values, "tool_choice": choice_word(_WORDS[kind], f"{path}.type", tools)}
