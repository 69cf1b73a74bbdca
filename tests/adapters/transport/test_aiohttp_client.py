"""What the default client keeps itself, where aiohttp would keep it at a higher price."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from contextvars import Context
from pathlib import Path
from typing import Protocol

import pytest

from adapters.transport.aiohttp_client import AiohttpClient
from gateway.domain.address import THIS_MACHINE, Addresses
from gateway.domain.errors import UpstreamGarbled, UpstreamTimeout
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


async def never_whole(wire: Wire) -> None:
    """Answers with a byte less than it promised, and waits."""
    await wire.request()
    await wire.write(b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nok")
    await wire.wait_gone()


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
    async with serve(never_whole) as server:
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


async def test_an_exchange_that_ran_out_of_time_is_over_though_nobody_reads_it(
    client: AiohttpClient, serve: Serve
) -> None:
    async with serve(never_whole) as server, post(client, server.url, Timeouts(total=0.3)):
        async with asyncio.timeout(10):
            await server.wait_gone()


async def test_the_limit_that_ended_an_exchange_is_told_though_its_rest_comes_after(
    client: AiohttpClient, serve: Serve
) -> None:
    async def script(wire: Wire) -> None:
        await wire.request()
        await wire.write(b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\no")
        await asyncio.sleep(0.4)
        await wire.write(b"ks")
        await wire.wait_gone()

    async with serve(script) as server, post(client, server.url, Timeouts(idle=0.5, total=0.2)) as response:
        await asyncio.sleep(1.2)
        with pytest.raises(UpstreamTimeout) as caught:
            await response.read(10)
        assert caught.value.phase == "total"


async def test_what_broke_off_in_time_is_told_as_that_later_too(client: AiohttpClient, serve: Serve) -> None:
    async def script(wire: Wire) -> None:
        await wire.request()
        await wire.write(b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\no")

    async with serve(script) as server, post(client, server.url, Timeouts(total=0.3)) as response:
        await asyncio.sleep(0.5)
        with pytest.raises(UpstreamGarbled):
            await response.read(10)


async def test_silence_is_watched_by_one_timer_however_many_pieces_come(
    client: AiohttpClient, serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    loop = asyncio.get_running_loop()
    call_later, armed = loop.call_later, list[str]()

    def counted(
        delay: float, callback: Callable[..., object], *args: object, context: Context | None = None
    ) -> asyncio.TimerHandle:
        armed.append(callback.__name__)
        return call_later(delay, callback, *args, context=context)

    async def script(wire: Wire) -> None:
        await wire.request()
        await wire.write(b"HTTP/1.1 200 OK\r\ncontent-length: 20\r\n\r\n")
        for _ in range(20):
            await wire.write(b"a")
            await asyncio.sleep(0.01)

    monkeypatch.setattr(loop, "call_later", counted)
    async with serve(script) as server, post(client, server.url, Timeouts()) as response:
        assert len([chunk async for chunk in response.chunks()]) > 5
    # Before the headers and from them on.
    assert armed.count("_on_read_timeout") == 2
