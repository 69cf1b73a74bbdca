from collections.abc import Mapping
from typing import get_type_hints

import pytest
from anthropic import types

from gateway.dialects._anthropic_messages_said import assistant
from gateway.domain.errors import ContentByReference, ForbiddenField, InvalidField, RequestError, UnknownField
from gateway.domain.jsonvalue import JsonObject, JsonValue
from gateway.domain.prompt import Seal, ToolCall
from gateway.domain.request import Message, Role, TextPart

TEXT: JsonObject = {"type": "text", "text": "x"}
CALL: JsonObject = {"type": "tool_use", "id": "t1", "name": "f", "input": {"a": [1, 2.5, "ü"]}}
MARK: JsonObject = {"type": "ephemeral", "ttl": "1h"}


def read(content: JsonValue) -> Message:
    return assistant({"role": "assistant", "content": content}, "m")


def thinking(text: str, signature: JsonValue = "c2ln") -> JsonObject:
    return {"type": "thinking", "thinking": text, "signature": signature}


def refused(content: JsonValue, error: type[RequestError], param: str) -> None:
    with pytest.raises(error) as caught:
        read(content)
    assert type(caught.value) is error
    assert caught.value.param == param


def test_a_string_is_one_text() -> None:
    part = TextPart(text="Hi", path="m.content")
    assert read("Hi") == Message(role=Role.ASSISTANT, parts=(part,), path="m")


def test_an_answer_is_read_back_whole() -> None:
    message = read(
        [
            thinking("Hm. "),
            {"type": "redacted_thinking", "data": "ZGF0YQ=="},
            {**TEXT, "citations": None, "cache_control": MARK},
            thinking("So."),
            {**CALL, "caller": {"type": "direct"}, "toolset_name": None, "cache_control": MARK},
            {**CALL, "id": "t2", "input": {}},
            {"type": "text", "text": "y", "citations": []},
        ]
    )
    assert message == Message(
        role=Role.ASSISTANT,
        parts=(
            TextPart(text="x", path="m.content[2]", cache="1h"),
            TextPart(text="y", path="m.content[6]"),
        ),
        path="m",
        listed=True,
        tool_calls=(
            ToolCall(id="t1", name="f", arguments='{"a":[1,2.5,"ü"]}'),
            ToolCall(id="t2", name="f", arguments="{}"),
        ),
        reasoning="Hm. So.",
        seals=(
            Seal(length=4, token="c2ln"),
            Seal(length=0, token="ZGF0YQ==", hidden=True),
            Seal(length=3, token="c2ln"),
        ),
        cache="1h",
    )


def test_one_text_in_a_list_is_that_text() -> None:
    assert not read([TEXT]).listed
    assert not read([TEXT, CALL]).listed
    assert read([TEXT, TEXT]).listed


@pytest.mark.parametrize("signature", ["", None])
def test_reasoning_without_a_signature_counts_as_unsealed(signature: JsonValue) -> None:
    message = read([thinking("a"), thinking("b", signature), {"type": "redacted_thinking", "data": "d"}, TEXT])
    assert (message.reasoning, message.seals) == ("ab", ())


def test_a_signature_may_cover_reasoning_that_is_not_shown() -> None:
    message = read([thinking(""), TEXT])
    assert (message.reasoning, message.seals) == (None, (Seal(length=0, token="c2ln"),))
    assert read([thinking("", ""), thinking("a"), TEXT]).seals == (Seal(length=1, token="c2ln"),)


@pytest.mark.rows
@pytest.mark.parametrize("content", [[thinking("a")], [thinking("")], [CALL], [TEXT], [thinking("a", "")]])
def test_an_answer_may_hold_any_one_thing(content: JsonValue) -> None:
    message = read(content)
    assert message.parts or message.tool_calls or message.reasoning or message.seals


