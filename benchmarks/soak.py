"""Does the gateway stay as it is, for as long as one likes?

``make soak``, or ``python benchmarks/soak.py --help``. For a while (20 minutes) it gets half of what it can take, one
request in twenty of it with a fault; then its memory and descriptors, its journal, and what clients and upstream saw
are held against each other. Exit status 1 says that it is not sound, and why. Ctrl-C stops it and leaves nothing.
"""

import argparse
import asyncio
import json
import random
import secrets
import signal
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from benchmarks.processes import CannotMeasure, Process
from benchmarks.record import RESULTS
from benchmarks.soaking.client import Client
from benchmarks.soaking.judging import Rest, growth_of, kept_open, minutes_of, reasons
from benchmarks.soaking.matching import calls_in, match, tally
from benchmarks.soaking.mix import draw
from benchmarks.soaking.reading import Got
from benchmarks.soaking.running import Soaked, nowhere
from benchmarks.soaking.sampling import Sample, sample, sampling
from benchmarks.soaking.telling import Course, Findings, as_json, as_markdown

_SAMPLE_S: Final = 5.0
# So many requests at a time are what "all that it can take" means.
_FULL_LOAD: Final = 16
# How long until connections are gone that were kept for the next request, and how long to wait for that at most.
_REST_S: Final = 6.0
_PATIENCE_S: Final = 30.0


@dataclass(slots=True)
class Kept:
    """All that is written down meanwhile."""

    got: list[Got] = field(default_factory=list[Got])
    samples: list[Sample] = field(default_factory=list[Sample])


def main() -> int:
    """Soak, write the report and print it; 1 says that the gateway is not sound, 130 that somebody had enough."""
    given = _arguments()
    for number in (signal.SIGINT, signal.SIGTERM):
        # Also where a shell has them ignored.
        signal.signal(number, signal.default_int_handler)
    try:
        with tempfile.TemporaryDirectory(prefix="splitgate-soak-") as folder:
            found = _soak(given, Path(folder))
    except CannotMeasure as exc:
        print(f"cannot soak: {exc}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("stopped; nothing was left behind", file=sys.stderr)
        return 130
    told = as_markdown(found)
    given.report.parent.mkdir(parents=True, exist_ok=True)
    given.report.with_suffix(".md").write_text(told)
    given.report.with_suffix(".json").write_text(json.dumps(as_json(found), indent=1) + "\n")
    print(told)
    print(f"report: {given.report.with_suffix('.md')}, raw figures: {given.report.with_suffix('.json')}")
    return 1 if found.reasons else 0


def _soak(given: argparse.Namespace, folder: Path) -> Findings:
    seen = folder / "upstream-saw"
    command = [sys.executable, "-m", "benchmarks.soaking.upstream", "--log", str(seen)]
    key, kept = secrets.token_urlsafe(32), Kept()
    with nowhere() as dead, Process("upstream", command, core=None, apart=True) as upstream:
        site = (folder, key, upstream.port, dead.getsockname()[1], given.workers)
        with Soaked(*site) as gateway:
            ports = (gateway.port, upstream.port)
            course, rest = asyncio.run(_load(given, gateway, ports, key, kept))
        with seen.open() as lines:
            matched = match(kept.got, calls_in(lines), tally(gateway.records()))
        ended, verified = gateway.stop(), gateway.verify()
        growth = growth_of(kept.samples, course.warmup_s)
        return Findings(
            course=course,
            got=kept.got,
            samples=kept.samples,
            growth=growth,
            minutes=minutes_of(kept.got),
            rest=rest,
            matched=matched,
            verified=verified,
            complaints=gateway.complaints(),
            reasons=[*reasons(growth, rest, matched, verified), *([f"it ended with status {ended}"] if ended else [])],
        )


async def _load(
    given: argparse.Namespace, gateway: Soaked, ports: Sequence[int], key: str, kept: Kept
) -> tuple[Course, Rest]:
    chance = random.Random(given.seed)  # noqa: S311  a run is to be had again
    client = Client(gateway.port, key, kept.got.append)
    began = datetime.now(UTC)
    before = await _resting(gateway, ports, None)
    _say(f"what can it take? {given.calibrate:.0f} s")
    capacity = await client.flood(lambda: draw(chance, healthy=True), _FULL_LOAD, given.calibrate)
    rate = min(given.most, capacity / 2)
    _say(f"{capacity:.0f} requests/s; {given.minutes:g} minutes at {rate:.0f}")
    watching = asyncio.create_task(sampling(lambda: gateway.processes, ports, _SAMPLE_S, kept.samples.append))
    telling = asyncio.create_task(_progress(kept, given.minutes))
    try:
        await client.steady(lambda: draw(chance), rate, given.minutes * 60, chance)
    finally:
        for task in (watching, telling):
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
        client.close()
    after = await _resting(gateway, ports, before)
    course = Course(
        began=began.isoformat(timespec="seconds"),
        seed=given.seed,
        workers=given.workers,
        capacity=capacity,
        rate=rate,
        minutes=given.minutes,
        warmup_s=min(given.minutes * 15, 300.0),
        skipped=client.skipped,
    )
    in_flight = await asyncio.to_thread(lambda: gateway.in_flight)
    return course, Rest(before=before, after=after, in_flight=in_flight)


async def _resting(gateway: Soaked, ports: Sequence[int], before: Sample | None) -> Sample:
    """How it is when it has nothing to do: as ``before``, if that is waited for long enough."""
    end = time.monotonic() + _PATIENCE_S
    while True:
        await asyncio.sleep(_REST_S)
        now = await asyncio.to_thread(sample, lambda: gateway.processes, ports, time.monotonic())
        if before is None or not kept_open(before, now) or time.monotonic() > end:
            return now


async def _progress(kept: Kept, minutes: float) -> None:
    began = time.monotonic()
    while True:
        await asyncio.sleep(60)
        wrong = sum(not one.as_told for one in kept.got)
        memory = max((held.own for held in kept.samples[-1].processes.values()), default=0) if kept.samples else 0
        gone = (time.monotonic() - began) / 60
        _say(
            f"{gone:.0f} of {minutes:g} minutes, {len(kept.got):,} requests, {wrong} not as stated, {memory >> 20} MiB"
        )


def _say(words: str) -> None:
    print(words, file=sys.stderr, flush=True)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="The gateway under half load with faults, for a while.")
    parser.add_argument("--minutes", type=float, default=20.0, help="how long the load lasts")
    parser.add_argument("--workers", type=int, default=1, choices=range(1, 9), metavar="N", help="worker processes")
    parser.add_argument("--calibrate", type=float, default=30.0, metavar="S", help="seconds of full load before")
    parser.add_argument("--most", type=float, default=150.0, metavar="RATE", help="requests a second at most")
    parser.add_argument("--seed", type=int, default=secrets.randbelow(2**31), help="begins the random choices")
    default = RESULTS / f"soak-{datetime.now(UTC):%Y-%m-%dT%H%M%SZ}"
    parser.add_argument("--report", type=Path, default=default, help="where to write: .md and .json are added")
    given = parser.parse_args()
    if given.minutes < 1:
        parser.error("--minutes: a line needs a minute of samples at least")
    return given


if __name__ == "__main__":
    sys.exit(main())
