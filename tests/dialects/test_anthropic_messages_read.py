from typing import get_args, get_type_hints

import pytest
from anthropic import types
from hypothesis import given
from hypothesis import strategies as st

from gateway.dialects import anthropic_messages
from gateway.domain.errors import ForbiddenField, InvalidField, RequestError, UnknownField
from gateway.domain.isolation import Isolation
from gateway.domain.jsonvalue import JsonObject, JsonValue
from gateway.domain.request import DataPart, Message, Role, TextPart

USER: JsonObject = {"role": "user", "content": "Hi"}
TEXT: JsonObject = {"type": "text", "text": "x"}
RESULT: JsonObject = {"type": "tool_result", "tool_use_id": "t1", "content": "3"}


def ask(*messages: JsonValue, **fields: JsonValue) -> JsonObject:
    return {"model": "m", "max_tokens": 9, "messages": list(messages), **fields}


def messages(*given: JsonValue, **fields: JsonValue) -> tuple[Message, ...]:
    return anthropic_messages.read(ask(*given, **fields)).messages


def user(*blocks: JsonValue) -> JsonObject:
    return {"role": "user", "content": list(blocks)}


def refused(body: JsonObject, error: type[RequestError], param: str | None) -> RequestError:
    with pytest.raises(error) as caught:
        anthropic_messages.read(body)
    assert type(caught.value) is error
    assert caught.value.param == param
    return caught.value


def test_a_full_request_is_read(messages_body: JsonObject) -> None:
    request = anthropic_messages.read(messages_body)
    assert request.dialect == anthropic_messages.NAME
    assert request.model == "support"
    assert request.min_isolation is Isolation.WRAPPED
    assert request.subject == "u-1"
    assert [message.role.value for message in request.messages] == [
        *("system", "user", "assistant", "tool", "tool", "user", "assistant", "input", "user", "input"),
    ]
    assert [(tool.name, tool.cache) for tool in request.tools] == [("look_up", "5m")]
    assert request.options.stream
    assert set(request.options.values) == {
        *("max_tokens", "temperature", "stop", "user", "tool_choice", "parallel_tool_calls"),
        *("reasoning_effort", "response_format"),
    }
    assert request.options.extra == {}


def test_the_smallest_request_is_read() -> None:
    request = anthropic_messages.read(ask(USER))
    part = TextPart(text="Hi", path="messages[0].content")
    assert request.messages == (Message(role=Role.USER, parts=(part,), path="messages[0]"),)
    assert request.options.values == {"max_tokens": 9}
    assert not request.options.stream
    assert (request.min_isolation, request.subject) == (None, None)


def test_a_count_is_read_alike_without_a_length() -> None:
    counted = anthropic_messages.read_count({"model": "m", "messages": [USER], "system": "Be brief.", "data": "D"})
    assert counted.messages == messages(USER, system="Be brief.", data="D")
    assert counted.options.values == {}


@pytest.mark.parametrize("system", ["Be brief.", [{"type": "text", "text": "Be brief."}]])
def test_the_system_prompt_is_a_message_in_front(system: JsonValue) -> None:
    first, second = messages(USER, system=system)
    assert (first.role, first.path, first.listed) == (Role.SYSTEM, "system", False)
    assert [part.text for part in first.parts if isinstance(part, TextPart)] == ["Be brief."]
    assert second.role is Role.USER


def test_a_system_prompt_may_have_blocks_and_data() -> None:
    blocks: list[JsonValue] = [
        {**TEXT, "cache_control": {"type": "ephemeral", "ttl": "1h"}},
        {"type": "data", "id": "d", "text": "y"},
    ]
    assert messages(USER, system=blocks)[0] == Message(
        role=Role.SYSTEM,
        parts=(TextPart(text="x", path="system[0]", cache="1h"), DataPart(text="y", path="system[1]", id="d")),
        path="system",
        listed=True,
    )


@pytest.mark.parametrize("system", [None, []])
def test_no_system_prompt_is_no_message(system: JsonValue) -> None:
    assert [message.role for message in messages(USER, system=system)] == [Role.USER]


@pytest.mark.rows
@pytest.mark.parametrize("role", ["user", "assistant", "system", "input"])
def test_roles_are_kept(role: str) -> None:
    (message,) = messages({"role": role, "content": "x"})
    assert (message.role.value, message.path) == (role, "messages[0]")
    assert message.parts == (TextPart(text="x", path="messages[0].content"),)


