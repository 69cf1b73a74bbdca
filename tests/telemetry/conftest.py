"""What do telemetry tests share? An exchange that is over, figures as they are scraped, and a collector of spans."""

import gzip
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, TypeAlias

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span
from prometheus_client.parser import text_string_to_metric_families

from gateway.domain.detection import Stage
from gateway.domain.evidence import Attempt, Ended, Timeline
from gateway.domain.exchange import AppliedRevision, Handling, Usage
from gateway.domain.finding import Finding
from gateway.domain.target import Target
from gateway.domain.trace import Trace
from gateway.domain.verdict import Weight
from gateway.telemetry.shared import exposed

MakeEnded: TypeAlias = Callable[..., Ended]
Samples: TypeAlias = dict[str, float]

TARGET = Target(
    id="m/1",
    provider="openai_compatible",
    base_url="https://h.example/v1",
    model="up",
    format="spotlight",
    family="all",
)
MS = 1_000_000


def timeline(**changes: int) -> Timeline:
    """100 ms in all: sent after 10, answered from 30 to 90."""
    made = Timeline()
    made.wall = 1_700_000_000 * 10**9
    made.sent, made.first, made.last = made.began + 10 * MS, made.began + 30 * MS, made.began + 90 * MS
    made.ended = made.began + 100 * MS
    made.held = 4 * MS
    for name, value in changes.items():
        setattr(made, name, value)
    return made


HANDLING = Handling(
    request_id="0" * 32,
    model="m",
    created=1,
    isolation="wrapped",
    format="spotlight",
    target="m/1",
    policy=AppliedRevision(names=("p",), revision="sha256:1"),
    findings=(
        Finding(rule="r", where="planted-where", count=3, policy="p", action="block", stage=Stage.DATA),
        Finding(
            rule="w", where="output", count=1, policy="p", action="redact", weight=Weight.SHADOW, stage=Stage.OUTPUT
        ),
        Finding(rule="reserved-token", where="s", count=2),
    ),
)


@pytest.fixture
def make_ended() -> MakeEnded:
    """``make_ended(**changes)``: a streamed exchange that went well, but for the changes; times by ``times={…}``."""

    def make(*, times: dict[str, int] | None = None, **changes: Any) -> Ended:
        return replace(
            Ended(
                request_id="0" * 32,
                trace=Trace(id="a" * 32, span="b" * 16, call="c" * 16, parent="d" * 16, sampled=True),
                dialect="split",
                timeline=timeline(**(times or {})),
                status=200,
                stream=True,
                model="m",
                configured=True,
                target=TARGET,
                attempts=1,
                tried=(Attempt(target=TARGET, error=None, began=0, took=80 * MS),),
                decision="allow",
                handling=HANDLING,
                findings=HANDLING.findings,
                revision="sha256:1",
                usage=Usage(input_tokens=3, output_tokens=4),
                finish=("stop",),
            ),
            **changes,
        )

    return make


def _samples(text: str) -> Samples:
    return {
        "".join([one.name, *[f" {name}={label}" for name, label in sorted(one.labels.items())]]): one.value
        for family in text_string_to_metric_families(text)
        for one in family.samples
    }


@pytest.fixture
def samples() -> Callable[[Path], Samples]:
    """Scrape a folder: values by ``NAME LABEL=VALUE …``, the labels in alphabetical order."""
    return lambda folder: _samples(exposed(folder).decode())


@pytest.fixture
def read_samples() -> Callable[[str], Samples]:
    """The same of a text that was scraped already."""
    return _samples


@dataclass
class Collector:
    """What takes spans by OTLP over HTTP; ``status`` and ``pause_s`` make it a bad one."""

    url: str = ""
    status: int = 200
    pause_s: float = 0.0
    requests: list[ExportTraceServiceRequest] = field(default_factory=list[ExportTraceServiceRequest])
    headers: list[dict[str, str]] = field(default_factory=list[dict[str, str]])
    closing: threading.Event = field(default_factory=threading.Event)

    def spans(self) -> list[Span]:
        return [
            span
            for request in self.requests
            for resource in request.resource_spans
            for scope in resource.scope_spans
            for span in scope.spans
        ]


@pytest.fixture
def collector() -> Iterator[Collector]:
    played = Collector()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            raw = self.rfile.read(int(self.headers["content-length"]))
            raw = gzip.decompress(raw) if self.headers.get("content-encoding") == "gzip" else raw
            played.closing.wait(played.pause_s)
            if played.status == 200:
                played.requests.append(ExportTraceServiceRequest.FromString(raw))
                played.headers.append({name.lower(): value for name, value in self.headers.items()})
            self.send_response(played.status)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    played.url = f"http://127.0.0.1:{server.server_address[1]}/v1/traces"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    yield played
    played.closing.set()
    server.shutdown()
    server.server_close()
    thread.join()


def _plain(value: AnyValue) -> object:
    kind = value.WhichOneof("value")
    if kind == "array_value":
        return tuple(_plain(one) for one in value.array_value.values)
    return None if kind is None else getattr(value, kind)


def _attributes(span: Span) -> dict[str, object]:
    return {one.key: _plain(one.value) for one in span.attributes}


@pytest.fixture
def told() -> Callable[[Span], dict[str, object]]:
    """The attributes of a span, by their names."""
    return _attributes
