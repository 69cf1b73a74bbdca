import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.dialects._openai_chat_parts import content
from gateway.domain.errors import ContentByReference, InvalidField, RequestError, UnknownField
from gateway.domain.jsonvalue import JsonObject, JsonValue
from gateway.domain.prompt import MediaKind, Trust
from gateway.domain.request import DataPart, MediaPart, Part, RefusalPart, Role, TextPart

PNG = "data:image/png;base64,AAAA"


def one(part: JsonValue, role: Role = Role.USER) -> Part:
    (read,) = content([part], role, "c")
    return read


def refused(part: JsonValue, error: type[RequestError], param: str, role: Role = Role.USER) -> None:
    with pytest.raises(error) as caught:
        one(part, role)
    assert caught.value.param == param


def test_a_string_is_one_text() -> None:
    assert content("Hi", Role.USER, "c") == (TextPart(text="Hi", path="c"),)


def test_text_carries_the_clients_labels() -> None:
    part: JsonObject = {"type": "text", "text": "x", "id": "i", "origin": "o", "trust": "operator"}
    assert one(part) == TextPart(text="x", path="c[0]", id="i", origin="o", trust=Trust.OPERATOR)
    assert one({"type": "text", "text": ""}) == TextPart(text="", path="c[0]")


@given(st.text(), st.sets(st.sampled_from(["id", "origin", "trust"])))
def test_text_without_labels_is_read_as_text_whose_labels_are_null(text: str, labels: set[str]) -> None:
    bare: JsonObject = {"type": "text", "text": text}
    assert one({**bare, **dict.fromkeys(labels)}) == one(bare) == TextPart(text=text, path="c[0]")


def test_data_carries_its_id_and_origin() -> None:
    part: JsonObject = {"type": "data", "id": "i", "origin": "tool:search", "text": "x"}
    assert one(part) == DataPart(text="x", path="c[0]", id="i", origin="tool:search")


def test_media_carry_their_bytes_and_harmless_attributes() -> None:
    assert one({"type": "image_url", "image_url": {"url": PNG, "detail": "high"}}) == MediaPart(
        kind=MediaKind.IMAGE, mime="image/png", content="AAAA", path="c[0]", attributes={"detail": "high"}
    )
    assert one({"type": "image_url", "image_url": {"url": PNG}}) == MediaPart(
        kind=MediaKind.IMAGE, mime="image/png", content="AAAA", path="c[0]", attributes={}
    )
    assert one({"type": "input_audio", "input_audio": {"data": "AAAA", "format": "mp3"}}) == MediaPart(
        kind=MediaKind.AUDIO, mime="audio/mp3", content="AAAA", path="c[0]", attributes={"format": "mp3"}
    )
    assert one({"type": "file", "file": {"file_data": "data:application/pdf;base64,AAAA"}}) == MediaPart(
        kind=MediaKind.FILE, mime="application/pdf", content="AAAA", path="c[0]", attributes={}
    )
    assert one({"type": "file", "file": {"file_data": "AAAA", "filename": "a.pdf", "file_id": None}}) == MediaPart(
        kind=MediaKind.FILE,
        mime="application/octet-stream",
        content="AAAA",
        path="c[0]",
        attributes={"filename": "a.pdf"},
    )


def test_an_assistant_may_have_refused() -> None:
    assert one({"type": "refusal", "refusal": "No."}, Role.ASSISTANT) == RefusalPart(text="No.", path="c[0]")


@pytest.mark.rows
@pytest.mark.parametrize(
    ("part", "param"),
    [
        ({"type": "image_url", "image_url": {"url": "https://x.example/a.png"}}, "c[0].image_url.url"),
        ({"type": "file", "file": {"file_id": "file-1"}}, "c[0].file.file_id"),
        ({"type": "file", "file": {"file_data": "https://x.example/a.pdf"}}, "c[0].file.file_data"),
    ],
)
def test_content_by_reference_is_refused(part: JsonObject, param: str) -> None:
    refused(part, ContentByReference, param)


@pytest.mark.rows
@pytest.mark.parametrize(
    ("part", "param"),
    [
        ("text", "c[0]"),
        ({}, "c[0].type"),
        ({"type": "video_url"}, "c[0].type"),
        ({"type": ["text"]}, "c[0].type"),
        ({"type": "refusal", "refusal": "No."}, "c[0].type"),
        ({"type": "text"}, "c[0].text"),
        ({"type": "text", "text": ["x"]}, "c[0].text"),
        ({"type": "text", "text": "x", "trust": "root"}, "c[0].trust"),
        ({"type": "text", "text": "x", "id": "a b"}, "c[0].id"),
        ({"type": "text", "text": "x", "origin": ""}, "c[0].origin"),
        ({"type": "data", "text": "x", "id": "<x>"}, "c[0].id"),
        ({"type": "data"}, "c[0].text"),
        ({"type": "image_url", "image_url": PNG}, "c[0].image_url"),
        ({"type": "image_url", "image_url": {"url": PNG, "detail": "best"}}, "c[0].image_url.detail"),
        ({"type": "image_url", "image_url": {"url": "data:text/html;base64,AAAA"}}, "c[0].image_url.url"),
        ({"type": "input_audio", "input_audio": {"data": "AAAA", "format": "exe"}}, "c[0].input_audio.format"),
        ({"type": "input_audio", "input_audio": {"data": "not base64", "format": "wav"}}, "c[0].input_audio.data"),
        ({"type": "file", "file": {}}, "c[0].file.file_data"),
        ({"type": "file", "file": {"file_data": "AAAA", "filename": "../x"}}, "c[0].file.filename"),
    ],
)
def test_wrong_parts_are_refused_by_their_path(part: JsonValue, param: str) -> None:
    refused(part, InvalidField, param)


def test_cache_marks_are_refused_by_name() -> None:
    part: JsonObject = {"type": "text", "text": "x", "prompt_cache_breakpoint": {"mode": "explicit"}}
    refused(part, UnknownField, "c[0].prompt_cache_breakpoint")


@pytest.mark.rows
@pytest.mark.parametrize(
    ("role", "kinds"),
    [
        (Role.SYSTEM, {"text", "data"}),
        (Role.DEVELOPER, {"text", "data"}),
        (Role.USER, {"text", "data", "image_url", "input_audio", "file"}),
        (Role.ASSISTANT, {"text", "refusal"}),
        (Role.TOOL, {"text", "data"}),
        (Role.INPUT, {"text", "data", "image_url", "input_audio", "file"}),
    ],
)
def test_each_role_holds_its_own_kinds_of_parts(role: Role, kinds: set[str]) -> None:
    parts: dict[str, JsonObject] = {
        "text": {"type": "text", "text": "x"},
        "data": {"type": "data", "text": "x"},
        "refusal": {"type": "refusal", "refusal": "x"},
        "image_url": {"type": "image_url", "image_url": {"url": PNG}},
        "input_audio": {"type": "input_audio", "input_audio": {"data": "AAAA", "format": "wav"}},
        "file": {"type": "file", "file": {"file_data": "AAAA"}},
    }
    for kind, part in parts.items():
        if kind in kinds:
            assert one(part, role)
        else:
            refused(part, InvalidField, "c[0].type", role)
