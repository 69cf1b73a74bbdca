"""How fast is the gateway beside a bare pass-through, on this machine, now?

``make bench``, or ``python benchmarks/bench.py --help``. Contenders take turns in short windows, several rounds of
them, so that a slow minute of the machine hits them all; then comes what is no turn of a contender, one measurement
after the other.
README.md says what is measured and how to read it.
"""

import argparse
import json
import platform
import secrets
import signal
import sys
import tempfile
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Final, get_args

from rich.console import Console

from benchmarks.contenders import CONTENDERS, UNAUDITED, UPSTREAM, Site
from benchmarks.figures import Row
from benchmarks.journaling import JOURNAL_AIM_US, RECORDS, verified
from benchmarks.kinds.fsync import filesystem_of, mounted
from benchmarks.kinds.registry import KINDS, Kind
from benchmarks.kinds.setting import Setting
from benchmarks.payloads import Writing
from benchmarks.plan import Plan
from benchmarks.policing import AIM_US, QUICK, Effort, costs, price
from benchmarks.processes import ROOT, CannotMeasure, Cores, Process, Running, allow_descriptors, choose_cores, on_core
from benchmarks.profiling import profile
from benchmarks.publishing.publish import PAGES, publish
from benchmarks.record import Recorder
from benchmarks.rounds import measure
from benchmarks.scenarios import SCENARIOS, of_sizes, parse_size
from benchmarks.site import site_in, write_config
from benchmarks.starting import crowded, field_of, servers_of, started
from benchmarks.surroundings import load_average
from benchmarks.tables import costs_table, prices, prices_inside, table_of, verdicts

# Requests a second on one core, without policies.
AIM: Final = 5_000.0
# With fewer a range is no range.
ROUNDS: Final = 5


def main() -> int:
    """Measure, print the tables and keep the raw figures; 1 says that something could not be measured."""
    given = arguments()
    # So that whoever ends a run ends what it started, too.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    # A table cut to the width of a log file is of no use to anybody.
    console = Console(width=None if sys.stdout.isatty() else 180)
    allow_descriptors()
    cores = choose_cores()
    console.print(f"Python {platform.python_version()}, {cores}; load average {load_average()}", highlight=False)
    try:
        with tempfile.TemporaryDirectory(prefix="splitgate-bench-") as folder:
            return _run(given, console, cores, Path(folder))
    except CannotMeasure as exc:
        console.print(f"cannot measure: {exc}", markup=False, highlight=False)
        return 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Bench:
    """What every measurement of a run needs."""

    given: argparse.Namespace
    console: Console
    folder: Path
    cores: Cores
    plan: Plan
    upstream: Process
    site: Site
    recorder: Recorder

    def say(self, *lines: str) -> None:
        """Print the first line, and the others below it."""
        self.console.print(*lines, sep="\n  ", markup=False, highlight=False)


def _run(given: argparse.Namespace, console: Console, cores: Cores, folder: Path) -> int:
    if given.rounds < ROUNDS:
        console.print(f"fewer than {ROUNDS} rounds: no figure has a range, and no verdict below means anything")
    if (disk := filesystem_of(folder.resolve(), mounted())) in ("tmpfs", "ramfs"):
        # There a durable write costs nothing, which no disk can keep up with.
        why = f"journals would be in memory ({disk}): have TMPDIR name a folder on a disk"
        if given.publish:
            raise CannotMeasure(why)
        console.print(why)
    field = field_of(given.contenders)
    for name, why in field.left_out.items():
        console.print(f"{name} takes no part: {why}", highlight=False)
    plan = Plan(
        scenarios=given.scenarios,
        contenders=field.contenders,
        rounds=given.rounds,
        seconds=given.seconds,
        warmup=given.warmup,
        key=secrets.token_urlsafe(32),
        language=given.language,
    )
    recorder = Recorder(plan, cores, field)
    with Process(UPSTREAM, [sys.executable, "-m", "benchmarks.upstream"], cores.load) as upstream:
        site = site_in(folder, upstream.port)
        # All of them, whichever are measured: kinds ask for models too, and nobody is to start with fewer.
        write_config(site, plan.key, SCENARIOS)
        if given.profile:
            with on_core(cores.server):
                profile(console, site, plan, given.profile_requests)
            return 0
        bench = Bench(
            given=given, console=console, folder=folder, cores=cores, plan=plan, upstream=upstream, site=site,
            recorder=recorder,
        )  # fmt: skip
        try:
            for name, measured in MEASUREMENTS.items():
                if name in given.measurements:
                    measured(bench)
        finally:
            # What was measured before a failure was measured all the same.
            console.print(f"raw figures: {recorder.save().relative_to(ROOT)}", highlight=False)
    if given.publish:
        publish(recorder.whole())
        console.print(f"page: {PAGES.relative_to(ROOT)}", highlight=False)
    return 0


