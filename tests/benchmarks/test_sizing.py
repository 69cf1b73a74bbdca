from dataclasses import replace
from math import ceil

import pytest

from benchmarks import sizing
from benchmarks.sizing import Assumed, Measured, NotMeasured, measured_of, per_replica, size
from gateway.audit.plan import Plan
from gateway.audit.ship.pace import Pace
from gateway.configuration.schema import ServerSection
from gateway.stores.redis_counters import LEASE_S

# Round numbers, so that a reader can follow: nothing was measured here.
ROUND = Measured(
    cpu_us=500, chunk_us=40, worker_mb=100, supervisor_mb=40, start_s=1.5, journal_bytes=2000, journal_records=2,
    request_bytes=2000, answer_bytes=500, redis_us=100, redis_commands=10, contender="gateway everything",
)  # fmt: skip
LOAD = Assumed(rate=24_000, busy=0.5, redis_busy=0.5, zones=3, workers=4, seconds=1.0, retained_days=10)


def test_replicas_are_what_the_cpu_asks_in_whole_replicas_and_zones() -> None:
    found = size(ROUND, LOAD)
    assert (found.by_cpu, found.replicas, found.workers) == (24, 6, 24)
    assert (found.busy, found.busy_without_a_zone) == (0.5, 0.75)
    assert size(ROUND, replace(LOAD, rate=24_001)).replicas == 9


def test_long_requests_ask_for_places_and_not_for_cpu() -> None:
    found = size(ROUND, replace(LOAD, seconds=5))
    assert found.in_progress == 120_000
    assert found.by_places == 120_000 / (2_500 * 0.5)
    assert found.workers == 96


def test_a_streamed_answer_costs_its_chunks() -> None:
    found = size(ROUND, replace(LOAD, streamed=0.5, chunks=100, stream_bytes=20_000))
    assert found.request_us == 500 + 0.5 * 100 * 40
    assert found.gbit == pytest.approx(24_000 * (2_000 + 0.5 * 500 + 0.5 * 20_000) * 16 / 1e9)


def test_a_shard_counts_what_its_core_allows_renewals_of_places_included() -> None:
    found = size(ROUND, LOAD)
    assert found.redis_renewals == 2_400
    assert found.shard_rate == pytest.approx(1e6 / (100 + 0.1 * 2 * 10) * 0.5)
    assert found.cells == 5
    assert found.cell_rate == 4_800
    assert found.replicas_a_cell == 2
    assert size(ROUND, replace(LOAD, seconds=100)).shard_rate < found.shard_rate


def test_a_journal_is_its_bytes_for_as_long_as_it_is_kept() -> None:
    found = size(ROUND, LOAD)
    assert found.journal_per_worker == 2e6
    assert found.journal_per_day == 48e6 * 86_400
    assert found.journal_retained == 10 * found.journal_per_day
    assert found.segments == ceil(48e6 * 86_400 / (256 * 1024 * 1024))
    assert found.batches == ceil(48e6 * 86_400 / (1024 * 1024))


@pytest.mark.rows
@pytest.mark.parametrize(("rate", "each_worker"), [(2_400, 0.2), (6_000, 0.5), (24_000, 1.0), (96_000, 1.0)])
def test_a_busy_worker_anchors_once_a_second_and_a_quiet_one_with_its_checkpoints(
    rate: float, each_worker: float
) -> None:
    found = size(replace(ROUND, cpu_us=500 * 24_000 / rate), replace(LOAD, rate=rate, seconds=0.1))
    assert found.workers == 24
    assert found.anchors == pytest.approx(24 * 86_400 * each_worker, abs=1)


def test_memory_is_that_of_processes_and_of_what_waits() -> None:
    found = size(ROUND, LOAD)
    assert found.replica_mb == pytest.approx(40 + 4 * 100 + 4_000 * 52 * 1024 / 1e6)
    assert found.memory_gb == pytest.approx(6 * found.replica_mb / 1000)


def test_a_replica_is_planned_below_what_it_can_do() -> None:
    assert per_replica(ROUND, (1, 4), 0.5) == [(1, 1_000, 2_000, 140), (4, 4_000, 8_000, 440)]


def test_a_run_that_lacks_a_figure_gives_no_sizes() -> None:
    with pytest.raises(NotMeasured, match=r"answer_bytes.*cpu_us.*redis_us.*`make bench`"):
        measured_of({"about": {}})


def test_what_is_taken_from_the_gateway_is_what_it_does() -> None:
    plan = {
        name: Plan.__dataclass_fields__[name].default for name in ("roll_bytes", "checkpoint_records", "checkpoint_s")
    }
    assert plan == {
        "roll_bytes": sizing.ROLL_BYTES,
        "checkpoint_records": sizing.CHECKPOINT_RECORDS,
        "checkpoint_s": sizing.CHECKPOINT_S,
    }
    assert Pace().anchor_s == sizing.ANCHOR_S
    assert LEASE_S / 3 == sizing.RENEWAL_S
    assert ServerSection().max_concurrent == sizing.PLACES
