"""What one upstream's slowness costs the others: nothing."""

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Protocol

from gateway.domain.address import THIS_MACHINE, Addresses
from gateway.domain.ports import UpstreamClient
from gateway.domain.target import Timeouts

PLACES = 256
HERE = Addresses(networks=THIS_MACHINE)


class Wire(Protocol):
    async def request(self) -> tuple[list[str], bytes]: ...
    async def write(self, data: bytes) -> None: ...
    async def wait_gone(self) -> None: ...


class Server(Protocol):
    url: str


Serve = Callable[..., AbstractAsyncContextManager[Server]]


async def fetch(client: UpstreamClient, url: str, target: str) -> bytes:
    async with client.request(
        "POST", url, target=target, headers={}, body=b"{}", timeouts=Timeouts(connect=5.0), addresses=HERE
    ) as response:
        return await response.read(100)


async def test_a_target_whose_places_are_all_taken_leaves_others_theirs(client: UpstreamClient, serve: Serve) -> None:
    asked = asyncio.Semaphore(0)

    async def slow(wire: Wire) -> None:
        await wire.request()
        asked.release()
        await wire.wait_gone()

    async def quick(wire: Wire) -> None:
        await wire.request()
        await wire.write(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok")

    async with serve(slow) as busy, serve(quick) as free:
        tasks: list[asyncio.Task[bytes]] = []
        for _ in range(PLACES // 32):
            tasks += [asyncio.create_task(fetch(client, busy.url, "busy")) for _ in range(32)]
            for _ in range(32):
                await asyncio.wait_for(asked.acquire(), 20)
        assert await fetch(client, free.url, "free") == b"ok"
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
