"""What does a worker tell of itself while it runs?

Metrics and traces put together by the settings, and by what the supervisor gave this worker to find its files. Whoever
serves requests gets observers and figures to call, and knows nothing of what becomes of them.
"""

import os
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, MutableMapping
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from gateway.domain.activation import GlassState, PolicyState
from gateway.domain.ports import Observer
from gateway.domain.trace import Trace
from gateway.domain.value import value
from gateway.pipeline.condition import Conditions
from gateway.settings import Settings
from gateway.telemetry.audit import AuditFigures
from gateway.telemetry.counting import Counting
from gateway.telemetry.families import CONFIG_INFO, FOLDER, SECOND, WORKER
from gateway.telemetry.publish import Publishing
from gateway.telemetry.sampling import sampling
from gateway.telemetry.standing import GlassFigures, LimitFigures, MountedFigures, PolicyFigures, TargetFigures
from gateway.telemetry.together import TogetherFigures
from gateway.telemetry.totals import Totals


@value
class Observed:
    """What there is to call.

    ``observers`` are told of each exchange, ``audit`` of the journal's work. ``traceparent`` gives the header for the
    calls of a trace, None where none is to be sent. ``scrape`` gives what all workers have counted, None where nobody
    counts; ``read`` has a function called about once a second, to bring figures up to date that nobody counts.
    """

    observers: tuple[Observer, ...]
    audit: AuditFigures
    traceparent: Callable[[Trace], str] | None
    scrape: Callable[[], Awaitable[bytes]] | None
    read: Callable[[Callable[[], None]], None]
    totals: Totals
    worker: str

    def watch(self, policies: Callable[[], PolicyState], glass: Callable[[], GlassState]) -> None:
        """Tell of the policies in force and of break-glass grants."""
        self.read(PolicyFigures(self.totals, self.worker, policies).read)
        self.read(GlassFigures(self.totals, glass).read)

    def watch_limits(self, fullest: MutableMapping[str, float]) -> None:
        """Tell how full limits are, by their names."""
        self.read(LimitFigures(self.totals, fullest).read)

    def together(self) -> TogetherFigures:
        """Where to count what counting with other gateways comes to."""
        return TogetherFigures(self.totals, self.worker)

    def watch_targets(self, conditions: Conditions) -> None:
        """Tell how the targets are doing."""
        self.read(TargetFigures(self.totals, conditions.standings).read)

    def watch_files(
        self, digest: str, stale: Callable[[], Mapping[str, bool]], ends: Callable[[], Mapping[str, float]]
    ) -> None:
        """Tell of the configuration that this worker runs, and of the files that are mounted beside it."""
        self.totals.of(CONFIG_INFO)[self.worker, f"sha256:{digest}"] = 1.0
        self.read(MountedFigures(self.totals, stale=stale, ends=ends).read)


@asynccontextmanager
async def observed(settings: Settings, environ: Mapping[str, str]) -> AsyncGenerator[Observed, None]:
    """Metrics and traces as ``settings`` has them; leaving the context writes and sends the last of them.

    Without a supervisor nobody reads metrics, and requests are not counted.
    """
    traces = settings.telemetry.traces
    sampled = sampling(traces.sample)
    totals = Totals()
    worker = environ.get(WORKER) or str(os.getpid())
    # The supervisor says whether there are metrics: it opened the port for them, or did not.
    folder = environ.get(FOLDER)
    observers: list[Observer] = []
    async with AsyncExitStack() as ours:
        publishing = None
        if folder is not None:
            publishing = Publishing(Path(folder), worker, totals)
            observers.append(Counting(totals))
        audit = AuditFigures(totals, enabled=settings.audit.enabled)
        if publishing is not None:
            await ours.enter_async_context(publishing)
        if traces.endpoint is not None:
            observers.append(await ours.enter_async_context(_tracing(settings, traces.endpoint, sampled)))
        yield Observed(
            observers=tuple(observers),
            audit=audit,
            traceparent=(lambda trace: trace.upstream(sampled=sampled(trace))) if traces.propagate else None,
            scrape=None if publishing is None else publishing.scrape,
            read=_unread if publishing is None else publishing.read,
            totals=totals,
            worker=worker.removesuffix(SECOND),
        )


@asynccontextmanager
async def _tracing(
    settings: Settings, endpoint: str, sampled: Callable[[Trace], bool]
) -> AsyncGenerator[Observer, None]:
    from gateway.telemetry.traces import Tracing  # noqa: PLC0415  loaded only where asked for: it takes its time

    traces = settings.telemetry.traces
    async with Tracing(endpoint, traces.headers, sampled=sampled, conventions=traces.conventions) as tracing:
        yield tracing


def _unread(_: Callable[[], None]) -> None:
    """Stand in where no figures are published."""
