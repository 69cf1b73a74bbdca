from collections import Counter

from benchmarks.contenders import CONTENDERS
from benchmarks.plan import Plan, shifted, turns
from benchmarks.scenarios import SCENARIOS, Scenario


def _plan(*scenarios: Scenario, rounds: int) -> Plan:
    return Plan(
        scenarios=scenarios,
        contenders=CONTENDERS[:2],
        rounds=rounds,
        seconds=1,
        warmup=0,
        key="k",
        language="ascii",
    )


def test_a_scenario_takes_part_in_as_many_rounds_as_it_may() -> None:
    plan = _plan(Scenario(name="all", connections=1), Scenario(name="two", connections=1, rounds=2), rounds=3)
    seen = Counter(scenario.name for _, scenario, _ in turns(plan))
    assert seen == {"all": 6, "two": 4}


def test_a_ring_begins_anywhere() -> None:
    assert [shifted("abc", by) for by in (0, 1, 5)] == [("a", "b", "c"), ("b", "c", "a"), ("c", "a", "b")]
    assert shifted("", 1) == ()


def test_the_whole_matrix_is_there() -> None:
    whole = {(s.body_bytes, s.connections) for s in SCENARIOS if not s.chunks and not s.calls}
    assert {size for size, connections in whole if connections == 32} == {1024, 2048, 10_240, 102_400}
    assert {connections for size, connections in whole if size == 2048} == {1, 32, 256}
    assert {s.connections for s in SCENARIOS if s.chunks} == {1, 32, 1000}
    assert {bool(s.chunks) for s in SCENARIOS if s.calls} == {True, False}
