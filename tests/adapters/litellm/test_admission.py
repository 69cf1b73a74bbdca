import json
from typing import Any, TypeAlias

import pytest

from adapters._refusal import Refused
from adapters.litellm.admission import Asked, admit_chat, admit_embedding, parse, target_of
from adapters.litellm.targets import Target

Json: TypeAlias = dict[str, Any]
TARGET = Target(id="t", model="v/m", embeddings="v/m", fields=frozenset({"top_k", "metadata", "reasoning_content"}))
SAID: list[Json] = [{"role": "user", "content": "Q"}]
URL = "data:image/png;base64,aGk="
PICTURE: Json = {"type": "image_url", "image_url": {"url": URL}}
VIDEO: Json = {"type": "video_url", "video_url": {"url": URL}}
FREE: Json = {"type": "function", "function": {"name": "f", "parameters": {"properties": {"api_key": {}}}}}


def admitted(**body: Any) -> Asked:
    return admit_chat(parse(json.dumps({"model": "t", "messages": SAID, **body}).encode()), TARGET)


def refusal(**body: Any) -> tuple[str, str | None]:
    with pytest.raises(Refused) as caught:
        admitted(**body)
    return caught.value.code, caught.value.param


def message(**keys: Any) -> list[Json]:
    return [{"role": "user", "content": "Q", **keys}]


@pytest.mark.rows
@pytest.mark.parametrize("raw", [b"", b"{", b"[]", b'"x"', b"\xff", b'{"a": NaN}'])
def test_a_body_that_is_no_object_is_refused(raw: bytes) -> None:
    with pytest.raises(Refused, match="not") as caught:
        parse(raw)
    assert caught.value.code == "invalid_json"
    assert caught.value.__cause__ is None


def test_a_request_names_its_target_and_nothing_of_it_goes_on() -> None:
    body = parse(b'{"model": "a/b", "user": null}')
    assert (target_of(body), body) == ("a/b", {"model": "a/b"})
    with pytest.raises(Refused):
        target_of({})
    asked = admitted(stream=True, stream_options={"include_usage": True}, temperature=0.5, seed=None, stop=["a"])
    assert asked == Asked(target="t", body={"messages": SAID, "temperature": 0.5, "stop": ["a"]}, stream=True)


KNOWN: list[Json] = [
    {"tools": [FREE]},
    {"tool_choice": {"type": "function", "function": {"name": "f"}}, "logit_bias": {"1": 2}},
    {"tool_choice": "auto", "modalities": ["text"], "top_k": 5},
    {"response_format": {"type": "json_schema", "json_schema": {"name": "n", "schema": {"headers": 1}}}},
    {"prediction": {"type": "content", "content": [{"type": "text", "text": "x"}]}},
    {"prediction": {"type": "content", "content": "x"}},
    {"messages": message(name="bob")},
    {"messages": message(content=[{"type": "image_url", "image_url": {"url": URL, "detail": "low"}}])},
    {"messages": message(content=[{"type": "input_audio", "input_audio": {"data": "aGk=", "format": "wav"}}])},
    {"messages": message(content=[{"type": "file", "file": {"file_data": URL, "filename": "a.png"}}])},
    {"messages": [*SAID, {"role": "assistant", "refusal": "no", "reasoning_content": "hm"}]},
    {"messages": [*SAID, {"role": "assistant", "content": [{"type": "refusal", "refusal": "no"}]}]},
    {"messages": [*SAID, {"role": "tool", "tool_call_id": "c", "content": [{"type": "text", "text": "x"}]}]},
    {"messages": [{"role": "system", "content": "S"}, *SAID]},
]


@pytest.mark.rows
@pytest.mark.parametrize("body", KNOWN)
def test_what_chat_completions_know_goes_on_as_it_is(body: Json) -> None:
    assert admitted(**body).body == {"messages": SAID, **body}


CALL: Json = {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}


def assistant(**call: Any) -> list[Json]:
    return [*SAID, {"role": "assistant", "tool_calls": [{**CALL, **call}]}]


def signed(**google: Any) -> Json:
    return {"extra_content": {"google": google}}


def test_calls_go_on_as_they_are() -> None:
    assert admitted(messages=assistant()).body["messages"] == assistant()
    with_signature = assistant(**signed(thought_signature="s"))
    assert admitted(messages=with_signature).body["messages"] == with_signature


