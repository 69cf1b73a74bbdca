"""How does one turn after the other happen?"""

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from itertools import product
from typing import Final

import uvloop
from rich.console import Console
from rich.progress import Progress

from benchmarks.contenders import OTHERS, UPSTREAM, Contender
from benchmarks.figures import Measured, Row, figures_of
from benchmarks.load import Load, drive
from benchmarks.payloads import request_bytes
from benchmarks.plan import Plan, turns
from benchmarks.processes import CannotMeasure, Running, use_of
from benchmarks.record import Recorder
from benchmarks.scenarios import Scenario

MAX_ANSWERS: Final = 200_000
# LiteLLM imports for seconds with its first request.
_FIRST_S: Final = 60.0
# Streams that are to stand open are opened no faster than this, in streams a second: opening them is not what is asked.
_OPENED: Final = 250


def measure(
    plan: Plan, servers: Mapping[str, Running], recorder: Recorder, console: Console
) -> Mapping[tuple[str, str], Row]:
    """Let every turn happen; the rows stand in the order of scenarios and contenders.

    Raises:
        CannotMeasure: an answer was wrong or missing.
    """
    rows = {(s.name, c.name): Row(scenario=s.name, contender=c.name) for s in plan.scenarios for c in plan.contenders}

    def one(load: Load, scenario: Scenario, contender: Contender) -> Measured | None:
        try:
            return _drive(load, servers[contender.server])
        except CannotMeasure as exc:
            why = f"{contender.name}, {scenario.name}: {exc}"
            if contender.server not in OTHERS:
                raise CannotMeasure(why) from exc
            # Others' programs need not be able to do everything. Ours can, or the run is over.
            recorder.skip(scenario.name, contender.name, str(exc))
            console.print(f"left out: {why}", markup=False, highlight=False)
            del rows[scenario.name, contender.name]
            return None

    order = list(turns(plan))
    with Progress(console=console, transient=True) as progress:
        task = progress.add_task("each answers once", total=len(order))
        for scenario, contender in tuple(product(plan.scenarios, plan.contenders)):
            one(_greeting(_load(plan, scenario, contender, servers)), scenario, contender)
        for number, scenario, contender in order:
            progress.update(task, description=f"round {number + 1}: {scenario.name}, {contender.name}", advance=1)
            row = rows.get((scenario.name, contender.name))
            measured = one(_load(plan, scenario, contender, servers), scenario, contender) if row is not None else None
            if row is not None and measured is not None:
                figures = figures_of(measured, streams=scenario.chunks > 0)
                row.rounds.append(figures)
                recorder.add(number, scenario, contender, measured, figures)
    return rows


def load_of(plan: Plan, scenario: Scenario, contender: Contender, port: int, upstream_port: int = 0) -> Load:
    """What one turn sends."""
    warmup = plan.warmup * scenario.stretch
    return Load(
        port=port,
        requests=(request_bytes(contender, scenario, plan.key, plan.language, upstream_port),),
        connections=scenario.connections,
        tokens=scenario.chunks or 1,
        warmup=max(warmup, scenario.connections / _OPENED) if scenario.standing else warmup,
        seconds=plan.seconds * scenario.stretch,
        max_answers=MAX_ANSWERS,
        ended_at=upstream_port if scenario.chunks else 0,
        standing=scenario.standing,
    )


def _greeting(load: Load) -> Load:
    """The same asked once: what a server does at first is no turn's. Of a stream the first token is enough."""
    once = replace(load, connections=1, warmup=0, max_answers=1)
    return replace(once, seconds=0.0 if load.tokens > 1 else _FIRST_S)


def _load(plan: Plan, scenario: Scenario, contender: Contender, servers: Mapping[str, Running]) -> Load:
    return load_of(plan, scenario, contender, servers[contender.server].port, servers[UPSTREAM].port)


def _drive(load: Load, server: Running) -> Measured:
    try:
        return uvloop.run(drive(load, partial(use_of, server.pid)))
    except (CannotMeasure, OSError) as exc:
        raise CannotMeasure(f"{exc}\n{server.last_words()}".rstrip()) from exc
