"""What keeps a worker's callers from using too much, put together by the settings?

Whoever serves requests gets a limiter to open tabs at, and knows nothing of where counts are kept.
"""

import time
from collections.abc import AsyncGenerator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager

from gateway.audit.events import NO_EVENTS, Events
from gateway.domain.limits import is_long
from gateway.pipeline.limiter import Limiter
from gateway.settings import Settings
from gateway.stores.counts_file import NAME, CountsFile
from gateway.stores.memory_counters import MemoryCounters
from gateway.stores.share import Share
from gateway.stores.shared_counts import sharing
from gateway.telemetry.families import SECOND, WORKER
from gateway.telemetry.together import TogetherFigures


def share_of(environ: Mapping[str, str], workers: int) -> Share:
    """Which of ``workers`` this is, as the supervisor says."""
    number = environ.get(WORKER, "").removesuffix(SECOND)
    return Share(number=int(number) if number.isdigit() else 1, of=workers)


@asynccontextmanager
async def limited(
    settings: Settings, share: Share, events: Events = NO_EVENTS, figures: TogetherFigures | None = None
) -> AsyncGenerator[Limiter | None]:
    """The limits of ``settings`` until the context ends; None where there are none.

    ``events`` and ``figures`` are told of what becomes of counting with other gateways.
    """
    if not settings.limits.rules:
        yield None
        return
    if settings.redis is not None:
        from gateway.counted_together import counted_together  # noqa: PLC0415  loaded only where chosen

        async with counted_together(settings.redis, share, events, figures) as shared:
            limiter = Limiter(settings.limits, shared)
            try:
                yield limiter
            finally:
                await limiter.drained()
        return
    counters = MemoryCounters(time.time, share)
    limiter = Limiter(settings.limits, counters)
    async with AsyncExitStack() as ours:
        if any(is_long(allows.window) for rule in settings.limits.rules for allows in rule.allows):
            file = CountsFile(settings.state_dir / NAME)
            await ours.enter_async_context(sharing(counters, file, others=share.of > 1))
        # Before the last exchange: what was used is counted first.
        ours.push_async_callback(limiter.drained)
        yield limiter
