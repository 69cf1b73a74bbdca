import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.yamlfile.inside import position_inside
from gateway.yamlfile.nodes import Position
from gateway.yamlfile.source import at, read_source


def place(text: str, wanted: str) -> Position:
    """Where the first ``wanted`` inside the value of ``a`` stands."""
    source = read_source("f.yaml", text.encode())
    value = at(source.value, ("a",))
    assert isinstance(value, str)
    problem = source.problem(("a",), "m", offset=value.index(wanted))
    assert problem.line is not None
    assert problem.column is not None
    return problem.line, problem.column


@pytest.mark.rows
@pytest.mark.parametrize(
    ("text", "position"),
    [
        ("a: one X", (1, 8)),
        ("a: 'one X'", (1, 9)),
        ("a: 'it''s X'", (1, 11)),
        ("a: ''''' X'", (1, 10)),
        ('a: "one X"', (1, 9)),
        ('a: "\\" X"', (1, 8)),
        ('a: "\\x41\\u0042\\U00000043\\n\\t\\0 X"', (1, 32)),
        ('a: "one \\\n   X"', (2, 4)),
        ('a: "one\\x20X"', (1, 12)),
        ("a: |\n  one\n\n    X two\n", (4, 5)),
        ("a: |2-\n    one X\n", (2, 9)),
        ("a: | # a note\n  X\n", (2, 3)),
        ("a: >\n  one\n  two X\n", (3, 7)),
        ("a: one\n  two X\n", (2, 7)),
        ("a: &name !!str one X", (1, 20)),
        ("b: &x one X\na: *x", (1, 11)),
    ],
)
def test_a_character_is_found_where_it_was_written(text: str, position: Position) -> None:
    assert place(text, "X") == position


@pytest.mark.rows
@pytest.mark.parametrize(
    ("text", "offset", "position"),
    [
        ("a: one two", 3, (1, 7)),
        ("a: one  two", 4, (1, 8)),
        ("a: one", 3, (1, 7)),
        ("a: 'one'", 3, (1, 8)),
        ("a: 'it''s'", 4, (1, 10)),
        ("a: 'it'''", 3, (1, 9)),
        ("a: ''", 0, (1, 4)),
        ("a: |\n  one\n", 4, (2, 7)),
        ("a: one", 99, (1, 103)),
    ],
)
def test_a_blank_or_the_end_is_past_what_stands_before(text: str, offset: int, position: Position) -> None:
    source = read_source("f.yaml", text.encode())
    problem = source.problem(("a",), "m", offset=offset)
    assert (problem.line, problem.column) == position


@pytest.mark.rows
@pytest.mark.parametrize("offset", [0, 1, 2, 3])
def test_what_is_not_there_is_told_at_the_beginning(offset: int) -> None:
    assert position_inside(("a: xyz",), (1, 4), "qrs", offset) == (1, 4)
    assert position_inside((), (1, 4), "qrs", offset) == (1, 4)
    assert position_inside(('a: "\\UFFFFFFFFq',), (1, 4), "qrs", offset) in {(1, 4), (1, 15), (1, 16)}


def test_an_offset_into_what_is_no_text_is_told_where_that_stands() -> None:
    source = read_source("f.yaml", b"a: [1]\n")
    assert source.problem(("a",), "m", offset=3).where == "f.yaml:1:4"
    assert source.problem(("a", 0, "b"), "m", offset=3).where == "f.yaml:1:5"


@given(st.text(st.sampled_from("ab '\"\\é#:&|"), min_size=1), st.data())
def test_every_character_of_a_quoted_text_is_found(text: str, data: st.DataObject) -> None:
    offset = data.draw(st.integers(0, len(text) - 1))
    single = "a: '" + text.replace("'", "''") + "'"
    found = read_source("f.yaml", single.encode()).problem(("a",), "m", offset=offset)
    assert found.line == 1
    if text[offset] != " ":
        assert single[(found.column or 0) - 1] == text[offset]
        assert found.column == 5 + offset + text[:offset].count("'")
