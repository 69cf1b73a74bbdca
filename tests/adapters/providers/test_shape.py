from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.providers import _shape
from gateway.domain.jsonvalue import JsonValue


@pytest.mark.rows
@pytest.mark.parametrize(
    ("read", "good", "bad"),
    [
        (_shape.object_at, {"a": 1}, [1]),
        (_shape.list_at, [1], {"a": 1}),
        (_shape.text_at, "x", 1),
        (_shape.count_at, 0, -1),
        (_shape.count_at, 3, True),
        (_shape.count_at, 3, 1.0),
        (_shape.count_at, 2**53 - 1, 2**53),
        (_shape.count_at, 0, 2**64 - 1),
        (_shape.optional_object, None, "x"),
        (_shape.optional_text, None, 3),
        (_shape.number_or_zero, 5, "5"),
        (_shape.number_or_zero, 5, True),
        (_shape.number_or_zero, 5, float("inf")),
        (_shape.number_or_zero, 1 - 2**53, 2**53),
        (_shape.number_or_zero, 0, -1e300),
    ],
)
def test_a_reader_takes_its_own_shape_alone(
    read: Callable[[dict[str, JsonValue], str], JsonValue], good: JsonValue, bad: JsonValue
) -> None:
    assert read({"key": good}, "key") == good
    with pytest.raises(_shape.Misshapen, match=r"^key is not"):
        read({"key": bad}, "key")


@pytest.mark.rows
@pytest.mark.parametrize("read", [_shape.object_at, _shape.list_at, _shape.text_at, _shape.count_at])
def test_a_missing_value_is_not_the_shape(read: Callable[[dict[str, JsonValue], str], JsonValue]) -> None:
    with pytest.raises(_shape.Misshapen):
        read({}, "key")


def test_optional_readers_take_nothing_for_nothing() -> None:
    assert _shape.optional_list({}, "key") == []
    assert _shape.optional_list({"key": [1]}, "key") == [1]
    assert _shape.count_at({}, "key", 7) == 7
    assert _shape.count_at({"key": 1}, "key", 7) == 1
    assert _shape.optional_object({"key": {"a": 1}}, "key") == {"a": 1}
    assert _shape.optional_text({"key": ""}, "key") == ""
    assert _shape.optional_texts({"key": "a", "other": None}, "key", "other") == ("a", None)
    assert _shape.optional_texts({"other": "a"}, "key", "other") == (None, "a")
    assert _shape.number_or_zero({}, "key") == 0
    assert _shape.number_or_zero({"key": 2.9}, "key") == 2


@pytest.mark.rows
@pytest.mark.parametrize(("held", "named"), [((1, 2), "a"), ((1, "x"), "a"), (("x", 2), "b"), ((None, 2), "b")])
def test_of_two_texts_the_first_that_is_none_is_named(held: tuple[JsonValue, JsonValue], named: str) -> None:
    with pytest.raises(_shape.Misshapen, match=f"^{named} is not a string"):
        _shape.optional_texts({"a": held[0], "b": held[1]}, "a", "b")


def test_the_value_is_never_quoted() -> None:
    with pytest.raises(_shape.Misshapen) as caught:
        _shape.count_at({"key": "private"}, "key")
    assert "private" not in str(caught.value)


counts = st.integers(0, 2**53 - 1)
quiet = st.none() | st.booleans() | st.floats() | st.text() | counts
quiet_details = st.recursive(quiet, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=8)


@given(quiet_details)
def test_whatever_counts_something_is_taken(held: JsonValue) -> None:
    _shape.refuse_miscounts(held, "key")


@given(quiet_details, st.integers(max_value=-1) | st.integers(min_value=2**53), st.integers(0, 40))
def test_a_number_that_no_record_can_hold_is_refused_however_deep(held: JsonValue, number: int, depth: int) -> None:
    nested: JsonValue = number
    for at in range(depth):
        nested = [held, nested] if at % 2 else {"a": nested, "b": held}
    with pytest.raises(_shape.Misshapen, match=r"^key holds a whole number"):
        _shape.refuse_miscounts(nested, "key")
