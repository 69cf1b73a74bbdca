import importlib
import pkgutil
from typing import get_args, get_type_hints

import pytest
from anthropic import types
from anthropic.types import beta

from gateway.dialects import anthropic_messages
from gateway.domain.errors import ContentByReference, ForbiddenField, InvalidField, RequestError, UnknownField
from gateway.domain.jsonvalue import JsonObject, JsonValue
from gateway.domain.prompt import Tool
from gateway.domain.request import Options

TOOL: JsonObject = {"name": "look_up", "input_schema": {"type": "object"}}


def body(**fields: JsonValue) -> JsonObject:
    messages: list[JsonValue] = [{"role": "user", "content": "x"}]
    return {"model": "m", "max_tokens": 9, "messages": messages, **fields}


def tools(*entries: JsonValue) -> tuple[Tool, ...]:
    return anthropic_messages.read(body(tools=list(entries))).tools


def options(**fields: JsonValue) -> Options:
    return anthropic_messages.read(body(**fields)).options


def values(**fields: JsonValue) -> dict[str, JsonValue]:
    """The options beside the length."""
    return {name: held for name, held in options(**fields).values.items() if name != "max_tokens"}


def refused(error: type[RequestError], param: str, **fields: JsonValue) -> None:
    with pytest.raises(error) as caught:
        anthropic_messages.read(body(**fields))
    assert type(caught.value) is error
    assert caught.value.param == param


def test_a_custom_tool_is_read() -> None:
    schema = {"type": "object", "properties": {"api_key": {"type": "string"}}}
    whole: JsonObject = {
        "type": "custom",
        "name": "look_up",
        "description": "Find an order.",
        "input_schema": schema,
        "strict": True,
        "cache_control": {"type": "ephemeral"},
        "allowed_callers": ["direct"],
        "defer_loading": False,
        "eager_input_streaming": True,
        "input_examples": [],
    }
    assert tools(whole, {**TOOL, "name": "b", "type": None}) == (
        Tool(name="look_up", description="Find an order.", parameters=schema, strict=True, cache="5m"),
        Tool(name="b", parameters={"type": "object"}),
    )
    assert anthropic_messages.read(body(tools=None)).tools == ()


@pytest.mark.rows
@pytest.mark.parametrize("key", sorted(get_type_hints(types.ToolParam)))
def test_every_key_of_the_sdks_tool_is_known(key: str) -> None:
    refused(InvalidField, f"tools[0].{key}", tools=[{**TOOL, key: 7}])


@pytest.mark.rows
@pytest.mark.parametrize(
    ("tool", "error", "param"),
    [
        ({"name": "f"}, InvalidField, "input_schema"),
        ({**TOOL, "input_schema": "{}"}, InvalidField, "input_schema"),
        ({**TOOL, "name": "a b"}, InvalidField, "name"),
        ({**TOOL, "name": "read_untrusted_data"}, ForbiddenField, "name"),
        ({**TOOL, "allowed_callers": ["direct", "code_execution_20250825"]}, InvalidField, "allowed_callers"),
        ({**TOOL, "defer_loading": True}, InvalidField, "defer_loading"),
        ({**TOOL, "input_examples": [{"id": 1}]}, InvalidField, "input_examples"),
        ({**TOOL, "api_base": "x"}, ForbiddenField, "api_base"),
        ({**TOOL, "parameters": {}}, UnknownField, "parameters"),
        ({**TOOL, "type": "function"}, InvalidField, "type"),
        ({**TOOL, "type": 1}, InvalidField, "type"),
        ({"type": "bash_20250124", "name": "bash"}, InvalidField, "type"),
        ({"type": "web_search_20250305", "name": "web_search"}, ContentByReference, "type"),
    ],
)
def test_a_wrong_tool_is_refused_by_its_path(tool: JsonValue, error: type[RequestError], param: str) -> None:
    refused(error, f"tools[0].{param}", tools=[tool])


def test_tools_are_a_list_of_distinct_ones() -> None:
    refused(InvalidField, "tools", tools=[TOOL, TOOL])
    refused(InvalidField, "tools", tools={})
    refused(InvalidField, "tools[0]", tools=["x"])


def vendors_tools() -> set[str]:
    """The types of all the tools that the SDK knows and a client does not define itself."""
    found: set[object] = set()
    for package in (types, beta):
        for module in pkgutil.iter_modules(package.__path__):
            if "tool" in module.name and module.name.endswith("_param"):
                for kind in vars(importlib.import_module(f"{package.__name__}.{module.name}")).values():
                    if isinstance(kind, type) and {"name", "type"} <= kind.__annotations__.keys():
                        found |= set(get_args(get_type_hints(kind)["type"]))
    return {word for word in found if isinstance(word, str) and any(char.isdigit() for char in word)}


def test_every_tool_of_the_vendors_is_refused_with_what_to_do_instead() -> None:
    known = vendors_tools()
    assert {"bash_20250124", "web_search_20250305", "memory_20250818"} <= known
    for kind in known | {"mcp_toolset", "computer_toolset_20260801", "browser_toolset_20260801"}:
        with pytest.raises((InvalidField, ContentByReference), match="define a custom tool") as caught:
            tools({"type": kind, "name": "x"})
        assert caught.value.param == "tools[0].type", kind


