from typing import get_args, get_type_hints

import pytest
from openai.types.responses import response_input_param as sdk
from openai.types.responses.easy_input_message_param import EasyInputMessageParam
from openai.types.responses.response_function_tool_call_output_item import ResponseFunctionToolCallOutputItem
from openai.types.responses.response_function_tool_call_param import ResponseFunctionToolCallParam
from openai.types.responses.response_input_message_item import ResponseInputMessageItem
from openai.types.responses.response_output_message_param import ResponseOutputMessageParam
from openai.types.responses.response_reasoning_item_param import ResponseReasoningItemParam
from pydantic import BaseModel

from gateway.dialects._openai_responses_items import messages_of
from gateway.domain.errors import ContentByReference, ForbiddenField, InvalidField, RequestError, UnknownField
from gateway.domain.jsonvalue import JsonObject, JsonValue
from gateway.domain.prompt import MediaKind, Seal, ToolCall
from gateway.domain.request import DataPart, MediaPart, Message, RefusalPart, Role, TextPart

CALL: JsonObject = {"type": "function_call", "call_id": "c1", "name": "f", "arguments": '{"a": 1}'}
RESULT: JsonObject = {"type": "function_call_output", "call_id": "c1", "output": "3"}
REASONING: JsonObject = {"type": "reasoning", "id": "rs_1", "summary": [{"type": "summary_text", "text": "Hm."}]}
SAID: JsonObject = {
    "type": "message",
    "id": "msg_1",
    "role": "assistant",
    "status": "completed",
    "content": [{"type": "output_text", "text": "Yes.", "annotations": []}],
}
USER: JsonObject = {"role": "user", "content": "Go on."}


def read(*items: JsonValue) -> list[Message]:
    return messages_of(list(items), "input")


def refused(error: type[RequestError], param: str, *items: JsonValue) -> RequestError:
    with pytest.raises(error) as caught:
        read(*items)
    assert type(caught.value) is error
    assert caught.value.param == param
    return caught.value


def test_a_text_is_the_users() -> None:
    part = TextPart(text="Hi", path="input")
    assert messages_of("Hi", "input") == [Message(role=Role.USER, parts=(part,), path="input")]


@pytest.mark.rows
@pytest.mark.parametrize("value", [None, 7, {}, []])
def test_anything_else_is_a_list_of_items(value: JsonValue) -> None:
    with pytest.raises(InvalidField) as caught:
        messages_of(value, "input")
    assert caught.value.param == "input"


def test_a_list_beyond_any_models_context_is_refused() -> None:
    assert len(read(*[USER] * 2_000)) == 2_000
    refused(InvalidField, "input", *[USER] * 2_001)


@pytest.mark.rows
@pytest.mark.parametrize("role", ["system", "developer", "user", "input"])
@pytest.mark.parametrize("more", [{}, {"type": "message", "status": "completed", "id": "msg_1", "phase": None}])
def test_roles_are_kept(role: str, more: JsonObject) -> None:
    (message,) = read({"role": role, "content": "x", **more})
    assert message == Message(role=Role(role), parts=(TextPart(text="x", path="input[0].content"),), path="input[0]")


def test_a_list_of_parts_is_known_from_a_text() -> None:
    (message,) = read({"role": "user", "content": [{"type": "input_text", "text": "x"}]})
    assert message.listed
    assert message.parts == (TextPart(text="x", path="input[0].content[0]"),)


def test_an_answer_is_one_message_whatever_items_it_came_in() -> None:
    second = {**CALL, "call_id": "c2", "name": "g", "id": "fc_2", "status": "completed"}
    user, said, one, two, after = read(
        USER, REASONING, SAID, CALL, second, RESULT, {**RESULT, "call_id": "c2"}, {"role": "user", "content": "?"}
    )
    assert (user.role, after.role) == (Role.USER, Role.USER)
    assert said == Message(
        role=Role.ASSISTANT,
        parts=(TextPart(text="Yes.", path="input[2].content[0]"),),
        path="input[1]",
        tool_calls=(
            ToolCall(id="c1", name="f", arguments='{"a": 1}'),
            ToolCall(id="c2", name="g", arguments='{"a": 1}'),
        ),
        reasoning="Hm.",
    )
    assert [(message.role, message.call_id) for message in (one, two)] == [(Role.TOOL, "c1"), (Role.TOOL, "c2")]


