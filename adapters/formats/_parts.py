"""What is one message's content: a text, or a list of parts?

The rules: what the client wrote as a list of parts is sent as those parts, media among them; what the gateway puts
beside them is a part of its own, a blank line apart; all else is one text. Servers put the texts of a list next to each
other, or on lines of their own: where a reserved token would come of either, the texts are sent as one.
"""

from collections.abc import Sequence
from typing import Final, TypeAlias, assert_never

from adapters.formats._joins import Piece
from adapters.formats._sieve import Sieve
from adapters.formats._turns import Told, in_a_row, needs_gap, text_of
from gateway.domain.jsonvalue import JsonObject, JsonValue
from gateway.domain.prompt import Media, MediaKind
from gateway.domain.value import value

Group: TypeAlias = Sequence[str | Piece]

_GAP: Final = "\n\n"
# OpenAI's names for sound formats where they differ from the media type's last word.
_SOUND_FORMATS: Final = {"mpeg": "mp3", "x-wav": "wav", "wave": "wav", "vnd.wave": "wav"}


@value
class Listed:
    """Texts that the client wrote as parts, in one list; the ones ``refused`` counts are an assistant's refusals."""

    parts: tuple[Piece, ...]
    refused: frozenset[int] = frozenset()


Item: TypeAlias = Told | Group | Listed | Media

# A tuple, not a union, which ``isinstance`` would put together anew for each text.
_APART: Final = (Listed, Media)


def groups_of(told: Told) -> Sequence[Group | Listed]:
    """Instructions as the client wrote them."""
    texts = [Piece(text=instruction.text, where=instruction.id) for instruction in told.instructions]
    return (Listed(parts=tuple(texts)),) if told.listed else [(text,) for text in texts]


@value
class _Text:
    parts: Sequence[str | Piece]
    refused: bool = False


def content_of(items: Sequence[Item], sieve: Sieve) -> JsonValue:
    """The content, clean."""
    if len(items) == 1 and isinstance(told := items[0], Told) and len(told.instructions) == 1:
        alone = told.instructions[0]
        text = sieve.words(alone.text, alone.id)
        return [{"type": "text", "text": text}] if told.listed else text
    return _content_of(
        [group for item in items for group in (groups_of(item) if isinstance(item, Told) else (item,))], sieve
    )


def _content_of(items: Sequence[Group | Listed | Media], sieve: Sieve) -> JsonValue:
    plain = [item for item in items if not isinstance(item, _APART)]
    if len(plain) == len(items):
        return sieve.joined(in_a_row(plain))
    laid = _laid(items)
    texts = [item for item in laid if isinstance(item, _Text)]
    clean = iter(texts_apart([text.parts for text in texts], sieve))
    parts: list[JsonValue] = []
    for item in laid:
        if isinstance(item, Media):
            parts.append(media_part(item, sieve))
        elif (text := next(clean, None)) is not None:
            kind = "refusal" if item.refused else "text"
            parts.append({"type": kind, kind: text})
    return parts


def _laid(items: Sequence[Group | Listed | Media]) -> list[_Text | Media]:
    """The parts in order; a text of the gateway's own, or of another list, stands apart from the one before it."""
    laid: list[_Text | Media] = []
    own: list[Group] = []
    for item in items:
        if not isinstance(item, _APART):
            own.append(item)
            continue
        _add_own(laid, own)
        own = []
        if isinstance(item, Media):
            laid.append(item)
        else:
            for index, text in enumerate(item.parts):
                _add(laid, (text,), first=index == 0, refused=index in item.refused)
    _add_own(laid, own)
    return laid


def _add_own(laid: list[_Text | Media], own: Sequence[Group]) -> None:
    if own:
        _add(laid, in_a_row(own), first=True, refused=False)


def _add(laid: list[_Text | Media], parts: Sequence[str | Piece], *, first: bool, refused: bool) -> None:
    before = laid[-1] if laid else None
    if first and isinstance(before, _Text) and needs_gap(text_of(before.parts[-1]), text_of(parts[0])):
        parts = (_GAP, *parts)
    laid.append(_Text(parts=parts, refused=refused))


def texts_apart(texts: Sequence[Group], sieve: Sieve) -> list[str]:
    """The texts without reserved tokens; all in one where a token would come of them together."""
    if len(texts) < 2:
        return [sieve.joined(parts) for parts in texts]
    clean = [[_words(part, sieve) for part in parts] for parts in texts]
    apart = ["".join([text_of(part) for part in parts]) for parts in clean]
    whole = sieve.joined([part for parts in clean for part in parts])
    lines = sieve.joined([part for parts in clean for part in ("\n", *parts)])
    return apart if whole == "".join(apart) and lines == "".join(["\n" + text for text in apart]) else [whole]


def _words(part: str | Piece, sieve: Sieve) -> str | Piece:
    return part if isinstance(part, str) else Piece(text=sieve.words(part.text, part.where), where=part.where)


def media_part(media: Media, sieve: Sieve) -> JsonObject:
    """A media segment as a content part in OpenAI's shape; ``attributes`` keep their names inside it."""
    attributes = {key: sieve.value(value, media.id) for key, value in media.attributes.items()}
    match media.kind:
        case MediaKind.IMAGE:
            return {"type": "image_url", "image_url": {**attributes, "url": _data_url(media)}}
        case MediaKind.AUDIO:
            kind = media.mime.rpartition("/")[2]
            form = {"format": _SOUND_FORMATS.get(kind, kind), **attributes}
            return {"type": "input_audio", "input_audio": {**form, "data": media.content}}
        case MediaKind.FILE:
            return {"type": "file", "file": {**attributes, "file_data": _data_url(media)}}
        case _:
            assert_never(media.kind)


def _data_url(media: Media) -> str:
    return f"data:{media.mime};base64,{media.content}"
