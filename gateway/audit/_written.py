"""How long may it take to fetch the keys for a record, and to write it?

One deadline for both: the one may take what the other leaves. A disk that is slow for a moment refuses nobody as long
as all of it is there in time, and one that hangs makes nobody wait twice.
"""

import asyncio
import time
from collections.abc import Awaitable
from typing import Final

from gateway.audit.journal import Journal, Phase, Record
from gateway.domain.errors import AuditUnavailable

# Up to this part of the deadline it does not count what was waited for before the record: mostly nothing.
_AT_ONCE: Final = 0.1


def written(journal: Journal, phase: Phase, told: Record, blob: bytes, *, since: int) -> tuple[str, Awaitable[None]]:
    """Write a record for somebody who waits since then, in nanoseconds of ``time.perf_counter_ns``.

    Gives its event, and what is to be awaited until it is durable; that breaks with ``AuditUnavailable`` where it is
    not, or not in time.

    Raises:
        AuditUnavailable: no record is taken at present, or not this one.
    """
    durable: asyncio.Future[None] = journal.loop.create_future()
    event = journal.note(phase, told, blob, durable)
    waited = (time.perf_counter_ns() - since) / 1e9
    if waited <= journal.deadline_s * _AT_ONCE:
        return event, durable
    return event, _within(journal.deadline_s - waited, durable)


async def _within(seconds: float, durable: Awaitable[None]) -> None:
    try:
        async with asyncio.timeout(seconds):
            await durable
    except TimeoutError as error:
        raise AuditUnavailable("the record was not durable in time; look at the audit's disk, and try again") from error
