from typing import Any

import pytest

from benchmarks.figures import Spread
from benchmarks.publishing.aims import Aim, aims_of
from benchmarks.publishing.reading import run_of


def _aim(low: float, median: float, high: float, *, more: bool) -> str:
    return Aim(what="w", unit="µs", bound=40, found=Spread(median=median, low=low, high=high), more=more).verdict


@pytest.mark.rows
@pytest.mark.parametrize(
    ("found", "more", "verdict"),
    [
        ((30, 35, 40), False, "**met**"),
        ((30, 35, 41), False, "open, the range holds it"),
        ((39, 50, 60), False, "open, the range holds it"),
        ((41, 50, 60), False, "**missed** by 10 µs"),
        ((40, 50, 60), True, "**met**"),
        ((30, 50, 60), True, "open, the range holds it"),
        ((20, 30, 39), True, "**missed** by 10 µs"),
    ],
)
def test_a_verdict_is_that_of_the_whole_range(found: tuple[float, float, float], more: bool, verdict: str) -> None:
    assert _aim(*found, more=more) == verdict


def test_what_was_not_measured_is_not_met() -> None:
    assert Aim(what="w", unit="s", bound=1.5, found=None).verdict == "not measured"


def test_an_aim_says_what_it_is() -> None:
    assert Aim(what="w", unit="s", bound=1.5, found=None).words == "at most 1.5 s"
    assert Aim(what="w", unit="requests/s", bound=2500, found=None, more=True).words == "at least 2,500 requests/s"


def test_each_aim_finds_its_figure(raw: dict[str, Any]) -> None:
    aims = {aim.what: aim for aim in aims_of(run_of(raw))}
    medians = {what: None if aim.found is None else round(aim.found.median, 2) for what, aim in aims.items()}
    assert medians == {
        "c=32, 2 KB, everything on": 1950.0,
        "c=32, 2 KB, no policies": None,
        "the same with everything on, beside portkey with nothing configured": None,
        "the same with everything on, beside litellm with nothing configured": 26.0,
        "added p50 at c=1 without journal": 0.3,
        "added p50 at c=1 with journal": 1.5,
        "CPU of a guarded chunk, burst c=32": None,
        "CPU of a guarded chunk, stream c=32": 36.0,
        "start to ready": 1.2,
        "memory of a worker after load (PSS)": 90,
        "two workers on two cores": 1.9,
    }
    assert aims["c=32, 2 KB, everything on"].verdict == "open, the range holds it"
    assert aims["added p50 at c=1 with journal"].verdict == "**missed** by 0.500 ms"
    assert aims["added p50 at c=1 with journal"].note == "of which the disk's own append 0.700 ms"
    assert aims["two workers on two cores"].note.startswith("by CPU time")


def test_workers_with_cores_of_their_own_are_told_by_their_rate(raw: dict[str, Any]) -> None:
    raw["workers"]["shared"] = False
    (workers,) = (aim for aim in aims_of(run_of(raw)) if aim.what == "two workers on two cores")
    assert workers.found is not None
    assert (workers.found.median, workers.note) == (1.2, "")


def test_a_run_of_nothing_meets_no_aim() -> None:
    assert {aim.verdict for aim in aims_of(run_of({"about": {}}))} == {"not measured"}
