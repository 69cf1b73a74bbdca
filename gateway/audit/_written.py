"""How long may it take to fetch the keys for a record, and until it is durable?

One deadline for both: the one may take what the other leaves. A disk that is slow for a moment refuses nobody as long
as all of it is there in time, and one that hangs makes nobody wait twice.
"""

import asyncio
import time
from collections.abc import Awaitable
from typing import Final

from gateway.domain.errors import AuditUnavailable

# Up to this part of the deadline it does not count what was waited for before the record: mostly nothing.
_AT_ONCE: Final = 0.1


def in_time(durable: Awaitable[None], deadline_s: float, *, since: int) -> Awaitable[None]:
    """The same for somebody who waits for it since then, in nanoseconds of ``time.perf_counter_ns``.

    Raises:
        AuditUnavailable: it does not come true in time.
    """
    waited = (time.perf_counter_ns() - since) / 1e9
    return durable if waited <= deadline_s * _AT_ONCE else _within(deadline_s - waited, durable)


async def _within(seconds: float, durable: Awaitable[None]) -> None:
    try:
        async with asyncio.timeout(seconds):
            await durable
    except TimeoutError as error:
        raise AuditUnavailable("the record was not durable in time; look at the audit's disk, and try again") from error
