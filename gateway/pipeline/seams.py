"""What stands across the borders of texts that a model reads as one?

Whoever writes the data may choose where it is cut into parts, and a rule that looks at each part alone sees neither
half of what was cut. The borders are therefore looked at as well, with as much text on either side as matters.
"""

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import accumulate, groupby
from typing import Final

from gateway.domain.value import value
from gateway.domain.verdict import Edit, Findings

# Characters of a text that are looked at on either side of a border; shorter texts whole.
MARGIN: Final = 1_024
# Between the first and last place of a seam's name: no id holds it.
JOINT: Final = "+"


@value
class Piece:
    """``length`` characters from ``start`` on of the text at ``where``."""

    where: str
    start: int
    length: int


@value
class Seam:
    """Pieces of adjacent texts, and what they say together."""

    pieces: tuple[Piece, ...]
    text: str

    @property
    def where(self) -> str:
        """Its name: that of its first and its last text."""
        return f"{self.pieces[0].where}{JOINT}{self.pieces[-1].where}"


def is_text(where: str) -> bool:
    """Whether a place is a text's own, and no seam of several nor the names of a request."""
    return JOINT not in where and not where.startswith("#")


def seams_of(texts: Iterable[tuple[type[object], str, str]]) -> list[Seam]:
    """The seams of texts given as kind, place and text; only texts of one kind that stand together have any."""
    return [
        seam
        for _, run in groupby(texts, key=lambda one: one[0])
        for seam in _seams([(where, text) for _, where, text in run])
    ]


def _seams(texts: Sequence[tuple[str, str]]) -> list[Seam]:
    """A long text ends one seam with its head and begins the next with its tail."""
    seams: list[Seam] = []
    pieces: list[Piece] = []
    said: list[str] = []

    def close() -> None:
        if len(pieces) > 1:
            seams.append(Seam(pieces=tuple(pieces), text="".join(said)))
        pieces.clear()
        said.clear()

    for where, text in texts:
        if len(text) <= 2 * MARGIN:
            pieces.append(Piece(where=where, start=0, length=len(text)))
            said.append(text)
            continue
        pieces.append(Piece(where=where, start=0, length=MARGIN))
        said.append(text[:MARGIN])
        close()
        pieces.append(Piece(where=where, start=len(text) - MARGIN, length=MARGIN))
        said.append(text[-MARGIN:])
    close()
    return seams


def spread(found: Findings, seams: Iterable[Seam]) -> Findings:
    """The same findings with what was found at seams told of the texts themselves."""
    by_name = {seam.where: _Spreading(seam) for seam in seams}
    edits = tuple([one for e in found.edits for one in (by_name[e.where].edits(e) if e.where in by_name else (e,))])
    demoted = [where for name in found.demoted for where in (by_name[name].places if name in by_name else (name,))]
    return replace(found, edits=edits, demoted=tuple(dict.fromkeys(demoted)))


class _Spreading:
    """Tells edits of a seam as edits of its texts: each costs no more than the texts that it touches."""

    def __init__(self, seam: Seam) -> None:
        self.places = tuple([piece.where for piece in seam.pieces])
        self._pieces = seam.pieces
        self._ends = list(accumulate([piece.length for piece in seam.pieces]))

    def edits(self, edit: Edit) -> list[Edit]:
        made: list[Edit] = []
        for number in range(bisect_right(self._ends, edit.start), len(self._pieces)):
            piece, end = self._pieces[number], self._ends[number]
            at = end - piece.length
            if at >= edit.end:
                break
            first, last = max(edit.start, at), min(edit.end, end)
            if first < last:
                start = piece.start + first - at
                made.append(replace(edit, where=piece.where, start=start, end=start + last - first))
        return made
