"""What do end-to-end tests share? Clients of a running gateway, and upstreams whose part the test plays itself."""

import contextlib
import hashlib
import json
import queue
import socket
import threading
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass, field
from http.client import HTTPMessage, HTTPResponse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Protocol, TypeAlias
from urllib.parse import urlsplit

import httpx
import pytest

Json: TypeAlias = dict[str, Any]

# How long a step may take before the test fails; nothing waits for it when all is well.
PATIENCE_S = 20.0


class Gateway(Protocol):
    @property
    def url(self) -> str: ...


@pytest.fixture(scope="session")
def http(gateway: Gateway) -> Iterator[httpx.Client]:
    """A plain HTTP client of the session's gateway."""
    with httpx.Client(base_url=gateway.url, timeout=60.0, trust_env=False) as client:
        yield client


def _chunk(delta: Json, finish: str | None = None, index: int = 0) -> Json:
    choice = {"index": index, "delta": delta, "finish_reason": finish}
    return {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [choice]}


@pytest.fixture
def chunk() -> Callable[..., Json]:
    """Makes one chunk of a streamed answer: ``chunk(delta, finish_reason, index)``."""
    return _chunk


@dataclass(frozen=True, kw_only=True)
class Received:
    """A whole HTTP response."""

    status: int
    headers: HTTPMessage
    body: bytes

    def json(self) -> Json:
        return json.loads(self.body)


class Wire:
    """One bare connection to a gateway: bytes go out as they are, and come in as they come."""

    def __init__(self, url: str) -> None:
        where = urlsplit(url)
        self._host = where.netloc
        self._socket = socket.create_connection((where.hostname, where.port), PATIENCE_S)
        self._seen = b""

    def send(self, raw: bytes) -> None:
        self._socket.sendall(raw)

    def request(self, path: str, body: bytes | None = None, *, method: str = "POST", **headers: str) -> None:
        """Send a request; without ``body`` only its head."""
        named = {"host": self._host, "content-type": "application/json"}
        named |= {"content-length": str(len(body))} if body is not None else {}
        named |= {name.replace("_", "-"): value for name, value in headers.items()}
        head = "".join(f"{name}: {value}\r\n" for name, value in named.items())
        self.send(f"{method} {path} HTTP/1.1\r\n{head}\r\n".encode("latin-1") + (body or b""))

    def response(self) -> Received:
        """Read one whole response."""
        with contextlib.closing(HTTPResponse(self._socket)) as response:
            response.begin()
            return Received(status=response.status, headers=response.headers, body=response.read())

    def until(self, mark: bytes) -> bytes:
        """Read on until ``mark`` has come; all that came since the connection was made."""
        while mark not in self._seen:
            got = self._socket.recv(65536)
            assert got, f"the gateway closed the connection before {mark!r}: {self._seen!r}"
            self._seen += got
        return self._seen

    def rest(self) -> bytes:
        """Read on to the end of the connection; all that came since it was made."""
        with contextlib.suppress(ConnectionResetError):
            while got := self._socket.recv(65536):
                self._seen += got
        return self._seen

    def close(self) -> None:
        self._socket.close()


@pytest.fixture
def dial() -> Iterator[Callable[[str], Wire]]:
    """``dial(url)`` opens a bare connection that closes with the test."""
    with contextlib.ExitStack() as stack:

        def open_wire(url: str) -> Wire:
            wire = Wire(url)
            stack.callback(wire.close)
            return wire

        yield open_wire


@dataclass(frozen=True, kw_only=True)
class Answer:
    """An answer given at once; ``cut`` breaks the connection off behind it."""

    body: bytes
    status: int = 200
    content_type: str = "application/json"
    headers: dict[str, str] = field(default_factory=dict[str, str])
    cut: bool = False


