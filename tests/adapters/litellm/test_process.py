"""How the litellm process starts, what it holds, and how it ends."""

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Protocol, TypeAlias

import aiohttp
import pytest

pytestmark = pytest.mark.xdist_group("litellm")
CHAT = "/v1/chat/completions"
Json: TypeAlias = dict[str, Any]


class Process(Protocol):
    process: "subprocess.Popen[bytes]"
    path: str
    log: Path


Launch = Callable[..., Process]
Ask: TypeAlias = Callable[..., Awaitable[tuple[int, Json]]]


SAID: list[Json] = [{"role": "user", "content": "Q"}]


OURS = frozenset({
    "PATH", "PYTHONPATH", "PYTHONHOME", "PYTHONDONTWRITEBYTECODE", "VIRTUAL_ENV", "TMPDIR", "LANG", "LC_ALL",
    "LC_CTYPE", "SSL_CERT_FILE", "SSL_CERT_DIR", "HOME", "NETRC", "HF_HUB_OFFLINE", "AWS_CONFIG_FILE",
    "AWS_SHARED_CREDENTIALS_FILE", "AWS_EC2_METADATA_DISABLED", "REPEATED_STREAMING_CHUNK_LIMIT",
    "AIOHTTP_KEEPALIVE_TIMEOUT", "PYDANTIC_DISABLE_PLUGINS",
})  # fmt: skip


async def test_neither_its_variables_nor_its_command_hold_a_credential(
    ask: Ask, child: Process, vendor: Any, shapes: Any
) -> None:
    vendor.answer(shapes.gemini({"text": "a"}))
    assert (await ask({"model": "gemini", "messages": SAID}))[0] == 200
    proc = Path(f"/proc/{child.process.pid}")
    assert b"planted" not in (proc / "environ").read_bytes() + (proc / "cmdline").read_bytes()
    environ = [one.partition(b"=")[0].decode() for one in (proc / "environ").read_bytes().split(b"\0") if one]
    assert {name for name in environ if not name.startswith("LITELLM_")} <= OURS


async def test_it_writes_nothing_and_listens_on_no_port(ask: Ask, child: Process, vendor: Any, shapes: Any) -> None:
    vendor.answer(shapes.bedrock({"text": "planted answer"}))
    assert (await ask({"model": "claude", "messages": [{"role": "user", "content": "planted"}]}))[0] == 200
    assert child.log.read_bytes() == b""
    assert listening(child.process.pid) == set()


def listening(pid: int) -> set[str]:
    own = {str(entry.readlink())[8:-1] for entry in Path(f"/proc/{pid}/fd").iterdir()}
    tables = [Path(f"/proc/{pid}/net/{family}").read_text().splitlines()[1:] for family in ("tcp", "tcp6")]
    return own & {line.split()[9] for table in tables for line in table if line.split()[3] == "0A"}


PATIENCE_S = 60.0


async def test_it_says_that_it_is_well_once_it_is(client: aiohttp.ClientSession) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while True:
            async with client.get("/health") as answer:
                told = answer.status, await answer.json()
            if told != (503, {"status": "loading"}):
                break
            await asyncio.sleep(0.1)
    assert told == (200, {"status": "ok"})


def test_it_serves_while_it_loads_and_sigterm_ends_it_in_mid_call(launch: Launch, vendor: Any) -> None:
    vendor.hold = True
    child = launch()
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(30)
        client.connect(child.path)
        client.sendall(b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n")
        assert client.recv(64).startswith(b"HTTP/1.1 503")
        payload = json.dumps({"model": "gemini", "messages": SAID}).encode()
        client.sendall(
            b"POST %b HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%b" % (CHAT.encode(), len(payload), payload)
        )
        assert vendor.entered.acquire(timeout=60)
        child.process.send_signal(signal.SIGTERM)
        assert child.process.wait(10) == 0
    assert vendor.gone.wait(10)
    assert child.log.read_bytes() == b""


def test_without_targets_it_ends_with_a_word(launch: Launch) -> None:
    child = launch(told=b'[{"id": "planted"}]')
    assert child.process.wait(30) == 1
    assert child.log.read_text() == (
        "splitgate: the litellm process is told its targets by the supervisor: start it with `splitgate serve`\n"
    )


def test_a_litellm_that_cannot_be_loaded_ends_it_with_a_word(launch: Launch, tmp_path: Path) -> None:
    (tmp_path / "litellm.py").write_text("raise ImportError('planted')\n")
    roots = os.environ.get("PYTHONPATH", "")
    child = launch(before=Path(f"{tmp_path}:{roots}") if roots else tmp_path)
    assert child.process.wait(30) == 1
    assert child.log.read_text() == (
        "splitgate: the litellm process cannot load litellm: install it with `pip install 'splitgate[litellm]'`\n"
    )


def test_a_stuck_loop_ends_it_with_a_word() -> None:
    code = """
import asyncio, functools, time
from adapters.litellm import __main__ as process
async def run():
    process.watch(asyncio.get_running_loop(), process.patience_of(0.3), functools.partial(process._give_up, print))
    time.sleep(30)
asyncio.run(run())
"""
    done = subprocess.run([sys.executable, "-u", "-c", code], capture_output=True, text=True, check=False, timeout=20)
    assert done.returncode == 3
    assert done.stdout == "the litellm process is stuck and ends; the next request starts it again\n"


def test_it_ends_when_its_parent_has_ended(tmp_path: Path) -> None:
    parent = """
import json, os, socket, subprocess, sys
listener = socket.socket(socket.AF_UNIX); listener.bind(sys.argv[1]); listener.listen()
near, far = os.pipe()
target = dict(id="a", model="a/b", embeddings="a/b", address=None, private=False, networks=[],
              credentials={}, fields=[])
os.write(far, json.dumps([target]).encode()); os.close(far)
command = [sys.executable, "-m", "adapters.litellm", "--fd", str(listener.fileno()), "--config-fd", str(near)]
nowhere = subprocess.DEVNULL
child = subprocess.Popen(command, pass_fds=[listener.fileno(), near], stdout=nowhere, stderr=nowhere)
print(child.pid, flush=True)
with socket.socket(socket.AF_UNIX) as client:
    client.connect(sys.argv[1]); client.sendall(b"GET /health HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n"); client.recv(1)
"""
    command = [sys.executable, "-c", parent, str(tmp_path / "l.sock")]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60, env=dict(os.environ))
    process = Path(f"/proc/{int(done.stdout)}")
    end = time.monotonic() + 20
    while process.exists():
        assert time.monotonic() < end
        time.sleep(0.05)
