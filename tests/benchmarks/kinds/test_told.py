"""What the rounds of each kind come to: no server, no disk, rounds as they would have been measured."""

from pathlib import Path

import pytest

from benchmarks.figures import Spread, told
from benchmarks.kinds import bodies, calls, flood, fsync, memory, rules, startup, workers
from benchmarks.kinds.setting import Figures, in_turns, joined, over
from benchmarks.processes import CannotMeasure
from benchmarks.soaking.sampling import Held


def _even(value: float) -> Spread:
    return Spread(median=value, low=value, high=value)


def test_all_have_their_turn_and_none_always_begins() -> None:
    seen: list[str] = []

    def take(name: str) -> Figures:
        seen.append(name)
        return {"at": len(seen)}

    rounds = in_turns(2, {"a": lambda: take("a"), "b": lambda: take("b")})
    assert seen == ["a", "b", "b", "a"]
    assert rounds == {"a": [{"at": 1}, {"at": 4}], "b": [{"at": 2}, {"at": 3}]}


def test_a_round_without_the_figure_cannot_be_told() -> None:
    with pytest.raises(CannotMeasure, match="no figures"):
        over([{"rate": 1.0}], lambda figures: figures["cpu_us"])
    with pytest.raises(CannotMeasure, match="no figures"):
        joined({"a": [{"rate": 1.0}]}, "cpu_us")
    with pytest.raises(CannotMeasure, match="no round"):
        over([], lambda figures: figures["cpu_us"])


def test_a_spread_without_a_range_is_one_number() -> None:
    assert told(_even(1234.5)) == "1,234"
    assert told(Spread(median=2, low=1, high=3), 1) == "2.0 (1.0 to 3.0)"


def test_a_rule_costs_what_ninety_more_of_them_do() -> None:
    cpu = {"1": (100, 200), "10": (130, 260), "100": (175, 350)}
    found = rules.costs_of({name: [{"rate": 1e6 / us, "cpu_us": us} for us in each] for name, each in cpu.items()})
    assert [row.rules for row in found.rows] == [1, 10, 100]
    assert found.us_per_rule == Spread(median=0.75, low=0.5, high=1.0)
    assert found.lines[-1] == "one rule more: 0.75 (0.50 to 1.00) µs (100 rules against 10)"


def test_a_judged_call_is_told_by_what_it_adds() -> None:
    cpu = {
        "baseline, call c=32": 500,
        "agents, call c=32": 590,
        "baseline, call burst c=32": 4000,
        "agents, call burst c=32": 4200,
    }
    found = calls.calls_of({name: [{"rate": 9.0, "request_us": us}] for name, us in cpu.items()})
    assert [(row.packs, row.pieces) for row in found.rows] == [
        ("baseline", 1), ("baseline", 100), ("agents", 1), ("agents", 100),
    ]  # fmt: skip
    assert found.lines[-1] == "a call judged: 90 µs more, 200 in 100 pieces"


@pytest.mark.rows
@pytest.mark.parametrize(("power", "linear"), [(1.0, True), (1.05, True), (1.2, False)])
def test_cost_that_grows_faster_than_the_body_is_not_linear(power: float, linear: bool) -> None:
    rounds = {f"gateway, {size}": [{"rate": 1.0, "cpu_us": size**power}] for size in bodies.SIZES}
    found = bodies.growth_of("gateway", rounds)
    assert found.linear is linear
    assert found.line.endswith("at most 1.25: linear") is linear


def test_what_is_the_same_for_all_sizes_makes_nothing_look_worse() -> None:
    rounds = {f"gateway, {size}": [{"rate": 1.0, "cpu_us": 500 + size / 100}] for size in bodies.SIZES}
    found = bodies.growth_of("gateway", rounds)
    assert found.linear
    assert found.growth < 1


