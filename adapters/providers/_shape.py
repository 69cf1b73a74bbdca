"""Does a parsed JSON value have the shape that a protocol promises?

Each reader names the key at fault and never the value found there. A missing key and a null are the same here, as
OpenAI-compatible servers use both for "nothing".
"""

from math import isfinite
from typing import Final, TypeAlias

from gateway.domain.jsonvalue import JsonObject, JsonValue

Object: TypeAlias = dict[str, JsonValue]

# What every JSON reader takes for the same number (RFC 8259, section 6), and what a record can hold.
_BEYOND: Final = 2**53
# For ``isinstance``, which looks into a tuple several times faster than into a union.
_NUMBERS: Final = (int, float)


class Misshapen(Exception):
    """A value is not what the protocol says; the message names its key."""


def as_object(value: JsonValue, what: str) -> Object:
    if isinstance(value, dict):
        return value
    raise Misshapen(f"{what} is not an object")


def object_at(parent: JsonObject, key: str) -> Object:
    return as_object(parent.get(key), key)


def optional_object(parent: JsonObject, key: str) -> Object | None:
    value = parent.get(key)
    return None if value is None else as_object(value, key)


def list_at(parent: JsonObject, key: str) -> list[JsonValue]:
    value = parent.get(key)
    if isinstance(value, list):
        return value
    raise Misshapen(f"{key} is not a list")


def optional_list(parent: JsonObject, key: str) -> list[JsonValue]:
    return [] if parent.get(key) is None else list_at(parent, key)


def text_at(parent: JsonObject, key: str) -> str:
    value = parent.get(key)
    if isinstance(value, str):
        return value
    raise Misshapen(f"{key} is not a string")


def optional_text(parent: JsonObject, key: str) -> str | None:
    value = parent.get(key)
    if value is None or isinstance(value, str):
        return value
    raise Misshapen(f"{key} is not a string")


def count_at(parent: JsonObject, key: str) -> int:
    """A whole number from 0, below 2**53; ``True`` is none."""
    value = parent.get(key)
    if type(value) is int and 0 <= value < _BEYOND:
        return value
    raise Misshapen(f"{key} is not a whole number from 0, below 2**53")


def optional_count(parent: JsonObject, key: str, default: int) -> int:
    return default if parent.get(key) is None else count_at(parent, key)


def number_or_zero(parent: JsonObject, key: str) -> int:
    """A time stamp that some servers leave out and others write as a fraction."""
    value = parent.get(key)
    if value is None:
        return 0
    if isinstance(value, _NUMBERS) and not isinstance(value, bool) and isfinite(value) and abs(value) < _BEYOND:
        return int(value)
    raise Misshapen(f"{key} is not a number, below 2**53")


def refuse_miscounts(value: JsonValue, key: str) -> None:
    """Refuse what ``key`` holds if there is a whole number in it, however deep, that counts nothing."""
    todo = [value]
    while todo:
        match todo.pop():
            case dict() as held:
                todo.extend(held.values())
            case list() as held:
                todo.extend(held)
            case int() as number if not 0 <= number < _BEYOND:
                raise Misshapen(f"{key} holds a whole number that is not from 0, below 2**53")
            case _:
                continue
