"""What one upstream's slowness costs the others: nothing. What a burst leaves behind: nothing."""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Protocol

import pytest

from adapters.transport.aiohttp_client import AiohttpClient
from adapters.transport.httpx_client import HttpxClient
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
    connections: Sequence[object]


Serve = Callable[..., AbstractAsyncContextManager[Server]]


async def fetch(client: UpstreamClient, url: str, target: str, socket: str | None = None) -> bytes:
    timeouts = Timeouts(connect=5.0)
    async with client.request(
        "POST", url, target=target, headers={}, body=b"{}", timeouts=timeouts, socket=socket, addresses=HERE
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


@pytest.mark.parametrize("by_socket", [False, True])
@pytest.mark.parametrize("kind", [AiohttpClient, HttpxClient])
async def test_connections_that_a_burst_has_left_idle_are_closed_though_nobody_asks_again(
    kind: type[AiohttpClient | HttpxClient], serve: Serve, tmp_path: Path, *, by_socket: bool
) -> None:
    asked, closed = asyncio.Semaphore(0), asyncio.Semaphore(0)
    go_on = asyncio.Event()

    async def script(wire: Wire) -> None:
        await wire.request()
        asked.release()
        await go_on.wait()
        await wire.write(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok")
        await wire.wait_gone()
        closed.release()

    socket = tmp_path / "s" if by_socket else None
    client = kind(keepalive=0.1)
    async with serve(script, socket=socket) as server, asyncio.timeout(20):
        path = None if socket is None else str(socket)
        burst = [asyncio.create_task(fetch(client, server.url, "t", path)) for _ in range(8)]
        for _ in burst:
            await asked.acquire()
        go_on.set()
        assert await asyncio.gather(*burst) == [b"ok"] * 8
        assert len(server.connections) == 8
        for _ in burst:
            await closed.acquire()
        # And the next one is served all the same.
        assert await fetch(client, server.url, "t", path) == b"ok"
    await client.close()


async def test_connections_that_are_in_use_are_not_idle(serve: Serve) -> None:
    client = HttpxClient(keepalive=0.05)

    async def script(wire: Wire) -> None:
        await wire.request()
        await wire.write(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\no")
        await asyncio.sleep(0.5)
        await wire.write(b"k")

    async with serve(script) as server:
        assert await fetch(client, server.url, "t") == b"ok"
    await client.close()
