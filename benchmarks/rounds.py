"""How does one turn after the other happen?"""

from collections.abc import Mapping
from functools import partial
from typing import Final

import uvloop
from rich.console import Console
from rich.progress import Progress

from benchmarks.contenders import Contender
from benchmarks.figures import Measured, Row, figures_of
from benchmarks.load import Load, drive
from benchmarks.payloads import request_bytes
from benchmarks.plan import Plan, turns
from benchmarks.processes import CannotMeasure, Process, use_of
from benchmarks.record import Recorder
from benchmarks.scenarios import Scenario

_MAX_ANSWERS: Final = 200_000


def measure(
    plan: Plan, servers: Mapping[str, Process], recorder: Recorder, console: Console
) -> Mapping[tuple[str, str], Row]:
    """Let every turn happen; the rows stand in the order of scenarios and contenders.

    Raises:
        CannotMeasure: an answer was wrong or missing.
    """
    rows = {(s.name, c.name): Row(scenario=s.name, contender=c.name) for s in plan.scenarios for c in plan.contenders}
    order = list(turns(plan))
    with Progress(console=console, transient=True) as progress:
        task = progress.add_task("", total=len(order))
        for number, scenario, contender in order:
            progress.update(task, description=f"round {number + 1}: {scenario.name}, {contender.name}")
            measured = _one(plan, scenario, contender, servers[contender.server])
            figures = figures_of(measured, streams=scenario.chunks > 0)
            rows[scenario.name, contender.name].rounds.append(figures)
            recorder.add(number, scenario, contender, measured, figures)
            progress.advance(task)
    return rows


def _one(plan: Plan, scenario: Scenario, contender: Contender, server: Process) -> Measured:
    load = Load(
        port=server.port,
        request=request_bytes(contender, scenario, plan.key, plan.language),
        connections=scenario.connections,
        tokens=scenario.chunks or 1,
        warmup=plan.warmup,
        seconds=plan.seconds,
        max_answers=_MAX_ANSWERS,
    )
    try:
        return uvloop.run(drive(load, partial(use_of, server.pid)))
    except (CannotMeasure, OSError) as exc:
        raise CannotMeasure(f"{contender.name}, {scenario.name}: {exc}") from exc
