"""Does a ``](`` close the brackets of an image, which clients fetch unasked, or those of a link?

A description without markup of its own says it. Any other may hold escaped brackets, code or tags, which parsers weigh
differently. The rule: there, as long as any ``![`` is open, it is an image.
"""

from typing import Final

# How far back a description is looked at.
_NEAR: Final = 200
_MARKUP: Final = frozenset("[]\\`<>\"'&\n")


class Images:
    """Asked about one ``](`` after another, from left to right."""

    __slots__ = ("_counted", "_open", "_original")

    def __init__(self, original: str) -> None:
        self._original = original
        self._open = 0
        self._counted = 0

    def closes(self, place: int) -> bool:
        """Whether the ``](`` at ``place`` closes an image's brackets."""
        self._open += self._original.count("![", self._counted, place)
        self._counted = place
        first = max(0, place - _NEAR)
        opened = self._original.rfind("[", first, place)
        before = self._original[max(0, opened - 2) : max(0, opened)]
        if opened < 0 or before.endswith("\\") or before == "\\!":
            return self._open > 0
        if not _MARKUP.isdisjoint(self._original[opened + 1 : place]):
            return self._open > 0
        image = before.endswith("!")
        self._open -= image
        return image
