"""A supervisor in a process of its own, with small stand-ins for worker and model."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

PATIENCE_S = 15.0

# Both answer each connection with their process id. A worker notes each SIGHUP in the folder of its files, and answers
# whom it has accepted before it ends. With metrics it leaves a gauge in their folder, and answers on their port alone.
# It notes the configuration that it was told, and the second one that is told "poisoned" ends.
WORKER = """
import os, pathlib, select, signal, socket, sys, time
files = pathlib.Path(os.environ["TMPDIR"])
if (files / "broken-worker").exists(): sys.exit(4)
told = ""
if "--config-fd" in sys.argv:
    told = os.pread(int(sys.argv[sys.argv.index("--config-fd") + 1]), 99, 0).decode()
    known = (files / "told").read_text() if (files / "told").exists() else ""
    print(told, os.getpid(), file=(files / "told").open("a"), flush=True)
    if told == "poisoned" and told in known: sys.exit(6)
while "--successor" in sys.argv and (files / "not-ready").exists(): time.sleep(0.01)
while "slow" in sys.argv and not (files / "go").exists(): time.sleep(0.01)
signal.signal(signal.SIGHUP, lambda *_: print(os.getpid(), file=(files / "hangups").open("a"), flush=True))
signal.signal(signal.SIGUSR1, lambda *_: print(os.getpid(), file=(files / "announced").open("a"), flush=True))
option = "--metrics-fd" if "--metrics-fd" in sys.argv else "--fd"
fd, ready = int(sys.argv[sys.argv.index(option) + 1]), int(sys.argv[sys.argv.index("--ready-fd") + 1])
figures, number = os.environ.get("SPLITGATE_METRICS_DIR"), os.environ.get("SPLITGATE_WORKER")
if figures: (pathlib.Path(figures) / f"gauge_livesum_{number}.db").write_text(str(os.getpid()))
if "fail" in sys.argv: sys.exit(3)
ending = []
for number in (signal.SIGTERM, signal.SIGUSR2):
    signal.signal(number, signal.SIG_IGN if "stubborn" in sys.argv else lambda *_: ending.append(True))
os.write(ready, b"serving\\n"); os.close(ready)
listener = socket.socket(fileno=fd); listener.setblocking(False)
while not ending:
    try:
        client, _ = listener.accept()
    except BlockingIOError:
        select.select([listener], [], [], 0.02)
        continue
    client.sendall(str(os.getpid()).encode()); client.close()
"""

MODEL = """
import os, pathlib, signal, socket, sys
if "stubborn" in sys.argv: signal.signal(signal.SIGTERM, signal.SIG_IGN)
starts = pathlib.Path(sys.argv[1]); starts.open("a").write(f"{os.getpid()}\\n")
if (starts.parent / "broken").exists(): sys.exit(5)
listener = socket.socket(fileno=int(sys.argv[sys.argv.index("--fd") + 1])); listener.setblocking(True)
while True:
    client, _ = listener.accept()
    client.sendall(str(os.getpid()).encode()); client.close()
"""

SUPERVISOR = """
import dataclasses, json, os, pathlib, sys
from gateway.supervisor import Backoff, Companion, MetricsPlace, OnDemand, Supervisor, SupervisorConfig
from gateway.supervisor.config import Change
settings = json.loads(sys.argv[1])
settings["backoff"] = Backoff(**settings["backoff"])
if settings.get("metrics"): settings["metrics"] = MetricsPlace(**settings["metrics"])
def news():
    file = pathlib.Path(os.environ["TMPDIR"]) / "news"
    told = file.read_bytes() if file.exists() else None
    file.unlink(missing_ok=True)
    return told
def on_demand(told=None, again=False, **one):
    told = b"x" * told if isinstance(told, int) else told and told.encode()
    return OnDemand(told=told, again=news if again else None, **one)
settings["on_demand"] = [on_demand(**one) for one in settings["on_demand"]]
settings["companions"] = [Companion(**companion) for companion in settings.get("companions", ())]
def ready(listening): print(json.dumps(dataclasses.asdict(listening)), flush=True)
# What stands in the file `next`: `bad` is unusable, anything else is a configuration.
class Looking:
    def __init__(self, config): self.config = config
    # A file `stirred` has it look without a signal, once.
    watched = True
    def stirred(self): return (pathlib.Path(os.environ["TMPDIR"]) / "stirred").exists()
    def look(self):
        (pathlib.Path(os.environ["TMPDIR"]) / "stirred").unlink(missing_ok=True)
        told = (pathlib.Path(os.environ["TMPDIR"]) / "next").read_bytes()
        if told == b"bad": return Change(said=("next:1:1: is bad",), usable=False)
        if told == self.config.snapshot: return Change()
        others = [dataclasses.replace(one, told=told) for one in self.config.on_demand]
        companions = [dataclasses.replace(one, command=[*one.command, told.decode()]) for one in self.config.companions]
        self.found = dataclasses.replace(self.config, snapshot=told, on_demand=others, companions=companions)
        return Change(said=("needs a restart: nothing",), config=self.found)
    def settle(self, *, taken):
        if taken: self.config = self.found
        print(f"taken {taken}", file=sys.stderr, flush=True)