WRONG: list[tuple[JsonValue, str]] = [
    (None, "m.content"),
    ([], "m.content"),
    ([thinking("", "")], "m.content"),
    (["x"], "m.content[0]"),
    ([{}], "m.content[0].type"),
    ([{"type": 1}], "m.content[0].type"),
    ([{"type": "image"}], "m.content[0].type"),
    ([{"type": "tool_result", "tool_use_id": "t"}], "m.content[0].type"),
    ([{"type": "text"}], "m.content[0].text"),
    ([{**TEXT, "citations": [{"type": "char_location"}]}], "m.content[0].citations"),
    ([{"type": "thinking"}], "m.content[0].thinking"),
    ([thinking("a", "with blanks")], "m.content[0].signature"),
    ([thinking("a", 1)], "m.content[0].signature"),
    ([{"type": "redacted_thinking"}], "m.content[0].data"),
    ([{"type": "redacted_thinking", "data": "é"}], "m.content[0].data"),
    ([{**CALL, "id": None}], "m.content[0].id"),
    ([{**CALL, "id": "a b"}], "m.content[0].id"),
    ([{**CALL, "name": "a b"}], "m.content[0].name"),
    ([{**CALL, "input": "{}"}], "m.content[0].input"),
    ([{**CALL, "toolset_name": "browser"}], "m.content[0].toolset_name"),
    ([{**CALL, "caller": "direct"}], "m.content[0].caller"),
    ([{**CALL, "cache_control": "x"}], "m.content[0].cache_control"),
]


@pytest.mark.rows
@pytest.mark.parametrize(("content", "param"), WRONG)
def test_wrong_blocks_are_refused_by_their_path(content: JsonValue, param: str) -> None:
    refused(content, InvalidField, param)


@pytest.mark.rows
@pytest.mark.parametrize(
    ("block", "param"),
    [
        ({"type": "server_tool_use", "id": "s", "name": "web_search", "input": {}}, "m.content[0].type"),
        ({"type": "web_search_tool_result", "tool_use_id": "s", "content": []}, "m.content[0].type"),
        ({"type": "mcp_tool_use", "id": "s"}, "m.content[0].type"),
        ({**CALL, "caller": {"type": "code_execution_20250825", "tool_id": "s"}}, "m.content[0].caller"),
    ],
)
def test_what_the_provider_ran_is_refused(block: JsonObject, param: str) -> None:
    refused([block], ContentByReference, param)


@pytest.mark.rows
@pytest.mark.parametrize("block", [TEXT, CALL, thinking("a"), {"type": "redacted_thinking", "data": "d"}])
@pytest.mark.parametrize(("key", "error"), [("api_base", ForbiddenField), ("surprise", UnknownField)])
def test_no_block_takes_a_strange_key(block: JsonObject, key: str, error: type[RequestError]) -> None:
    refused([{**block, key: "x"}], error, f"m.content[0].{key}")


def test_the_gateways_own_tool_was_never_called() -> None:
    refused([{**CALL, "name": "read_untrusted_data"}], ForbiddenField, "m.content[0].name")


def test_a_trust_label_is_no_key_of_an_assistants_text() -> None:
    refused([{**TEXT, "trust": "user"}], UnknownField, "m.content[0].trust")


SDK = {
    "text": (types.TextBlockParam, TEXT),
    "thinking": (types.ThinkingBlockParam, thinking("a")),
    "redacted_thinking": (types.RedactedThinkingBlockParam, {"type": "redacted_thinking", "data": "d"}),
    "tool_use": (types.ToolUseBlockParam, CALL),
}


@pytest.mark.rows
@pytest.mark.parametrize("kind", sorted(SDK))
def test_every_key_of_the_sdks_blocks_is_known(kind: str) -> None:
    hint, whole = SDK[kind]
    assert isinstance(whole, Mapping)
    for key in get_type_hints(hint).keys() - {"type"}:
        refused([{**whole, key: 7}], InvalidField, f"m.content[0].{key}")


def test_what_the_sdk_gives_of_an_answer_can_be_sent_back() -> None:
    blocks: list[JsonValue] = [
        types.ThinkingBlock(type="thinking", thinking="Hm.", signature="c2ln").model_dump(),
        types.TextBlock(type="text", text="x").model_dump(),
        types.ToolUseBlock(type="tool_use", id="t1", name="f", input={"a": 1}).model_dump(),
    ]
    message = read(blocks)
    assert message.reasoning == "Hm."
    assert message.tool_calls == (ToolCall(id="t1", name="f", arguments='{"a":1}'),)
