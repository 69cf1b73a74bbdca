from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor

import pytest

from gateway.domain.detection import Fact, FactType, FactValue, Stage
from policies.engine.condition import Condition, ConditionError, ConditionFailed, compile_condition
from policies.engine.vocabulary import BASE

DETECTED = (
    Fact(name="det.secrets.found", type=FactType.BOOL, doc="", longest=64),
    Fact(name="det.secrets.kinds", type=FactType.STRINGS, doc="", longest=128),
    Fact(name="det.secrets.count", type=FactType.INT, doc=""),
    Fact(name="det.pii.found", type=FactType.BOOL, doc="", longest=32),
    Fact(name="det.pii.score", type=FactType.DOUBLE, doc=""),
)
VOCABULARY = {**BASE, **{fact.name: fact for fact in DETECTED}}
LISTS: Mapping[str, FactValue] = {"lists.hosts": ("mail", "web")}


def compiled(source: str, stage: Stage = Stage.DATA) -> Condition:
    return compile_condition(source, VOCABULARY, stage, LISTS)


@pytest.mark.rows
@pytest.mark.parametrize(
    ("source", "facts", "held"),
    [
        (
            "det.secrets.found && segment.origin == 'email'",
            {"det.secrets.found": True, "segment.origin": "email"},
            True,
        ),
        ("det.secrets.found && segment.origin == 'email'", {"det.secrets.found": True, "segment.origin": "web"}, False),
        ("det.secrets.found && segment.origin == 'email'", {"segment.origin": "email"}, False),
        ("'aws' in det.secrets.kinds", {"det.secrets.kinds": ("gcp", "aws")}, True),
        ("'aws' in det.secrets.kinds", {"det.secrets.kinds": ("gcp",)}, False),
        ("segment.origin in lists.hosts", {"segment.origin": "web"}, True),
        ("segment.origin in lists.hosts", {"segment.origin": "user"}, False),
        ("det.pii.score >= 0.5", {"det.pii.score": 0.5}, True),
        ("det.pii.score >= 0.5", {}, False),
        ("det.secrets.count == 0 && segment.id == '' && det.pii.score == 0.0 && !tainted", {}, True),
        ("true", {}, True),
    ],
)
def test_a_condition_holds_or_does_not(source: str, facts: Mapping[str, FactValue], held: bool) -> None:
    condition = compiled(source)
    assert [condition.holds(facts), condition.holds(facts)] == [held, held]


@pytest.mark.rows
@pytest.mark.parametrize(
    ("source", "refs", "detectors", "dormant", "longest", "monotone"),
    [
        ("det.secrets.found", ("det.secrets.found",), {"secrets"}, True, 64, True),
        ("tainted && 'a' in det.secrets.kinds", ("tainted", "det.secrets.kinds"), {"secrets"}, True, 128, True),
        ("det.secrets.count > 1", ("det.secrets.count",), {"secrets"}, True, None, False),
        (
            "det.pii.found || det.secrets.found",
            ("det.pii.found", "det.secrets.found"),
            {"pii", "secrets"},
            True,
            64,
            False,
        ),
        ("!det.pii.found", ("det.pii.found",), {"pii"}, False, 32, False),
        ("tainted", ("tainted",), set[str](), False, 0, True),
        ("'web' in lists.hosts", (), set[str](), False, 0, True),
    ],
)
def test_a_condition_says_what_it_rests_on(
    source: str, refs: tuple[str, ...], detectors: set[str], dormant: bool, longest: int | None, monotone: bool
) -> None:
    condition = compiled(source)
    assert (condition.source, condition.refs, condition.detectors) == (source, refs, detectors)
    assert (condition.dormant, condition.longest, condition.monotone) == (dormant, longest, monotone)


@pytest.mark.rows
@pytest.mark.parametrize(
    ("source", "offset", "instead"),
    [
        ("tainted && det.secret.found", 11, "did you mean `det.secrets.found`"),
        ("tool.name == 'a'", 0, "not known at stage data"),
        ("det.secrets.count", 0, "compare it"),
        ("det.secrets.kinds.exists(k, k == 'a')", 18, "could run long"),
        ("tainted &&", 10, "write a name"),
    ],
)
def test_what_cannot_be_used_is_refused_when_it_is_loaded(source: str, offset: int, instead: str) -> None:
    with pytest.raises(ConditionError, match=instead) as refused:
        compiled(source)
    assert (refused.value.offset, refused.value.message) == (offset, str(refused.value))


def test_a_fact_of_another_stage_is_known_there() -> None:
    assert compiled("tool.name == 'a'", Stage.TOOL_CALL).holds({"tool.name": "a"})


def test_a_condition_without_a_value_fails_every_time_and_others_still_hold() -> None:
    condition = compiled("1 / request.tools == 1")
    for _ in range(2):
        with pytest.raises(ConditionFailed):
            condition.holds({"request.tools": 0})
    assert condition.holds({"request.tools": 1})


@pytest.fixture
def counted() -> Callable[[str], tuple[Condition, Callable[[], tuple[int, int]]]]:
    """A condition, and how many answers it found and how many it keeps."""

    def make(source: str) -> tuple[Condition, Callable[[], tuple[int, int]]]:
        condition = compiled(source)
        info: Callable[[], tuple[int, int, int, int]] = getattr(condition.decide, "cache_info")  # noqa: B009
        return condition, lambda: (info()[0], info()[3])

    return make


def test_an_answer_is_remembered(counted: Callable[[str], tuple[Condition, Callable[[], tuple[int, int]]]]) -> None:
    condition, found_and_kept = counted("segment.origin == 'web' && tainted")
    facts = {"segment.origin": "web", "tainted": True}
    assert [condition.holds(facts) for _ in range(3)] == [True] * 3
    assert found_and_kept() == (2, 1)


def test_what_is_remembered_is_bounded(
    counted: Callable[[str], tuple[Condition, Callable[[], tuple[int, int]]]],
) -> None:
    condition, found_and_kept = counted("request.chars > 1500")
    assert sum(condition.holds({"request.chars": number}) for number in range(3000)) == 1499
    assert found_and_kept() == (0, 1024)


@pytest.mark.parametrize(
    ("source", "facts", "kept"),
    [
        ("segment.origin != 'web'", {"segment.origin": "x" * 256}, 1),
        ("segment.origin != 'web'", {"segment.origin": "x" * 257}, 0),
        ("!('a' in det.secrets.kinds)", {"det.secrets.kinds": ("x" * 200, "y" * 54)}, 1),
        ("!('a' in det.secrets.kinds)", {"det.secrets.kinds": ("x" * 200, "y" * 55)}, 0),
    ],
)
def test_a_long_fact_is_answered_and_not_kept(
    counted: Callable[[str], tuple[Condition, Callable[[], tuple[int, int]]]],
    source: str,
    facts: Mapping[str, FactValue],
    kept: int,
) -> None:
    condition, found_and_kept = counted(source)
    assert condition.holds(facts)
    assert condition.holds(facts)
    assert found_and_kept()[1] == kept


def test_threads_share_a_condition() -> None:
    condition = compiled("request.chars % 2 == 1 && segment.origin in lists.hosts")

    def asked(number: int) -> bool:
        return condition.holds({"request.chars": number, "segment.origin": "web"})

    with ThreadPoolExecutor(8) as threads:
        assert list(threads.map(asked, [*range(2000)] * 2)) == [number % 2 == 1 for number in range(2000)] * 2
