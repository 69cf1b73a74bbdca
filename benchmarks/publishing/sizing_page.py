"""What does docs/sizing.md say?

Every number on it is one of a run's, one that is assumed and named, or made of these by ``benchmarks/sizing.py``.
``make sizing`` writes it from docs/benchmarks/raw.json; ``--rate`` and the like size another load, on the screen.
"""

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from benchmarks.processes import ROOT
from benchmarks.publishing.page import table
from benchmarks.publishing.publish import PAGES
from benchmarks.sizing import (
    ANCHOR_S,
    BATCH_BYTES,
    IDLE_STREAM_KIB,
    PLACES,
    RENEWAL_S,
    ROLL_BYTES,
    Assumed,
    Measured,
    NotMeasured,
    Size,
    measured_of,
    per_replica,
    size,
)  # fmt: skip

PAGE: Final = ROOT / "docs" / "sizing.md"
MILLION: Final = Assumed(rate=1_000_000)
STREAMED: Final = replace(MILLION, streamed=0.5, seconds=10.0)
_WORKERS: Final = (1, 2, 4, 8)


def page_of(raw: Mapping[str, Any]) -> str:
    """The page for a run.

    Raises:
        NotMeasured: the run lacks what it rests on.
    """
    measured = measured_of(raw)
    whole, streamed = size(measured, MILLION), size(measured, STREAMED)
    return _TEXT.format(
        began=raw["about"].get("began", "")[:10],
        measured=_measured(measured),
        replica=_replica(measured, MILLION),
        busy=f"{MILLION.busy:.0%}",
        percent=f"{MILLION.busy * 100:.0f}",
        places=f"{PLACES:,}",
        zones=MILLION.zones,
        at_worst=f"{whole.busy_without_a_zone:.0%}",
        assumed=_assumed((MILLION, STREAMED)),
        model=_model((whole, streamed)),
        shard=f"{whole.shard_rate:,.0f}",
        cells=f"{whole.cells:,}",
        cell_rate=f"{whole.cell_rate:,.0f}",
        replicas_a_cell=f"{whole.replicas_a_cell:,}",
        renewals=f"{streamed.redis_renewals:,.0f}",
        anchors=f"{whole.anchors / 1e6:,.0f}",
        batches=f"{whole.batches / 1e6:,.0f}",
        per_day=f"{whole.journal_per_day / 1e12:,.0f}",
        replicas=f"{whole.replicas:,}",
        hours=f"{whole.replicas * measured.start_s / 3600:,.1f}",
        start_s=f"{measured.start_s:.1f}",
        mb=f"{BATCH_BYTES / 1_048_576:.0f}",
        gbit_replica=f"{whole.gbit / whole.replicas:,.2f}",
        per_worker=f"{whole.journal_per_worker / 1e6:,.1f}",
    )


def _measured(one: Measured) -> str:
    turns = f"`turns`, {one.contender}"
    rows = (
        ("CPU of a whole request, 2 KB", f"{one.cpu_us:,.0f} µs", f"{turns}, whole c=32"),
        ("CPU of a streamed chunk", f"{one.chunk_us:,.1f} µs", f"{turns}, stream c=32"),
        ("memory of a worker after load", f"{one.worker_mb:,.0f} MB", "`memory`, PSS"),
        ("memory of its supervisor", f"{one.supervisor_mb:,.0f} MB", "`memory`, PSS"),
        ("start to ready", f"{one.start_s:,.2f} s", "`startup`"),
        ("journal of a request", f"{one.journal_bytes:,.0f} bytes", "`records`"),
        ("a request, an answer on the wire", f"{one.request_bytes:,.0f}, {one.answer_bytes:,.0f} bytes", "`records`"),
        ("Redis's CPU of a request's four limits", f"{one.redis_us:,.1f} µs", "`redis`"),
        ("its commands of the same", f"{one.redis_commands:,.1f}", "`redis`"),
        ("memory of a stream that waits", f"{IDLE_STREAM_KIB:,.0f} KiB", "`tests/e2e/test_idle_streams.py`"),
    )
    return _words(table(("measured", "", "by"), rows), 3)


def _replica(measured: Measured, assumed: Assumed) -> str:
    rows = [
        (str(workers), f"{planned:,.0f}", f"{most:,.0f}", f"{memory:,.0f} MB", f"{workers * PLACES:,}")
        for workers, planned, most, memory in per_replica(measured, _WORKERS, assumed.busy)
    ]
    titles = ("workers, a core each", "requests/s planned", "requests/s at most", "memory", "places")
    return table(titles, rows)


