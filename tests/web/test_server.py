"""What is said when a client goes away before it has its answer? Nothing: it is no failure of ours."""

import asyncio
import gc
import logging
import socket
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import asynccontextmanager

import pytest
import uvicorn
import uvloop
from uvicorn.server import ServerState

from gateway.web.edge import Receive, Scope, Send
from gateway.web.protocol import PacedProtocol
from gateway.web.server import Cancellable

REQUEST = b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\n\r\n{}"


class Slow:
    """Comes to no end. ``begins`` says whether an answer is begun, ``swallows`` whether it ends well when cancelled."""

    begins = False
    swallows = False

    def __init__(self) -> None:
        self.asked = 0
        self.cancelled = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        del scope, receive
        self.asked += 1
        try:
            if self.begins:
                await send({"type": "http.response.start", "status": 200, "headers": []})
            for _ in range(1000):
                if self.begins:
                    await send({"type": "http.response.body", "body": b"x", "more_body": True})
                await asyncio.sleep(0.01)
        except asyncio.CancelledError:
            self.cancelled += 1
            if not self.swallows:
                raise


@pytest.fixture
def app() -> Slow:
    return Slow()


@pytest.fixture
def listening() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as made:
        made.setblocking(False)  # noqa: FBT003
        yield made


@asynccontextmanager
async def serving(app: Slow, listening: socket.socket) -> AsyncGenerator[ServerState]:
    config = uvicorn.Config(
        Cancellable(app),  # pyright: ignore[reportArgumentType]
        http=PacedProtocol,
        loop="none",
        lifespan="off",
        ws="none",
        log_config=None,
    )
    config.load()
    state = ServerState()
    server = await asyncio.get_running_loop().create_server(
        lambda: PacedProtocol(config=config, server_state=state, app_state={}), sock=listening
    )
    yield state
    server.close()


async def until(what: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not what():  # noqa: ASYNC110
            await asyncio.sleep(0.005)


# Of several at once the last is the one that uvicorn tells of the lost connection, and nothing is read meanwhile.
@pytest.mark.parametrize(("begins", "requests"), [(False, 1), (True, 1), (True, 3)])
@pytest.mark.parametrize("swallows", [False, True])
def test_a_client_that_goes_away_is_no_error(
    app: Slow,
    listening: socket.socket,
    caplog: pytest.LogCaptureFixture,
    *,
    begins: bool,
    swallows: bool,
    requests: int,
) -> None:
    app.begins, app.swallows = begins, swallows

    async def run() -> None:
        async with serving(app, listening) as served:
            _, writer = await asyncio.open_connection(*listening.getsockname())
            writer.write(REQUEST * requests)
            await until(lambda: app.asked == 1)
            writer.transport.abort()
            await until(lambda: app.cancelled == 1 and not served.tasks and not served.connections)
            gc.collect()
            await asyncio.sleep(0)

    # The gateway runs on this loop, which lets nobody write to a connection that is lost.
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(run())
    assert [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING] == []


async def test_a_request_that_is_cancelled_for_another_reason_is_an_error(
    app: Slow, listening: socket.socket, caplog: pytest.LogCaptureFixture
) -> None:
    async with serving(app, listening) as served:
        reader, writer = await asyncio.open_connection(*listening.getsockname())
        writer.write(REQUEST)
        await until(lambda: app.asked == 1)
        for task in list(served.tasks):
            task.cancel()
        assert b"500" in await asyncio.wait_for(reader.readline(), 10)
        assert "Exception in ASGI application" in caplog.text
        writer.close()
