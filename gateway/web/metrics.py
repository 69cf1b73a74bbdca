"""Where does Prometheus read?

A listener of its own, on which nothing but ``GET /metrics`` is answered: whoever may scrape need not reach the doors of
the gateway, and the other way round. It runs on the worker's event loop; files are read in a thread.
"""

import asyncio
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from socket import socket
from typing import Final

from uvicorn.server import ServerState

from gateway.web.edge import Receive, Scope, Send
from gateway.web.protocol import CancellingProtocol
from gateway.web.server import bare_config

_log: Final = logging.getLogger("splitgate.metrics")

# Whoever scrapes needs one connection or two. How long a connection may be idle or take for a request's head, and for
# an answer to be taken, in seconds.
_MOST_CONNECTIONS: Final = 16
_HEAD_S: Final = 5.0
_ANSWER_S: Final = 30.0

CONTENT_TYPE: Final = b"text/plain; version=0.0.4; charset=utf-8"


class MetricsApp:
    """The ASGI application; ``scrape`` gives what all workers have counted."""

    def __init__(self, scrape: Callable[[], Awaitable[bytes]]) -> None:
        self._scrape = scrape
        self._failing = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        del receive  # no body is of interest
        if scope["path"] != "/metrics":
            await _answer(send, 404, b"there is only /metrics\n")
        elif scope["method"] not in {"GET", "HEAD"}:
            await _answer(send, 405, b"use GET\n")
        else:
            await _answer(send, *await self._scraped())

    async def _scraped(self) -> tuple[int, bytes, bytes]:
        try:
            told = await self._scrape()
        except Exception as error:  # noqa: BLE001
            # Files of others are read while these write: a scrape may fail, and the next one tells.
            if not self._failing:
                _log.error("metrics cannot be read (%s)", type(error).__name__)
            self._failing = True
            return 500, b"metrics cannot be read at present; see the log\n", b"text/plain"
        self._failing = False
        return 200, told, CONTENT_TYPE


async def _answer(send: Send, status: int, body: bytes, kind: bytes = b"text/plain") -> None:
    headers = [(b"content-type", kind), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


class ScrapedProtocol(CancellingProtocol):
    """Closes connections beyond a few, and those that ask for nothing: descriptors are the gateway's as well."""

    _late: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:
        super().connection_made(transport)
        self._allow(_HEAD_S)
        if len(self.connections) > _MOST_CONNECTIONS:
            transport.abort()

    def on_headers_complete(self) -> None:
        self._allow(_ANSWER_S)
        super().on_headers_complete()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        self._allow(_HEAD_S)

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        if self._late is not None:
            self._late.cancel()

    def _allow(self, seconds: float) -> None:
        if self._late is not None:
            self._late.cancel()
        self._late = self.loop.call_later(seconds, self.transport.abort)


@asynccontextmanager
async def serving_metrics(scrape: Callable[[], Awaitable[bytes]], listening: socket) -> AsyncGenerator[None, None]:
    """Answer scrapes on ``listening`` while the context lasts."""
    config = bare_config(MetricsApp(scrape), ScrapedProtocol)
    config.load()
    # No server of uvicorn's: it would take the signals that the gateway's own server waits for.
    state = ServerState()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(
        lambda: ScrapedProtocol(config=config, server_state=state, app_state={}), sock=listening
    )
    try:
        yield
    finally:
        server.close()
        for connection in list(state.connections):
            connection.shutdown()
