"""How is a text folded, quickly?

Each character is folded by itself, as ``_fold`` says. Nearly all texts have few different characters beyond ASCII:
those are given a code page of one byte for each character, and a table of 256 entries folds it at a few nanoseconds a
character. The rule: every way gives the same, ``str.translate``'s, and all are linear.
"""

import unicodedata
from codecs import charmap_build, charmap_decode, charmap_encode
from collections.abc import Iterable, Mapping
from itertools import chain
from typing import Final

from gateway.detectors._confusables import CONFUSABLES
from gateway.domain.value import value

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


_FOLDS: Final = _Folds()


def width(character: str) -> int:
    """How many characters it folds to."""
    folded = _FOLDS[ord(character)]
    return 1 if isinstance(folded, int) else len(folded)


@value
class Folded:
    """``uneven`` are the characters that folded to more than one or to none."""

    matching: str
    uneven: frozenset[str]


class _Page:
    """Up to 128 characters beyond ASCII, as a table of bytes: nothing is looked up for each character of a text."""

    __slots__ = ("_codes", "_even", "_folded", "_gone", "_uneven", "_wide")

    def __init__(self, beyond: Iterable[str]) -> None:
        own = "".join(beyond)
        folds = {code: one.translate(_FOLDS) for code, one in enumerate(own, len(_ASCII))}
        self._codes = charmap_build((_ASCII + own).ljust(256, _NO_CHARACTER))
        self._uneven = {code: own[code - len(_ASCII)] for code, folded in folds.items() if len(folded) != 1}
        self._even = bytes(code for code in range(256) if code not in self._uneven)
        self._gone = bytes(code for code, folded in folds.items() if not folded)
        # What stands for a character in the table of single ones, and what is then put there.
        free = chain(sorted(_LATIN_1.difference(*folds.values())), _SURROGATES)
        self._wide = {code: (next(free), folded) for code, folded in folds.items() if len(folded) > 1}
        self._folded = _ASCII.lower() + "".join(
            self._wide[code][0] if code in self._wide else folded or _NO_CHARACTER for code, folded in folds.items()
        )

    def fold(self, original: str) -> Folded:
        """Raises UnicodeEncodeError: ``original`` has characters that the page has not."""
        coded, _ = charmap_encode(original, "strict", self._codes)
        uneven = frozenset(coded.translate(None, self._even))
        kept = coded.translate(None, self._gone) if uneven else coded
        # A table may be a text, as it is for the standard library's own pages.
        matching, _ = charmap_decode(kept, "strict", self._folded)  # pyright: ignore[reportArgumentType]
        for code in uneven & self._wide.keys():
            matching = matching.replace(*self._wide[code])
        return Folded(matching=matching, uneven=frozenset(map(self._uneven.__getitem__, uneven)))


_ASCII: Final = "".join(map(chr, range(128)))
_ASCII_BYTES: Final = bytes(range(128))
_NO_CHARACTER: Final = "\ufffe"
# What stands for characters that are put in later: what the page folds none to, and half surrogate pairs, which no
# page has.
_LATIN_1: Final = frozenset(map(chr, range(128, 256)))
_SURROGATES: Final = tuple(map(chr, range(0xD800, 0xD880)))
_PAGE_SIZE: Final = 128
_LAST_ON_PAGE: Final = "\uffff"
# So many characters are replaced one after the other.
_REPLACED: Final = 16


def _known_pages() -> Mapping[str, _Page]:
    """Those of Europe's alphabets and their neighbours', by their characters; the first has most of the punctuation."""
    pages: dict[str, _Page] = {}
    for name in ("cp1252", "cp1250", "cp1251", "cp1253", "cp1254", "cp1255", "cp1256"):
        beyond = dict.fromkeys(bytes(range(128, 256)).decode(name, "ignore"))
        page = _Page(beyond)
        pages |= {character: page for character in beyond if character not in pages}
    return pages


_PAGES: Final = _known_pages()


def fold(original: str) -> Folded:
    """A text that is not ASCII, as it is matched."""
    try:
        encoded = original.encode()
    except UnicodeEncodeError:
        uneven = frozenset(one for one in frozenset(original) if width(one) != 1)
        return Folded(matching=original.translate(_FOLDS), uneven=uneven)
    beyond = encoded.translate(None, _ASCII_BYTES).decode()
    page = _PAGES.get(beyond[0])
    if page is not None:
        try:
            return page.fold(original)
        except UnicodeEncodeError:
            pass
    return _by_its_own(original, encoded, frozenset(beyond))


def _by_its_own(original: str, encoded: bytes, beyond: frozenset[str]) -> Folded:
    """On a page of its own; else by what must be replaced, which of Chinese and of emoji is little."""
    if len(beyond) <= _PAGE_SIZE and max(beyond) < _LAST_ON_PAGE and _NO_CHARACTER not in beyond:
        return _Page(beyond).fold(original)
    changed = [one for one in beyond if one.translate(_FOLDS) != one]
    uneven = frozenset(one for one in changed if width(one) != 1)
    if len(changed) > _REPLACED or not all(one.translate(_FOLDS).isascii() for one in changed):
        return Folded(matching=original.translate(_FOLDS), uneven=uneven)
    encoded = encoded.lower()
    for one in changed:
        encoded = encoded.replace(one.encode(), one.translate(_FOLDS).encode())
    return Folded(matching=encoded.decode(), uneven=uneven)
