from typing import get_type_hints

import pytest
from hypothesis import given
from hypothesis import strategies as st
from openai.types import chat
from openai.types.chat.chat_completion_content_part_param import File

from gateway.dialects import openai_chat
from gateway.domain.errors import ContentByReference, ForbiddenField, InvalidField, RequestError, UnknownField
from gateway.domain.isolation import Isolation
from gateway.domain.jsonvalue import JsonObject, JsonValue
from gateway.domain.prompt import ToolCall, Trust
from gateway.domain.request import DataPart, Message, RefusalPart, Role, TextPart

USER: JsonObject = {"role": "user", "content": "Hi"}
CALL: JsonObject = {"id": "c1", "type": "function", "function": {"name": "f", "arguments": '{"a": 1}'}}


def ask(*messages: JsonValue, **fields: JsonValue) -> JsonObject:
    return {"model": "m", "messages": list(messages), **fields}


def only(message: JsonValue) -> Message:
    return openai_chat.read(ask(message)).messages[0]


def refused(body: JsonObject, error: type[RequestError], param: str | None) -> RequestError:
    with pytest.raises(error) as caught:
        openai_chat.read(body)
    assert type(caught.value) is error
    assert caught.value.param == param
    return caught.value


def test_a_full_request_is_read(chat_body: JsonObject) -> None:
    request = openai_chat.read(chat_body)
    assert request.dialect == openai_chat.NAME
    assert request.model == "support"
    assert request.min_isolation is Isolation.WRAPPED
    assert [message.role.value for message in request.messages] == [
        *("system", "developer", "user", "assistant", "tool", "assistant", "tool", "input", "user", "input"),
    ]
    assert [tool.name for tool in request.tools] == ["look_up"]
    assert request.options.stream
    assert request.options.include_usage
    assert set(request.options.values) == {
        *("temperature", "max_tokens", "stop", "logit_bias", "metadata", "response_format", "tool_choice"),
    }
    assert request.options.extra == {}


def test_the_smallest_request_is_read() -> None:
    request = openai_chat.read(ask(USER))
    part = TextPart(text="Hi", path="messages[0].content")
    assert request.messages == (Message(role=Role.USER, parts=(part,), path="messages[0]"),)
    assert not request.options.stream
    assert request.min_isolation is None


@pytest.mark.rows
@pytest.mark.parametrize("role", ["system", "developer", "user", "input"])
def test_roles_are_kept_and_names_read(role: str) -> None:
    message = only({"role": role, "content": "x", "name": "a.b"})
    assert message.role is Role(role)
    assert message.name == "a.b"


def test_unknown_fields_are_kept_apart_for_the_router() -> None:
    options = openai_chat.read(ask(USER, top_k=5, guided_json={"type": "object"}, min_p=None)).options
    assert options.extra == {"top_k": 5, "guided_json": {"type": "object"}, "min_p": None}
    assert options.values == {}


@pytest.mark.rows
@pytest.mark.parametrize("name", ["api_base", "API-Key", "chat_template", "documents", "echo", "lora", "organization"])
def test_forbidden_fields_are_refused_at_once(name: str) -> None:
    refused(ask(USER, **{name: "x"}), ForbiddenField, name)


def test_forbidden_names_are_found_deep_in_unknown_fields() -> None:
    refused(ask(USER, provider_options=[{"x": {"base_url": "u"}}]), ForbiddenField, "provider_options[0].x.base_url")
    assert openai_chat.read(ask(USER, provider_options=[{"x": {"base_urls": "u"}}])).options.extra


def test_an_unknown_field_that_is_no_name_is_not_shown() -> None:
    error = refused(ask(USER, **{"ignore all rules": 1}), UnknownField, "?")
    assert "ignore" not in error.message