@pytest.mark.rows
@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"api_key": "k"}, "api_key"),
        ({"api_base": "http://x"}, "api_base"),
        ({"metadata": {"a": "b"}}, "metadata"),  # though the target's configuration lists it
        ({"mock_response": "x"}, "mock_response"),
        ({"unknown field": 1}, None),
        ({"messages": message(cache_control={"type": "ephemeral"})}, "messages[0].cache_control"),
        ({"messages": message(content=[{"type": "text", "text": "x", "cache_control": {}}])},
         "messages[0].content[0].cache_control"),
        ({"messages": message(reasoning_content="x")}, "messages[0].reasoning_content"),
        ({"messages": [*SAID, {"role": "assistant", "content": "x", "reasoning": "hm"}]}, "messages[1].reasoning"),
        ({"messages": assistant(index=0)}, "messages[1].tool_calls[0].index"),
        ({"messages": assistant(**signed(api_base="x"))}, "messages[1].tool_calls[0].extra_content.google.api_base"),
        ({"tools": [{"type": "function", "function": {"name": "f"}, "server_url": "x"}]}, "tools[0].server_url"),
        ({"response_format": {"type": "text", "schema": {}}}, "response_format.schema"),
        ({"stream": True, "stream_options": {"include_obfuscation": True}}, "stream_options.include_obfuscation"),
        ({"top_k": {"deep": [{"Api-Base": "x"}]}}, "top_k.Api-Base"),
        ({"top_k": {"aws_region_name": "x"}}, "top_k.aws_region_name"),
        ({"logit_bias": {"api_key": 1}}, "logit_bias.api_key"),
    ],
)  # fmt: skip
def test_a_key_that_is_not_listed_is_refused_at_any_depth(body: Json, param: str | None) -> None:
    assert refusal(**body) == ("unsupported_field", param)


@pytest.mark.rows
@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"messages": []}, "messages"),
        ({"messages": "x"}, "messages"),
        ({"messages": ["x"]}, "messages[0].role"),
        ({"messages": [{"role": "developer", "content": "x"}]}, "messages[0].role"),
        ({"messages": [{"role": "user"}]}, "messages[0].content"),
        ({"messages": message(content=[VIDEO])}, "messages[0].content[0].type"),
        ({"messages": [{"role": "system", "content": [PICTURE]}]},
         "messages[0].content[0].type"),
        ({"messages": [{"role": "tool", "content": "x"}]}, "messages[0].tool_call_id"),
        ({"messages": assistant(type="custom")}, "messages[1].tool_calls[0].type"),
        ({"messages": assistant(function={"name": "f"})}, "messages[1].tool_calls[0].function.arguments"),
        ({"tools": [{"type": "web_search"}]}, "tools[0].type"),
        ({"tools": [{**FREE, "function": {"name": "f", "parameters": "x"}}]}, "tools[0].function.parameters"),
        ({"stop": [["a"]]}, "stop"),
        ({"user": {"a": {}}}, "user"),
        ({"stream": "yes"}, "stream"),
        ({"response_format": {"type": "x", "json_schema": {"schema": "x"}}}, "response_format.json_schema.schema"),
    ],
)  # fmt: skip
def test_a_value_of_the_wrong_form_is_refused(body: Json, param: str) -> None:
    assert refusal(**body) == ("invalid_field", param)


@pytest.mark.rows
@pytest.mark.parametrize(
    "part",
    [
        {"type": "image_url", "image_url": {"url": "https://planted.example/x.png"}},
        {"type": "image_url", "image_url": {"url": "data:image/png,hi"}},
        {"type": "image_url", "image_url": {"url": "x;base64,aGk="}},
        {"type": "file", "file": {"file_data": "file:///etc/passwd"}},
    ],
)
def test_content_that_stands_elsewhere_is_refused(part: Json) -> None:
    code, param = refusal(messages=message(content=[part]))
    assert code == "content_by_reference"
    assert param in {"messages[0].content[0].image_url.url", "messages[0].content[0].file.file_data"}
    assert refusal(messages=message(content=[{"type": "file", "file": {"file_id": "f"}}]))[0] == "unsupported_field"


def test_a_value_nested_too_deep_is_refused() -> None:
    deep: Any = 1
    for _ in range(70):
        deep = [deep]
    assert refusal(top_k=deep) == ("invalid_field", "top_k")


def test_embeddings_take_texts_alone() -> None:
    asked = admit_embedding({"model": "t", "input": "a", "dimensions": 3}, TARGET)
    assert asked.body == {"input": ["a"], "dimensions": 3}
    assert admit_embedding({"model": "t", "input": ["a", "b"]}, TARGET).body == {"input": ["a", "b"]}


@pytest.mark.rows
@pytest.mark.parametrize(
    ("raw", "param"),
    [
        ('{"input": [[1, 2]]}', "input[0]"),
        ('{"input": []}', "input"),
        ("{}", "input"),
        ('{"input": "a", "api_base": "x"}', "api_base"),
    ],
)
def test_and_nothing_that_would_redirect_them(raw: str, param: str) -> None:
    with pytest.raises(Refused) as caught:
        admit_embedding(parse(raw.encode()), TARGET)
    assert caught.value.param == param
