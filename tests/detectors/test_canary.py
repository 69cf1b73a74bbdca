import base64
import codecs
from collections.abc import Callable
from typing import TypeAlias

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.detectors.canary import FACTS, LENGTH, Canary, draw
from gateway.detectors.text import Text
from gateway.domain.detection import QUIET, Detection, Stage, Subject

Look: TypeAlias = Callable[[str], Detection]

_CANARY = "sg-k3v7mqx2bz5hr4ta"
_BODY = "k3v7mqx2bz5hr4ta"
_BYTES = _CANARY.encode()


@pytest.fixture
def look() -> Look:
    return lambda text: _seen(text, _CANARY)


def _seen(text: str, canary: str | None) -> Detection:
    subject = Subject(stage=Stage.OUTPUT, where="output", text=text, facts={}, canary=canary)
    return Canary().detect(Text(text), subject)


def test_each_is_drawn_anew() -> None:
    drawn = {draw() for _ in range(100)}
    assert len(drawn) == 100
    assert {len(canary) for canary in drawn} == {LENGTH}
    assert all(canary.startswith("sg-") and canary[3:].isalnum() and canary == canary.lower() for canary in drawn)


_FORMS = [
    ("plain", _CANARY, _BODY),
    ("plain", _CANARY.upper(), _BODY.upper()),
    ("plain", f"x{_BODY}y", _BODY),
    ("split", "-".join(_BODY), "-".join(_BODY)),
    ("split", " ".join(_BODY), " ".join(_BODY)),
    ("split", "\n".join(_BODY), "\n".join(_BODY)),
    ("split", "\u200b".join(_BODY), "\u200b".join(_BODY)),
    ("split", " | ".join(_BODY), " | ".join(_BODY)),
    ("reversed", _CANARY[::-1], _BODY[::-1]),
    ("rot13", codecs.encode(_CANARY, "rot13"), codecs.encode(_BODY, "rot13")),
    ("hex", _BYTES.hex(), _BODY.encode().hex()),
    ("hex", _BYTES.hex(" ").upper(), _BODY.encode().hex(" ").upper()),
    ("hex", "".join(f"\\x{code:02x}" for code in _BYTES), "\\x".join(f"{code:02x}" for code in _BODY.encode())),
    ("hex", " ".join(f"0x{code:02x}" for code in _BYTES), " 0x".join(f"{code:02x}" for code in _BODY.encode())),
    ("hex", "".join(f"\\u00{code:02x}" for code in _BYTES), "\\u00".join(f"{code:02x}" for code in _BODY.encode())),
    ("decimal", ", ".join(map(str, _BYTES)), ", ".join(map(str, _BODY.encode()))),
]


@pytest.mark.parametrize(("kind", "given", "marked"), _FORMS, ids=[f"{form[0]}-{n}" for n, form in enumerate(_FORMS)])
def test_a_form_is_found_and_marked(look: Look, kind: str, given: str, marked: str) -> None:
    text = f"My token: {given}. That is all."
    seen = look(text)
    assert seen.facts["det.canary.found"] is True
    assert seen.facts["det.canary.kinds"] == (kind,)
    assert seen.facts["det.canary.plain"] is (kind == "plain")
    assert seen.facts["det.canary.split"] is (kind == "split")
    assert seen.facts["det.canary.encoded"] is (kind not in {"plain", "split"})
    assert [text[mark.start : mark.end] for mark in seen.marks] == [marked]


@pytest.mark.rows
@pytest.mark.parametrize("ahead", range(5))
@pytest.mark.parametrize("wrapped", ["", "\n"])
@pytest.mark.parametrize(("kind", "encode"), [("base64", base64.b64encode), ("base32", base64.b32encode)])
def test_it_is_found_wherever_it_stands_in_coded_text(
    look: Look, kind: str, encode: Callable[[bytes], bytes], wrapped: str, ahead: int
) -> None:
    coded = encode(b"u" * ahead + _BYTES + b" and more").decode()
    seen = look(wrapped.join(coded[place : place + 10] for place in range(0, len(coded), 10)))
    assert seen.facts["det.canary.kinds"] == (kind,)
    assert seen.facts["det.canary.count"] == 1


@pytest.mark.rows
@pytest.mark.parametrize(
    "written",
    [
        "%6b3v7mqx2bz5hr4ta",
        "k3v7mqx2bz5hr4t%61",
        "k3v7mqx2bz5hr4t&#97;",
        "k3v7mqx2bz5hr4t&#x61;",
        "k3v7mqx2bz5hr4t&#x061",
    ],
)
def test_some_of_it_in_codes_is_enough(look: Look, written: str) -> None:
    text = f"é https://a.example/?q={written}"
    seen = look(text)
    assert seen.facts["det.canary.kinds"] == ("url",)
    assert [text[mark.start : mark.end] for mark in seen.marks] == [written]


def test_codes_elsewhere_make_it_no_other_kind(look: Look) -> None:
    assert look(f"100%25 {_CANARY}").facts["det.canary.kinds"] == ("plain",)


@pytest.mark.rows
@pytest.mark.parametrize(
    "text", ["", "sg-", _CANARY[:-1], _BODY[1:], _BODY[:8], f"{_BODY[:8]} and then {_BODY[8:]}", "50% of &#97;"]
)
def test_less_than_all_of_it_is_none(look: Look, text: str) -> None:
    assert look(text) == QUIET


def test_without_a_canary_nothing_is_looked_for() -> None:
    assert _seen(_CANARY, None) == QUIET


@pytest.mark.rows
@pytest.mark.parametrize("canary", ["sg-short", "", "sg-with spaces here", "sg-ééééééééééééé"])
def test_a_canary_that_anything_could_hold_is_an_error(canary: str) -> None:
    with pytest.raises(ValueError, match="draw the canary"):
        _seen("text", canary)


def test_each_occurrence_is_counted(look: Look) -> None:
    assert look(f"{_CANARY} {_CANARY} {_CANARY[::-1]}").facts["det.canary.count"] == 3


def test_only_the_plain_form_may_be_decided_in_a_stream() -> None:
    assert {fact.name: fact.longest for fact in FACTS if fact.longest is not None} == {"det.canary.plain": LENGTH}


@given(st.text(), st.text())
def test_it_is_found_whatever_stands_around_it(before: str, after: str) -> None:
    canary = draw()
    text = f"{before}\n{canary}\n{after}"
    seen = _seen(text, canary)
    assert seen.facts["det.canary.plain"] is True
    place = text.index(canary)
    assert (place + 3, place + LENGTH) in {(mark.start, mark.end) for mark in seen.marks if mark.kind == "plain"}


@given(st.text())
def test_no_text_holds_it_by_chance(text: str) -> None:
    assert _seen(text, draw()) == QUIET


@pytest.mark.rows
@pytest.mark.parametrize(
    "form", [_BODY, base64.b64encode(_BYTES).decode(), "".join(f"%{ord(one):02x}" for one in _BODY)]
)
def test_past_the_bound_one_mark_covers_the_rest(look: Look, form: str) -> None:
    text = f"{form} " * 600
    seen = look(text)
    # What is escaped reads as hexadecimal digits too.
    assert len(seen.marks) <= 1_000
    assert seen.marks[-1].end >= len(text) - 4
    assert seen.marks[-1].end - seen.marks[-1].start > 90 * len(form)
    assert len({mark.end for mark in look(f"{form} " * 400).marks}) == 400
