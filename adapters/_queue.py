"""How many requests does a process take up at once, and how many may wait?"""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager


class Busy(Exception):
    """Too many requests wait already."""


class Queue:
    """Admits ``slots`` requests at once and lets ``waiting`` more wait their turn, first come, first served."""

    def __init__(self, *, slots: int, waiting: int) -> None:
        self.slots = slots
        self.waiting = waiting
        self._free = asyncio.Semaphore(slots)
        self._most = slots + waiting
        self._present = 0

    @asynccontextmanager
    async def turn(self) -> AsyncGenerator[None]:
        """Wait for a slot and hold it.

        Raises:
            Busy: no room to wait; nothing was held.
        """
        if self._present >= self._most:
            raise Busy
        self._present += 1
        try:
            async with self._free:
                yield
        finally:
            self._present -= 1