def test_every_role_of_the_sdk_is_known() -> None:
    roles = [word for one in get_args(types.MessageParam) for word in get_args(get_type_hints(one)["role"])]
    for role in roles:
        assert messages({"role": role, "content": [TEXT]}, USER)


@pytest.mark.rows
@pytest.mark.parametrize("role", ["user", "system", "input"])
def test_one_text_in_a_list_is_that_text(role: str) -> None:
    one, two = messages({"role": role, "content": [TEXT]}, {"role": role, "content": [TEXT, TEXT]})
    assert (one.listed, two.listed) == (False, True)


def test_tool_results_are_messages_in_the_order_of_the_blocks() -> None:
    read = messages(
        user(
            {"type": "text", "text": "a"},
            {"type": "text", "text": "b"},
            {**RESULT, "is_error": True, "cache_control": {"type": "ephemeral"}},
            {**RESULT, "tool_use_id": "t2", "content": [TEXT, {"type": "data", "text": "y"}], "toolset_name": None},
            {"type": "text", "text": "c"},
        )
    )
    assert [(m.role.value, m.path, m.listed) for m in read] == [
        ("user", "messages[0]", True),
        ("tool", "messages[0].content[2]", False),
        ("tool", "messages[0].content[3]", True),
        ("user", "messages[0]", False),
    ]
    failed, whole = read[1:3]
    assert (failed.call_id, failed.failed, failed.cache) == ("t1", True, "5m")
    assert failed.parts == (TextPart(text="3", path="messages[0].content[2].content"),)
    assert (whole.call_id, whole.failed, whole.cache) == ("t2", False, None)
    assert [part.path for part in whole.parts] == [f"messages[0].content[3].content[{i}]" for i in range(2)]


def test_a_message_of_results_alone_says_nothing_of_the_user() -> None:
    assert [message.role for message in messages(user(RESULT))] == [Role.TOOL]


@pytest.mark.rows
@pytest.mark.parametrize("held", [{}, {"content": None}, {"content": []}, {"content": ""}])
def test_a_result_without_content_is_an_empty_text(held: JsonObject) -> None:
    (message,) = messages(user({"type": "tool_result", "tool_use_id": "t1", **held}))
    assert message.parts == (TextPart(text="", path="messages[0].content[0].content"),)


def test_every_key_of_the_sdks_result_is_known() -> None:
    for key in get_type_hints(types.ToolResultBlockParam).keys() - {"type"}:
        refused(ask(user({**RESULT, key: 7})), InvalidField, f"messages[0].content[0].{key}")


def test_unknown_fields_are_kept_apart_for_the_router() -> None:
    options = anthropic_messages.read(ask(USER, min_p=0.1, guided_json={"type": "object"})).options
    assert options.extra == {"min_p": 0.1, "guided_json": {"type": "object"}}


@pytest.mark.rows
@pytest.mark.parametrize(("fields", "subject"), [
    ({}, None),
    ({"subject": "anna"}, "anna"),
    ({"metadata": {"user_id": "u-1"}}, "u-1"),
    ({"metadata": {"user_id": ""}}, None),
    ({"subject": "anna", "metadata": {"user_id": "u-1"}}, "anna"),
])  # fmt: skip
def test_whom_the_request_is_about(fields: dict[str, JsonValue], subject: str | None) -> None:
    assert anthropic_messages.read(ask(USER, **fields)).subject == subject


