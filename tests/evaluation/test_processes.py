import asyncio
import os
import sys
import time
from pathlib import Path

import pytest

from gateway.evaluation.processes import running
from gateway.supervisor.config import OnDemand

# Answers one connection with its process id, then ends.
ONCE = """
import os, select, socket, sys
listener = socket.socket(fileno=int(sys.argv[sys.argv.index("--fd") + 1]))
select.select([listener], [], [])
connection, _ = listener.accept()
connection.sendall(str(os.getpid()).encode())
connection.close()
"""
TOLD = """
import os, select, socket, sys
told = os.read(int(sys.argv[sys.argv.index("--config-fd") + 1]), 100)
listener = socket.socket(fileno=int(sys.argv[sys.argv.index("--fd") + 1]))
select.select([listener], [], [])
connection, _ = listener.accept()
connection.sendall(told + os.environ.get("ONLY", "nothing").encode())
"""


def process(code: str) -> OnDemand:
    return OnDemand(name="the model", key="embedded", command=[sys.executable, "-c", code], variable="SOCKET")


async def asked(path: str) -> str:
    async with asyncio.timeout(60):
        reader, writer = await asyncio.open_unix_connection(path)
        said = await reader.read()
        writer.close()
        await writer.wait_closed()
        return said.decode()


def is_there(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


async def test_a_process_that_died_is_started_again_by_whoever_asks() -> None:
    told: list[str] = []
    with running([process(ONCE)], told.append) as processes:
        tending = asyncio.create_task(processes.tend())
        first, second = [await asked(processes.sockets["embedded"]) for _ in range(2)]
        tending.cancel()
    assert first != second
    assert told[0] == "the model ended with exit code 0; the next request starts it again"


class Interrupted(BaseException):
    """As Ctrl-C does."""


def started(pids: Path, folders: list[Path]) -> None:
    """Start a process that writes its id, and be interrupted once it runs."""
    code = f"import os, pathlib, time; pathlib.Path({str(pids)!r}).write_text(str(os.getpid())); time.sleep(600)"
    with running([process(code)], print) as processes:
        folders.append(Path(processes.sockets["embedded"]).parent)
        assert folders[0].stat().st_mode & 0o077 == 0
        until = time.monotonic() + 60
        while not (pids.exists() and pids.read_text()) and time.monotonic() < until:
            time.sleep(0.02)
        raise Interrupted


def test_whatever_ends_the_measurement_ends_its_processes(tmp_path: Path) -> None:
    pids, folders = tmp_path / "pid", list[Path]()
    with pytest.raises(Interrupted):
        started(pids, folders)
    assert not is_there(int(pids.read_text()))
    assert not folders[0].exists()


async def test_a_process_is_told_what_it_needs_and_gets_its_own_variables() -> None:
    one = OnDemand(
        name="litellm",
        key="litellm",
        command=[sys.executable, "-c", TOLD],
        variable="SOCKET",
        environ={"PATH": os.environ["PATH"], "ONLY": "this"},
        told=b"credentials ",
    )
    with running([one], print) as processes:
        assert await asked(processes.sockets["litellm"]) == "credentials this"


SLOW = """
import select, socket, sys
listener = socket.socket(fileno=int(sys.argv[sys.argv.index("--fd") + 1]))
for status in ("503 No", "200 OK"):
    select.select([listener], [], [])
    connection, _ = listener.accept()
    connection.setblocking(True)
    connection.recv(1000)
    connection.sendall(f"HTTP/1.1 {status}\\r\\ncontent-length: 0\\r\\nconnection: close\\r\\n\\r\\n".encode())
    connection.close()
"""


async def test_a_process_is_well_once_it_says_so() -> None:
    with running([process(SLOW)], print) as processes:
        assert not await processes.well()
        assert await processes.well()


def test_where_nothing_is_wanted_nothing_runs() -> None:
    with running([], print) as processes:
        assert processes.sockets == {}
