"""Where does the gateway spend a request's time?

The worker's application runs in this process, called as the HTTP server would call it, with the scripted upstream
behind it: first as it is, for the true cost, then under a profiler, whose own cost makes many small functions look
bigger than they are. The server's share is not in it.
"""

import asyncio
import cProfile
import pstats
import time
from collections.abc import Awaitable, Callable, MutableMapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeAlias

import uvloop
from rich.console import Console
from rich.table import Table

from benchmarks.contenders import GATEWAYS, TWO_WORKERS, Contender, Site
from benchmarks.inside import scope_of
from benchmarks.payloads import request_body
from benchmarks.plan import Plan
from benchmarks.processes import ROOT, CannotMeasure
from benchmarks.scenarios import Scenario
from benchmarks.stages import stages, token_time
from gateway.compose import running_app
from gateway.settings import load

_Message: TypeAlias = MutableMapping[str, Any]
_App: TypeAlias = Callable[
    [_Message, Callable[[], Awaitable[_Message]], Callable[[_Message], Awaitable[None]]], Awaitable[None]
]

_TOP: Final = 30
_CONCURRENT: Final = 16
_BATCHES: Final = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Hot:
    """What the profiler saw of one function, or of a whole area, in microseconds a request."""

    name: str
    calls: float
    own_us: float
    total_us: float


def profile(console: Console, site: Site, plan: Plan, requests: int) -> None:
    """Profile the plan's gateways on its first whole and its first streamed scenario.

    Raises:
        CannotMeasure: a request was refused.
    """
    key = plan.key
    kinds = {bool(scenario.chunks): scenario for scenario in reversed(plan.scenarios)}
    for scenario in sorted(kinds.values(), key=lambda scenario: scenario.chunks):
        # A stream costs about as much as a request for each of its tokens.
        count = max(_CONCURRENT, requests // (scenario.chunks or 1))
        # Two workers are the same application twice.
        for contender in (one for one in plan.contenders if one.server in GATEWAYS and one.server != TWO_WORKERS):
            _tell_stages(console, site, contender, scenario, key)
            cpu_us, stats = uvloop.run(_both(site, contender, scenario, key, count))
            console.print(
                f"\n{contender.name}, {scenario.name}: {cpu_us:,.1f} µs CPU a request without the HTTP server"
            )
            by_function = functions(stats, count)
            whole = sum(hot.own_us for hot in by_function)
            console.print(_table("by area, under the profiler", areas(by_function), whole))
            console.print(_table("by function, own time first", by_function[:_TOP], whole))


async def _both(
    site: Site, contender: Contender, scenario: Scenario, key: str, count: int
) -> tuple[float, pstats.Stats]:
    body = request_body(contender.dialect, scenario)
    scope = scope_of(contender, key, len(body))
    async with running_app(load(site.configs[contender.server], {}), None) as app:
        batches = [await _batch(app, scope, body, max(_CONCURRENT, count // _BATCHES)) for _ in range(_BATCHES)]
        profiler = cProfile.Profile()
        profiler.enable()
        await _batch(app, scope, body, count)
        profiler.disable()
    # Noise only adds: the lowest batch is the nearest to the truth.
    return min(batches), pstats.Stats(profiler)


async def _batch(app: _App, scope: _Message, body: bytes, count: int) -> float:
    """CPU microseconds of a request; several are under way at a time, as in a busy server."""
    start = time.process_time_ns()
    shares = [count // _CONCURRENT + (at < count % _CONCURRENT) for at in range(_CONCURRENT)]
    await asyncio.gather(*(ask(app, scope, body, share) for share in shares))
    return (time.process_time_ns() - start) / 1000 / count


async def ask(app: _App, scope: _Message, body: bytes, count: int) -> None:
    """Send the request so many times, one after the other.

    Raises:
        CannotMeasure: it was refused.
    """
    statuses: set[int] = set()

    async def receive() -> _Message:
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: _Message) -> None:
        if message["type"] == "http.response.start":
            statuses.add(message["status"])

    for _ in range(count):
        await app(dict(scope), receive, send)
        if statuses != {200}:
            raise CannotMeasure(f"the gateway answered {max(statuses, default=0)} to {scope['path']}")


def functions(stats: pstats.Stats, count: int) -> list[Hot]:
    """Every function, the one with most time of its own first."""
    entries: dict[tuple[str, int, str], tuple[int, int, float, float, object]] = getattr(stats, "stats")  # noqa: B009
    found = [
        Hot(
            name=f"{_short(file)}:{line} {name}" if line else name,
            calls=calls / count,
            own_us=own * 1e6 / count,
            total_us=total * 1e6 / count,
        )
        for (file, line, name), (_, calls, own, total, _) in entries.items()
    ]
    return sorted(found, key=lambda hot: hot.own_us, reverse=True)


def areas(hots: Sequence[Hot]) -> list[Hot]:
    """Own time summed by folder or library; built-in functions are an area of their own."""
    sums: dict[str, tuple[float, float]] = {}
    for hot in hots:
        area = _area(hot.name)
        calls, own = sums.get(area, (0.0, 0.0))
        sums[area] = (calls + hot.calls, own + hot.own_us)
    found = [Hot(name=area, calls=calls, own_us=own, total_us=own) for area, (calls, own) in sums.items()]
    return sorted(found, key=lambda hot: hot.own_us, reverse=True)


def _area(name: str) -> str:
    if ".py:" not in name:
        return "built-in functions"
    path = Path(name.partition(".py:")[0])
    return "/".join(path.parts[:2]) if path.parts[0] in ("gateway", "adapters") else path.parts[0]


def _short(file: str) -> str:
    path = Path(file)
    if path.is_relative_to(ROOT) and "site-packages" not in path.parts:
        return str(path.relative_to(ROOT))
    parts = path.parts
    at = max((i for i, part in enumerate(parts) if part in ("site-packages", "python3.11")), default=len(parts) - 2)
    return "/".join(parts[at + 1 :])


def _table(title: str, rows: Sequence[Hot], whole: float) -> Table:
    table = Table(title=title, title_justify="left")
    table.add_column("where", overflow="fold")
    for name in ("calls a request", "own µs", "share", "with what it calls µs"):
        table.add_column(name, justify="right")
    for row in rows:
        table.add_row(
            row.name, f"{row.calls:,.1f}", f"{row.own_us:,.2f}", f"{row.own_us / whole:.1%}", f"{row.total_us:,.2f}"
        )
    return table


def _tell_stages(console: Console, site: Site, contender: Contender, scenario: Scenario, key: str) -> None:
    scope = scope_of(contender, key, scenario.body_bytes)
    if scenario.chunks:
        micros = uvloop.run(token_time(site, contender, scenario, scope))
        console.print(f"{contender.name}: {micros:.1f} µs a streamed token, without I/O")
        return
    table = Table(title=f"{contender.name}: stages without I/O", title_justify="left")
    table.add_column("stage")
    table.add_column("µs", justify="right")
    for name, micros in stages(site, contender, scenario, scope).items():
        table.add_row(name, f"{micros:.1f}")
    console.print(table)