class Exchange:
    """One call of the gateway's, answered by the test step by step."""

    def __init__(self, handler: BaseHTTPRequestHandler, body: Json) -> None:
        self._handler = handler
        self.body = body
        self.headers = {name.lower(): value for name, value in handler.headers.items()}
        self.over = threading.Event()

    def open(self, content_type: str = "text/event-stream") -> None:
        """Send the head of an answer that comes in pieces."""
        self._handler.send_response(200)
        self._handler.send_header("content-type", content_type)
        self._handler.send_header("transfer-encoding", "chunked")
        # Said, so that the gateway does not send its next call on a connection that is about to end.
        self._handler.send_header("connection", "close")
        self._handler.end_headers()

    def write(self, raw: bytes) -> None:
        self._handler.wfile.write(b"%x\r\n%s\r\n" % (len(raw), raw))
        self._handler.wfile.flush()

    def say(self, *chunks: Json) -> None:
        for one in chunks:
            self.write(b"data: " + json.dumps(one).encode() + b"\n\n")

    def end(self) -> None:
        """End the answer as the protocol has it; the gateway may have heard enough and left."""
        with contextlib.suppress(ConnectionError):
            self._handler.wfile.write(b"0\r\n\r\n")
        self.over.set()

    def die(self) -> None:
        """Break off in the middle."""
        self._handler.connection.shutdown(socket.SHUT_RDWR)
        self.over.set()

    def caller_left(self) -> bool:
        """Wait until the gateway closes its end of the connection."""
        self._handler.connection.settimeout(PATIENCE_S)
        try:
            left = self._handler.connection.recv(1) == b""
        except ConnectionResetError:
            left = True
        except TimeoutError:
            left = False
        self.over.set()
        return left


@dataclass(kw_only=True)
class Staged:
    """An upstream that answers by ``automatic``, or else leaves each call to the test: ``next()`` gives it."""

    url: str
    automatic: Callable[[Json], Answer] | None = None
    bodies: list[Json] = field(default_factory=list[Json])
    headers: list[dict[str, str]] = field(default_factory=list[dict[str, str]])
    calls: "queue.Queue[Exchange]" = field(default_factory=queue.Queue["Exchange"])

    def next(self) -> Exchange:
        """Wait for the gateway's next call."""
        return self.calls.get(timeout=PATIENCE_S)

    def always(self, body: Json | bytes, **details: Any) -> None:
        """Give the same answer to every call."""
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.automatic = lambda _: Answer(body=raw, **details)

    def renew(self) -> None:
        """Before each of a test's rows."""
        self.clear()

    def clear(self) -> None:
        self.automatic = None
        self.bodies.clear()
        self.headers.clear()
        while not self.calls.empty():
            self.calls.get().over.set()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: "_Server"  # pyright: ignore[reportIncompatibleVariableOverride]

    def do_POST(self) -> None:
        staged = self.server.staged
        body: Json = json.loads(self.rfile.read(int(self.headers["content-length"])))
        staged.headers.append({name.lower(): value for name, value in self.headers.items()})
        staged.bodies.append(body)
        if staged.automatic is not None:
            self._answer(staged.automatic(body))
            return
        exchange = Exchange(self, body)
        staged.calls.put(exchange)
        exchange.over.wait(PATIENCE_S)
        self.close_connection = True

    def _answer(self, answer: Answer) -> None:
        self.send_response(answer.status)
        self.send_header("content-type", answer.content_type)
        self.send_header("content-length", str(len(answer.body) + (1 if answer.cut else 0)))
        for name, value in answer.headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(answer.body)
        self.close_connection = answer.cut

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Say nothing."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    staged: Staged

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that goes away is part of the tests."""


@contextlib.contextmanager
def _staging() -> Generator[Staged]:
    server = _Server(("127.0.0.1", 0), _Handler)
    server.staged = Staged(url=f"http://127.0.0.1:{server.server_address[1]}/v1")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield server.staged
    finally:
        server.staged.clear()
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.fixture(scope="session")
def staged_pair() -> Iterator[tuple[Staged, Staged]]:
    """Two upstreams, for gateways that outlive a test."""
    with _staging() as first, _staging() as second:
        yield first, second


@pytest.fixture
def first(staged_pair: tuple[Staged, Staged]) -> Staged:
    """The upstream behind each first target of the staged gateway, with nothing recorded yet."""
    staged_pair[0].clear()
    return staged_pair[0]


@pytest.fixture
def second(staged_pair: tuple[Staged, Staged]) -> Staged:
    """The upstream behind each second target."""
    staged_pair[1].clear()
    return staged_pair[1]


# What one test has an upstream do must not have the next one find it left alone; and a call is one call.
_FORGIVING = "{failures: 0, longest_rest_s: 0}"
# Targets: `a` is the first upstream, `b` the second, `dead` a port that nobody listens on.
_STAGED_MODELS = """
models:
  one:
    retries: 0
    targets: [{{{a}, id: one-a, format: tool-envelope}}]
  two:
    retries: 0
    targets: [{{{a}, id: two-a, format: tool-envelope}}, {{{b}, id: two-b, format: tool-envelope}}]
  dead-first:
    retries: 0
    targets: [{{{dead}, id: dead-first-dead, format: tool-envelope}}, {{{b}, id: dead-first-b, format: tool-envelope}}]
  all-dead:
    retries: 0
    targets: [{{{dead}, id: all-dead-1, format: tool-envelope}}, {{{dead}, id: all-dead-2, format: tool-envelope}}]
  weaker-second:
    retries: 0
    targets: [{{{a}, id: weaker-second-a, format: tool-envelope}}, {{{b}, id: weaker-second-b, format: spotlight}}]
  impatient:
    retries: 0
    targets:
      - {{{a}, id: impatient-a, format: tool-envelope, timeouts: {{first_byte: 0.2}}}}
      - {{{b}, id: impatient-b, format: tool-envelope}}
  idle:
    retries: 0
    targets: [{{{a}, id: idle-a, format: tool-envelope, timeouts: {{idle: 0.2}}}}]
  anything:
    min_isolation: none
    retries: 0
    targets: [{{{a}, id: anything-a, format: plain}}]
