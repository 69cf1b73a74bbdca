"""Does a text give away the token that stands among the instructions, and so the instructions?

The token is drawn for each request, so what is searched for is new each time: by plain search, without patterns. The
rule: only the token's random part is searched for, in each form that a model can easily give it.
"""

import base64
import secrets
from array import array
from codecs import encode
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from itertools import compress
from typing import Final

from gateway.detectors.regex import Pattern
from gateway.detectors.text import Text
from gateway.domain.detection import QUIET, Detection, Fact, FactType, Mark, Subject

_ALPHABET: Final = "abcdefghijklmnopqrstuvwxyz234567"
_PREFIX: Final = "sg-"
# 80 random bits.
_RANDOM: Final = 16
LENGTH: Final = len(_PREFIX) + _RANDOM

FACTS: Final = (
    Fact(name="det.canary.found", type=FactType.BOOL, doc="Whether the request's canary occurs in any form."),
    Fact(
        name="det.canary.plain",
        type=FactType.BOOL,
        doc="Whether it stands there as it is, in any case of letters.",
        longest=LENGTH,
    ),
    Fact(
        name="det.canary.encoded",
        type=FactType.BOOL,
        doc="Whether it stands there in base64, base32, hexadecimal or decimal codes, rot13, backwards, URL-encoded or "
        "as entities, whatever stands between the characters.",
    ),
    Fact(
        name="det.canary.split",
        type=FactType.BOOL,
        doc="Whether it stands there with spaces, signs or invisible characters between its own.",
    ),
    Fact(name="det.canary.count", type=FactType.INT, doc="How often it occurs; past 500 in one form, the rest as one."),
    Fact(
        name="det.canary.kinds",
        type=FactType.STRINGS,
        doc="In which forms: `plain`, `split`, `base64`, `base32`, `hex`, `decimal`, `rot13`, `reversed`, `url`.",
        closed=True,
    ),
)

_OTHERS: Final = bytes(code for code in range(128) if not chr(code).isalnum())
_ALNUM: Final = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789")
_IS_ALNUM: Final = bytes(chr(code) in _ALNUM for code in range(256))
# So many in one form are marked each by itself.
_MAX_MARKS: Final = 500
_CODED: Final = frozenset("%&")
# A token that somebody else gave is searched for whole; one shorter than this would be found by chance.
_SHORTEST: Final = 12


def draw() -> str:
    """A new token, from the system's generator of random numbers."""
    return _PREFIX + "".join(secrets.choice(_ALPHABET) for _ in range(_RANDOM))


class Canary:
    """``det.canary``: speaks only where the subject has a canary."""

    name = "canary"
    facts = FACTS
    patterns = ()

    def detect(self, text: Text, subject: Subject) -> Detection:
        if subject.canary is None:
            return QUIET
        body = _body(subject.canary)
        found = sorted(set(_all(text, body)), key=lambda mark: (mark.start, mark.end, mark.kind))
        if not found:
            return QUIET
        kinds = tuple(sorted({mark.kind for mark in found}))
        return Detection(
            facts={
                "det.canary.found": True,
                "det.canary.plain": "plain" in kinds,
                "det.canary.encoded": bool(set(kinds) - {"plain", "split"}),
                "det.canary.split": "split" in kinds,
                "det.canary.count": len(found),
                "det.canary.kinds": kinds,
            },
            marks=tuple(found),
        )


def _body(canary: str) -> str:
    """What is searched for: the random part, lower-case letters and digits.

    Raises:
        ValueError: the token is none that ``draw`` gives, or too short to be told from chance.
    """
    body = canary.lower().removeprefix(_PREFIX)
    if len(body) < _SHORTEST or not _ALNUM.issuperset(body):
        raise ValueError("draw the canary with gateway.detectors.canary.draw")
    return body


def _all(text: Text, body: str) -> Iterator[Mark]:
    folded = text.matching.encode("ascii", "ignore").translate(None, _OTHERS).decode("ascii")
    written = text.original.encode("ascii", "ignore").translate(None, _OTHERS).decode("ascii")
    forms = _forms(body)
    if any(form in folded for form in forms):
        yield from _folded(text, folded, forms)
    cased = _base64(body)
    if any(form in written for form in cased):
        yield from _cased(text, written, cased)
    if "%" in text.original or "&#" in text.original:
        yield from _url(text, body)


@lru_cache(maxsize=64)
def _forms(body: str) -> Mapping[str, str]:
    """Each form in lower-case letters and digits alone, by what it is called."""
    codes = [f"{ord(one):02x}" for one in body]
    return {
        body: "plain",
        body[::-1]: "reversed",
        encode(body, "rot13"): "rot13",
        "".join(codes): "hex",
        "x".join(codes): "hex",
        "0x".join(codes): "hex",
        "u00".join(codes): "hex",
        "".join(str(ord(one)) for one in body): "decimal",
        **dict.fromkeys(_base32(body), "base32"),
    }


@lru_cache(maxsize=64)
def _base64(body: str) -> tuple[str, ...]:
    """What of its base64 is the same whatever stands before and after it, for each of the three places in a group."""
    return tuple(_inner(base64.b64encode(b"\0" * ahead + body.encode()), ahead, bits=6) for ahead in range(3))


def _base32(body: str) -> tuple[str, ...]:
    return tuple(_inner(base64.b32encode(b"\0" * ahead + body.encode()), ahead, bits=5).lower() for ahead in range(5))


def _inner(coded: bytes, ahead: int, *, bits: int) -> str:
    whole = coded.decode("ascii").rstrip("=")
    first = -(-ahead * 8 // bits)
    return whole[first : len(whole) - 1]


def _folded(text: Text, folded: str, forms: Mapping[str, str]) -> Iterator[Mark]:
    places = _alphanumeric(text.matching)
    for form, kind in forms.items():
        for first, last in _places(folded, form):
            start, end = text.span(places[first], places[last] + 1)
            whole = kind != "plain" or end - start == len(form)
            yield Mark(kind=kind if whole else "split", start=start, end=end)


def _cased(text: Text, written: str, forms: tuple[str, ...]) -> Iterator[Mark]:
    places = _alphanumeric(text.original)
    for form in forms:
        for first, last in _places(written, form):
            yield Mark(kind="base64", start=places[first], end=places[last] + 1)


def _alphanumeric(text: str) -> Sequence[int]:
    """Where its ASCII letters and digits stand."""
    return array("Q", compress(range(len(text)), text.encode("ascii", "replace").translate(_IS_ALNUM)))


def _places(text: str, form: str) -> Iterator[tuple[int, int]]:
    """Where a form begins and ends; past so many of them, one for all the rest."""
    place = text.find(form)
    for _ in range(_MAX_MARKS - 1):
        if place < 0:
            return
        yield place, place + len(form) - 1
        place = text.find(form, place + len(form))
    if place >= 0:
        yield place, len(text) - 1


def _url(text: Text, body: str) -> Iterator[Mark]:
    """Percent signs and entities, for all of its characters or for some."""
    for number, (first, last) in enumerate(_spelt(body).spans(text.matching), 1):
        if number == _MAX_MARKS:
            yield Mark(kind="url", start=text.span(first, last)[0], end=len(text.original))
            return
        if not _CODED.isdisjoint(text.matching[first:last]):
            start, end = text.span(first, last)
            yield Mark(kind="url", start=start, end=end)


@lru_cache(maxsize=64)
def _spelt(body: str) -> Pattern:
    return Pattern(
        "".join(rf"(?:{one}|%{ord(one):02x}|&#0{{0,5}}{ord(one)};?|&#x0{{0,5}}{ord(one):02x};?)" for one in body)
    )
