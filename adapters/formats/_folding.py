"""Which characters would a reader or a tokenizer take for the same one?

The rule: this view serves matching only. A character folds to its NFKC form where that is another one (fullwidth,
mathematical, ligature), to nothing where it is invisible, and to itself otherwise; the folded text is never sent.
"""

import unicodedata
from collections.abc import Collection, Iterator
from functools import lru_cache
from typing import Final

# Where Unicode keeps the characters whose compatibility form is made of ASCII: a test scans all of Unicode for others.
# Not among Han, Hangul and private characters, which are most of the first plane.
_COMPATIBLE: Final = (
    (0x80, 0x3400),
    (0xA000, 0xAC00),
    (0xF900, 0x10000),
    (0x10780, 0x107C0),
    (0x1D400, 0x1D800),
    (0x1F100, 0x1F200),
    (0x1FBF0, 0x1FC00),
)
# Outlined capitals and digits came with Unicode 16, later than the tables of older Pythons.
_OUTLINED: Final = (0x1CCD6, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789")

# Default_Ignorable_Code_Point where the category is not Cf, and control characters without a layout of their own.
_IGNORABLE: Final = (
    (0x00, 0x09),
    (0x0B, 0x0D),
    (0x0E, 0x20),
    (0x7F, 0x85),
    (0x86, 0xA0),
    (0x34F, 0x350),
    (0x115F, 0x1161),
    (0x17B4, 0x17B6),
    (0x180B, 0x1810),
    (0x2065, 0x2066),
    (0x3164, 0x3165),
    (0xFE00, 0xFE10),
    (0xFFA0, 0xFFA1),
    (0xFFF0, 0xFFFC),
    (0xE0000, 0xE1000),
)
# Format characters that are seen: Arabic, Syriac and Kaithi signs that enclose numbers.
_VISIBLE_FORMAT: Final = frozenset(
    "\u0600\u0601\u0602\u0603\u0604\u0605\u06dd\u070f\u0890\u0891\u08e2\U000110bd\U000110cd"
)
# Where Unicode keeps format characters: a test scans all of it for others.
_FORMAT_BLOCKS: Final = (
    (0xAD, 0xAE),
    (0x600, 0x8F0),
    (0x1800, 0x1810),
    (0x2000, 0x2070),
    (0xFE00, 0x10000),
    (0x11080, 0x110D0),
    (0x13400, 0x13460),
    (0x1BC00, 0x1BD00),
    (0x1D100, 0x1D200),
)


def _characters(ranges: Collection[tuple[int, int]]) -> Iterator[str]:
    return (chr(code) for start, stop in ranges for code in range(start, stop))


@lru_cache(maxsize=1)
def ignorable() -> frozenset[str]:
    """Every character that folds to nothing: zero-width, direction-changing, tags, variation selectors, controls."""
    formats = (c for c in _characters(_FORMAT_BLOCKS) if unicodedata.category(c) == "Cf")
    return frozenset((*_characters(_IGNORABLE), *formats)) - _VISIBLE_FORMAT


@lru_cache(maxsize=1)
def _compatible() -> dict[str, str]:
    first, letters = _OUTLINED
    table = {chr(first + offset): letter for offset, letter in enumerate(letters)}
    for char in _characters(_COMPATIBLE):
        if unicodedata.decomposition(char):
            form = unicodedata.normalize("NFKC", char)
            if form != char:
                table[char] = form
    return table


def fold(text: str) -> str:
    """The view of ``text`` that matching sees, character by character."""
    compatible, invisible = _compatible(), ignorable()
    return "".join(compatible.get(char, char) for char in text if char not in invisible)


def folds(alphabet: Collection[str]) -> dict[str, str]:
    """What each character folds to, for the characters whose fold has a part in ``alphabet`` and the invisible ones."""
    wanted = frozenset(alphabet)
    table = {char: char for char in wanted}
    table.update((char, form) for char, form in _compatible().items() if not wanted.isdisjoint(form))
    table.update(dict.fromkeys(ignorable(), ""))
    return table
