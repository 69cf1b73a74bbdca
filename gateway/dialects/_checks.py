"""Has a request's value the right type and range?

A check takes a value and its path and gives the value back, narrowed; it refuses by naming the path and what must stand
there. The value itself is never quoted: it may be prompt text. Booleans are no numbers.
"""

import re
from collections.abc import Callable, Collection
from typing import Final, TypeAlias

from gateway.dialects._forbidden import unknown
from gateway.domain.errors import ForbiddenField, InvalidField
from gateway.domain.isolation import LABELS, Isolation
from gateway.domain.jsonvalue import JsonObject, JsonValue
from gateway.domain.prompt import RESERVED_TOOL

_LONGEST_SUBJECT: Final = 256
Check: TypeAlias = Callable[[JsonValue, str], JsonValue]

_LEVELS: Final = {level.label: level for level in Isolation}
_NAME: Final = re.compile(r"[A-Za-z0-9_.:-]{1,64}")


def wrong(path: str, must: str) -> InvalidField:
    """The refusal of a value; ``must`` completes the sentence "PATH must …"."""
    return InvalidField(f"{path} must {must}.", param=path)


def string(value: JsonValue, path: str) -> str:
    if isinstance(value, str):
        return value
    raise wrong(path, "be a string")


def boolean(value: JsonValue, path: str) -> bool:
    if isinstance(value, bool):
        return value
    raise wrong(path, "be true or false")


def flag(value: JsonValue, path: str) -> bool:
    """A switch that is off unless it is set."""
    return False if value is None else boolean(value, path)


def members(value: JsonValue, path: str) -> dict[str, JsonValue]:
    """An object, whatever its keys."""
    if isinstance(value, dict):
        return value
    raise wrong(path, "be an object")


def items(value: JsonValue, path: str) -> list[JsonValue]:
    """A list, whatever it holds."""
    if isinstance(value, list):
        return value
    raise wrong(path, "be a list")


def record(value: JsonValue, path: str, known: Collection[str]) -> dict[str, JsonValue]:
    """An object that has no keys but the ``known`` ones."""
    if not isinstance(value, dict):
        raise wrong(path, "be an object")
    for key in value:
        if key not in known:
            raise unknown(key, path)
    return value


def text_at(found: JsonObject, key: str, path: str) -> str:
    """The text that the object at ``path`` has under ``key``."""
    value = found.get(key)
    if isinstance(value, str):
        return value
    raise wrong(f"{path}.{key}", "be a string")


def name(value: JsonValue, path: str) -> str:
    """An id, an origin, the name of a tool or of an author: short, and without a character that could mean anything."""
    if isinstance(value, str) and _NAME.fullmatch(value):
        return value
    raise wrong(path, "be 1 to 64 of the characters A-Z a-z 0-9 _ . : -")


def name_at(found: JsonObject, key: str, path: str) -> str | None:
    """The name that the object at ``path`` has under ``key``, if it has one: a path is made for an error alone."""
    value = found.get(key)
    if value is None or (isinstance(value, str) and _NAME.fullmatch(value)):
        return value
    return name(value, f"{path}.{key}")


def optional_subject(value: JsonValue, path: str) -> str | None:
    """The name of a person, as the application calls them: up to 256 characters, an address perhaps."""
    if value is None:
        return None
    found = string(value, path)
    if not 0 < len(found) <= _LONGEST_SUBJECT or not found.isprintable():
        raise wrong(path, f"be 1 to {_LONGEST_SUBJECT} printable characters")
    return found


def tool_name(value: JsonValue, path: str) -> str:
    """The name of a tool of the application's own."""
    found = name(value, path)
    if found == RESERVED_TOOL:
        raise ForbiddenField(f"{path} is the name of the gateway's own tool: choose another one.", param=path)
    return found


def isolation(value: JsonValue, path: str) -> Isolation:
    """A level's word."""
    level = _LEVELS.get(value) if isinstance(value, str) else None
    if level is None:
        raise wrong(path, f"be one of {', '.join(LABELS)}")
    return level


def short_string(longest: int) -> Check:
    """A check for a string of at most ``longest`` characters."""

    def check(value: JsonValue, path: str) -> JsonValue:
        if isinstance(value, str) and len(value) <= longest:
            return value
        raise wrong(path, f"be a string of at most {longest} characters")

    return check


def integer(lowest: int, highest: int) -> Check:
    """A check for a whole number within both bounds."""

    def check(value: JsonValue, path: str) -> JsonValue:
        # Its type exactly: that of a boolean is another one.
        if type(value) is int and lowest <= value <= highest:
            return value
        raise wrong(path, f"be an integer from {lowest} to {highest}")

    return check


def number(lowest: float, highest: float) -> Check:
    """A check for a number within both bounds."""

    def check(value: JsonValue, path: str) -> JsonValue:
        if (type(value) is float or type(value) is int) and lowest <= value <= highest:
            return value
        raise wrong(path, f"be a number from {lowest:g} to {highest:g}")

    return check


def one_of(*words: str) -> Check:
    """A check for one of a few words."""
    known = frozenset(words)

    def check(value: JsonValue, path: str) -> JsonValue:
        if isinstance(value, str) and value in known:
            return value
        raise wrong(path, f"be one of {', '.join(words)}")

    return check


def stop(value: JsonValue, path: str) -> JsonValue:
    """Where generation ends: one text or a few, none of them empty."""
    texts = value if isinstance(value, list) else [value]
    if 0 < len(texts) <= 16 and all(isinstance(text, str) and text for text in texts):
        return value
    raise wrong(path, "be a string or a list of 1 to 16 strings, none of them empty")


def model_name(value: JsonValue, path: str) -> str:
    """What the client calls the model; whether there is such a model is the configuration's matter."""
    if isinstance(value, str) and 0 < len(value) <= 256:
        return value
    raise wrong(path, "be the name of a model")