@pytest.mark.rows
@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"messages": [USER], "max_tokens": 9}, "model"),
        ({"model": "m", "messages": [USER]}, "max_tokens"),
        ({"model": "m", "max_tokens": 9}, "messages"),
        (ask(), "messages"),
        (ask(*[USER] * 2_001), "messages"),
        ({"model": "m", "max_tokens": 9, "messages": "Hi"}, "messages"),
        (ask("Hi"), "messages[0]"),
        (ask(USER, {"content": "x"}), "messages[1].role"),
        (ask({"role": "tool", "content": "x"}), "messages[0].role"),
        (ask({"role": ["user"], "content": "x"}), "messages[0].role"),
        (ask({"role": "user"}), "messages[0].content"),
        (ask({"role": "system", "content": []}), "messages[0].content"),
        (ask(user("x")), "messages[0].content[0]"),
        (ask({"role": "input", "content": [RESULT]}), "messages[0].content[0].type"),
        (ask(USER, system=7), "system"),
        (ask(USER, system=[{"type": "image"}]), "system[0].type"),
        (ask(user({**RESULT, "tool_use_id": "a b"})), "messages[0].content[0].tool_use_id"),
        (ask(user({**RESULT, "content": 7})), "messages[0].content[0].content"),
        (ask(user({**RESULT, "content": [RESULT]})), "messages[0].content[0].content[0].type"),
        (ask(user({**RESULT, "is_error": "yes"})), "messages[0].content[0].is_error"),
        (ask(user({**RESULT, "toolset_name": "browser"})), "messages[0].content[0].toolset_name"),
        (ask(USER, min_isolation="high"), "min_isolation"),
        (ask(USER, data=7), "data"),
        (ask(USER, subject=""), "subject"),
    ],
)
def test_wrong_fields_are_refused_by_their_path(body: JsonObject, param: str) -> None:
    refused(body, InvalidField, param)


@pytest.mark.rows
@pytest.mark.parametrize(("key", "error"), [("api_base", ForbiddenField), ("surprise", UnknownField)])
@pytest.mark.parametrize(
    ("message", "path"),
    [(USER, "messages[0]"), ({"role": "assistant", "content": "x"}, "messages[0]"), (user(RESULT), "")],
)
def test_no_message_takes_a_strange_key(message: JsonObject, path: str, key: str, error: type[RequestError]) -> None:
    strange = {**message, key: "x"} if path else user({**RESULT, key: "x"})
    refused(ask(strange), error, f"{path or 'messages[0].content[0]'}.{key}")


@pytest.mark.parametrize(
    ("given", "place"),
    [
        ([USER], 1),
        ([USER, {"role": "assistant", "content": "x"}, USER], 3),
        ([USER, {"role": "assistant", "content": [{"type": "tool_use", "id": "t1", "name": "f", "input": {"a": 1}}]},
          user(RESULT)], 1),
        ([user(RESULT, TEXT)], 2),
        ([user(RESULT)], 1),
    ],
)  # fmt: skip
def test_top_level_data_follows_the_last_user_message(given: list[JsonValue], place: int) -> None:
    part = DataPart(text="D", path="data")
    assert messages(*given, data="D")[place] == Message(role=Role.INPUT, parts=(part,), path="data")


def test_segment_ids_are_unique_in_a_request() -> None:
    one: JsonObject = {"type": "data", "id": "a", "text": "x"}
    assert messages(user(one, {**one, "id": "b"}))
    refused(ask(user(one), user({**RESULT, "content": [one]})), InvalidField, "messages[1].content[0].content[0].id")


def test_segments_count_over_all_of_a_request() -> None:
    page: JsonObject = {"type": "document", "title": "t", "context": "c", "source": {"type": "content", "content": "x"}}
    assert len(messages(user(*[page] * 666), USER, USER)) == 3
    assert "2000 segments" in refused(ask(user(*[page] * 667)), InvalidField, "messages[0]").message


TEXTS = st.text(max_size=50)
BLOCKS = st.fixed_dictionaries({"type": st.sampled_from(["text", "data"]), "text": TEXTS})


@given(
    st.lists(
        st.tuples(st.sampled_from(["user", "input", "system"]), TEXTS | st.lists(BLOCKS, min_size=1)),
        min_size=1,
        max_size=6,
    )
)
def test_every_text_keeps_its_role_its_place_and_its_kind(
    conversation: list[tuple[str, str | list[dict[str, str]]]],
) -> None:
    body = ask(*[{"role": role, "content": held} for role, held in conversation])
    read = anthropic_messages.read(body).messages
    assert [message.role.value for message in read] == [role for role, _ in conversation]
    kinds = {"text": TextPart, "data": DataPart}
    for message, (_, held) in zip(read, conversation, strict=True):
        parts = [(type(part), part.text) for part in message.parts if isinstance(part, TextPart | DataPart)]
        whole = [(TextPart, held)] if isinstance(held, str) else [(kinds[b["type"]], b["text"]) for b in held]
        assert parts == whole
