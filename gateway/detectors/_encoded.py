"""What does encoded text within a text say?

Base64, hexadecimal digits, percent-encoding and rot13, one within the other at most twice. The rule: work is linear in
the text; past the bound nothing is decoded, and ``Decoded.whole`` says so.
"""

import binascii
import codecs
from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from itertools import accumulate
from typing import Final
from urllib.parse import unquote_to_bytes

from gateway.detectors.regex import Pattern
from gateway.domain.value import value

# Over the folded text: any encoded run that is read here hits one of them.
TRIGGERS: Final = (
    r"[a-z0-9+/_-]{24}",
    r"(?:[0-9a-f]{2}[ :]?){16}",
    r"(?:\\x[0-9a-f]{2}){8}",
    r"(?:%[0-9a-f]{2}[^\s%]{0,24}){3}",
    r"\b(?:vafgehpgvbaf?|vtaber|qvfertneq|flfgrz cebzcg|cerivbhf|nffvfgnag)\b",
)

# Characters decoded in all, for one text.
MAX_DECODED: Final = 1 << 20
MAX_DEPTH: Final = 2
# Between pieces that are read together: no run goes on across it.
JOINT: Final = " \n"
# Fewer bytes than that hold no instruction.
_SHORTEST: Final = 12

_BASE64: Final = Pattern(r"[A-Za-z0-9+/_-]{24,}(?:\r?\n[A-Za-z0-9+/_-]{4,})*={0,2}")
_HEX: Final = Pattern(r"(?:0x)?(?:[0-9A-Fa-f]{2}[ :]?){15,}[0-9A-Fa-f]{2}|(?:\\x[0-9A-Fa-f]{2}){8,}")
_PERCENT: Final = Pattern(r"[^\s%<>\"']{0,24}(?:%[0-9A-Fa-f]{2}[^\s%<>\"']{0,24}){3,}")
_ROT13: Final = Pattern(TRIGGERS[-1])
_LAYOUT: Final = str.maketrans("", "", "\n\r\t")
_STANDARD: Final = bytes.maketrans(b"-_", b"+/")
_PADDING: Final = (b"", b"", b"==", b"=")
_NO_CONTROLS: Final = bytes(sorted(({*range(256)} - {*range(32), 127}) | {9, 10, 13}))
_HEX_SIGNS: Final = str.maketrans("", "", " :")


@value
class Piece:
    """What the characters ``start`` to ``end`` of the original say, all layers taken off."""

    start: int
    end: int
    text: str


@value
class Decoded:
    """Every piece that reads as text; not ``whole`` if the bound cut it short."""

    pieces: tuple[Piece, ...]
    whole: bool


def decoded(original: str) -> Decoded:
    """Take off up to ``MAX_DEPTH`` layers, each in one go."""
    pieces: list[Piece] = []
    layer = [Piece(start=0, end=len(original), text=original)]
    left = MAX_DECODED
    for depth in range(MAX_DEPTH):
        below: list[Piece] = []
        for piece in _unwrapped(layer, outermost=depth == 0):
            left -= len(piece.text)
            if left < 0:
                return Decoded(pieces=(*pieces, *below), whole=False)
            below.append(piece)
        pieces += below
        layer = below
    return Decoded(pieces=tuple(pieces), whole=True)


def _unwrapped(layer: Sequence[Piece], *, outermost: bool) -> Iterator[Piece]:
    """What is encoded in one layer; deeper down positions are those of the outermost run."""
    text = JOINT.join(piece.text for piece in layer)
    ends = list(accumulate(len(piece.text) + len(JOINT) for piece in layer))
    for pattern, decode in _CODES:
        for start, end in pattern.spans(text):
            if inner := _readable(decode(text[start:end])):
                if outermost:
                    yield Piece(start=start, end=end, text=inner)
                else:
                    outer = layer[bisect_right(ends, start)]
                    yield Piece(start=outer.start, end=outer.end, text=inner)
    if layer and _ROT13.occurs(text.lower()):
        yield Piece(start=layer[0].start, end=layer[-1].end, text=codecs.encode(text, "rot13"))


def _base64(run: str) -> bytes:
    digits = run.encode().translate(_STANDARD, b"\r\n=")
    past = len(digits) % 4
    return binascii.a2b_base64(digits[:-1] if past == 1 else digits + _PADDING[past])


def _hex(run: str) -> bytes:
    return bytes.fromhex(run.removeprefix("0x").replace("\\x", "").translate(_HEX_SIGNS))


def _percent(run: str) -> bytes:
    if len(run) - 2 * run.count("%") < _SHORTEST:
        return b""
    return unquote_to_bytes(run.replace("+", " "))


_CODES: Final[tuple[tuple[Pattern, Callable[[str], bytes]], ...]] = (
    (_BASE64, _base64),
    (_HEX, _hex),
    (_PERCENT, _percent),
)


def _readable(raw: bytes) -> str:
    """The text in ``raw``, empty where it is none: keys, digests and pictures are not."""
    if len(raw) < _SHORTEST or raw.translate(None, _NO_CONTROLS):
        return ""
    try:
        text = raw.decode()
    except UnicodeDecodeError:
        return ""
    clean = text.isprintable() or text.translate(_LAYOUT).isprintable()
    return text if clean and len(text) >= _SHORTEST else ""
