"""How many requests may be in progress, and what becomes of those that find no place?

A few wait for a moment, in the order in which they came; all others are told at once to come back. What answers whether
the gateway is well never comes here: a full gateway is not a sick one.
"""

import asyncio
from collections import deque

from gateway.domain.errors import GatewayFull

# Those refused are told to come back after one to so many seconds in turn, so that they do not come back all at once.
_SPREAD_S = 4


class Gate:
    """``places`` requests at a time; ``queue`` more wait for ``patience_s`` seconds."""

    def __init__(self, *, places: int, queue: int, patience_s: float) -> None:
        self._free = places
        self._queue = queue
        self._patience_s = patience_s
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._refused = 0

    async def enter(self) -> None:
        """Take a place; whoever got one gives it back by ``leave``.

        Raises:
            GatewayFull: there is none, and none became free in time.
        """
        # While somebody waits none is free: nobody is overtaken.
        if self._free:
            self._free -= 1
        else:
            await self._wait()

    def leave(self) -> None:
        """Give the place to whoever waits longest."""
        while self._waiting:
            waiter = self._waiting.popleft()
            if not waiter.done():
                waiter.set_result(None)
                return
        self._free += 1

    async def _wait(self) -> None:
        if len(self._waiting) >= self._queue:
            raise self._full()
        place = asyncio.get_running_loop().create_future()
        self._waiting.append(place)
        try:
            async with asyncio.timeout(self._patience_s):
                await place
        except TimeoutError:
            self._give_up(place)
            raise self._full() from None
        except asyncio.CancelledError:
            self._give_up(place)
            raise

    def _give_up(self, place: asyncio.Future[None]) -> None:
        if place.cancelled():
            # Still in the queue, unless ``leave`` came upon it.
            if place in self._waiting:
                self._waiting.remove(place)
        else:
            # It was given at the very moment at which nobody wanted it any more.
            self.leave()

    def _full(self) -> GatewayFull:
        self._refused += 1
        return GatewayFull(
            "the gateway has as many requests in progress as it may; send this one again a little later",
            retry_after_s=1 + self._refused % _SPREAD_S,
        )
