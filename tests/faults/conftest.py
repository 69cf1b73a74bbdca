"""What do the rows of the fault matrix share? One gateway, one scripted upstream, and what bears witness afterwards.

A row asks for a fault by the text of its request (``benchmarks/soaking/faults.py``); each fault has a model of its own,
so that what a gateway remembers of one target says nothing of another's.
"""

import json
import re
import secrets
import socket
import sys
import time
from collections import Counter
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, TypeAlias

import httpx
import pytest

from benchmarks.processes import Process
from benchmarks.soaking.faults import FAULTS, OK, REFUSE, Fault, Told, mark

Json: TypeAlias = dict[str, Any]

PATIENCE_S = 20.0
PLACES = 4
# A little longer than workers keep an idle connection.
KEPT_S = 4.5
# The limit that a row waits for; all others are long enough for a machine that is busy with something else.
SHORT_S, LONG_S = 1.0, 30.0
CHAT, RESPONSES, MESSAGES, SPLIT = "/v1/chat/completions", "/v1/responses", "/v1/messages", "/v1/split"
EMBEDDINGS = "/v1/embeddings"
# States of a connection in /proc/net/tcp: established, and closed by the other side alone.
OPEN = {"01", "08"}


class Gateway(Protocol):
    url: str
    metrics: str | None
    process: Any


def asking(door: str, model: str, play: str, *, stream: bool) -> tuple[str, Json]:
    """A request's number, and its body, by which the upstream knows what to do."""
    number = secrets.token_hex(8)
    text = f"planted {mark(number, play)}"
    body: Json = {"model": model}
    if door == EMBEDDINGS:
        return number, {**body, "input": text}
    if stream:
        body["stream"] = True
    if door == SPLIT:
        return number, {**body, "instructions": text}
    if door == RESPONSES:
        return number, {**body, "input": text}
    body["messages"] = [{"role": "user", "content": text}]
    return number, {**body, "max_tokens": 50} if door == MESSAGES else body


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What a client got, and how long it took."""

    door: str
    number: str
    status: int
    headers: httpx.Headers
    text: str
    took_s: float

    @property
    def request(self) -> str:
        return self.headers["x-request-id"]

    @property
    def events(self) -> list[tuple[str, Json | str]]:
        """The server-sent events: their names, empty where they have none, and what they hold."""
        found: list[tuple[str, Json | str]] = []
        for told in filter(None, self.text.split("\n\n")):
            lines = dict(line.split(": ", 1) for line in told.split("\n"))
            data = lines["data"]
            found.append((lines.get("event", ""), data if data == "[DONE]" else json.loads(data)))
        return found


def error_in(door: str, body: Json) -> Json:
    """The error object of a whole answer, in the dialect's shape."""
    if door == SPLIT:
        return body
    if door == MESSAGES:
        assert body["type"] == "error"
    return body["error"]


def error_event(answer: Answer) -> Json:
    """What the error says with which a stream ends, in the dialect's shape; there is no other ending."""
    events = answer.events
    names = [name for name, _ in events]
    name, last = events[-1]
    assert isinstance(last, dict)
    match answer.door:
        case "/v1/chat/completions":
            assert not any(names)
            assert "[DONE]" not in answer.text
            assert '"finish_reason":"' not in answer.text
            return last["error"]
        case "/v1/responses":
            assert names[-2:] == ["response.failed", "error"]
            assert "response.completed" not in names
            return last
        case "/v1/messages":
            assert (name, last["type"]) == ("error", "error")
            assert "message_stop" not in names
            assert last["request_id"] == answer.request
            return last["error"]
        case _:
            assert name == "error"
            assert "done" not in names
            return last


@dataclass(frozen=True, kw_only=True)
class Held:
    """What a worker holds open: descriptors, connections to the upstream among them."""

    descriptors: int
    upstream: int


@dataclass(frozen=True, kw_only=True)
class Site:
    """A gateway, its upstream, and where both write down what they did."""

    http: httpx.Client
    metrics: str
    worker: int
    upstream_port: int
    seen: Path
    journals: Path

    def ask(
        self, door: str, model: str, play: str = OK, *, stream: bool = False, by: httpx.Client | None = None
    ) -> Answer:
        """Ask, on the one connection that is always there, or ``by`` another client."""
        number, body = asking(door, model, play, stream=stream)
        began = time.monotonic()
        told = (by or self.http).post(door, json=body)
        return Answer(
            door=door,
            number=number,
            status=told.status_code,
            headers=told.headers,
            text=told.text,
            took_s=time.monotonic() - began,
        )

    @contextmanager
    def other(self) -> Generator[httpx.Client]:
        """A client of its own, whose connections end with it."""
        with httpx.Client(base_url=self.http.base_url, timeout=LONG_S, trust_env=False) as http:
            yield http

    def records(self, request: str) -> list[Json]:
        """What the journals hold of a request."""
        lines = [
            line
            for journal in sorted(self.journals.glob("epochs/*/journal"))
            for line in journal.read_bytes().splitlines()
            if request.encode() in line
        ]
        return [one for one in map(json.loads, lines) if one.get("request") == request]

    def upstream_saw(self, request: str) -> Counter[str]:
        """How often a request came, and how often its caller left."""
        lines = [line.split("\t") for line in self.seen.read_text().splitlines()]
        return Counter(what for what, id_, *_ in lines if id_ == request)

    def until_left(self, request: str) -> None:
        """Wait until the caller of a request is gone."""
        until(lambda: self.upstream_saw(request)["left"])

    def in_flight(self) -> float:
        """Requests that the gateway has under way, as its metrics say."""
        told = httpx.get(self.metrics, timeout=PATIENCE_S, trust_env=False, headers={"connection": "close"}).text
        return sum(float(n) for n in re.findall(r"^splitgate_in_flight\{[^}]*\} ([0-9.]+)$", told, re.MULTILINE))

    def descriptors(self) -> int:
        """How many the worker has open."""
        return len(list(Path(f"/proc/{self.worker}/fd").iterdir()))

    def upstream_connections(self) -> int:
        """How many the worker has to the upstream, whoever closed first."""
        own = set[str]()
        for link in Path(f"/proc/{self.worker}/fd").iterdir():
            with suppress(FileNotFoundError):
                own.add(str(link.readlink()))
        rows = [line.split() for line in Path(f"/proc/{self.worker}/net/tcp").read_text().splitlines()[1:]]
        leads_there = [row for row in rows if row[2].endswith(f":{self.upstream_port:04X}") and row[3] in OPEN]
        return sum(f"socket:[{row[9]}]" in own for row in leads_there)

    def held(self) -> Held:
        """What the worker holds open."""
        return Held(descriptors=self.descriptors(), upstream=self.upstream_connections())

    def settles(self, before: Held, *, models: Sequence[str] = ()) -> None:
        """Nothing is left of what was asked: no request, no connection, no descriptor more than there were before.

        After many at a time, name the ``models``: connections are kept for a while, and httpx gives those that were
        kept for too long up when the next one is needed.
        """
        if models:
            time.sleep(KEPT_S)
        for model in models:
            self.recovers(CHAT, model, stream=False)
        until(lambda: self.in_flight() == 0)
        until(lambda: self.upstream_connections() <= before.upstream)
        until(lambda: self.descriptors() <= before.descriptors)

    def recovers(self, door: str, model: str, *, stream: bool) -> None:
        """The next request without a fault is served; nobody ever listens where connections are refused."""
        healthy = model if model != REFUSE else OK
        until(lambda: self.ask(door, healthy, stream=stream and door != EMBEDDINGS).status == 200)


