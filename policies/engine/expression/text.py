"""Which text does a quoted one stand for?

CEL's escapes and raw texts, in one pair of quotes on one line; bytes and triple quotes are refused.
"""

import re
from typing import Final

from policies.engine.expression.errors import ConditionError

_QUOTED: Final = re.compile(
    r"""
    "(?P<double>(?:[^"\\\n\r]|\\.)*)"
    |'(?P<single>(?:[^'\\\n\r]|\\.)*)'
    |[rR]"(?P<raw_double>[^"\n\r]*)"
    |[rR]'(?P<raw_single>[^'\n\r]*)'
    """,
    re.VERBOSE,
)
_ESCAPE: Final = re.compile(
    r"""\\(?:
    (?P<letter>[abfnrtv\\'"`?])
    |x(?P<two>[0-9a-fA-F]{2})
    |u(?P<four>[0-9a-fA-F]{4})
    |U(?P<eight>[0-9a-fA-F]{8})
    |(?P<octal>[0-3][0-7]{2})
    |)""",
    re.VERBOSE,
)
_LETTERS: Final = {"a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v"}
_SURROGATE: Final = re.compile(r"[\ud800-\udfff]")


def text_of(source: str, offset: int) -> tuple[str, int]:
    """The text whose quotes or prefix start at ``offset``, and the offset after it.

    Raises:
        ConditionError: it does not end, or is none that conditions know.
    """
    prefix = _prefix(source, offset)
    if "b" in prefix:
        raise ConditionError("bytes are not known here: write the text without its `b`", offset)
    if source.startswith(('"""', "'''"), offset + len(prefix)):
        raise ConditionError("write the text in one pair of quotes", offset)
    found = _QUOTED.match(source, offset)
    if found is None:
        raise ConditionError("the text does not end: close its quote on this line (a new line is `\\n`)", offset)
    written = found[found.lastgroup or 0]
    if prefix and written.endswith("\\"):
        raise ConditionError("a raw text cannot end in a backslash: write `'\\\\'` without the `r`", offset)
    text = written if prefix else _unescaped(written, offset + 1)
    if _SURROGATE.search(text):
        raise ConditionError("half a surrogate pair is no character: write the character itself", offset)
    return text, found.end()


def _prefix(source: str, offset: int) -> str:
    end = offset
    while source[end] not in "\"'":
        end += 1
    return source[offset:end].lower()


def _unescaped(written: str, offset: int) -> str:
    return _ESCAPE.sub(lambda found: _character(found, offset), written)


def _character(found: re.Match[str], offset: int) -> str:
    group = found.lastgroup
    if group is None:
        raise ConditionError(
            "this is no escape: write `\\\\` for a backslash, or an `r` before the quote", offset + found.start()
        )
    if group == "letter":
        return _LETTERS.get(found[group], found[group])
    code = int(found[group], 8 if group == "octal" else 16)
    if code > 0x10FFFF:
        raise ConditionError("there is no such character: code points end at 10FFFF", offset + found.start())
    return chr(code)
