from collections.abc import Iterator

import pytest

from gateway.domain.jsonvalue import JsonObject, JsonValue
from gateway.yamlfile.problems import Loc
from gateway.yamlfile.source import at, read_source
from policies.engine.stand_ins import SALVAGE


def places(value: JsonValue, here: Loc = ()) -> Iterator[Loc]:
    yield here
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from places(inner, (*here, key))
    elif isinstance(value, tuple):
        for index, inner in enumerate(value):
            yield from places(inner, (*here, index))


def test_a_fault_anywhere_leaves_a_document_to_be_checked(sound: str) -> None:
    value = read_source("p.yaml", sound.encode()).value
    for loc in places(value):
        assert (SALVAGE.salvage(value, [loc]) is None) is (loc == ())


def test_a_fault_anywhere_costs_no_other_item(sound: str) -> None:
    value = read_source("p.yaml", sound.encode()).value
    for loc in places(value):
        if len(loc) > 2 and loc[0] == "spec" and isinstance(loc[2], int):
            document = SALVAGE.salvage(value, [loc])
            assert document is not None
            spec = document.spec
            assert [len(items) for items in (spec.rules, spec.exceptions, spec.tests)] == [4, 1, 7]


WHOLE: JsonObject = {"apiVersion": "splitgate/v1", "kind": "Policy", "metadata": {"name": "p"}, "spec": {"mode": "off"}}


@pytest.mark.rows
@pytest.mark.parametrize("key", [("apiVersion",), ("kind",), ("metadata",), ("metadata", "name"), ("spec",)])
def test_the_head_is_made_up_where_it_is_wrong(key: Loc) -> None:
    document = SALVAGE.salvage(WHOLE, [key])
    assert document is not None
    assert document.spec.mode == ("enforce" if key == ("spec",) else "off")
    assert at(WHOLE, key) is not None
