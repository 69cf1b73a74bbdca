"""How does uvicorn run the gateway, and how does it end?

A stop has an order: the gateway says that it is not ready, takes no more connections, finishes what is under way, and
gives what is left when its time is over an end in its own dialect. Only then are connections closed.
"""

import asyncio
import signal
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from socket import socket
from types import FrameType
from typing import Any, Final

import uvicorn

from gateway.web.app import App
from gateway.web.edge import RUNNING, Receive, Running, Scope, Send
from gateway.web.protocol import PATIENT, PacedProtocol, Patience, look_around

# How long a request that is cut off has to say so and to leave its record.
LAST_WORDS_S: Final = 3.0
_STEP_S: Final = 0.05


class Cancellable:
    """Lets the protocol know which task serves a connection at the moment, and tells of a stop that has begun."""

    def __init__(self, app: App) -> None:
        self._app = app

    @property
    def stopping(self) -> bool:
        """Whether a stop was announced: ``/readyz`` says so."""
        return self._app.readiness.stopping

    @stopping.setter
    def stopping(self, announced: bool) -> None:
        self._app.readiness.stopping = announced

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
    """``grace_s`` is how long requests have to be finished once a stop has begun."""

    def __init__(
        self, config: uvicorn.Config, app: Cancellable, grace_s: float, on_started: Callable[[], None]
    ) -> None:
        super().__init__(config)
        self._app = app
        self._grace_s = grace_s
        self._on_started = on_started

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        self._app.stopping = True
        super().handle_exit(sig, frame)

    async def startup(self, sockets: list[socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            self._on_started()

    async def shutdown(self, sockets: list[socket] | None = None) -> None:
        """Take no more connections, finish what is under way, cut off what takes too long."""
        for server in self.servers:
            server.close()
        for listener in sockets or []:
            listener.close()
        for connection in self._connections():
            connection.shutdown()
        await self._until_idle(self._grace_s)
        for connection in self._connections():
            connection.cut()
        await self._until_idle(LAST_WORDS_S)
        for connection in self._connections():
            connection.transport.abort()
        # uvicorn would end the process by the signal that it caught, before anything else here is closed.
        self._captured_signals.clear()

    def _connections(self) -> list[PacedProtocol]:
        return [one for one in self.server_state.connections if isinstance(one, PacedProtocol)]

    async def _until_idle(self, within_s: float) -> None:
        """Wait until all connections are closed and all requests over, at most so many seconds."""
        with suppress(TimeoutError):
            async with asyncio.timeout(within_s):
                # A second SIGINT asks for no more waiting.
                while (self.server_state.connections or self.server_state.tasks) and not self.force_exit:  # noqa: ASYNC110
                    await asyncio.sleep(_STEP_S)


def bare_config(app: Callable[..., Any], protocol: Callable[..., PacedProtocol]) -> uvicorn.Config:
    """The settings of uvicorn for a listener of ours: it speaks HTTP, and adds nothing of its own."""
    return uvicorn.Config(
        app,
        http=protocol,  # pyright: ignore[reportArgumentType]  it is called like a class, and asked nothing else
        loop="none",
        lifespan="off",
        ws="none",
        access_log=False,
        log_config=None,
        server_header=False,
        date_header=False,
        proxy_headers=False,
    )


async def serve(
    app: App, listening: socket, *, grace_s: float, on_started: Callable[[], None], patience: Patience = PATIENT
) -> None:
    """Serve until SIGTERM or SIGINT, then finish what is under way for at most ``grace_s`` seconds.

    SIGUSR1 announces a stop: from then on ``/readyz`` says 503, and everything else is served as before.
    """
    told = Cancellable(app)
    config = bare_config(told, partial(PacedProtocol, patience=patience))
    config.backlog = 2048
    server = _Server(config, told, grace_s, on_started)
    loop = asyncio.get_running_loop()

    def announced() -> None:
        told.stopping = True

    loop.add_signal_handler(signal.SIGUSR1, announced)
    looking = asyncio.create_task(look_around(server.server_state.connections, patience))
    try:
        await server.serve(sockets=[listening])
    finally:
        looking.cancel()
        loop.remove_signal_handler(signal.SIGUSR1)
