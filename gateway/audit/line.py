"""How is a record written so that anybody writes the same bytes?

Canonical JSON as in RFC 8785, for objects with ASCII keys whose values are strings, integers below 2**53 in magnitude,
arrays and objects: there orjson's sorted output is that of the RFC. Nothing else is let in.
"""

from collections.abc import Mapping, Sequence
from typing import Final, TypeAlias

import orjson

Value: TypeAlias = str | int | Sequence["Value"] | Mapping[str, "Value"]
Fields: TypeAlias = Mapping[str, Value]

VERSION: Final = 1
NO_LINE: Final = "0" * 64

_OPTIONS: Final = orjson.OPT_SORT_KEYS | orjson.OPT_STRICT_INTEGER | orjson.OPT_PASSTHROUGH_DATACLASS


class NotCanonical(ValueError):
    """A line that is not what ``canonical`` would write of what it says, or a value that no line may hold."""


def canonical(fields: Fields) -> bytes:
    """The line of ``fields``, without a line feed.

    Raises:
        NotCanonical: a value that JSON cannot tell: a number of 2**53 or more, a lone surrogate.
    """
    try:
        return orjson.dumps(fields, option=_OPTIONS)
    except TypeError as error:
        # Without a cause: its message may repeat the value.
        raise NotCanonical(f"a record holds what a line cannot ({type(error).__name__})") from None


def parsed(line: bytes) -> Fields:
    """What a line says, if it says it canonically.

    Raises:
        NotCanonical: it is no JSON object, or not in the one way to write it.
    """
    try:
        found: object = orjson.loads(line)
        written = orjson.dumps(found, option=_OPTIONS)
    except (orjson.JSONDecodeError, TypeError):
        raise NotCanonical("the line is not JSON") from None
    if not isinstance(found, dict):
        raise NotCanonical("the line is no JSON object")
    if written != line:
        raise NotCanonical("the line is JSON, but not written canonically")
    return found  # pyright: ignore[reportUnknownVariableType]  a JSON object, whatever is in it
