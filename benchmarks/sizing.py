"""How many replicas, shards and bytes is a given load?

Pure arithmetic over what one run measured (``docs/benchmarks/raw.json``) and what is assumed of a deployment, which is
named, has a unit and can be changed. ``publishing/sizing_page.py`` writes it down.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import ceil
from typing import Any, Final

from benchmarks.publishing.reading import Run, gateways_start, run_of, spread_of

DAY_S: Final = 86_400
# Of the gateway: settings' defaults and what its tests hold it to; tests compare them.
ROLL_BYTES: Final = 268_435_456
CHECKPOINT_RECORDS: Final = 1000
CHECKPOINT_S: Final = 5.0
ANCHOR_S: Final = 1.0
RENEWAL_S: Final = 10.0
RENEWAL_COMMANDS: Final = 2
PLACES: Final = 2_500
IDLE_STREAM_KIB: Final = 52.0
BATCH_BYTES: Final = 1_048_576


class NotMeasured(Exception):
    """The run lacks what the sizes rest on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """What a run says of one worker, one request and one Redis; medians."""

    cpu_us: float
    chunk_us: float
    worker_mb: float
    supervisor_mb: float
    start_s: float
    journal_bytes: float
    journal_records: float
    request_bytes: float
    answer_bytes: float
    redis_us: float
    redis_commands: float
    contender: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Assumed:
    """What is assumed of a deployment and its traffic.

    ``busy`` is the share of a core that is planned with, ``redis_busy`` the same of Redis's; ``workers`` are those of a
    replica, a core each; ``seconds`` is how long a request is in progress; ``streamed`` is the share that is streamed,
    in so many ``chunks``.
    """

    rate: float
    busy: float = 0.6
    redis_busy: float = 0.6
    zones: int = 3
    workers: int = 4
    seconds: float = 2.0
    streamed: float = 0.0
    chunks: int = 100
    stream_bytes: int = 20_000
    retained_days: int = 90


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """What it comes to."""

    request_us: float
    by_cpu: int
    by_places: int
    workers: int
    replicas: int
    busy: float
    busy_without_a_zone: float
    replica_mb: float
    memory_gb: float
    in_progress: float
    shard_rate: float
    redis_commands: float
    redis_renewals: float
    journal_per_worker: float
    journal_per_day: float
    journal_retained: float
    segments: int
    batches: int
    anchors: int
    gbit: float
    cell_rate: float
    cells: int
    replicas_a_cell: int


def measured_of(raw: Mapping[str, Any]) -> Measured:
    """Read a run.

    Raises:
        NotMeasured: it lacks something; the message says what.
    """
    run = run_of(raw)
    whole = run.line("whole c=32", "gateway everything", "gateway chat")
    found: dict[str, float | None] = {
        "cpu_us": _median(whole.spread("cpu_us") if whole is not None else None),
        "chunk_us": _chunk_us(run),
        "worker_mb": _held(run, "gateway.worker"),
        "supervisor_mb": _held(run, "supervisor"),
        "start_s": _median(gateways_start(run)),
        "journal_bytes": run.kind("records", "journal_bytes"),
        "journal_records": run.kind("records", "journal_records"),
        "request_bytes": run.kind("records", "request_bytes"),
        "answer_bytes": run.kind("records", "answer_bytes"),
        "redis_us": _median(spread_of(run.kind("redis", "cpu_us"))),
        "redis_commands": _median(spread_of(run.kind("redis", "commands"))),
    }
    known = {name: value for name, value in found.items() if value is not None}
    if len(known) < len(found) or whole is None:
        lacking = ", ".join(sorted(found.keys() - known.keys()))
        raise NotMeasured(f"the run has no figure for {lacking}; `make bench` measures all")
    return Measured(contender=whole.contender, **known)


def _median(spread: Any) -> float | None:  # noqa: ANN401
    return None if spread is None else spread.median


def _chunk_us(run: Run) -> float | None:
    line = run.line("stream c=32", "gateway everything", "gateway chat")
    return _median(line.spread("cpu_us") if line is not None else None)


def _held(run: Run, process: str) -> float | None:
    rows = run.kind("memory", "rows") or ()
    held = [row["pss_mb"] for row in rows if row["after"] == "load" and row["process"].startswith(process)]
    return max(held, default=None)


def size(measured: Measured, assumed: Assumed) -> Size:
    """The sizes for a load."""
    request_us = measured.cpu_us + assumed.streamed * assumed.chunks * measured.chunk_us
    in_progress = assumed.rate * assumed.seconds
    by_cpu = ceil(assumed.rate * request_us / 1e6 / assumed.busy)
    by_places = ceil(in_progress / (PLACES * assumed.busy))
    replicas = _divided(max(by_cpu, by_places), assumed.workers)
    replicas = _divided(replicas, assumed.zones) * assumed.zones
    workers = replicas * assumed.workers
    busy = assumed.rate * request_us / 1e6 / workers
    replica_mb = (
        measured.supervisor_mb
        + assumed.workers * measured.worker_mb
        + in_progress / replicas * IDLE_STREAM_KIB * 1024 / 1e6
    )
    renewing_us = assumed.seconds / RENEWAL_S * RENEWAL_COMMANDS * measured.redis_us / measured.redis_commands
    shard_rate = 1e6 / (measured.redis_us + renewing_us) * assumed.redis_busy
    journal = assumed.rate * measured.journal_bytes
    answer = (1 - assumed.streamed) * measured.answer_bytes + assumed.streamed * assumed.stream_bytes
    wire = measured.request_bytes + answer
    cells = ceil(assumed.rate / shard_rate)
    return Size(
        request_us=request_us,
        by_cpu=by_cpu,
        by_places=by_places,
        workers=workers,
        replicas=replicas,
        busy=busy,
        busy_without_a_zone=busy * assumed.zones / (assumed.zones - 1) if assumed.zones > 1 else busy,
        replica_mb=replica_mb,
        memory_gb=replica_mb * replicas / 1000,
        in_progress=in_progress,
        shard_rate=shard_rate,
        redis_commands=assumed.rate * measured.redis_commands,
        redis_renewals=in_progress / RENEWAL_S,
        journal_per_worker=journal / workers,
        journal_per_day=journal * DAY_S,
        journal_retained=journal * DAY_S * assumed.retained_days,
        segments=ceil(journal * DAY_S / ROLL_BYTES),
        batches=ceil(journal * DAY_S / BATCH_BYTES),
        anchors=ceil(workers * DAY_S * _anchors(assumed.rate * measured.journal_records / workers)),
        # In from clients and out to upstreams, and back: each byte passes a replica's network twice.
        gbit=assumed.rate * wire * 2 * 8 / 1e9,
        cell_rate=assumed.rate / cells,
        cells=cells,
        replicas_a_cell=_divided(replicas, cells),
    )


def _anchors(records: float) -> float:
    """Anchors a second of a worker that writes so many records a second: a checkpoint each, but not too often."""
    return min(1 / ANCHOR_S, max(1 / CHECKPOINT_S, records / CHECKPOINT_RECORDS))


def _divided(what: int, by: int) -> int:
    return -(-what // by)


def per_replica(measured: Measured, workers: Sequence[int], busy: float) -> Sequence[tuple[int, float, float, float]]:
    """Of a replica with so many workers: requests a second it is planned for, at most, and megabytes."""
    rate = 1e6 / measured.cpu_us
    return [
        (count, count * rate * busy, count * rate, measured.supervisor_mb + count * measured.worker_mb)
        for count in workers
    ]
