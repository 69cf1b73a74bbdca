"""What do the blocks of an Anthropic message hold, the assistant's aside?

Which blocks stand where is a table; each is read by a function of its own, which knows every key. A document and a
search result are several parts: whatever of them a model reads is data of its own, title, context and source too.
Within a tool's result all of it comes from that tool, so that no origin of its own hides that from policy.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Final

from gateway.dialects._anthropic_messages_fields import cache_life
from gateway.dialects._checks import flag, items, members, name_at, one_of, record, string, wrong
from gateway.dialects._media import base64_text, by_reference, mime_type
from gateway.dialects._segments import data_part, trust_label
from gateway.domain.errors import ContentByReference, InvalidField
from gateway.domain.jsonvalue import JsonObject, JsonValue
from gateway.domain.prompt import CacheLife, MediaKind
from gateway.domain.request import DataPart, MediaPart, Part, Role, TextPart

MOST_BLOCKS: Final = 2_000

_TEXT: Final = frozenset({"type", "text", "cache_control", "citations", "id", "origin", "trust"})
_PLAIN_TEXT: Final = frozenset({"type", "text", "cache_control", "citations"})
_IMAGE: Final = frozenset({"type", "source", "cache_control", "transformations"})
_DOCUMENT: Final = frozenset({"type", "source", "cache_control", "citations", "context", "title"})
_SEARCH_RESULT: Final = frozenset({"type", "content", "source", "title", "cache_control", "citations"})
_PDF: Final = one_of("application/pdf")
_PLAIN: Final = one_of("text/plain")
_TEXT_TYPE: Final = one_of("text")
_PASSAGE_TYPE: Final = one_of("text", "image")
_SOURCE_TYPE: Final = one_of("base64", "url", "file")
_DOCUMENT_SOURCE_TYPE: Final = one_of("base64", "text", "content", "url", "file")
_OVERSIZED: Final = one_of("downsize")

# Blocks that a provider makes and takes back: it alone knows what they hold, or what they ran.
_PROVIDERS: Final = frozenset({
    "server_tool_use", "mcp_tool_use", "container_upload", "compaction", "tool_addition", "tool_removal",
    "tool_reference", "mcp_tool_listing", "fallback", "browser_state",
})  # fmt: skip


def content(value: JsonValue, role: Role, path: str) -> list[Part]:
    """A message's content: a string, or a list of the blocks that its role may hold."""
    if isinstance(value, str):
        return [TextPart(text=value, path=path)]
    return [part for i, entry in enumerate(blocks(value, path)) for part in block(entry, role, f"{path}[{i}]")]


def blocks(value: JsonValue, path: str) -> Sequence[JsonValue]:
    """A list of blocks, not read yet."""
    if not isinstance(value, list) or not value:
        raise wrong(path, "be a string or a list of at least one block")
    if len(value) > MOST_BLOCKS:
        raise wrong(path, f"hold at most {MOST_BLOCKS} blocks")
    return value


def block(value: JsonValue, role: Role, path: str) -> list[Part]:
    """The parts that one block makes."""
    found = members(value, path)
    kind = found.get("type")
    allowed = _BLOCKS[role]
    if not isinstance(kind, str) or kind not in allowed:
        raise misplaced(kind, allowed, f"{path}.type")
    return _READERS[kind](found, role, path)


def is_listed(parts: Sequence[Part]) -> bool:
    """Whether parts are a list to whoever reads them: one text is the same as that text alone."""
    return len(parts) > 1 or not all(isinstance(part, TextPart) for part in parts)


def misplaced(kind: JsonValue, allowed: Sequence[str], path: str) -> InvalidField | ContentByReference:
    """The refusal of a block that may not stand where it stands."""
    if isinstance(kind, str) and (kind in _PROVIDERS or kind.endswith("_tool_result")):
        return ContentByReference(
            f"{path} is a block that the provider makes, of what the gateway cannot see: leave it out.", param=path
        )
    return wrong(path, f"be one of {', '.join(allowed)}")


def uncited(value: JsonValue, path: str) -> None:
    """Accept that an earlier answer cited nothing."""
    if value is not None and items(value, path):
        raise wrong(path, "be left out: citations point into documents that the gateway lays out anew")


def _text(found: JsonObject, _: Role, path: str) -> list[Part]:
    record(found, path, _TEXT)
    uncited(found.get("citations"), f"{path}.citations")
    part = TextPart(
        text=string(found.get("text"), f"{path}.text"),
        path=path,
        id=name_at(found, "id", path),
        origin=name_at(found, "origin", path),
        trust=trust_label(found.get("trust"), f"{path}.trust"),
        cache=_cache(found, path),
    )
    return [part]


def _data(found: JsonObject, _: Role, path: str) -> list[Part]:
    return [data_part(found, path)]


def _image(found: JsonObject, _: Role, path: str) -> list[Part]:
    record(found, path, _IMAGE)
    _untransformed(found.get("transformations"), f"{path}.transformations")
    where = f"{path}.source"
    source = members(found.get("source"), where)
    _inline(source, _SOURCE_TYPE, where)
    record(source, where, ("type", "media_type", "data"))
    part = MediaPart(
        kind=MediaKind.IMAGE,
        mime=mime_type(source.get("media_type"), f"{where}.media_type", "image/"),
        content=base64_text(source.get("data"), f"{where}.data"),
        path=path,
        attributes={},
        cache=_cache(found, path),
    )
    return [part]


