from pathlib import Path

import pytest

from gateway.cli import requests
from gateway.cli.requests import read_body, read_bytes, read_request
from gateway.cli.told import CommandFailed
from gateway.domain.errors import InvalidField, MalformedBody

SPLIT = b'{"model": "m", "instructions": "Go."}'
CHAT = b'{"model": "m", "messages": [{"role": "user", "content": "Go."}]}'


@pytest.mark.parametrize(("raw", "dialect"), [(SPLIT, "split"), (CHAT, "openai_chat")])
def test_the_dialect_is_told_by_the_fields(raw: bytes, dialect: str) -> None:
    assert read_request(raw, dialect="auto").dialect == dialect


@pytest.mark.parametrize("name", ["openai-embeddings", "openai_embeddings"])
def test_texts_to_embed_are_read_where_they_are_said_to_be_such(name: str) -> None:
    raw = b'{"dialect": "' + name.encode() + b'", "body": {"model": "m", "input": ["a", "b"]}}'
    request = read_request(raw, dialect="auto")
    assert (request.dialect, len(request.messages)) == ("openai_embeddings", 2)


@pytest.mark.parametrize("name", ["openai-chat", "openai_chat"])
def test_a_record_names_its_dialect(name: str) -> None:
    raw = b'{"dialect": "' + name.encode() + b'", "body": ' + CHAT + b"}"
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
