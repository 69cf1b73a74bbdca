import pytest

from gateway.domain.detection import Fact, FactType, FactValue
from policies.engine.expression.dormancy import detectors_in, grows, when_quiet
from policies.engine.expression.parse import parse

VOCABULARY = {
    name: Fact(name=name, type=kind, doc="")
    for name, kind in {
        "tainted": FactType.BOOL,
        "segment.origin": FactType.STRING,
        "request.tools": FactType.INT,
        "det.x.found": FactType.BOOL,
        "det.x.count": FactType.INT,
        "det.x.kinds": FactType.STRINGS,
        "det.y.found": FactType.BOOL,
        "det.y.score": FactType.DOUBLE,
    }.items()
}
LISTS: dict[str, FactValue] = {"lists.on": True, "lists.words": ("a",)}


@pytest.mark.rows
@pytest.mark.parametrize(
    ("source", "value"),
    [
        ("det.x.found", False),
        ("!det.x.found", True),
        ("!tainted", None),
        ("det.x.found && tainted", False),
        ("tainted && det.x.found", False),
        ("det.x.found || tainted", None),
        ("det.x.found || det.y.found", False),
        ("!det.x.found && tainted", None),
        ("!det.x.found || tainted", True),
        ("!det.x.found && lists.on", True),
        ("det.x.count > 0 && segment.origin == 'a'", False),
        ("det.x.count >= 0", True),
        ("det.x.count >= request.tools", None),
        ("'a' in det.x.kinds || det.y.score > 0.5", False),
        ("segment.origin in det.x.kinds", None),
        ("size(det.x.kinds) == 0", True),
        ("tainted", None),
        ("false", False),
        ("'b' in lists.words", False),
        ("1 / det.x.count == 1", None),
        ("1 / det.x.count == 1 && det.x.found", False),
        ("det.x.found ? tainted : det.y.found", False),
        ("!det.x.found ? tainted : det.y.found", None),
        ("tainted ? det.x.found : det.y.found", None),
        ("tainted ? 1 / request.tools == 1 : det.x.found", None),
    ],
)
def test_a_condition_is_known_while_detectors_are_quiet_only_if_nothing_else_matters(
    source: str, value: bool | None
) -> None:
    assert when_quiet(parse(source), VOCABULARY, LISTS) is value


@pytest.mark.rows
@pytest.mark.parametrize(
    ("source", "yes"),
    [
        ("det.x.found", True),
        ("det.x.found && (tainted || det.y.found)", True),
        ("'a' in det.x.kinds", True),
        ("segment.origin in det.x.kinds && !tainted", True),
        ("tainted ? true : false", True),
        ("!det.x.found", False),
        ("det.x.found && !det.y.found", False),
        ("det.x.found == true", False),
        ("det.x.count > 1", False),
        ("tainted ? det.x.found : false", False),
        ("'a' in ['b', string(det.x.count)]", False),
        ("string(det.x.count) in lists.words", False),
        ("size(det.x.kinds) > 0", False),
    ],
)
def test_only_what_asks_plainly_what_was_found_grows(source: str, yes: bool) -> None:
    assert grows(parse(source)) is yes


def test_detectors_are_named_once() -> None:
    assert detectors_in(parse("det.x.found && det.x.count > 1 || det.y.found && tainted")) == {"x", "y"}
    assert detectors_in(parse("tainted")) == frozenset()
