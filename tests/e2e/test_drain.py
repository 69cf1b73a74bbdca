"""How does a gateway end? Nothing is cut off in its time, and what is says so and leaves its record."""

import contextlib
import json
import signal
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

import httpx
import pytest

from gateway.audit.note import VerifierKey
from gateway.audit.places import Places
from gateway.audit.verify import verify
from gateway.dialects.registry import PATHS

Json = dict[str, Any]
CHAT = "/v1/chat/completions"
PATIENCE_S = 30.0


class Gateway(Protocol):
    @property
    def url(self) -> str: ...
    @property
    def process(self) -> "subprocess.Popen[str]": ...
    @property
    def log(self) -> Path: ...


class Exchange(Protocol):
    def open(self, content_type: str = "text/event-stream") -> None: ...
    def write(self, raw: bytes) -> None: ...
    def say(self, *chunks: Json) -> None: ...
    def end(self) -> None: ...
    def caller_left(self) -> bool: ...


class Staged(Protocol):
    url: str
    bodies: list[Json]

    def next(self) -> Exchange: ...
    def always(self, body: Json | bytes, **details: Any) -> None: ...


class Received(Protocol):
    status: int
    headers: Any
    body: bytes

    def json(self) -> Json: ...


class Wire(Protocol):
    def send(self, raw: bytes) -> None: ...
    def request(self, path: str, body: bytes | None = None, *, method: str = "POST", **headers: str) -> None: ...
    def response(self) -> Received: ...
    def until(self, mark: bytes) -> bytes: ...
    def rest(self) -> bytes: ...


Dial = Callable[[str], Wire]
Chunk = Callable[..., Json]
Start = Callable[..., Gateway]
ANSWER: Json = {
    "id": "1",
    "object": "chat.completion",
    "created": 1,
    "model": "m",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "fine"}, "finish_reason": "stop"}],
}


@pytest.fixture
def start(run_gateway: Callable[..., Gateway], first: Staged, tmp_path: Path) -> Start:
    """A gateway in front of ``first`` whose journals lie in ``audit``; takes what stands in ``server``."""

    def start(server: str = "", workers: int = 1) -> Gateway:
        target = f'provider: openai_compatible, base_url: "{first.url}", model: m, format: tool-envelope'
        config = f"server: {{{server}}}\naudit: {{dir: {tmp_path / 'audit'}, deadline_s: 20}}\n"
        return run_gateway(f"{config}models: {{one: {{targets: [{{{target}}}]}}}}\n", workers=workers)

    return start


def body_of(path: str, *, stream: bool) -> bytes:
    messages: Json = {"messages": [{"role": "user", "content": "Summarise."}]}
    asked = {
        "/v1/split": {"instructions": "Summarise."},
        "/v1/chat/completions": messages,
        "/v1/responses": {"input": "Summarise."},
        "/v1/messages": {"max_tokens": 100, **messages},
    }[path]
    return json.dumps({"model": "one", "data": "d", "stream": stream, **asked}).encode()


def begin(gateway: Gateway, dial: Dial, upstream: Staged, path: str = CHAT, *, stream: bool) -> tuple[Wire, Exchange]:
    """A request that waits for its upstream, or a stream of which the first piece has come."""
    wire = dial(gateway.url)
    wire.request(path, body_of(path, stream=stream))
    exchange = upstream.next()
    return wire, exchange


def answer(exchange: Exchange) -> None:
    exchange.open("application/json")
    exchange.write(json.dumps(ANSWER).encode())
    exchange.end()


def until(true: Callable[[], Any]) -> None:
    end = time.monotonic() + PATIENCE_S
    while not true():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.02)


def refuses(gateway: Gateway) -> bool:
    try:
        httpx.get(f"{gateway.url}/healthz", trust_env=False, timeout=5)
    except httpx.TransportError:
        # Refused, or reset where it was still waiting to be taken.
        return True
    return False


def outcomes(folder: Path) -> list[Json]:
    lines = [line for journal in folder.glob("epochs/*/journal") for line in journal.read_bytes().splitlines()]
    return [record for record in map(json.loads, lines) if record.get("phase") == "outcome"]


def expect_whole_journal(folder: Path) -> None:
    keys = [VerifierKey.parse(line) for line in (folder / "public-key").read_text().splitlines()]
    assert verify(Places(folder), keys).findings == ()


def test_what_is_under_way_at_a_stop_is_finished_and_nobody_new_is_let_in(
    start: Start, dial: Dial, first: Staged, chunk: Chunk, tmp_path: Path
) -> None:
    gateway = start()
    whole, its_call = begin(gateway, dial, first, stream=False)
    wire, exchange = begin(gateway, dial, first, stream=True)
    exchange.open()
    exchange.say(chunk({"role": "assistant", "content": "alpha"}))
    wire.until(b"alpha")
    idle = dial(gateway.url)
    idle.request("/healthz", method="GET")
    assert idle.response().status == 200
    coming = dial(gateway.url)
    coming.send(b"GET /healthz HTTP/1.1\r\nhost: 127.0.0.1\r\n")
    gateway.process.send_signal(signal.SIGTERM)
    until(lambda: refuses(gateway))
    # One that has begun to come is served, one that has nothing to say is closed.
    coming.send(b"\r\n")
    served = coming.response()
    assert (served.status, served.headers["connection"]) == (200, "close")
    assert idle.rest() == b""
    for word in ("beta", "gamma"):
        exchange.say(chunk({"content": word}))
        wire.until(word.encode())
    exchange.say(chunk({}, "stop"))
    exchange.write(b"data: [DONE]\n\n")
    exchange.end()
    assert wire.rest().endswith(b"data: [DONE]\n\n\r\n0\r\n\r\n")
    answer(its_call)
    assert whole.response().json()["choices"][0]["message"]["content"] == "fine"
    assert gateway.process.wait(PATIENCE_S) == 0
    assert [(one["status"], one.get("error")) for one in outcomes(tmp_path / "audit")] == [(200, None)] * 2
    expect_whole_journal(tmp_path / "audit")


