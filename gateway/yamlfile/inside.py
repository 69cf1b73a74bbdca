"""Where in a file does a character of a scalar's value stand?

Quotes, escapes and folded lines change blanks and spelling, never the order of the other characters: those are counted.
Where counting leads to another character than the one asked for, the scalar's beginning is the answer.
"""

import re
from collections.abc import Iterator
from itertools import islice
from typing import Final

from gateway.yamlfile.nodes import Position

# What may stand before a scalar: an anchor, a tag.
_PROPERTIES: Final = re.compile(r"(?:[&!]\S*\s+)*")
_ESCAPE: Final = re.compile(r"\\(?:x([0-9A-Fa-f]{2})|u([0-9A-Fa-f]{4})|U([0-9A-Fa-f]{8})|(.?))")
_NAMED: Final = dict(zip("0abtnvfreN_LP", "\0\a\b\t\n\v\f\r\x1b\x85\xa0\u2028\u2029", strict=True))


def position_inside(lines: tuple[str, ...], start: Position, value: str, offset: int) -> Position:
    """The position of ``value[offset]`` in the scalar at ``start``; of a blank, or of the end: past what is before."""
    before = value[:offset].rstrip()
    count = sum(not char.isspace() for char in before)
    wanted = value[offset : offset + 1].strip()
    nearest = [*islice(_solid(lines, start), max(count - 1, 0), count + 1)]
    if wanted:
        char, line, column, _ = nearest[-1] if len(nearest) == min(count, 1) + 1 else ("", *start, 0)
        return (line, column) if char == wanted else start
    if not before or not nearest or nearest[0][0] != before[-1]:
        return start
    _, line, column, width = nearest[0]
    return line, column + width + offset - len(before)


def _solid(lines: tuple[str, ...], start: Position) -> Iterator[tuple[str, int, int, int]]:
    """Each character but blanks, with line, column and width. It runs on past the scalar: nobody counts that far."""
    line, column = start[0], start[1] - 1
    first = lines[line - 1] if line <= len(lines) else ""
    found = _PROPERTIES.match(first, column)
    column = found.end() if found else column
    style = first[column : column + 1]
    if style in {"|", ">"}:
        line, column = line + 1, 0
    elif style in {"'", '"'}:
        column += 1
    for number in range(line, len(lines) + 1):
        for char, at, width in _units(lines[number - 1], column, style):
            if char and not char.isspace():
                yield char, number, at + 1, width
        column = 0


def _units(text: str, column: int, style: str) -> Iterator[tuple[str, int, int]]:
    """What each piece of ``text`` stands for under the scalar's style, with its place and width."""
    while column < len(text):
        escape = _ESCAPE.match(text, column) if style == '"' else None
        if escape is not None:
            char, width = _escaped(escape), len(escape.group())
        else:
            char, width = text[column], 1 + (style == "'" and text.startswith("''", column))
        yield char, column, width
        column += width


def _escaped(escape: re.Match[str]) -> str:
    digits = escape.group(1) or escape.group(2) or escape.group(3)
    if digits:
        return chr(int(digits, 16)) if int(digits, 16) <= 0x10FFFF else ""
    return _NAMED.get(escape.group(4), escape.group(4))
