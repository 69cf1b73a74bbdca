"""What does the content of an item of OpenAI's responses API hold?

Which parts a role may hold is a table; each part is read by a function of its own, which knows every key. Media stand
in user and input messages and in what functions return.
"""

from collections.abc import Mapping
from typing import Final

from gateway.dialects._checks import items, members, record, string, wrong
from gateway.dialects._media import by_reference
from gateway.dialects._openai_parts import (
    PartReader,
    annotations,
    attached,
    image,
    parts_of,
    refusal_part,
    sound,
    text_part,
)
from gateway.dialects._segments import data_part
from gateway.domain.jsonvalue import JsonValue
from gateway.domain.request import Part, Role, TextPart

_IMAGE: Final = frozenset({"type", "image_url", "file_id", "detail"})
_FILE: Final = frozenset({"type", "file_data", "file_id", "file_url", "filename", "detail"})
# The last three are what SDKs give back of an answer: where it came from, how likely it was, and the text once more,
# parsed. All are left out.
_SAID: Final = frozenset({"type", "text", "annotations", "logprobs", "parsed"})


def content(value: JsonValue, role: Role, path: str) -> tuple[Part, ...]:
    """An item's content: a string, or a list of the parts that its role may hold."""
    return parts_of(value, role, path, _PARTS[role])


def _said(value: JsonValue, path: str) -> Part:
    found = record(value, path, _SAID)
    annotations(found.get("annotations"), f"{path}.annotations")
    logprobs = found.get("logprobs")
    for index, entry in enumerate([] if logprobs is None else items(logprobs, f"{path}.logprobs")):
        members(entry, f"{path}.logprobs[{index}]")
    return TextPart(text=string(found.get("text"), f"{path}.text"), path=path)


def _image(value: JsonValue, path: str) -> Part:
    found = record(value, path, _IMAGE)
    if found.get("file_id") is not None:
        raise by_reference(f"{path}.file_id")
    return image(found.get("image_url"), found.get("detail"), path, f"{path}.image_url", f"{path}.detail")


def _file(value: JsonValue, path: str) -> Part:
    found = record(value, path, _FILE)
    if found.get("file_url") is not None:
        raise by_reference(f"{path}.file_url")
    if found.get("detail") not in {None, "auto"}:
        raise wrong(f"{path}.detail", "be auto: no other API has words for a file's detail")
    return attached(found, path, path)


_READERS: Final[Mapping[str, PartReader]] = {
    "input_text": text_part,
    "output_text": _said,
    "refusal": refusal_part,
    "input_image": _image,
    "input_audio": sound,
    "input_file": _file,
    "data": data_part,
}
_INLINE: Final = ("input_text", "data", "input_image", "input_audio", "input_file")
_KINDS: Final[Mapping[Role, tuple[str, ...]]] = {
    Role.SYSTEM: ("input_text", "data"),
    Role.DEVELOPER: ("input_text", "data"),
    Role.USER: _INLINE,
    Role.ASSISTANT: ("output_text", "refusal"),
    Role.TOOL: ("input_text", "data", "input_image", "input_file"),
    Role.INPUT: _INLINE,
}
_PARTS: Final = {role: {kind: _READERS[kind] for kind in kinds} for role, kinds in _KINDS.items()}
