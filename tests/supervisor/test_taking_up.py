"""A running supervisor that is told to look at its configuration again."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

import pytest


class Running(Protocol):
    process: "subprocess.Popen[str]"
    sockets: dict[str, str]

    def ask_worker(self, port: int | None = None) -> int: ...
    def ask(self, key: str) -> str: ...
    def children(self) -> list[int]: ...
    def stop(self, number: signal.Signals = signal.SIGTERM) -> int: ...


Start = Callable[..., Running]
Eventually = Callable[[Callable[[], bool]], None]

METRICS = {"host": "127.0.0.1", "port": 0, "chosen": True}
# Answers each connection with its process id and what it was told.
TOLD = """
import os, socket, sys
told = os.fdopen(int(sys.argv[sys.argv.index("--config-fd") + 1])).read()
listener = socket.socket(fileno=int(sys.argv[sys.argv.index("--fd") + 1])); listener.setblocking(True)
while True:
    client, _ = listener.accept()
    client.sendall(f"{os.getpid()} {told}".encode()); client.close()
"""
COMPANION = """
import os, pathlib, sys, time
told = os.pread(int(sys.argv[sys.argv.index("--config-fd") + 1]), 99, 0).decode()
print(told, file=pathlib.Path(sys.argv[1]).open("a"), flush=True)
time.sleep(60)
"""


@pytest.fixture
def look(tmp_path: Path) -> Callable[[Running, str], None]:
    """Have a supervisor look at a configuration."""

    def hang_up(running: Running, told: str) -> None:
        (tmp_path / "next").write_text(told)
        running.process.send_signal(signal.SIGHUP)

    return hang_up


Look = Callable[[Running, str], None]


def said_until(running: Running, mark: str) -> list[str]:
    """The lines on stderr up to and with the one that holds ``mark``."""
    assert running.process.stderr is not None
    lines: list[str] = []
    while not lines or mark not in lines[-1]:
        lines.append(running.process.stderr.readline())
        assert lines[-1], lines
    return lines


def told(folder: Path) -> dict[int, str]:
    """Which configuration each worker was started with."""
    lines = [line.split() for line in (folder / "told").read_text().splitlines()]
    return {int(pid): configuration for configuration, pid in lines}


def running_now(running: Running, folder: Path) -> list[str]:
    found = told(folder)
    return [found[pid] for pid in running.children() if pid in found]


def figures(folder: Path) -> str:
    [found] = folder.glob("splitgate-metrics-*/supervisor.prom")
    return found.read_text()


def test_a_changed_configuration_is_given_to_one_worker_after_the_other(
    start: Start, look: Look, tmp_path: Path, eventually: Eventually
) -> None:
    running = start(workers=2, model=None, snapshot="one", metrics=METRICS)
    assert running_now(running, tmp_path) == ["one", "one"]
    look(running, "two")
    lines = said_until(running, "every worker runs the new configuration")
    assert "needs a restart: nothing" in lines[0]
    assert running_now(running, tmp_path) == ["two", "two"]
    eventually(lambda: 'config_loads_total{result="taken"} 1.0' in figures(tmp_path))
    # One that dies now is started with what is in force, whatever stands in the file by then.
    (tmp_path / "next").write_text("three")
    os.kill(running.children()[0], signal.SIGKILL)
    eventually(lambda: len(told(tmp_path)) == 5 and running_now(running, tmp_path) == ["two", "two"])


@pytest.mark.parametrize(("content", "line"), [("bad", "next:1:1: is bad"), ("one", None)])
def test_what_cannot_be_used_or_is_the_same_leaves_all_as_it_was(
    start: Start, look: Look, tmp_path: Path, eventually: Eventually, content: str, line: str | None
) -> None:
    running = start(model=None, snapshot="one", metrics=METRICS)
    before = running.children()
    look(running, content)
    result = "refused" if line else "unchanged"
    eventually(lambda: f'config_loads_total{{result="{result}"}} 1.0' in figures(tmp_path))
    assert f"splitgate_config_refused {float(bool(line))}" in figures(tmp_path)
    assert running.children() == before
    eventually((tmp_path / "hangups").exists)
    running.stop()
    assert running.process.stderr is not None
    assert running.process.stderr.read() == (f"splitgate: {line}\n" if line else "")


def test_what_stirred_is_looked_at_without_a_signal_and_once(start: Start, tmp_path: Path) -> None:
    running = start(model=None, snapshot="one", metrics=METRICS)
    (tmp_path / "next").write_text("two")
    (tmp_path / "stirred").touch()
    said_until(running, "every worker runs the new configuration")
    assert running_now(running, tmp_path) == ["two"]
    assert not (tmp_path / "stirred").exists()
    # Policies and keys have watchers of their own.
    assert not (tmp_path / "hangups").exists()


def test_a_word_for_policies_alone_takes_up_no_configuration(
    start: Start, tmp_path: Path, eventually: Eventually
) -> None:
    running = start(model=None, snapshot="one")
    (tmp_path / "next").write_text("two")
    running.process.send_signal(signal.SIGUSR1)
    eventually((tmp_path / "hangups").exists)
    assert running.stop() == 0
    assert set(told(tmp_path).values()) == {"one"}


def test_a_worker_that_fails_with_it_has_all_go_back_to_what_they_had(
    start: Start, look: Look, tmp_path: Path, eventually: Eventually
) -> None:
    running = start(workers=3, model=None, snapshot="one", metrics=METRICS)
    look(running, "poisoned")
    lines = said_until(running, "stays what it was before")
    assert any("the new worker 2 ended with exit code 6" in line for line in lines)
    assert "taken False\n" in lines
    eventually(lambda: running_now(running, tmp_path) == ["one"] * 3)
    assert "splitgate_config_refused 1.0" in figures(tmp_path)
    # The same supervisor takes a good one afterwards.
    look(running, "two")
    said_until(running, "every worker runs the new configuration")
    assert running_now(running, tmp_path) == ["two"] * 3
    eventually(lambda: "splitgate_config_refused 0.0" in figures(tmp_path))


def test_a_change_that_comes_while_one_is_given_out_is_given_out_afterwards(
    start: Start, look: Look, tmp_path: Path, eventually: Eventually
) -> None:
    running = start(workers=2, model=None, snapshot="one")
    (tmp_path / "not-ready").touch()
    look(running, "two")
    eventually(lambda: "two" in told(tmp_path).values())
    look(running, "three")
    running.process.send_signal(signal.SIGUSR2)
    (tmp_path / "not-ready").unlink()
    eventually(lambda: running_now(running, tmp_path) == ["three", "three"])
    for _ in range(2):
        said_until(running, "every worker runs the new configuration")


def test_each_worker_finds_the_process_of_its_own_configuration_behind_its_door(
    start: Start, look: Look, tmp_path: Path, eventually: Eventually
) -> None:
    command = [sys.executable, "-S", "-E", "-c", TOLD]
    vendors = {"name": "vendors", "key": "vendors", "variable": "VENDORS", "command": command, "told": "one"}
    running = start(model=None, others=[vendors], snapshot="one")
    old = running.ask("vendors").split()
    assert old[1] == "one"
    (tmp_path / "not-ready").touch()
    look(running, "two")
    eventually(lambda: "two" in told(tmp_path).values())
    # While the old worker serves, what it calls is there.
    assert running.ask("vendors").split() == old
    (tmp_path / "not-ready").unlink()
    said_until(running, "every worker runs the new configuration")
    worker = next(pid for pid in running.children() if told(tmp_path).get(pid) == "two")
    environ = dict(
        pair.split("=", 1) for pair in Path(f"/proc/{worker}/environ").read_text().split("\0") if "=" in pair
    )
    before, running.sockets["vendors"] = running.sockets["vendors"], environ["VENDORS"]
    assert running.ask("vendors").split()[1] == "two"
    eventually(lambda: not Path(before).exists() and int(old[0]) not in running.children())
    assert running.stop() == 0
    assert list(tmp_path.glob("splitgate-*")) == []


def test_companions_follow_once_all_workers_have_the_new_configuration(
    start: Start, look: Look, tmp_path: Path, eventually: Eventually
) -> None:
    notes = tmp_path / "notes"
    command = [sys.executable, "-S", "-E", "-c", COMPANION, str(notes)]
    running = start(model=None, snapshot="one", companions=[{"name": "shipper", "command": command}])
    eventually(lambda: notes.exists() and notes.read_text().split() == ["one"])
    look(running, "two")
    eventually(lambda: notes.read_text().split() == ["one", "two"])
    assert len(running.children()) == 2
    assert running.stop() == 0