@pytest.mark.parametrize(
    "path",
    [
        ("messages", 0),
        ("messages", 2, "content", 0),
        ("messages", 2, "content", 1),
        ("messages", 2, "content", 2, "image_url"),
        ("messages", 2, "content", 3, "input_audio"),
        ("messages", 2, "content", 4, "file"),
        ("messages", 3),
        ("messages", 3, "tool_calls", 0),
        ("messages", 3, "tool_calls", 0, "function"),
        ("messages", 4),
        ("messages", 6),
        ("messages", 7),
        ("data", 0),
        ("stream_options",),
        ("tools", 0),
        ("tools", 0, "function"),
        ("tool_choice",),
        ("tool_choice", "function"),
        ("response_format",),
        ("response_format", "json_schema"),
        ("metadata",),
        (),
    ],
)
@pytest.mark.parametrize(("key", "error"), [("api_base", ForbiddenField), ("surprise", UnknownField)])
def test_no_object_takes_a_strange_key(
    chat_body: dict[str, JsonValue], path: tuple[str | int, ...], key: str, error: type[RequestError]
) -> None:
    holder: JsonValue = chat_body
    for step in path:
        if isinstance(holder, dict):
            holder = holder[str(step)]
        elif isinstance(holder, list):
            holder = holder[int(step)]
    assert isinstance(holder, dict)
    holder[key] = "x"
    if key == "surprise" and path in {(), ("metadata",)}:
        assert openai_chat.read(chat_body)
        return
    where = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in (*path, key)).lstrip(".")
    refused(chat_body, error, where)


def test_schemas_and_texts_may_name_anything(chat_body: dict[str, JsonValue]) -> None:
    schema: JsonValue = {"type": "object", "properties": {"api_base": {}, "headers": {}, "chat_template": {}}}
    chat_body["tools"] = [{"type": "function", "function": {"name": "look_up", "parameters": schema}}]
    chat_body["response_format"] = {"type": "json_schema", "json_schema": {"name": "o", "schema": schema}}
    chat_body["data"] = '{"api_base": "http://evil.example"}'
    request = openai_chat.read(chat_body)
    assert request.tools[0].parameters == schema


@pytest.mark.rows
@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"messages": [USER]}, "model"),
        (ask(USER, model=""), "model"),
        (ask(USER, model="x" * 257), "model"),
        (ask(USER, model=7), "model"),
        ({"model": "m"}, "messages"),
        (ask(), "messages"),
        ({"model": "m", "messages": "Hi"}, "messages"),
        (ask("Hi"), "messages[0]"),
        (ask(USER, {"content": "x"}), "messages[1].role"),
        (ask({"role": "root", "content": "x"}), "messages[0].role"),
        (ask({"role": ["user"], "content": "x"}), "messages[0].role"),
        (ask({"role": "user"}), "messages[0].content"),
        (ask({"role": "user", "content": None}), "messages[0].content"),
        (ask({"role": "user", "content": []}), "messages[0].content"),
        (ask({"role": "user", "content": "x", "name": "a b"}), "messages[0].name"),
        (ask({"role": "user", "content": "x", "name": "x" * 65}), "messages[0].name"),
        (ask({"role": "tool", "content": "x"}), "messages[0].tool_call_id"),
        (ask({"role": "tool", "content": "x", "tool_call_id": "c 1"}), "messages[0].tool_call_id"),
        (ask({"role": "function", "content": "x"}), "messages[0].name"),
        (ask({"role": "function", "name": "f", "content": 0}), "messages[0].content"),
        (ask(USER, stream=1), "stream"),
        (ask(USER, stream_options={}), "stream_options"),
        (ask(USER, stream=True, stream_options=[]), "stream_options"),
        (ask(USER, stream=True, stream_options={"include_usage": 1}), "stream_options.include_usage"),
        (ask(USER, stream=True, stream_options={"include_obfuscation": True}), "stream_options.include_obfuscation"),
        (ask(USER, min_isolation="high"), "min_isolation"),
        (ask(USER, min_isolation=["none"]), "min_isolation"),
        (ask(USER, data=7), "data"),
        (ask(USER, tool_choice="required"), "tool_choice"),
    ],
)
def test_wrong_fields_are_refused_by_their_path(body: JsonObject, param: str) -> None:
    refused(body, InvalidField, param)


@pytest.mark.rows
@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (None, False),
        ({}, False),
        ({"include_usage": True}, True),
        ({"include_usage": False, "include_obfuscation": False}, False),
        ({"include_usage": None}, False),
    ],
)
def test_stream_options_decide_on_usage(options: JsonValue, expected: bool) -> None:
    assert openai_chat.read(ask(USER, stream=True, stream_options=options)).options.include_usage is expected


def test_a_tool_result_names_its_call() -> None:
    message = only({"role": "tool", "content": [{"type": "text", "text": "3"}], "tool_call_id": "c1", "name": "f"})
    assert message.role is Role.TOOL
    assert message.call_id == "c1"
    assert message.name == "f"
    assert message.parts == (TextPart(text="3", path="messages[0].content[0]"),)


