import pytest

from gateway.dialects._tools import chat_tool_choice, chat_tools, flat_tool_choice, flat_tools, functions
from gateway.domain.errors import ContentByReference, ForbiddenField, InvalidField, RequestError, UnknownField
from gateway.domain.jsonvalue import JsonValue
from gateway.domain.prompt import Tool

TOOLS = (Tool(name="f"), Tool(name="g"))
NAMED: dict[str, JsonValue] = {"type": "function", "function": {"name": "f"}}


def refused(value: JsonValue, error: type[RequestError], param: str) -> None:
    with pytest.raises(error) as caught:
        chat_tools(value, "tools")
    assert caught.value.param == param


def test_a_definition_is_read_whole() -> None:
    schema: dict[str, JsonValue] = {"type": "object", "properties": {"api_key": {}, "base_url": {}, "headers": {}}}
    full: JsonValue = {"name": "f", "description": "d", "parameters": schema, "strict": False}
    read = Tool(name="f", description="d", parameters=schema, strict=False)
    assert chat_tools([{"type": "function", "function": full}], "tools") == (read,)
    assert functions([full], "tools") == (read,)


def test_all_but_the_name_may_be_missing_or_null() -> None:
    sparse: JsonValue = {"name": "f", "description": None, "parameters": None, "strict": None}
    assert functions([sparse, {"name": "g"}], "tools") == TOOLS
    assert functions([], "tools") == ()


@pytest.mark.rows
@pytest.mark.parametrize(
    ("entry", "error", "param"),
    [
        ({"name": "read_untrusted_data"}, ForbiddenField, "tools[0].function.name"),
        ({"name": "a b"}, InvalidField, "tools[0].function.name"),
        ({"name": "x" * 65}, InvalidField, "tools[0].function.name"),
        ({}, InvalidField, "tools[0].function.name"),
        ({"name": "f", "description": 1}, InvalidField, "tools[0].function.description"),
        ({"name": "f", "parameters": []}, InvalidField, "tools[0].function.parameters"),
        ({"name": "f", "strict": 1}, InvalidField, "tools[0].function.strict"),
        ({"name": "f", "url": "http://x"}, UnknownField, "tools[0].function.url"),
        ({"name": "f", "api_key": "k"}, ForbiddenField, "tools[0].function.api_key"),
        (None, InvalidField, "tools[0].function"),
    ],
)
def test_a_wrong_definition_is_refused_by_its_path(entry: JsonValue, error: type[RequestError], param: str) -> None:
    refused([{"type": "function", "function": entry}], error, param)


@pytest.mark.rows
@pytest.mark.parametrize("name", ["read_untrusted_data2", "Read", "a.b:c-d_9", "x" * 64])
def test_names_that_are_free_pass(name: str) -> None:
    assert functions([{"name": name}], "tools")[0].name == name


@pytest.mark.rows
@pytest.mark.parametrize(
    "kind", ["web_search", "web_search_preview", "mcp", "file_search", "code_interpreter", "computer_use_preview"]
)
def test_tools_that_the_provider_runs_are_content_by_reference(kind: str) -> None:
    refused([{"type": kind, "server_url": "http://x"}], ContentByReference, "tools[0].type")


@pytest.mark.rows
@pytest.mark.parametrize("kind", ["custom", "functions", "", None, 1])
def test_other_types_are_refused(kind: JsonValue) -> None:
    refused([{"type": kind, "custom": {"name": "c"}}], InvalidField, "tools[0].type")


def test_lists_are_lists_of_distinct_tools() -> None:
    refused({}, InvalidField, "tools")
    refused([NAMED, NAMED], InvalidField, "tools")
    refused([7], InvalidField, "tools[0]")
    refused([{**NAMED, "extra": 1}], UnknownField, "tools[0].extra")
    refused([NAMED] * 1025, InvalidField, "tools")


@pytest.mark.rows
@pytest.mark.parametrize(
    "choice",
    [
        "none",
        "auto",
        "required",
        NAMED,
        {"type": "allowed_tools", "allowed_tools": {"mode": "required", "tools": [NAMED]}},
        {"type": "allowed_tools", "allowed_tools": {"mode": "auto", "tools": []}},
    ],
)
def test_every_form_of_choice_is_read(choice: JsonValue) -> None:
    assert chat_tool_choice(choice, "tool_choice", TOOLS) == choice


@pytest.mark.rows
@pytest.mark.parametrize(
    ("choice", "error", "param"),
    [
        ("any", InvalidField, "tool_choice"),
        (7, InvalidField, "tool_choice"),
        ({"type": "custom", "custom": {"name": "f"}}, InvalidField, "tool_choice.type"),
        ({"type": "mcp", "server_label": "x"}, ContentByReference, "tool_choice.type"),
        ({"type": "function", "function": {"name": "h"}}, InvalidField, "tool_choice.function.name"),
        ({"type": "function", "function": {"name": "f", "x": 1}}, UnknownField, "tool_choice.function.x"),
        ({"type": "function", "function": {"name": "f"}, "x": 1}, UnknownField, "tool_choice.x"),
        (
            {"type": "function", "function": {"name": "read_untrusted_data"}},
            ForbiddenField,
            "tool_choice.function.name",
        ),
        (
            {"type": "allowed_tools", "allowed_tools": {"mode": "auto", "tools": [NAMED] * 9}},
            InvalidField,
            "tool_choice.allowed_tools.tools",
        ),
        (
            {"type": "allowed_tools", "allowed_tools": {"mode": "none", "tools": []}},
            InvalidField,
            "tool_choice.allowed_tools.mode",
        ),
        (
            {"type": "allowed_tools", "allowed_tools": {"mode": "auto", "tools": [{"type": "mcp"}]}},
            ContentByReference,
            "tool_choice.allowed_tools.tools[0].type",
        ),
    ],
)
def test_a_wrong_choice_is_refused_by_its_path(choice: JsonValue, error: type[RequestError], param: str) -> None:
    with pytest.raises(error) as caught:
        chat_tool_choice(choice, "tool_choice", TOOLS)
    assert caught.value.param == param


