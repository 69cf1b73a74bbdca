"""What tests share: the network is closed but for loopback, a scripted upstream, and gateways that run for real."""

import contextlib
import importlib.util
import itertools
import json
import os
import re
import selectors
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, TypeAlias

import pytest
from hypothesis import HealthCheck, settings

from gateway.domain.card import Added, Card, Latency, Score, Scores, Training

# Tests that need more examples ask for a multiple. `make test-full` takes the thorough profile.
settings.register_profile("default", deadline=None, suppress_health_check=[HealthCheck.too_slow], max_examples=25)
settings.register_profile("thorough", settings.get_profile("default"), max_examples=200)
settings.load_profile("default")

# What trains needs PyTorch, which nothing that serves asks for: `make train-parts` installs it, or says that these
# tests take no part.
collect_ignore = [] if importlib.util.find_spec("torch") else ["training"]


def pytest_configure(config: pytest.Config) -> None:
    """Load the plugins beside this file: by path, since tests are no package."""
    for name in ("certificates", "mutations", "redis_servers", "rows", "split_adapter", "vendors", "workers"):
        spec = importlib.util.spec_from_file_location(name, Path(__file__).with_name(f"{name}.py"))
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        # Dataclasses look their module up.
        sys.modules[name] = module
        spec.loader.exec_module(module)
        config.pluginmanager.register(module, name)


LOOPBACK = ("127.", "::1", "localhost")
PATIENCE_S = 60.0

Json: TypeAlias = dict[str, Any]


@pytest.fixture(autouse=True, scope="session")
def closed_network() -> Iterator[None]:
    """Let nothing but loopback be reached: an address elsewhere fails the test that tried."""
    closed = True

    def audit(event: str, arguments: tuple[Any, ...]) -> None:
        if not closed or event not in {"socket.connect", "socket.getaddrinfo"}:
            return
        address: object = arguments[1] if event == "socket.connect" else arguments[0]
        host = str(address[0]) if isinstance(address, tuple) else str(address)  # pyright: ignore[reportUnknownArgumentType]
        if isinstance(address, tuple | str) and not host.startswith(("/", "\0", *LOOPBACK)):
            raise PermissionError(f"tests reach loopback only, not {host}")

    sys.addaudithook(audit)
    yield
    closed = False


@dataclass(kw_only=True)
class Script:
    """What the scripted upstream answers: ``pieces`` are written one by one, then the connection may break off."""

    status: int = 200
    content_type: str = "application/json"
    pieces: Iterable[bytes] = ()
    headers: dict[str, str] = field(default_factory=dict[str, str])
    broken: bool = False
    pause_s: float = 0.0