def _turns(bench: Bench) -> None:
    """The contenders, each in turn, in every scenario."""
    plan = bench.plan
    with ExitStack() as running:
        servers: dict[str, Running] = {UPSTREAM: bench.upstream}
        for server in servers_of(plan.contenders):
            if crowded(server, bench.cores):
                bench.say(f"{server.name} has more workers than cores: judge it by CPU time alone")
            servers[server.name] = running.enter_context(started(server, bench.site, bench.cores))
        with on_core(bench.cores.load):
            rows = measure(plan, servers, bench.recorder, bench.console)
    _tell(bench.console, plan, rows)


def _kind(kind: Kind, bench: Bench) -> None:
    """A measurement that is no turn of a contender; one that cannot be taken here says so, and the run goes on."""
    quick: bool = bench.given.quick
    setting = Setting(folder=bench.folder, site=bench.site, plan=bench.plan, cores=bench.cores, quick=quick)
    try:
        told = kind.take(setting)
    except CannotMeasure as exc:
        bench.recorder.skip(kind.name, "", str(exc))
        bench.say(f"{kind.title}: cannot be measured: {exc}")
    else:
        bench.recorder.add_kind(kind.name, told)
        bench.say(kind.title, *told.lines)


def _journal(bench: Bench) -> None:
    """How fast a journal is verified."""
    with on_core(bench.cores.server):
        told = verified(bench.folder / "journal", 20_000 if bench.given.quick else RECORDS)
    bench.recorder.add_journal(told)
    bench.say(told.line)


def _policies(bench: Bench) -> None:
    """What policies and detectors cost by themselves."""
    effort = QUICK if bench.given.quick else Effort()
    with on_core(bench.cores.server):
        priced = price(bench.site, bench.plan.key, effort)
        bench.recorder.add_price(priced)
        for line in prices_inside(priced, aim_us=AIM_US):
            bench.say(line)
        # A figure rests on fewer calls here: there are many of them.
        each = Effort(seconds=effort.seconds / 5)
        for writing in get_args(Writing):
            found = costs(writing, each)
            bench.recorder.add_costs(writing, found)
            bench.console.print(costs_table(f"{writing} text: µs (ns a character)", found))


# In this order.
MEASUREMENTS: Final[Mapping[str, Callable[[Bench], None]]] = {
    "turns": _turns,
    **{kind.name: partial(_kind, kind) for kind in KINDS},
    "journal": _journal,
    "policies": _policies,
}


def _tell(console: Console, plan: Plan, rows: Mapping[tuple[str, str], Row]) -> None:
    floor = plan.contenders[0].name
    whole = [scenario for scenario in plan.scenarios if not scenario.chunks]
    streams = [scenario for scenario in plan.scenarios if scenario.chunks]
    for title, scenarios in (("Whole answers", whole), ("Streams", streams)):
        if scenarios:
            console.print(table_of(title, scenarios, rows, floor))
    for line in verdicts(rows, scenario="whole c=32", against="bare", aims={"gateway off": AIM}):
        console.print(line, highlight=False)
    for against, aim in (("gateway off", AIM_US), (UNAUDITED, JOURNAL_AIM_US)):
        for line in prices(rows, whole, of="gateway chat", against=against, aim_us=aim):
            console.print(line, highlight=False)


