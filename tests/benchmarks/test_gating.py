from collections.abc import Collection, Mapping

import pytest

from benchmarks.figures import Row, Spread
from benchmarks.gating import MORE_ROUNDS, RATIO, ROUNDS, Baseline, Verdict, decided, judge, ratios, renewed


def _row(contender: str, *cpu_us: float, scenario: str = "whole") -> tuple[tuple[str, str], Row]:
    rounds = [{"cpu_us": value} for value in cpu_us]
    return (scenario, contender), Row(scenario=scenario, contender=contender, rounds=[*rounds])


def _found(median: float) -> Spread:
    return Spread(median=median, low=median, high=median)


def _verdict(median: float, committed: float | None) -> Verdict:
    return Verdict(gauge="g", unit=RATIO, found=_found(median), committed=committed)


def test_a_ratio_is_taken_within_a_round_so_that_a_slow_round_weighs_nothing() -> None:
    rows = dict([_row("bare", 100, 1000, 100), _row("gateway", 300, 3000, 320)])
    assert ratios(rows, bare="bare") == {"gateway, whole": Spread(median=3.0, low=3.0, high=3.2)}


def test_each_scenario_has_a_bare_of_its_own() -> None:
    rows = dict([
        _row("bare", 100), _row("gateway", 200),
        _row("bare", 10, scenario="burst"), _row("gateway", 40, scenario="burst"),
    ])  # fmt: skip
    assert {name: found.median for name, found in ratios(rows, bare="bare").items()} == {
        "gateway, whole": 2.0,
        "gateway, burst": 4.0,
    }


@pytest.mark.rows
@pytest.mark.parametrize(
    "rows",
    [
        dict([_row("gateway", 300)]),
        dict([_row("bare"), _row("gateway")]),
        dict([_row("bare", 100), _row("gateway", 300, 300)]),
    ],
    ids=["no bare", "no round", "a round without bare"],
)
def test_what_was_not_measured_beside_bare_is_an_error(rows: dict[tuple[str, str], Row]) -> None:
    with pytest.raises(ValueError, match=r"no round was measured|zip"):
        ratios(rows, bare="bare")


@pytest.mark.rows
@pytest.mark.parametrize(("median", "holds"), [(2.0, True), (4.0, True), (4.6, True), (4.61, False), (9.0, False)])
def test_fifteen_percent_more_than_committed_holds_and_no_more(median: float, holds: bool) -> None:
    assert _verdict(median, 4.0).holds is holds


def test_a_figure_that_nobody_committed_does_not_hold() -> None:
    (verdict,) = judge({"new": _found(1.0)}, {"old": 1.0}, RATIO)
    assert not verdict.holds
    assert "--write" in verdict.line


def test_a_verdict_says_figure_range_and_how_far_it_moved() -> None:
    found = Spread(median=4.8, low=4.2, high=5.5)
    verdict = Verdict(gauge="g", unit=RATIO, found=found, committed=4.0)
    assert verdict.line == "g: 4.80 (4.20 to 5.50) times bare; committed 4.00 (+20%): DEARER than 4.60"
    assert _verdict(4.0, 4.0).line == "g: 4.00 times bare; committed 4.00 (+0%): holds"


def test_a_committed_figure_that_stands_far_too_high_is_told() -> None:
    assert _verdict(3.3, 4.0).line.endswith("(-18%): holds; much cheaper: --write commits it")


class _Bench:
    """Gives what it was told to, and remembers what it was asked."""

    def __init__(self, *rounds: Mapping[str, float]) -> None:
        self._rounds = iter(rounds)
        self.asked: list[tuple[int, Collection[str] | None]] = []
        self.said: list[str] = []

    def measured(self, rounds: int, only: Collection[str] | None) -> Mapping[str, Spread]:
        self.asked.append((rounds, only))
        return {name: _found(median) for name, median in next(self._rounds).items()}

    def passed(self, calls: float = 1000.0) -> bool:
        committed = Baseline(interpreter="i", ratios={"a": 4.0, "b": 4.0}, calls={"c": 1000.0})
        return decided({"c": _found(calls)}, self.measured, committed, self.said.append)


def test_nothing_is_measured_twice_that_holds() -> None:
    bench = _Bench({"a": 4.0, "b": 4.5})
    assert bench.passed()
    assert bench.asked == [(ROUNDS, None)]
    assert bench.said[-1] == "gate: passed"


def test_what_is_too_dear_is_measured_again_alone() -> None:
    bench = _Bench({"a": 5.0, "b": 4.0}, {"a": 4.1})
    assert bench.passed()
    assert bench.asked == [(ROUNDS, None), (MORE_ROUNDS, {"a"})]
    assert sum("DEARER" in line for line in bench.said) == 1


def test_it_is_measured_a_third_time_and_that_verdict_counts() -> None:
    bench = _Bench({"a": 5.0, "b": 5.0}, {"a": 4.7, "b": 4.0}, {"a": 4.1})
    assert bench.passed()
    assert bench.asked == [(ROUNDS, None), (MORE_ROUNDS, {"a", "b"}), (MORE_ROUNDS, {"a"})]
    assert sum("this verdict counts" in line for line in bench.said) == 1


def test_what_is_too_dear_each_time_fails() -> None:
    bench = _Bench({"a": 5.0, "b": 4.0}, {"a": 4.61}, {"a": 4.61})
    assert not bench.passed()
    assert bench.said[-1].startswith("gate: FAILED")


def test_more_calls_fail_however_fast_the_machine_is() -> None:
    assert _Bench({"a": 1.0, "b": 1.0}).passed(calls=1150.0)
    assert not _Bench({"a": 1.0, "b": 1.0}).passed(calls=1151.0)


@pytest.mark.rows
@pytest.mark.parametrize("found", [{"a": 4.0}, {"a": 4.0, "b": 4.0, "new": 1.0}], ids=["one less", "one more"])
def test_what_is_measured_is_what_is_committed(found: dict[str, float]) -> None:
    bench = _Bench(found)
    assert not bench.passed()
    assert any("--write commits" in line for line in bench.said)


_OLD = Baseline(interpreter="CPython 3.11", ratios={"a": 7.0, "gone": 2.0}, calls={"c": 1200.0})
_NEW = Baseline(interpreter="CPython 3.12", ratios={"a": 3.0}, calls={"c": 800.5})


def test_a_new_baseline_is_told_beside_the_old_one() -> None:
    assert renewed(_OLD, _NEW) == [
        "interpreter: CPython 3.11 → CPython 3.12",
        "a: 7.00 → 3.00 times bare",
        "gone: 2.00 → - times bare",
        "c: 1,200.00 → 800.50 calls",
    ]
    assert renewed(None, _NEW)[1] == "a: - → 3.00 times bare"


def test_a_baseline_is_read_as_it_was_written() -> None:
    assert Baseline.read(_OLD.text()) == _OLD