def test_what_takes_longer_than_the_grace_ends_in_its_own_dialect_and_leaves_a_record(
    start: Start, dial: Dial, first: Staged, chunk: Chunk, tmp_path: Path
) -> None:
    gateway = start("grace_s: 0.5")
    wholes = [begin(gateway, dial, first, path, stream=False) for path in PATHS]
    streams = [begin(gateway, dial, first, path, stream=True) for path in PATHS]
    for wire, exchange in streams:
        exchange.open()
        exchange.say(chunk({"role": "assistant", "content": "alpha"}))
        wire.until(b"text/event-stream")
    gateway.process.send_signal(signal.SIGTERM)
    for path, (wire, exchange) in zip(PATHS, streams, strict=True):
        told = wire.rest()
        # The HTTP message is whole: it is the stream's last event that says what happened.
        assert told.endswith(b"\r\n0\r\n\r\n"), path
        assert b"gateway_stopping" in told, path
        assert b"[DONE]" not in told, path
        assert exchange.caller_left()
    for path, (wire, exchange) in zip(PATHS, wholes, strict=True):
        refused = wire.response()
        assert (refused.status, refused.headers["x-should-retry"]) == (503, "false"), path
        assert "gateway_stopping" in refused.body.decode(), path
        assert exchange.caller_left()
    assert gateway.process.wait(PATIENCE_S) == 0
    ended = sorted((one["status"], one["error"], one["dialect"]) for one in outcomes(tmp_path / "audit"))
    assert [end[:2] for end in ended] == [(200, "gateway_stopping")] * 4 + [(503, "gateway_stopping")] * 4
    assert [len({end[2] for end in half}) for half in (ended[:4], ended[4:])] == [4, 4]
    expect_whole_journal(tmp_path / "audit")
    assert "Exception" not in gateway.log.read_text()


@pytest.mark.exhaustive
def test_a_client_that_does_not_read_holds_up_no_stop(
    start: Start, dial: Dial, first: Staged, chunk: Chunk, tmp_path: Path
) -> None:
    gateway = start("grace_s: 0.5, write_timeout_s: 600")
    _, exchange = begin(gateway, dial, first, stream=True)
    exchange.open()
    poured: list[int] = []

    def pour() -> None:
        with contextlib.suppress(OSError):
            while True:
                exchange.say(chunk({"content": "x" * 65_536}))
                poured.append(1)

    pouring = threading.Thread(target=pour, daemon=True)
    pouring.start()
    # Until nothing more fits into what lies between: the client has read none of it.
    until(lambda: poured and _stands(poured))
    gateway.process.send_signal(signal.SIGTERM)
    assert gateway.process.wait(PATIENCE_S) == 0
    expect_whole_journal(tmp_path / "audit")


def _stands(counted: list[int]) -> bool:
    before = len(counted)
    time.sleep(0.5)
    return len(counted) == before


def test_balancers_hear_of_a_stop_before_it_begins(start: Start, dial: Dial, first: Staged) -> None:
    gateway = start("drain_delay_s: 2")
    first.always(ANSWER)
    kept = dial(gateway.url)
    kept.request("/readyz", method="GET")
    assert kept.response().status == 200
    gateway.process.send_signal(signal.SIGTERM)
    told: list[Received] = []

    def not_ready() -> bool:
        kept.request("/readyz", method="GET")
        told.append(kept.response())
        return told[-1].status == 503

    until(not_ready)
    assert told[-1].json() == {"status": "stopping"}
    with httpx.Client(base_url=gateway.url, trust_env=False) as http:
        assert http.get("/healthz").status_code == 200
        content = body_of(CHAT, stream=False)
        answered = http.post(CHAT, content=content, headers={"content-type": "application/json"})
        assert answered.status_code == 200
    until(lambda: refuses(gateway))
    assert gateway.process.wait(PATIENCE_S) == 0


@pytest.mark.exhaustive
def test_a_worker_that_gives_way_finishes_what_it_has_under_way(
    start: Start, dial: Dial, first: Staged, chunk: Chunk, tmp_path: Path
) -> None:
    gateway = start(workers=2)
    streams = [begin(gateway, dial, first, stream=True) for _ in range(6)]
    for wire, exchange in streams:
        exchange.open()
        exchange.say(chunk({"role": "assistant", "content": "alpha"}))
        wire.until(b"alpha")
    gateway.process.send_signal(signal.SIGUSR2)
    until(lambda: "replacing the workers" in gateway.log.read_text())
    # Meanwhile somebody always answers.
    for _ in range(20):
        assert httpx.get(f"{gateway.url}/healthz", trust_env=False).status_code == 200
    for wire, exchange in streams:
        exchange.say(chunk({"content": "beta"}), chunk({}, "stop"))
        exchange.write(b"data: [DONE]\n\n")
        exchange.end()
        wire.until(b"data: [DONE]\n\n")
    until(lambda: gateway.log.read_text().count("gave way to a new one") == 2)
    assert [(one["status"], one.get("error")) for one in outcomes(tmp_path / "audit")] == [(200, None)] * 6