"""


@pytest.fixture(scope="session", params=["aiohttp", "httpx"])
def staged_gateway(
    staged_pair: tuple[Staged, Staged], session_gateways: Callable[..., Gateway], request: pytest.FixtureRequest
) -> Iterator[Gateway]:
    """A gateway in front of ``first`` and ``second``, by each transport; for its models see the text above."""
    with socket.socket() as dead:
        dead.bind(("127.0.0.1", 0))  # bound and never listening: connections are refused, and nobody takes the port
        urls = {
            "a": staged_pair[0].url,
            "b": staged_pair[1].url,
            "dead": f"http://127.0.0.1:{dead.getsockname()[1]}/v1",
        }
        entries = {
            name: f'provider: openai_compatible, base_url: "{url}", model: m, breaker: {_FORGIVING}'
            for name, url in urls.items()
        }
        yield session_gateways(f"server: {{transport: {request.param}}}\n" + _STAGED_MODELS.format(**entries))


@pytest.fixture(scope="session")
def staged_http(staged_gateway: Gateway) -> Iterator[httpx.Client]:
    """A plain HTTP client of the staged gateway."""
    with httpx.Client(base_url=staged_gateway.url, timeout=60.0, trust_env=False) as client:
        yield client


@pytest.fixture(scope="session")
def api_key() -> str:
    """A client's key of the keyed gateway."""
    return "planted-client-key"


@pytest.fixture(scope="session")
def keyed_gateway(
    staged_pair: tuple[Staged, Staged], session_gateways: Callable[..., Gateway], api_key: str
) -> Gateway:
    """A gateway that asks for ``api_key``, with the model ``one`` in front of ``first``."""
    digest = hashlib.sha256(api_key.encode()).hexdigest()
    target = f'provider: openai_compatible, base_url: "{staged_pair[0].url}", model: m, format: tool-envelope'
    target += f", breaker: {_FORGIVING}"
    return session_gateways(f"keys: [{{name: app, sha256: {digest}}}]\nmodels: {{one: {{targets: [{{{target}}}]}}}}\n")
