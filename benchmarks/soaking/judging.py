"""Is the soaked gateway sound?

Pure. What was sampled and matched is held against limits that are stated here; everything that is over them is a reason
for the soak to fail, in words.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from benchmarks.figures import percentile
from benchmarks.soaking.matching import Matched
from benchmarks.soaking.reading import Got
from benchmarks.soaking.running import Verified
from benchmarks.soaking.sampling import Sample
from benchmarks.soaking.trend import Trend, trend

# What a process's own memory, and its descriptors, may surely grow by in an hour. Growth that is not certain is none.
MEMORY_LIMIT: Final = 16 * 2**20
DESCRIPTORS_LIMIT: Final = 12.0
# Less than this says nothing of an hour: in the first minutes caches fill.
SHORTEST_S: Final = 120.0
# Descriptors at rest, after the load, may be so many more than before it: files that are opened when first needed.
_AT_REST: Final = 4
_MINUTE_S: Final = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Growth:
    """How a process's own memory (bytes), descriptors and threads grew, in so many seconds of samples."""

    seconds: float
    memory: Trend | None
    descriptors: Trend | None
    threads: Trend | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Minute:
    """One minute: requests, and milliseconds of those that had no fault, whole answers and first bytes of streams."""

    number: int
    requests: int
    whole_p50: float | None
    whole_p99: float | None
    first_p50: float | None
    first_p99: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Rest:
    """How it was before the load and after it, with nothing to do; ``in_flight`` afterwards."""

    before: Sample
    after: Sample
    in_flight: float


def growth_of(samples: Sequence[Sample], warmup_s: float) -> Mapping[str, Growth]:
    """The growth of each process that was there from the end of the warm-up on."""
    counted = [sample for sample in samples if sample.at_s >= warmup_s]
    names = list(counted[0].processes) if counted else list[str]()
    return {name: _growth([one for one in counted if name in one.processes], name) for name in names}


def _growth(samples: Sequence[Sample], name: str) -> Growth:
    at = [sample.at_s for sample in samples]
    held = [sample.processes[name] for sample in samples]
    return Growth(
        seconds=at[-1] - at[0],
        memory=trend(at, [one.own for one in held]),
        descriptors=trend(at, [one.descriptors for one in held]),
        threads=trend(at, [one.threads for one in held]),
    )


def minutes_of(got: Sequence[Got]) -> Sequence[Minute]:
    """What clients without a fault waited for, minute by minute."""
    by_minute: dict[int, list[Got]] = {}
    for one in got:
        by_minute.setdefault(int(one.at_s // _MINUTE_S), []).append(one)
    return [_minute(number, by_minute[number]) for number in sorted(by_minute)]


def _minute(number: int, got: Sequence[Got]) -> Minute:
    served = [one for one in got if one.ask.kind == "served"]
    whole = sorted(round(one.took_ms * 1000) for one in served if not one.ask.stream)
    first = sorted(round(one.first_ms * 1000) for one in served if one.ask.stream and one.first_ms is not None)
    return Minute(
        number=number,
        requests=len(got),
        whole_p50=_ms(whole, 0.5),
        whole_p99=_ms(whole, 0.99),
        first_p50=_ms(first, 0.5),
        first_p99=_ms(first, 0.99),
    )


def _ms(micros: Sequence[int], share: float) -> float | None:
    return percentile(micros, share) / 1000 if micros else None


def kept_open(before: Sample, after: Sample) -> list[tuple[str, int]]:
    """Which processes hold more descriptors at rest than before, beyond what may be, and how many more."""
    both = before.processes.keys() & after.processes.keys()
    grown = [(name, after.processes[name].descriptors - before.processes[name].descriptors) for name in sorted(both)]
    return [(name, more) for name, more in grown if more > _AT_REST]


def reasons(growth: Mapping[str, Growth], rest: Rest, matched: Matched, verified: Verified) -> list[str]:
    """Why the soak has failed; nothing if it has not."""
    found: list[str] = []
    for name, grown in growth.items():
        long = grown.seconds >= SHORTEST_S
        if long and grown.memory is not None and grown.memory.low > MEMORY_LIMIT:
            found.append(f"{name}: its memory grows by at least {grown.memory.low / 2**20:.1f} MiB an hour")
        if long and grown.descriptors is not None and grown.descriptors.low > DESCRIPTORS_LIMIT:
            found.append(f"{name}: it gains at least {grown.descriptors.low:.0f} descriptors an hour")
        if name not in rest.before.processes or name not in rest.after.processes:
            found.append(f"{name}: it was not there from beginning to end")
    found += [
        f"{name}: {more} descriptors more at rest than before" for name, more in kept_open(rest.before, rest.after)
    ]
    if rest.in_flight:
        found.append(f"{rest.in_flight:.0f} requests are under way still, by its metrics, though nobody asks")
    found += [f"{number} {problem}" for problem, number in matched.problems.items()]
    if not verified.sound:
        found.append("the journal does not verify")
    return found
