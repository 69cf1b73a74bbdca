import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.domain.strict_json import MAX_DEPTH, parse_object

_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.text(st.characters(codec="utf-8")),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(st.characters(codec="utf-8")), inner),
    max_leaves=8,
)


@given(st.dictionaries(st.text(st.characters(codec="utf-8")), _VALUES))
def test_an_object_that_every_parser_reads_alike_is_read(value: dict[str, object]) -> None:
    assert parse_object(json.dumps(value)) == value


@pytest.mark.rows
@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        '"x"',
        "{",
        '{"a":1,"a":2}',
        '{"b":{"a":1,"a":2}}',
        '{"a":NaN}',
        '{"a":-Infinity}',
        '{"a":1e999}',
        '{"a":18446744073709551616}',
        '{"a":' + "9" * 5000 + "}",
        '{"a":"\\ud800"}',
        '{"\\udfff":1}',
        '{"a":["\\ud800"]}',
        '{"a":' + "[" * MAX_DEPTH + "]" * MAX_DEPTH + "}",
        '{"a":' * 100_000,
        '{"a":1} x',
        "{'a':1}",
    ],
)
def test_what_parsers_could_read_differently_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        parse_object(text)


def test_depth_up_to_the_bound_is_read() -> None:
    text = '{"a":' + "[" * (MAX_DEPTH - 1) + "]" * (MAX_DEPTH - 1) + "}"
    assert "a" in parse_object(text)


def test_a_finite_real_is_read() -> None:
    assert parse_object('{"a":1.5}') == {"a": 1.5}
