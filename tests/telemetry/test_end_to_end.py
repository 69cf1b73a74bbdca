"""Do a gateway's spans, log lines and upstream calls tell of one and the same request?"""

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol, TypeAlias

import httpx
from opentelemetry.proto.trace.v1.trace_pb2 import Span

PATIENCE_S = 30.0
TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"


class Gateway(Protocol):
    @property
    def url(self) -> str: ...
    @property
    def log(self) -> Path: ...


class Upstream(Protocol):
    url: str
    headers: list[dict[str, str]]


class Collector(Protocol):
    url: str

    def spans(self) -> list[Span]: ...


RunGateway: TypeAlias = Callable[..., Gateway]
Told: TypeAlias = Callable[[Span], dict[str, object]]

CONFIG = """
models:
  good: {{targets: [{{provider: openai_compatible, base_url: "{upstream}", model: m, id: good-1}}]}}
  dead: {{targets: [{{provider: openai_compatible, base_url: "http://127.0.0.1:9/v1", model: m, id: dead-1}}]}}
telemetry:
  logs: json
  traces: {{endpoint: "{collector}", propagate: true, conventions: "1.36"}}
"""


def ask(gateway: Gateway, model: str, sampled: str) -> httpx.Response:
    body = {"model": model, "instructions": "planted-prompt", "data": "planted-data"}
    headers = {"traceparent": f"00-{TRACE}-{PARENT}-{sampled}"}
    return httpx.post(f"{gateway.url}/v1/split", json=body, headers=headers, timeout=30, trust_env=False)


def lines(gateway: Gateway) -> list[dict[str, Any]]:
    return [json.loads(line) for line in gateway.log.read_text().splitlines()]


def test_spans_log_lines_and_upstream_calls_belong_together(
    collector: Collector, run_gateway: RunGateway, upstream: Upstream, told: Told
) -> None:
    gateway = run_gateway(CONFIG.format(upstream=upstream.url, collector=collector.url))
    answer = ask(gateway, "good", "01")
    assert answer.status_code == 200
    end = time.monotonic() + PATIENCE_S
    while len(collector.spans()) < 2:
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.05)
    server, client = sorted(collector.spans(), key=lambda span: span.kind)
    assert (server.trace_id.hex(), server.parent_span_id.hex()) == (TRACE, PARENT)
    assert (client.trace_id.hex(), client.parent_span_id) == (TRACE, server.span_id)
    assert upstream.headers[0]["traceparent"] == f"00-{TRACE}-{client.span_id.hex()}-01"
    assert server.start_time_unix_nano <= client.start_time_unix_nano
    assert client.start_time_unix_nano < client.end_time_unix_nano <= server.end_time_unix_nano
    assert told(server)["splitgate.request_id"] == answer.headers["x-request-id"]
    assert told(server)["splitgate.isolation"] == answer.headers["x-splitgate-isolation"]
    assert told(client)["gen_ai.system"] == "openai"
    assert told(client)["gen_ai.usage.input_tokens"] == 5
    assert told(client)["gen_ai.response.finish_reasons"] == ("stop",)

    # One that the caller does not record has no span, and its log lines name the request all the same.
    refused = ask(gateway, "dead", "00")
    assert refused.status_code == 502
    for line in lines(gateway):
        assert {"time", "level", "logger", "message", "pid"} <= set(line)
    told_of = [line for line in lines(gateway) if line.get("request") == refused.headers["x-request-id"]]
    assert told_of
    assert {line["logger"] for line in told_of} <= {"splitgate.send", "splitgate.web"}
    assert len(collector.spans()) == 2
