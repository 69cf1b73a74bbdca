import json
from typing import Any, TypeAlias

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters._refusal import Refused
from adapters.litellm.wire import check_chat, inputs_in

Json: TypeAlias = dict[str, Any]

CALL: Json = {"id": "c", "type": "function", "function": {"name": "f", "arguments": '{"x": 1}'}}
PICTURE: Json = {"type": "image_url", "image_url": {"url": "data:image/png;base64,aGk=", "detail": "low"}}
ASKED: Json = {
    "messages": [
        {"role": "system", "content": "operator text"},
        {"role": "user", "content": [{"type": "text", "text": "user text"}, PICTURE], "name": "bob"},
        {"role": "assistant", "content": "said text", "refusal": "refused text", "tool_calls": [CALL]},
        {"role": "tool", "tool_call_id": "c", "content": "data text"},
    ],
    "tools": [{
        "type": "function",
        "function": {
            "name": "f", "description": "does things", "strict": True,
            "parameters": {
                "type": "object",
                "properties": {"x": {"type": "string", "description": "an x", "enum": ["p"]}},
            },
        },
    }],
    "temperature": 0.5,
}  # fmt: skip
# A vendor's form in which everything is said.
SENT: Json = {
    "system": [{"text": "operator text"}],
    "messages": [
        {
            "role": "user", "name": "bob",
            "content": [{"text": "user text"}, {"image": {"bytes": "aGk="}, "detail": "low"}],
        },
        {"role": "assistant", "content": [
            {"text": "said text"}, {"text": "refused text"}, {"toolUse": {"name": "f", "input": {"x": 1}}},
        ]},
        {"role": "user", "content": [{"toolResult": {"content": [{"text": "data text"}]}}]},
    ],
    "toolConfig": {"tools": [{
        "name": "f", "description": "does things", "strict": True,
        "json": {"properties": {"x": {"description": "an x", "enum": ["p"]}}},
    }]},
    "inferenceConfig": {"temperature": 0.5},
}  # fmt: skip


def lost(sent: Any, asked: Json = ASKED) -> str | None:
    """The path of what is missed, if anything is."""
    try:
        check_chat(asked, sent)
    except Refused as refused:
        return refused.param if refused.code == "not_sayable" else "another code"
    return None


def replaced(old: str, new: str) -> Any:
    text = json.dumps(SENT)
    assert old in text
    return json.loads(text.replace(old, new))


def test_a_body_in_which_everything_is_said_passes() -> None:
    assert lost(SENT) is None


@pytest.mark.rows
@pytest.mark.parametrize(
    ("word", "param"),
    [
        ("operator text", "messages[0].content"),
        ("user text", "messages[1].content[0].text"),
        ("aGk=", "messages[1].content[1].image_url.url"),
        ("bob", "messages[1].name"),
        ("said text", "messages[2].content"),
        ("refused text", "messages[2].refusal"),
        ("data text", "messages[3].content"),
        ("does things", "tools[0].function.description"),
        ("an x", "tools[0].function.parameters"),
    ],
)
def test_each_text_is_missed_by_its_path(word: str, param: str) -> None:
    assert lost(replaced(word, "gone")) == param


@pytest.mark.rows
@pytest.mark.parametrize(
    ("old", "new", "param"),
    [
        ('"detail": "low"', '"other": "low"', "messages[1].content[1].image_url.detail"),
        ('"input": {"x": 1}', '"input": {}', "messages[2].tool_calls[0].function.arguments"),
        ('{"toolUse": {"name": "f"', '{"toolUse": {"name": "g"', "messages[2].tool_calls[0].function.name"),
        ('"strict": true', '"other": true', "tools[0].function.strict"),
        ('[{"name": "f"', '[{"name": "g"', "tools[0].function.name"),
        ('"enum": ["p"]', '"enum": ["q"]', "tools[0].function.parameters"),
        ('"x": {"description"', '"y": {"description"', "tools[0].function.parameters"),
        ('"temperature": 0.5', '"temperature": 1.0', "temperature"),
        # All is there, and in another place.
        ('"toolResult"', '"toolresults"', "messages[3].content"),
        ('"system": [', '"preface": [', "messages[0].content"),
        ('"role": "assistant"', '"role": "user"', "messages[2].content"),
    ],
)
def test_what_is_changed_or_moved_is_missed_too(old: str, new: str, param: str) -> None:
    assert lost(replaced(old, new)) == param


@pytest.mark.rows
@pytest.mark.parametrize(
    "sent",
    [
        {"messages": [{"role": "tool", "tool_call_id": "c", "content": "data text"}]},
        {"messages": [{"role": "tool", "content": [{"type": "text", "text": "data text"}]}]},
        {"contents": [{"role": "user", "parts": [{"function_response": {"response": {"content": "data text"}}}]}]},
        {"contents": [{"role": "user", "parts": [{"functionResponse": {"response": {"content": "data text"}}}]}]},
        {"messages": [{"role": "user", "content": [{"type": "tool_result", "content": "data text"}]}]},
    ],
)
def test_vendors_places_for_a_tools_result_are_known(sent: Json) -> None:
    asked: Json = {"messages": [{"role": "tool", "tool_call_id": "c", "content": "data text"}]}
    assert lost(sent, asked) is None


