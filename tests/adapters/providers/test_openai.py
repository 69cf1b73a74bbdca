"""The provider over a real client and a real connection: what only the two together can show."""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import replace

import pytest

from adapters.providers.openai_compatible import create
from adapters.transport.aiohttp_client import AiohttpClient
from adapters.transport.httpx_client import HttpxClient
from gateway.domain.address import THIS_MACHINE, Addresses
from gateway.domain.errors import UpstreamGarbled, UpstreamTimeout
from gateway.domain.exchange import Finish, Started, StreamEvent, TextDelta
from gateway.domain.ports import Call
from gateway.domain.target import Timeouts

MakeCall = Callable[..., Call]

HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
TEXT = b'data: {"choices": [{"index": 0, "delta": {"content": "a"}}]}\n\n'
END = b'data: {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}\n\ndata: [DONE]\n\n'
EVENTS: list[StreamEvent] = [
    Started(id="", model="", created=0),
    TextDelta(choice=0, text="a"),
    Finish(choice=0, reason="stop"),
]


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


class Upstream:
    """Answers every request with ``parts``, one write each, and counts connections."""

    def __init__(self, *parts: bytes, pause: float = 0.0) -> None:
        self.parts = parts
        self.pause = pause
        self.connections = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).lower()
                await reader.readexactly(int(head.partition(b"content-length:")[2].split()[0]))
                for part in self.parts:
                    writer.write(part)
                    await writer.drain()
                    await asyncio.sleep(self.pause)
                if not self.parts[-1].endswith(b"0\r\n\r\n"):
                    return
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()


@pytest.fixture(params=[AiohttpClient, HttpxClient])
async def client(request: pytest.FixtureRequest) -> AsyncIterator[AiohttpClient | HttpxClient]:
    chosen: AiohttpClient | HttpxClient = request.param()
    yield chosen
    await chosen.close()


async def stream(
    client: AiohttpClient | HttpxClient, upstream: Upstream, call: Call, *, times: int = 1
) -> list[StreamEvent]:
    server = await asyncio.start_server(upstream.serve, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"
    here = Addresses(networks=THIS_MACHINE)
    call = replace(call, target=replace(call.target, base_url=url, socket=None, addresses=here))
    events: list[StreamEvent] = []
    try:
        for _ in range(times):
            events = [event async for together in create(client).stream(call) for event in together]
    finally:
        server.close()
    return events


async def test_a_connection_is_used_again_after_a_stream(
    client: AiohttpClient | HttpxClient, make_call: MakeCall
) -> None:
    # The end of the body comes a little after [DONE], as it does from servers that flush each event.
    upstream = Upstream(HEAD, chunk(TEXT), chunk(END), b"0\r\n\r\n", pause=0.01)
    assert await stream(client, upstream, make_call(stream=True), times=3) == EVENTS
    assert upstream.connections == 1


async def test_a_server_that_never_ends_the_body_does_not_hold_the_answer(
    client: AiohttpClient | HttpxClient, make_call: MakeCall
) -> None:
    upstream = Upstream(HEAD, chunk(TEXT), chunk(END), pause=0.5)
    started = asyncio.get_running_loop().time()
    assert await stream(client, upstream, make_call(stream=True)) == EVENTS
    assert asyncio.get_running_loop().time() - started < 1.4


async def test_death_in_mid_stream_is_an_error_and_no_ending(
    client: AiohttpClient | HttpxClient, make_call: MakeCall
) -> None:
    with pytest.raises(UpstreamGarbled, match="broke off"):
        await stream(client, Upstream(HEAD, chunk(TEXT)), make_call(stream=True))


async def test_silence_in_mid_stream_is_an_idle_timeout(
    client: AiohttpClient | HttpxClient, make_call: MakeCall
) -> None:
    call = make_call(stream=True)
    call = replace(call, target=replace(call.target, timeouts=Timeouts(idle=0.05)))
    with pytest.raises(UpstreamTimeout) as caught:
        await stream(client, Upstream(HEAD, chunk(TEXT), pause=0.5), call)
    assert caught.value.phase == "idle"
