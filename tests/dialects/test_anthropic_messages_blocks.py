from collections.abc import Mapping
from typing import Any, get_args, get_type_hints

import pytest
from anthropic import types
from anthropic.types import beta

from gateway.dialects._anthropic_messages_blocks import content
from gateway.domain.errors import ContentByReference, ForbiddenField, InvalidField, RequestError, UnknownField
from gateway.domain.jsonvalue import JsonObject, JsonValue
from gateway.domain.prompt import MediaKind, Trust
from gateway.domain.request import DataPart, MediaPart, Part, Role, TextPart

IMAGE: JsonObject = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AAAA"}}
TEXT: JsonObject = {"type": "text", "text": "x"}
PLAIN: JsonObject = {"type": "text", "media_type": "text/plain", "data": "x"}
FOUND: JsonObject = {"type": "search_result", "source": "s", "title": "t", "content": [TEXT]}
MARK: JsonObject = {"type": "ephemeral"}


def read(block: JsonValue, role: Role = Role.USER) -> list[Part]:
    return content([block], role, "c")


def document(source: JsonValue, **more: JsonValue) -> JsonObject:
    return {"type": "document", "source": source, **more}


def refused(block: JsonValue, error: type[RequestError], param: str, role: Role = Role.USER) -> RequestError:
    with pytest.raises(error) as caught:
        read(block, role)
    assert type(caught.value) is error
    assert caught.value.param == param
    return caught.value


def test_a_string_is_one_text() -> None:
    assert content("Hi", Role.USER, "c") == [TextPart(text="Hi", path="c")]


def test_text_carries_the_clients_labels_and_a_cache_mark() -> None:
    block: JsonObject = {"type": "text", "text": "x", "id": "i", "origin": "o", "trust": "operator"}
    assert read({**block, "cache_control": {**MARK, "ttl": "1h"}, "citations": []}) == [
        TextPart(text="x", path="c[0]", id="i", origin="o", trust=Trust.OPERATOR, cache="1h")
    ]
    assert read({**TEXT, "cache_control": None, "citations": None}) == [TextPart(text="x", path="c[0]")]


def test_data_carries_its_id_and_origin() -> None:
    block: JsonObject = {"type": "data", "id": "i", "origin": "tool:search", "text": "x"}
    assert read(block) == [DataPart(text="x", path="c[0]", id="i", origin="tool:search")]


@pytest.mark.rows
@pytest.mark.parametrize("transformations", [None, {}, {"oversized_image": None}, {"oversized_image": "downsize"}])
def test_an_image_carries_its_bytes(transformations: JsonValue) -> None:
    assert read({**IMAGE, "cache_control": MARK, "transformations": transformations}) == [
        MediaPart(kind=MediaKind.IMAGE, mime="image/png", content="AAAA", path="c[0]", attributes={}, cache="5m")
    ]


def test_a_documents_text_title_and_context_are_data_each_by_itself() -> None:
    block = document(
        PLAIN, title="Terms", context="From the archive.", citations={"enabled": False}, cache_control=MARK
    )
    assert read(block) == [
        DataPart(text="Terms", path="c[0].title", origin="document.title"),
        DataPart(text="From the archive.", path="c[0].context", origin="document.context"),
        DataPart(text="x", path="c[0].source.data", origin="document", cache="5m"),
    ]


@pytest.mark.rows
@pytest.mark.parametrize("told", [None, ""])
@pytest.mark.parametrize("citations", [None, {}, {"enabled": None}])
def test_a_title_that_says_nothing_is_none(told: JsonValue, citations: JsonValue) -> None:
    (part,) = read(document(PLAIN, title=told, context=told, citations=citations))
    assert part == DataPart(text="x", path="c[0].source.data", origin="document")


def test_a_pdf_is_a_file() -> None:
    source = {"type": "base64", "media_type": "application/pdf", "data": "AAAA"}
    title, pdf = read(document(source, title="Terms", cache_control=MARK))
    assert title == DataPart(text="Terms", path="c[0].title", origin="document.title")
    assert pdf == MediaPart(
        kind=MediaKind.FILE, mime="application/pdf", content="AAAA", path="c[0].source", attributes={}, cache="5m"
    )


def test_a_document_may_be_made_of_blocks() -> None:
    assert read(document({"type": "content", "content": "x"})) == [
        DataPart(text="x", path="c[0].source.content", origin="document")
    ]
    text, image = read(document({"type": "content", "content": [{**TEXT, "cache_control": MARK}, IMAGE]}))
    assert text == DataPart(text="x", path="c[0].source.content[0]", origin="document", cache="5m")
    assert isinstance(image, MediaPart)
    assert image.path == "c[0].source.content[1]"