@pytest.mark.rows
@pytest.mark.parametrize(
    "sent",
    [
        {"messages": [{"role": "user", "content": "[tool result: data text]"}]},
        {"messages": [{"role": "system", "content": "data text"}]},
        {"messages": [{"role": "assistant", "tool_calls": [{"function": {"arguments": {"toolResult": "data text"}}}]}]},
        {"prompt": "data text"},
    ],
)
def test_no_other_place_is_taken_for_one(sent: Json) -> None:
    asked: Json = {"messages": [{"role": "tool", "tool_call_id": "c", "content": "data text"}]}
    assert lost(sent, asked) == "messages[0].content"


@pytest.mark.rows
@pytest.mark.parametrize("sent", [
    {"system_instruction": {"parts": [{"text": "onetwo"}]}},
    {"systemInstruction": {"parts": [{"text": "one"}, {"text": "two"}]}},
    {"messages": [{"role": "developer", "content": "one\n\ntwo"}]},
])  # fmt: skip
def test_texts_may_be_joined_in_their_own_place(sent: Json) -> None:
    asked: Json = {"messages": [{"role": "system", "content": [{"type": "text", "text": t} for t in ("one", "two ")]}]}
    assert lost(sent, asked) is None


def test_blanks_alone_need_not_be_said_and_arguments_may_stay_text() -> None:
    call = {"id": "c", "type": "function", "function": {"name": "f", "arguments": ""}}
    asked: Json = {"messages": [{"role": "user", "content": " \n"}, {"role": "assistant", "tool_calls": [call]}]}
    assert (
        lost({"contents": [{"role": "model", "parts": [{"function_call": {"name": "f", "args": {}}}]}]}, asked) is None
    )
    broken = {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{broken"}}
    asked = {"messages": [{"role": "assistant", "tool_calls": [broken]}]}
    sent: Json = {"messages": [{"role": "assistant", "tool_calls": [broken]}]}
    assert lost(sent, asked) is None
    emptied = json.loads(json.dumps(sent).replace('"{broken"', "{}"))
    assert lost(emptied, asked) == "messages[0].tool_calls[0].function.arguments"


@given(st.text(min_size=1).filter(str.strip))
def test_whatever_its_text_data_passes_in_a_tools_place_alone(text: str) -> None:
    asked: Json = {"messages": [{"role": "tool", "tool_call_id": "c", "content": text}]}
    assert lost({"messages": [{"role": "tool", "content": text}]}, asked) is None
    assert lost({"messages": [{"role": "user", "content": text}]}, asked) == "messages[0].content"


OBJECT = '{"untrusted_data":{"content":"data text"}}'


@pytest.mark.rows
@pytest.mark.parametrize(
    ("response", "param"),
    [
        ({"untrusted_data": {"content": "data text"}}, None),
        ({"content": OBJECT}, None),
        ({"untrusted_data": {"content": "other text"}}, "messages[0].content"),
        ({"untrusted_data": {}}, "messages[0].content"),
    ],
)
def test_a_result_may_stand_as_the_object_that_its_text_says(response: Json, param: str | None) -> None:
    asked: Json = {"messages": [{"role": "tool", "tool_call_id": "c", "content": OBJECT}]}
    parts = [{"function_response": {"name": "f", "response": response}}]
    assert lost({"contents": [{"role": "user", "parts": parts}]}, asked) == param
    # The same object elsewhere is in no tool's place.
    assert lost({"contents": [{"role": "user", "response": response}]}, asked) == "messages[0].content"


SAID_LAST = [{"role": "user", "content": "user text"}, {"role": "assistant", "content": "said text"}]


@pytest.mark.rows
@pytest.mark.parametrize("last", [{"role": "user", "content": " "}, {"role": "system", "content": "operator text"}])
@pytest.mark.parametrize(
    "sent",
    [
        {"messages": [{"role": "user", "content": "user text"}, {"role": "assistant", "content": "said text"}]},
        {"contents": [{"role": "user", "parts": ["user text"]}, {"role": "model", "parts": [{"text": "said text"}]}]},
    ],
)
def test_the_assistants_words_may_not_come_to_stand_at_the_end(sent: Json, last: Json) -> None:
    system = {"system": "operator text"}
    assert lost(sent | system, {"messages": [*SAID_LAST, last]}) == "messages[2]"
    assert lost(sent | system, {"messages": SAID_LAST}) is None
    kept = {name: [*turns, {"role": "user", "content": " "}] for name, turns in sent.items()}
    assert lost(kept | system, {"messages": [*SAID_LAST, last]}) is None


def test_documents_must_be_among_the_documents() -> None:
    asked: Json = {"messages": [], "documents": [{"id": "d-1", "data": {"origin": "mail", "text": "data text"}}]}
    assert lost({"documents": asked["documents"]}, asked) is None
    assert lost({"messages": [{"role": "user", "content": "d-1 mail data text"}]}, asked) == "documents[0]"
    assert lost({"documents": [{"id": "d-1", "data": {"text": "data text"}}]}, asked) == "documents[0]"


@pytest.mark.rows
@pytest.mark.parametrize("sent", [None, [], "x", 5, {}])
def test_a_body_of_any_other_shape_says_nothing(sent: Any) -> None:
    assert lost(sent) == "messages[0].content"


def test_inputs_are_found_by_their_index() -> None:
    asked: Json = {"input": ["a", "b", "c"]}
    assert inputs_in(asked, {"texts": ["c", "a"]}) == {0, 2}
    assert inputs_in(asked, {"inputText": "b"}) == {1}
    assert inputs_in(asked, {"other": "ab"}) == frozenset()
