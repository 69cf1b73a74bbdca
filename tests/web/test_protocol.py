"""What becomes of clients that are slow or too many, on real connections: they are closed, and nobody else is.

The deadlines are short here. Whoever is to be closed could go on for much longer; whoever is not takes longer than they
allow in all, and keeps to them step by step.
"""

import asyncio
import re
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from functools import partial

import pytest
import uvloop
from uvicorn.server import ServerState

from gateway.web.edge import Receive, Scope, Send
from gateway.web.protocol import MAX_HEAD_BYTES, MAX_HEADERS, PacedProtocol, Patience, look_around
from gateway.web.server import Cancellable, bare_config

pytestmark = pytest.mark.timeout(60)

SHORT = 0.4
LONG = 600.0
PATIENT = Patience(head_s=LONG, body_s=LONG, idle_s=LONG, write_s=LONG)
BIG = 32 * 1024 * 1024
GET = b"GET /quick HTTP/1.1\r\nhost: x\r\n\r\n"


def pytest_asyncio_loop_factories() -> dict[str, Callable[[], asyncio.AbstractEventLoop]]:
    return {"uvloop": uvloop.new_event_loop}


@dataclass(kw_only=True)
class App:
    """Answers by path; remembers what it was asked and which requests were over before their end."""

    asked: list[str] = field(default_factory=list[str])
    cancelled: int = 0
    over: asyncio.Event = field(default_factory=asyncio.Event)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.asked.append(scope["path"])
        try:
            await self._serve(scope["path"], receive, send)
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        finally:
            self.over.set()

    async def _serve(self, path: str, receive: Receive, send: Send) -> None:
        size = 0
        while path != "/early":
            message = await receive()
            size += len(message.get("body", b""))
            if not message.get("more_body", False):
                break
        if path == "/slow":
            await asyncio.sleep(3 * SHORT)
        body = b"x" * BIG if path == "/big" else str(size).encode()
        if path == "/endless":
            await send({"type": "http.response.start", "status": 200, "headers": []})
            while True:
                await send({"type": "http.response.body", "body": b"x" * 16_384, "more_body": True})
                await asyncio.sleep(0)
        length = (b"content-length", str(len(body)).encode())
        await send({"type": "http.response.start", "status": 200, "headers": [length]})
        await send({"type": "http.response.body", "body": body})


@dataclass(kw_only=True)
class Serving:
    app: App
    state: ServerState
    port: int

    async def dial(self, limit: int = 65_536) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_connection("127.0.0.1", self.port, limit=limit)


@asynccontextmanager
async def serving(patience: Patience) -> AsyncGenerator[Serving]:
    app, state = App(), ServerState()
    told = Cancellable(app)  # pyright: ignore[reportArgumentType]  it is called like ours
    protocol = partial(PacedProtocol, patience=patience)
    config = bare_config(told, protocol)
    config.load()
    made = partial(protocol, config=config, server_state=state, app_state={})
    server = await asyncio.get_running_loop().create_server(made, "127.0.0.1", 0)

    looking = asyncio.create_task(look_around(state.connections, patience))
    try:
        yield Serving(app=app, state=state, port=server.sockets[0].getsockname()[1])
    finally:
        looking.cancel()
        server.close()
        for connection in list(state.connections):
            connection.transport.abort()


async def drip(writer: asyncio.StreamWriter, piece: bytes) -> None:
    """Write it again and again, until that fails."""
    with suppress(ConnectionError):
        while not writer.is_closing():
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(0.02)


async def rest(reader: asyncio.StreamReader) -> bytes:
    """All that comes until the connection ends."""
    seen = b""
    with suppress(ConnectionError):
        while got := await reader.read(65_536):
            seen += got
    return seen


