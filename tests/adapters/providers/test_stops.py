from collections.abc import Callable

import pytest

from adapters.providers._stops import asked_for, stops_of
from gateway.domain.jsonvalue import JsonValue
from gateway.domain.ports import Call


@pytest.mark.rows
@pytest.mark.parametrize(
    ("stop", "stops"), [("a", ("a",)), (["a", "b"], ("a", "b")), (("a", 1), ("a",)), (None, ()), (7, ())]
)
def test_stop_sequences_are_read_in_either_form(
    make_call: Callable[..., Call], stop: JsonValue, stops: tuple[str, ...]
) -> None:
    assert stops_of(make_call(values={} if stop is None else {"stop": stop})) == stops


@pytest.mark.rows
@pytest.mark.parametrize(("told", "kept"), [("a", "a"), ("b", None), (128009, None), (None, None)])
def test_what_was_not_asked_for_reaches_nobody(told: JsonValue, kept: str | None) -> None:
    assert asked_for(told, ("a",)) == kept
