import io

import pytest
from rich.console import Console

from benchmarks.contenders import CONTENDERS
from benchmarks.figures import Row, Spread
from benchmarks.plan import Plan, turns
from benchmarks.policing import Cost, Times
from benchmarks.scenarios import SCENARIOS, Scenario, of_sizes
from benchmarks.tables import cell, costs_table, prices, prices_inside, table_of, verdicts


def _rows(scenario: Scenario) -> dict[tuple[str, str], Row]:
    direct = {"rate": 40_000.0, "cpu_us": 10.0, "cpu_share": 0.4, "latency_p50": 0.5, "latency_p99": 0.75}
    gateway = {"rate": 4_000.0, "cpu_us": 200.0, "cpu_share": 0.8, "latency_p50": 1.5, "latency_p99": 2.0}
    return {
        (scenario.name, "direct"): Row(scenario=scenario.name, contender="direct", rounds=[direct]),
        (scenario.name, "gateway chat"): Row(scenario=scenario.name, contender="gateway chat", rounds=[gateway]),
    }


def _shown(scenario: Scenario) -> list[str]:
    console = Console(file=io.StringIO(), width=300)
    with console.capture() as captured:
        console.print(table_of("title", [scenario], _rows(scenario), "direct"))
    return captured.get().splitlines()


def test_a_cell_is_the_median_with_its_range() -> None:
    assert cell(Spread(median=1234.5, low=1000, high=2000), 0) == "1,234\n1,000 to 2,000"
    assert cell(Spread(median=0.5, low=0.5, high=0.5), 3) == "0.500"
    assert cell(None, 3) == "-"


def test_a_row_shows_what_is_added_to_the_floor() -> None:
    row = next(line for line in _shown(SCENARIOS[0]) if "gateway chat" in line)
    assert [part.strip() for part in row.strip("│").split("│")][2:] == [
        "4,000", "200", "0.80", "1.500", "2.000", "1.000", "1.250",
    ]  # fmt: skip


def test_the_floor_adds_nothing_to_itself() -> None:
    row = next(line for line in _shown(SCENARIOS[0]) if "direct" in line)
    assert [part.strip() for part in row.strip("│").split("│")][-2:] == ["-", "-"]


def test_streams_have_columns_of_their_own() -> None:
    stream = next(scenario for scenario in SCENARIOS if scenario.chunks)
    assert "first token" in "".join(_shown(stream))
    assert "first token" not in "".join(_shown(SCENARIOS[0]))


def test_the_verdict_tells_rate_and_cost_over_the_pass_through() -> None:
    scenario = SCENARIOS[1]
    rows = _rows(scenario)
    told = "gateway chat, whole c=32: 4,000 requests/s measured, 5,000 by CPU time"
    more = "; 190 µs a request more than direct"
    assert verdicts(rows, scenario=scenario.name, against="direct", aims={}) == [told + more]
    aims = {"gateway chat": 5_000.0}
    assert verdicts(rows, scenario=scenario.name, against="direct", aims=aims) == [f"{told} (aim 5,000){more}"]
    assert verdicts(rows, scenario="another", against="direct", aims=aims) == []


def test_the_price_of_policies_is_the_difference_of_two_gateways() -> None:
    scenario = SCENARIOS[0]
    rows = _rows(scenario)
    told = "gateway chat, whole c=1: 190 µs CPU a request more than direct (190 to 190)"
    met = prices(rows, [scenario], of="gateway chat", against="direct", aim_us=190)
    assert met == [f"{told}; aim: at most 190, met"]
    missed = prices(rows, [scenario], of="gateway chat", against="direct", aim_us=60)
    assert missed == [f"{told}; aim: at most 60, MISSED"]
    assert prices(rows, [scenario], of="gateway chat", against="absent", aim_us=60) == []


def test_the_aim_is_told_for_requests_of_two_kilobytes_alone() -> None:
    scenario = of_sizes([100 * 1024])[0]
    lines = prices(_rows(scenario), [scenario], of="gateway chat", against="direct", aim_us=60)
    assert lines == ["gateway chat, whole c=32, 100k: 190 µs CPU a request more than direct (190 to 190)"]


@pytest.mark.rows
@pytest.mark.parametrize(
    ("low", "median", "told"), [(40, 60, "met"), (40, 61, "open, the range holds it"), (61, 70, "MISSED")]
)
def test_a_price_without_server_is_judged_by_its_range(low: float, median: float, told: str) -> None:
    assert prices_inside({"alone": Times(low=low, median=median)}, aim_us=60) == [
        f"baseline, 2 KB, alone: {low:.1f} µs at the lowest, {median:.1f} at the median; aim: at most 60, {told}"
    ]


def test_a_detectors_row_tells_time_by_character_and_whether_it_could_look() -> None:
    outcomes = ("quiet", "found", "too_many", "error")
    row = [Cost(chars=1000, micros=number + 0.5, outcome=outcome) for number, outcome in enumerate(outcomes)]
    console = Console(file=io.StringIO(), width=300)
    with console.capture() as captured:
        console.print(costs_table("title", {"pii": row}))
    line = next(line for line in captured.get().splitlines() if "pii" in line)
    assert [part.strip() for part in line.strip("│").split("│")] == [
        "pii", "0.5 (0.5)", "1.5 (1.5) +", "2.5 (2.5) !", "3.5 (3.5) !",
    ]  # fmt: skip


def test_no_contender_always_begins() -> None:
    plan = Plan(
        scenarios=SCENARIOS[:1],
        contenders=CONTENDERS[:3],
        rounds=3,
        seconds=1,
        warmup=0,
        key="k",
        language="ascii",
    )
    order = [contender.name for _, _, contender in turns(plan)]
    names = [contender.name for contender in CONTENDERS[:3]]
    assert sorted(order) == sorted(names * 3)
    assert {order[0], order[3], order[6]} == set(names)
