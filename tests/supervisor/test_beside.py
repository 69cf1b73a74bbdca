"""Metrics of a supervisor's, and processes that run beside its workers."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Protocol


class Running(Protocol):
    process: "subprocess.Popen[str]"
    port: int
    metrics_port: int | None

    def ask_worker(self, port: int | None = None) -> int: ...
    def children(self) -> list[int]: ...
    def stop(self, number: signal.Signals = signal.SIGTERM) -> int: ...


Start = Callable[..., Running]
Eventually = Callable[[Callable[[], bool]], None]

METRICS = {"host": "127.0.0.1", "port": 0, "chosen": True}
# Notes its start and its end, and whether a worker was left then.
COMPANION = """
import os, pathlib, signal, sys, time
notes = pathlib.Path(sys.argv[1])
def end(*_):
    siblings = pathlib.Path(f"/proc/{os.getppid()}/task/{os.getppid()}/children").read_text().split()
    notes.open("a").write(f"end {len(siblings)}\\n"); sys.exit(0)
signal.signal(signal.SIGTERM, end)
notes.open("a").write(f"start {os.environ['SPLITGATE_WORKER']} {os.getpid()}\\n")
if (notes.parent / "broken-companion").exists(): sys.exit(7)
while True: time.sleep(60)
"""


def folder_of_figures(tmp_path: Path) -> Path:
    [folder] = tmp_path.glob("splitgate-metrics-*")
    return folder


def told(tmp_path: Path) -> str:
    return (folder_of_figures(tmp_path) / "supervisor.prom").read_text()


def test_without_metrics_there_is_no_port_and_no_folder_for_them(start: Start, tmp_path: Path) -> None:
    assert start().metrics_port is None
    assert list(tmp_path.glob("splitgate-metrics-*")) == []


def test_workers_get_a_second_listener_and_a_folder_for_metrics_that_ends_with_the_run(
    start: Start, tmp_path: Path
) -> None:
    running = start(workers=2, metrics=METRICS)
    assert running.metrics_port not in {None, 0, running.port}
    assert running.ask_worker(running.metrics_port) in running.children()
    names = {path.name for path in folder_of_figures(tmp_path).glob("gauge*")}
    assert names == {"gauge_livesum_1.db", "gauge_livesum_2.db"}
    assert running.stop() == 0
    assert list(tmp_path.glob("splitgate-metrics-*")) == []


def test_a_worker_that_dies_takes_its_gauges_with_it_and_is_told_as_restarted(
    start: Start, tmp_path: Path, eventually: Eventually
) -> None:
    running = start(metrics=METRICS)
    eventually(lambda: 'worker_up{worker="1"} 1.0' in told(tmp_path))
    assert 'restarts_total{worker="1"} 0.0' in told(tmp_path)
    gauge = folder_of_figures(tmp_path) / "gauge_livesum_1.db"
    before = gauge.read_text()
    # A new one cannot start now, so that none writes the gauge anew.
    (tmp_path / "broken-worker").touch()
    os.kill(running.ask_worker(running.metrics_port), signal.SIGKILL)
    eventually(lambda: not gauge.exists())
    eventually(lambda: 'worker_up{worker="1"} 0.0' in told(tmp_path))
    (tmp_path / "broken-worker").unlink()
    eventually(lambda: 'worker_up{worker="1"} 1.0' in told(tmp_path))
    assert 'restarts_total{worker="1"} 0.0' not in told(tmp_path)
    assert gauge.read_text() != before


def test_a_worker_that_gives_way_is_not_told_as_restarted(start: Start, tmp_path: Path, eventually: Eventually) -> None:
    running = start(metrics=METRICS)
    before = running.ask_worker(running.metrics_port)
    running.process.send_signal(signal.SIGUSR2)
    eventually(lambda: before not in running.children())
    # The new one has files of its own: the old one still wrote to those without the letter.
    eventually(lambda: {path.name for path in folder_of_figures(tmp_path).glob("gauge*")} == {"gauge_livesum_1b.db"})
    eventually(lambda: 'worker_up{worker="1"} 1.0' in told(tmp_path))
    assert 'restarts_total{worker="1"} 0.0' in told(tmp_path)


def companion(tmp_path: Path) -> list[dict[str, object]]:
    return [{"name": "shipper", "command": [sys.executable, "-S", "-E", "-c", COMPANION, str(tmp_path / "notes")]}]


def notes(tmp_path: Path) -> list[list[str]]:
    path = tmp_path / "notes"
    return [line.split() for line in path.read_text().splitlines()] if path.exists() else []


def test_a_companion_runs_beside_the_workers_and_ends_after_them(
    start: Start, tmp_path: Path, eventually: Eventually
) -> None:
    running = start(model=None, metrics=METRICS, companions=companion(tmp_path))
    eventually(lambda: len(notes(tmp_path)) == 1)
    assert notes(tmp_path)[0][:2] == ["start", "shipper"]
    assert int(notes(tmp_path)[0][2]) in running.children()
    assert running.stop() == 0
    # It alone was left of the supervisor's children.
    assert notes(tmp_path)[1:] == [["end", "1"]]


def test_a_companion_that_dies_is_started_again(start: Start, tmp_path: Path, eventually: Eventually) -> None:
    start(model=None, metrics=METRICS, companions=companion(tmp_path))
    eventually(lambda: len(notes(tmp_path)) == 1)
    os.kill(int(notes(tmp_path)[0][2]), signal.SIGKILL)
    eventually(lambda: len(notes(tmp_path)) == 2)
    assert notes(tmp_path)[1][0] == "start"


def test_a_companion_that_cannot_run_stops_nobody_from_serving(
    start: Start, tmp_path: Path, eventually: Eventually
) -> None:
    (tmp_path / "broken-companion").touch()
    running = start(model=None, metrics=METRICS, companions=companion(tmp_path))
    eventually(lambda: len(notes(tmp_path)) >= 2)
    assert running.ask_worker(running.metrics_port) in running.children()
    assert running.stop() == 0
