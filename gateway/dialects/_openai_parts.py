"""What do the parts of a message's content hold, in any of OpenAI's dialects?

Each dialect has a table of the parts that a role may hold, and names them in its own way; what is in them is read here,
where every key is known.
"""

from collections.abc import Callable, Mapping
from typing import Final, TypeAlias

from gateway.dialects._checks import items, members, name_at, one_of, record, string, text_at, wrong
from gateway.dialects._media import base64_text, by_reference, data_url, filename
from gateway.dialects._segments import trust_label
from gateway.domain.errors import UnknownField
from gateway.domain.jsonvalue import JsonObject, JsonValue
from gateway.domain.prompt import MediaKind
from gateway.domain.request import MediaPart, Part, RefusalPart, Role, TextPart

PartReader: TypeAlias = Callable[[dict[str, JsonValue], str], Part]

_TEXT: Final = frozenset({"type", "text", "id", "origin", "trust"})
_BARE_TEXT: Final = frozenset({"type", "text"})
_DETAIL: Final = one_of("auto", "low", "high", "original")
_SOUND: Final = one_of("wav", "mp3", "flac", "opus", "ogg", "aac", "m4a", "webm", "pcm16")
_MOST_PARTS: Final = 2_000
_CACHE_MARK: Final = "prompt_cache_breakpoint"


def parts_of(value: JsonValue, role: Role, path: str, readers: Mapping[str, PartReader]) -> tuple[Part, ...]:
    """A message's content: a string, or a list of the parts that its role may hold, which are those of ``readers``."""
    if isinstance(value, str):
        return (TextPart(text=value, path=path),)
    if not isinstance(value, list) or not value:
        raise wrong(path, "be a string or a list of at least one part")
    if len(value) > _MOST_PARTS:
        raise wrong(path, f"hold at most {_MOST_PARTS} parts")
    return tuple([_part(part, role, f"{path}[{i}]", readers) for i, part in enumerate(value)])


def _part(value: JsonValue, role: Role, path: str, readers: Mapping[str, PartReader]) -> Part:
    if not isinstance(value, dict):
        raise wrong(path, "be an object")
    kind = value.get("type")
    reader = readers.get(kind) if isinstance(kind, str) else None
    if reader is None:
        raise wrong(f"{path}.type", f"be one of {', '.join(readers)} in a message of the role {role}")
    return reader(_unmarked(value, path) if _CACHE_MARK in value else value, path)


def _unmarked(found: dict[str, JsonValue], path: str) -> dict[str, JsonValue]:
    if found[_CACHE_MARK] is not None:
        raise UnknownField(
            f"{path}.{_CACHE_MARK} is not supported: formats lay content out anew, so leave it out.",
            param=f"{path}.{_CACHE_MARK}",
        )
    return {key: held for key, held in found.items() if key != _CACHE_MARK}


def text_part(found: dict[str, JsonValue], path: str) -> Part:
    """Text under the client's own labels."""
    if found.keys() == _BARE_TEXT and isinstance(text := found["text"], str):
        return TextPart(text=text, path=path)
    record(found, path, _TEXT)
    return TextPart(
        text=text_at(found, "text", path),
        path=path,
        id=name_at(found, "id", path),
        origin=name_at(found, "origin", path),
        trust=trust_label(found.get("trust"), f"{path}.trust"),
    )


def refusal_part(value: JsonValue, path: str) -> Part:
    """The assistant's refusal."""
    found = record(value, path, ("type", "refusal"))
    return RefusalPart(text=text_at(found, "refusal", path), path=path)


def image(url: JsonValue, detail: JsonValue, path: str, url_path: str, detail_path: str) -> Part:
    """An image in a ``data:`` URL; ``path`` is the part's."""
    mime, encoded = data_url(url, url_path, "image/")
    attributes: JsonObject = {} if detail is None else {"detail": _DETAIL(detail, detail_path)}
    return MediaPart(kind=MediaKind.IMAGE, mime=mime, content=encoded, path=path, attributes=attributes)


def sound(value: JsonValue, path: str) -> Part:
    """A sound, which every dialect writes alike."""
    where = f"{path}.input_audio"
    found = record(record(value, path, ("type", "input_audio")).get("input_audio"), where, ("data", "format"))
    kind = string(_SOUND(found.get("format"), f"{where}.format"), where)
    encoded = base64_text(found.get("data"), f"{where}.data")
    return MediaPart(
        kind=MediaKind.AUDIO, mime=f"audio/{kind}", content=encoded, path=path, attributes={"format": kind}
    )


def attached(found: JsonObject, path: str, where: str) -> Part:
    """A file by its ``file_data`` and ``filename``, which stand at ``where``; ``path`` is the part's."""
    if found.get("file_id") is not None:
        raise by_reference(f"{where}.file_id")
    mime, encoded = _file_data(found.get("file_data"), f"{where}.file_data")
    attributes: JsonObject = {}
    if found.get("filename") is not None:
        attributes = {"filename": filename(found["filename"], f"{where}.filename")}
    return MediaPart(kind=MediaKind.FILE, mime=mime, content=encoded, path=path, attributes=attributes)


def _file_data(value: JsonValue, path: str) -> tuple[str, str]:
    if isinstance(value, str) and ":" not in value:
        return "application/octet-stream", base64_text(value, path)
    return data_url(value, path)


def annotations(value: JsonValue, path: str) -> None:
    """Accept what an SDK echoes of an earlier answer: objects in a list."""
    for index, entry in enumerate([] if value is None else items(value, path)):
        members(entry, f"{path}[{index}]")
