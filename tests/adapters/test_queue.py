import asyncio

import pytest

from adapters._queue import Busy, Queue


async def test_a_turn_given_up_while_waiting_leaves_room() -> None:
    queue = Queue(slots=1, waiting=1)

    async def take() -> None:
        async with queue.turn():
            pass

    async with queue.turn():
        waiting = asyncio.create_task(take())
        await asyncio.sleep(0)
        with pytest.raises(Busy):
            await take()
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        second = asyncio.create_task(take())
        await asyncio.sleep(0)
    await second
