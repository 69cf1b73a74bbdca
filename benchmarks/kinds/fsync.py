"""How much of what the journal adds is the disk?

The time of one request after the other, straight to the upstream, through a gateway without its journal, and through
one with it; and in between what the disk takes to make 2 KB durable, appended to a file as the journal appends to its
own, in the same folder. A request waits for one such append at least.
"""

import os
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

from benchmarks.figures import Spread, figures_of, percentile, told, verdict
from benchmarks.kinds.setting import CHAT, Figures, Rounds, Setting, in_turns, joined, over, used_by
from benchmarks.processes import Use, on_core
from benchmarks.rounds import load_of
from benchmarks.scenarios import Scenario

APPENDED: Final = 2048
AIM_MS: Final = 0.5
AIM_JOURNAL_MS: Final = 1.0
_APPENDS: Final = 200
_DIRECT: Final = "direct"
_WITHOUT: Final = "without journal"
_WITH: Final = "with journal"
_DISK: Final = "disk"
_ONE: Final = Scenario(name="fsync", connections=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fsync:
    """Milliseconds that a request takes longer, and that the disk takes for an append; all of them medians of a round.

    ``journal`` is the second of the first two less the first, ``rest`` what of it the disk is not.
    """

    added_without: Spread
    added_with: Spread
    journal: Spread
    append: Spread
    append_p99: Spread
    rest: Spread
    filesystem: str
    rounds: Rounds

    @property
    def lines(self) -> Sequence[str]:
        """The figures for people."""
        without, journalled = self.added_without, self.added_with
        disk = f"p50 {told(self.append, 3)} ms, p99 {told(self.append_p99, 3)} ms on {self.filesystem or 'its disk'}"
        alone = f"{APPENDED} bytes appended and synced by themselves: {disk}"
        return [
            f"added at c=1 without journal: p50 {told(without, 3)} ms; {_aim(without, AIM_MS)}",
            f"added at c=1 with journal: p50 {told(journalled, 3)} ms; {_aim(journalled, AIM_JOURNAL_MS)}",
            f"the journal's share: {told(self.journal, 3)} ms; {alone}; what is left: {told(self.rest, 3)} ms",
        ]


def _aim(added: Spread, aim: float) -> str:
    return f"aim: at most {aim} ms, {verdict(added, aim)}"


def fsync_of(rounds: Rounds, filesystem: str) -> Fsync:
    """What the rounds come to."""
    p50 = joined(rounds, "latency_p50")
    return Fsync(
        added_without=over(p50, lambda one: one[_WITHOUT] - one[_DIRECT]),
        added_with=over(p50, lambda one: one[_WITH] - one[_DIRECT]),
        journal=over(p50, lambda one: one[_WITH] - one[_WITHOUT]),
        append=over(p50, lambda one: one[_DISK]),
        append_p99=over(rounds[_DISK], lambda one: one["latency_p99"]),
        rest=over(p50, lambda one: one[_WITH] - one[_WITHOUT] - one[_DISK]),
        filesystem=filesystem,
        rounds=rounds,
    )


def appends(path: Path, count: int) -> list[int]:
    """Append so many times, durably: nanoseconds of each."""
    data = b"." * APPENDED
    taken: list[int] = []
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_DSYNC, 0o600)
    try:
        for _ in range(count):
            began = time.perf_counter_ns()
            os.write(descriptor, data)
            taken.append(time.perf_counter_ns() - began)
    finally:
        os.close(descriptor)
    return taken


def filesystem_of(path: Path, mounts: str) -> str:
    """Which kind of file system holds ``path``, by what :func:`mounted` says; empty if it does not say."""
    held = [(Path(where), kind) for _, where, kind, *_ in (line.split() for line in mounts.splitlines())]
    over_it = [(len(where.parts), kind) for where, kind in held if path.is_relative_to(where)]
    return max(over_it, default=(0, ""))[1]


def take(setting: Setting) -> Fsync:
    """Start both gateways, and let them, the upstream and the disk take turns."""
    with ExitStack() as running:
        audited = setting.config("journalled")
        servers = {
            _WITHOUT: setting.worker(setting.config("unjournalled", audit={"enabled": False})),
            _WITH: setting.worker(audited),
        }
        takers: dict[str, Callable[[], Figures]] = {
            _DIRECT: partial(_turn, setting, setting.site.upstream_port, lambda: Use(cpu_ns=0, preempted=0))
        }
        for name, server in servers.items():
            running.enter_context(server)
            takers[name] = partial(_turn, setting, server.port, used_by(server))
        takers[_DISK] = partial(_append, setting, audited.parent / "probe")
        rounds = in_turns(setting.rounds, takers)
    return fsync_of(rounds, filesystem_of(audited.parent.resolve(), mounted()))


def _turn(setting: Setting, port: int, use: Callable[[], Use]) -> Figures:
    (measured,) = setting.drive(load_of(setting.plan, _ONE, CHAT, port), of=use)
    return figures_of(measured, streams=False)


def _append(setting: Setting, path: Path) -> Figures:
    with on_core(setting.cores.server):
        taken = sorted(appends(path, 20 if setting.quick else _APPENDS))
    return {"latency_p50": percentile(taken, 0.5) / 1e6, "latency_p99": percentile(taken, 0.99) / 1e6}


def mounted() -> str:
    """The system's mounts; empty where it tells none."""
    with suppress(OSError):
        return Path("/proc/mounts").read_text()
    return ""
