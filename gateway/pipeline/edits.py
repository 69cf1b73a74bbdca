"""How are characters of a text replaced, when several rules ask for it at once?

Positions are those of the text before any replacement. Edits that overlap become one, so that nothing that a rule wants
gone stays because another rule wanted its neighbour gone.
"""

from collections.abc import Iterable, Sequence
from typing import TypeAlias

# Start and end.
Span: TypeAlias = tuple[int, int]
# Start, end, and what is to stand there instead.
Replacement: TypeAlias = tuple[int, int, str]


def disjoint(edits: Iterable[Replacement]) -> list[Replacement]:
    """In order, with those that overlap joined under the words of the first; those that cover nothing are left out."""
    joined: list[Replacement] = []
    for start, end, words in sorted(edits, key=_place):
        if start >= end:
            continue
        if joined and start < joined[-1][1]:
            first, last, kept = joined[-1]
            joined[-1] = (first, max(last, end), kept)
        else:
            joined.append((start, end, words))
    return joined


def replaced(text: str, edits: Sequence[Replacement]) -> str:
    """``text`` after ``edits``, which are disjoint and in order."""
    if not edits:
        return text
    pieces: list[str] = []
    at = 0
    for start, end, words in edits:
        pieces += (text[at:start], words)
        at = end
    return "".join([*pieces, text[at:]])


def _place(edit: Replacement) -> tuple[int, int]:
    """By start, the longest first."""
    return edit[0], -edit[1]
