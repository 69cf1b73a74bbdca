"""The litellm process killed, stopped, and replaced by one that answers garbage: its calls fail, all others go on."""

import os
import signal
import socket
import threading
import time
from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol, Self

import httpx
import pytest

pytestmark = pytest.mark.xdist_group("litellm")
PATIENCE_S = 60.0


class Gateway(Protocol):
    url: str
    process: Any
    log: Path


@pytest.fixture
def gateway(vendor_gateway: Gateway) -> Gateway:
    """The gateway in front of a vendor and of an ordinary upstream."""
    return vendor_gateway


@pytest.fixture
def http(vendor_http: httpx.Client, vendor: Any) -> httpx.Client:
    """A client of it; the litellm process is well, and the vendor has heard nothing yet."""
    assert ask(vendor_http, "other").status_code == 200
    vendor.clear()
    return vendor_http


def served(client: httpx.Client) -> str:
    """What the vendor says, once it is reached: a process that died before rests for a while."""
    end = time.monotonic() + PATIENCE_S
    while (reply := ask(client, "gemini")).status_code != 200:
        assert reply.json()["error"]["code"] in {"upstream_unreachable", "upstream_garbled"}
        assert time.monotonic() < end
        time.sleep(0.05)
    return reply.json()["choices"][0]["message"]["content"]


def ask(client: httpx.Client, model: str, **more: Any) -> httpx.Response:
    body = {"model": model, "messages": [{"role": "user", "content": "planted question"}], **more}
    return client.post("/v1/chat/completions", json=body)


def code_of(reply: httpx.Response) -> tuple[int, str]:
    return reply.status_code, reply.json()["error"]["code"]


def child(gateway: Gateway, module: str = "adapters.litellm") -> int:
    """The process that runs a module."""
    pids = Path(f"/proc/{gateway.process.pid}/task/{gateway.process.pid}/children").read_text().split()
    commands = {int(pid): Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0") for pid in pids}
    return next(pid for pid, words in commands.items() if module.encode() in words)


@contextmanager
def others_go_on(client: httpx.Client) -> Generator[None]:
    """Call the other upstream over and over; each of its calls must be answered."""
    over = threading.Event()

    def call() -> int:
        answered = 0
        while not over.is_set() or not answered:
            assert ask(client, "other").status_code == 200
            answered += 1
            time.sleep(0.1)
        return answered

    with ThreadPoolExecutor(1) as pool:
        calling = pool.submit(call)
        try:
            yield
        finally:
            over.set()
            assert calling.result(PATIENCE_S) > 0


@pytest.mark.parametrize("stream", [False, pytest.param(True, marks=pytest.mark.exhaustive)])
def test_a_call_in_a_process_that_is_killed_fails_and_the_next_one_is_served_by_another(
    gateway: Gateway, http: httpx.Client, vendor: Any, shapes: Any, *, stream: bool
) -> None:
    vendor.hold = True
    before = child(gateway)
    with others_go_on(http), ThreadPoolExecutor(1) as pool:
        calling = pool.submit(ask, http, "gemini", stream=stream)
        assert vendor.entered.acquire(timeout=PATIENCE_S)
        os.kill(before, signal.SIGKILL)
        reply = calling.result(PATIENCE_S)
    assert code_of(reply) == (502, "upstream_garbled")
    # Not sent again: the vendor may have been paid.
    assert len(vendor.calls) == 1
    vendor.clear()
    vendor.answer(shapes.gemini({"text": "back"}))
    assert served(http) == "back"
    assert child(gateway) != before


def test_a_stream_that_the_vendor_breaks_off_has_no_ending(http: httpx.Client, vendor: Any, shapes: Any) -> None:
    vendor.stream(shapes.sse, shapes.data(shapes.gemini({"text": "Hel"}, finish=None)))
    text = ask(http, "gemini", stream=True).text
    assert "Hel" in text
    assert "upstream_failed" in text
    assert '"finish_reason":"stop"' not in text


def test_calls_to_a_process_that_is_stopped_time_out_and_all_others_go_on(
    gateway: Gateway, http: httpx.Client, vendor: Any, shapes: Any
) -> None:
    vendor.answer(shapes.gemini({"text": "back"}))
    stopped = child(gateway)
    os.kill(stopped, signal.SIGSTOP)
    try:
        with others_go_on(http):
            assert code_of(ask(http, "impatient")) == (504, "upstream_timeout")
            assert code_of(ask(http, "impatient", stream=True)) == (504, "upstream_timeout")
    finally:
        os.kill(stopped, signal.SIGCONT)
    assert served(http) == "back"
    assert child(gateway) == stopped


GARBAGE = [
    b"\x00\xff" * 100,
    b"HTTP/1.1 200 OK\r\ncontent-type: text/html\r\ncontent-length: 6\r\n\r\n<html>",
    b'HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 15\r\n\r\n{"choices": 17}',
    b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncontent-length: 14\r\n\r\ndata: planted\n",
    b"",
]
KEPT_S = 4.5  # a little longer than workers keep an idle connection


class Impostor(threading.Thread):
    """Listens where the litellm process does, and says the same to everybody."""

    def __init__(self, path: str) -> None:
        super().__init__(daemon=True)
        self.said = b""
        self._path, self._aside = path, f"{path}.aside"
        self._over = threading.Event()
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.settimeout(0.05)

    def __enter__(self) -> Self:
        Path(self._path).rename(self._aside)
        self._listener.bind(self._path)
        self._listener.listen(16)
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self.join()
        self._listener.close()
        Path(self._path).unlink()
        Path(self._aside).rename(self._path)

    def run(self) -> None:
        while not self._over.is_set():
            try:
                client, _ = self._listener.accept()
            except TimeoutError:
                continue
            with client:
                client.settimeout(5)
                client.recv(65536)
                client.sendall(self.said)


def test_garbage_in_its_place_is_no_answer_and_all_others_go_on(
    gateway: Gateway, http: httpx.Client, vendor: Any, shapes: Any
) -> None:
    vendor.answer(shapes.gemini({"text": "back"}))
    environ = Path(f"/proc/{child(gateway, 'gateway.worker')}/environ").read_bytes().split(b"\0")
    path = next(one for one in environ if one.startswith(b"SPLITGATE_LITELLM_SOCKET=")).partition(b"=")[2].decode()
    with Impostor(path) as impostor, others_go_on(http):
        time.sleep(KEPT_S)
        for said in GARBAGE:
            impostor.said = said
            for stream in (False, True):
                reply = ask(http, "gemini", stream=stream)
                assert code_of(reply) == (502, "upstream_garbled")
                assert "planted" not in reply.text
    assert served(http) == "back"


@pytest.mark.exhaustive
def test_a_process_that_is_killed_again_and_again_comes_back_each_time(
    gateway: Gateway, http: httpx.Client, vendor: Any, shapes: Any
) -> None:
    vendor.answer(shapes.gemini({"text": "back"}))
    seen = set[int]()
    with others_go_on(http):
        for _ in range(6):
            seen.add(child(gateway))
            os.kill(child(gateway), signal.SIGKILL)
            assert served(http) == "back"
            assert child(gateway) not in seen
