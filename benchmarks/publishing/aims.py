"""Which aims are met?

Each aim with what was measured for it. A range over the rounds that holds the aim says neither yes nor no.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks import figures
from benchmarks.figures import Spread, verdict
from benchmarks.publishing.reading import Line, Run, gateways_start, spread_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Aim:
    """What ``found`` is to be: at most ``bound``, or at least where ``more`` is better."""

    what: str
    unit: str
    found: Spread | None
    bound: float
    more: bool = False
    digits: int = 0
    note: str = ""

    @property
    def words(self) -> str:
        """The aim itself."""
        return f"{'at least' if self.more else 'at most'} {_number(self.bound)} {self.unit}".rstrip()

    @property
    def verdict(self) -> str:
        """``met``, ``missed by …``, or why neither can be said."""
        if self.found is None:
            return "not measured"
        match verdict(self.found, self.bound, more=self.more):
            case figures.MET:
                return "**met**"
            case figures.MISSED:
                return f"**missed** by {abs(self.found.median - self.bound):,.{self.digits}f} {self.unit}".rstrip()
            case still_open:
                return still_open


def _number(value: float) -> str:
    return f"{value:,.0f}" if value == int(value) else f"{value:,g}"


def aims_of(run: Run) -> Sequence[Aim]:
    """All aims, each with what this run measured."""
    whole = "whole c=32"
    everything = run.line(whole, "gateway everything", "gateway chat")
    bare = run.line(whole, "gateway bare", "gateway off")
    append = spread_of(run.kind("fsync", "append"))
    return (
        _rate(everything, "everything on", 2_500),
        _rate(bare, "no policies, no journal" if _is(bare, "gateway bare") else "no policies", 5_000),
        _beside(run, everything, "portkey", 3),
        _beside(run, everything, "litellm", 20),
        Aim(
            what="added p50 at c=1 without journal", unit="ms", bound=0.5, digits=3,
            found=spread_of(run.kind("fsync", "added_without")),
        ),
        Aim(
            what="added p50 at c=1 with journal", unit="ms", bound=1.0, digits=3,
            found=spread_of(run.kind("fsync", "added_with")),
            note=f"of which the disk's own append {append.median:,.3f} ms" if append is not None else "",
        ),
        *(_chunk(run, scenario) for scenario in ("burst c=32", "stream c=32")),
        Aim(what="start to ready", unit="s", bound=1.5, digits=2, found=gateways_start(run)),
        Aim(
            what="memory of a worker after load (PSS)", unit="MB", bound=120, found=_memory(run),
            note="without NER",
        ),
        _workers(run),
    )  # fmt: skip


def _is(line: Line | None, name: str) -> bool:
    return line is not None and line.contender == name


def _rate(line: Line | None, words: str, bound: float) -> Aim:
    cpu = None if line is None else line.spread("cpu_us")
    note = "" if line is None or cpu is None else f"{line.contender}; {1e6 / cpu.median:,.0f} by its CPU time alone"
    found = None if line is None else line.spread("rate")
    return Aim(what=f"c=32, 2 KB, {words}", unit="requests/s", bound=bound, more=True, found=found, note=note)


def _beside(run: Run, line: Line | None, other: str, bound: float) -> Aim:
    theirs = run.line("whole c=32", other)
    found = line.times("rate", theirs) if line is not None and theirs is not None else None
    what = f"the same with everything on, beside {other} with nothing configured"
    return Aim(what=what, unit="times its requests/s", bound=bound, more=True, digits=1, found=found)


def _chunk(run: Run, scenario: str) -> Aim:
    line = run.line(scenario, "gateway everything", "gateway chat")
    found = None if line is None else line.spread("cpu_us")
    note = "" if line is None else line.contender
    return Aim(what=f"CPU of a guarded chunk, {scenario}", unit="µs", bound=40, digits=1, found=found, note=note)


def _memory(run: Run) -> Spread | None:
    rows = run.kind("memory", "rows") or ()
    worked = [row for row in rows if row["after"] == "load" and row["process"].startswith("gateway.worker")]
    return spread_of(max((row["pss_mb"] for row in worked), default=None))


def _workers(run: Run) -> Aim:
    shared = bool(run.kind("workers", "shared"))
    found = spread_of(run.kind("workers", "by_cpu" if shared else "measured"))
    note = "by CPU time: load and upstream had the second worker's core" if shared else ""
    return Aim(
        what="two workers on two cores", unit="times one", bound=1.8, more=True, digits=2, found=found, note=note
    )