async def closed_though(patience: Patience, sent: bytes, piece: bytes = b"") -> tuple[Serving, bytes]:
    """Send, go on with ``piece`` for ever, and wait for the end that must come."""
    async with serving(patience) as served:
        reader, writer = await served.dial()
        writer.write(sent)
        dripping = asyncio.create_task(drip(writer, piece) if piece else asyncio.sleep(LONG))
        seen = await asyncio.wait_for(rest(reader), 30)
        dripping.cancel()
        await asyncio.gather(dripping, return_exceptions=True)
        writer.close()
        await until(lambda: not served.state.connections)
    return served, seen


async def until(what: Callable[[], bool]) -> None:
    async with asyncio.timeout(30):
        while not what():  # noqa: ASYNC110
            await asyncio.sleep(0.005)


def only(**short: float) -> Patience:
    """Everything is waited for but what is named."""
    return Patience(**{"head_s": LONG, "body_s": LONG, "idle_s": LONG, "write_s": LONG, **short})  # pyright: ignore[reportArgumentType]


async def test_who_says_nothing_is_closed() -> None:
    _, seen = await closed_though(only(head_s=SHORT), b"")
    assert seen == b""


@pytest.mark.rows
@pytest.mark.parametrize("piece", [b"x-a: b\r\n", b"a", b"\r\n"])
async def test_a_head_that_takes_too_long_is_not_waited_for(piece: bytes) -> None:
    sent = b"" if piece == b"\r\n" else b"GET /quick HTTP/1.1\r\nhost: x\r\n" + piece
    served, _ = await closed_though(only(head_s=SHORT), sent, b" " if piece == b"a" else piece)
    assert served.app.asked == []


async def test_a_second_head_that_takes_too_long_is_not_waited_for_either() -> None:
    served, seen = await closed_though(only(head_s=SHORT), GET + b"GET /quick HTTP/1.1\r\n", b"x-a: b\r\n")
    assert served.app.asked == ["/quick"]
    assert seen.startswith(b"HTTP/1.1 200 ")


@pytest.mark.parametrize("piece", [b"", b"\r\n"])
async def test_an_idle_connection_is_closed_even_if_blank_lines_come(piece: bytes) -> None:
    served, _ = await closed_though(only(idle_s=SHORT), GET, piece)
    assert served.app.asked == ["/quick"]


async def test_a_body_that_drips_is_not_waited_for() -> None:
    head = b"POST /quick HTTP/1.1\r\nhost: x\r\ncontent-length: 1000000\r\n\r\n"
    served, seen = await closed_though(only(body_s=SHORT), head, b"x")
    assert seen == b""
    assert served.app.cancelled == 1


async def test_chunks_that_drip_are_not_waited_for() -> None:
    head = b"POST /quick HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n"
    served, _ = await closed_though(only(body_s=SHORT), head, b"1\r\nx\r\n")
    assert served.app.cancelled == 1


async def test_a_body_that_drips_behind_its_answer_is_not_waited_for() -> None:
    head = b"POST /early HTTP/1.1\r\nhost: x\r\ncontent-length: 1000000\r\n\r\n"
    _, seen = await closed_though(only(body_s=SHORT), head, b"x")
    assert seen.startswith(b"HTTP/1.1 200 ")


async def test_a_long_body_that_keeps_coming_is_read_whole() -> None:
    pieces, size = 12, 65_536
    async with serving(only(body_s=SHORT)) as served:
        reader, writer = await served.dial()
        writer.write(b"POST /quick HTTP/1.1\r\nhost: x\r\ncontent-length: %d\r\n\r\n" % (pieces * size))
        for _ in range(pieces):
            writer.write(b"x" * size)
            await writer.drain()
            await asyncio.sleep(SHORT / 4)
        assert b"200" in await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 30)
        assert await reader.read(20) == str(pieces * size).encode()
        writer.close()


async def test_a_request_that_is_being_answered_has_no_deadline_here() -> None:
    everything = Patience(head_s=SHORT, body_s=SHORT, idle_s=SHORT, write_s=SHORT)
    slow = b"POST /slow HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\n\r\n{}"
    async with serving(everything) as served:
        reader, writer = await served.dial()
        # The second one waits for the first, and the beginning of a third one for both.
        writer.write(slow + slow + b"GET /quick HTTP/1.1\r\n")
        seen = await asyncio.wait_for(rest(reader), 30)
        assert len(re.findall(rb"HTTP/1.1 200 ", seen)) == 2
        assert served.app.asked == ["/slow", "/slow"]
        writer.close()


