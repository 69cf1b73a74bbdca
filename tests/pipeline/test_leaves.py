import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.domain.jsonvalue import JsonValue
from gateway.pipeline.edits import disjoint, replaced
from gateway.pipeline.leaves import MAX_DEPTH, Leaves

VALUE: JsonValue = {"to": ["ann@x.org", "bob@x.org"], "count": 4111, "ok": True, "none": None, "rate": 0.5}
json_values: st.SearchStrategy[JsonValue] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=12,
)


def test_every_string_key_and_number_is_in_the_text() -> None:
    assert Leaves.of(VALUE).text.split("\n") == [
        "to", "ann@x.org", "bob@x.org", "count", "4111", "ok", "none", "rate", "0.5",
    ]  # fmt: skip


def test_an_edit_in_a_string_changes_that_string_alone() -> None:
    leaves = Leaves.of(VALUE)
    start = leaves.text.index("bob@")
    changed = leaves.rewritten([(start, start + 3, "***")])
    assert changed == {"to": ["ann@x.org", "***@x.org"], "count": 4111, "ok": True, "none": None, "rate": 0.5}


@pytest.mark.rows
@pytest.mark.parametrize("touched", ["count", "4111", "0.5"])
def test_an_edit_in_a_key_or_a_number_cannot_be_carried_out(touched: str) -> None:
    leaves = Leaves.of(VALUE)
    start = leaves.text.index(touched)
    assert leaves.rewritten([(start + 1, start + 2, "*")]) is None


def test_an_edit_beside_a_key_can_be_carried_out() -> None:
    leaves = Leaves.of({"key": "value"})
    assert leaves.rewritten([(len("key") + 1, len(leaves.text), "*")]) == {"key": "*"}


@pytest.mark.parametrize("start", [2, 1])
def test_an_edit_over_several_strings_leaves_its_words_in_the_first_that_it_touches(start: int) -> None:
    words = ["a", "", "bcd", "efg"]
    assert Leaves.of(words).rewritten([(start, 8, "*")]) == ["a", "", "*", "fg"]


def test_a_line_feed_between_leaves_belongs_to_none() -> None:
    assert Leaves.of(["a", "b"]).rewritten([(1, 2, "*")]) == ["a", "b"]


@given(json_values)
def test_without_edits_a_value_comes_back_as_it_was(value: JsonValue) -> None:
    assert Leaves.of(value).rewritten([]) == value


@given(st.lists(st.text(min_size=1)), st.integers(0, 40), st.integers(0, 40))
def test_what_an_edit_covers_is_nowhere_in_the_new_value(words: list[str], start: int, end: int) -> None:
    leaves = Leaves.of(words)
    changed = leaves.rewritten([(start, end, "")])
    kept = leaves.text[:start] + leaves.text[max(start, end) :]
    assert isinstance(changed, list)
    assert "".join(map(str, changed)) == kept.replace("\n", "") or any("\n" in word for word in words)


def test_a_value_too_deep_to_be_written_is_refused() -> None:
    value: JsonValue = "deep"
    for _ in range(MAX_DEPTH):
        value = [value]
    assert Leaves.of(value).text == "deep"
    with pytest.raises(ValueError, match="nested deeper"):
        Leaves.of([value])


def test_overlapping_edits_become_one_under_the_words_of_the_first() -> None:
    edits = disjoint([(6, 9, "c"), (2, 5, "b"), (1, 4, "a"), (7, 8, "d"), (3, 3, "nothing")])
    assert edits == [(1, 5, "a"), (6, 9, "c")]
    assert replaced("0123456789", edits) == "0a5c9"


def test_edits_that_touch_stay_two() -> None:
    assert replaced("0123", disjoint([(1, 2, "a"), (2, 3, "b")])) == "0ab3"


def test_a_text_without_edits_stays_the_same() -> None:
    assert replaced("text", []) == "text"