def test_deprecated_function_messages_become_tool_turns() -> None:
    called, result = openai_chat.read(
        ask(
            {"role": "assistant", "content": None, "function_call": {"name": "f", "arguments": "{}"}},
            {"role": "function", "name": "f", "content": None},
        )
    ).messages
    assert called.tool_calls == (ToolCall(id="fn.f", name="f", arguments="{}"),)
    assert (result.role, result.call_id, result.name) == (Role.TOOL, "fn.f", "f")
    assert result.parts == (TextPart(text="", path="messages[1].content"),)


def test_an_assistant_turn_is_read_whole() -> None:
    message = only(
        {
            "role": "assistant",
            "content": "Let me see.",
            "refusal": "Not that.",
            "tool_calls": [CALL],
            "name": "bot",
            "function_call": None,
            "audio": None,
            "annotations": [],
            "reasoning_content": "Hm.",
            "reasoning": None,
        }
    )
    assert message.parts == (
        TextPart(text="Let me see.", path="messages[0].content"),
        RefusalPart(text="Not that.", path="messages[0].refusal"),
    )
    assert message.tool_calls == (ToolCall(id="c1", name="f", arguments='{"a": 1}'),)


@pytest.mark.rows
@pytest.mark.parametrize("nothing", [{}, {"tool_calls": []}, {"tool_calls": None}])
def test_an_assistant_turn_without_calls_has_content(nothing: JsonObject) -> None:
    assert only({"role": "assistant", "content": "", **nothing}).parts
    refused(ask({"role": "assistant", "content": None, **nothing}), InvalidField, "messages[0].content")


def test_what_litellm_gives_back_twice_is_read_once() -> None:
    copied: JsonObject = {"refusal": None, "reasoning_content": "Hm.", "citations": []}
    raw = {"role": "assistant", "content": "Yes.", "reasoning_content": "Hm.", "provider_specific_fields": copied}
    assert only(raw) == only({key: held for key, held in raw.items() if key != "provider_specific_fields"})


def test_our_own_answers_can_be_sent_back() -> None:
    note = {"type": "url_citation", "url_citation": {"url": "u", "title": "t", "start_index": 0, "end_index": 1}}
    raw = {"role": "assistant", "content": "Yes.", "annotations": [note], "reasoning_content": "Hm."}
    message = only(chat.ChatCompletionMessage.model_validate(raw).model_dump())
    assert message.parts == (TextPart(text="Yes.", path="messages[0].content"),)
    assert message.reasoning == "Hm."


@pytest.mark.rows
@pytest.mark.parametrize(
    ("fields", "reasoning"),
    [
        ({}, None),
        ({"reasoning_content": None, "reasoning": ""}, None),
        ({"reasoning": "b"}, "b"),
        ({"reasoning_content": "a", "reasoning": "b"}, "a"),
    ],
)
def test_reasoning_has_two_names(fields: JsonObject, reasoning: str | None) -> None:
    assert only({"role": "assistant", "content": "x", **fields}).reasoning == reasoning


@pytest.mark.rows
@pytest.mark.parametrize("fields", [{"role": role} for role in ("system", "user", "assistant", "input")] + [
    {"role": "tool", "tool_call_id": "c"}
])  # fmt: skip
def test_a_list_of_parts_is_known_from_a_text(fields: JsonObject) -> None:
    assert only({**fields, "content": [{"type": "text", "text": "x"}]}).listed
    assert not only({**fields, "content": "x"}).listed


EXTRAS: list[tuple[JsonObject, str]] = [
    ({"vllm_xargs": {"documents": ["x"]}}, "vllm_xargs.documents"),
    ({"vllm_xargs": [{"a": {"echo": True}}]}, "vllm_xargs[0].a.echo"),
    ({"vllm_xargs": {"properties": {"echo": True}}}, "vllm_xargs.properties.echo"),
    ({"guided_json": {"properties": {"api_key": {"type": "string"}}}}, "guided_json.properties.api_key"),
]


@pytest.mark.rows
@pytest.mark.parametrize(("extra", "param"), EXTRAS)
def test_an_extra_field_hides_nothing_that_is_refused(extra: JsonObject, param: str) -> None:
    refused(ask(USER, **extra), ForbiddenField, param)


