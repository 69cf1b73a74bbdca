"""Vendors' servers on loopback, which record what they get and answer in the vendors' documented shapes.

Sources: Amazon Bedrock's API reference ("Converse", "ConverseStream") and the encoding of its event streams, Gemini's
("generateContent", "streamGenerateContent"), Cohere's ("Chat", version 2).
"""

import json
import struct
import threading
import time
from binascii import crc32
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, TypeAlias

import httpx
import pytest

Json: TypeAlias = dict[str, Any]

EVENTS = "application/vnd.amazon.eventstream"
SSE = "text/event-stream"


@dataclass(frozen=True, kw_only=True)
class Call:
    """What a vendor got."""

    path: str
    headers: dict[str, str]
    body: Any


@dataclass(kw_only=True)
class Vendor:
    """A server that plays every vendor: it answers by what was set last, waits for ``go_on``, or drops the call."""

    url: str
    calls: list[Call] = field(default_factory=list[Call])
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict[str, str])
    content_type: str = "application/json"
    pieces: Sequence[bytes] = ()
    cut: bool = False
    drop: bool = False
    hold: bool = False
    entered: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))
    go_on: threading.Event = field(default_factory=threading.Event)
    gone: threading.Event = field(default_factory=threading.Event)

    def clear(self) -> None:
        self.go_on.set()
        self.calls.clear()
        self.cut = self.drop = self.hold = False
        self.entered, self.go_on, self.gone = threading.Semaphore(0), threading.Event(), threading.Event()
        self.answer({})

    def answer(self, body: Json | bytes, status: int = 200, **headers: str) -> None:
        """Answer whole."""
        self.status, self.headers = status, {name.replace("_", "-"): value for name, value in headers.items()}
        self.content_type = "application/json"
        self.pieces = [body if isinstance(body, bytes) else json.dumps(body).encode()]

    def stream(self, content_type: str, *pieces: bytes, cut: bool = False) -> None:
        """Answer piece by piece; ``cut`` breaks the connection off in the middle of the body."""
        self.status, self.headers, self.content_type = 200, {}, content_type
        self.pieces, self.cut = pieces, cut

    @property
    def body(self) -> Any:
        """What came with the only call."""
        assert len(self.calls) == 1
        return self.calls[0].body


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: "_Server"  # pyright: ignore[reportIncompatibleVariableOverride]

    def do_POST(self) -> None:
        vendor = self.server.vendor
        raw = self.rfile.read(int(self.headers.get("content-length", "0")))
        headers = {name.lower(): value for name, value in self.headers.items()}
        vendor.calls.append(Call(path=self.path, headers=headers, body=json.loads(raw)))
        hold = vendor.hold
        vendor.entered.release()
        if hold and self._left(vendor):
            vendor.gone.set()
            self.close_connection = True
            return
        if vendor.drop:
            self.close_connection = True
            return
        self._answer(vendor)

    def _left(self, vendor: Vendor) -> bool:
        """Wait for the test or the caller: whether it was the caller, who hung up."""
        self.connection.settimeout(0.02)
        while not vendor.go_on.is_set():
            try:
                return self.connection.recv(1) == b""
            except TimeoutError:
                continue
            except ConnectionError:
                return True
        return False

    def _answer(self, vendor: Vendor) -> None:
        self.send_response(vendor.status)
        for name, value in {"content-type": vendor.content_type, **vendor.headers}.items():
            self.send_header(name, value)
        self.send_header("transfer-encoding", "chunked")
        self.end_headers()
        for piece in filter(None, vendor.pieces):
            self.wfile.write(b"%x\r\n%b\r\n" % (len(piece), piece))
            self.wfile.flush()
        if not vendor.cut:
            self.wfile.write(b"0\r\n\r\n")
        self.close_connection = vendor.cut

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Say nothing."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    vendor: Vendor

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that goes away is part of the tests."""


class Shapes:
    """Answers as the vendors document them."""

    events, sse = EVENTS, SSE

    @staticmethod
    def bedrock(*content: Json, stop: str = "end_turn", **usage: int) -> Json:
        counted = {"inputTokens": 9, "outputTokens": 4, "totalTokens": 13, **usage}
        message = {"role": "assistant", "content": list(content)}
        return {"output": {"message": message}, "stopReason": stop, "usage": counted, "metrics": {"latencyMs": 1}}

    @staticmethod
    def bedrock_event(name: str, payload: Json, kind: str = "event") -> bytes:
        """One message of an event stream: lengths, headers, payload, and two check sums."""
        head = b""
        named = {f":{kind}-type": name, ":content-type": "application/json", ":message-type": kind}
        for key, value in named.items():
            head += bytes([len(key)]) + key.encode() + b"\x07" + struct.pack(">H", len(value)) + value.encode()
        body = json.dumps(payload).encode()
        prelude = struct.pack(">II", 16 + len(head) + len(body), len(head))
        message = prelude + struct.pack(">I", crc32(prelude)) + head + body
        return message + struct.pack(">I", crc32(message))

    @staticmethod
    def gemini(*parts: Json, finish: str | None = "STOP", **usage: int) -> Json:
        counted = {"promptTokenCount": 9, "candidatesTokenCount": 4, "totalTokenCount": 13, **usage}
        candidate = {"content": {"role": "model", "parts": list(parts)}, "index": 0}
        finished = {} if finish is None else {"finishReason": finish}
        return {
            "candidates": [{**candidate, **finished}],
            "usageMetadata": counted,
            "modelVersion": "gemini-2.5-pro",
            "responseId": "r1",
        }

    @staticmethod
    def cohere(*content: Json, finish: str = "COMPLETE", **message: Any) -> Json:
        usage = {"billed_units": {"input_tokens": 9, "output_tokens": 4}}
        usage["tokens"] = usage["billed_units"]
        said = {"role": "assistant", "content": list(content), **message}
        return {"id": "c1", "finish_reason": finish, "message": said, "usage": usage}

    @staticmethod
    def data(payload: Json) -> bytes:
        """One server-sent event."""
        return b"data: " + json.dumps(payload).encode() + b"\r\n\r\n"


@pytest.fixture(scope="session")
def shapes() -> Shapes:
    """Answers in the vendors' shapes."""
    return Shapes()