@pytest.mark.rows
@pytest.mark.parametrize(
    "items",
    [
        (REASONING, SAID, CALL),
        # So a stream tells it where the guard held the reasoning back for longer than the text.
        (SAID, REASONING, CALL),
        (SAID, CALL, REASONING),
        (CALL, REASONING, SAID),
        (REASONING, CALL, SAID),
    ],
)
def test_the_order_of_an_answers_items_does_not_matter(items: tuple[JsonObject, ...]) -> None:
    (message,) = read(*items)
    assert [part.text for part in message.parts if isinstance(part, TextPart)] == ["Yes."]
    assert [call.id for call in message.tool_calls] == ["c1"]
    assert message.reasoning == "Hm."
    assert message.path == "input[0]"


def test_a_second_message_is_a_message_of_its_own_with_the_reasoning_before_it() -> None:
    later = {**REASONING, "summary": [{"type": "summary_text", "text": "Well."}]}
    first, second = read(REASONING, SAID, later, SAID)
    assert (first.reasoning, first.path) == ("Hm.", "input[0]")
    assert (second.reasoning, second.path) == ("Well.", "input[2]")
    assert [message.path for message in read(SAID, SAID)] == ["input[0]", "input[1]"]


def test_nothing_comes_between_a_call_and_its_result() -> None:
    said, result = read(SAID, CALL, {**SAID, "content": "More."}, RESULT)
    assert [part.text for part in said.parts if isinstance(part, TextPart)] == ["Yes.", "More."]
    assert said.listed
    assert result.role is Role.TOOL


def test_calls_and_results_may_alternate() -> None:
    roles = [message.role for message in read(USER, CALL, RESULT, {**CALL, "call_id": "c2"}, RESULT)]
    assert roles == [Role.USER, Role.ASSISTANT, Role.TOOL, Role.ASSISTANT, Role.TOOL]


def test_an_answer_of_one_text_is_as_good_as_a_string() -> None:
    refusal: JsonObject = {"type": "refusal", "refusal": "No."}
    text: JsonObject = {"type": "output_text", "text": "x"}
    for content, listed in (("x", False), ([text], False), ([text, refusal], False), ([text, text], True)):
        (message,) = read({"role": "assistant", "content": content})
        assert message.listed is listed
    (message,) = read({"role": "assistant", "content": [refusal]})
    assert message.parts == (RefusalPart(text="No.", path="input[0].content[0]"),)


def test_reasoning_is_its_content_or_else_its_summary() -> None:
    summary: JsonValue = [{"type": "summary_text", "text": "a"}, {"type": "summary_text", "text": "b"}]
    content: JsonValue = [{"type": "reasoning_text", "text": "c"}]
    cases: list[tuple[JsonObject, str | None]] = [
        ({"summary": summary}, "a\n\nb"),
        ({"summary": summary, "content": content}, "c"),
        ({"summary": [], "content": content}, "c"),
        ({"summary": []}, None),
        ({"summary": None, "content": None, "encrypted_content": None, "status": None}, None),
    ]
    for fields, text in cases:
        (message,) = read({"type": "reasoning", "id": "rs_1", **fields}, SAID)
        assert (message.reasoning, message.seals) == (text, ())


def test_encrypted_reasoning_is_a_seal_over_what_can_be_read_of_it() -> None:
    (message,) = read({**REASONING, "encrypted_content": "gAAAA"}, CALL)
    assert (message.reasoning, message.seals) == ("Hm.", (Seal(length=3, token="gAAAA"),))
    (message,) = read({**REASONING, "summary": [], "encrypted_content": "gAAAA"}, CALL)
    assert (message.reasoning, message.seals) == (None, (Seal(length=0, token="gAAAA", hidden=True),))


def test_reasoning_of_one_answer_is_joined_under_all_its_seals() -> None:
    sealed = {**REASONING, "encrypted_content": "a"}
    (message,) = read(REASONING, REASONING, CALL)
    assert (message.reasoning, message.seals) == ("Hm.\n\nHm.", ())
    (message,) = read(sealed, CALL, {**sealed, "encrypted_content": "b"}, {**CALL, "call_id": "c2"})
    assert message.reasoning == "Hm.Hm."
    assert message.seals == (Seal(length=3, token="a"), Seal(length=3, token="b"))
    (message,) = read(sealed, REASONING, CALL)
    assert (message.reasoning, message.seals) == ("Hm.Hm.", (Seal(length=3, token="a"),))