def test_a_schema_in_an_extra_field_names_what_it_likes() -> None:
    schema: JsonObject = {"type": "object", "properties": {"host": {"type": "string"}, "documents": {"type": "array"}}}
    assert openai_chat.read(ask(USER, guided_json=schema)).options.extra == {"guided_json": schema}


WRONG_ASSISTANT: list[tuple[JsonObject, type[RequestError], str]] = [
    ({"audio": {"id": "a"}}, ContentByReference, "audio"),
    ({"annotations": ["x"]}, InvalidField, "annotations[0]"),
    ({"annotations": {}}, InvalidField, "annotations"),
    ({"provider_specific_fields": []}, InvalidField, "provider_specific_fields"),
    (
        {"provider_specific_fields": {"reasoning_content": "other"}},
        UnknownField,
        "provider_specific_fields.reasoning_content",
    ),
    ({"provider_specific_fields": {"api_base": "x"}}, ForbiddenField, "provider_specific_fields.api_base"),
    ({"reasoning_content": 1}, InvalidField, "reasoning_content"),
    ({"refusal": 1}, InvalidField, "refusal"),
    ({"tool_calls": {}}, InvalidField, "tool_calls"),
    ({"tool_calls": [{**CALL, "id": None}]}, InvalidField, "tool_calls[0].id"),
    ({"tool_calls": [{**CALL, "index": 0}]}, UnknownField, "tool_calls[0].index"),
    ({"tool_calls": [{"id": "c", "type": "custom", "custom": {}}]}, InvalidField, "tool_calls[0].type"),
    ({"tool_calls": [{**CALL, "function": {"name": "f"}}]}, InvalidField, "tool_calls[0].function.arguments"),
    (
        {"tool_calls": [{**CALL, "function": {"name": "read_untrusted_data", "arguments": "{}"}}]},
        ForbiddenField,
        "tool_calls[0].function.name",
    ),
    (
        {"function_call": {"name": "read_untrusted_data", "arguments": "{}"}},
        ForbiddenField,
        "function_call.name",
    ),
    ({"prefix": True}, UnknownField, "prefix"),
]


@pytest.mark.rows
@pytest.mark.parametrize(("fields", "error", "param"), WRONG_ASSISTANT)
def test_wrong_assistant_turns_are_refused(fields: JsonObject, error: type[RequestError], param: str) -> None:
    refused(ask({"role": "assistant", "content": "x", **fields}), error, f"messages[0].{param}")


@pytest.mark.parametrize(
    "message",
    [
        {"role": "tool", "content": "x", "tool_call_id": "c", "name": "read_untrusted_data"},
        {"role": "function", "content": "x", "name": "read_untrusted_data"},
    ],
)
def test_results_cannot_claim_to_be_the_gateways_own(message: JsonObject) -> None:
    refused(ask(message), ForbiddenField, "messages[0].name")


@pytest.mark.rows
@pytest.mark.parametrize(
    ("roles", "place"),
    [
        (["user"], 1),
        (["system"], 1),
        (["system", "user"], 2),
        (["user", "assistant", "user"], 3),
        (["system", "user", "tool"], 2),
        (["system", "tool"], 2),
    ],
)
def test_top_level_data_follows_the_last_user_message(roles: list[str], place: int) -> None:
    extra: dict[str, JsonObject] = {"tool": {"tool_call_id": "c"}}
    messages = [{"role": role, "content": "x", **extra.get(role, {})} for role in roles]
    read = openai_chat.read(ask(*messages, data="D")).messages
    part = DataPart(text="D", path="data")
    assert read[place] == Message(role=Role.INPUT, parts=(part,), path="data")
    assert len(read) == len(roles) + 1


def test_an_empty_list_of_data_adds_nothing() -> None:
    assert len(openai_chat.read(ask(USER, data=[])).messages) == 1


def test_segment_ids_are_unique_in_a_request() -> None:
    def part(name: str) -> JsonObject:
        return {"type": "data", "id": name, "text": "x"}

    both: list[JsonValue] = [part("a"), part("b")]
    assert openai_chat.read(ask({"role": "user", "content": both}, data={"id": "c", "text": "x"}))
    body = ask({"role": "user", "content": both}, data={"id": "a", "text": "x"})
    refused(body, InvalidField, "data.id")


