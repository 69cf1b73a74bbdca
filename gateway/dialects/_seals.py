"""How do the seals of an answer's reasoning travel through one opaque text?

A reasoning item of OpenAI's has a single ``encrypted_content``, which clients send back as they got it. A single seal
over all of the reasoning is that text. Any others are written one after another, with what each of them covers. No rule
looks into a seal, so that no words may travel in one: it is base64, of either alphabet, as all vendors write theirs.
"""

import re
from base64 import b64decode, b64encode
from binascii import Error
from typing import Final

import orjson

from gateway.dialects._checks import string, wrong
from gateway.domain.jsonvalue import JsonValue
from gateway.domain.prompt import Seal
from gateway.domain.request import MOST_SEGMENTS

TOKEN: Final = re.compile(r"[A-Za-z0-9+/=_-]+")
_MARK: Final = "splitgate-seals:"


def packed(text: str, seals: tuple[Seal, ...]) -> str | None:
    """The seals over ``text`` as one text; None where there is none, or one that would not be taken back."""
    if not seals or not all(_is_opaque(seal.token) for seal in seals):
        return None
    first = seals[0]
    if seals == (_single(text, first.token),) and first.token:
        return first.token
    return _MARK + b64encode(orjson.dumps([[seal.length, seal.token, seal.hidden] for seal in seals])).decode()


def unpacked(value: JsonValue, text: str, path: str) -> tuple[Seal, ...]:
    """The seals over ``text`` that a client sends back.

    Raises:
        InvalidField: they are not as ``packed`` wrote them, or cover more than there is.
    """
    if value is None or value == "":
        return ()
    token = string(value, path)
    if not token.startswith(_MARK) and _is_opaque(token):
        return (_single(text, token),)
    seals = _read(token.removeprefix(_MARK)) if token.startswith(_MARK) else None
    if seals is None or sum([seal.length for seal in seals]) > len(text):
        raise wrong(path, "be as the gateway gave it, beside the very reasoning that it came with")
    return seals


def _is_opaque(token: str) -> bool:
    """Whether it can be a vendor's seal; of a block in which the vendor hid nothing the seal is empty."""
    return not token or TOKEN.fullmatch(token) is not None


def _single(text: str, token: str) -> Seal:
    return Seal(length=len(text), token=token, hidden=not text)


def _read(written: str) -> tuple[Seal, ...] | None:
    try:
        listed: JsonValue = orjson.loads(b64decode(written, validate=True))
    except (Error, ValueError):
        return None
    seals = [_seal(entry) for entry in listed] if isinstance(listed, list) and len(listed) <= MOST_SEGMENTS else []
    known = [seal for seal in seals if seal is not None]
    return tuple(known) if known and len(known) == len(seals) else None


def _seal(entry: JsonValue) -> Seal | None:
    if not isinstance(entry, list) or len(entry) != 3:
        return None
    length, token, hidden = entry
    if type(length) is not int or length < 0 or not isinstance(token, str) or not isinstance(hidden, bool):
        return None
    if not _is_opaque(token):
        return None
    return Seal(length=length, token=token, hidden=hidden)
