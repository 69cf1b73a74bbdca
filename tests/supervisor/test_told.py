"""Processes on demand that are told something: credentials, which change."""

import json
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

    def ask_model(self) -> int: ...
    def ask(self, key: str) -> str: ...
    def models_started(self) -> int: ...
    def children(self) -> list[int]: ...
    def stop(self, number: signal.Signals = signal.SIGTERM) -> int: ...


Start = Callable[..., Running]
Eventually = Callable[[Callable[[], bool]], None]
Alive = Callable[[int], bool]


@pytest.fixture
def kill(alive: Alive, eventually: Eventually) -> Callable[[int], None]:
    """Kill a process and wait for its end: until then it may still take a connection, and drop it."""

    def and_wait(pid: int) -> None:
        os.kill(pid, signal.SIGKILL)
        eventually(lambda: not alive(pid))

    return and_wait


# Answers each connection with what it was told, its command and its variables.
TOLD = """
import json, os, socket, sys
told = os.fdopen(int(sys.argv[sys.argv.index("--config-fd") + 1])).read()
listener = socket.socket(fileno=int(sys.argv[sys.argv.index("--fd") + 1])); listener.setblocking(True)
while True:
    client, _ = listener.accept()
    client.sendall(json.dumps([os.getpid(), told, sys.argv, dict(os.environ)]).encode()); client.close()
"""


def vendors(**more: object) -> dict[str, object]:
    """Another process on demand, which is told something."""
    command = [sys.executable, "-S", "-E", "-c", TOLD]
    return {"name": "vendors", "key": "vendors", "variable": "VENDORS", "command": command, "told": "planted", **more}


def test_two_processes_on_demand_are_kept_apart(start: Start, kill: Callable[[int], None]) -> None:
    running = start(others=[vendors()])
    model = running.ask_model()
    first = json.loads(running.ask("vendors"))[0]
    kill(first)
    assert json.loads(running.ask("vendors"))[0] != first
    assert running.ask_model() == model
    assert running.models_started() == 1


def test_what_a_process_is_told_stands_in_a_pipe_alone_and_anew_at_each_start(
    start: Start, kill: Callable[[int], None]
) -> None:
    running = start(others=[vendors(environ={"ONLY": "this"})])
    for _ in range(2):
        pid, told, command, environ = json.loads(running.ask("vendors"))
        assert told == "planted"
        assert "planted" not in str(command) + str(environ)
        assert {name for name in environ if name != "LC_CTYPE"} == {"ONLY"}
        kill(pid)


def test_more_than_a_pipe_holds_by_default_is_told_whole(start: Start) -> None:
    count = TOLD.replace("json.dumps([os.getpid(), told, sys.argv, dict(os.environ)])", "str(len(told))")
    running = start(others=[vendors(told=300_000, command=[sys.executable, "-S", "-E", "-c", count])])
    assert running.ask("vendors") == "300000"


def test_a_process_that_cannot_be_told_all_is_refused_and_the_others_live(start: Start) -> None:
    running = start(others=[vendors(told=80_000_000)])
    with pytest.raises((FileNotFoundError, ConnectionError)):
        running.ask("vendors")
    assert running.ask_model() > 0
    running.stop()
    assert running.process.stderr is not None
    assert "vendors cannot be started (what it is told does not fit into a pipe)" in running.process.stderr.read()


# Answers each connection with its process id and what it was told last.
NEWS = """
import os, select, socket, sys
fd = lambda option: int(sys.argv[sys.argv.index(option) + 1])
told = os.fdopen(fd("--config-fd")).read()
news = os.fdopen(fd("--news-fd"), "rb", buffering=0)
if "stuck" in sys.argv: news = None
listener = socket.socket(fileno=fd("--fd")); listener.setblocking(True)
while True:
    ready, _, _ = select.select([listener, *([news] if news else [])], [], [])
    if news in ready: told = news.readline().decode().strip()
    if listener in ready:
        client, _ = listener.accept()
        client.sendall(f"{os.getpid()} {told}".encode()); client.close()
"""


def test_a_process_that_runs_is_told_what_has_changed_and_so_is_the_next_one(
    start: Start, tmp_path: Path, kill: Callable[[int], None], eventually: Eventually
) -> None:
    command = [sys.executable, "-S", "-E", "-c", NEWS]
    running = start(others=[vendors(command=command, again=True)])
    pid, told = running.ask("vendors").split()
    assert told == "planted"
    (tmp_path / "draft").write_text("planted-2")
    (tmp_path / "draft").rename(tmp_path / "news")
    eventually(lambda: running.ask("vendors").split() == [pid, "planted-2"])
    kill(int(pid))
    other, told = running.ask("vendors").split()
    assert (other != pid, told) == (True, "planted-2")


def test_a_process_that_does_not_take_what_it_is_told_gives_way_to_one_that_begins_with_it(
    start: Start, tmp_path: Path, eventually: Eventually
) -> None:
    command = [sys.executable, "-S", "-E", "-c", NEWS, "stuck"]
    running = start(others=[vendors(command=command, again=True)])
    pid, _ = running.ask("vendors").split()
    # More than the pipe has room for while nobody reads from it.
    (tmp_path / "draft").write_text("x" * 3_000_000)
    (tmp_path / "draft").rename(tmp_path / "news")
    eventually(lambda: int(pid) not in running.children())
