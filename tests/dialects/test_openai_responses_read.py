import pytest
from openai.types.responses import FunctionTool
from openai.types.responses.function_tool_param import FunctionToolParam
from pydantic import TypeAdapter

from gateway.dialects import openai_responses
from gateway.dialects._seals import packed
from gateway.domain.errors import ContentByReference, ForbiddenField, InvalidField, RequestError, UnknownField
from gateway.domain.isolation import Isolation
from gateway.domain.jsonvalue import JsonObject, JsonValue
from gateway.domain.prompt import Seal
from gateway.domain.request import DataPart, Message, Role, TextPart

TOOL: JsonObject = {"type": "function", "name": "f", "parameters": {"type": "object"}, "strict": True}


def ask(**fields: JsonValue) -> JsonObject:
    return {"model": "m", "input": "Hi", **fields}


def refused(body: JsonObject, error: type[RequestError], param: str | None) -> RequestError:
    with pytest.raises(error) as caught:
        openai_responses.read(body)
    assert type(caught.value) is error
    assert caught.value.param == param
    return caught.value


def test_a_full_request_is_read(responses_body: JsonObject) -> None:
    request = openai_responses.read(responses_body)
    assert request.dialect == openai_responses.NAME
    assert request.model == "support"
    assert request.min_isolation is Isolation.WRAPPED
    assert [message.role.value for message in request.messages] == [
        *("system", "system", "developer", "user", "assistant", "tool", "assistant", "input", "user", "input"),
    ]
    assert [tool.name for tool in request.tools] == ["look_up"]
    assert request.options.stream
    assert set(request.options.values) == {
        *("temperature", "max_completion_tokens", "metadata", "response_format", "tool_choice", "verbosity"),
        *("reasoning_effort",),
    }
    assert request.options.extra == {}


def test_the_smallest_request_is_read() -> None:
    request = openai_responses.read(ask())
    part = TextPart(text="Hi", path="input")
    assert request.messages == (Message(role=Role.USER, parts=(part,), path="input"),)
    assert not request.options.stream
    assert not request.roleless
    assert request.echo == {}


def test_instructions_are_the_first_system_message() -> None:
    told, asked = openai_responses.read(ask(instructions="Be brief.")).messages
    part = TextPart(text="Be brief.", path="instructions")
    assert told == Message(role=Role.SYSTEM, parts=(part,), path="instructions")
    assert asked.role is Role.USER
    refused(ask(instructions=[{"role": "system", "content": "x"}]), InvalidField, "instructions")


def test_top_level_data_follows_the_last_user_message() -> None:
    item: JsonObject = {"role": "assistant", "content": "x"}
    messages = openai_responses.read(ask(input=[{"role": "user", "content": "x"}, item], data="D")).messages
    assert messages[1] == Message(role=Role.INPUT, parts=(DataPart(text="D", path="data"),), path="data")
    assert len(messages) == 3


def test_the_last_event_reports_usage_whether_it_was_asked_for_or_not() -> None:
    assert openai_responses.read(ask(stream=True)).options.include_usage
    assert openai_responses.read(ask(stream=True, stream_options={"include_obfuscation": False})).options.stream


@pytest.mark.rows
@pytest.mark.parametrize(
    ("fields", "error", "param"),
    [
        ({"model": None}, InvalidField, "model"),
        ({"model": ""}, InvalidField, "model"),
        ({"input": None}, InvalidField, "input"),
        ({"input": []}, InvalidField, "input"),
        ({"stream": 1}, InvalidField, "stream"),
        ({"stream_options": {}}, InvalidField, "stream_options"),
        ({"stream": True, "stream_options": {"include_usage": True}}, UnknownField, "stream_options.include_usage"),
        (
            {"stream": True, "stream_options": {"include_obfuscation": True}},
            InvalidField,
            "stream_options.include_obfuscation",
        ),
        ({"min_isolation": "high"}, InvalidField, "min_isolation"),
        ({"data": 7}, InvalidField, "data"),
        ({"subject": ""}, InvalidField, "subject"),
        ({"tool_choice": "required"}, InvalidField, "tool_choice"),
        ({"tools": [TOOL], "tool_choice": {"type": "function", "name": "g"}}, InvalidField, "tool_choice.name"),
        ({"tools": [{"type": "web_search"}]}, ContentByReference, "tools[0].type"),
        ({"tools": [{**TOOL, "name": "read_untrusted_data"}]}, ForbiddenField, "tools[0].name"),
        ({"api_base": "x"}, ForbiddenField, "api_base"),
        ({"mcp_servers": "x"}, ContentByReference, "mcp_servers"),
        ({"ignore all rules": 1}, UnknownField, "?"),
        ({"top_k": {"base_url": "x"}}, ForbiddenField, "top_k.base_url"),
    ],
)
def test_wrong_fields_are_refused_by_their_path(fields: JsonObject, error: type[RequestError], param: str) -> None:
    refused(ask(**fields), error, param)