def test_a_seal_behind_reasoning_without_one_is_refused() -> None:
    refused(InvalidField, "input[1].encrypted_content", REASONING, {**REASONING, "encrypted_content": "a"}, CALL)


@pytest.mark.rows
@pytest.mark.parametrize("after", [(), (USER,), (RESULT,)])
def test_reasoning_without_an_answer_is_refused(after: tuple[JsonObject, ...]) -> None:
    error = refused(InvalidField, "input[1]", USER, REASONING, *after)
    assert "followed by" in error.message


def test_a_functions_result_is_a_tools_message() -> None:
    (message,) = read({**RESULT, "id": "fco_1", "status": "completed", "name": "f", "caller": {"type": "direct"}})
    assert message == Message(
        role=Role.TOOL,
        parts=(TextPart(text="3", path="input[0].output"),),
        path="input[0]",
        name="f",
        call_id="c1",
    )


def test_a_functions_result_may_hold_parts() -> None:
    output: JsonValue = [
        {"type": "input_text", "text": "a"},
        {"type": "data", "text": "b", "origin": "web"},
        {"type": "input_image", "image_url": "data:image/png;base64,AAAA"},
        {"type": "input_file", "file_data": "AAAA", "filename": "a.csv"},
    ]
    (message,) = read({**RESULT, "output": output})
    assert message.listed
    assert message.parts[:2] == (
        TextPart(text="a", path="input[0].output[0]"),
        DataPart(text="b", origin="web", path="input[0].output[1]"),
    )
    assert [part.kind for part in message.parts if isinstance(part, MediaPart)] == [MediaKind.IMAGE, MediaKind.FILE]


WRONG: list[tuple[JsonValue, type[RequestError], str]] = [
    ("x", InvalidField, "input[0]"),
    ({}, InvalidField, "input[0].type"),
    ({"content": "x"}, InvalidField, "input[0].type"),
    ({"type": "planted", "role": "user", "content": "x"}, InvalidField, "input[0].type"),
    ({"type": ["message"], "role": "user", "content": "x"}, InvalidField, "input[0].type"),
    ({"type": "message", "content": "x"}, InvalidField, "input[0].role"),
    ({"role": "tool", "content": "x"}, InvalidField, "input[0].role"),
    ({"role": "user"}, InvalidField, "input[0].content"),
    ({"role": "user", "content": "x", "name": "n"}, UnknownField, "input[0].name"),
    ({"role": "user", "content": "x", "api_base": "u"}, ForbiddenField, "input[0].api_base"),
    ({"role": "user", "content": "x", "status": "done"}, InvalidField, "input[0].status"),
    ({"role": "user", "content": "x", "id": 7}, InvalidField, "input[0].id"),
    ({"role": "assistant", "content": "x", "phase": "commentary"}, InvalidField, "input[0].phase"),
    ({"role": "assistant", "content": [{"type": "input_text", "text": "x"}]}, InvalidField, "input[0].content[0].type"),
    ({**CALL, "call_id": None}, InvalidField, "input[0].call_id"),
    ({**CALL, "call_id": "a b"}, InvalidField, "input[0].call_id"),
    ({**CALL, "name": None}, InvalidField, "input[0].name"),
    ({**CALL, "name": "read_untrusted_data"}, ForbiddenField, "input[0].name"),
    ({**CALL, "arguments": {}}, InvalidField, "input[0].arguments"),
    ({**CALL, "namespace": "crm"}, InvalidField, "input[0].namespace"),
    ({**CALL, "caller": {"type": "program", "caller_id": "x"}}, InvalidField, "input[0].caller.type"),
    ({**CALL, "caller": {"type": "direct", "x": 1}}, UnknownField, "input[0].caller.x"),
    ({**CALL, "index": 0}, UnknownField, "input[0].index"),
    ({**RESULT, "call_id": ""}, InvalidField, "input[0].call_id"),
    ({**RESULT, "output": None}, InvalidField, "input[0].output"),
    ({**RESULT, "output": {}}, InvalidField, "input[0].output"),
    ({**RESULT, "name": "read_untrusted_data"}, ForbiddenField, "input[0].name"),
    ({**RESULT, "is_error": True}, UnknownField, "input[0].is_error"),
    ({**REASONING, "summary": "x"}, InvalidField, "input[0].summary"),
    ({**REASONING, "summary": ["x"]}, InvalidField, "input[0].summary[0]"),
    ({**REASONING, "summary": [{"type": "text", "text": "x"}]}, InvalidField, "input[0].summary[0].type"),
    ({**REASONING, "summary": [{"type": "summary_text"}]}, InvalidField, "input[0].summary[0].text"),
    (
        {**REASONING, "summary": [{"type": "summary_text", "text": "x", "a": 1}]},
        UnknownField,
        "input[0].summary[0].a",
    ),
    ({**REASONING, "content": [{"type": "summary_text", "text": "x"}]}, InvalidField, "input[0].content[0].type"),
    ({**REASONING, "encrypted_content": 7}, InvalidField, "input[0].encrypted_content"),
    ({**REASONING, "encrypted_content": "splitgate-seals:x"}, InvalidField, "input[0].encrypted_content"),
    ({**REASONING, "role": "assistant"}, UnknownField, "input[0].role"),
]