if settings.get("snapshot"): settings["snapshot"] = settings["snapshot"].encode()
config = SupervisorConfig(**settings)
sys.exit(Supervisor(config, on_ready=ready, configuration=Looking(config) if config.snapshot else None).run())
"""


@dataclass
class Running:
    """A started supervisor and what it said when it was ready."""

    process: "subprocess.Popen[str]"
    port: int
    sockets: dict[str, str]
    starts: Path
    metrics_port: int | None = None

    def ask_worker(self, port: int | None = None) -> int:
        """The process id of the worker that answers, at another port than that for requests if one is given."""
        with socket.create_connection(("127.0.0.1", port or self.port), timeout=PATIENCE_S) as client:
            return int(client.recv(64))

    def ask_model(self) -> int:
        """The process id of the model that answers; ConnectionError if nobody does."""
        return int(self.ask("embedded"))

    def ask(self, key: str) -> str:
        """What a process on demand answers; ConnectionError if nobody does."""
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(PATIENCE_S)
            client.connect(self.sockets[key])
            answer = client.recv(65536)
        if not answer:
            raise ConnectionResetError
        return answer.decode()

    def models_started(self) -> int:
        return len(self.starts.read_text().split()) if self.starts.exists() else 0

    def children(self) -> list[int]:
        text = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text()
        return [int(word) for word in text.split()]

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        self.process.send_signal(number)
        return self.process.wait(PATIENCE_S)


Start = Callable[..., Running]
Eventually = Callable[[Callable[[], bool]], None]


@pytest.fixture
def eventually() -> Eventually:
    """Wait until something holds."""

    def wait(holds: Callable[[], bool]) -> None:
        end = time.monotonic() + PATIENCE_S
        while not holds():
            assert time.monotonic() < end, "waited in vain"
            time.sleep(0.01)

    return wait


@pytest.fixture
def alive() -> Callable[[int], bool]:
    """Whether a process exists and is not a zombie."""

    def check(pid: int) -> bool:
        try:
            return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
        except (FileNotFoundError, ProcessLookupError):
            return False

    return check


@pytest.fixture
def launch(tmp_path: Path) -> Iterator[Callable[..., "subprocess.Popen[str]"]]:
    """Start a supervisor; takes changes to the settings, words for the stand-ins, and further processes on demand.

    ``model`` None means that there is no model, ``its`` changes what is configured of it.
    """
    processes: list[subprocess.Popen[str]] = []
    python = [sys.executable, "-S", "-E", "-c"]

    def start(
        *,
        worker: str = "",
        model: str | None = "",
        its: Mapping[str, object] | None = None,
        others: Sequence[object] = (),
        **changes: object,
    ) -> "subprocess.Popen[str]":
        command = [*python, MODEL, str(tmp_path / "starts"), model]
        embedded = {"name": "the embedded model", "key": "embedded", "variable": "MODEL_SOCKET", "command": command}
        settings: dict[str, object] = {
            "host": "127.0.0.1",
            "port": 0,
            "workers": 1,
            "worker_command": [*python, WORKER, worker],
            "on_demand": [*([] if model is None else [{**embedded, **(its or {})}]), *others],
            "grace_s": 5.0,
            "backoff": {"first": 0.3, "most": 0.6},
            **changes,
        }
        process = subprocess.Popen(
            [sys.executable, "-c", SUPERVISOR, json.dumps(settings)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "TMPDIR": str(tmp_path)},
        )
        processes.append(process)
        return process

    yield start
    for process in processes:
        process.kill()
        process.communicate()


@pytest.fixture
def start(launch: Callable[..., "subprocess.Popen[str]"], tmp_path: Path) -> Start:
    """Start a supervisor and wait until it is ready."""

    def begin(**changes: object) -> Running:
        process = launch(**changes)
        assert process.stdout is not None
        said = json.loads(process.stdout.readline())
        return Running(process, said["port"], said["sockets"], tmp_path / "starts", said["metrics_port"])

    return begin
