"""How do all sinks and anchors go on side by side until the gateway stops?"""

import asyncio
import contextlib
import fcntl
import logging
import os
from collections.abc import AsyncGenerator, Callable, Sequence
from typing import Final

from gateway.audit.opening import open_safely
from gateway.audit.places import Places
from gateway.audit.ship.anchoring import Anchoring
from gateway.audit.ship.carry import carry
from gateway.audit.ship.pace import Pace
from gateway.audit.ship.shipping import Shipping
from gateway.audit.ship.source import Source

_LOCK: Final = os.O_RDWR | os.O_CREAT
_log: Final = logging.getLogger("splitgate.audit")


async def run(
    source: Source,
    shippings: Sequence[Shipping],
    anchorings: Sequence[Anchoring],
    *,
    pace: Pace,
    stopping: asyncio.Event,
    on_unshipped: Callable[[int], None],
) -> None:
    """Hand over what is written until ``stopping``, and then what is left, for as long as ``pace`` allows.

    ``on_unshipped`` is told how many records are not handed over yet, the most over all sinks.
    """
    carriers = [asyncio.create_task(carry(one, source, pace)) for one in (*shippings, *anchorings)]

    async def look() -> None:
        await source.refresh()
        on_unshipped(max([one.unshipped(source.seen) for one in shippings], default=0))

    while not stopping.is_set():
        await look()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(stopping.wait(), pace.poll_s)
    # What was written last is seen now, since whoever writes is gone by the time that this is told to stop.
    await look()
    for one in shippings:
        one.hurry()
    source.over.set()
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(pace.grace_s):
            await asyncio.gather(*carriers)
    on_unshipped(max([one.unshipped(source.seen) for one in shippings], default=0))


@contextlib.asynccontextmanager
async def alone(places: Places, pace: Pace, stopping: asyncio.Event) -> AsyncGenerator[bool]:
    """Wait until the journals are there and no other process ships them; false where it was told to stop first."""
    told = False
    descriptor: int | None = None
    while descriptor is None and not stopping.is_set():
        descriptor = _locked(places) if places.root.is_dir() else None
        if descriptor is None:
            if not told and places.root.is_dir():
                _log.warning(
                    "audit: shipping waits, because another process ships from %s or it is closed", places.root
                )
                told = True
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stopping.wait(), pace.poll_s)
    try:
        yield descriptor is not None
    finally:
        if descriptor is not None:
            os.close(descriptor)


def _locked(places: Places) -> int | None:
    """The lock of whoever ships, if it is free."""
    try:
        places.ship.mkdir(mode=0o700, exist_ok=True)
        descriptor = open_safely(places.ship / ".lock", _LOCK)
    except OSError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        return None
    # Whoever was killed while it wrote a cursor left it half written.
    for draft in places.ship.glob(".*.json.*"):
        with contextlib.suppress(OSError):
            draft.unlink()
    return descriptor
