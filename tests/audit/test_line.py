from typing import Any

import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from gateway.audit.line import NotCanonical, canonical, parsed

KEYS = st.text(st.characters(max_codepoint=127), max_size=12)
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
VALUES = st.recursive(
    TEXTS | st.integers(-(2**53) + 1, 2**53 - 1),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=12,
)
RECORDS = st.dictionaries(KEYS, VALUES, max_size=6)


@given(RECORDS)
def test_a_line_is_what_rfc_8785_asks(fields: dict[str, Any]) -> None:
    assert canonical(fields) == rfc8785.dumps(fields)


@given(RECORDS)
def test_a_line_says_what_was_written_and_is_one_line(fields: dict[str, Any]) -> None:
    line = canonical(fields)
    assert parsed(line) == fields
    assert b"\n" not in line


@pytest.mark.parametrize("text", ["\ud800", "a\udfff"])
def test_a_lone_surrogate_is_refused_and_not_repeated(text: str) -> None:
    with pytest.raises(NotCanonical) as caught:
        canonical({"planted": text})
    assert "planted" not in str(caught.value)


@pytest.mark.rows
@pytest.mark.parametrize("number", [2**53, -(2**53), 2**64])
def test_a_number_that_not_every_reader_can_hold_is_refused(number: int) -> None:
    with pytest.raises(NotCanonical):
        canonical({"n": number})


@pytest.mark.rows
@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"[]",
        b'"text"',
        b'{"a":1',
        b'{"a": 1}',
        b'{"a":1}\n',
        b'{"b":1,"a":1}',
        b'{"a":1,"a":1}',
        b'{"a":"\\u0041"}',
        b'{"a":"\\/"}',
        b'{"a":"\xff"}',
        b'\xef\xbb\xbf{"a":1}',
    ],
)
def test_what_is_not_written_in_the_one_way_is_refused(line: bytes) -> None:
    with pytest.raises(NotCanonical):
        parsed(line)


@given(RECORDS.filter(bool), st.data())
def test_a_blank_put_in_is_refused_or_says_something_else(fields: dict[str, Any], data: st.DataObject) -> None:
    line = canonical(fields)
    index = data.draw(st.integers(0, len(line)))
    try:
        found = parsed(line[:index] + b" " + line[index:])
    except NotCanonical:
        return
    assert found != fields