def arguments(words: Sequence[str] | None = None) -> argparse.Namespace:
    """What is asked for, with what follows from it."""
    parser = argparse.ArgumentParser(description="The gateway beside a bare pass-through, in the same run.")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="how often each contender has its turn")
    parser.add_argument("--seconds", type=float, default=1.0, help="length of one turn, after its warm-up")
    parser.add_argument("--warmup", type=float, default=0.25, help="seconds of load before a turn counts")
    parser.add_argument("--quick", action="store_true", help="one short round: shows that it works, measures nothing")
    parser.add_argument("--bodies", help="whole answers at c=32 for these sizes of body instead, such as 1k,10k,100k")
    parser.add_argument("--language", choices=("ascii", "unicode"), default="ascii", help="what the data is written in")
    parser.add_argument("--only", default="", metavar="TEXT", help="what has TEXT in its name")
    parser.add_argument("--contender", action="append", metavar="NAME", help="beside the first one; may be repeated")
    parser.add_argument("--policies", action="store_true", help="what policies and detectors cost, and nothing else")
    parser.add_argument("--journal", action="store_true", help="how fast a journal is verified, and nothing else")
    parser.add_argument("--profile", action="store_true", help="show where the gateway spends a request's time instead")
    parser.add_argument("--profile-requests", type=int, default=5_000, metavar="N")
    parser.add_argument("--publish", action="store_true", help="write docs/benchmarks anew from this run")
    parser.add_argument("--list", action="store_true", help="show what there is as JSON")
    given = parser.parse_args(words)
    try:
        scenarios = of_sizes([parse_size(size) for size in given.bodies.split(",")]) if given.bodies else SCENARIOS
    except ValueError as exc:
        parser.error(f"--bodies: {exc}")
    given.scenarios = [scenario for scenario in scenarios if given.only in scenario.name]
    given.contenders = [
        c for c in CONTENDERS if not given.contender or c in CONTENDERS[:1] or c.name in given.contender
    ]
    unknown = {*(given.contender or ())} - {c.name for c in CONTENDERS}
    if unknown:
        parser.error(f"--contender {', '.join(sorted(unknown))}: there is none; see --list")
    given.measurements = _chosen(given)
    if given.publish and (given.quick or given.rounds < ROUNDS or {*given.measurements} != {*MEASUREMENTS}):
        parser.error("--publish: for a whole run alone, of enough rounds; publishing/publish.py takes any run's file")
    if given.list:
        names = {
            "scenarios": [s.name for s in scenarios],
            "contenders": [c.name for c in CONTENDERS],
            "measurements": list(MEASUREMENTS),
        }
        sys.stdout.write(json.dumps(names, indent=2) + "\n")
        sys.exit(0)
    if not given.measurements:
        parser.error(f"--only {given.only}: no scenario and no measurement is called so; see --list")
    if given.quick:
        given.rounds, given.seconds, given.warmup = 1, 0.1, 0.02
        given.scenarios = [replace(one, connections=min(one.connections, 100)) for one in given.scenarios]
    return given


def _chosen(given: argparse.Namespace) -> Collection[str]:
    """The names of the measurements to take."""
    if given.policies or given.journal:
        return {name for name in ("journal", "policies") if getattr(given, name)}
    if given.contender or given.bodies:
        return {"turns"} if given.scenarios else ()
    named = {name for name in MEASUREMENTS if given.only in name}
    return named | {"turns"} if given.scenarios else named


if __name__ == "__main__":
    sys.exit(main())
