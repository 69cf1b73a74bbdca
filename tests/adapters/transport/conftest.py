"""A scripted server: what each test's own coroutine does with a connection, on loopback or a Unix socket."""

import asyncio
import ssl
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from socket import gaierror
from typing import Final, TypeAlias

import pytest
import uvloop

from adapters.transport.aiohttp_client import AiohttpClient
from adapters.transport.httpx_client import HttpxClient

PATIENCE = 10.0


_ON_BOTH_LOOPS: Final = (
    "test_a_connection_is_used_again",
    "test_silence_in_the_body_is_an_idle_timeout",
    "test_an_idle_connection_that_the_server_closed_is_not_used",
    "test_cancellation_in_mid_body_closes_the_connection",
)


def pytest_asyncio_loop_factories() -> dict[str, Callable[[], asyncio.AbstractEventLoop]]:
    # The gateway runs on uvloop, whose transports and sockets are its own.
    return {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Leave asyncio's own loop, on which commands alone run, to the long form, but for a test of each kind."""
    for item in items:
        if item.path.parent == Path(__file__).parent and isinstance(item, pytest.Function):
            if item.originalname in _ON_BOTH_LOOPS:
                continue
            given = item.callspec.params if hasattr(item, "callspec") else {}
            if asyncio.new_event_loop in given.values():
                item.add_marker(pytest.mark.exhaustive)


@dataclass(kw_only=True)
class Wire:
    """The server's end of one connection."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    gone: asyncio.Event

    async def request(self) -> tuple[list[str], bytes]:
        """Read one request: its head's lines, its body."""
        head = (await self.reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        length = next((int(line[15:]) for line in head if line.lower().startswith("content-length:")), 0)
        return head[:-2], await self.reader.readexactly(length)

    async def write(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def wait_gone(self) -> None:
        """Wait until the client has closed its end."""
        while True:
            try:
                if not await self.reader.read(65536):
                    break
            except ConnectionError:
                break
        self.gone.set()

    def reset(self) -> None:
        self.writer.transport.abort()


Script: TypeAlias = Callable[[Wire], Awaitable[None]]


@dataclass(kw_only=True)
class Server:
    """Where the scripted server listens, and what it has seen."""

    url: str
    connections: list[Wire] = field(default_factory=list[Wire])
    gone: asyncio.Event = field(default_factory=asyncio.Event)

    async def wait_gone(self) -> None:
        await asyncio.wait_for(self.gone.wait(), PATIENCE)


Serve: TypeAlias = Callable[..., AbstractAsyncContextManager[Server]]


@pytest.fixture
def serve() -> Serve:
    @asynccontextmanager
    async def run(
        script: Script, *, socket: Path | None = None, tls: ssl.SSLContext | None = None
    ) -> AsyncGenerator[Server]:
        seen = Server(url="http://localhost")
        tasks: set[asyncio.Task[None]] = set()

        async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = asyncio.current_task()
            assert task is not None
            tasks.add(task)
            wire = Wire(reader=reader, writer=writer, gone=seen.gone)
            seen.connections.append(wire)
            try:
                await script(wire)
            except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
                pass
            finally:
                writer.close()

        if socket is None:
            server = await asyncio.start_server(accept, "127.0.0.1", 0, ssl=tls)
            seen.url = f"{'https' if tls else 'http'}://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        else:
            server = await asyncio.start_unix_server(accept, socket)
        try:
            yield seen
        finally:
            server.close()
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    return run


@dataclass(kw_only=True)
class Names:
    """A name server that tests fill: what is asked last is answered last. Unknown names are unknown."""

    known: dict[str, list[list[str]]] = field(default_factory=dict[str, list[list[str]]])
    asked: list[str] = field(default_factory=list[str])

    async def __call__(self, host: str, port: int) -> Sequence[str]:
        del port
        self.asked.append(host)
        answers = self.known.get(host)
        if not answers:
            raise gaierror("unknown")
        return answers.pop(0) if len(answers) > 1 else answers[0]


@pytest.fixture
def names() -> Names:
    return Names()


@pytest.fixture(params=[AiohttpClient, HttpxClient])
async def client(request: pytest.FixtureRequest, names: Names) -> AsyncIterator[AiohttpClient | HttpxClient]:
    chosen: AiohttpClient | HttpxClient = request.param(lookup=names)
    yield chosen
    await chosen.close()


@pytest.fixture(params=[AiohttpClient, HttpxClient])
async def asking_the_system(request: pytest.FixtureRequest) -> AsyncIterator[AiohttpClient | HttpxClient]:
    """A client with the name servers that it comes with."""
    chosen: AiohttpClient | HttpxClient = request.param()
    yield chosen
    await chosen.close()
