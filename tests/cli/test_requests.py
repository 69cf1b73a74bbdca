from collections.abc import Mapping
from pathlib import Path

import pytest

from gateway.cli import requests
from gateway.cli.requests import read_body, read_bytes, read_request
from gateway.cli.told import CommandFailed
from gateway.domain.errors import InvalidField, MalformedBody
from gateway.domain.jsonvalue import JsonValue

SPLIT = b'{"model": "m", "instructions": "Go."}'
CHAT = b'{"model": "m", "messages": [{"role": "user", "content": "Go."}]}'
RESPONSES = b'{"model": "m", "input": "Go."}'


@pytest.mark.parametrize(("raw", "dialect"), [(SPLIT, "split"), (CHAT, "openai_chat"), (RESPONSES, "openai_responses")])
def test_the_dialect_is_told_by_the_fields(raw: bytes, dialect: str) -> None:
    assert read_request(raw, dialect="auto").dialect == dialect


ASKED: Mapping[str, JsonValue] = {"model": "m", "max_tokens": 9}
USER: Mapping[str, JsonValue] = {"role": "user", "content": "Go."}
TOOL: Mapping[str, JsonValue] = {"name": "f", "input_schema": {"type": "object"}}
FUNCTION: Mapping[str, JsonValue] = {"type": "function", "function": {"name": "f"}}
IMAGE: Mapping[str, JsonValue] = {
    "type": "image",
    "source": {"type": "base64", "media_type": "image/png", "data": "AAAA"},
}
IMAGE_URL: Mapping[str, JsonValue] = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}
RESULT: Mapping[str, JsonValue] = {"type": "tool_result", "tool_use_id": "t"}
TEXT: Mapping[str, JsonValue] = {"type": "text", "text": "Go."}


@pytest.mark.parametrize(
    ("fields", "dialect"),
    [
        ({"messages": [USER], "system": "Be brief."}, "anthropic_messages"),
        ({"messages": [USER], "stop_sequences": ["END"]}, "anthropic_messages"),
        ({"messages": [USER], "tools": [TOOL]}, "anthropic_messages"),
        ({"messages": [{"role": "user", "content": [TEXT, IMAGE]}]}, "anthropic_messages"),
        ({"messages": [USER, {"role": "user", "content": [RESULT]}]}, "anthropic_messages"),
        ({"messages": [USER]}, "openai_chat"),
        ({"messages": [USER], "stop": ["END"]}, "openai_chat"),
        ({"messages": [USER], "tools": [FUNCTION]}, "openai_chat"),
        ({"messages": [{"role": "user", "content": [TEXT, IMAGE_URL]}]}, "openai_chat"),
    ],
)
def test_anthropics_dialect_is_told_by_what_openai_does_not_know(fields: Mapping[str, JsonValue], dialect: str) -> None:
    assert read_body({**ASKED, **fields}, dialect="auto").dialect == dialect


@pytest.mark.parametrize("messages", ["Go.", [], ["Go."], [{"role": "user"}]])
def test_what_is_no_dialect_of_either_is_read_as_openais(messages: JsonValue) -> None:
    with pytest.raises(InvalidField) as caught:
        read_body({"model": "m", "messages": messages, "tools": ["f"]}, dialect="auto")
    assert (caught.value.param or "").startswith(("messages", "tools[0]"))


@pytest.mark.parametrize("name", ["anthropic-messages", "anthropic_messages"])
def test_a_dialect_can_be_named_in_both_spellings(name: str) -> None:
    assert read_body({**ASKED, "messages": [USER]}, dialect=name).dialect == "anthropic_messages"


@pytest.mark.parametrize(
    ("name", "body"),
    [
        ("openai-chat", CHAT),
        ("openai_chat", CHAT),
        ("openai-responses", RESPONSES),
        ("openai_responses", RESPONSES),
    ],
)
def test_a_record_names_its_dialect(name: str, body: bytes) -> None:
    raw = b'{"dialect": "' + name.encode() + b'", "body": ' + body + b"}"
    assert read_request(raw, dialect="auto").model == "m"


def test_a_record_without_a_dialect_is_read_by_its_fields() -> None:
    assert read_request(b'{"body": ' + SPLIT + b"}", dialect="auto").dialect == "split"


def test_what_is_asked_for_goes_before_what_was_recorded() -> None:
    raw = b'{"dialect": "nope", "body": ' + SPLIT + b"}"
    assert read_request(raw, dialect="split").dialect == "split"
    with pytest.raises(InvalidField, match="no dialect has the recorded name"):
        read_request(raw, dialect="auto")


def test_the_model_can_be_replaced() -> None:
    assert read_body({"instructions": "Go."}, dialect="auto", model="other").model == "other"


def test_broken_json_is_refused() -> None:
    with pytest.raises(MalformedBody):
        read_request(b"{", dialect="auto")


def test_a_missing_and_a_huge_file_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(CommandFailed, match="cannot be read"):
        read_bytes(tmp_path / "nope")
    monkeypatch.setattr(requests, "MAX_BYTES", 3)
    (tmp_path / "f").write_bytes(b"1234")
    with pytest.raises(CommandFailed, match="larger than"):
        read_bytes(tmp_path / "f")
    (tmp_path / "f").write_bytes(b"123")
    assert read_bytes(tmp_path / "f") == b"123"
