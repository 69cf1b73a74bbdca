"""What does a chat message's content hold?

Which parts a role may hold is a table; each part is read by a function of its own, which knows every key. Media stand
in user and input messages alone, and what the assistant said before holds no data parts.
"""

from collections.abc import Callable, Mapping
from typing import Final

from gateway.dialects._checks import items, members, one_of, optional_name, record, string, wrong
from gateway.dialects._forbidden import unknown
from gateway.dialects._media import base64_text, by_reference, data_url, filename
from gateway.dialects._segments import data_part, trust_label
from gateway.domain.errors import UnknownField
from gateway.domain.jsonvalue import JsonObject, JsonValue
from gateway.domain.prompt import MediaKind
from gateway.domain.request import MediaPart, Part, RefusalPart, Role, TextPart

_TEXT: Final = frozenset({"type", "text", "id", "origin", "trust"})
_DETAIL: Final = one_of("auto", "low", "high", "original")
_SOUND: Final = one_of("wav", "mp3", "flac", "opus", "ogg", "aac", "m4a", "webm", "pcm16")
_MOST_PARTS: Final = 2_000
_CACHE_MARK: Final = "prompt_cache_breakpoint"


def content(value: JsonValue, role: Role, path: str) -> tuple[Part, ...]:
    """A message's content: a string, or a list of the parts that its role may hold."""
    if isinstance(value, str):
        return (TextPart(text=value, path=path),)
    if not isinstance(value, list) or not value:
        raise wrong(path, "be a string or a list of at least one part")
    if len(value) > _MOST_PARTS:
        raise wrong(path, f"hold at most {_MOST_PARTS} parts")
    return tuple([_part(part, role, f"{path}[{i}]") for i, part in enumerate(value)])


def _part(value: JsonValue, role: Role, path: str) -> Part:
    found = members(value, path)
    kind = found.get("type")
    allowed = _PARTS[role]
    if not isinstance(kind, str) or kind not in allowed:
        raise wrong(f"{path}.type", f"be one of {', '.join(allowed)} in a message of the role {role}")
    if _CACHE_MARK in found:
        raise UnknownField(
            f"{path}.{_CACHE_MARK} is not supported: formats lay content out anew, so leave it out.",
            param=f"{path}.{_CACHE_MARK}",
        )
    return _READERS[kind](found, path)


def _text(value: JsonValue, path: str) -> Part:
    found = record(value, path, _TEXT)
    return TextPart(
        text=string(found.get("text"), f"{path}.text"),
        path=path,
        id=optional_name(found.get("id"), f"{path}.id"),
        origin=optional_name(found.get("origin"), f"{path}.origin"),
        trust=trust_label(found.get("trust"), f"{path}.trust"),
    )


def _refusal(value: JsonValue, path: str) -> Part:
    found = record(value, path, ("type", "refusal"))
    return RefusalPart(text=string(found.get("refusal"), f"{path}.refusal"), path=path)


def _image(value: JsonValue, path: str) -> Part:
    where = f"{path}.image_url"
    found = record(record(value, path, ("type", "image_url")).get("image_url"), where, ("url", "detail"))
    mime, encoded = data_url(found.get("url"), f"{where}.url", "image/")
    attributes: JsonObject = {}
    if found.get("detail") is not None:
        attributes = {"detail": _DETAIL(found["detail"], f"{where}.detail")}
    return MediaPart(kind=MediaKind.IMAGE, mime=mime, content=encoded, path=path, attributes=attributes)


def _audio(value: JsonValue, path: str) -> Part:
    where = f"{path}.input_audio"
    found = record(record(value, path, ("type", "input_audio")).get("input_audio"), where, ("data", "format"))
    kind = string(_SOUND(found.get("format"), f"{where}.format"), where)
    encoded = base64_text(found.get("data"), f"{where}.data")
    return MediaPart(
        kind=MediaKind.AUDIO, mime=f"audio/{kind}", content=encoded, path=path, attributes={"format": kind}
    )


def _file(value: JsonValue, path: str) -> Part:
    where = f"{path}.file"
    found = record(record(value, path, ("type", "file")).get("file"), where, ("file_data", "file_id", "filename"))
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


_READERS: Final[Mapping[str, Callable[[JsonValue, str], Part]]] = {
    "text": _text,
    "refusal": _refusal,
    "image_url": _image,
    "input_audio": _audio,
    "file": _file,
    "data": data_part,
}
_INLINE: Final = ("text", "data", "image_url", "input_audio", "file")
_PARTS: Final[Mapping[Role, tuple[str, ...]]] = {
    Role.SYSTEM: ("text", "data"),
    Role.DEVELOPER: ("text", "data"),
    Role.USER: _INLINE,
    Role.ASSISTANT: ("text", "refusal"),
    Role.TOOL: ("text", "data"),
    Role.INPUT: _INLINE,
}


def spoken(value: JsonValue, path: str) -> None:
    """Refuse an assistant's audio: the client gives back its id alone."""
    if value is not None:
        raise by_reference(path)


def annotations(value: JsonValue, path: str) -> None:
    """Accept what an SDK echoes of an earlier answer: objects in a list."""
    for index, entry in enumerate([] if value is None else items(value, path)):
        members(entry, f"{path}[{index}]")


def said_again(value: JsonValue, message: JsonObject, path: str) -> None:
    """Accept litellm's copy of an answer's fields where it says nothing that the message does not say itself."""
    for key, held in members({} if value is None else value, path).items():
        if held not in (None, [], {}, "") and held != message.get(key):
            raise unknown(key, path)
