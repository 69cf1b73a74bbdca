"""What the default client keeps itself, where aiohttp would keep it at a higher price."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Protocol

import pytest

from adapters.transport.aiohttp_client import AiohttpClient
from gateway.domain.address import THIS_MACHINE, Addresses
from gateway.domain.errors import UpstreamTimeout
from gateway.domain.ports import UpstreamResponse
from gateway.domain.target import Timeouts

pytestmark = pytest.mark.timeout(30)

HERE = Addresses(networks=THIS_MACHINE)


class Wire(Protocol):
    async def request(self) -> tuple[list[str], bytes]: ...
    async def write(self, data: bytes) -> None: ...
    async def wait_gone(self) -> None: ...


class Server(Protocol):
    url: str

    async def wait_gone(self) -> None: ...


class Serve(Protocol):
    def __call__(
        self, script: Callable[[Wire], Awaitable[None]], *, socket: Path | None = None
    ) -> AbstractAsyncContextManager[Server]: ...


@pytest.fixture
async def client() -> AsyncIterator[AiohttpClient]:
    made = AiohttpClient()
    yield made
    await made.close()


def post(client: AiohttpClient, url: str, timeouts: Timeouts) -> AbstractAsyncContextManager[UpstreamResponse]:
    return client.request(
        "POST", f"{url}/", target="primary", headers={}, body=b"{}", timeouts=timeouts, addresses=HERE
    )


async def test_an_answer_that_came_in_time_may_be_read_later(client: AiohttpClient, serve: Serve) -> None:
    async def script(wire: Wire) -> None:
        for _ in range(2):
            await wire.request()
            await wire.write(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok")

    async with serve(script) as server:
        for _ in range(2):
            async with post(client, server.url, Timeouts(total=0.3)) as response:
                await asyncio.sleep(0.5)
                assert await response.read(10) == b"ok"


async def test_what_came_of_one_that_did_not_is_not_passed_on(client: AiohttpClient, serve: Serve) -> None:
    async def script(wire: Wire) -> None:
        await wire.request()
        await wire.write(b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nok")
        await wire.wait_gone()

    async with serve(script) as server:
        async with post(client, server.url, Timeouts(total=0.3)) as response:
            await asyncio.sleep(0.5)
            with pytest.raises(UpstreamTimeout) as caught:
                await response.read(10)
            assert caught.value.phase == "total"
        await server.wait_gone()


async def test_the_limit_of_one_exchange_is_not_the_next_ones(client: AiohttpClient, serve: Serve) -> None:
    async def script(wire: Wire) -> None:
        for _ in range(2):
            await wire.request()
            await wire.write(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\no")
            await asyncio.sleep(0.4)
            await wire.write(b"k")

    async with serve(script) as server:
        for _ in range(2):
            async with post(client, server.url, Timeouts(total=0.6)) as response:
                assert await response.read(10) == b"ok"