def _assumed(loads: Sequence[Assumed]) -> str:
    def row(what: str, *values: str) -> Sequence[str]:
        return (what, *values)

    rows = (
        row("requests a second", *(f"{one.rate:,.0f}" for one in loads)),
        row("of which streamed, in chunks", *(f"{one.streamed:.0%}, {one.chunks}" for one in loads)),
        row("bytes of a streamed answer", *(f"{one.stream_bytes:,}" for one in loads)),
        row("seconds in progress", *(f"{one.seconds:g}" for one in loads)),
        row("share of a core, of a Redis", *(f"{one.busy:.0%}, {one.redis_busy:.0%}" for one in loads)),
        row("workers of a replica, zones", *(f"{one.workers}, {one.zones}" for one in loads)),
        row("days that journals are kept", *(str(one.retained_days) for one in loads)),
    )
    return table(("assumed", "whole answers", "half streamed"), rows)


def _model(sizes: Sequence[Size]) -> str:
    rows = (
        ("CPU of a request", "µs", *(f"{one.request_us:,.0f}" for one in sizes)),
        ("in progress: rate times seconds", "requests", *(f"{one.in_progress:,.0f}" for one in sizes)),
        ("workers by CPU: rate times CPU / share", "cores", *(f"{one.by_cpu:,}" for one in sizes)),
        (f"workers by places: in progress / ({PLACES:,} times share)", "", *(f"{one.by_places:,}" for one in sizes)),
        ("**replicas**: the greater, in whole replicas and zones", "", *(f"**{one.replicas:,}**" for one in sizes)),
        ("busy; with a zone away", "", *(f"{one.busy:.0%}; {one.busy_without_a_zone:.0%}" for one in sizes)),
        (
            "memory of a replica; of all",
            "",
            *(f"{one.replica_mb:,.0f} MB; {_short(one.memory_gb)} GB" for one in sizes),
        ),
        ("a Redis counts: share / its CPU a request", "requests/s", *(f"{one.shard_rate:,.0f}" for one in sizes)),
        ("**Redis shards**, a prefix each", "", *(f"**{one.cells:,}**" for one in sizes)),
        ("commands that scripts run", "million/s", *(f"{_short(one.redis_commands / 1e6)}" for one in sizes)),
        (f"places renewed, each every {RENEWAL_S:g} s", "a second", *(f"{one.redis_renewals:,.0f}" for one in sizes)),
        ("**journal**", "TB/day", *(f"**{_short(one.journal_per_day / 1e12)}**" for one in sizes)),
        ("kept", "PB", *(f"{_short(one.journal_retained / 1e15)}" for one in sizes)),
        ("written by a worker", "MB/s", *(f"{_short(one.journal_per_worker / 1e6)}" for one in sizes)),
        (f"epochs begun, of {ROLL_BYTES / 1_048_576:,.0f} MiB", "a day", *(f"{one.segments:,}" for one in sizes)),
        ("batches shipped, of 1 MiB at most", "million/day", *(f"{_short(one.batches / 1e6)}" for one in sizes)),
        (
            f"anchors put, one each {ANCHOR_S:g} s at most",
            "million/day",
            *(f"{_short(one.anchors / 1e6)}" for one in sizes),
        ),
        ("network of all replicas, both ways and sides", "Gbit/s", *(f"{_short(one.gbit)}" for one in sizes)),
    )
    return table(("", "", "whole answers", "half streamed"), rows).replace(
        "|---|---:|---:|---:|", "|---|---|---:|---:|"
    )


def _short(value: float) -> str:
    """Whole from ten on, and two digits below: the load need not be a million requests a second."""
    return f"{value:,.0f}" if value >= 10 else f"{value:.2g}"


def _words(text: str, columns: int) -> str:
    return text.replace("|---|" + "---:|" * (columns - 1), "|---|" + "---:|" + "---|" * (columns - 2))


_TEXT: Final = (Path(__file__).parent / "sizing.md.in").read_text(encoding="utf-8")


def main(words: Sequence[str] | None = None) -> int:
    """Write the page, or print it for another run; 1 says that the run lacks something."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--raw", type=Path, default=PAGES / "raw.json", metavar="FILE", help="raw figures of a run")
    parser.add_argument("--rate", type=float, metavar="N", help="print what so many requests a second take instead")
    given = parser.parse_args(words)
    try:
        raw = json.loads(given.raw.read_text(encoding="utf-8"))
        if given.rate is None:
            PAGE.write_text(page_of(raw), encoding="utf-8")
        else:
            loads = replace(MILLION, rate=given.rate), replace(STREAMED, rate=given.rate)
            print(_assumed(loads), _model([size(measured_of(raw), load) for load in loads]), sep="\n")
    except (OSError, NotMeasured) as exc:
        print(f"no sizes: {exc}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
