"""What may a client do on its connection, and how long may it take?

uvicorn's protocol over llhttp's strict parser, and three things more. What two parsers could read as different requests
is refused, and the connection closed. Nothing takes memory or time without bounds: heads, silence, slow bodies, slow
readers. And a request is cancelled when its client goes away, which ASGI would tell only those who ask.
"""

import asyncio
import socket as sockets
from collections.abc import Collection
from math import inf
from typing import Any, Final

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle
from uvicorn.server import ServerState

from gateway.domain.value import value
from gateway.web.edge import RUNNING, Running

# A request's head may hold so many bytes and headers; and no more than that may come without getting a request further.
MAX_HEAD_BYTES: Final = 65_536
MAX_HEADERS: Final = 100
# Who is slower than this in both directions, in bytes a second over the time allowed, is not waited for.
MIN_RATE: Final = 4096
# So much of an answer may lie in the kernel unsent; the rest waits where it is counted.
_UNSENT_BYTES: Final = 65_536

_FRAMING: Final = frozenset({b"content-length", b"expect", b"host", b"transfer-encoding"})
_FULL: Final = b"HTTP/1.1 503 Service Unavailable\r\nretry-after: 1\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"


class _Ambiguous(Exception):
    """The request could be read in two ways; raised within the parser, which then gives up."""


@value
class Patience:
    """How long a client may take for a request's head and body, be idle, and not read, in seconds; and how many may."""

    head_s: float = 20.0
    body_s: float = 30.0
    idle_s: float = 75.0
    write_s: float = 30.0
    connections: int = 10_000


PATIENT: Final = Patience()


