"""Is a client's body JSON that every parser reads alike?

Whatever two parsers could read differently is refused before any of it is looked at: repeated keys, NaN, numbers out of
range, lone surrogates, nesting that only some can follow. Messages name a place in the body, never its text, and causes
are cut off from the errors because Python's hold the whole body.
"""

import re
from collections.abc import Callable, Iterator
from itertools import accumulate
from json import JSONDecodeError, JSONDecoder
from math import isfinite
from typing import Final, TypeAlias

import orjson

from gateway.dialects._forbidden import is_forbidden_field, refuse_redirects
from gateway.dialects._paths import member, shown
from gateway.domain.errors import MalformedBody
from gateway.domain.jsonvalue import JsonValue

__all__ = ["MAX_DEPTH", "is_forbidden_field", "parse_body", "refuse_redirects"]

MAX_DEPTH: Final = 64

_BOM: Final = b"\xef\xbb\xbf"
# An unclosed string runs to the end, so that the search stays linear on any input.
_STRING: Final = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+(?:"|\\?\Z)', re.DOTALL)
_NOT_BRACKETS: Final = bytes(set(range(256)) - set(b"[]{}"))
_STEP: Final = {ord("["): 1, ord("{"): 1, ord("]"): -1, ord("}"): -1}

_Pairs: TypeAlias = list[tuple[str, JsonValue]]


def parse_body(raw: bytes) -> dict[str, JsonValue]:
    """Parse a request's body.

    Raises:
        MalformedBody: it is not a UTF-8 JSON object, or one that parsers disagree about.
    """
    if raw.count(b"{") + raw.count(b"[") > MAX_DEPTH:
        _check_depth(raw)
    known = _canonical(raw)
    if known is not None:
        return known
    value = _parse(_text(raw))
    if not isinstance(value, dict):
        raise MalformedBody("The body must be a JSON object: put the request's fields in braces.")
    _check_surrogates(value)
    return value


def _canonical(raw: bytes) -> dict[str, JsonValue] | None:
    """The object of a body that is written as orjson writes it, as most clients do; None for any other.

    What comes out again byte for byte holds nothing to refuse: no key twice, no number that had to be changed, no
    surrogate. The comparison takes half the time of looking for each of them.
    """
    behind = raw.find(b":") + 1
    if raw[behind : behind + 1] == b" ":
        return None
    try:
        value: JsonValue = orjson.loads(raw)
    except orjson.JSONDecodeError:
        return None
    return value if isinstance(value, dict) and orjson.dumps(value) == raw else None


def _check_depth(raw: bytes) -> None:
    brackets = _STRING.sub(b"", raw).translate(None, _NOT_BRACKETS)
    if max(accumulate(map(_STEP.__getitem__, brackets)), default=0) > MAX_DEPTH:
        raise _too_deep()


def _too_deep() -> MalformedBody:
    return MalformedBody(f"The body is nested more than {MAX_DEPTH} levels deep: flatten it.")


def _text(raw: bytes) -> str:
    if raw.startswith(_BOM):
        raise MalformedBody("The body starts with a byte order mark: send UTF-8 without one.")
    try:
        return raw.decode()
    except UnicodeDecodeError as exc:
        raise MalformedBody(f"The body is not valid UTF-8: correct it at byte {exc.start}.") from None


def _parse(text: str) -> JsonValue:
    try:
        return _STRICT.decode(text)
    except _FlawFound:
        raise _located(_MARKING.decode, text) from None
    except JSONDecodeError as exc:
        raise _not_json(exc) from None
    except RecursionError:
        raise _too_deep() from None


def _not_json(exc: JSONDecodeError) -> MalformedBody:
    return MalformedBody(f"The body is not valid JSON: correct it at line {exc.lineno}, column {exc.colno}.")


class _FlawFound(Exception):
    """The strict pass met a flaw: a second pass finds its place."""


class _Flaw(str):
    """Stands where a flawed value stood while its place is looked for. Its text is the reason."""

    __slots__ = ()


def _raise_flaw(_reason: str) -> JsonValue:
    raise _FlawFound


def _decoder(flaw: Callable[[str], JsonValue]) -> JSONDecoder:
    """A decoder that gives what ``flaw`` makes of a reason wherever a value cannot be used."""

    def build(pairs: _Pairs) -> JsonValue:
        value = dict(pairs)
        return value if len(value) == len(pairs) else flaw(f"names {_repeated(pairs)} twice: send each key once")

    def integer(digits: str) -> JsonValue:
        # 20 characters hold every 64-bit integer; longer ones are not worth converting.
        if len(digits) <= 20 and -(2**63) <= (value := int(digits)) < 2**64:
            return value
        return flaw("is an integer of more than 64 bits: send it as a string")

    def real(digits: str) -> JsonValue:
        value = float(digits)
        return value if isfinite(value) else flaw("is too large for a number: make it smaller")

    def constant(_name: str) -> JsonValue:
        return flaw("is NaN or Infinity, which JSON does not know: leave it out")

    return JSONDecoder(object_pairs_hook=build, parse_int=integer, parse_float=real, parse_constant=constant)


def _repeated(pairs: _Pairs) -> str:
    seen: set[str] = set()
    return shown(next(key for key, _ in pairs if key in seen or seen.add(key)))


_STRICT: Final = _decoder(_raise_flaw)
_MARKING: Final = _decoder(_Flaw)


def _located(decode: Callable[[str], JsonValue], text: str) -> MalformedBody:
    try:
        value = decode(text)
    except JSONDecodeError as exc:
        return _not_json(exc)
    path, flaw = next((path, held) for path, held in _strings(value, "") if isinstance(held, _Flaw))
    return MalformedBody(f"{path or 'The body'} {flaw}.", param=path or None)


def _check_surrogates(body: dict[str, JsonValue]) -> None:
    # Writing it out again is several times cheaper than searching the body for escapes.
    try:
        orjson.dumps(body)
    except orjson.JSONEncodeError:
        path = next(path for path, held in _strings(body, "") if _has_surrogate(held))
        raise MalformedBody(f"{path} holds half of a surrogate pair: send whole characters.", param=path) from None


def _has_surrogate(text: str) -> bool:
    return any("\ud800" <= character <= "\udfff" for character in text)


def _strings(value: JsonValue, path: str) -> Iterator[tuple[str, str]]:
    """Every string with its path, keys included."""
    if isinstance(value, str):
        yield path, value
    elif isinstance(value, dict):
        for key, inner in value.items():
            where = member(path, key)
            yield where, key
            yield from _strings(inner, where)
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from _strings(inner, f"{path}[{index}]")
