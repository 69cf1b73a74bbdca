"""Which numbers come of the samples?

Pure. A measurement is turned into figures alone, then figures of all rounds into a median with its spread: no sample
of one round is ever mixed with another's, because the machine was not the same then.
"""

from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Final

MET: Final = "met"
MISSED: Final = "MISSED"
OPEN: Final = "open, the range holds it"
# Upper bounds of the histogram's buckets, in microseconds.
BUCKETS_US: Final = tuple(step * 10**power for power in range(1, 7) for step in (1, 2, 5))


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """What one contender did in one window. Times are in nanoseconds; ``delays`` are from sent to seen, per token."""

    wall_ns: int
    cpu_ns: int
    preempted: int
    answers: int
    tokens: int
    latencies: Sequence[int] = ()
    first_tokens: Sequence[int] = ()
    delays: Sequence[int] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Spread:
    """A figure over all rounds."""

    median: float
    low: float
    high: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One contender in one scenario: a figure of each round, by name, under the same names everywhere."""

    scenario: str
    contender: str
    rounds: list[Mapping[str, float]] = field(default_factory=list[Mapping[str, float]])

    def spread(self, name: str) -> Spread | None:
        """Median and range of a figure; None where no round has it."""
        return spread([figures[name] for figures in self.rounds if name in figures])

    def added(self, name: str, floor: "Row") -> Spread | None:
        """The same for what this contender adds to ``floor``, round by round."""
        pairs = zip(self.rounds, floor.rounds, strict=True)
        return spread([mine[name] - theirs[name] for mine, theirs in pairs if name in mine and name in theirs])


def spread(values: Sequence[float]) -> Spread | None:
    """Median, lowest and highest."""
    return Spread(median=median(values), low=min(values), high=max(values)) if values else None


def told(spread: Spread, digits: int = 0) -> str:
    """A median with its range, where there is one."""
    if spread.low == spread.high:
        return f"{spread.median:,.{digits}f}"
    return f"{spread.median:,.{digits}f} ({spread.low:,.{digits}f} to {spread.high:,.{digits}f})"


def verdict(found: Spread, bound: float, *, more: bool = False) -> str:
    """Whether ``found`` is at most ``bound``, or at least where ``more`` is better; a range that holds it is open."""
    low, high = (found.low >= bound, found.high >= bound) if more else (found.low <= bound, found.high <= bound)
    if low and high:
        return MET
    return OPEN if low or high else MISSED


def percentile(ordered: Sequence[int], share: float) -> int:
    """The nearest-rank percentile of values in ascending order; ``share`` is between 0 and 1.

    Raises:
        ValueError: there is no value.
    """
    if not ordered:
        raise ValueError("a percentile needs at least one value")
    rank = -int(-share * len(ordered) // 1)
    return ordered[max(0, rank - 1)]


def histogram(values: Iterable[int]) -> dict[str, int]:
    """How many of the values (nanoseconds) are at most so many microseconds, and above the bound before."""
    counts = [0] * (len(BUCKETS_US) + 1)
    for value in values:
        counts[bisect_left(BUCKETS_US, value / 1000)] += 1
    names = [*(str(bound) for bound in BUCKETS_US), "more"]
    return {name: count for name, count in zip(names, counts, strict=True) if count}


def figures_of(measured: Measured, *, streams: bool) -> dict[str, float]:
    """The figures of one window: rates per second, CPU in microseconds, times in milliseconds."""
    seconds = measured.wall_ns / 1e9
    figures: dict[str, float] = {
        "answers": measured.answers,
        "rate": measured.answers / seconds,
        "cpu_share": measured.cpu_ns / measured.wall_ns,
        "preempted": measured.preempted,
    }
    unit = measured.tokens if streams else measured.answers
    if unit:
        figures["cpu_us"] = measured.cpu_ns / 1000 / unit
    if streams:
        figures["token_rate"] = measured.tokens / seconds
    return figures | _times("latency", measured.latencies) | _times("first", measured.first_tokens) | _times(
        "delay", measured.delays
    )  # fmt: skip


def _times(name: str, samples: Sequence[int]) -> dict[str, float]:
    if not samples:
        return {}
    ordered = sorted(samples)
    points = {"p50": 0.5, "p90": 0.9, "p99": 0.99, "max": 1.0}
    return {f"{name}_{point}": percentile(ordered, share) / 1e6 for point, share in points.items()}
