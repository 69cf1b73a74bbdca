"""What does a JSON value say, as one text that detectors can read and edits can point into?

Every string, key and number is one line or more of the text, unescaped, in the value's order. Only strings can be
rewritten: a value whose key or number would have to change has to be refused as a whole.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final

from gateway.domain.jsonvalue import JsonValue
from gateway.domain.value import value
from gateway.pipeline.edits import Replacement, Span, disjoint, replaced

# Deeper values cannot be written again: orjson stops at 254.
MAX_DEPTH: Final = 250


@value
class _Leaf:
    """A piece of the value's text; ``fixed`` are keys and numbers."""

    text: str
    fixed: bool


@value
class Leaves:
    """A value and its text: leaves joined by line feeds. Truth values and null say nothing."""

    value: JsonValue
    text: str
    _leaves: tuple[_Leaf, ...]

    @classmethod
    def of(cls, value: JsonValue) -> "Leaves":
        """Take a value apart.

        Raises:
            ValueError: the value is nested deeper than ``MAX_DEPTH``.
        """
        leaves = tuple(_leaves_of(value, 0))
        return cls(value=value, text="\n".join([leaf.text for leaf in leaves]), _leaves=leaves)

    def rewritten(self, edits: Sequence[Replacement]) -> JsonValue:
        """The value after ``edits`` in its text; None where one touches a key or a number.

        An edit over several strings leaves its words in the first of them. The value null comes back as null: it has
        no text that an edit could touch.
        """
        texts = self._rewritten_texts(disjoint(edits))
        return None if texts is None else _rebuilt(self.value, iter(texts))

    def changed(self, change: Callable[[str], tuple[str, Sequence[Span]]]) -> tuple["Leaves", tuple[Span, ...]]:
        """The value with each string as ``change`` makes it, and the spans that it names, in the new text."""
        texts: list[str] = []
        spans: list[Span] = []
        start = 0
        for leaf in self._leaves:
            text, found = (leaf.text, ()) if leaf.fixed else change(leaf.text)
            spans += [(start + left, start + right) for left, right in found]
            texts.append(text)
            start += len(text) + 1
        return Leaves.of(_rebuilt(self.value, iter(texts))), tuple(spans)

    def _rewritten_texts(self, edits: Sequence[Replacement]) -> list[str] | None:
        texts: list[str] = []
        start = first = 0
        told = -1
        for leaf in self._leaves:
            end = start + len(leaf.text)
            while first < len(edits) and edits[first][1] <= start:
                first += 1
            mine: list[Replacement] = []
            for at in range(first, len(edits)):
                left, right, words = edits[at]
                if left >= end or start == end:
                    break
                mine.append((max(left, start) - start, min(right, end) - start, words if at > told else ""))
                told = max(told, at)
            if mine and leaf.fixed:
                return None
            texts.append(replaced(leaf.text, mine))
            start = end + 1
        return texts


def _leaves_of(value: JsonValue, depth: int) -> Iterator[_Leaf]:
    if depth > MAX_DEPTH:
        raise ValueError(f"the value is nested deeper than {MAX_DEPTH} levels")
    match value:
        case None | bool():
            return
        case str():
            yield _Leaf(text=value, fixed=False)
        case int() | float():
            yield _Leaf(text=str(value), fixed=True)
        case Mapping():
            for key, held in value.items():
                yield _Leaf(text=key, fixed=True)
                yield from _leaves_of(held, depth + 1)
        case _:
            for held in value:
                yield from _leaves_of(held, depth + 1)


def _rebuilt(value: JsonValue, texts: Iterator[str]) -> JsonValue:
    """``value`` with its leaves' texts, in order, in the place of its strings."""
    match value:
        case None | bool():
            return value
        case str():
            return next(texts)
        case int() | float():
            next(texts)
            return value
        case Mapping():
            return {next(texts): _rebuilt(held, texts) for held in value.values()}
        case _:
            return [_rebuilt(held, texts) for held in value]
