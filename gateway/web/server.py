"""How does uvicorn run the gateway, and how is a vanished client noticed?

uvicorn tells an application of a lost connection only when it asks. Asking would cost a task for each request, so the
protocol cancels the request's own task instead when its connection is lost.
"""

import asyncio
from collections.abc import Callable
from socket import socket
from typing import Any, Final

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from gateway.web.app import App
from gateway.web.edge import RUNNING, Receive, Running, Scope, Send

# A request's head may be this long, and one read of the socket more: the parser itself knows no bound.
_MAX_HEAD_BYTES: Final = 65_536


class CancellingProtocol(HttpToolsProtocol):
    """Cancels the running request when its client goes away, and refuses heads without end."""

    _in_head = False
    _head_bytes = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]
        # One for all requests of the connection: uvicorn runs them one after the other.
        self._running = Running()
        self._cycles: list[RequestResponseCycle] = []
        super().connection_made(transport)

    def data_received(self, data: bytes) -> None:
        went_on = self._in_head
        super().data_received(data)
        if went_on and self._in_head:
            self._head_bytes += len(data)
            if self._head_bytes > _MAX_HEAD_BYTES:
                self.send_400_response("Request head too long.")

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._in_head = True
        self._head_bytes = 0
        scope: dict[str, Any] = self.scope  # pyright: ignore[reportAssignmentType]
        scope[RUNNING] = self._running

    def on_headers_complete(self) -> None:
        self._in_head = False
        super().on_headers_complete()
        self._cycles = [cycle for cycle in self._cycles if not cycle.response_complete]
        self._cycles.append(self.cycle)

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        # uvicorn tells the last request that was read, and it is the first that is being answered.
        for cycle in self._cycles:
            cycle.disconnected = True
        self._running.lost = True
        if self._running.task is not None:
            self._running.task.cancel()


class Cancellable:
    """Lets the protocol know which task serves a connection at the moment."""

    def __init__(self, app: App) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Note the task while it serves."""
        running: Running = scope[RUNNING]
        running.task = asyncio.current_task()
        try:
            await self._app(scope, receive, send)
        except asyncio.CancelledError:
            # Whoever was to get the answer is gone; uvicorn would log that as a failure, and try to answer.
            if not running.lost:
                raise
        finally:
            running.task = None


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config, on_started: Callable[[], None]) -> None:
        super().__init__(config)
        self._on_started = on_started

    async def startup(self, sockets: list[socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            self._on_started()

    async def shutdown(self, sockets: list[socket] | None = None) -> None:
        await super().shutdown(sockets)
        # uvicorn would end the process by the signal that it caught, before anything else here is closed.
        self._captured_signals.clear()


def bare_config(app: Callable[..., Any], protocol: type[CancellingProtocol]) -> uvicorn.Config:
    """The settings of uvicorn for a listener of ours: it speaks HTTP, and adds nothing of its own."""
    return uvicorn.Config(
        app,
        http=protocol,
        loop="none",
        lifespan="off",
        ws="none",
        access_log=False,
        log_config=None,
        server_header=False,
        date_header=False,
        proxy_headers=False,
    )


async def serve(app: App, listening: socket, *, grace_s: float, on_started: Callable[[], None]) -> None:
    """Serve until SIGTERM or SIGINT, then finish what is under way for at most ``grace_s`` seconds."""
    config = bare_config(Cancellable(app), CancellingProtocol)
    config.timeout_graceful_shutdown = max(1, round(grace_s))
    config.backlog = 2048
    await _Server(config, on_started).serve(sockets=[listening])
