"""How does a worker count together with those of other gateways, put together by the settings?

In Redis, and by its share of each limit while that is away.
"""

import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from gateway.audit.events import Events
from gateway.configuration.redis import RedisSettings
from gateway.stores.memory_counters import MemoryCounters
from gateway.stores.redis_client import RedisAddress, RedisClient, TlsFiles
from gateway.stores.share import Share
from gateway.stores.shared_counters import Change, SharedCounters, Told
from gateway.telemetry.together import TogetherFigures


@asynccontextmanager
async def counted_together(
    settings: RedisSettings, share: Share, events: Events, figures: TogetherFigures | None
) -> AsyncGenerator[SharedCounters]:
    """Counters for one of the workers of each gateway, ``share`` being its share of one gateway alone."""
    alone = MemoryCounters(time.time, Share(number=share.number, of=share.of * settings.replicas))
    # Nobody tells it of the others: what is left of days and months is divided as well.
    alone.untold()

    def changed(change: Change) -> None:
        alone.sweep()
        if figures is not None:
            figures.changed(together=change.reached)
        events.note("config", "limits", _recorded(change, settings))

    counters = SharedCounters(
        RedisClient(address_of(settings)),
        alone,
        prefix=settings.prefix,
        patience_s=settings.timeout_s,
        on_failure=settings.on_failure,
        told=Told(changed=changed) if figures is None else Told(changed=changed, took=figures.took),
    )
    async with counters.running():
        yield counters


def address_of(settings: RedisSettings) -> RedisAddress:
    """How that Redis is reached."""
    files = TlsFiles(ca=settings.ca_file, cert=settings.cert_file, key=settings.key_file)
    return RedisAddress(
        host=settings.host,
        port=settings.port,
        db=settings.db,
        cluster=settings.cluster,
        username=settings.username,
        password=settings.password,
        tls=files if settings.tls else None,
    )


def _recorded(change: Change, settings: RedisSettings) -> dict[str, str | int]:
    """What the audit is told: who counts from now on, and why."""
    without = "nobody" if settings.on_failure == "close" else "each"
    return {
        "counted": "together" if change.reached else without,
        "reason": change.reason,
        "after_ms": round(change.after_s * 1000),
        "dropped": change.dropped,
    }
