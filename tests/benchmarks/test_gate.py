"""What CI's gate gauges, and that it stands where it should."""

from benchmarks.contenders import CONTENDERS
from benchmarks.gate import BASELINE, COUNTED, GAUGED
from benchmarks.gating import Baseline, gauge
from benchmarks.processes import ROOT
from benchmarks.scenarios import SCENARIOS


def test_what_is_gauged_is_committed() -> None:
    committed = Baseline.read(BASELINE.read_text(encoding="utf-8"))
    assert committed.ratios.keys() == {gauge(name, scenario) for scenario, names in GAUGED.items() for name in names}
    assert committed.calls.keys() == {gauge(name, what) for name in COUNTED for what in ("whole", "a chunk")}


def test_what_is_gauged_is_one_of_the_benchmarks_own() -> None:
    assert GAUGED.keys() <= {scenario.name for scenario in SCENARIOS}
    assert {*COUNTED, *(name for names in GAUGED.values() for name in names)} <= {one.name for one in CONTENDERS}


def test_ci_asks_the_gate_before_it_runs_the_tests() -> None:
    lines = (ROOT / ".ci" / "run").read_text(encoding="utf-8").splitlines()
    assert lines[-3:] == ["make check", "make gate", "make test"]
