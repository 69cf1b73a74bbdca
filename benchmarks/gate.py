"""Did a change make the gateway dearer? CI asks, and fails if so.

``make gate``, or ``python benchmarks/gate.py --help``. Two legs, neither of them a time: calls of functions that a
request makes, which are the same on every machine; and CPU time as a multiple of what the bare pass-through took in the
same round, since a machine that is slow or shared is so for both. README.md says what is gauged.
"""

import argparse
import cProfile
import secrets
import signal
import sys
import tempfile
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Final

import uvloop

from benchmarks.canned import CannedClient
from benchmarks.contenders import CONTENDERS, SERVERS, UPSTREAM, Contender, Site
from benchmarks.figures import Row, Spread, figures_of
from benchmarks.gating import MORE_ROUNDS, Baseline, decided, gauge, ratios, renewed
from benchmarks.inside import inside, scope_of, through
from benchmarks.load import drive
from benchmarks.payloads import request_body, stream_events
from benchmarks.plan import Plan, turns
from benchmarks.processes import ROOT, CannotMeasure, Cores, Process, choose_cores, on_core, use_of
from benchmarks.profiling import ask
from benchmarks.rounds import load_of
from benchmarks.scenarios import SCENARIOS, Scenario
from benchmarks.site import site_in, write_config
from benchmarks.surroundings import interpreter
from gateway.compose import running_app
from gateway.settings import load

BARE: Final = "bare"
BASELINE: Final = ROOT / "benchmarks" / "gate.json"
# Which contenders take their turn with the bare pass-through, by scenario.
GAUGED: Final = {"whole c=32": ("gateway off", "gateway chat"), "burst c=32": ("gateway chat",)}
COUNTED: Final = ("gateway off", "gateway chat", "gateway split")
# A turn is so many answers, whole or streamed, and not a time: a busy machine takes longer over it, and that is all.
_ANSWERS: Final = {0: 500, 100: 64}
_AT_LAST_S: Final = 20.0
_WARMUP: Final = 0.1
_REQUESTS: Final = 50


def main() -> int:
    """Measure and judge; 1 says that something became dearer, or could not be measured."""
    given = _arguments()
    # So that whoever ends the gate ends what it started, too.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        with tempfile.TemporaryDirectory(prefix="splitgate-gate-") as folder:
            return _run(given, Path(folder))
    except CannotMeasure as exc:
        print(f"cannot measure: {exc}")
        return 1


def _run(given: argparse.Namespace, folder: Path) -> int:
    old = Baseline.read(given.baseline.read_text(encoding="utf-8")) if given.baseline.exists() else None
    key, cores = secrets.token_urlsafe(32), choose_cores()
    with ExitStack() as stack:
        upstream = stack.enter_context(Process(UPSTREAM, [sys.executable, "-m", "benchmarks.upstream"], cores.load))
        site = site_in(folder, upstream.port)
        write_config(site, key, SCENARIOS)
        calls = counted(site, key)
        stand = _Stand(site=site, key=key, cores=cores, stack=stack)
        if given.write:
            found = stand.measured(MORE_ROUNDS)
            new = Baseline(interpreter=interpreter(), ratios=_rounded(found), calls=_rounded(calls))
            print(*renewed(old, new), sep="\n")
            given.baseline.write_text(new.text(), encoding="utf-8")
            return 0
        if old is None:
            raise CannotMeasure(f"there is no {given.baseline}; --write makes one")
        if old.interpreter != interpreter():
            print(f"committed for {old.interpreter}, this is {interpreter()}: its ratios may be others")
        return 0 if decided(calls, stand.measured, old, _say) else 1


def _say(line: str) -> None:
    # At once, between what the servers say of themselves.
    print(line, flush=True)


