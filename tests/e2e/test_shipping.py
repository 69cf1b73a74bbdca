"""A gateway whose journal is shipped and anchored: what requests notice of it, and what is there afterwards."""

import contextlib
import os
import signal
import statistics
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Protocol

import httpx
import pytest
from typer.testing import CliRunner

from gateway.cli.main import app

PATIENCE_S = 20.0
ASKED = {"model": "plain", "messages": [{"role": "user", "content": "planted question"}]}


class Gateway(Protocol):
    url: str
    metrics: str | None
    process: "subprocess.Popen[str]"
    log: Path


class Upstream(Protocol):
    url: str


RunGateway = Callable[..., Gateway]


@dataclass(kw_only=True)
class Hook:
    """A webhook; while it is ``down`` it hangs up."""

    url: str
    down: threading.Event = field(default_factory=threading.Event)
    lines: list[bytes] = field(default_factory=list[bytes])


@pytest.fixture(scope="module")
def hook() -> Iterator[Hook]:
    taking = Hook(url="")

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            if taking.down.is_set():
                return
            taking.lines += body.split(b"\n")[:-1]
            self.send_response(204)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    taking.url = f"http://127.0.0.1:{server.server_address[1]}/in"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    yield taking
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the journals' folder ``audit``, its ``copy`` and the ``witness`` of its anchors are."""
    folder: Path = tmp_path_factory.mktemp("shipping")
    for name in ("copy", "witness"):
        (folder / name).mkdir()
    return folder


@pytest.fixture(scope="module")
def gateway(keep_gateway: RunGateway, _upstream_server: Upstream, hook: Hook, place: Path) -> Gateway:
    """Two workers; the last test ends them."""
    config = f"""
models:
  plain:
    min_isolation: none
    targets: [{{provider: openai_compatible, base_url: "{_upstream_server.url}", model: m, format: plain}}]
audit:
  dir: {place / "audit"}
  name: example.test/audit
  checkpoint_s: 0.2
  ship:
    - {{name: hook, kind: webhook, url: "{hook.url}", timeout_s: 2}}
    - {{name: copy, kind: directory, path: {place / "copy"}}}
  anchors: [{{name: witness, kind: directory, path: {place / "witness"}}}]
"""
    return keep_gateway(config, workers=2)


def eventually(holds: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE_S
    while not holds():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.02)


def evidence(root: Path) -> dict[str, bytes]:
    """What the journals' folder and its copy have in common."""
    return {
        str(path.relative_to(root)): path.read_bytes()
        for part in ("registry", "epochs")
        for path in (root / part).rglob("*")
        if path.is_file() and path.name not in {"lock", "blobs"} and path.stat().st_size
    }


def journal(root: Path) -> list[bytes]:
    return [line for path in sorted(root.glob("epochs/*/journal")) for line in path.read_bytes().split(b"\n")[:-1]]


def unshipped(gateway: Gateway) -> int | None:
    assert gateway.metrics is not None
    told = httpx.get(gateway.metrics, trust_env=False).text.splitlines()
    found = [line.split()[-1] for line in told if line.startswith("splitgate_audit_unshipped_records ")]
    assert len(found) <= 1
    return int(float(found[0])) if found else None


def ask(gateway: Gateway, times: int) -> list[float]:
    """How long each answer took, in seconds; all of them are answers."""
    took: list[float] = []
    with httpx.Client(base_url=gateway.url, trust_env=False) as client:
        for _ in range(times):
            began = time.perf_counter()
            assert client.post("/v1/chat/completions", json=ASKED).status_code == 200
            took.append(time.perf_counter() - began)
    return took


def shipper_of(gateway: Gateway) -> int:
    """The process that ships."""
    parent = gateway.process.pid
    children = Path(f"/proc/{parent}/task/{parent}/children").read_text().split()
    [found] = [int(pid) for pid in children if b"gateway.shipper" in Path(f"/proc/{pid}/cmdline").read_bytes()]
    return found


def replaced(gateway: Gateway, before: int) -> bool:
    """Whether another process ships now."""
    with contextlib.suppress(ValueError, FileNotFoundError):
        return shipper_of(gateway) != before
    return False


@pytest.mark.usefixtures("upstream")
def test_neither_a_dead_sink_nor_a_dead_shipper_costs_a_request_anything_and_all_is_shipped_in_the_end(
    gateway: Gateway, hook: Hook, place: Path
) -> None:
    ask(gateway, 20)
    up = ask(gateway, 60)
    hook.down.set()
    down = ask(gateway, 60)
    # The same work at the same pace; the margin is for a machine that others use as well.
    assert statistics.median(down) < 2 * statistics.median(up) + 0.005
    eventually(lambda: (unshipped(gateway) or 0) >= 120)
    hook.down.clear()
    eventually(lambda: set(journal(place / "audit")) <= set(hook.lines))
    eventually(lambda: unshipped(gateway) == 0)
    assert gateway.log.read_text().count("hook is down") == gateway.log.read_text().count("hook is up again") == 1
    before = shipper_of(gateway)
    os.kill(before, signal.SIGKILL)
    ask(gateway, 5)
    eventually(lambda: replaced(gateway, before))
    eventually(lambda: set(journal(place / "audit")) <= set(hook.lines))
    assert "shipper was ended by SIGKILL" in gateway.log.read_text()
    assert not [line for line in hook.lines if b"planted" in line]


@pytest.mark.usefixtures("upstream")
def test_after_a_stop_the_copy_is_whole_and_verifies_by_itself_and_against_the_anchors(
    gateway: Gateway, place: Path
) -> None:
    """The last one here, since it ends the gateway."""
    ask(gateway, 30)
    gateway.process.send_signal(signal.SIGTERM)
    assert gateway.process.wait(PATIENCE_S) == 0
    root, copy, witness = place / "audit", place / "copy", place / "witness"
    assert evidence(copy) == evidence(root)
    notes = {path.read_bytes() for path in witness.rglob("*") if path.is_file()}
    for path in root.glob("epochs/*/checkpoints"):
        text, signatures = path.read_bytes().split(b"\n\n")[-3:-1]
        assert text + b"\n\n" + signatures + b"\n" in notes
    for path in (root / "registry").iterdir():
        assert path.read_bytes().partition(b"\n\n")[2] in notes
    keys = ["--key", str(root / "public-key"), "--anchors", str(witness)]
    done = CliRunner().invoke(app, ["audit", "verify", str(copy), *keys])
    assert done.exit_code == 0, done.output
