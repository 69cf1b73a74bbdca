"""What does a chat message's content hold?

Which parts a role may hold is a table; each part is read by a function of its own, which knows every key. Media stand
in user and input messages alone, and what the assistant said before holds no data parts.
"""

from collections.abc import Mapping
from typing import Final

from gateway.dialects._checks import members, record
from gateway.dialects._forbidden import unknown
from gateway.dialects._media import by_reference
from gateway.dialects._openai_parts import PartReader, attached, image, parts_of, refusal_part, sound, text_part
from gateway.dialects._segments import data_part
from gateway.domain.jsonvalue import JsonObject, JsonValue
from gateway.domain.request import Part, Role


def content(value: JsonValue, role: Role, path: str) -> tuple[Part, ...]:
    """A message's content: a string, or a list of the parts that its role may hold."""
    return parts_of(value, role, path, PARTS[role])


def _image(value: JsonValue, path: str) -> Part:
    where = f"{path}.image_url"
    found = record(record(value, path, ("type", "image_url")).get("image_url"), where, ("url", "detail"))
    return image(found.get("url"), found.get("detail"), path, f"{where}.url", f"{where}.detail")


def _file(value: JsonValue, path: str) -> Part:
    where = f"{path}.file"
    found = record(record(value, path, ("type", "file")).get("file"), where, ("file_data", "file_id", "filename"))
    return attached(found, path, where)


_READERS: Final[Mapping[str, PartReader]] = {
    "text": text_part,
    "refusal": refusal_part,
    "image_url": _image,
    "input_audio": sound,
    "file": _file,
    "data": data_part,
}
_INLINE: Final = ("text", "data", "image_url", "input_audio", "file")
_KINDS: Final[Mapping[Role, tuple[str, ...]]] = {
    Role.SYSTEM: ("text", "data"),
    Role.DEVELOPER: ("text", "data"),
    Role.USER: _INLINE,
    Role.ASSISTANT: ("text", "refusal"),
    Role.TOOL: ("text", "data"),
    Role.INPUT: _INLINE,
}
# By each role, the readers of the parts that its messages may hold.
PARTS: Final = {role: {kind: _READERS[kind] for kind in kinds} for role, kinds in _KINDS.items()}


def spoken(value: JsonValue, path: str) -> None:
    """Refuse an assistant's audio: the client gives back its id alone."""
    if value is not None:
        raise by_reference(path)


def said_again(value: JsonValue, message: JsonObject, path: str) -> None:
    """Accept litellm's copy of an answer's fields where it says nothing that the message does not say itself."""
    for key, held in members({} if value is None else value, path).items():
        if held not in (None, [], {}, "") and held != message.get(key):
            raise unknown(key, path)
