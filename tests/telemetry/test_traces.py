"""Spans on their way to a collector that is played by a little server."""

import asyncio
import logging
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Protocol

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from gateway.domain.evidence import Ended
from gateway.domain.target import Secret
from gateway.domain.trace import Trace
from gateway.telemetry.traces import Tracing

MakeEnded = Callable[..., Ended]
Told = Callable[[Span], dict[str, object]]
START = 1_700_000_000 * 10**9
MS = 1_000_000


class Collector(Protocol):
    url: str
    status: int
    pause_s: float
    requests: list[ExportTraceServiceRequest]
    headers: list[dict[str, str]]

    def spans(self) -> list[Span]: ...


def tracing(url: str, *, sampled: Callable[[Trace], bool] = lambda _: True, **details: float) -> Tracing:
    return Tracing(url, {"x-token": Secret("planted-token")}, sampled=sampled, conventions="1.37", **details)


async def until(holds: Callable[[], bool]) -> None:
    end = time.monotonic() + 15
    while not holds():
        assert time.monotonic() < end, "waited in vain"
        await asyncio.sleep(0.01)


async def test_an_exchange_arrives_as_a_server_and_a_client_span(
    collector: Collector, make_ended: MakeEnded, told: Told
) -> None:
    async with tracing(collector.url) as observer:
        observer.began("split")
        observer.ended(make_ended())
    server, client = sorted(collector.spans(), key=lambda span: span.kind)
    assert (server.kind, client.kind) == (Span.SPAN_KIND_SERVER, Span.SPAN_KIND_CLIENT)
    assert server.trace_id.hex() == client.trace_id.hex() == "a" * 32
    assert (server.span_id.hex(), server.parent_span_id.hex()) == ("b" * 16, "d" * 16)
    assert (client.span_id.hex(), client.parent_span_id.hex()) == ("c" * 16, "b" * 16)
    assert (server.start_time_unix_nano, server.end_time_unix_nano) == (START, START + 100 * MS)
    assert (client.start_time_unix_nano, client.end_time_unix_nano) == (START + 10 * MS, START + 90 * MS)
    assert (server.name, client.name) == ("splitgate split", "chat up")
    assert told(server)["splitgate.findings"] == ("r", "w", "reserved-token")
    assert told(client)["gen_ai.usage.output_tokens"] == 4
    assert server.status.code == client.status.code == Status.STATUS_CODE_UNSET


async def test_who_sends_is_told_with_the_spans(collector: Collector, make_ended: MakeEnded) -> None:
    async with tracing(collector.url) as observer:
        observer.ended(make_ended())
    [request] = collector.requests
    [resource] = request.resource_spans
    named = {one.key: one.value.string_value for one in resource.resource.attributes}
    assert named["service.name"] == "splitgate"
    assert resource.scope_spans[0].schema_url == "https://opentelemetry.io/schemas/1.37.0"
    assert collector.headers[0]["x-token"] == "planted-token"


class Rotating(Secret):
    """Becomes another one when the test says so."""

    def become(self, value: str) -> None:
        self._value = value


async def test_headers_are_what_they_are_when_spans_are_sent(collector: Collector, make_ended: MakeEnded) -> None:
    token = Rotating("planted-one")
    headers = {"x-token": token}
    async with Tracing(collector.url, headers, sampled=lambda _: True, conventions="1.37", every_ms=10) as observer:
        observer.ended(make_ended())
        await until(lambda: bool(collector.requests))
        token.become("planted-two")
        observer.ended(make_ended())
    assert [one["x-token"] for one in collector.headers] == ["planted-one", "planted-two"]


async def test_a_trace_that_begins_here_has_no_parent(collector: Collector, make_ended: MakeEnded) -> None:
    ended = make_ended()
    async with tracing(collector.url) as observer:
        observer.ended(replace(ended, trace=replace(ended.trace, parent=None, sampled=None), target=None))
    [span] = collector.spans()
    assert span.parent_span_id == b""


async def test_what_failed_here_has_an_error(collector: Collector, make_ended: MakeEnded, told: Told) -> None:
    async with tracing(collector.url) as observer:
        observer.ended(make_ended(status=502, error="upstream_garbled", times={"last": 0}))
    assert [span.status.code for span in collector.spans()] == [Status.STATUS_CODE_ERROR] * 2
    assert {told(span)["error.type"] for span in collector.spans()} == {"upstream_garbled"}


async def test_only_what_is_sampled_is_sent(collector: Collector, make_ended: MakeEnded) -> None:
    ended = make_ended(target=None)
    other = replace(ended, trace=replace(ended.trace, id="e" * 32))
    async with tracing(collector.url, sampled=lambda trace: trace.id == "e" * 32) as observer:
        observer.ended(ended)
        observer.ended(other)
    assert [span.trace_id.hex() for span in collector.spans()] == ["e" * 32]


async def test_no_span_holds_a_text(collector: Collector, make_ended: MakeEnded) -> None:
    async with tracing(collector.url) as observer:
        observer.ended(make_ended(model="planted-model", configured=False))
    assert b"planted" not in b"".join(request.SerializeToString() for request in collector.requests)


async def test_a_collector_that_refuses_is_told_once_and_again_when_it_takes_spans(
    collector: Collector, make_ended: MakeEnded, caplog: pytest.LogCaptureFixture
) -> None:
    collector.status = 400
    with caplog.at_level(logging.INFO):
        async with tracing(collector.url, every_ms=20) as observer:
            for count in range(1, 4):
                observer.ended(make_ended())
                await until(lambda: bool(caplog.records))
                await asyncio.sleep(0.05)
                assert len(caplog.records) == 1, count
            collector.status = 200
            observer.ended(make_ended())
            await until(lambda: len(caplog.records) == 2)
    assert [record.name for record in caplog.records] == ["splitgate.traces"] * 2
    assert "takes no spans" in caplog.records[0].getMessage()
    assert "takes spans again" in caplog.records[1].getMessage()


@pytest.mark.parametrize("hangs", [True, False])
async def test_a_dead_collector_costs_requests_nothing_and_a_stop_two_seconds(
    collector: Collector, make_ended: MakeEnded, *, hangs: bool
) -> None:
    collector.pause_s = 60.0
    ended = make_ended()
    url = collector.url if hangs else "http://127.0.0.1:9/v1/traces"
    observer = tracing(url, every_ms=10, export_s=30.0)
    slowest = 0.0
    async with observer:
        for _ in range(3000):
            began = time.perf_counter()
            observer.ended(ended)
            slowest = max(slowest, time.perf_counter() - began)
        assert slowest < 0.5
        closing = time.monotonic()
    assert time.monotonic() - closing < 3.0


async def test_a_call_that_failed_before_the_last_arrives_too(collector: Collector, make_ended: MakeEnded) -> None:
    ended = make_ended()
    failed = replace(ended.tried[0], error="upstream_failed", began=ended.timeline.began)
    async with tracing(collector.url) as observer:
        observer.ended(replace(ended, tried=(failed, *ended.tried)))
    calls = [span for span in collector.spans() if span.kind == Span.SPAN_KIND_CLIENT]
    assert sorted(span.status.code for span in calls) == [Status.STATUS_CODE_UNSET, Status.STATUS_CODE_ERROR]
    assert len({span.span_id for span in calls}) == 2
