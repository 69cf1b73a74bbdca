"""How does uvicorn run the gateway, and how does it end?

A stop has an order: the gateway says that it is not ready, takes no more connections, finishes what is under way, and
gives what is left when its time is over an end in its own dialect. Only then are connections closed. A worker that
gives way to another one does the same, but is in no hurry with connections on which nothing happens: what is on its way
to it is served, so that nobody notices.
"""

import asyncio
import signal
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from functools import partial
from socket import socket
from types import FrameType
from typing import Any, Final

import uvicorn

from gateway.domain.target import Tls
from gateway.web.app import App
from gateway.web.edge import RUNNING, Receive, Running, Scope, Send
from gateway.web.protocol import PATIENT, PacedProtocol, Patience, look_around
from gateway.web.tls import Following

# How long a request that is cut off has to say so and to leave its record.
LAST_WORDS_S: Final = 3.0
# How long one that gives way waits for the last request on an idle connection: more than common clients keep one idle.
LINGER_S: Final = 6.0
_STEP_S: Final = 0.05
# How long a client's side of TLS has to close the connection too.
_GOODBYE_S: Final = 2.0


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
        self,
        config: uvicorn.Config,
        app: Cancellable,
        grace_s: float,
        on_started: Callable[[], None],
        *,
        protocol: Callable[..., PacedProtocol],
        tls: Callable[[Collection[object]], Mapping[str, Any]],
    ) -> None:
        super().__init__(config)
        self._app = app
        self._protocol = protocol
        self._tls = tls
        self._grace_s = grace_s
        self._on_started = on_started
        self._gives_way = False

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        self._app.stopping = True
        self._gives_way = False
        super().handle_exit(sig, frame)

    def give_way(self) -> None:
        """Stop as one whose place another one has: the gateway goes on, and is ready."""
        self._gives_way = not self.should_exit
        self.should_exit = True

    async def startup(self, sockets: list[socket] | None = None) -> None:
        """Take connections. As uvicorn has it for sockets that it is given, but for the deadlines of TLS."""
        loop = asyncio.get_running_loop()
        tls = self._tls(self.server_state.connections)
        made = partial(self._protocol, config=self.config, server_state=self.server_state, app_state={})
        listening = [
            await loop.create_server(made, sock=one, backlog=self.config.backlog, **tls) for one in sockets or []
        ]
        self.servers = listening
        self.started = True
        self._on_started()

    async def shutdown(self, sockets: list[socket] | None = None) -> None:
        """Take no more connections, finish what is under way, cut off what takes too long."""
        for server in self.servers:
            server.close()
        for listener in sockets or []:
            listener.close()
        loop = asyncio.get_running_loop()
        ends = loop.time() + self._grace_s
        if self._gives_way:
            for connection in self._connections():
                connection.retire(min(LINGER_S, self._grace_s))
            await self._until_idle(self._grace_s, unless=lambda: not self._gives_way)
        if not self._gives_way:
            for connection in self._connections():
                connection.shutdown()
            await self._until_idle(ends - loop.time())
        for connection in self._connections():
            connection.cut()
        await self._until_idle(LAST_WORDS_S)
        for connection in self._connections():
            connection.transport.abort()
        # uvicorn would end the process by the signal that it caught, before anything else here is closed.
        self._captured_signals.clear()

    def _connections(self) -> list[PacedProtocol]:
        return [one for one in self.server_state.connections if isinstance(one, PacedProtocol)]

    async def _until_idle(self, within_s: float, unless: Callable[[], bool] = lambda: False) -> None:
        """Wait until all connections are closed and all requests over, at most so many seconds."""
        state = self.server_state
        with suppress(TimeoutError):
            async with asyncio.timeout(max(0.0, within_s)):
                # A second SIGINT asks for no more waiting.
                while (state.connections or state.tasks) and not self.force_exit and not unless():  # noqa: ASYNC110
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


def _options(tls: Tls | None, patience: Patience, connections: Collection[object]) -> Mapping[str, Any]:
    """What a listener that speaks TLS is given: a handshake has the time of a head, the last word of one a moment.

    Handshakes and ``connections`` together are no more than there may be connections.
    """
    if tls is None:
        return {}
    return {
        "ssl": Following(tls, lambda: patience.connections - len(connections)),
        "ssl_handshake_timeout": patience.head_s,
        "ssl_shutdown_timeout": _GOODBYE_S,
    }


async def serve(
    app: App,
    listening: socket,
    *,
    grace_s: float,
    on_started: Callable[[], None],
    patience: Patience = PATIENT,
    tls: Tls | None = None,
) -> None:
    """Serve until SIGTERM or SIGINT, then finish what is under way for at most ``grace_s`` seconds.

    SIGUSR1 announces a stop: from then on ``/readyz`` says 503, and everything else is served as before. SIGUSR2 says
    that another worker has taken this one's place.
    """
    told = Cancellable(app)
    protocol = partial(PacedProtocol, patience=patience)
    config = bare_config(told, protocol)
    config.backlog = 2048
    server = _Server(config, told, grace_s, on_started, protocol=protocol, tls=partial(_options, tls, patience))
    loop = asyncio.get_running_loop()

    def announced() -> None:
        told.stopping = True

    loop.add_signal_handler(signal.SIGUSR1, announced)
    loop.add_signal_handler(signal.SIGUSR2, server.give_way)
    looking = asyncio.create_task(look_around(server.server_state.connections, patience))
    try:
        await server.serve(sockets=[listening])
    finally:
        looking.cancel()
        for number in (signal.SIGUSR1, signal.SIGUSR2):
            loop.remove_signal_handler(number)
            # What is still to be closed is not to be ended by a word that comes late.
            signal.signal(number, signal.SIG_IGN)