def test_a_refusal_costs_what_the_honest_answers_do_not() -> None:
    honest = {"rate": 100.0, "cpu_us": 400.0, "latency_p50": 5.0, "latency_p99": 9.0, "cpu_share": 0.84}
    alone = {"rate": 1000.0, "cpu_us": 400.0, "latency_p50": 1.0, "latency_p99": 2.0, "cpu_share": 0.4}
    found = flood.flood_of({"alone": [alone], "flooded": [{**honest, "refusals": 8000.0}]})
    assert found.cpu_us_per_refusal == _even(100)
    assert found.lines[1] == ("one honest connection in it: p50 5.00 ms, p99 9.00 ms; alone: p50 1.00 ms, p99 2.00 ms")


def test_start_up_is_judged_for_the_gateway_alone() -> None:
    found = startup.startup_of({"splitgate serve": [1.6, 1.4, 1.45], "bare": [0.5], "gone": []})
    assert found.lines == [
        "splitgate serve, start to ready: 1.45 (1.40 to 1.60) s; aim: under 1.5 s, open, the range holds it",
        "bare, start to ready: 0.50 s",
    ]


@pytest.mark.rows
@pytest.mark.parametrize(("pss", "word"), [(119, "met"), (120, "MISSED")])
def test_memory_is_judged_for_a_worker_that_has_worked(pss: int, word: str) -> None:
    held = Held(own=80_000_000, rss=130_000_000, pss=pss * 1_000_000, descriptors=9, threads=3)
    found = memory.memory_of(
        {"start": {"gateway.worker 1": held}, "load": {"supervisor": held, "gateway.worker 1": held}}
    )
    assert [line.partition("aim")[2] for line in found.lines] == ["", "", f": under 120 MB, {word}"]


def test_two_workers_scale_by_what_a_request_costs_them() -> None:
    rounds = {
        "1": [{"rate": 2000.0, "cpu_us": 400.0, "busiest": 1.0}],
        "2": [{"rate": 2600.0, "cpu_us": 420.0, "busiest": 0.55}],
    }
    found = workers.scaling_of(rounds, shared=True)
    assert (found.measured, found.by_cpu.median) == (_even(1.3), pytest.approx(1.905, abs=0.001))
    assert found.lines[-1] == (
        "two workers scale by 1.30 as measured, load and upstream on the second worker's core, by 1.90 by CPU time, "
        "the busier one with 55% of it; aim: at least 1.8, met"
    )


def test_workers_that_have_cores_of_their_own_are_judged_by_what_they_answered() -> None:
    rounds = {
        "1": [{"rate": 2000.0, "cpu_us": 400.0, "busiest": 1.0}],
        "2": [{"rate": 2600.0, "cpu_us": 400.0, "busiest": 0.5}],
    }
    assert workers.scaling_of(rounds, shared=False).lines[-1].endswith("aim: at least 1.8, MISSED")


def test_the_disk_is_told_apart_from_what_else_the_journal_adds() -> None:
    times = {"direct": 0.1, "without journal": 0.5, "with journal": 1.4, "disk": 0.6}
    found = fsync.fsync_of({name: [{"latency_p50": ms, "latency_p99": ms}] for name, ms in times.items()}, "ext4")
    assert [round(one.median, 3) for one in (found.added_without, found.added_with, found.journal, found.rest)] == [
        0.4, 1.3, 0.9, 0.3,
    ]  # fmt: skip
    assert "MISSED" in found.lines[1]


def test_the_file_system_is_that_of_the_nearest_mount() -> None:
    mounts = "a / ext4 rw 0 0\nb /tmp tmpfs rw 0 0\nc /tmpfoo xfs rw 0 0\n"
    kinds = [fsync.filesystem_of(Path(path), mounts) for path in ("/tmp/x", "/var", "/tmpfoo/y")]  # noqa: S108
    assert kinds == ["tmpfs", "ext4", "xfs"]
    assert fsync.filesystem_of(Path("/var"), "") == ""


def test_each_append_is_timed_and_lands_in_the_file(tmp_path: Path) -> None:
    taken = fsync.appends(tmp_path / "probe", 3)
    assert len(taken) == 3
    assert (tmp_path / "probe").stat().st_size == 3 * fsync.APPENDED