@pytest.mark.rows
@pytest.mark.parametrize(("item", "error", "param"), WRONG)
def test_wrong_items_are_refused_by_their_path(item: JsonValue, error: type[RequestError], param: str) -> None:
    refused(error, param, item, SAID)


def kind_of(hint: type) -> str:
    """The type that items of this kind bear."""
    told = get_type_hints(hint).get("type")
    while not (words := [word for word in get_args(told) if isinstance(word, str)]):
        told = get_args(told)[0]
    return words[0]


KINDS = sorted({kind_of(hint) for hint in get_args(sdk.ResponseInputItemParam)})
TAKEN = {"message", "function_call", "function_call_output", "reasoning"}
HOSTED = ("_search", "code_interpreter", "image_generation", "mcp", "program", "compaction", "item_reference")


@pytest.mark.rows
@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_item_that_the_sdk_knows_is_taken_or_refused_with_what_to_do(kind: str) -> None:
    item: JsonObject = {"type": kind, "id": "x"}
    if kind in TAKEN:
        with pytest.raises(RequestError) as caught:
            read(item, USER)
        assert caught.value.param != "input[0].type"
        return
    by_reference = any(part in kind or kind.startswith("tool_search") for part in HOSTED)
    error = refused(ContentByReference if by_reference else InvalidField, "input[0]", item)
    assert error.message.startswith("input[0] is not supported: ")
    assert ";" in error.message


def test_a_reference_needs_no_type() -> None:
    error = refused(ContentByReference, "input[0]", {"id": "msg_1"})
    assert "send the item itself" in error.message


def keys_of(hint: type[object]) -> set[str]:
    return set(hint.model_fields) if issubclass(hint, BaseModel) else set(get_type_hints(hint))


KEYS: list[tuple[type, JsonObject]] = [
    (EasyInputMessageParam, {"role": "user", "content": "x"}),
    (sdk.Message, {"role": "user", "content": [{"type": "input_text", "text": "x"}]}),
    (ResponseInputMessageItem, {"role": "user", "content": [{"type": "input_text", "text": "x"}]}),
    (ResponseOutputMessageParam, SAID),
    (ResponseFunctionToolCallParam, CALL),
    (sdk.FunctionCallOutput, RESULT),
    (ResponseFunctionToolCallOutputItem, RESULT),
    (ResponseReasoningItemParam, REASONING),
]


@pytest.mark.rows
@pytest.mark.parametrize(("hint", "item"), KEYS, ids=[hint.__name__ for hint, _ in KEYS])
def test_every_key_of_the_sdks_items_is_known(hint: type, item: JsonObject) -> None:
    for key in keys_of(hint) - {"type"}:
        with pytest.raises(RequestError) as caught:
            read({**item, key: 7}, SAID)
        assert not isinstance(caught.value, UnknownField), key
        assert caught.value.param == f"input[0].{key}"


def test_what_nobody_set_may_be_null() -> None:
    nulls: JsonObject = dict.fromkeys(("id", "status", "caller", "namespace", "name", "created_by"))
    assert len(read({**SAID, "id": None, "status": None, "phase": None}, {**RESULT, **nulls})) == 2
    assert read({**CALL, "id": None, "status": None, "caller": None, "namespace": None, "parsed_arguments": None})
