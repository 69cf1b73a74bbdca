"""How do spans reach a collector?

By OpenTelemetry's SDK, from a bounded queue and in a thread of its own: a collector that is slow or dead costs spans,
never a request. Imported only where traces are asked for, since the SDK takes its time to load.
"""

import asyncio
import logging
import secrets
import threading
from collections.abc import Callable, Mapping, Sequence
from types import TracebackType
from typing import Final, Self

import requests
import requests.auth
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import SpanContext, SpanKind, Status, StatusCode, TraceFlags

from gateway.domain.evidence import Ended
from gateway.domain.target import Secret
from gateway.domain.trace import Trace
from gateway.telemetry.spans import Conventions, SpanFacts, call_span, earlier_spans, server_span
from gateway.version import VERSION

_log: Final = logging.getLogger("splitgate.traces")

_QUEUE: Final = 2048
_BATCH: Final = 256
_EVERY_MS: Final = 1000
_EXPORT_S: Final = 5.0
_CLOSE_S: Final = 2.0
_SAMPLED: Final = TraceFlags(TraceFlags.SAMPLED)
_FAILED: Final = Status(StatusCode.ERROR)
_FINE: Final = Status(StatusCode.UNSET)
_SCHEMA: Final = "https://opentelemetry.io/schemas/{}.0"


class Tracing:
    """The observer that makes spans of what ``sampled`` picks; ``async with`` sends the last ones at its end."""

    def __init__(
        self,
        endpoint: str,
        headers: Mapping[str, Secret],
        *,
        sampled: Callable[[Trace], bool],
        conventions: Conventions,
        export_s: float = _EXPORT_S,
        every_ms: float = _EVERY_MS,
    ) -> None:
        # Its own lines repeat themselves, and what a collector answers.
        logging.getLogger("opentelemetry").setLevel(logging.CRITICAL + 1)
        self._sampled = sampled
        self._conventions: Conventions = conventions
        self._resource = Resource.create({"service.name": "splitgate", "service.version": VERSION})
        self._scope = InstrumentationScope("splitgate", VERSION, _SCHEMA.format(conventions))
        session = requests.Session()
        session.auth = _Showing(headers)
        self._exporter = _Telling(OTLPSpanExporter(endpoint=endpoint, timeout=export_s, session=session))
        self._processor = BatchSpanProcessor(
            self._exporter,
            max_queue_size=_QUEUE,
            schedule_delay_millis=every_ms,
            max_export_batch_size=_BATCH,
        )

    def began(self, dialect: str) -> None:
        """Nothing is known of it yet."""

    def ended(self, ended: Ended) -> None:
        """Queue its spans."""
        if not self._sampled(ended.trace):
            return
        self._queue(ended.trace, server_span(ended), SpanKind.SERVER, remote_parent=True)
        for failed in earlier_spans(ended, self._conventions, lambda: secrets.token_hex(8)):
            self._queue(ended.trace, failed, SpanKind.CLIENT, remote_parent=False)
        call = call_span(ended, self._conventions)
        if call is not None:
            self._queue(ended.trace, call, SpanKind.CLIENT, remote_parent=False)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Send what is queued, for at most two seconds."""
        over, loop = asyncio.Event(), asyncio.get_running_loop()

        def close() -> None:
            self._processor.shutdown()
            if not loop.is_closed():
                loop.call_soon_threadsafe(over.set)

        # A daemon's thread, since a collector that hangs would keep any other one, and with it the process.
        threading.Thread(target=close, name="splitgate-traces-close", daemon=True).start()
        try:
            await asyncio.wait_for(over.wait(), _CLOSE_S)
        except TimeoutError:
            self._exporter.shutdown()

    def _queue(self, trace: Trace, facts: SpanFacts, kind: SpanKind, *, remote_parent: bool) -> None:
        trace_id = int(trace.id, 16)
        parent = (
            None
            if facts.parent is None
            else SpanContext(trace_id, int(facts.parent, 16), is_remote=remote_parent, trace_flags=_SAMPLED)
        )
        self._processor.on_end(
            ReadableSpan(
                name=facts.name,
                context=SpanContext(trace_id, int(facts.id, 16), is_remote=False, trace_flags=_SAMPLED),
                parent=parent,
                resource=self._resource,
                attributes=facts.attributes,
                kind=kind,
                status=_FINE if facts.error is None else _FAILED,
                start_time=facts.began,
                end_time=facts.ended,
                instrumentation_scope=self._scope,
            )
        )


class _Showing(requests.auth.AuthBase):
    """Puts the headers on each request as they are by then: what stands in files may change."""

    def __init__(self, headers: Mapping[str, Secret]) -> None:
        self._headers = headers

    def __call__(self, r: requests.PreparedRequest) -> requests.PreparedRequest:
        for name, secret in self._headers.items():
            r.headers[name] = secret.reveal()
        return r


class _Telling(SpanExporter):
    """Says once when the collector stops taking spans, and once when it takes them again."""

    def __init__(self, exporter: OTLPSpanExporter) -> None:
        self._exporter = exporter
        self._failing = False

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Send one batch; called by the queue's thread alone."""
        result = self._exporter.export(spans)
        failed = result is not SpanExportResult.SUCCESS
        if failed and not self._failing:
            _log.warning("the collector of telemetry.traces.endpoint takes no spans: they are dropped until it does")
        elif self._failing and not failed:
            _log.warning("the collector takes spans again")
        self._failing = failed
        return result

    def shutdown(self) -> None:
        """Give up what is under way; may be asked for twice."""
        self._exporter.shutdown()
