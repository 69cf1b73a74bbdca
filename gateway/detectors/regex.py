"""How do detectors search? By RE2, which is linear in the text whatever the pattern.

This is the only file of the detectors that knows the library; what it leaves untyped is typed here.
"""

# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false

from collections.abc import Iterator, Sequence
from typing import Final

import re2

# Bytes for a pattern's automaton: beyond them RE2 starts over again and again and is slow, though still linear.
_PATTERN_MEMORY: Final = 16 << 20
_SET_MEMORY: Final = 64 << 20


class InvalidPattern(ValueError):
    """The pattern is none in RE2's syntax."""


class Pattern:
    """A compiled pattern; offsets count characters."""

    __slots__ = ("_pattern",)

    def __init__(self, source: str) -> None:
        try:
            # A bytes pattern matches bytes and text alike.
            self._pattern = re2.compile(source.encode(), _options(_PATTERN_MEMORY))
        except re2.error as error:
            raise InvalidPattern("write it in RE2's syntax: no look-around, no back-references") from error

    def occurs(self, text: str) -> bool:
        """Whether it occurs at all."""
        return self._pattern.search(_encoded(text)) is not None

    def spans(self, text: str, group: int = 0) -> Iterator[tuple[int, int]]:
        """Where it, or one of its groups, occurs; a group that took no part is left out."""
        # Offsets into bytes need no counting of characters, where both are the same.
        encoded = _encoded(text)
        for match in self._pattern.finditer(encoded if text.isascii() else encoded.decode()):
            start, end = match.span(group)
            if start >= 0:
                yield int(start), int(end)


class PatternSet:
    """Many patterns, searched for in one pass."""

    __slots__ = ("_match",)

    def __init__(self, sources: Sequence[str]) -> None:
        built = re2.Set.SearchSet(_options(_SET_MEMORY))
        try:
            for source in sources:
                built.Add(source)
        except re2.error as error:
            raise InvalidPattern("write it in RE2's syntax: no look-around, no back-references") from error
        built.Compile()
        self._match = built.Match

    def hits(self, text: str) -> Sequence[int]:
        """The indices of the patterns that occur in ``text``."""
        # As ``_encoded`` does it, which every text would be one more call for.
        return self._match(text.encode("utf-8", "replace")) or ()


def _encoded(text: str) -> bytes:
    """A lone surrogate has no UTF-8: it is matched as a question mark."""
    return text.encode("utf-8", "replace")


def _options(memory: int) -> re2.Options:
    options = re2.Options()
    options.max_mem = memory
    options.log_errors = False
    return options
