"""Which words and signs does a condition consist of?

Every token says where it starts; what is no token is refused with what to write instead.
"""

import re
from collections.abc import Iterator
from enum import Enum, auto
from typing import Final

from gateway.domain.value import value
from policies.engine.expression.errors import ConditionError
from policies.engine.expression.text import text_of
from policies.engine.expression.tree import LiteralValue


class Kind(Enum):
    """What a token is."""

    NAME = auto()
    LITERAL = auto()
    SIGN = auto()
    END = auto()


@value
class Token:
    """``value`` is a literal's value and None otherwise; integers can be larger than 64 bits still."""

    kind: Kind
    text: str
    offset: int
    value: LiteralValue | None = None


_BLANK: Final = re.compile(r"(?:[ \t\r\n\f]|//[^\n]*)*")
_TOKEN: Final = re.compile(
    r"""
    (?P<text>(?:[rR]|[bB][rR]?|[rR][bB])?(?:"{3}|'{3}|"|'))
    |(?P<name>[A-Za-z_][A-Za-z0-9_]*)
    |(?P<number>0x[0-9a-fA-F]+|(?:0|[1-9][0-9]*)(?P<fraction>(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?))(?![A-Za-z0-9_.])
    |(?P<sign>\|\||&&|[<>=!]=|[-<>!+*/%?:()\[\],.])
    """,
    re.VERBOSE,
)
_INSTEAD: Final = {
    "&": "write `&&`",
    "|": "write `||`",
    "=": "write `==` to compare",
    "{": "maps are not known here: use lists and names",
    "}": "maps are not known here: use lists and names",
}
_CONSTANTS: Final = {"true": True, "false": False}


def tokens_of(source: str) -> Iterator[Token]:
    """The tokens, the last one of them ``END``.

    Raises:
        ConditionError: something in between is no token.
    """
    offset = _after_blank(source, 0)
    while offset < len(source):
        token, end = _next(source, offset)
        yield token
        offset = _after_blank(source, end)
    yield Token(kind=Kind.END, text="", offset=len(source))


def _after_blank(source: str, offset: int) -> int:
    blank = _BLANK.match(source, offset)
    return offset if blank is None else blank.end()


def _next(source: str, offset: int) -> tuple[Token, int]:
    found = _TOKEN.match(source, offset)
    if found is None:
        raise ConditionError(_instead(source[offset]), offset)
    written = found[0]
    match found.lastgroup:
        case "text":
            value, end = text_of(source, offset)
            return Token(kind=Kind.LITERAL, text=written, offset=offset, value=value), end
        case "number":
            return Token(kind=Kind.LITERAL, text=written, offset=offset, value=_number(found, offset)), found.end()
        case "name":
            kind = Kind.LITERAL if written in _CONSTANTS else Kind.SIGN if written == "in" else Kind.NAME
            return Token(kind=kind, text=written, offset=offset, value=_CONSTANTS.get(written)), found.end()
        case _:
            return Token(kind=Kind.SIGN, text=written, offset=offset), found.end()


def _number(found: re.Match[str], offset: int) -> int | float:
    if not found["fraction"]:
        return int(found["number"], 0)
    value = float(found["number"])
    if value == float("inf"):
        raise ConditionError("the number is too large: doubles end at 1.79e308", offset)
    return value


def _instead(character: str) -> str:
    if character.isdigit():
        return "this is no number: write `12`, `0.5`, `1e6` or `0x1f`"
    hint = _INSTEAD.get(character, "quote texts, and write names in plain letters")
    return f"U+{ord(character):04X} means nothing here: {hint}"
