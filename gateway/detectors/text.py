"""In which form is a text matched, and where in the original does a match stand?

Each character is folded by itself, whatever stands beside it, so the way back is exact and folding is linear. The rule:
the original is what is sent and marked; the folded form serves matching only.
"""

import re
from array import array
from bisect import bisect_right
from collections.abc import Sequence
from itertools import accumulate
from typing import Final

from gateway.detectors._folding import fold, width
from gateway.domain.value import value

# One uneven character among so many, at most, is worth a search for it.
_SPARSE: Final = 8


class Text:
    """A text beside its folded form, ``matching``.

    In ``matching`` invisible characters and accents are gone, compatibility forms (fullwidth, ligatures, circled) are
    resolved, letters that look Latin are Latin, typographic quotes, dashes and spaces are ASCII, and all is lower case.
    An ASCII text is only lower-cased; there positions are the same in both forms.
    """

    __slots__ = ("_folded", "_way_back", "ascii", "matching", "original")

    def __init__(self, original: str) -> None:
        self.original = original
        self.ascii = original.isascii()
        self._folded = None if self.ascii else fold(original)
        self.matching = self._folded.matching if self._folded else original.lower()
        self._way_back: _WayBack | None = None

    def span(self, start: int, end: int) -> tuple[int, int]:
        """Where in the original ``start`` to ``end`` of ``matching`` stands: the fewest characters that give it."""
        if self._folded is None or not self._folded.uneven:
            return start, end
        if self._way_back is None:
            self._way_back = _way_back(self.original, self._folded.uneven)
        first = self._way_back.character(start)
        return first, first if end <= start else self._way_back.character(end - 1) + 1


@value
class _WayBack:
    """``places`` of uneven characters, where in ``matching`` each of them ends, and how far ahead that is by then."""

    places: Sequence[int]
    ends: Sequence[int]

    def character(self, at: int) -> int:
        """The one of the original that gave ``matching[at]``."""
        passed = bisect_right(self.ends, at)
        even = at if not passed else at - self.ends[passed - 1] + self.places[passed - 1] + 1
        return even if passed == len(self.places) else min(even, self.places[passed])


def _way_back(original: str, uneven: frozenset[str]) -> _WayBack:
    if sum(map(original.count, uneven)) * _SPARSE > len(original):
        # As if every character were uneven: it costs the same for each, but less.
        widths = {one: width(one) for one in frozenset(original)}
        ends = accumulate(map(widths.__getitem__, original))
        return _WayBack(places=range(len(original)), ends=array("q", ends))
    pattern = re.compile("[" + re.escape("".join(sorted(uneven))) + "]")
    ahead = {one: width(one) - 1 for one in uneven}
    found = [(match.start(), ahead[match[0]]) for match in pattern.finditer(original)]
    ends = (place + 1 + sum_ for (place, _), sum_ in zip(found, accumulate(more for _, more in found), strict=True))
    return _WayBack(places=[place for place, _ in found], ends=array("q", ends))
