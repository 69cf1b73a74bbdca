"""How long may it take to fetch the keys for a record, and to write it?

One deadline for both: the one may take what the other leaves. A disk that is slow for a moment refuses nobody as long
as all of it is there in time, and one that hangs makes nobody wait twice.
"""

import asyncio
import time
from typing import Final

from gateway.audit.journal import Journal, Phase, Record
from gateway.domain.errors import AuditUnavailable

# Up to this part of the deadline it does not count what was waited for before the record: mostly nothing.
_AT_ONCE: Final = 0.1


async def written(journal: Journal, phase: Phase, told: Record, blob: bytes, *, since: int) -> str:
    """Write a record for somebody who waits since then, in nanoseconds of ``time.perf_counter_ns``; its event.

    Raises:
        AuditUnavailable: it is not durable in time.
    """
    waited = (time.perf_counter_ns() - since) / 1e9
    if waited <= journal.deadline_s * _AT_ONCE:
        return await journal.write(phase, told, blob)
    try:
        async with asyncio.timeout(journal.deadline_s - waited):
            return await journal.write(phase, told, blob)
    except TimeoutError as error:
        raise AuditUnavailable("the record was not durable in time; look at the audit's disk, and try again") from error