@pytest.mark.rows
@pytest.mark.parametrize(
    ("choice", "expected"),
    [
        (None, {}),
        ({"type": "auto"}, {"tool_choice": "auto"}),
        ({"type": "auto", "disable_parallel_tool_use": False}, {"tool_choice": "auto"}),
        ({"type": "none"}, {"tool_choice": "none"}),
        (
            {"type": "any", "disable_parallel_tool_use": True},
            {"tool_choice": "required", "parallel_tool_calls": False},
        ),
        (
            {"type": "tool", "name": "look_up", "disable_parallel_tool_use": None},
            {"tool_choice": {"type": "function", "function": {"name": "look_up"}}},
        ),
        (
            {"type": "tool", "name": "look_up", "disable_parallel_tool_use": True},
            {"parallel_tool_calls": False, "tool_choice": {"type": "function", "function": {"name": "look_up"}}},
        ),
    ],
)
def test_the_choice_of_a_tool_has_openais_words(choice: JsonValue, expected: JsonObject) -> None:
    assert values(tools=[TOOL], tool_choice=choice) == expected


@pytest.mark.rows
@pytest.mark.parametrize(
    ("choice", "error", "param"),
    [
        ("auto", InvalidField, "tool_choice"),
        ({}, InvalidField, "tool_choice.type"),
        ({"type": "function"}, InvalidField, "tool_choice.type"),
        ({"type": "tool"}, InvalidField, "tool_choice.name"),
        ({"type": "tool", "name": "other"}, InvalidField, "tool_choice.name"),
        ({"type": "tool", "name": "read_untrusted_data"}, ForbiddenField, "tool_choice.name"),
        ({"type": "auto", "name": "look_up"}, UnknownField, "tool_choice.name"),
        ({"type": "none", "disable_parallel_tool_use": True}, UnknownField, "tool_choice.disable_parallel_tool_use"),
        ({"type": "any", "disable_parallel_tool_use": 1}, InvalidField, "tool_choice.disable_parallel_tool_use"),
        ({"type": "any", "api_base": "x"}, ForbiddenField, "tool_choice.api_base"),
    ],
)
def test_a_wrong_choice_is_refused(choice: JsonValue, error: type[RequestError], param: str) -> None:
    refused(error, param, tools=[TOOL], tool_choice=choice)


def test_a_call_can_be_asked_for_only_of_tools_that_are_there() -> None:
    refused(InvalidField, "tool_choice.type", tool_choice={"type": "any"})


SCHEMA: JsonObject = {"type": "object", "properties": {"api_base": {}}}


@pytest.mark.rows
@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"stop_sequences": ["a", "b"]}, {"stop": ["a", "b"]}),
        ({"stop_sequences": []}, {}),
        ({"metadata": {}}, {}),
        ({"metadata": {"user_id": None}}, {}),
        ({"metadata": {"user_id": "u-1"}}, {"user": "u-1"}),
        ({"service_tier": "auto"}, {"service_tier": "auto"}),
        ({"service_tier": "standard_only"}, {"service_tier": "default"}),
        ({"output_config": {}}, {}),
        ({"output_config": {"effort": None, "format": None}}, {}),
        (
            {"output_config": {"effort": "max", "format": {"type": "json_schema", "schema": SCHEMA}}},
            {
                "reasoning_effort": "max",
                "response_format": {
                    "type": "json_schema",
                    "json_schema": {"name": "output", "schema": SCHEMA, "strict": True},
                },
            },
        ),
    ],
)
def test_options_get_openais_names(fields: dict[str, JsonValue], expected: JsonObject) -> None:
    assert values(**fields) == expected


@pytest.mark.rows
@pytest.mark.parametrize(
    ("fields", "error", "param"),
    [
        ({"stop_sequences": "a"}, InvalidField, "stop_sequences"),
        ({"stop_sequences": [""]}, InvalidField, "stop_sequences"),
        ({"stop_sequences": ["a"] * 17}, InvalidField, "stop_sequences"),
        ({"metadata": "u"}, InvalidField, "metadata"),
        ({"metadata": {"user_id": 1}}, InvalidField, "metadata.user_id"),
        ({"metadata": {"user_id": "x" * 513}}, InvalidField, "metadata.user_id"),
        ({"metadata": {"api_key": "x"}}, ForbiddenField, "metadata.api_key"),
        ({"service_tier": "priority"}, InvalidField, "service_tier"),
        ({"output_config": "high"}, InvalidField, "output_config"),
        ({"output_config": {"effort": "most"}}, InvalidField, "output_config.effort"),
        ({"output_config": {"task_budget": {}}}, UnknownField, "output_config.task_budget"),
        ({"output_config": {"format": {}}}, InvalidField, "output_config.format.type"),
        ({"output_config": {"format": {"type": "text"}}}, InvalidField, "output_config.format.type"),
        ({"output_config": {"format": {"type": "json_schema"}}}, InvalidField, "output_config.format.schema"),
        (
            {"output_config": {"format": {"type": "json_schema", "schema": {}, "name": "n"}}},
            UnknownField,
            "output_config.format.name",
        ),
        ({"stream": 1}, InvalidField, "stream"),
        ({"max_tokens": None}, InvalidField, "max_tokens"),
    ],
)
def test_wrong_options_are_refused_by_their_path(
    fields: dict[str, JsonValue], error: type[RequestError], param: str
) -> None:
    refused(error, param, **fields)


@pytest.mark.rows
@pytest.mark.parametrize("word", get_args(get_args(get_type_hints(types.OutputConfigParam)["effort"])[0]))
def test_every_effort_of_the_sdk_is_known(word: str) -> None:
    assert values(output_config={"effort": word}) == {"reasoning_effort": word}


@pytest.mark.rows
@pytest.mark.parametrize(("stream", "expected"), [(None, False), (False, False), (True, True)])
def test_a_stream_reports_usage_always(stream: JsonValue, expected: bool) -> None:
    read = options(stream=stream)
    assert (read.stream, read.include_usage) == (expected, expected)