def test_a_call_can_be_required_only_where_there_is_a_tool() -> None:
    assert chat_tool_choice("none", "tool_choice", ()) == "none"
    with pytest.raises(InvalidField):
        chat_tool_choice("required", "tool_choice", ())


FLAT: dict[str, JsonValue] = {"type": "function", "name": "f"}


def test_a_flat_definition_is_read_whole() -> None:
    full: JsonValue = {**FLAT, "description": "d", "parameters": {"type": "object"}, "strict": False}
    asking_for_nothing: JsonValue = {**FLAT, "name": "g", "allowed_callers": ["direct"], "defer_loading": False}
    assert flat_tools([full, asking_for_nothing], "tools") == (
        Tool(name="f", description="d", parameters={"type": "object"}, strict=False),
        Tool(name="g"),
    )
    nulls = dict.fromkeys(("description", "parameters", "strict", "allowed_callers", "defer_loading", "output_schema"))
    assert flat_tools([{**FLAT, **nulls}], "tools") == (Tool(name="f"),)


@pytest.mark.rows
@pytest.mark.parametrize(
    ("entry", "error", "param"),
    [
        ({**FLAT, "name": "read_untrusted_data"}, ForbiddenField, "tools[0].name"),
        ({**FLAT, "name": None}, InvalidField, "tools[0].name"),
        ({**FLAT, "parameters": []}, InvalidField, "tools[0].parameters"),
        ({**FLAT, "function": {"name": "f"}}, UnknownField, "tools[0].function"),
        ({**FLAT, "api_key": "k"}, ForbiddenField, "tools[0].api_key"),
        ({**FLAT, "allowed_callers": ["direct", "programmatic"]}, InvalidField, "tools[0].allowed_callers"),
        ({**FLAT, "defer_loading": True}, InvalidField, "tools[0].defer_loading"),
        ({**FLAT, "output_schema": {}}, InvalidField, "tools[0].output_schema"),
        ({"type": "custom", "name": "f"}, InvalidField, "tools[0].type"),
        ({"type": "namespace", "name": "crm", "tools": []}, InvalidField, "tools[0].type"),
        ({"type": "programmatic_tool_calling"}, ContentByReference, "tools[0].type"),
        ({"type": "mcp", "server_label": "x"}, ContentByReference, "tools[0].type"),
        (7, InvalidField, "tools[0]"),
    ],
)
def test_a_wrong_flat_definition_is_refused_by_its_path(
    entry: JsonValue, error: type[RequestError], param: str
) -> None:
    with pytest.raises(error) as caught:
        flat_tools([entry], "tools")
    assert caught.value.param == param


def test_flat_tools_are_distinct() -> None:
    with pytest.raises(InvalidField):
        flat_tools([FLAT, FLAT], "tools")


@pytest.mark.rows
@pytest.mark.parametrize(
    ("choice", "told"),
    [
        ("none", "none"),
        ("auto", "auto"),
        ("required", "required"),
        (FLAT, NAMED),
        (
            {"type": "allowed_tools", "mode": "required", "tools": [FLAT]},
            {"type": "allowed_tools", "allowed_tools": {"mode": "required", "tools": [NAMED]}},
        ),
    ],
)
def test_a_flat_choice_is_told_in_chats_form(choice: JsonValue, told: JsonValue) -> None:
    assert flat_tool_choice(choice, "tool_choice", TOOLS) == told


@pytest.mark.rows
@pytest.mark.parametrize(
    ("choice", "error", "param"),
    [
        ("any", InvalidField, "tool_choice"),
        (7, InvalidField, "tool_choice"),
        (NAMED, UnknownField, "tool_choice.function"),
        ({"type": "function", "name": "h"}, InvalidField, "tool_choice.name"),
        ({"type": "function", "name": "f", "x": 1}, UnknownField, "tool_choice.x"),
        ({"type": "file_search"}, ContentByReference, "tool_choice.type"),
        ({"type": "custom", "name": "f"}, InvalidField, "tool_choice.type"),
        ({"type": "apply_patch"}, InvalidField, "tool_choice.type"),
        ({"type": "allowed_tools", "mode": "auto", "tools": [FLAT] * 3}, InvalidField, "tool_choice.tools"),
        ({"type": "allowed_tools", "mode": "none", "tools": []}, InvalidField, "tool_choice.mode"),
        ({"type": "allowed_tools", "mode": "auto", "tools": [NAMED]}, UnknownField, "tool_choice.tools[0].function"),
        ({"type": "allowed_tools", "allowed_tools": {}}, UnknownField, "tool_choice.allowed_tools"),
    ],
)
def test_a_wrong_flat_choice_is_refused_by_its_path(choice: JsonValue, error: type[RequestError], param: str) -> None:
    with pytest.raises(error) as caught:
        flat_tool_choice(choice, "tool_choice", TOOLS)
    assert caught.value.param == param
