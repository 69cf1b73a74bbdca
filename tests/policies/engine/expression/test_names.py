import pytest

from gateway.domain.detection import Fact, FactType, FactValue, Stage
from policies.engine.expression.errors import ConditionError
from policies.engine.expression.kinds import Kind
from policies.engine.expression.names import Names
from policies.engine.expression.tree import Name


@pytest.fixture
def names() -> Names:
    facts = (
        Fact(name="tainted", type=FactType.BOOL, doc=""),
        Fact(name="segment.origin", type=FactType.STRING, doc="", stages=frozenset({Stage.DATA})),
        Fact(name="segment.trust", type=FactType.STRING, doc="", stages=frozenset({Stage.DATA})),
        Fact(name="tool.name", type=FactType.STRING, doc="", stages=frozenset({Stage.TOOLS, Stage.TOOL_CALL})),
        Fact(name="det.secrets.kinds", type=FactType.STRINGS, doc=""),
        Fact(name="det.secrets.count", type=FactType.INT, doc=""),
        Fact(name="det.pii.score", type=FactType.DOUBLE, doc=""),
    )
    constants: dict[str, FactValue] = {
        "lists.hosts": ("a", "b"),
        "lists.on": True,
        "lists.many": 3,
        "lists.much": 0.5,
        "lists.word": "a",
    }
    return Names(vocabulary={fact.name: fact for fact in facts}, stage=Stage.DATA, constants=constants)


@pytest.mark.rows
@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("tainted", Kind.BOOL),
        ("segment.origin", Kind.STRING),
        ("det.secrets.kinds", Kind.STRINGS),
        ("det.secrets.count", Kind.INT),
        ("det.pii.score", Kind.DOUBLE),
        ("lists.hosts", Kind.STRINGS),
        ("lists.on", Kind.BOOL),
        ("lists.many", Kind.INT),
        ("lists.much", Kind.DOUBLE),
        ("lists.word", Kind.STRING),
    ],
)
def test_a_name_has_the_type_of_its_fact_or_constant(names: Names, path: str, kind: Kind) -> None:
    assert names.kind_of(Name(path=path, offset=0)) is kind


@pytest.mark.rows
@pytest.mark.parametrize(
    ("path", "instead"),
    [
        ("det.secret.kinds", "did you mean `det.secrets.kinds`"),
        ("lists.host", "did you mean `lists.hosts`"),
        ("segment", "write one of segment.origin, segment.trust$"),
        ("whatever", "write one of det.pii.score, det.secrets.count, .*, tainted$"),
        ("tool.name", "not known at stage data: use it in a rule at tool_call, tools$"),
    ],
)
def test_a_name_that_cannot_be_read_is_refused_with_what_was_meant(names: Names, path: str, instead: str) -> None:
    with pytest.raises(ConditionError, match=instead) as refused:
        names.kind_of(Name(path=path, offset=7))
    assert refused.value.offset == 7