@pytest.fixture(scope="session")
def _vendor_server() -> Iterator[Vendor]:
    server = _Server(("127.0.0.1", 0), _Handler)
    server.vendor = Vendor(url=f"http://127.0.0.1:{server.server_address[1]}")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    yield server.vendor
    server.vendor.clear()
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def vendor(_vendor_server: Vendor) -> Vendor:
    """A vendor's server, with nothing recorded yet."""
    _vendor_server.clear()
    return _vendor_server


@pytest.fixture(scope="session")
def vendor_url(_vendor_server: Vendor) -> str:
    """Where it listens, for processes that outlive a test."""
    return _vendor_server.url


_CONFIG = """
audit: {{deadline_s: 10}}
models:
  claude:
    min_isolation: channel
    retries: 0
    targets:
      - id: claude-1
        provider: bedrock
        base_url: "{url}"
        model: anthropic.claude-sonnet-4-5-20250929-v1:0
        format: tool-envelope
        breaker: {forgiving}
        credentials:
          {{aws_region_name: eu-central-1, aws_access_key_id: env:AWS_KEY, aws_secret_access_key: env:AWS_SECRET}}
  gemini:
    min_isolation: channel
    retries: 0
    targets: [{{{gemini}, id: gemini-1, format: tool-envelope}}]
  cohere:
    retries: 0
    targets:
      - provider: litellm
        base_url: "{url}/v2/chat"
        model: cohere_chat/command-a-03-2025
        api_key: file:cohere-key
        id: cohere-1
        breaker: {forgiving}
        format: tool-envelope
  spotlight:
    retries: 0
    targets: [{{{gemini}, id: gemini-2, format: spotlight}}]
  impatient:
    retries: 0
    targets: [{{{gemini}, id: gemini-3, format: tool-envelope, timeouts: {{first_byte: 1, connect: 1}}}}]
  either:
    retries: 0
    targets:
      - {{{gemini}, id: gemini-4, format: tool-envelope}}
      - {{provider: openai_compatible, base_url: "{other}", model: m, format: tool-envelope, id: other-2}}
  other:
    retries: 0
    targets: [{{provider: openai_compatible, base_url: "{other}", model: m, format: tool-envelope, id: other-1}}]
"""
# What one test has a vendor do must not have the next one find it left alone; and a call is one call.
_FORGIVING = "{failures: 0, longest_rest_s: 0}"
_GEMINI = (
    'provider: litellm, base_url: "{url}", model: gemini/gemini-2.5-pro, api_key: env:VENDOR_KEY, breaker: {forgiving}'
)
_SECRETS = {
    "AWS_KEY": "planted-aws-key",
    "AWS_SECRET": "planted-aws-secret",
    "VENDOR_KEY": "planted-vendor-key",
    "UNRELATED": "planted-unrelated",
}
# How long the litellm process may take to come up.
_PATIENCE_S = 60.0


@pytest.fixture(scope="session")
def vendor_gateway(
    vendor_url: str,
    _upstream_server: Any,
    session_gateways: Callable[..., Any],
    tmp_path_factory: pytest.TempPathFactory,
) -> Any:
    """A gateway in front of a vendor and of an ordinary upstream; for its models see the text above.

    Its log stands in the folder of its configuration, beside the file with Cohere's key.
    """
    folder = tmp_path_factory.mktemp("vendors")
    (folder / "cohere-key").write_text("planted-vendor-key")
    gemini = _GEMINI.format(url=vendor_url, forgiving=_FORGIVING)
    config = _CONFIG.format(url=vendor_url, other=_upstream_server.url, gemini=gemini, forgiving=_FORGIVING)
    return session_gateways(config, folder=folder, **_SECRETS)


@pytest.fixture
def vendor_http(vendor_gateway: Any, vendor: Vendor, shapes: Shapes, upstream: Any) -> Iterator[httpx.Client]:
    """A client of that gateway; the litellm process has answered, and nothing is recorded yet."""
    vendor.answer(shapes.gemini({"text": "a"}))
    body = {"model": "spotlight", "messages": [{"role": "user", "content": "Hi"}]}
    with httpx.Client(base_url=vendor_gateway.url, timeout=_PATIENCE_S, trust_env=False) as client:
        end = time.monotonic() + _PATIENCE_S
        while client.post("/v1/chat/completions", json=body).status_code != 200:
            assert time.monotonic() < end
            time.sleep(0.05)
        vendor.clear()
        upstream.clear()
        yield client
