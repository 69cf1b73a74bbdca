"""How do the workers of a machine hear of what the others use, and how does that outlive them?

About once a second each adds to one file what it used since, and reads what all have used. Requests never wait for it:
the file is touched in a thread, and where it fails what was counted is kept for the next time. A process that dies
loses what it used since the last time.
"""

import asyncio
import logging
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager, suppress
from typing import Final

from gateway.domain.errors import StateUnusable
from gateway.stores.counts_file import CountsFile
from gateway.stores.memory_counters import MemoryCounters

EVERY_S: Final = 1.0
# Sums that count no more are looked for once in so many times.
_SWEPT_EVERY: Final = 60

_log: Final = logging.getLogger("splitgate.limits")


@asynccontextmanager
async def sharing(
    counters: MemoryCounters,
    file: CountsFile,
    *,
    others: bool,
    every_s: float = EVERY_S,
    now: Callable[[], float] = time.time,
) -> AsyncGenerator[None]:
    """Keep ``counters`` and ``file`` together until the context ends, and then once more.

    What is known is there when this is entered. Without ``others`` nobody else is heard.
    """
    exchange = _Exchange(counters, file, others=others, now=now)
    await exchange.once()
    over = asyncio.Event()
    task = asyncio.create_task(exchange.go_on(over, every_s))
    try:
        yield
    finally:
        over.set()
        await task


class _Exchange:
    def __init__(self, counters: MemoryCounters, file: CountsFile, *, others: bool, now: Callable[[], float]) -> None:
        self._counters = counters
        self._file = file
        self._others = others
        self._now = now
        self._number = -1
        self._failing = False

    async def go_on(self, over: asyncio.Event, every_s: float) -> None:
        """Until ``over``, and then once more."""
        turn = 0
        while True:
            with suppress(TimeoutError):
                await asyncio.wait_for(over.wait(), every_s)
            turn += 1
            if turn % _SWEPT_EVERY == 0:
                self._counters.sweep()
            if self._others or self._failing or self._counters.waiting:
                await self.once()
            if over.is_set():
                return

    async def once(self) -> None:
        """Tell and hear. Nothing that goes wrong here may end the task."""
        more = self._counters.outgoing()
        try:
            heard = await asyncio.to_thread(self._file.exchange, more, self._number, self._now())
        except StateUnusable as error:
            self._counters.untold()
            if not self._failing:
                _log.warning(
                    "%s: limits over an hour and more, and budgets, are counted by each worker for itself until it can",
                    error.message,
                )
            self._failing = True
        else:
            self._counters.told(heard.sums)
            self._number = heard.number
            if self._failing:
                _log.warning("limits are counted together again")
            self._failing = False
