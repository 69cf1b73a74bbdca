"""How far do two workers get on two cores?

``splitgate serve`` with one worker on one core, and with two on two. Load and upstream need a core as well: where there
are but two, they share the second worker's, so that the measured rate says less than there is. So it is told a second
way: two workers could answer twice as many requests as one, but for what a request costs them more, and as long as both
have the same to do. That is the CPU time of the workers alone; their supervisor's is no part of a request.
"""

from collections.abc import Callable, Collection, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from typing import Final

from benchmarks.figures import Spread, figures_of, told, verdict
from benchmarks.kinds.serving import Serving, used_by_all
from benchmarks.kinds.setting import CHAT, Figures, Rounds, Setting, in_turns, joined, over
from benchmarks.processes import CannotMeasure, use_of
from benchmarks.rounds import load_of
from benchmarks.scenarios import Scenario

AIM: Final = 1.8
_ONE: Final = "1"
_TWO: Final = "2"
_SCENARIO: Final = Scenario(name="workers", connections=64)


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkersRow:
    """So many workers; ``busiest`` is the busiest one's share of their CPU time."""

    workers: int
    rate: Spread
    cpu_us: Spread
    busiest: Spread


@dataclass(frozen=True, slots=True, kw_only=True)
class Scaling:
    """One against two. ``measured`` is the ratio of rates, ``by_cpu`` that of what their CPU time allows.

    ``shared`` says that load and upstream ran on a worker's core.
    """

    rows: Sequence[WorkersRow]
    measured: Spread
    by_cpu: Spread
    shared: bool
    aim: float
    rounds: Rounds

    @property
    def lines(self) -> Sequence[str]:
        """The figures for people."""
        rows = [f"workers {row.workers}: {told(row.rate)}/s, {told(row.cpu_us)} µs CPU a request" for row in self.rows]
        met = verdict(self.by_cpu if self.shared else self.measured, self.aim, more=True)
        whose = ", load and upstream on the second worker's core" if self.shared else ""
        scale = (
            f"two workers scale by {told(self.measured, 2)} as measured{whose}, by {told(self.by_cpu, 2)} by CPU time"
        )
        busier = f"the busier one with {self.rows[-1].busiest.median:.0%} of it"
        return [*rows, f"{scale}, {busier}; aim: at least {self.aim}, {met}"]


def scaling_of(rounds: Rounds, *, shared: bool) -> Scaling:
    """What the rounds come to."""
    rows = [
        WorkersRow(
            workers=int(workers),
            rate=over(rounds[workers], lambda figures: figures["rate"]),
            cpu_us=over(rounds[workers], lambda figures: figures["cpu_us"]),
            busiest=over(rounds[workers], lambda figures: figures["busiest"]),
        )
        for workers in (_ONE, _TWO)
    ]
    return Scaling(
        rows=rows,
        measured=over(joined(rounds, "rate"), lambda rate: rate[_TWO] / rate[_ONE]),
        by_cpu=over(joined(rounds, "cpu_us"), lambda cpu: 2 * cpu[_ONE] / cpu[_TWO]),
        shared=shared,
        aim=AIM,
        rounds=rounds,
    )


def take(setting: Setting) -> Scaling:
    """Start both, and let them take turns."""
    cores = setting.cores
    if cores.server == cores.load:
        raise CannotMeasure("two workers need two cores of which one can say which, and there is one at most")
    apart = cores.of_server(2)
    both = apart if len(apart) == 2 else frozenset(core for core in (cores.server, cores.load) if core is not None)
    with ExitStack() as running:
        takers: dict[str, Callable[[], Figures]] = {}
        for workers, where in ((_ONE, cores.of_server(1)), (_TWO, both)):
            config = setting.config(f"workers-{workers}", telemetry={"metrics": {"port": 0}})
            serving = running.enter_context(Serving(config, int(workers), where))
            takers[workers] = partial(_turn, setting, serving)
        return scaling_of(in_turns(setting.rounds, takers), shared=both != apart)


def _turn(setting: Setting, serving: Serving) -> Figures:
    pids = serving.workers
    before = _each(pids)
    load = load_of(setting.plan, _SCENARIO, CHAT, serving.port)
    (measured,) = setting.drive(load, of=used_by_all(pids))
    spent = [after - earlier for after, earlier in zip(_each(pids), before, strict=True)]
    return {**figures_of(measured, streams=False), "busiest": max(spent) / sum(spent)}


def _each(pids: Collection[int]) -> list[int]:
    return [use_of(pid).cpu_ns for pid in pids]
