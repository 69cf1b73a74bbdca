from collections.abc import Callable
from pathlib import Path

import pytest

from gateway.telemetry import families
from gateway.telemetry.families import OF_WORKERS, Across, Family, Kind
from gateway.telemetry.shared import Shared, exposed
from gateway.telemetry.totals import Totals

Samples = dict[str, float]


def worker(folder: Path, name: str) -> tuple[Totals, Shared]:
    totals = Totals()
    return totals, Shared(folder, name, totals)


def test_counters_gauges_and_histograms_of_all_workers_are_summed(
    tmp_path: Path, samples: Callable[[Path], Samples]
) -> None:
    for name, count in (("1", 2.0), ("2", 5.0)):
        totals, shared = worker(tmp_path, name)
        totals.of(families.ERRORS)[("internal_error",)] = count
        totals.of(families.IN_FLIGHT)[("split",)] = count
        totals.histogram(families.REQUEST_SECONDS).observe(("split", "chat"), 0.02)
        totals.histogram(families.REQUEST_SECONDS).observe(("split", "chat"), 400.0)
        shared.write()
        shared.close()
    found = samples(tmp_path)
    assert found["splitgate_errors_total code=internal_error"] == 7.0
    assert found["splitgate_in_flight dialect=split"] == 7.0
    assert found["splitgate_request_seconds_count dialect=split operation=chat"] == 4.0
    assert found["splitgate_request_seconds_sum dialect=split operation=chat"] == pytest.approx(800.04)
    assert found["splitgate_request_seconds_bucket dialect=split le=0.01 operation=chat"] == 0.0
    assert found["splitgate_request_seconds_bucket dialect=split le=0.025 operation=chat"] == 2.0
    assert found["splitgate_request_seconds_bucket dialect=split le=300.0 operation=chat"] == 2.0
    assert found["splitgate_request_seconds_bucket dialect=split le=+Inf operation=chat"] == 4.0


def test_what_stands_or_falls_with_the_worst_worker_is_its_figure(
    tmp_path: Path, samples: Callable[[Path], Samples]
) -> None:
    for name, lag in (("1", 0.5), ("2", 7.5), ("3", 0.0)):
        totals, shared = worker(tmp_path, name)
        totals.of(families.AUDIT_LAG_SECONDS)[()] = lag
        totals.of(families.AUDIT_UNWRITABLE)[()] = float(lag > 7)
        shared.write()
        shared.close()
    found = samples(tmp_path)
    assert found["splitgate_audit_lag_seconds"] == 7.5
    assert found["splitgate_audit_unwritable"] == 1.0


def test_a_workers_successor_counts_on_and_speaks_for_itself(
    tmp_path: Path, samples: Callable[[Path], Samples]
) -> None:
    totals, shared = worker(tmp_path, "1")
    totals.of(families.ERRORS)[("client_gone",)] = 3.0
    totals.histogram(families.UPSTREAM_SECONDS).observe(("m/1",), 0.2)
    totals.of(families.IN_FLIGHT)[("split",)] = 9.0
    shared.write()
    shared.close()
    totals, shared = worker(tmp_path, "1")
    assert totals.of(families.IN_FLIGHT) == {}
    totals.of(families.ERRORS)[("client_gone",)] += 1
    totals.histogram(families.UPSTREAM_SECONDS).observe(("m/1",), 0.2)
    shared.write()
    shared.close()
    found = samples(tmp_path)
    assert found["splitgate_errors_total code=client_gone"] == 4.0
    assert found["splitgate_upstream_seconds_count target=m/1"] == 2.0
    assert found["splitgate_upstream_seconds_sum target=m/1"] == pytest.approx(0.4)


def test_figures_of_a_family_as_it_was_are_neither_lost_nor_counted_twice(
    tmp_path: Path, samples: Callable[[Path], Samples]
) -> None:
    def family(about: str) -> Family:
        return Family(name="x_total", kind=Kind.COUNTER, help=about)

    for about in ("Before.", "Now."):
        totals = Totals([family(about)])
        shared = Shared(tmp_path, "1", totals)
        assert totals.of(family(about))[()] == 0.0
        totals.of(family(about))[()] += 2.0
        shared.write()
        shared.close()
    assert samples(tmp_path)["x_total"] == 4.0


def test_a_worker_starts_though_its_files_were_left_in_pieces(
    tmp_path: Path, samples: Callable[[Path], Samples]
) -> None:
    (tmp_path / "counter_1.db").write_bytes(b"\xff\xff\xff\x7f" + b"\x07" * 100)
    totals, shared = worker(tmp_path, "1")
    totals.of(families.ERRORS)[("client_gone",)] = 1.0
    shared.write()
    shared.close()
    assert samples(tmp_path)["splitgate_errors_total code=client_gone"] == 1.0


def test_what_other_processes_say_is_passed_on(tmp_path: Path) -> None:
    (tmp_path / "supervisor.prom").write_text('splitgate_worker_up{worker="1"} 1.0\n')
    (tmp_path / "other.prom.draft").write_text("half a line")
    assert exposed(tmp_path).decode() == 'splitgate_worker_up{worker="1"} 1.0\n'


def test_labels_that_hold_quotes_and_line_feeds_come_through(
    tmp_path: Path, samples: Callable[[Path], Samples]
) -> None:
    totals, shared = worker(tmp_path, "1")
    totals.of(families.ERRORS)[('a"b\\c\nd',)] = 1.0
    shared.write()
    shared.close()
    assert samples(tmp_path)['splitgate_errors_total code=a"b\\c\nd'] == 1.0


def test_gauges_are_only_of_kinds_that_end_with_their_process() -> None:
    # The supervisor takes away the files of these when a worker is gone.
    assert {family.across for family in OF_WORKERS} <= set(Across)
    assert all(across.startswith("live") for across in Across)
