"""How does one turn after the other happen?"""

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Final

import uvloop
from rich.console import Console
from rich.progress import Progress

from benchmarks.contenders import UPSTREAM, Contender
from benchmarks.figures import Measured, Row, figures_of
from benchmarks.load import Load, drive
from benchmarks.payloads import request_bytes
from benchmarks.plan import Plan, turns
from benchmarks.processes import CannotMeasure, Running, use_of
from benchmarks.record import Recorder
from benchmarks.scenarios import Scenario

_MAX_ANSWERS: Final = 200_000
# LiteLLM imports for seconds with its first request.
_FIRST_S: Final = 60.0


def measure(
    plan: Plan, servers: Mapping[str, Running], recorder: Recorder, console: Console
) -> Mapping[tuple[str, str], Row]:
    """Let every turn happen; the rows stand in the order of scenarios and contenders.

    Raises:
        CannotMeasure: an answer was wrong or missing.
    """
    rows = {(s.name, c.name): Row(scenario=s.name, contender=c.name) for s in plan.scenarios for c in plan.contenders}
    order = list(turns(plan))
    with Progress(console=console, transient=True) as progress:
        task = progress.add_task("each answers once", total=len(order))
        _greet(plan, servers)
        for number, scenario, contender in order:
            progress.update(task, description=f"round {number + 1}: {scenario.name}, {contender.name}")
            measured = _drive(_load(plan, scenario, contender, servers), scenario, contender, servers)
            figures = figures_of(measured, streams=scenario.chunks > 0)
            rows[scenario.name, contender.name].rounds.append(figures)
            recorder.add(number, scenario, contender, measured, figures)
            progress.advance(task)
    return rows


def _greet(plan: Plan, servers: Mapping[str, Running]) -> None:
    """Have each contender answer once what it will be asked: what it does at first is no turn's."""
    models = {scenario.model: scenario for scenario in plan.scenarios}
    for contender in plan.contenders:
        for scenario in models.values():
            load = _load(plan, scenario, contender, servers)
            once = replace(load, connections=1, warmup=0, seconds=_FIRST_S, max_answers=1)
            _drive(once, scenario, contender, servers)


def _load(plan: Plan, scenario: Scenario, contender: Contender, servers: Mapping[str, Running]) -> Load:
    return Load(
        port=servers[contender.server].port,
        request=request_bytes(contender, scenario, plan.key, plan.language, servers[UPSTREAM].port),
        connections=scenario.connections,
        tokens=scenario.chunks or 1,
        warmup=plan.warmup,
        seconds=plan.seconds,
        max_answers=_MAX_ANSWERS,
    )


def _drive(load: Load, scenario: Scenario, contender: Contender, servers: Mapping[str, Running]) -> Measured:
    server = servers[contender.server]
    try:
        return uvloop.run(drive(load, partial(use_of, server.pid)))
    except (CannotMeasure, OSError) as exc:
        raise CannotMeasure(f"{contender.name}, {scenario.name}: {exc}\n{server.last_words()}".rstrip()) from exc
