from pathlib import Path

from benchmarks.policing import QUICK, SIZES, Effort, costs, every_detector, price, times
from benchmarks.scenarios import SCENARIOS
from benchmarks.site import site_in, write_config
from gateway.detectors.build import vocabulary
from policies.engine.model import DetectorSettings


def test_every_detector_that_conditions_can_name_is_measured() -> None:
    _, instances = every_detector()
    assert set(instances) == {name.split(".")[1] for name in vocabulary(DetectorSettings())}


def test_what_is_timed_takes_turns_and_has_its_fewest_calls() -> None:
    calls: list[str] = []
    found = times({"a": lambda: calls.append("a"), "b": lambda: calls.append("b")}, Effort(seconds=0, least=3))
    assert calls == ["a", "b"] * 3
    assert all(0 <= taken.low <= taken.median for taken in found.values())


def test_each_row_has_each_size_and_an_eventful_text_is_found_something_in() -> None:
    found = costs("eventful", Effort(seconds=0, least=1, most=1), SIZES[:2])
    assert {"baseline, data", "folding alone", "pii"} < set(found)
    assert all(len(row) == 2 for row in found.values())
    small = {name: row[0].outcome for name, row in found.items()}
    assert all(small[name] == "found" for name in ("injection", "invisible", "pii", "secrets", "urls"))
    assert small["folding alone"] == "quiet"


def test_the_price_is_told_alone_and_of_whole_requests(tmp_path: Path) -> None:
    site = site_in(tmp_path, 1)
    write_config(site, "key", SCENARIOS)
    alone, *whole = price(site, "key", QUICK)
    assert "scan and decide" in alone
    assert len(whole) == 2