async def test_the_time_of_a_body_behind_another_request_begins_with_its_turn() -> None:
    async with serving(Patience(head_s=SHORT, body_s=SHORT, idle_s=SHORT, write_s=SHORT)) as served:
        reader, writer = await served.dial()
        head = b" HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\n\r\n"
        writer.write(b"POST /slow" + head + b"{}POST /quick" + head)
        await asyncio.wait_for(reader.readuntil(b"\r\n\r\n2"), 30)
        writer.write(b"{}")
        assert b" 200 " in await asyncio.wait_for(reader.readline(), 30)
        writer.close()


@pytest.mark.rows
@pytest.mark.parametrize("path", [b"/big", b"/endless"])
@pytest.mark.parametrize("head", [b"", b"connection: close\r\n"])
async def test_who_does_not_read_is_closed_and_the_request_ends(path: bytes, head: bytes) -> None:
    async with serving(only(write_s=SHORT)) as served:
        _, writer = await served.dial(limit=1)
        writer.write(b"GET %s HTTP/1.1\r\nhost: x\r\n%s\r\n" % (path, head))
        await asyncio.wait_for(served.app.over.wait(), 30)
        await until(lambda: not served.state.connections and not served.state.tasks)
        assert served.app.cancelled == (path == b"/endless")
        writer.close()


async def test_who_does_not_read_the_last_bytes_is_closed_too() -> None:
    # They fit into every buffer: what is left is a connection that is closing and never closed.
    async with serving(only(write_s=SHORT)) as served:
        reader, writer = await served.dial(limit=1)
        writer.write(b"GET /big HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
        await until(lambda: bool(served.app.asked))
        for _ in range(50):
            await reader.read(1)
        await until(lambda: not served.state.connections)
        writer.close()


async def test_who_reads_slowly_and_steadily_gets_everything() -> None:
    async with serving(only(write_s=1.0)) as served:
        reader, writer = await served.dial(limit=65_536)
        writer.write(b"GET /big HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
        seen = len(await reader.readuntil(b"\r\n\r\n"))
        size = 0
        while got := await asyncio.wait_for(reader.read(262_144), 30):
            size += len(got)
            await asyncio.sleep(0.02)
        assert size == BIG
        assert seen
        writer.close()


async def test_little_of_an_answer_waits_in_the_process_for_its_reader() -> None:
    async with serving(PATIENT) as served:
        _, writer = await served.dial(limit=1)
        writer.write(b"GET /endless HTTP/1.1\r\nhost: x\r\n\r\n")
        await until(lambda: any(one.flow is not None and one.flow.write_paused for one in served.state.connections))  # pyright: ignore[reportUnnecessaryComparison, reportUnknownMemberType, reportUnknownArgumentType, reportAttributeAccessIssue]
        (connection,) = served.state.connections
        assert connection.transport.get_write_buffer_size() < 200_000
        writer.close()


async def test_more_connections_than_there_may_be_are_turned_away_in_words() -> None:
    async with serving(Patience(connections=3)) as served:
        taken = [await served.dial() for _ in range(3)]
        await until(lambda: len(served.state.connections) == 3)
        reader, writer = await served.dial()
        assert re.match(rb"HTTP/1.1 503 [^\r]*\r\nretry-after: 1\r\n", await asyncio.wait_for(rest(reader), 30))
        writer.close()
        for reader, writer in taken:
            writer.write(GET)
            assert b"200" in await reader.readuntil(b"\r\n\r\n")
            writer.close()
        await until(lambda: not served.state.connections)
        reader, writer = await served.dial()
        writer.write(GET)
        assert b"200" in await reader.readuntil(b"\r\n\r\n")
        writer.close()


Speak = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@pytest.mark.rows
@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"x-%d: a\r\n" * (MAX_HEADERS - 1), 200),
        (b"x-%d: a\r\n" * MAX_HEADERS, 400),
        (b"x-a: " + b"a" * (MAX_HEAD_BYTES - 20) + b"\r\n", 200),
        (b"x-a: " + b"a" * MAX_HEAD_BYTES + b"\r\n", 400),
    ],
)
async def test_a_head_may_be_so_large_and_no_larger(sent: bytes, status: int) -> None:
    async with serving(PATIENT) as served:
        reader, writer = await served.dial()
        writer.write(b"GET /quick HTTP/1.1\r\nhost: x\r\n" + sent + b"\r\n")
        assert b" %d " % status in await reader.readline()
        writer.close()


