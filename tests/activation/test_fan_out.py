import json
import os
import signal
import subprocess
import sys

import pytest

from gateway.activation.fan_out import SUPERVISOR, ask_all_workers

# A worker that asks, started by a supervisor that counts.
PROGRAM = """
import json, os, signal, subprocess, sys
heard = []
signal.signal(signal.SIGUSR1, lambda *_: heard.append(1))
named = sys.argv[1] or str(os.getpid())
code = "import os; from gateway.activation.fan_out import ask_all_workers; print(ask_all_workers(os.environ))"
asked = subprocess.run([sys.executable, "-c", code], env={**os.environ, "SPLITGATE_SUPERVISOR": named},
                       capture_output=True, text=True).stdout.strip()
print(json.dumps([asked, len(heard)]))
"""


@pytest.mark.parametrize(("named", "result"), [("", ["True", 1]), ("1", ["False", 0])])
def test_the_parent_is_asked_if_it_is_the_supervisor_and_nobody_else(named: str, result: list[object]) -> None:
    run = subprocess.run([sys.executable, "-c", PROGRAM, named], capture_output=True, text=True, check=True)
    assert json.loads(run.stdout) == result


def test_without_a_supervisor_nobody_is_asked() -> None:
    assert not ask_all_workers({})
    assert not ask_all_workers({SUPERVISOR: "x"})


def test_the_supervisor_gets_a_signal_that_is_no_operators(monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[tuple[int, int]] = []

    def note(pid: int, number: int) -> None:
        sent.append((pid, number))

    monkeypatch.setattr(os, "kill", note)
    assert ask_all_workers({SUPERVISOR: str(os.getppid())})
    assert sent == [(os.getppid(), signal.SIGUSR1)]


def test_a_supervisor_that_is_not_ours_to_signal_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: int, __: int) -> None:
        raise PermissionError

    monkeypatch.setattr(os, "kill", refuse)
    assert not ask_all_workers({SUPERVISOR: str(os.getppid())})