def test_a_search_result_is_data_with_its_title_and_its_source() -> None:
    assert read({**FOUND, "citations": {"enabled": False}, "cache_control": MARK}) == [
        DataPart(text="t", path="c[0].title", origin="search_result.title"),
        DataPart(text="s", path="c[0].source", origin="search_result.source"),
        DataPart(text="x", path="c[0].content[0]", origin="search_result", cache="5m"),
    ]
    (only,) = read({**FOUND, "title": "", "source": ""})
    assert only == DataPart(text="x", path="c[0].content[0]", origin="search_result")


@pytest.mark.parametrize("block", [document(PLAIN, title="t", context="c"), FOUND])
def test_within_a_tools_result_all_of_it_comes_from_the_tool(block: JsonObject) -> None:
    assert [part.origin for part in read(block, Role.TOOL) if isinstance(part, DataPart)] == [None] * 3


@pytest.mark.rows
@pytest.mark.parametrize(
    ("block", "param"),
    [
        ({"type": "image", "source": {"type": "url", "url": "https://x.example/a.png"}}, "c[0].source"),
        ({"type": "image", "source": {"type": "file", "file_id": "f"}}, "c[0].source"),
        (document({"type": "url", "url": "https://x.example/a.pdf"}), "c[0].source"),
        (document({"type": "file", "file_id": "f"}), "c[0].source"),
        ({"type": "web_search_tool_result", "tool_use_id": "t", "content": []}, "c[0].type"),
        ({"type": "anything_tool_result"}, "c[0].type"),
        ({"type": "container_upload", "file_id": "f"}, "c[0].type"),
        ({"type": "tool_reference", "tool_name": "t"}, "c[0].type"),
    ],
)
def test_content_by_reference_is_refused(block: JsonObject, param: str) -> None:
    refused(block, ContentByReference, param)


