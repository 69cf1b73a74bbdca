"""How does the gateway run that is soaked?

As ``splitgate serve`` runs it, with its supervisor, so many workers and its journal, in a folder of its own. Its limits
towards the upstream are short, so that faults that wait for them are over soon, and its journals small, so that new
ones are begun all the time.
"""

import hashlib
import json
import re
import selectors
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

from benchmarks.processes import CannotMeasure
from benchmarks.soaking.mix import MODEL, NOWHERE, REFUSED_ORIGIN
from benchmarks.soaking.sampling import children

_START_S: Final = 60.0
_STOP_S: Final = 60.0
_ROLL_BYTES: Final = 16 * 2**20
_TIMEOUTS: Final = {"connect": 5, "first_byte": 5, "idle": 5, "total": 10}
_POLICY: Final = {
    "apiVersion": "splitgate/v1",
    "kind": "Policy",
    "metadata": {"name": "soak", "owner": "benchmarks"},
    "spec": {
        "mode": "enforce",
        "rules": [
            {
                "id": "refused-origin",
                "stage": "data",
                "severity": "critical",
                "when": f"segment.origin == '{REFUSED_ORIGIN}'",
                "action": "block",
                "message": "Data of this origin is refused.",
            }
        ],
    },
}
_IN_FLIGHT: Final = re.compile(r"^splitgate_in_flight\{[^}]*\} ([0-9.e+]+)$", re.MULTILINE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Verified:
    """What ``splitgate audit verify`` said."""

    sound: bool
    words: str


class Soaked:
    """A running gateway; leaving the context stops it. ``nowhere`` is a port on which nobody listens."""

    def __init__(self, folder: Path, key: str, upstream: int, nowhere: int, workers: int) -> None:
        self.folder = folder
        (folder / "soak.yaml").write_text(json.dumps(_POLICY))
        (folder / "splitgate.yaml").write_text(_config(key, upstream, nowhere))
        self._log = folder / "log"
        splitgate = str(Path(sys.executable).with_name("splitgate"))
        command = [splitgate, "serve", "--port", "0", "--workers", str(workers), "--config", "splitgate.yaml"]
        with self._log.open("w") as sink:
            self._process = subprocess.Popen(  # noqa: S603
                command, cwd=folder, stdout=subprocess.PIPE, stderr=sink, text=True, start_new_session=True
            )
        self._metrics = ""
        self.port: int = 0

    def __enter__(self) -> Self:
        try:
            self._await_start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def processes(self) -> Mapping[str, int]:
        """The supervisor and all below it."""
        return {"supervisor": self._process.pid, **children(self._process.pid)}

    @property
    def in_flight(self) -> float:
        """Requests under way, as its metrics say."""
        with urllib.request.urlopen(self._metrics, timeout=10) as told:  # noqa: S310  our own address
            return sum(float(number) for number in _IN_FLIGHT.findall(told.read().decode()))

    def stop(self) -> int:
        """Have it end as an operator would; its exit status."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
            try:
                self._process.wait(_STOP_S)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        if self._process.stdout is not None:
            self._process.stdout.close()
        return self._process.returncode

    def records(self) -> Iterator[Mapping[str, object]]:
        """What its journals hold."""
        for journal in sorted((self.folder / "audit").glob("epochs/*/journal")):
            with journal.open("rb") as lines:
                for line in lines:
                    yield json.loads(line)

    def verify(self) -> Verified:
        """Have the journals verified, by the command that an auditor would use."""
        splitgate = str(Path(sys.executable).with_name("splitgate"))
        audit = self.folder / "audit"
        command = [splitgate, "audit", "verify", str(audit), "--key", str(audit / "public-key")]
        done = subprocess.run(command, check=False, capture_output=True, text=True)  # noqa: S603
        return Verified(sound=done.returncode == 0, words=(done.stdout + done.stderr).strip())

    def complaints(self) -> list[str]:
        """Errors in its log, the first ones."""
        return [line for line in self._log.read_text().splitlines() if " ERROR " in line or "Traceback" in line][:10]

    def _await_start(self) -> None:
        if self._process.stdout is None:
            raise CannotMeasure("the gateway has no output")
        deadline = time.monotonic() + _START_S
        with selectors.DefaultSelector() as selector:
            selector.register(self._process.stdout, selectors.EVENT_READ)
            while time.monotonic() < deadline and self._process.poll() is None:
                if selector.select(timeout=0.5):
                    line = self._process.stdout.readline()
                    if "is listening on" in line:
                        self.port = int(line.split()[-1].rpartition(":")[2])
                        # The rest comes with it.
                        metrics = next(one for one in self._process.stdout if one.startswith("  metrics "))
                        self._metrics = metrics.split()[-1]
                        return
        raise CannotMeasure(f"the gateway did not start:\n{self._log.read_text()}")


def nowhere() -> socket.socket:
    """A port that is taken and never listened on."""
    taken = socket.socket()
    taken.bind(("127.0.0.1", 0))
    return taken


def _config(key: str, upstream: int, nowhere: int) -> str:
    def model(name: str, port: int) -> dict[str, object]:
        target = {
            "id": f"{name}-1",
            "provider": "openai_compatible",
            "base_url": f"http://127.0.0.1:{port}/v1",
            "model": name,
            "format": "tool-envelope",
            "timeouts": _TIMEOUTS,
            # One call in twenty fails on purpose: those that follow are to be made all the same.
            "breaker": {"failures": 0, "longest_rest_s": 0},
        }
        return {"retries": 0, "targets": [target]}

    return json.dumps(
        {
            "server": {"host": "127.0.0.1", "port": 0},
            "keys": [{"name": "soak", "sha256": hashlib.sha256(key.encode()).hexdigest()}],
            "models": {MODEL: model(MODEL, upstream), NOWHERE: model(NOWHERE, nowhere)},
            "policies": {"paths": ["soak.yaml"]},
            "state_dir": "state",
            "telemetry": {"metrics": {"port": 0}},
            # A machine that is busy with the soak itself must not make evidence late.
            "audit": {"dir": "audit", "deadline_s": 10, "roll_bytes": _ROLL_BYTES},
        }
    )
