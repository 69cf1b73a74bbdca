"""Where does Prometheus read, and where does a platform ask whether the gateway is well?

A listener of its own, on which nothing but ``GET /metrics``, ``/healthz`` and ``/readyz`` is answered: whoever watches
need not reach the doors of the gateway, and the other way round; and probes find room here when the gateway has as many
connections as it may. It runs on the worker's event loop; files are read in a thread.
"""

import asyncio
import json
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial
from socket import socket
from typing import Final

from uvicorn.server import ServerState

from gateway.web.edge import Receive, Scope, Send
from gateway.web.protocol import PacedProtocol, Patience, look_around
from gateway.web.ready import HEALTHZ, READYZ, Readiness
from gateway.web.server import bare_config

_log: Final = logging.getLogger("splitgate.metrics")

# Whoever scrapes needs one connection or two, and descriptors are the gateway's as well.
PATIENCE: Final = Patience(head_s=5.0, body_s=5.0, idle_s=5.0, write_s=30.0, connections=16)

CONTENT_TYPE: Final = b"text/plain; version=0.0.4; charset=utf-8"


class MetricsApp:
    """The ASGI application; ``scrape`` gives what all workers have counted."""

    def __init__(self, scrape: Callable[[], Awaitable[bytes]], readiness: Readiness) -> None:
        self._scrape = scrape
        self._told = {HEALTHZ: readiness.healthz, READYZ: readiness.readyz}
        self._failing = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        del receive  # no body is of interest
        told = self._told.get(scope["path"])
        if told is None and scope["path"] != "/metrics":
            await _answer(send, 404, b"there is only /metrics, /healthz and /readyz\n")
        elif scope["method"] not in {"GET", "HEAD"}:
            await _answer(send, 405, b"use GET\n")
        elif told is not None:
            status, standing = told()
            await _answer(send, status, json.dumps(standing).encode(), b"application/json")
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


@asynccontextmanager
async def serving_metrics(
    scrape: Callable[[], Awaitable[bytes]], readiness: Readiness, listening: socket, patience: Patience = PATIENCE
) -> AsyncGenerator[None, None]:
    """Answer scrapes and probes on ``listening`` while the context lasts."""
    protocol = partial(PacedProtocol, patience=patience)
    config = bare_config(MetricsApp(scrape, readiness), protocol)
    config.load()
    # No server of uvicorn's: it would take the signals that the gateway's own server waits for.
    state = ServerState()
    loop = asyncio.get_running_loop()
    made = partial(protocol, config=config, server_state=state, app_state={})
    server = await loop.create_server(made, sock=listening)
    looking = loop.create_task(look_around(state.connections, patience))
    try:
        yield
    finally:
        looking.cancel()
        server.close()
        for connection in list(state.connections):
            connection.shutdown()