WRONG: list[tuple[JsonValue, str]] = [
    ("text", "c[0]"),
    ({}, "c[0].type"),
    ({"type": "video"}, "c[0].type"),
    ({"type": ["text"]}, "c[0].type"),
    ({"type": "thinking", "thinking": "x"}, "c[0].type"),
    ({"type": "tool_use", "id": "t", "name": "f", "input": {}}, "c[0].type"),
    ({"type": "text"}, "c[0].text"),
    ({**TEXT, "trust": "root"}, "c[0].trust"),
    ({**TEXT, "id": "a b"}, "c[0].id"),
    ({**TEXT, "citations": [{}]}, "c[0].citations"),
    ({**TEXT, "cache_control": {"type": "ephemeral", "ttl": "1d"}}, "c[0].cache_control.ttl"),
    ({"type": "data"}, "c[0].text"),
    ({"type": "image"}, "c[0].source"),
    ({"type": "image", "source": {}}, "c[0].source.type"),
    ({"type": "image", "source": {"type": "base64", "data": "AAAA"}}, "c[0].source.media_type"),
    (
        {"type": "image", "source": {"type": "base64", "media_type": "text/html", "data": "AAAA"}},
        "c[0].source.media_type",
    ),
    ({"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "no"}}, "c[0].source.data"),
    ({**IMAGE, "transformations": {"oversized_image": "error"}}, "c[0].transformations.oversized_image"),
    (document(None), "c[0].source"),
    (document({"type": "ftp"}), "c[0].source.type"),
    (document({**PLAIN, "media_type": "text/html"}), "c[0].source.media_type"),
    (document({**PLAIN, "data": 1}), "c[0].source.data"),
    (document({"type": "base64", "media_type": "text/plain", "data": "AAAA"}), "c[0].source.media_type"),
    (document({"type": "base64", "media_type": "application/pdf", "data": "no"}), "c[0].source.data"),
    (document({"type": "content", "content": []}), "c[0].source.content"),
    (document({"type": "content", "content": 1}), "c[0].source.content"),
    (document({"type": "content", "content": [document(PLAIN)]}), "c[0].source.content[0].type"),
    (document({"type": "content", "content": [{**TEXT, "citations": ["x"]}]}), "c[0].source.content[0].citations"),
    (document(PLAIN, title=1), "c[0].title"),
    (document(PLAIN, context=["x"]), "c[0].context"),
    (document(PLAIN, citations={"enabled": True}), "c[0].citations.enabled"),
    (document(PLAIN, citations=True), "c[0].citations"),
    ({**FOUND, "title": None}, "c[0].title"),
    ({**FOUND, "source": 1}, "c[0].source"),
    ({**FOUND, "content": "x"}, "c[0].content"),
    ({**FOUND, "content": [IMAGE]}, "c[0].content[0].type"),
    ({**FOUND, "citations": {"enabled": True}}, "c[0].citations.enabled"),
]


@pytest.mark.rows
@pytest.mark.parametrize(("block", "param"), WRONG)
def test_wrong_blocks_are_refused_by_their_path(block: JsonValue, param: str) -> None:
    refused(block, InvalidField, param)


@pytest.mark.rows
@pytest.mark.parametrize(
    ("block", "path"),
    [
        (TEXT, "c[0]"),
        (IMAGE, "c[0]"),
        (IMAGE, "c[0].source"),
        ({**IMAGE, "transformations": {}}, "c[0].transformations"),
        (document(PLAIN), "c[0]"),
        (document(PLAIN), "c[0].source"),
        (document({"type": "base64", "media_type": "application/pdf", "data": "AAAA"}), "c[0].source"),
        (document({"type": "content", "content": [TEXT]}), "c[0].source"),
        (document({"type": "content", "content": [TEXT]}), "c[0].source.content[0]"),
        (document(PLAIN, citations={}), "c[0].citations"),
        (FOUND, "c[0]"),
        (FOUND, "c[0].content[0]"),
        ({**TEXT, "cache_control": MARK}, "c[0].cache_control"),
        ({"type": "data", "text": "x"}, "c[0]"),
    ],
)
@pytest.mark.parametrize(("key", "error"), [("api_base", ForbiddenField), ("surprise", UnknownField)])
def test_no_object_takes_a_strange_key(block: JsonObject, path: str, key: str, error: type[RequestError]) -> None:
    refused(with_key(block, path.removeprefix("c[0]").lstrip("."), key), error, f"{path}.{key}")


def with_key(value: JsonValue, path: str, key: str) -> JsonValue:
    """``value`` with one more key in the object at ``path``."""
    here, _, rest = path.partition(".")
    name, _, index = here.partition("[")
    if isinstance(value, Mapping):
        if not name:
            return {**value, key: "x"}
        held: Any = value[name]
        if index:
            return {**value, name: [with_key(held[0], rest, key)]}
        return {**value, name: with_key(held, rest, key)}
    raise AssertionError(path)


@pytest.mark.rows
@pytest.mark.parametrize(
    ("role", "kinds"),
    [
        (Role.SYSTEM, {"text", "data"}),
        (Role.USER, {"text", "data", "image", "document", "search_result"}),
        (Role.INPUT, {"text", "data", "image", "document", "search_result"}),
        (Role.TOOL, {"text", "data", "image", "document", "search_result"}),
    ],
)
def test_each_role_holds_its_own_kinds_of_blocks(role: Role, kinds: set[str]) -> None:
    every: dict[str, JsonObject] = {
        "text": TEXT,
        "data": {"type": "data", "text": "x"},
        "image": IMAGE,
        "document": document(PLAIN),
        "search_result": FOUND,
        "tool_use": {"type": "tool_use", "id": "t", "name": "f", "input": {}},
    }
    for kind, block in every.items():
        if kind in kinds:
            assert read(block, role)
        else:
            refused(block, InvalidField, "c[0].type", role)


def test_content_has_bounds() -> None:
    assert len(content([TEXT] * 2_000, Role.USER, "c")) == 2_000
    for held in ([TEXT] * 2_001, [], None, 7):
        with pytest.raises(InvalidField) as caught:
            content(held, Role.USER, "c")
        assert caught.value.param == "c"


READ = {
    "text": types.TextBlockParam,
    "image": types.ImageBlockParam,
    "document": types.DocumentBlockParam,
    "search_result": types.SearchResultBlockParam,
}


@pytest.mark.rows
@pytest.mark.parametrize("kind", sorted(READ))
def test_every_key_of_the_sdks_blocks_is_known(kind: str) -> None:
    whole: dict[str, JsonObject] = {"text": TEXT, "image": IMAGE, "document": document(PLAIN), "search_result": FOUND}
    for key in get_type_hints(READ[kind]).keys() - {"type"}:
        assert (refused_at({**whole[kind], key: 7}) or "").startswith(f"c[0].{key}"), key


def refused_at(block: JsonObject) -> str | None:
    with pytest.raises(InvalidField) as caught:
        read(block)
    return caught.value.param


def kinds_of(union: object) -> set[str]:
    """The words that tell the SDK's blocks apart."""
    return {word for block in get_args(union) for word in get_args(get_type_hints(block)["type"])}


def test_every_kind_of_block_of_the_sdk_is_read_or_refused_as_the_providers() -> None:
    tool_results = get_args(get_args(get_type_hints(types.ToolResultBlockParam)["content"])[1])[0]
    params = [one for one in get_args(beta.BetaContentBlockParam) if hasattr(one, "__annotations__")]
    known = {word for block in params for word in get_args(get_type_hints(block).get("type"))}
    known |= kinds_of(types.ContentBlockParam) | kinds_of(tool_results)
    assistants = {"thinking", "redacted_thinking", "tool_use"}
    for kind in known - READ.keys() - assistants - {"tool_result"}:
        refused({"type": kind}, ContentByReference, "c[0].type")
    for kind in assistants:
        refused({"type": kind}, InvalidField, "c[0].type")