class _Stand:
    """The servers, started once, and the turns that they take."""

    def __init__(self, *, site: Site, key: str, cores: Cores, stack: ExitStack) -> None:
        self._key = key
        self._cores = cores
        wanted = {_contender(name).server for names in GAUGED.values() for name in (BARE, *names)}
        self._servers = {
            server.name: stack.enter_context(Process(server.name, server.command(site), cores.server))
            for server in SERVERS
            if server.name in wanted
        }

    def measured(self, rounds: int, only: Collection[str] | None = None) -> dict[str, Spread]:
        """How many times the bare pass-through's CPU time each contender takes, by gauge.

        Raises:
            CannotMeasure: an answer was wrong or missing.
        """
        rows: dict[tuple[str, str], Row] = {}
        for scenario, names in GAUGED.items():
            wanted = [name for name in names if only is None or gauge(name, scenario) in only]
            if wanted:
                rows |= self._rows(rounds, _scenario(scenario), [_contender(name) for name in (BARE, *wanted)])
        return ratios(rows, bare=BARE)

    def _rows(self, rounds: int, scenario: Scenario, contenders: Sequence[Contender]) -> dict[tuple[str, str], Row]:
        plan = Plan(
            scenarios=[scenario], contenders=contenders, rounds=rounds, seconds=_AT_LAST_S, warmup=_WARMUP,
            key=self._key, language="ascii",
        )  # fmt: skip
        rows = {(scenario.name, one.name): Row(scenario=scenario.name, contender=one.name) for one in contenders}
        with on_core(self._cores.load):
            for _, _, contender in turns(plan):
                rows[scenario.name, contender.name].rounds.append(self._turn(plan, scenario, contender))
        return rows

    def _turn(self, plan: Plan, scenario: Scenario, contender: Contender) -> Mapping[str, float]:
        server = self._servers[contender.server]
        turn = replace(load_of(plan, scenario, contender, server.port), max_answers=_ANSWERS[scenario.chunks])
        return figures_of(uvloop.run(drive(turn, partial(use_of, server.pid))), streams=scenario.chunks > 0)


def counted(site: Site, key: str) -> dict[str, Spread]:
    """How many functions a request calls in the event loop's thread, journal and metrics with it, but for the server.

    For a stream it is those of one of its chunks, with an upstream that answers from memory.
    """
    found: dict[str, float] = {}
    for contender in map(_contender, COUNTED):
        found[gauge(contender.name, "whole")] = uvloop.run(_calls(site, contender, key))
        few, many = (uvloop.run(_streamed(site, contender, key, chunks)) for chunks in (1, 101))
        found[gauge(contender.name, "a chunk")] = (many - few) / 100
    return {name: Spread(median=calls, low=calls, high=calls) for name, calls in found.items()}


async def _calls(site: Site, contender: Contender, key: str) -> float:
    body = request_body(contender.dialect, _scenario("whole c=32"))
    scope = scope_of(contender, key, len(body))
    async with running_app(load(site.configs[contender.server], {}), None) as app:
        return await _profiled(lambda: ask(app, scope, body, 1))


async def _streamed(site: Site, contender: Contender, key: str, chunks: int) -> float:
    opening, token, ending = stream_events()
    client = CannedClient("text/event-stream", (opening, *[token] * chunks, ending))
    gateway = inside(site, contender, _scenario("burst c=32"), client)
    scope = scope_of(contender, key, len(gateway.body))
    return await _profiled(lambda: through(gateway, scope))


async def _profiled(asking: Callable[[], Awaitable[None]]) -> float:
    # What is made once, at the first request, is nobody's regression.
    await asking()
    profiler = cProfile.Profile()
    with profiler:
        for _ in range(_REQUESTS):
            await asking()
    return sum(entry.callcount for entry in profiler.getstats()) / _REQUESTS


def _rounded(found: Mapping[str, Spread]) -> dict[str, float]:
    return {name: round(one.median, 2) for name, one in found.items()}


def _contender(name: str) -> Contender:
    return next(contender for contender in CONTENDERS if contender.name == name)


def _scenario(name: str) -> Scenario:
    return next(scenario for scenario in SCENARIOS if scenario.name == name)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Fails if the gateway became dearer than what is committed.")
    parser.add_argument("--write", action="store_true", help="commit to what is measured now; prints old and new")
    parser.add_argument("--baseline", type=Path, default=BASELINE, metavar="FILE", help="what is committed")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