def test_a_trust_label_is_carried_to_where_it_can_only_lower() -> None:
    content: JsonValue = [{"type": "text", "text": "x", "trust": "untrusted"}, {"type": "text", "text": "y"}]
    parts = only({"role": "system", "content": content}).parts
    assert [part.trust for part in parts if isinstance(part, TextPart)] == [Trust.UNTRUSTED, None]


TEXTS = st.text(max_size=50)
PARTS = st.fixed_dictionaries({"type": st.sampled_from(["text", "data"]), "text": TEXTS})


@given(
    st.lists(
        st.tuples(st.sampled_from(["system", "developer", "user", "input"]), TEXTS | st.lists(PARTS, min_size=1)),
        min_size=1,
        max_size=6,
    )
)
def test_every_text_keeps_its_role_its_place_and_its_kind(
    conversation: list[tuple[str, str | list[dict[str, str]]]],
) -> None:
    body: JsonObject = {"model": "m", "messages": [{"role": role, "content": held} for role, held in conversation]}
    messages = openai_chat.read(body).messages
    assert [message.role.value for message in messages] == [role for role, _ in conversation]
    for message, (_, held) in zip(messages, conversation, strict=True):
        read = [(type(part), part.text) for part in message.parts if isinstance(part, TextPart | DataPart)]
        if isinstance(held, str):
            assert read == [(TextPart, held)]
        else:
            kinds = {"text": TextPart, "data": DataPart}
            assert read == [(kinds[part["type"]], part["text"]) for part in held]


MESSAGES = {
    "system": chat.ChatCompletionSystemMessageParam,
    "developer": chat.ChatCompletionDeveloperMessageParam,
    "user": chat.ChatCompletionUserMessageParam,
    "assistant": chat.ChatCompletionAssistantMessageParam,
    "tool": chat.ChatCompletionToolMessageParam,
    "function": chat.ChatCompletionFunctionMessageParam,
}


@pytest.mark.rows
@pytest.mark.parametrize("role", sorted(MESSAGES))
def test_every_key_of_the_sdks_messages_is_known(role: str) -> None:
    for key in get_type_hints(MESSAGES[role]):
        with pytest.raises(RequestError) as caught:
            openai_chat.read(ask({"content": 7, "role": role, key: 7}))
        assert not isinstance(caught.value, UnknownField), key


def test_every_kind_of_content_part_of_the_sdk_is_known() -> None:
    kinds = {
        "text": chat.ChatCompletionContentPartTextParam,
        "image_url": chat.ChatCompletionContentPartImageParam,
        "input_audio": chat.ChatCompletionContentPartInputAudioParam,
        "file": File,
    }
    for kind, hint in kinds.items():
        for key in get_type_hints(hint).keys() - {"type"}:
            body = ask({"role": "user", "content": [{"type": kind, key: 7}]})
            with pytest.raises(RequestError) as caught:
                openai_chat.read(body)
            assert (caught.value.param or "").startswith(f"messages[0].content[0].{key}")


@pytest.mark.parametrize(
    ("messages", "path"),
    [
        ([{"role": "user", "content": "a"}] * 2_001, "messages"),
        ([{"role": "user", "content": [{"type": "text", "text": "a"}] * 2_001}], "messages[0].content"),
    ],
)
def test_a_conversation_beyond_any_models_context_is_refused(messages: list[JsonValue], path: str) -> None:
    with pytest.raises(InvalidField) as caught:
        openai_chat.read({"model": "m", "messages": messages})
    assert caught.value.param == path


def test_a_long_conversation_is_taken() -> None:
    messages: list[JsonValue] = [{"role": "user", "content": "a"}] * 2_000
    assert len(openai_chat.read({"model": "m", "messages": messages}).messages) == 2_000


def test_segments_count_over_all_of_a_request() -> None:
    two: JsonValue = {"role": "user", "content": [{"type": "text", "text": "a"}] * 2}
    called: JsonValue = {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    three: JsonValue = {"role": "assistant", "tool_calls": [called, called], "reasoning_content": "b"}
    body: dict[str, JsonValue] = {"model": "m", "messages": [two] * 998 + [three], "data": "c"}
    assert len(openai_chat.read(body).messages) == 1_000
    with pytest.raises(InvalidField, match="2000 segments") as caught:
        openai_chat.read({**body, "data": [{"text": "c"}, {"text": "d"}]})
    assert caught.value.param == "messages[998]"
