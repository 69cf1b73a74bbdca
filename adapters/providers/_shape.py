"""Does a parsed JSON value have the shape that a protocol promises?

Each reader names the key at fault and never the value found there. A missing key and a null are the same here, as
OpenAI-compatible servers use both for "nothing".
"""

from typing import Final, TypeAlias

from gateway.domain.jsonvalue import JsonObject, JsonValue

Object: TypeAlias = dict[str, JsonValue]

# What every JSON reader takes for the same number (RFC 8259, section 6), and what a record can hold.
_BEYOND: Final = 2**53


class Misshapen(Exception):
    """A value is not what the protocol says; the message names its key."""


def as_object(value: JsonValue, what: str) -> Object:
    if isinstance(value, dict):
        return value
    raise Misshapen(f"{what} is not an object")


def object_at(parent: JsonObject, key: str) -> Object:
    value = parent.get(key)
    return value if isinstance(value, dict) else as_object(value, key)


def optional_object(parent: JsonObject, key: str) -> Object | None:
    value = parent.get(key)
    return value if value is None or isinstance(value, dict) else as_object(value, key)


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


def optional_texts(parent: JsonObject, key: str, other: str) -> tuple[str | None, str | None]:
    first, second = parent.get(key), parent.get(other)
    if (first is None or isinstance(first, str)) and (second is None or isinstance(second, str)):
        return first, second
    return optional_text(parent, key), optional_text(parent, other)


def count_at(parent: JsonObject, key: str, default: int | None = None) -> int:
    """A whole number from 0, below 2**53; ``True`` is none. Nothing is ``default``, where there is one."""
    value = parent.get(key)
    if type(value) is int and 0 <= value < _BEYOND:
        return value
    if value is None and default is not None:
        return default
    raise Misshapen(f"{key} is not a whole number from 0, below 2**53")


def number_or_zero(parent: JsonObject, key: str) -> int:
    """A time stamp that some servers leave out and others write as a fraction."""
    value = parent.get(key)
    if value is None:
        return 0
    if (type(value) is int or type(value) is float) and -_BEYOND < value < _BEYOND:
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
