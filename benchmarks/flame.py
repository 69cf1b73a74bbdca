"""Where does a worker under load spend its time?

py-spy looks into a running worker some hundred times a second, from outside and so without making small functions look
dearer than they are, for the thread that has the interpreter: that is what is scarce. What it saw is drawn as a flame
graph and summed by area; pyinstrument shows one request's way as a tree. Neither is a measurement: which areas are wide
says where to look, the benchmark says what became of it.
"""

import argparse
import re
import secrets
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Final

import uvloop
from pyinstrument import Profiler
from rich.console import Console
from rich.table import Table

from benchmarks.canned import at_once
from benchmarks.contenders import CONTENDERS, GATEWAYS, SERVERS, UPSTREAM, Contender, Site
from benchmarks.inside import inside, scope_of, through
from benchmarks.load import Load, drive
from benchmarks.payloads import request_bytes
from benchmarks.processes import CannotMeasure, Process, choose_cores, on_core, use_of
from benchmarks.scenarios import SCENARIOS, Scenario
from benchmarks.site import site_in, write_config

_RATE: Final = 500
_TREE_S: Final = 5.0
# Frames of the event loop's thread; what other threads do is summed up by itself.
_LOOP: Final = "asyncio/runners.py"
_FRAME: Final = re.compile(r"^(?P<name>.*) \((?P<file>[^()]*)\)$")


def areas(stacks: Iterable[str]) -> Mapping[str, int]:
    """How many samples fell into each area, own time alone, of stacks as ``py-spy record --format raw`` writes them.

    An area is a folder of the gateway's or a library; ``(other threads)`` is what went on beside the event loop.
    """
    found = Counter[str]()
    for line in stacks:
        stack, _, count = line.rstrip().rpartition(" ")
        if not count.isdigit():
            continue
        frames = stack.split(";")
        on_loop = any(_LOOP in frame for frame in frames)
        found[_area(frames[-1]) if on_loop else "(other threads)"] += int(count)
    return dict(found.most_common())


def _area(frame: str) -> str:
    match = _FRAME.match(frame)
    file = re.sub(r":\d+$", "", match["file"]) if match else ""
    if file.startswith("<") or not file:
        return "(made when the program starts)"
    if _LOOP in file:
        return "(event loop and kernel)"
    parts = file.split("/")
    return "/".join(parts[:2]) if parts[0] in ("gateway", "adapters", "policies") and len(parts) > 1 else parts[0]


def main() -> int:
    """Look into a worker; 1 says that it could not be."""
    parser = argparse.ArgumentParser(description="Where a worker under load spends its time.")
    parser.add_argument("--contender", default="gateway chat", help="which gateway, by its name in contenders.py")
    parser.add_argument("--scenario", default="whole c=32", help="which load, by its name in scenarios.py")
    parser.add_argument("--seconds", type=int, default=20)
    parser.add_argument("--svg", type=Path, help="where the flame graph is to be drawn")
    parser.add_argument("--tree", action="store_true", help="show the way of one request as a tree instead")
    given = parser.parse_args()
    console = Console(width=None if sys.stdout.isatty() else 180)
    try:
        # Below a supervisor there is another process to look into, and others' programs are not Python or not ours.
        ours = {server.name for server in SERVERS if server.name in GATEWAYS and not server.listens}
        contender = next(one for one in CONTENDERS if one.name == given.contender and one.server in ours)
        scenario = next(one for one in SCENARIOS if one.name == given.scenario)
    except StopIteration:
        parser.error("no such scenario, or no gateway of that name that is a worker alone: bench.py --list")
    try:
        with tempfile.TemporaryDirectory(prefix="splitgate-flame-") as folder:
            if given.tree:
                _show_tree(console, Path(folder), contender, scenario)
            else:
                _show_areas(console, _recorded(Path(folder), contender, scenario, given.seconds, given.svg))
    except CannotMeasure as exc:
        console.print(f"cannot measure: {exc}", markup=False, highlight=False)
        return 1
    return 0


def _recorded(
    folder: Path, contender: Contender, scenario: Scenario, seconds: int, svg: Path | None
) -> Mapping[str, int]:
    """The areas of a worker that is under load for so many seconds, and once more for a flame graph."""
    key, cores = secrets.token_urlsafe(32), choose_cores()
    server = next(one for one in SERVERS if one.name == contender.server)
    with ExitStack() as stack:
        upstream = stack.enter_context(Process(UPSTREAM, [sys.executable, "-m", "benchmarks.upstream"], cores.load))
        site = site_in(folder, upstream.port)
        write_config(site, key, [scenario])
        worker = stack.enter_context(Process(server.name, server.command(site), cores.server))
        load = Load(
            port=worker.port,
            requests=(request_bytes(contender, scenario, key),),
            connections=scenario.connections,
            tokens=scenario.chunks or 1,
            warmup=1.0,
            seconds=seconds + 2.0,
            max_answers=10**9,
        )
        raw = folder / "stacks.txt"
        for kind, target in (("raw", raw), ("flamegraph", svg)):
            if target is not None:
                _under_load(worker, load, _spy(worker.pid, kind, target, seconds))
        return areas(raw.read_text().splitlines())


def _under_load(worker: Process, load: Load, spy: list[str]) -> None:
    with on_core(choose_cores().load):
        looking = subprocess.Popen(spy)  # noqa: S603
        try:
            uvloop.run(drive(load, partial(use_of, worker.pid)))
            if looking.wait(30):
                raise CannotMeasure("py-spy could not look into the worker: it may need the right to trace processes")
        finally:
            looking.kill()
            looking.wait()


def _spy(pid: int, kind: str, target: Path, seconds: int) -> list[str]:
    command = str(Path(sys.executable).with_name("py-spy"))
    options = ["--gil", "--format", kind, "--rate", str(_RATE), "--duration", str(seconds), "--output", str(target)]
    return [command, "record", "--pid", str(pid), *options]


def _show_areas(console: Console, found: Mapping[str, int]) -> None:
    whole = sum(found.values())
    table = Table(title="own time by area")
    table.add_column("area")
    table.add_column("share", justify="right")
    for area, count in found.items():
        table.add_row(area, f"{count / whole:.1%}")
    console.print(table)


def _show_tree(console: Console, folder: Path, contender: Contender, scenario: Scenario) -> None:
    """One request's way without server and network, many times over."""
    key = secrets.token_urlsafe(32)
    site: Site = site_in(folder, 1)
    write_config(site, key, [scenario])
    gateway = inside(site, contender, scenario)
    scope = scope_of(contender, key, len(gateway.body))
    profiler = Profiler(interval=0.0005)
    profiler.start()
    end = time.monotonic() + _TREE_S
    while time.monotonic() < end:
        at_once(through(gateway, scope))
    profiler.stop()
    console.print(profiler.output_text(unicode=True), markup=False, highlight=False)


if __name__ == "__main__":
    sys.exit(main())
