"""How are the figures told?

Every cell over rounds is their median with the range behind it; what stands in no round is a dash.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from rich.table import Table

from benchmarks.figures import Row, Spread, verdict
from benchmarks.policing import SIZES, Cost, Times
from benchmarks.scenarios import TWO_KB, Scenario


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """A column: its title, and which spread of a row (given the floor's row) stands in it, in how many digits."""

    title: str
    spread: Callable[[Row, Row], Spread | None]
    digits: int = 0


def _own(title: str, figure: str, digits: int = 0) -> Column:
    return Column(title=title, spread=lambda row, _: row.spread(figure), digits=digits)


def _added(title: str, figure: str, digits: int = 3) -> Column:
    def added(row: Row, floor: Row) -> Spread | None:
        return None if row is floor else row.added(figure, floor)

    return Column(title=title, spread=added, digits=digits)


WHOLE: Sequence[Column] = (
    _own("requests/s", "rate"),
    _own("CPU µs/request", "cpu_us"),
    _own("core used", "cpu_share", 2),
    _own("p50 ms", "latency_p50", 3),
    _own("p99 ms", "latency_p99", 3),
    _added("added p50 ms", "latency_p50"),
    _added("added p99 ms", "latency_p99"),
)
STREAMS: Sequence[Column] = (
    _own("tokens/s", "token_rate"),
    _own("CPU µs/token", "cpu_us", 1),
    _own("core used", "cpu_share", 2),
    _own("first token p50 ms", "first_p50", 3),
    _added("added p50 ms", "first_p50"),
    _added("added p99 ms", "first_p99"),
    _added("added per token p50 ms", "delay_p50"),
    _added("added per token p99 ms", "delay_p99"),
)


def cell(spread: Spread | None, digits: int) -> str:
    """The median, and under it the range where there is one."""
    if spread is None:
        return "-"
    if spread.low == spread.high:
        return f"{spread.median:,.{digits}f}"
    return f"{spread.median:,.{digits}f}\n{spread.low:,.{digits}f} to {spread.high:,.{digits}f}"


def table_of(title: str, scenarios: Sequence[Scenario], rows: Mapping[tuple[str, str], Row], floor: str) -> Table:
    """One table over scenarios of one kind.

    ``rows`` are found by scenario and contender; ``floor`` is the contender that added times are measured against.
    """
    columns = STREAMS if scenarios[0].chunks else WHOLE
    table = Table(title=title, title_justify="left")
    table.add_column("scenario")
    table.add_column("contender")
    for column in columns:
        table.add_column(column.title, justify="right")
    for scenario in scenarios:
        beneath = rows[scenario.name, floor]
        for row in (row for row in rows.values() if row.scenario == scenario.name):
            table.add_row(row.scenario, row.contender, *(cell(c.spread(row, beneath), c.digits) for c in columns))
        table.add_section()
    return table


def verdicts(
    rows: Mapping[tuple[str, str], Row], *, scenario: str, against: str, aims: Mapping[str, float]
) -> list[str]:
    """What each contender makes of one core: as measured, and as its CPU time alone says."""
    beneath = rows.get((scenario, against))
    lines: list[str] = []
    for row in rows.values():
        rate, cpu = row.spread("rate"), row.spread("cpu_us")
        if row.scenario != scenario or not row.contender.startswith("gateway") or rate is None or cpu is None:
            continue
        line = (
            f"{row.contender}, {scenario}: {rate.median:,.0f} requests/s measured, {1e6 / cpu.median:,.0f} by CPU time"
        )
        if row.contender in aims:
            line += f" (aim {aims[row.contender]:,.0f})"
        own = None if beneath is None else row.added("cpu_us", beneath)
        lines.append(line if own is None else f"{line}; {own.median:,.0f} µs a request more than {against}")
    return lines


def prices(
    rows: Mapping[tuple[str, str], Row], scenarios: Sequence[Scenario], *, of: str, against: str, aim_us: float
) -> list[str]:
    """What policies add to the CPU time of a request, scenario by scenario; the aim is for requests of 2 KB."""
    lines: list[str] = []
    for scenario in scenarios:
        one, other = rows.get((scenario.name, of)), rows.get((scenario.name, against))
        added = one.added("cpu_us", other) if one is not None and other is not None else None
        if added is not None:
            aim = _aim(added, aim_us) if scenario.body_bytes == TWO_KB else ""
            told = f"{added.median:,.0f} µs CPU a request more than {against} ({added.low:,.0f} to {added.high:,.0f})"
            lines.append(f"{of}, {scenario.name}: {told}{aim}")
    return lines


def prices_inside(priced: Mapping[str, Times], *, aim_us: float) -> list[str]:
    """The same without server and network."""
    return [
        f"baseline, 2 KB, {name}: {taken.low:,.1f} µs at the lowest, {taken.median:,.1f} at the median"
        f"{_aim(Spread(median=taken.median, low=taken.low, high=taken.median), aim_us)}"
        for name, taken in priced.items()
    ]


def _aim(taken: Spread, aim_us: float) -> str:
    return f"; aim: at most {aim_us:,.0f}, {verdict(taken, aim_us)}"


def costs_table(title: str, costs: Mapping[str, Sequence[Cost]]) -> Table:
    """A row for each detector, a column for each size. What grows no faster than the text has the same ns all along."""
    caption = "+ found something; ! gave up at its limit, which counts as not looked at"
    table = Table(title=title, title_justify="left", caption=caption, caption_justify="left")
    table.add_column("detector")
    for size in SIZES:
        table.add_column(f"{size // 1024:,} KB", justify="right")
    for name, row in costs.items():
        table.add_row(name, *map(_cost_cell, row))
    return table


def _cost_cell(cost: Cost) -> str:
    sign = {"quiet": " ", "found": "+"}.get(cost.outcome, "!")
    return f"{cost.micros:,.1f} ({cost.nanos_per_char:.1f}) {sign}"
