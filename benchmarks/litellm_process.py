"""What does the litellm process cost? ``python benchmarks/litellm_process.py``.

Prints the figures of docs/decisions/0021-litellm-in-its-own-process.md: how long the first request for a vendor waits,
what a request costs afterwards, and what memory the processes take, beside a gateway without such a target. The vendor
is a server on loopback that answers at once. Takes half a minute; times mean something only on an idle machine.
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Generator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Final

import httpx

CALLS: Final = 200
ANSWER: Final = {
    "candidates": [{"content": {"role": "model", "parts": [{"text": "ok"}]}, "finishReason": "STOP", "index": 0}],
    "usageMetadata": {"promptTokenCount": 9, "candidatesTokenCount": 1, "totalTokenCount": 10},
}
GEMINI: Final = "provider: litellm, model: gemini/gemini-2.5-pro, api_key: env:KEY, format: tool-envelope"
PLAIN: Final = "provider: openai_compatible, model: m, format: tool-envelope"


class Vendor(BaseHTTPRequestHandler):
    """Answers every call alike."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_POST(self) -> None:
        """Read, and answer."""
        self.rfile.read(int(self.headers["content-length"]))
        body = json.dumps(ANSWER).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Say nothing."""


@contextmanager
def gateway(target: str) -> Generator[tuple[str, int]]:
    """A running gateway with one model: its address and the supervisor's process id."""
    with tempfile.TemporaryDirectory() as folder:
        config = Path(folder) / "splitgate.yaml"
        config.write_text(f"models: {{m: {{targets: [{target}]}}}}\nstate_dir: state\n")
        command = [str(Path(sys.executable).with_name("splitgate")), "serve", "--port", "0", "--config", str(config)]
        environ = {**os.environ, "KEY": "k"}
        with subprocess.Popen(  # noqa: S603 -- ours
            command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=environ
        ) as process:
            told = "" if process.stdout is None else process.stdout.readline()
            yield told.split()[-1], process.pid
            process.terminate()


def child(supervisor: int, module: str) -> int:
    """The process that runs ``module``."""
    for pid in Path(f"/proc/{supervisor}/task/{supervisor}/children").read_text().split():
        if module.encode() in Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0"):
            return int(pid)
    raise LookupError(module)


def megabytes(pid: int) -> float:
    """What of its memory is resident."""
    line = next(line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("VmRSS"))
    return int(line.split()[1]) / 1000


def cpu_seconds(pid: int) -> float:
    """What it has computed so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def ask(client: httpx.Client) -> float:
    """Make a request that carries data; the answer is how long it took, in seconds."""
    begin = time.perf_counter()
    reply = client.post("/v1/split", json={"model": "m", "instructions": "Summarise.", "data": "A mail. " * 100})
    reply.raise_for_status()
    return time.perf_counter() - begin


def main() -> None:
    """Measure, and print."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Vendor)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{server.server_address[1]}"
    with gateway(f"{{{PLAIN}, base_url: {json.dumps(url)}}}") as (_, supervisor):
        print(f"worker without such a target  {megabytes(child(supervisor, 'gateway.worker')):8.0f} MB")
    with (
        gateway(f"{{{GEMINI}, base_url: {json.dumps(url)}}}") as (address, supervisor),
        httpx.Client(base_url=address, timeout=60) as client,
    ):
        worker = child(supervisor, "gateway.worker")
        print(f"worker with one               {megabytes(worker):8.0f} MB")
        print(f"first request                 {ask(client):8.1f} s, the process's start included")
        process = child(supervisor, "adapters.litellm")
        time.sleep(2)  # the rest of the warm-up
        before = cpu_seconds(process)
        times = [ask(client) for _ in range(CALLS)]
        each = (cpu_seconds(process) - before) / CALLS
        print(f"a later one, median           {statistics.median(times) * 1000:8.1f} ms")
        print(f"of that, computed by litellm's{each * 1000:8.1f} ms")
        print(f"worker after {CALLS} requests     {megabytes(worker):8.0f} MB")
        print(f"litellm's process after them  {megabytes(process):8.0f} MB")


if __name__ == "__main__":
    main()
