from typing import Any

from benchmarks.figures import Spread
from benchmarks.publishing.reading import run_of, spread_of, trimmed


def test_contenders_stand_in_the_order_of_the_first_round(raw: dict[str, Any]) -> None:
    assert list(run_of(raw).lines["whole c=32"]) == ["direct", "bare", "gateway chat", "litellm"]


def test_two_contenders_are_compared_within_a_round(raw: dict[str, Any]) -> None:
    lines = run_of(raw).lines["whole c=32"]
    assert lines["gateway chat"].times("rate", lines["bare"]) == Spread(median=0.325, low=0.325, high=0.325)
    added = lines["gateway chat"].added("latency_p50", lines["direct"])
    assert added is not None
    assert (round(added.low, 3), round(added.high, 3)) == (0.38, 0.76)


def test_a_round_that_one_of_them_lacks_is_left_out(raw: dict[str, Any]) -> None:
    lines = run_of(raw).lines["whole c=32"]
    assert lines["litellm"].times("rate", lines["bare"]) == Spread(median=0.0125, low=0.0125, high=0.0125)


def test_a_figure_that_nobody_has_is_none(raw: dict[str, Any]) -> None:
    run = run_of(raw)
    line = run.lines["whole c=32"]["bare"]
    assert line.spread("nothing") is None
    assert line.times("nothing", line) is None
    assert run.kind("startup", "nothing") is None
    assert run.kind("nothing", "at all") is None
    assert run.line("nowhere", "bare") is None


def test_the_first_of_several_contenders_is_taken(raw: dict[str, Any]) -> None:
    line = run_of(raw).line("whole c=32", "gateway everything", "gateway chat")
    assert line is not None
    assert line.contender == "gateway chat"


def test_a_spread_is_read_as_it_is_kept() -> None:
    assert spread_of({"median": 2, "low": 1, "high": 3}) == Spread(median=2, low=1, high=3)
    assert spread_of(2.5) == Spread(median=2.5, low=2.5, high=2.5)
    assert spread_of(None) is None


def test_histograms_are_trimmed_and_nothing_else(raw: dict[str, Any]) -> None:
    kept = trimmed(raw)
    assert kept.keys() == raw.keys()
    assert {"histograms"} == raw["turns"][0].keys() - kept["turns"][0].keys()
    assert run_of(kept) == run_of(raw)
