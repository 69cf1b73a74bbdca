"""What does the soak tell, to people and to programs?"""

import platform
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from importlib.metadata import version

from benchmarks.soaking.judging import DESCRIPTORS_LIMIT, MEMORY_LIMIT, SHORTEST_S, Growth, Minute, Rest
from benchmarks.soaking.matching import Matched
from benchmarks.soaking.reading import Got
from benchmarks.soaking.running import Verified
from benchmarks.soaking.sampling import Sample
from benchmarks.soaking.trend import Trend

_MIB = 2**20


@dataclass(frozen=True, slots=True, kw_only=True)
class Course:
    """How the load was: seed, workers, what they could do and what was sent of it (requests a second), in minutes."""

    began: str
    seed: int
    workers: int
    capacity: float
    rate: float
    minutes: float
    warmup_s: float
    skipped: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Findings:
    """All that a soak found; ``reasons`` are why it failed, ``complaints`` errors of the gateway's log."""

    course: Course
    got: Sequence[Got]
    samples: Sequence[Sample]
    growth: Mapping[str, Growth]
    minutes: Sequence[Minute]
    rest: Rest
    matched: Matched
    verified: Verified
    complaints: Sequence[str]
    reasons: Sequence[str]


def as_json(found: Findings) -> dict[str, object]:
    """For programs: everything but the single requests."""
    told = asdict(replace(found, got=()))
    del told["got"]
    kinds = Counter(one.ask.kind for one in found.got)
    return {"about": _about(), "sound": not found.reasons, "kinds": dict(sorted(kinds.items())), **told}


def as_markdown(found: Findings) -> str:
    """For people."""
    course = found.course
    load = (
        f"{course.minutes:g} minutes at {course.rate:.0f} requests/s, half of the {course.capacity:.0f} that "
        f"{course.workers} worker(s) answered under full load at most; seed {course.seed}, {_about()}. "
        f"{course.skipped} requests were not sent, since too many were under way."
    )
    lines = [
        f"# Soak of {course.began}: {'FAILED' if found.reasons else 'sound'}",
        "",
        *[f"- **{reason}**" for reason in found.reasons],
        *([""] if found.reasons else []),
        load,
        "",
        *_processes(found),
        *_connections(found),
        *_requests(found),
        *_evidence(found),
        *_minutes(found.minutes),
    ]
    return "\n".join(lines) + "\n"


def _about() -> str:
    return f"Splitgate {version('splitgate')}, Python {platform.python_version()}, {platform.machine()}"


def _processes(found: Findings) -> list[str]:
    limits = (
        f"Growth an hour, with its 95% interval, after {found.course.warmup_s:.0f} s of warm-up; limits for the lower "
        f"end: {MEMORY_LIMIT / _MIB:.0f} MiB and {DESCRIPTORS_LIMIT:.0f} descriptors. Less than {SHORTEST_S:.0f} s of "
        "samples are shown and not judged."
    )
    lines = [
        "## What processes hold",
        limits,
        "",
        "| process | own memory, MiB an hour | own / RSS / PSS at the end | descriptors an hour | at rest | threads |",
        "|---|---|---|---|---|---|",
    ]
    for name, grown in found.growth.items():
        last = next((one.processes[name] for one in reversed(found.samples) if name in one.processes), None)
        before, after = found.rest.before.processes.get(name), found.rest.after.processes.get(name)
        if last is None or before is None or after is None:
            lines.append(f"| {name} | gone | | | | |")
            continue
        sizes = f"{last.own / _MIB:.1f} / {last.rss / _MIB:.1f} / {last.pss / _MIB:.1f}"
        memory, descriptors = _trend(grown.memory, _MIB), _trend(grown.descriptors, 1)
        rest = f"{before.descriptors} → {after.descriptors}"
        lines.append(f"| {name} | {memory} | {sizes} | {descriptors} | {rest} | {last.threads} |")
    return [*lines, ""]


def _trend(grown: Trend | None, unit: float) -> str:
    if grown is None:
        return "too few samples"
    return f"{grown.per_hour / unit:+.1f} ({grown.low / unit:+.1f} to {grown.high / unit:+.1f})"


def _connections(found: Findings) -> list[str]:
    most = Counter[str]()
    for sample in found.samples:
        most |= Counter(sample.connections)
    told = ", ".join(f"{number} {state}" for state, number in most.most_common()) or "none"
    left = ", ".join(f"{number} {state}" for state, number in found.rest.after.connections.items()) or "none"
    return [f"Connections, each end counted: at most {told}; at rest afterwards {left}.", ""]


def _requests(found: Findings) -> list[str]:
    sent, wrong = Counter[str](), Counter[str]()
    for one in found.got:
        sent[one.ask.kind] += 1
        wrong[one.ask.kind] += not one.as_told
    rows = [f"| {kind} | {sent[kind]:,} | {wrong[kind] or ''} |" for kind in sorted(sent)]
    return ["## What clients were told", "", "| requests | sent | not as stated |", "|---|---|---|", *rows, ""]


def _evidence(found: Findings) -> list[str]:
    matched = found.matched
    audited = "zero unaudited calls" if not matched.problems.get("UNAUDITED CALLS") else "UNAUDITED CALLS"
    counts = (
        f"{matched.requests:,} requests, {matched.outcomes:,} outcomes; {matched.calls:,} calls seen upstream, "
        f"{matched.intents:,} intents: {audited}."
    )
    lines = ["## Evidence", counts, ""]
    for problem, number in matched.problems.items():
        lines += [f"- {number} {problem}:", *[f"  - {example}" for example in matched.examples[problem]]]
    lines += ["", "```", *found.verified.words.splitlines()[-12:], "```", ""]
    if found.complaints:
        lines += ["Errors in the log:", "", "```", *found.complaints, "```", ""]
    return lines


def _minutes(minutes: Sequence[Minute]) -> list[str]:
    head = [
        "## Over time",
        "Milliseconds of requests without a fault: whole answers to their end, streams to their first byte.",
        "",
        "| minute | requests | whole p50 | whole p99 | first p50 | first p99 |",
        "|---|---|---|---|---|---|",
    ]
    cells = [
        [str(one.number), f"{one.requests:,}", *map(_ms, (one.whole_p50, one.whole_p99, one.first_p50, one.first_p99))]
        for one in minutes
    ]
    return [*head, *[f"| {' | '.join(row)} |" for row in cells]]


def _ms(value: float | None) -> str:
    return "" if value is None else f"{value:.1f}"