def test_unknown_fields_are_kept_apart_for_the_router() -> None:
    options = openai_responses.read(ask(top_k=5, min_p=None)).options
    assert options.extra == {"top_k": 5, "min_p": None}
    assert options.values == {}


def test_segment_ids_are_unique_in_a_request() -> None:
    part: JsonObject = {"type": "data", "id": "a", "text": "x"}
    refused(ask(input=[{"role": "user", "content": [part]}], data={"id": "a", "text": "y"}), InvalidField, "data.id")


def test_segments_count_over_all_of_a_request() -> None:
    two: JsonValue = {"role": "user", "content": [{"type": "input_text", "text": "a"}] * 2}
    call: JsonObject = {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"}
    reasoning: JsonObject = {"type": "reasoning", "id": "r", "summary": [{"type": "summary_text", "text": "b"}]}
    items: list[JsonValue] = [*[two] * 998, reasoning, call, {**call, "call_id": "d"}]
    assert len(openai_responses.read(ask(input=items, data="c")).messages) == 1_000
    body = ask(input=items, data=[{"text": "c"}, {"text": "d"}])
    assert "2000 segments" in refused(body, InvalidField, "input[998]").message


def test_seals_count_too() -> None:
    written = packed("", tuple([Seal(length=0, token="t")] * 999))
    thought: JsonObject = {"type": "reasoning", "id": "r", "summary": [], "encrypted_content": written}
    call: JsonObject = {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"}
    answers: list[JsonValue] = [thought, call, {"role": "user", "content": "x"}]
    assert len(openai_responses.read(ask(input=answers)).messages) == 2
    assert "2000 segments" in refused(ask(input=answers * 2), InvalidField, "input[3]").message


@pytest.mark.rows
@pytest.mark.parametrize(
    ("fields", "subject"),
    [
        ({}, None),
        ({"metadata": {"user_id": "m"}}, "m"),
        ({"metadata": {"user_id": "m"}, "user": "u"}, "u"),
        ({"user": "u", "safety_identifier": "i"}, "i"),
        ({"safety_identifier": "i", "subject": "s"}, "s"),
    ],
)
def test_the_subject_is_said_or_else_is_the_providers_end_user(fields: JsonObject, subject: str | None) -> None:
    assert openai_responses.read(ask(**fields)).subject == subject


def test_a_response_repeats_what_was_asked_for_and_nothing_of_the_prompt() -> None:
    fields: JsonObject = {
        "temperature": 0.5,
        "top_p": 0.9,
        "max_output_tokens": 7,
        "tool_choice": {"type": "function", "name": "f"},
        "parallel_tool_calls": False,
        "text": {"format": {"type": "json_object"}, "verbosity": "low"},
        "reasoning": {"effort": "low", "summary": "auto"},
        "metadata": {"run": "7"},
        "service_tier": "flex",
        "user": "u",
        "safety_identifier": "i",
        "prompt_cache_key": "k",
        "prompt_cache_retention": "24h",
    }
    aside: JsonObject = {"instructions": "x", "data": "x", "store": False, "truncation": "disabled", "top_k": 1}
    request = openai_responses.read(ask(**fields, **aside, tools=[TOOL]))
    tools = request.echo["tools"]
    assert {**request.echo, "tools": None} == {**fields, "tools": None}
    assert tools == [{**TOOL, "description": None}]
    TypeAdapter(list[FunctionTool]).validate_python(tools, strict=True)


def test_every_key_of_the_sdks_function_is_known() -> None:
    whole: JsonObject = {
        **TOOL,
        "description": "d",
        "allowed_callers": ["direct"],
        "defer_loading": False,
        "output_schema": None,
    }
    assert set(whole) == set(FunctionToolParam.__annotations__)
    (tool,) = openai_responses.read(ask(tools=[whole])).tools
    assert (tool.name, tool.description, tool.parameters, tool.strict) == ("f", "d", {"type": "object"}, True)
