"""Which segments does a client label itself?

Data segments read the same in every dialect: as a string, one object or a list of objects. Ids are unique in a request,
so that a finding or an audit line names one segment.
"""

from collections.abc import Sequence
from typing import Final

from gateway.dialects._checks import name_at, one_of, optional_subject, record, wrong
from gateway.dialects._media import base64_text, mime_type
from gateway.domain.jsonvalue import JsonValue
from gateway.domain.prompt import MediaKind, Trust
from gateway.domain.request import (
    MOST_SEGMENTS,
    MOST_SUBJECTS,
    ClientRequest,
    DataPart,
    MediaPart,
    Message,
    Role,
)

_DATA: Final = frozenset({"type", "id", "origin", "text", "subject"})
_IMAGE: Final = frozenset({"type", "id", "origin", "mime", "content", "subject"})
_TRUST: Final = one_of(*(trust.label for trust in reversed(Trust)))


def data_parts(value: JsonValue, path: str) -> tuple[DataPart | MediaPart, ...]:
    """The segments of a ``data`` field."""
    if isinstance(value, str):
        return (DataPart(text=value, path=path),)
    if isinstance(value, dict):
        return (_segment(value, path),)
    if isinstance(value, list):
        return tuple([_segment(segment, f"{path}[{i}]") for i, segment in enumerate(value)])
    raise wrong(path, "be a string, a segment or a list of segments")


def _segment(value: JsonValue, path: str) -> DataPart | MediaPart:
    if isinstance(value, dict) and value.get("type") == "image":
        return _image(value, path)
    return data_part(value, path)


def data_part(value: JsonValue, path: str) -> DataPart:
    """One segment of text: ``{"type": "data", "id", "origin", "subject", "text"}``, where ``text`` is required."""
    found = record(value, path, _DATA)
    if found.get("type", "data") != "data":
        raise wrong(f"{path}.type", "be data or image")
    text = found.get("text")
    if not isinstance(text, str):
        raise wrong(f"{path}.text", "be a string")
    return DataPart(
        text=text,
        path=path,
        id=name_at(found, "id", path),
        origin=name_at(found, "origin", path),
        subject=None if (held := found.get("subject")) is None else optional_subject(held, f"{path}.subject"),
    )


def _image(value: JsonValue, path: str) -> MediaPart:
    found = record(value, path, _IMAGE)
    return MediaPart(
        kind=MediaKind.IMAGE,
        mime=mime_type(found.get("mime"), f"{path}.mime", "image/"),
        content=base64_text(found.get("content"), f"{path}.content"),
        path=path,
        attributes={},
        id=name_at(found, "id", path),
        origin=name_at(found, "origin", path),
        subject=optional_subject(found.get("subject"), f"{path}.subject"),
    )


def place_data(messages: list[Message], value: JsonValue) -> None:
    """Put top-level ``data`` after the last user message: it belongs to that turn, and tool results follow it."""
    parts = data_parts(value, "data")
    if parts:
        last = max((i for i, message in enumerate(messages) if message.role is Role.USER), default=len(messages) - 1)
        messages.insert(last + 1, Message(role=Role.INPUT, parts=parts, path="data"))


def trust_label(value: JsonValue, path: str) -> Trust | None:
    """A client's own label, which can only lower what its role gives."""
    return None if value is None else Trust[str(_TRUST(value, path)).upper()]


def refuse_repeated_ids(messages: Sequence[Message]) -> None:
    """Refuse a request in which two segments have the same id."""
    seen: set[str] = set()
    for message in messages:
        for part in message.parts:
            if part.id is not None:
                if part.id in seen:
                    raise wrong(f"{part.path}.id", "differ from every other segment's id")
                seen.add(part.id)


def bounded(request: ClientRequest) -> ClientRequest:
    """The request, unless it holds too many segments, or is about too many persons."""
    segments = 0
    subjects: set[str] = set() if request.subject is None else {request.subject}
    for message in request.messages:
        segments += len(message.parts) + (message.reasoning is not None)
        if message.tool_calls or message.seals:
            segments += len(message.tool_calls) + len(message.seals)
        if segments > MOST_SEGMENTS:
            raise wrong(message.path, f"keep the request to {MOST_SEGMENTS} segments, earlier tool calls included")
        for part in message.parts:
            if part.subject is not None:
                subjects.add(part.subject)
                if len(subjects) > MOST_SUBJECTS:
                    raise wrong(f"{part.path}.subject", f"be one of at most {MOST_SUBJECTS} in a request")
    return request
