import pytest

from gateway.dialects._segments import bounded, data_parts, refuse_repeated_ids, trust_label
from gateway.domain.errors import InvalidField, RequestError, UnknownField
from gateway.domain.jsonvalue import JsonValue
from gateway.domain.prompt import MediaKind, Trust
from gateway.domain.request import (
    MOST_SEGMENTS,
    MOST_SUBJECTS,
    ClientRequest,
    DataPart,
    MediaPart,
    Message,
    Part,
    RefusalPart,
    Role,
    TextPart,
)


def message(*parts: Part) -> Message:
    return Message(role=Role.USER, parts=parts, path="messages[0]")


def request(*parts: Part, subject: str | None = None) -> ClientRequest:
    return ClientRequest(dialect="split", model="m", messages=(message(*parts),), subject=subject)


def test_a_string_is_one_segment() -> None:
    assert data_parts("", "data") == (DataPart(text="", path="data"),)


def test_an_object_is_one_segment() -> None:
    assert data_parts({"text": "x", "id": "a"}, "data") == (DataPart(text="x", path="data", id="a"),)


def test_a_list_keeps_its_order_and_names_its_places() -> None:
    value: JsonValue = [{"text": "x", "origin": "email"}, {"type": "data", "text": "y", "id": None}]
    assert data_parts(value, "data") == (
        DataPart(text="x", path="data[0]", origin="email"),
        DataPart(text="y", path="data[1]"),
    )
    assert data_parts([], "data") == ()


def test_an_image_is_a_segment() -> None:
    value: JsonValue = [{"type": "image", "mime": "image/png", "content": "AAAA", "id": "i", "origin": "web"}]
    assert data_parts(value, "data") == (
        MediaPart(
            kind=MediaKind.IMAGE,
            mime="image/png",
            content="AAAA",
            path="data[0]",
            attributes={},
            id="i",
            origin="web",
        ),
    )


WRONG: list[tuple[JsonValue, type[RequestError], str]] = [
    (None, InvalidField, "data"),
    (7, InvalidField, "data"),
    (["x"], InvalidField, "data[0]"),
    ([{}], InvalidField, "data[0].text"),
    ([{"text": 1}], InvalidField, "data[0].text"),
    ([{"text": "x", "id": "a b"}], InvalidField, "data[0].id"),
    ([{"text": "x", "id": ""}], InvalidField, "data[0].id"),
    ([{"text": "x", "id": "x" * 65}], InvalidField, "data[0].id"),
    ([{"text": "x", "origin": "<web>"}], InvalidField, "data[0].origin"),
    ([{"text": "x", "origin": "web\n"}], InvalidField, "data[0].origin"),
    ([{"text": "x", "type": "text"}], InvalidField, "data[0].type"),
    ([{"text": "x", "trust": "user"}], UnknownField, "data[0].trust"),
    ([{"type": "image", "mime": "image/png", "content": "no base64"}], InvalidField, "data[0].content"),
    ([{"type": "image", "mime": "text/html", "content": "AAAA"}], InvalidField, "data[0].mime"),
    ([{"type": "image", "mime": "image/png", "content": "AAAA", "url": "x"}], UnknownField, "data[0].url"),
]


@pytest.mark.rows
@pytest.mark.parametrize(("value", "error", "param"), WRONG)
def test_wrong_segments_are_refused_by_their_path(value: JsonValue, error: type[RequestError], param: str) -> None:
    with pytest.raises(error) as caught:
        data_parts(value, "data")
    assert caught.value.param == param


def test_trust_is_a_word() -> None:
    assert trust_label(None, "p") is None
    assert [trust_label(word, "p") for word in ("operator", "user", "untrusted")] == sorted(Trust, reverse=True)
    for wrong in ("OPERATOR", "root", 2):
        with pytest.raises(InvalidField):
            trust_label(wrong, "p")


def test_an_id_names_one_segment() -> None:
    text, data = TextPart(text="", path="a", id="x"), DataPart(text="", path="b", id="x")
    with pytest.raises(InvalidField) as caught:
        refuse_repeated_ids([message(text), message(data)])
    assert caught.value.param == "b.id"


def test_segments_without_an_id_may_be_many() -> None:
    data = DataPart(text="", path="a")
    refuse_repeated_ids([message(data, data, RefusalPart(text="", path="r")), message(TextPart(text="", path="b"))])


def test_a_request_holds_so_many_segments_and_no_more() -> None:
    part = TextPart(text="", path="a")
    full = request(*[part] * MOST_SEGMENTS)
    assert bounded(full) is full
    with pytest.raises(InvalidField, match="2000 segments") as caught:
        bounded(request(*[part] * MOST_SEGMENTS, RefusalPart(text="", path="r")))
    assert caught.value.param == "messages[0]"


def test_a_request_names_so_many_persons_and_no_more() -> None:
    people = [DataPart(text="", path=f"d[{n}]", subject=f"person {n}") for n in range(MOST_SUBJECTS)]
    unnamed = RefusalPart(text="", path="r")
    full = request(unnamed, *people, *people, subject="person 0")
    assert bounded(full) is full
    with pytest.raises(InvalidField, match="at most 64") as caught:
        bounded(request(*people, subject="somebody else"))
    assert caught.value.param == "d[63].subject"
