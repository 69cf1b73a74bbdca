import pytest

from gateway.dialects._openai_responses_parts import content
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
    assert type(caught.value) is error
    assert caught.value.param == param


def test_a_string_is_one_text() -> None:
    assert content("Hi", Role.USER, "c") == (TextPart(text="Hi", path="c"),)


def test_text_carries_the_clients_labels() -> None:
    part: JsonObject = {"type": "input_text", "text": "x", "id": "i", "origin": "o", "trust": "untrusted"}
    assert one(part) == TextPart(text="x", path="c[0]", id="i", origin="o", trust=Trust.UNTRUSTED)


def test_data_carries_its_id_and_origin() -> None:
    part: JsonObject = {"type": "data", "id": "i", "origin": "email", "text": "x"}
    assert one(part) == DataPart(text="x", path="c[0]", id="i", origin="email")


def test_media_carry_their_bytes_and_harmless_attributes() -> None:
    assert one({"type": "input_image", "image_url": PNG, "detail": "high", "file_id": None}) == MediaPart(
        kind=MediaKind.IMAGE, mime="image/png", content="AAAA", path="c[0]", attributes={"detail": "high"}
    )
    assert one({"type": "input_image", "image_url": PNG, "detail": None}) == MediaPart(
        kind=MediaKind.IMAGE, mime="image/png", content="AAAA", path="c[0]", attributes={}
    )
    assert one({"type": "input_audio", "input_audio": {"data": "AAAA", "format": "mp3"}}) == MediaPart(
        kind=MediaKind.AUDIO, mime="audio/mp3", content="AAAA", path="c[0]", attributes={"format": "mp3"}
    )
    assert one({"type": "input_file", "file_data": "data:application/pdf;base64,AAAA", "detail": "auto"}) == MediaPart(
        kind=MediaKind.FILE, mime="application/pdf", content="AAAA", path="c[0]", attributes={}
    )
    assert one({"type": "input_file", "file_data": "AAAA", "filename": "a.pdf", "file_url": None}) == MediaPart(
        kind=MediaKind.FILE,
        mime="application/octet-stream",
        content="AAAA",
        path="c[0]",
        attributes={"filename": "a.pdf"},
    )


def test_what_the_assistant_said_is_read_without_what_sdks_add_to_it() -> None:
    said: JsonObject = {
        "type": "output_text",
        "text": "x",
        "annotations": [{"type": "url_citation", "url": "u"}],
        "logprobs": [{"token": "x", "logprob": -0.1}],
        "parsed": {"a": 1},
    }
    for part in (said, {"type": "output_text", "text": "x"}, {**said, "annotations": None, "logprobs": None}):
        assert one(part, Role.ASSISTANT) == TextPart(text="x", path="c[0]")
    assert one({"type": "refusal", "refusal": "No."}, Role.ASSISTANT) == RefusalPart(text="No.", path="c[0]")


@pytest.mark.rows
@pytest.mark.parametrize(
    ("part", "param"),
    [
        ({"type": "input_image", "image_url": "https://x.example/a.png", "detail": "auto"}, "c[0].image_url"),
        ({"type": "input_image", "file_id": "file-1", "detail": "auto"}, "c[0].file_id"),
        ({"type": "input_file", "file_id": "file-1"}, "c[0].file_id"),
        ({"type": "input_file", "file_url": "https://x.example/a.pdf"}, "c[0].file_url"),
        ({"type": "input_file", "file_data": "https://x.example/a.pdf"}, "c[0].file_data"),
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
        ({"type": "text", "text": "x"}, "c[0].type"),
        ({"type": "output_text", "text": "x"}, "c[0].type"),
        ({"type": ["input_text"]}, "c[0].type"),
        ({"type": "input_text"}, "c[0].text"),
        ({"type": "input_text", "text": ["x"]}, "c[0].text"),
        ({"type": "input_text", "text": "x", "trust": "root"}, "c[0].trust"),
        ({"type": "data", "text": "x", "id": "<x>"}, "c[0].id"),
        ({"type": "input_image"}, "c[0].image_url"),
        ({"type": "input_image", "image_url": {"url": PNG}}, "c[0].image_url"),
        ({"type": "input_image", "image_url": PNG, "detail": "best"}, "c[0].detail"),
        ({"type": "input_image", "image_url": "data:text/html;base64,AAAA"}, "c[0].image_url"),
        ({"type": "input_audio", "input_audio": {"data": "AAAA", "format": "exe"}}, "c[0].input_audio.format"),
        ({"type": "input_file"}, "c[0].file_data"),
        ({"type": "input_file", "file_data": "AAAA", "filename": "../x"}, "c[0].filename"),
        ({"type": "input_file", "file_data": "AAAA", "detail": "high"}, "c[0].detail"),
    ],
)
def test_wrong_parts_are_refused_by_their_path(part: JsonValue, param: str) -> None:
    refused(part, InvalidField, param)


@pytest.mark.rows
@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"annotations": {}}, "c[0].annotations"),
        ({"annotations": ["x"]}, "c[0].annotations[0]"),
        ({"logprobs": {}}, "c[0].logprobs"),
        ({"logprobs": ["x"]}, "c[0].logprobs[0]"),
        ({"text": None}, "c[0].text"),
    ],
)
def test_what_sdks_add_has_its_shape(fields: JsonObject, param: str) -> None:
    refused({"type": "output_text", "text": "x", **fields}, InvalidField, param, Role.ASSISTANT)


def test_cache_marks_are_refused_by_name_unless_they_are_not_set() -> None:
    part: JsonObject = {"type": "input_text", "text": "x", "prompt_cache_breakpoint": {"mode": "explicit"}}
    refused(part, UnknownField, "c[0].prompt_cache_breakpoint")
    assert one({**part, "prompt_cache_breakpoint": None}) == TextPart(text="x", path="c[0]")


@pytest.mark.rows
@pytest.mark.parametrize(
    ("role", "kinds"),
    [
        (Role.SYSTEM, {"input_text", "data"}),
        (Role.DEVELOPER, {"input_text", "data"}),
        (Role.USER, {"input_text", "data", "input_image", "input_audio", "input_file"}),
        (Role.ASSISTANT, {"output_text", "refusal"}),
        (Role.TOOL, {"input_text", "data", "input_image", "input_file"}),
        (Role.INPUT, {"input_text", "data", "input_image", "input_audio", "input_file"}),
    ],
)
def test_each_role_holds_its_own_kinds_of_parts(role: Role, kinds: set[str]) -> None:
    parts: dict[str, JsonObject] = {
        "input_text": {"type": "input_text", "text": "x"},
        "output_text": {"type": "output_text", "text": "x"},
        "data": {"type": "data", "text": "x"},
        "refusal": {"type": "refusal", "refusal": "x"},
        "input_image": {"type": "input_image", "image_url": PNG},
        "input_audio": {"type": "input_audio", "input_audio": {"data": "AAAA", "format": "wav"}},
        "input_file": {"type": "input_file", "file_data": "AAAA"},
    }
    for kind, part in parts.items():
        if kind in kinds:
            assert one(part, role)
        else:
            refused(part, InvalidField, "c[0].type", role)


@pytest.mark.rows
@pytest.mark.parametrize("value", [None, 7, {}, []])
def test_content_is_a_text_or_a_list_of_parts(value: JsonValue) -> None:
    with pytest.raises(InvalidField) as caught:
        content(value, Role.USER, "c")
    assert caught.value.param == "c"
