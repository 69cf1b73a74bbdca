r"""How is a text kept from spelling a model's reserved tokens?

Two ways. ``remove`` deletes them, again and again until none is left, so that ``<|im_<|im_end|>end|>`` leaves nothing
usable. ``break_json`` loses nothing: in a JSON text it writes one character of each as ``\uXXXX``.

The rule: matching sees the folded view (``_folding.py``), so invisible characters and fullwidth forms hide no token;
what is kept is the original text, less the characters of tokens. Both ways take time linear in the text: each stretch
of it (``_walk.py``) is one step, and what follows a deletion goes on from the step before it.
"""

from collections.abc import Iterable
from functools import lru_cache
from typing import Final

from adapters.formats._escapes import escape, first_plain, plain
from adapters.formats._families import FAMILIES
from adapters.formats._folding import fold, folds
from adapters.formats._search import searcher
from adapters.formats._walk import DIGITS, Walk, Words, stretches

_SAME_DIGIT: Final = str.maketrans(DIGITS, "0" * 10)


class ReservedTokens:
    """The tokens of one target. ``family`` tokens let 0 stand for any digit, ``extra`` ones are taken literally."""

    __slots__ = (
        "_ascii_starts",
        "_find_token_or_unlike",
        "_starts",
        "_words",
        "tokens",
    )

    def __init__(self, family: Iterable[str], extra: Iterable[str] = ()) -> None:
        self.tokens: tuple[str, ...] = tuple(dict.fromkeys((*family, *extra)))
        spellings = _spellings(tuple(family), tuple(extra))
        alphabet = {char for shape in spellings for char in shape}
        table = folds(alphabet | set(DIGITS) if "0" in alphabet else alphabet)
        self._words = Words(spellings, table)
        starts = {shape[0] for shape in spellings}
        starts |= set(DIGITS) if "0" in starts else set()
        self._ascii_starts = tuple(sorted(char for char in starts if char.isascii()))
        self._starts = tuple(sorted(c for c, form in table.items() if not starts.isdisjoint(form)))
        unlike = [char for char, form in table.items() if char != form]
        tokens = "|".join(_literal(shape) for shape in spellings)
        self._find_token_or_unlike = searcher(f"{tokens}|{_class(unlike)}")

    def remove(self, text: str) -> tuple[str, int]:
        """The text without reserved tokens, and how many were taken out."""
        return self._remove_all(text) if self._may_hold(text) else (text, 0)

    def break_json(self, json_text: str) -> tuple[str, int]:
        r"""A JSON text of equal value in which no reserved token stands, and how many characters were escaped.

        Only characters inside JSON strings can be written as ``\uXXXX``: a token made of JSON's own syntax (an extra
        such as ``null``) is left alone.
        """
        broken = 0
        while self._may_hold(json_text) and (marks := self._marks(json_text)):
            broken += len(marks)
            json_text = escape(json_text, marks)
        return json_text, broken

    def _may_hold(self, text: str) -> bool:
        """False for a text that certainly spells no token; nearly every text is told apart here, in C."""
        starts = self._ascii_starts if text.isascii() else self._starts
        for start in starts:
            if start in text:
                return self._find_token_or_unlike(text)
        return False

    def _remove_all(self, text: str) -> tuple[str, int]:
        walk = Walk(self._words)
        last = walk.start
        kept = [last]
        count = 0
        for stretch in stretches(text):
            step = last.after.get(stretch) or walk.step(stretch, kept)
            kept.append(step)
            while step.word:
                count += 1
                index, before = self._words.beginning(kept, step.word)
                del kept[index:]
                if before:
                    kept.append(kept[-1].after.get(before) or walk.step(before, kept))
                if not step.rest:
                    break
                step = kept[-1].after.get(step.rest) or walk.step(step.rest, kept)
                kept.append(step)
            last = kept[-1]
        return ("".join([step.text for step in kept]) if count else text), count

    def _marks(self, text: str) -> list[int]:
        """Where to escape a character: the first one of each token that can be.

        Of tokens that overlap the one that ends first is broken. Whether that broke the others too, the next search
        says.
        """
        escapable = ""
        walk = Walk(self._words)
        last = walk.start
        kept = [last]
        marks: list[int] = []
        end = 0
        for stretch in stretches(text):
            step = last.after.get(stretch) or walk.step(stretch, kept)
            kept.append(step)
            end += len(stretch)
            while step.word:
                index, before = self._words.beginning(kept, step.word)
                length = sum([len(part.text) for part in kept[index:]]) - len(before)
                token_end = end - len(step.rest)
                escapable = escapable or plain(text)
                mark = first_plain(escapable, token_end - length, token_end)
                if mark is not None:
                    marks.append(mark)
                    del kept[1:]
                if not step.rest:
                    break
                step = kept[-1].after.get(step.rest) or walk.step(step.rest, kept)
                kept.append(step)
            last = kept[-1]
        return marks


@lru_cache(maxsize=64)
def compile_reserved(family: str, extra: tuple[str, ...] = ()) -> ReservedTokens:
    """The reserved tokens of a family and of a target's own configuration.

    Raises:
        ValueError: the family is unknown, or an extra token has no visible character.
    """
    if family not in FAMILIES:
        raise ValueError(f"unknown model family; use one of {', '.join(sorted(FAMILIES))}")
    if not all(fold(token) for token in extra):
        raise ValueError("a reserved token needs at least one visible character")
    return ReservedTokens(FAMILIES[family], extra)


def _spellings(family: tuple[str, ...], extra: tuple[str, ...]) -> dict[str, frozenset[str] | None]:
    """Each token's shape (its fold, each digit written as 0), with the digits that count; None where all do."""
    found: dict[str, frozenset[str] | None] = {}
    folded = [(fold(token), True) for token in family] + [(fold(token), False) for token in extra]
    for token, numbered in folded:
        shape = token.translate(_SAME_DIGIT)
        any_digit = "0" not in shape or (numbered and shape == token)
        known = found.get(shape, frozenset())
        found[shape] = None if any_digit or known is None else known | {token}
    return found


def _class(characters: Iterable[str]) -> str:
    """By ranges: there are thousands of them, most of which stand together."""
    codes = {ord(char) for char in characters}
    firsts = sorted(code for code in codes if code - 1 not in codes)
    lasts = sorted(code for code in codes if code + 1 not in codes)
    return "[" + "".join(f"\\x{{{first:x}}}-\\x{{{last:x}}}" for first, last in zip(firsts, lasts, strict=True)) + "]"


def _literal(shape: str) -> str:
    return "".join("[0-9]" if char == "0" else f"\\x{{{ord(char):x}}}" for char in shape)