def until(true: Callable[[], Any]) -> None:
    end = time.monotonic() + PATIENCE_S
    while not true():
        assert time.monotonic() < end
        time.sleep(0.02)


def config_of(transport: str, port: int, dead: int, folder: Path) -> str:
    """A model for each fault, named like it, and one for none."""

    def target(name: str, fault: Fault | None) -> Json:
        waits = () if fault is None else {told.wait for told in (fault.whole, fault.stream)}
        limits = {wait: SHORT_S if wait in waits else LONG_S for wait in ("connect", "first_byte", "idle", "total")}
        return {
            "id": f"{name}-1",
            "provider": "openai_compatible",
            "base_url": f"http://127.0.0.1:{dead if name == REFUSE else port}/v1",
            "model": "m",
            "format": "tool-envelope",
            "timeouts": limits,
            # A row is about one fault, again and again: what is made of several is tests/e2e/test_targets.py's.
            "breaker": {"failures": 0, "longest_rest_s": 0},
        }

    models = {OK: None, **{fault.name: fault for fault in FAULTS}}
    return json.dumps(
        {
            "server": {"transport": transport, "max_concurrent": PLACES, "max_queued": 0},
            "audit": {"dir": str(folder / "audit"), "deadline_s": 20},
            "telemetry": {"metrics": {"port": 0}},
            "models": {name: {"retries": 0, "targets": [target(name, fault)]} for name, fault in models.items()},
        }
    )


@pytest.fixture(scope="session", params=["aiohttp", pytest.param("httpx", marks=pytest.mark.exhaustive)])
def site(
    request: pytest.FixtureRequest, keep_gateway: Callable[..., Gateway], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Site]:
    """The gateway of all rows, by each transport."""
    folder: Path = tmp_path_factory.mktemp("faults")
    seen = folder / "seen"
    seen.touch()
    command = [sys.executable, "-m", "benchmarks.soaking.upstream", "--log", str(seen)]
    with socket.socket() as dead, Process("upstream", command, core=None) as upstream:
        dead.bind(("127.0.0.1", 0))  # bound and never listening: connections are refused, and nobody takes the port
        gateway = keep_gateway(config_of(request.param, upstream.port, dead.getsockname()[1], folder))
        assert gateway.metrics is not None
        pid = gateway.process.pid
        (worker,) = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        with httpx.Client(base_url=gateway.url, timeout=LONG_S, trust_env=False) as http:
            made = Site(
                http=http,
                metrics=gateway.metrics,
                worker=int(worker),
                upstream_port=upstream.port,
                seen=seen,
                journals=folder / "audit",
            )
            # What is opened once is open now: a connection of the client's, files.
            for door in (CHAT, SPLIT):
                until(lambda door=door: made.ask(door, OK, stream=True).status == 200)
            yield made


@pytest.fixture
def told_as() -> Callable[[Answer, Fault, Told], None]:
    """Holds an answer against what is stated: ``told_as(answer, fault, told)``."""

    def hold(answer: Answer, fault: Fault, told: Told) -> None:
        assert answer.status == told.status, answer.text
        if told.begun:
            assert answer.headers["content-type"].startswith("text/event-stream")
            error = error_event(answer)
        else:
            error = error_in(answer.door, json.loads(answer.text))
        assert error["code"] == told.code
        # What the request said, and what an upstream said in place of an answer, stands in no error.
        assert answer.number not in json.dumps(error)
        wanted = None if fault.retry_after is None else str(fault.retry_after)
        assert answer.headers.get("retry-after") == wanted
        # The upstream may have done the work: stock SDKs are kept from having it done again.
        unsure = told.code in {"upstream_garbled", "upstream_timeout"} and not told.begun
        assert answer.headers.get("x-should-retry") == ("false" if unsure else None)
        # Within the limit that the row is about, with room for a busy machine.
        assert answer.took_s < (SHORT_S if told.wait else 0) + 10

    return hold