def _untransformed(value: JsonValue, path: str) -> None:
    """Accept what a vendor does with an image anyway."""
    changes = {} if value is None else record(value, path, ("oversized_image",))
    if changes.get("oversized_image") is not None:
        _OVERSIZED(changes["oversized_image"], f"{path}.oversized_image")


def _document(found: JsonObject, role: Role, path: str) -> list[Part]:
    record(found, path, _DOCUMENT)
    _inspected(found.get("citations"), f"{path}.citations")
    told = [_told(found.get(key), f"{path}.{key}", _origin(f"document.{key}", role)) for key in ("title", "context")]
    parts: list[Part] = [part for part in told if part is not None]
    parts += _document_source(members(found.get("source"), f"{path}.source"), role, f"{path}.source")
    return _marked(parts, found, path)


def _document_source(source: JsonObject, role: Role, path: str) -> list[Part]:
    origin = _origin("document", role)
    match _inline(source, _DOCUMENT_SOURCE_TYPE, path):
        case "base64":
            record(source, path, ("type", "media_type", "data"))
            _PDF(source.get("media_type"), f"{path}.media_type")
            encoded = base64_text(source.get("data"), f"{path}.data")
            media = MediaPart(kind=MediaKind.FILE, mime="application/pdf", content=encoded, path=path, attributes={})
            return [media]
        case "text":
            record(source, path, ("type", "media_type", "data"))
            _PLAIN(source.get("media_type"), f"{path}.media_type")
            return [DataPart(text=string(source.get("data"), f"{path}.data"), path=f"{path}.data", origin=origin)]
        case _:
            held = record(source, path, ("type", "content")).get("content")
            if isinstance(held, str):
                return [DataPart(text=held, path=f"{path}.content", origin=origin)]
            return _passages(held, _PASSAGE_TYPE, role, origin, f"{path}.content")


def _search_result(found: JsonObject, role: Role, path: str) -> list[Part]:
    record(found, path, _SEARCH_RESULT)
    _inspected(found.get("citations"), f"{path}.citations")
    parts: list[Part] = []
    for key in ("title", "source"):
        told = _told(string(found.get(key), f"{path}.{key}"), f"{path}.{key}", _origin(f"search_result.{key}", role))
        parts += [] if told is None else [told]
    parts += _passages(found.get("content"), _TEXT_TYPE, role, _origin("search_result", role), f"{path}.content")
    return _marked(parts, found, path)


def _passages(
    value: JsonValue, kinds: Callable[[JsonValue, str], JsonValue], role: Role, origin: str | None, path: str
) -> list[Part]:
    """The blocks within a document or a search result: all of them data."""
    parts: list[Part] = []
    for index, entry in enumerate(blocks(value, path)):
        where = f"{path}[{index}]"
        found = members(entry, where)
        if kinds(found.get("type"), f"{where}.type") == "image":
            parts += _image(found, role, where)
            continue
        record(found, where, _PLAIN_TEXT)
        uncited(found.get("citations"), f"{where}.citations")
        text = string(found.get("text"), f"{where}.text")
        parts.append(DataPart(text=text, path=where, origin=origin, cache=_cache(found, where)))
    return parts


def _inline(source: JsonObject, kinds: Callable[[JsonValue, str], JsonValue], path: str) -> JsonValue:
    """The type of a source that holds the content itself.

    Raises:
        ContentByReference: it points to content that stands somewhere else.
    """
    kind = kinds(source.get("type"), f"{path}.type")
    if kind in {"url", "file"}:
        raise by_reference(path)
    return kind


def _told(value: JsonValue, path: str, origin: str | None) -> DataPart | None:
    """A text about a document, if it says anything."""
    if value is None or value == "":
        return None
    return DataPart(text=string(value, path), path=path, origin=origin)


def _origin(name: str, role: Role) -> str | None:
    """Where a text says that it comes from; within a tool's result that is the tool."""
    return None if role is Role.TOOL else name


def _inspected(value: JsonValue, path: str) -> None:
    """Refuse citations in the answer."""
    config = {} if value is None else record(value, path, ("enabled",))
    if flag(config.get("enabled"), f"{path}.enabled"):
        raise wrong(f"{path}.enabled", "be false: the gateway cannot inspect what an answer cites")


def _cache(found: JsonObject, path: str) -> CacheLife | None:
    return cache_life(found.get("cache_control"), f"{path}.cache_control")


def _marked(parts: list[Part], found: JsonObject, path: str) -> list[Part]:
    """The parts of one block, with its cache mark behind the last."""
    cache = _cache(found, path)
    return parts if cache is None else [*parts[:-1], replace(parts[-1], cache=cache)]


_READERS: Final[Mapping[str, Callable[[JsonObject, Role, str], list[Part]]]] = {
    "text": _text,
    "image": _image,
    "document": _document,
    "search_result": _search_result,
    "data": _data,
}
_MATERIAL: Final = ("text", "image", "document", "search_result", "data")
_BLOCKS: Final[Mapping[Role, tuple[str, ...]]] = {
    Role.SYSTEM: ("text", "data"),
    Role.USER: (*_MATERIAL, "tool_result"),
    Role.INPUT: _MATERIAL,
    Role.TOOL: _MATERIAL,
}
