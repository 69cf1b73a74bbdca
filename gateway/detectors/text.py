"""In which form is a text matched, and where in the original does a match stand?

Each character is folded by itself, whatever stands beside it, so the way back is exact and folding is linear. The rule:
the original is what is sent and marked; the folded form serves matching only.
"""

import re
import unicodedata
from array import array
from bisect import bisect_right
from itertools import accumulate
from typing import Final

from gateway.detectors._confusables import CONFUSABLES

# Unicode's Default_Ignorable_Code_Point: what is never drawn.
IGNORABLE_RANGES: Final = (
    (0x00AD, 0x00AD),
    (0x034F, 0x034F),
    (0x061C, 0x061C),
    (0x115F, 0x1160),
    (0x17B4, 0x17B5),
    (0x180B, 0x180F),
    (0x200B, 0x200F),
    (0x202A, 0x202E),
    (0x2060, 0x206F),
    (0x3164, 0x3164),
    (0xFE00, 0xFE0F),
    (0xFEFF, 0xFEFF),
    (0xFFA0, 0xFFA0),
    (0xFFF0, 0xFFF8),
    (0x1BCA0, 0x1BCA3),
    (0x1D173, 0x1D17A),
    (0xE0000, 0xE0FFF),
)
_IGNORABLE: Final = frozenset(chr(code) for first, last in IGNORABLE_RANGES for code in range(first, last + 1))
# Accents and other marks set over, under or through a letter.
_MARKS: Final = ((0x0300, 0x036F), (0x1AB0, 0x1AFF), (0x1DC0, 0x1DFF), (0x20D0, 0x20FF), (0xFE20, 0xFE2F))
_ACCENTS: Final = frozenset(chr(code) for first, last in _MARKS for code in range(first, last + 1))
_SPACES: Final = {"\u2028": "\n", "\u2029": "\n", "\x85": "\n", "\u1680": " "}

# Beyond the supplementary planes' first, only these are changed by folding.
_LAST_COMMON: Final = 0x1FFFF
_RARE: Final = (range(0x2F800, 0x2FA20), range(0xE0000, 0xE1000))

# A ligature that spells a sentence must not make a text many times as long.
_WIDEST: Final = 4

_BEYOND_ASCII: Final = re.compile("[^\x00-\x7f]+")
# Bytes for each character, up to which a text counts as nearly ASCII.
_SPARSE: Final = 1.125


def _fold(character: str) -> str:
    """One character as it is matched: nothing, itself, or the first four of what it stands for (18 for U+FDFA)."""
    if character in _IGNORABLE:
        return ""
    if unicodedata.category(character) == "Cs":
        return "\ufffd"
    parts = [
        CONFUSABLES.get(part) or _SPACES.get(part, part)
        for part in CONFUSABLES.get(character) or unicodedata.normalize("NFKD", character)
        if part not in _ACCENTS
    ]
    return unicodedata.normalize("NFC", "".join(parts)).lower()[:_WIDEST]


class _Folds(dict[int, int | str]):
    """What ``str.translate`` puts for each code point, learnt as it is met; at most 136,000 of them are kept."""

    def __missing__(self, code: int) -> int | str:
        if code > _LAST_COMMON and not any(code in rare for rare in _RARE):
            return code
        character = chr(code)
        folded = _fold(character)
        self[code] = code if folded == character else folded
        return self[code]


class _Widths(dict[str, int]):
    """How many characters each one folds to, learnt likewise."""

    def __missing__(self, character: str) -> int:
        folded = _FOLDS[ord(character)]
        width = 1 if isinstance(folded, int) else len(folded)
        if ord(character) <= _LAST_COMMON:
            self[character] = width
        return width


def _folded(original: str) -> str:
    """Of a text with few characters beyond ASCII only those are looked up: many times as fast."""
    if len(original.encode("utf-8", "surrogatepass")) > len(original) * _SPARSE:
        return original.translate(_FOLDS)
    return _BEYOND_ASCII.sub(lambda match: match[0].translate(_FOLDS), original).lower()


_FOLDS: Final = _Folds()
_WIDTHS: Final = _Widths()


class Text:
    """A text beside its folded form, ``matching``.

    In ``matching`` invisible characters and accents are gone, compatibility forms (fullwidth, ligatures, circled) are
    resolved, letters that look Latin are Latin, typographic quotes, dashes and spaces are ASCII, and all is lower case.
    An ASCII text is only lower-cased; there positions are the same in both forms.
    """

    __slots__ = ("_ends", "ascii", "matching", "original")

    def __init__(self, original: str) -> None:
        self.original = original
        self.ascii = original.isascii()
        self.matching = original.lower() if self.ascii else _folded(original)
        self._ends: array[int] | None = None

    def span(self, start: int, end: int) -> tuple[int, int]:
        """Where in the original ``start`` to ``end`` of ``matching`` stands: the fewest characters that give it."""
        if self.ascii:
            return start, end
        if self._ends is None:
            self._ends = array("Q", accumulate(map(_WIDTHS.__getitem__, self.original)))
        first = bisect_right(self._ends, start)
        return first, first if end <= start else bisect_right(self._ends, end - 1) + 1