class PacedProtocol(HttpToolsProtocol):
    """One client's connection. No timer runs for it: ``look`` is called every now and then."""

    _in_head = False
    _long = False
    _deaf = False
    _idle_bytes = 0
    _moved = False
    _host: bytes | None = None
    _chunked = False
    _spoilt: str | None = None
    """What is wrong with the request behind those that are being answered."""
    _due = inf
    _body_bytes = 0
    _write_due = inf
    _unwritten = 0
    _stopping = False
    _linger_s: float | None = None
    """How long one that serves no further request waits for that one, so that none is lost on the way to it."""

    def __init__(
        self,
        config: uvicorn.Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
        *,
        patience: Patience = PATIENT,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self._patience = patience

    def connection_made(self, transport: asyncio.Transport) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]
        # One for all requests of the connection: uvicorn runs them one after the other.
        self._running = Running()
        self._cycles: list[RequestResponseCycle] = []
        super().connection_made(transport)
        self._due = self.loop.time() + self._patience.head_s
        if len(self.connections) > self._patience.connections:
            transport.write(_FULL)
            transport.close()
        elif hasattr(sockets, "TCP_NOTSENT_LOWAT"):
            socket = transport.get_extra_info("socket")
            socket.setsockopt(sockets.IPPROTO_TCP, sockets.TCP_NOTSENT_LOWAT, _UNSENT_BYTES)

    def data_received(self, data: bytes) -> None:
        if self._deaf:
            return
        self._moved = False
        self._long = self._in_head or len(data) > MAX_HEAD_BYTES
        super().data_received(data)
        # Heads, trailers, sizes and extensions of chunks: whatever goes on and on without a byte of content.
        self._idle_bytes = 0 if self._moved else self._idle_bytes + len(data)
        if self._idle_bytes > MAX_HEAD_BYTES:
            self.send_400_response("Request head too long.")

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._in_head, self._chunked, self._host = True, False, None
        scope: dict[str, Any] = self.scope  # pyright: ignore[reportAssignmentType]
        scope[RUNNING] = self._running
        if not self._answering():
            self._due = self.loop.time() + self._patience.head_s

    def on_header(self, name: bytes, value: bytes) -> None:
        if not self._in_head:
            # A trailer. uvicorn would append it to the headers of a request that is being served.
            return
        name = name.lower()
        if name in _FRAMING:
            # The parser leaves the blanks behind a value, which are none of it.
            value = value.strip(b" \t")
            self._frame(name, value)
        self.headers.append((name, value))

    def on_headers_complete(self) -> None:
        self._in_head, self._moved = False, True
        self._expect_one_meaning()
        super().on_headers_complete()
        cycle = self.cycle
        if self.expect_100_continue or self._stopping or self._speaks_another():
            cycle.keep_alive = False
        self._cycles = [*self._waiting(), cycle]
        self._body_bytes = 0
        # One that waits behind another is not read on: its time begins with its turn.
        self._due = inf if self.pipeline else self.loop.time() + self._patience.body_s

    def on_body(self, body: bytes) -> None:
        self._moved = True
        self._body_bytes += len(body)
        super().on_body(body)

    def on_message_complete(self) -> None:
        self._moved = True
        self._due = inf
        super().on_message_complete()

    def on_response_complete(self) -> None:
        # As uvicorn has it, but for its timer.
        self.server_state.total_requests += 1
        if self.transport.is_closing():
            return
        self.flow.resume_reading()
        now = self.loop.time()
        if self.pipeline:
            cycle, app = self.pipeline.pop()
            self._start_asgi_task(cycle, app)
            self._due = now + self._patience.body_s if self.cycle.more_body and not self.pipeline else inf
        elif self._in_head:
            self._due = now + self._patience.head_s
        elif self.cycle.more_body:
            self._due = min(self._due, now + self._patience.body_s)
        elif self._stopping and self._linger_s is None:
            self.transport.close()
        else:
            self._due = now + (self._patience.idle_s if self._linger_s is None else self._linger_s)
        if self._spoilt is not None:
            self._refuse_the_spoilt(self._spoilt)

    def pause_writing(self) -> None:
        super().pause_writing()
        self._expect_reading(self.loop.time())

    def resume_writing(self) -> None:
        super().resume_writing()
        self._write_due = inf

    def send_400_response(self, msg: str) -> None:
        self._deaf = True
        waiting = self._waiting()
        if self.cycle in waiting and self.cycle.more_body:
            # The fault is in its body.
            self._cycles.remove(self.cycle)
            if len(waiting) > 1:
                self.pipeline.popleft()
        elif (last := self._latest()) is not None and last.more_body:
            # It has its answer already, and gets no other one.
            self.transport.close()
            return
        self._spoilt = msg
        self._refuse_the_spoilt(msg)

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        # uvicorn tells the last request that was read, and it is the first that is being answered.
        for cycle in self._cycles:
            cycle.disconnected = True
        self._running.lost = True
        if self._running.task is not None:
            self._running.task.cancel()

    def shutdown(self) -> None:
        """Take no further request; one that has begun to come is served."""
        self._stopping, self._linger_s = True, None
        if self._answering():
            self.cycle.keep_alive = False
        elif not self._in_head:
            self.transport.close()

    def retire(self, linger_s: float) -> None:
        """Answer what is under way and at most one request more, which is told that it is the last.

        A client may send that one at this very moment, and would find the connection closed.
        """
        self._stopping, self._linger_s = True, linger_s
        if self._answering():
            if not self.cycle.response_started:
                self.cycle.keep_alive = False
        elif not self._in_head:
            self._due = min(self._due, self.loop.time() + linger_s)

    def cut(self) -> None:
        """Have the running request end now, with an error of its dialect."""
        self._running.stopping = True
        if self._running.task is not None:
            self._running.task.cancel()
        else:
            self.transport.abort()

    def look(self, now: float) -> None:
        """Close the connection if its client has had its time."""
        if self._write_due == inf and self.transport.is_closing():
            # What was written last may still wait for its reader.
            self._expect_reading(now)
        if now >= self._write_due:
            read = self._unwritten - self.transport.get_write_buffer_size()
            self._go_on_if(read >= self._patience.write_s * MIN_RATE)
            self._expect_reading(now)
        if now >= self._due:
            in_body = (cycle := self._latest()) is not None and cycle.more_body and not self._in_head
            self._go_on_if(in_body and self._body_bytes >= self._patience.body_s * MIN_RATE)
            self._due, self._body_bytes = now + self._patience.body_s, 0

    def _go_on_if(self, well: bool) -> None:
        if not well:
            self.transport.abort()

    def _expect_reading(self, now: float) -> None:
        self._unwritten = self.transport.get_write_buffer_size()
        self._write_due = now + self._patience.write_s

    def _refuse_the_spoilt(self, msg: str) -> None:
        """Say so behind the answers to those before it, where no answer of theirs can be mistaken for it."""
        if not self._waiting() and not self.transport.is_closing():
            super().send_400_response(msg)

    def _latest(self) -> RequestResponseCycle | None:
        """The request that was read last; uvicorn's types leave out that there may be none yet."""
        return self.cycle

    def _waiting(self) -> list[RequestResponseCycle]:
        """The requests that have not been answered, in their order."""
        return [cycle for cycle in self._cycles if not cycle.response_complete]

    def _answering(self) -> bool:
        return (cycle := self._latest()) is not None and not cycle.response_complete

    def _speaks_another(self) -> bool:
        """Whether another protocol is offered: what comes behind the head may be a body, or may be that."""
        return self.parser is not None and self.parser.should_upgrade()

    def _frame(self, name: bytes, value: bytes) -> None:
        if name == b"host":
            if self._host is not None:
                raise _Ambiguous
            self._host = value
        elif name == b"transfer-encoding":
            if value.lower() != b"chunked":
                raise _Ambiguous
            self._chunked = True
        elif name == b"expect" and value.lower() == b"100-continue":
            self.expect_100_continue = True

    def _expect_one_meaning(self) -> None:
        headers = self.headers
        if len(headers) > MAX_HEADERS:
            raise _Ambiguous
        if self._long and sum([len(name) + len(value) for name, value in headers]) > MAX_HEAD_BYTES:
            raise _Ambiguous
        version = "" if self.parser is None else self.parser.get_http_version()
        if version == "1.1":
            if self._host is None:
                raise _Ambiguous
        elif version != "1.0" or self._chunked:
            raise _Ambiguous
        if not self.url.startswith(b"/"):
            # In front of proxies the address says which host is meant: it must be the one that the header says.
            authority = self.url.partition(b"://")[2].partition(b"/")[0]
            if authority.lower() != (self._host or b"").lower():
                raise _Ambiguous

    def _unsupported_upgrade_warning(self) -> None:
        # The parser takes what follows for another protocol's: it is none of ours, and no request either.
        self._deaf = True


async def look_around(connections: Collection[object], patience: Patience) -> None:
    """Look at every connection about once a second, until cancelled: timers would cost every request more."""
    step_s = min(1.0, *(each / 4 for each in (patience.head_s, patience.body_s, patience.idle_s, patience.write_s)))
    while True:
        await asyncio.sleep(step_s)
        now = asyncio.get_running_loop().time()
        for connection in list(connections):
            if isinstance(connection, PacedProtocol):
                connection.look(now)
