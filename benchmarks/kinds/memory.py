"""How much memory does a worker take, before and after work?

``splitgate serve`` with one worker and nothing optional, so without language models of its own: once it is ready, and
once it has answered. Of pages that several processes share PSS counts a share, and RSS the whole; what is its own is in
both. Linux alone tells it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from benchmarks.kinds.serving import Serving, used_by_all
from benchmarks.kinds.setting import CHAT, Setting
from benchmarks.processes import CannotMeasure
from benchmarks.rounds import load_of
from benchmarks.scenarios import Scenario
from benchmarks.soaking.sampling import Held, held_by

AIM_MB: Final = 120.0
_LOADS: Final = (
    Scenario(name="memory", connections=32),
    Scenario(name="memory", connections=32, body_bytes=100 * 1024),
    Scenario(name="memory", connections=32, chunks=100),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class MemoryRow:
    """What one process holds; in MB, of a million bytes."""

    process: str
    after: str
    rss_mb: float
    pss_mb: float
    own_mb: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Memory:
    """All of them; the aim is for the PSS of a worker that has worked."""

    rows: Sequence[MemoryRow]
    aim_mb: float

    @property
    def lines(self) -> Sequence[str]:
        """The figures for people."""
        return [self._line(row) for row in self.rows]

    def _line(self, row: MemoryRow) -> str:
        held = f"{row.pss_mb:,.0f} MB PSS, {row.rss_mb:,.0f} RSS, {row.own_mb:,.0f} its own"
        line = f"{row.process}, after {row.after}: {held}"
        if row.after != "load" or not row.process.startswith("gateway.worker"):
            return line
        return f"{line}; aim: under {self.aim_mb:,.0f} MB, {'met' if row.pss_mb < self.aim_mb else 'MISSED'}"


def memory_of(found: Mapping[str, Mapping[str, Held]]) -> Memory:
    """What was found: when, of which process."""
    rows = [
        MemoryRow(process=name, after=after, rss_mb=held.rss / 1e6, pss_mb=held.pss / 1e6, own_mb=held.own / 1e6)
        for after, all_held in found.items()
        for name, held in all_held.items()
    ]
    return Memory(rows=rows, aim_mb=AIM_MB)


def take(setting: Setting) -> Memory:
    """Start a gateway, look, give it work, look again."""
    config = setting.config("memory", telemetry={"metrics": {"port": 0}})
    with Serving(config, 1, setting.cores.of_server(1)) as serving:
        start = _held(serving)
        plan = replace(setting.plan, seconds=setting.plan.seconds * setting.rounds)
        for scenario in _LOADS:
            setting.drive(
                load_of(plan, scenario, CHAT, serving.port, setting.site.upstream_port), of=used_by_all(serving.workers)
            )
        return memory_of({"start": start, "load": _held(serving)})


def _held(serving: Serving) -> Mapping[str, Held]:
    held = {name: found for name, pid in serving.processes.items() if (found := held_by(pid)) is not None}
    if not held:
        raise CannotMeasure("this system does not tell what a process holds")
    return held
