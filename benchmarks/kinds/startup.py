"""How long is it from exec to the first answer?

``splitgate serve`` to the first 200 of ``/readyz``, with its supervisor and one worker on one core, a cold cache aside;
what else is compared until its server says that it serves, or answers. Whoever is asked is so every few milliseconds.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final, TypeAlias

from benchmarks.contenders import GATEWAYS, SERVE, Server
from benchmarks.figures import Spread, spread, told, verdict
from benchmarks.kinds.serving import Serving
from benchmarks.kinds.setting import Setting
from benchmarks.plan import shifted
from benchmarks.starting import servers_of, started

STARTS: Final = 7
# LiteLLM imports for many seconds.
OTHERS: Final = 3
AIM_S: Final = 1.5

Starters: TypeAlias = Mapping[str, Callable[[], float]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """One server's starts, in seconds."""

    server: str
    seconds: Spread
    times: Sequence[float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Startup:
    """All of them; the aim is the gateway's."""

    starts: Sequence[Start]
    aim_s: float

    @property
    def lines(self) -> Sequence[str]:
        """The figures for people."""
        return [self._line(start) for start in self.starts]

    def _line(self, start: Start) -> str:
        line = f"{start.server}, start to ready: {told(start.seconds, 2)} s"
        if start.server != SERVE:
            return line
        return f"{line}; aim: under {self.aim_s:g} s, {verdict(start.seconds, self.aim_s)}"


def startup_of(times: Mapping[str, Sequence[float]]) -> Startup:
    """What the starts come to; what never started is left out."""
    found = [(server, spread(taken), taken) for server, taken in times.items()]
    starts = [Start(server=server, seconds=over, times=taken) for server, over, taken in found if over is not None]
    return Startup(starts=starts, aim_s=AIM_S)


def take(setting: Setting) -> Startup:
    """Start each so many times, in turns."""
    config = setting.config("startup", telemetry={"metrics": {"port": 0}})
    gateway: Starters = {SERVE: partial(_gateway, setting, config)}
    others: Starters = {
        server.name: partial(_server, setting, server)
        for server in servers_of(setting.plan.contenders)
        if server.name not in GATEWAYS
    }
    if setting.quick:
        return startup_of(_timed(1, gateway))
    return startup_of({**_timed(STARTS, gateway), **_timed(OTHERS, others)})


def _timed(starts: int, starters: Starters) -> Mapping[str, Sequence[float]]:
    times: dict[str, list[float]] = {name: [] for name in starters}
    for number in range(starts):
        for name in shifted(tuple(starters), number):
            times[name].append(starters[name]())
    return times


def _gateway(setting: Setting, config: Path) -> float:
    with Serving(config, 1, setting.cores.of_server(1)) as serving:
        return serving.started_s


def _server(setting: Setting, server: Server) -> float:
    began = time.perf_counter()
    with started(server, setting.site, setting.cores):
        return time.perf_counter() - began