@dataclass(kw_only=True)
class Upstream:
    """An OpenAI-compatible server that records what it got and answers by script, on a real socket."""

    url: str
    script: Script = field(default_factory=Script)
    bodies: list[Json] = field(default_factory=list[Json])
    raw: list[bytes] = field(default_factory=list[bytes])
    paths: list[str] = field(default_factory=list[str])
    headers: list[dict[str, str]] = field(default_factory=list[dict[str, str]])
    gone: threading.Event = field(default_factory=threading.Event)

    def clear(self) -> None:
        self.script = Script(pieces=[json.dumps(completion("ok")).encode()])
        self.bodies.clear()
        self.raw.clear()
        self.paths.clear()
        self.headers.clear()
        self.gone.clear()

    def renew(self) -> None:
        """Before each of a test's rows."""
        self.clear()

    def answer(self, body: Json, status: int = 200, **headers: str) -> None:
        """Answer whole."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        self.script = Script(status=status, pieces=[json.dumps(body).encode()], headers=named)

    def stream(self, *chunks: Json, done: bool = True, broken: bool = False, pause_s: float = 0.0) -> None:
        """Answer by server-sent events."""
        pieces = [b"data: " + json.dumps(chunk).encode() + b"\n\n" for chunk in chunks]
        if done:
            pieces.append(b"data: [DONE]\n\n")
        self.script = Script(content_type="text/event-stream", pieces=pieces, broken=broken, pause_s=pause_s)


def completion(text: str) -> Json:
    """A whole answer as OpenAI documents it."""
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1_700_000_000,
        "model": "upstream-model",
        "choices": [
            {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop", "logprobs": None}
        ],
        "usage": {"prompt_tokens": 5, "completion_tokens": 1, "total_tokens": 6},
    }


@pytest.fixture(scope="session")
def _upstream_server() -> Iterator[Upstream]:
    upstream = Upstream(url="")

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_POST(self) -> None:
            raw = self.rfile.read(int(self.headers.get("content-length", "0")))
            upstream.raw.append(raw)
            upstream.bodies.append(json.loads(raw))
            upstream.paths.append(self.path)
            upstream.headers.append({name.lower(): value for name, value in self.headers.items()})
            self._answer(upstream.script)

        def _answer(self, script: Script) -> None:
            self.send_response(script.status)
            self.send_header("content-type", script.content_type)
            self.send_header("transfer-encoding", "chunked")
            for name, value in script.headers.items():
                self.send_header(name, value)
            self.end_headers()
            try:
                for piece in script.pieces:
                    self.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
                    self.wfile.flush()
                    time.sleep(script.pause_s)
                if not script.broken:
                    self.wfile.write(b"0\r\n\r\n")
            except OSError:
                upstream.gone.set()
            self.close_connection = script.broken

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            """Say nothing."""

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, request: object, client_address: object) -> None:
            """A client that goes away is part of the tests."""

    server = Server(("127.0.0.1", 0), Handler)
    upstream.url = f"http://127.0.0.1:{server.server_address[1]}/v1"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield upstream
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def upstream(_upstream_server: Upstream) -> Upstream:
    """The scripted upstream, with nothing recorded yet; it answers ``ok``."""
    _upstream_server.clear()
    return _upstream_server


# What tests put into prompts, answers, keys and the like, so that it is found wherever it must not be: the word, access
# keys in the form of AWS's, addresses below the reserved domain.
PLANTED = re.compile(rb"planted[\w-]*|AKIA[A-Z0-9]{16}|[\w.+-]+@[\w.-]+\.example", re.IGNORECASE)


def refuse_planted(where: Path, names: frozenset[str] = frozenset()) -> None:
    """Fail where a file, or any file below a folder, holds what a test planted; ``names`` may stand there."""
    files = [path for path in sorted(where.rglob("*")) if path.is_file()] if where.is_dir() else [where]
    for file in files:
        found = {mark.decode() for mark in PLANTED.findall(file.read_bytes())} - names
        assert not found, f"{file.name} holds what must never be written there: {sorted(found)}"


@pytest.fixture
def nothing_planted_in() -> Callable[..., None]:
    """The same for tests: ``nothing_planted_in(path, names)``."""
    return refuse_planted


@dataclass(frozen=True, kw_only=True)
class Gateway:
    """A gateway that runs for real; ``metrics`` is where its metrics are, if anywhere."""

    url: str
    metrics: str | None
    process: "subprocess.Popen[str]"
    log: Path


@contextlib.contextmanager
def running(
    folder: Path, config: str, environ: Mapping[str, str], workers: int = 1, names: frozenset[str] = frozenset()
) -> Generator[Gateway, None, None]:
    """Run ``splitgate serve`` on a free port until the context ends; its log stays in ``folder``.

    Whatever the tests did with it, nothing that they planted may stand in the log, but for ``names``.
    """
    (folder / "splitgate.yaml").write_text(config)
    log = folder / "log"
    splitgate = str(Path(sys.executable).with_name("splitgate"))
    command = [splitgate, "serve", "--port", "0", "--workers", str(workers)]
    with log.open("w") as sink:
        process = subprocess.Popen(
            [*command, "--config", str(folder / "splitgate.yaml")],
            stdout=subprocess.PIPE,
            stderr=sink,
            text=True,
            env={**os.environ, "XDG_STATE_HOME": str(folder / "state"), **environ},
            cwd=folder,
        )
    try:
        url, metrics = _listening(process, log)
        yield Gateway(url=url, metrics=metrics, process=process, log=log)
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(PATIENCE_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        if process.stdout is not None:
            process.stdout.close()
    refuse_planted(log, names)


def _listening(process: "subprocess.Popen[str]", log: Path) -> tuple[str, str | None]:
    """Where the gateway listens, and where its metrics are: as its banner says."""
    assert process.stdout is not None
    deadline = time.monotonic() + PATIENCE_S
    with selectors.DefaultSelector() as selector:
        selector.register(process.stdout, selectors.EVENT_READ)
        while time.monotonic() < deadline and process.poll() is None:
            if selector.select(timeout=0.5):
                line = process.stdout.readline()
                if "is listening on" in line:
                    # It comes with the lines after it, of which those on models are left to whoever reads on.
                    told = itertools.takewhile(lambda one: not one.startswith("  model "), process.stdout)
                    metrics = next((one for one in told if one.startswith("  metrics ")), None)
                    return line.split()[-1], metrics and metrics.split()[-1]
    raise AssertionError(f"the gateway did not start:\n{log.read_text()}")


RunGateway: TypeAlias = Callable[..., Gateway]


@pytest.fixture
def run_gateway(tmp_path: Path) -> Iterator[RunGateway]:
    """Start a gateway with a configuration of the test's own; it stops with the test."""
    with contextlib.ExitStack() as stack:

        def start(config: str, workers: int = 1, **environ: str) -> Gateway:
            folder = tmp_path / f"gateway-{time.monotonic_ns()}"
            folder.mkdir()
            return stack.enter_context(running(folder, config, environ, workers))

        yield start


