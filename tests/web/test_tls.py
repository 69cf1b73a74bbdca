"""A listener over TLS whose certificate changes under it, with the gateway's own protocol."""

import asyncio
import contextlib
import gc
import ssl
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import uvloop
from uvicorn.server import ServerState

from gateway.domain.target import Tls
from gateway.web.edge import Receive, Scope, Send
from gateway.web.protocol import PATIENT, PacedProtocol
from gateway.web.server import bare_config
from gateway.web.tls import Following

pytestmark = pytest.mark.timeout(60)


def pytest_asyncio_loop_factories() -> dict[str, Callable[[], asyncio.AbstractEventLoop]]:
    return {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}


class Rotating(Tls):
    """Becomes another one when the test says so."""

    def become(self, context: ssl.SSLContext) -> None:
        self._context = context


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    del receive
    body = str(scope["scheme"]).encode()
    headers = [(b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def test_each_connection_is_made_by_the_context_that_is_present_then(
    tmp_path: Path, certify: Callable[..., Any]
) -> None:
    def issued(name: str) -> tuple[ssl.SSLContext, ssl.SSLContext]:
        pair = certify().write(tmp_path, name)
        server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        server.load_cert_chain(*pair)
        return server, ssl.create_default_context(cafile=pair[0])

    (first, believes_first), (second, believes_second) = issued("first"), issued("second")
    tls = Rotating(first)
    config = bare_config(app, PacedProtocol)
    config.load()
    made = partial(PacedProtocol, config, ServerState(), {}, patience=PATIENT)
    server = await asyncio.get_running_loop().create_server(made, "127.0.0.1", 0, ssl=Following(tls, lambda: 100))
    port = server.sockets[0].getsockname()[1]

    async def ask(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bytes:
        writer.write(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n")
        return (await reader.readuntil(b"https"))[-5:]

    async with server:
        kept = await asyncio.open_connection("127.0.0.1", port, ssl=believes_first)
        assert await ask(*kept) == b"https"
        tls.become(second)
        with pytest.raises(ssl.SSLCertVerificationError):
            await asyncio.open_connection("127.0.0.1", port, ssl=believes_first)
        new = await asyncio.open_connection("127.0.0.1", port, ssl=believes_second)
        assert await ask(*new) == b"https"
        assert await ask(*kept) == b"https"
        for _, writer in (kept, new):
            writer.close()


async def shaken(pair: tuple[Path, Path]) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*pair)
    believes = ssl.create_default_context(cafile=pair[0])
    room = 3
    following = Following(Tls(context), lambda: room)
    server = await asyncio.get_running_loop().create_server(asyncio.Protocol, "127.0.0.1", 0, ssl=following)
    port = server.sockets[0].getsockname()[1]

    async def shake() -> asyncio.StreamWriter:
        _, writer = await asyncio.open_connection("127.0.0.1", port, ssl=believes)
        return writer

    async with server:
        writers = [await shake() for _ in range(2 * room)]
        silent = [(await asyncio.open_connection("127.0.0.1", port))[1] for _ in range(room)]
        for _ in range(2):
            with pytest.raises((OSError, EOFError)):
                await shake()
        for writer in silent:
            writer.close()
        while len(writers) <= 2 * room:
            with contextlib.suppress(OSError, EOFError):
                writers.append(await shake())
            await asyncio.sleep(0.01)
        for writer in writers:
            writer.close()


def test_who_shakes_no_hands_takes_no_more_room_than_there_is_and_leaves_it_behind(
    tmp_path: Path, certify: Callable[..., Any]
) -> None:
    # As workers do: this loop lets go of what a connection had at once, and does not leave it to the collector.
    gc.disable()
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(shaken(certify().write(tmp_path, "server")))
    finally:
        gc.enable()
