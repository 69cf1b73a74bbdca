"""Is a text JSON that every parser reads alike?

For texts that a model wrote, such as a tool call's arguments: whoever receives them may use another parser than the one
that judged them, so what two parsers could read differently is no JSON here.
"""

from json import JSONDecodeError, JSONDecoder
from math import isfinite
from typing import Final

from gateway.domain.jsonvalue import JsonObject, JsonValue

MAX_DEPTH: Final = 64
# 20 characters hold every 64-bit integer.
_INTEGER_LENGTH: Final = 20
# What can hold something that is not strict; a long list of numbers cannot.
_HOLDING: Final = (str, dict, list)


class NotStrictError(ValueError):
    """Not JSON, or JSON that two parsers could read differently."""


def parse_object(text: str) -> JsonObject:
    """The object that ``text`` says.

    Raises:
        ValueError: no JSON object; a key twice, NaN or Infinity, a number beyond 64 bits, half a surrogate pair, over
            ``MAX_DEPTH`` levels.
    """
    try:
        value: JsonValue = _STRICT.decode(text)
    except (JSONDecodeError, RecursionError) as exc:
        raise NotStrictError("this is no JSON that can be read") from exc
    if not isinstance(value, dict):
        raise NotStrictError("this is no JSON object")
    _check(value, 1)
    return value


def _check(value: JsonValue, depth: int) -> None:
    if depth > MAX_DEPTH:
        raise NotStrictError(f"this is nested more than {MAX_DEPTH} levels deep")
    if isinstance(value, str):
        value.encode()  # UnicodeEncodeError, which is a ValueError, for half a surrogate pair
    elif isinstance(value, dict):
        for key, inner in value.items():
            key.encode()
            if isinstance(inner, _HOLDING):
                _check(inner, depth + 1)
    elif isinstance(value, list):
        for inner in value:
            if isinstance(inner, _HOLDING):
                _check(inner, depth + 1)


def _object(pairs: list[tuple[str, JsonValue]]) -> JsonObject:
    built = dict(pairs)
    if len(built) != len(pairs):
        raise NotStrictError("a key stands twice")
    return built


def _integer(digits: str) -> int:
    if len(digits) <= _INTEGER_LENGTH and -(2**63) <= (value := int(digits)) < 2**64:
        return value
    raise NotStrictError("an integer has more than 64 bits")


def _real(digits: str) -> float:
    value = float(digits)
    if isfinite(value):
        return value
    raise NotStrictError("a number is out of range")


def _constant(name: str) -> JsonValue:
    raise NotStrictError(f"{name} is no JSON")


_STRICT: Final = JSONDecoder(object_pairs_hook=_object, parse_int=_integer, parse_float=_real, parse_constant=_constant)