@contextlib.contextmanager
def keeping(factory: pytest.TempPathFactory) -> Generator[RunGateway, None, None]:
    """Start gateways that stop with the context."""
    with contextlib.ExitStack() as stack:

        def start(
            config: str,
            names: frozenset[str] = frozenset(),
            workers: int = 1,
            folder: Path | None = None,
            **environ: str,
        ) -> Gateway:
            place = folder or factory.mktemp("kept")
            return stack.enter_context(running(place, config, environ, workers, names=names))

        yield start


@pytest.fixture(scope="module")
def keep_gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunGateway]:
    """Start a gateway that several tests of a file share: it stops with the file, since idling costs as well."""
    with keeping(tmp_path_factory) as start:
        yield start


@pytest.fixture(scope="session")
def session_gateways(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunGateway]:
    """The same for several files: it stops with the session."""
    with keeping(tmp_path_factory) as start:
        yield start


MODELS = """
models:
  local:
    retries: 0
    targets: [{{provider: embedded}}]
  local-split:
    retries: 0
    targets: [{{provider: embedded, model: smollm2-135m-split, format: secalign}}]
  envelope:
    min_isolation: channel
    retries: 0
    targets:
      - provider: openai_compatible
        base_url: "{url}"
        model: m
        format: tool-envelope
        api_key: env:UPSTREAM_KEY
        extra_params: [top_k]
        breaker: {forgiving}
  spotlight:
    retries: 0
    targets: [{{provider: openai_compatible, base_url: "{url}", model: m, format: spotlight, breaker: {forgiving}}}]
  plain:
    min_isolation: none
    retries: 0
    targets: [{{provider: openai_compatible, base_url: "{url}", model: m, format: plain, breaker: {forgiving}}}]
"""


@pytest.fixture(scope="session")
def gateway(_upstream_server: Upstream, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """The session's gateway: models ``local``, ``envelope``, ``spotlight`` and ``plain``, no keys."""
    folder = tmp_path_factory.mktemp("gateway")
    # What one test has the upstream do must not have the next one find it left alone; and a call is one call.
    config = MODELS.format(url=_upstream_server.url, forgiving="{failures: 0, longest_rest_s: 0}")
    with running(folder, config, {"UPSTREAM_KEY": "planted-upstream-key"}) as started:
        yield started


@pytest.fixture
def card() -> Card:
    """What was measured of a model that was trained to keep data apart."""
    return Card(
        provider="openai_compatible",
        model="m",
        format="secalign",
        weights="sha256:" + "0" * 64,
        suite="builtin",
        dataset="sha256:" + "1" * 64,
        date="2026-11-30",
        version="0.1.0",
        revision=None,
        command="splitgate evaluate --model m",
        scores=Scores(
            separation=Score(value=0.96, low=0.93, high=0.98, n=240),
            attack_success=Score(value=0.02, low=0.01, high=0.05, n=240),
        ),
        by_attack={
            "naive": Score(value=0.0, low=0.0, high=0.03, n=120),
            "ignore": Score(value=0.04, low=0.02, high=0.09, n=120),
        },
        added_tokens=Added(median=40, p90=52),
        latency_s=Latency(p50=0.5, p90=0.8),
        trained=Training(method="struq", isolation="native", report="docs/training.md"),
    )