@pytest.mark.rows
@pytest.mark.parametrize(
    "endless",
    [
        b"GET /quick HTTP/1.1\r\nhost: x\r\nx-a: ",
        b"POST /quick HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n1;",
        b"POST /quick HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n1\r\nx\r\n0\r\nx-a: ",
        b"GET /",
    ],
    ids=["header", "extension", "trailer", "target"],
)
async def test_what_goes_on_and_on_without_content_has_an_end(endless: bytes) -> None:
    async with serving(PATIENT) as served:
        reader, writer = await served.dial()
        writer.write(endless)

        async def pour() -> None:
            with suppress(ConnectionError):
                while True:
                    writer.write(b"a" * 4096)
                    await writer.drain()
                    await asyncio.sleep(0)

        pouring = asyncio.create_task(pour())
        seen = await asyncio.wait_for(rest(reader), 30)
        pouring.cancel()
        await asyncio.gather(pouring, return_exceptions=True)
        assert seen == b"" or seen.startswith(b"HTTP/1.1 400 ")
        writer.close()


def retire(served: Serving, linger_s: float = LONG) -> None:
    """Another worker has the place now."""
    connections: list[object] = [*served.state.connections]
    for connection in connections:
        assert isinstance(connection, PacedProtocol)
        connection.retire(linger_s)


@pytest.mark.parametrize("before", [b"", GET])
async def test_a_connection_that_is_given_up_serves_the_request_that_is_on_its_way_and_says_that_it_is_the_last(
    before: bytes,
) -> None:
    async with serving(PATIENT) as served:
        reader, writer = await served.dial()
        writer.write(before)
        if before:
            assert b"connection: close" not in await reader.readuntil(b"\r\n\r\n0")
        await until(lambda: bool(served.state.connections))
        retire(served)
        writer.write(GET)
        assert b"connection: close" in await rest(reader)
        assert served.app.asked == ["/quick"] * (2 if before else 1)
        writer.close()


async def test_a_connection_that_is_given_up_and_stays_idle_is_closed_after_a_while() -> None:
    async with serving(only(idle_s=2 * SHORT)) as served:
        reader, writer = await served.dial()
        writer.write(GET)
        await reader.readuntil(b"\r\n\r\n0")
        retire(served, SHORT)
        assert await asyncio.wait_for(rest(reader), 30) == b""
        writer.close()


async def test_an_answer_that_has_not_begun_says_that_it_is_the_last() -> None:
    async with serving(PATIENT) as served:
        reader, writer = await served.dial()
        writer.write(GET.replace(b"/quick", b"/slow"))
        await until(lambda: served.app.asked == ["/slow"])
        retire(served)
        assert b"connection: close" in await rest(reader)
        writer.close()


async def test_an_answer_that_has_begun_is_followed_by_one_that_says_that_it_is_the_last() -> None:
    async with serving(PATIENT) as served:
        reader, writer = await served.dial(limit=2 * BIG)
        writer.write(GET.replace(b"/quick", b"/big"))
        assert b"connection: close" not in await reader.readuntil(b"\r\n\r\n")
        retire(served)
        await reader.readexactly(BIG)
        writer.write(GET)
        assert b"connection: close" in await rest(reader)
        assert served.app.asked == ["/big", "/quick"]
        writer.close()
