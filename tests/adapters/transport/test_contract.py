"""What every upstream client must do, against a server that follows a script."""

import asyncio
import contextlib
import gzip
import socket as sockets
import traceback
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Protocol

import pytest

from gateway.domain.address import PUBLIC_ONLY, THIS_MACHINE, Addresses
from gateway.domain.errors import UpstreamError, UpstreamGarbled, UpstreamTimeout, UpstreamUnreachable
from gateway.domain.ports import UpstreamClient, UpstreamResponse
from gateway.domain.target import Timeouts

pytestmark = pytest.mark.timeout(30)

HERE = Addresses(networks=THIS_MACHINE)
OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"
CHUNKED = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\ncontent-type: text/event-stream\r\n\r\n"


class Wire(Protocol):
    async def request(self) -> tuple[list[str], bytes]: ...
    async def write(self, data: bytes) -> None: ...
    async def wait_gone(self) -> None: ...
    def reset(self) -> None: ...
    @property
    def writer(self) -> asyncio.StreamWriter: ...


class Server(Protocol):
    url: str
    connections: list[Wire]

    async def wait_gone(self) -> None: ...


Script = Callable[[Wire], Awaitable[None]]


class Serve(Protocol):
    def __call__(self, script: Script, *, socket: Path | None = None) -> AbstractAsyncContextManager[Server]: ...


def post(
    client: UpstreamClient,
    url: str,
    *,
    body: bytes = b"{}",
    headers: dict[str, str] | None = None,
    timeouts: Timeouts | None = None,
    socket: str | None = None,
    addresses: Addresses = HERE,
) -> AbstractAsyncContextManager[UpstreamResponse]:
    return client.request(
        "POST",
        url + "/v1/chat/completions",
        target="primary",
        headers=headers or {},
        body=body,
        timeouts=timeouts or Timeouts(),
        socket=socket,
        addresses=addresses,
    )


async def fetch(client: UpstreamClient, url: str, *, socket: str | None = None) -> bytes:
    async with post(client, url, socket=socket) as response:
        return await response.read(1000)


async def parts_of(response: UpstreamResponse) -> AsyncIterator[bytes]:
    async for chunk in response.chunks():
        yield chunk


def answering(data: bytes) -> Script:
    async def script(wire: Wire) -> None:
        while True:
            await wire.request()
            await wire.write(data)

    return script


async def hang(wire: Wire) -> None:
    await wire.request()
    await wire.wait_gone()


async def start_and_hang(wire: Wire) -> None:
    await wire.request()
    await wire.write(CHUNKED + b"2\r\nab\r\n")
    await wire.wait_gone()


@pytest.mark.rows
@pytest.mark.parametrize("given", [{}, dict.fromkeys(("accept", "accept-encoding", "content-type", "user-agent"), "b")])
async def test_sends_exactly_the_given_head_and_body(
    client: UpstreamClient, serve: Serve, given: dict[str, str]
) -> None:
    seen: list[tuple[list[str], bytes]] = []

    async def script(wire: Wire) -> None:
        seen.append(await wire.request())
        await wire.write(OK)

    headers = {"x-a": "1", **given}
    async with serve(script) as server, post(client, server.url, headers=headers, body=b'{"a":1}') as response:
        assert response.status == 200
        assert await response.read(100) == b"ok"
        head, body = seen[0]
        assert head[0] == "POST /v1/chat/completions HTTP/1.1"
        told = dict(line.lower().split(": ", 1) for line in head[1:])
        assert told == {**headers, "content-length": "7", "host": server.url.removeprefix("http://")}
        assert body == b'{"a":1}'


async def test_headers_are_found_by_their_names_in_lower_case(client: UpstreamClient, serve: Serve) -> None:
    answer = b"HTTP/1.1 429 Slow Down\r\nRetry-After: 7\r\nContent-Length: 0\r\n\r\n"
    async with serve(answering(answer)) as server, post(client, server.url) as response:
        assert response.status == 429
        assert response.headers["retry-after"] == "7"
        assert response.headers.get("x-other") is None
        assert await response.read(10) == b""


async def test_a_connection_is_used_again(client: UpstreamClient, serve: Serve) -> None:
    async with serve(answering(OK)) as server:
        for _ in range(3):
            assert await fetch(client, server.url) == b"ok"
        assert len(server.connections) == 1


async def test_chunks_are_passed_on_as_they_arrive(client: UpstreamClient, serve: Serve) -> None:
    got = asyncio.Semaphore(0)

    async def script(wire: Wire) -> None:
        await wire.request()
        await wire.write(CHUNKED)
        for letter in (b"a", b"b", b"c"):
            # The next one is written only when the one before has been received.
            await wire.write(b"1\r\n" + letter + b"\r\n")
            await got.acquire()
        await wire.write(b"0\r\n\r\n")

    async with serve(script) as server, post(client, server.url) as response:
        received: list[bytes] = []
        async for chunk in response.chunks():
            received.append(chunk)
            got.release()
        assert received == [b"a", b"b", b"c"]


@pytest.mark.parametrize("framing", ["chunked", "length", "small chunks"])
async def test_what_nobody_takes_is_left_with_the_server_and_comes_whole(
    client: UpstreamClient, serve: Serve, framing: str
) -> None:
    piece = b"a" * (4096 if framing == "small chunks" else 65_536)
    together = 64 if framing == "small chunks" else 4
    group = (piece if framing == "length" else b"%x\r\n%b\r\n" % (len(piece), piece)) * together
    groups = 48 * 1024 * 1024 // (len(piece) * together)
    size = len(piece) * together * groups
    written = 0

    async def script(wire: Wire) -> None:
        nonlocal written
        await wire.request()
        await wire.write(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % size if framing == "length" else CHUNKED)
        for _ in range(groups):
            await wire.write(group)
            written += 1
        await wire.write(b"" if framing == "length" else b"0\r\n\r\n")

    async with serve(script) as server, post(client, server.url) as response:
        came = 0
        async for chunk in response.chunks():
            if not came:
                await asyncio.sleep(0.3)
                assert written < groups * 2 // 3
            came += len(chunk)
        assert came == size


async def test_cancellation_before_the_headers_closes_the_connection(client: UpstreamClient, serve: Serve) -> None:
    asked = asyncio.Event()

    async def script(wire: Wire) -> None:
        await wire.request()
        asked.set()
        await wire.wait_gone()

    async with serve(script) as server:
        task = asyncio.create_task(fetch(client, server.url))
        await asyncio.wait_for(asked.wait(), 10)
        started = asyncio.get_running_loop().time()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await server.wait_gone()
        assert asyncio.get_running_loop().time() - started < 1.0


async def test_cancellation_in_mid_body_closes_the_connection(client: UpstreamClient, serve: Serve) -> None:
    first = asyncio.Event()

    async def consume(url: str) -> None:
        async with post(client, url) as response:
            async for _ in response.chunks():
                first.set()

    async with serve(start_and_hang) as server:
        task = asyncio.create_task(consume(server.url))
        await asyncio.wait_for(first.wait(), 10)
        started = asyncio.get_running_loop().time()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await server.wait_gone()
        assert asyncio.get_running_loop().time() - started < 1.0


async def test_leaving_early_closes_the_connection(client: UpstreamClient, serve: Serve) -> None:
    async with serve(start_and_hang) as server:
        async with post(client, server.url) as response:
            assert response.status == 200
        await server.wait_gone()


async def test_a_cancelled_call_leaves_no_pool_slot_taken(client: UpstreamClient, serve: Serve) -> None:
    asked = asyncio.Semaphore(0)
    answering_now = False

    async def script(wire: Wire) -> None:
        await wire.request()
        if not answering_now:
            asked.release()
            await wire.wait_gone()
        await wire.write(OK)

    async with serve(script) as server:
        for _ in range(6):  # 300 calls, over the pool's 256 places
            tasks = [asyncio.create_task(fetch(client, server.url)) for _ in range(50)]
            for _ in tasks:
                await asyncio.wait_for(asked.acquire(), 10)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        answering_now = True
        assert await fetch(client, server.url) == b"ok"


async def timed_out_phase(client: UpstreamClient, url: str, timeouts: Timeouts) -> str:
    with pytest.raises(UpstreamTimeout, match=r"Target primary: .*timeouts\.") as caught:
        async with post(client, url, timeouts=timeouts) as response:
            await response.read(1000)
    assert caught.value.target == "primary"
    return caught.value.phase


async def test_silence_before_the_headers_is_a_first_byte_timeout(client: UpstreamClient, serve: Serve) -> None:
    async with serve(hang) as server:
        assert await timed_out_phase(client, server.url, Timeouts(first_byte=0.05)) == "first_byte"
        await server.wait_gone()


async def test_silence_in_the_body_is_an_idle_timeout(client: UpstreamClient, serve: Serve) -> None:
    async with serve(start_and_hang) as server:
        assert await timed_out_phase(client, server.url, Timeouts(idle=0.05)) == "idle"
        await server.wait_gone()


async def test_silence_is_counted_from_what_came_last(client: UpstreamClient, serve: Serve) -> None:
    async def script(wire: Wire) -> None:
        await wire.request()
        await wire.write(CHUNKED)
        for _ in range(8):
            await wire.write(b"1\r\na\r\n")
            await asyncio.sleep(0.1)
        await wire.wait_gone()

    now = asyncio.get_running_loop().time
    heard: list[float] = []

    async def listen(url: str) -> None:
        async with post(client, url, timeouts=Timeouts(idle=0.4)) as response:
            async for chunk in response.chunks():
                heard.extend([now()] * len(chunk))

    async with serve(script) as server:
        with pytest.raises(UpstreamTimeout) as caught:
            await listen(server.url)
        assert caught.value.phase == "idle"
        assert len(heard) == 8
        assert 0.3 < now() - heard[-1] < 5
        await server.wait_gone()


async def test_the_idle_limit_does_not_apply_before_the_headers(client: UpstreamClient, serve: Serve) -> None:
    async def script(wire: Wire) -> None:
        await wire.request()
        await asyncio.sleep(0.15)
        await wire.write(OK)

    async with serve(script) as server, post(client, server.url, timeouts=Timeouts(idle=0.05)) as response:
        assert await response.read(10) == b"ok"


async def test_the_first_byte_limit_does_not_apply_to_the_body(client: UpstreamClient, serve: Serve) -> None:
    async def script(wire: Wire) -> None:
        await wire.request()
        await wire.write(CHUNKED)
        await asyncio.sleep(0.2)
        await wire.write(b"2\r\nok\r\n0\r\n\r\n")

    async with serve(script) as server, post(client, server.url, timeouts=Timeouts(first_byte=0.1)) as response:
        assert await response.read(10) == b"ok"


async def drip(wire: Wire) -> None:
    await wire.request()
    await wire.write(CHUNKED)
    while True:
        await wire.write(b"1\r\na\r\n")
        await asyncio.sleep(0.01)


async def test_an_endless_body_ends_with_a_total_timeout(client: UpstreamClient, serve: Serve) -> None:
    async with serve(drip) as server:
        assert await timed_out_phase(client, server.url, Timeouts(total=0.15)) == "total"


async def test_the_total_limit_counts_before_the_headers_too(client: UpstreamClient, serve: Serve) -> None:
    async with serve(hang) as server:
        assert await timed_out_phase(client, server.url, Timeouts(total=0.05)) == "total"


async def test_a_connect_that_hangs_is_a_connect_timeout(client: UpstreamClient) -> None:
    with sockets.socket() as listener, contextlib.ExitStack() as stack:
        # A full backlog lets further connects hang in the kernel.
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        address = listener.getsockname()
        for _ in range(3):
            filler = stack.enter_context(sockets.socket())
            filler.settimeout(0)
            filler.connect_ex(address)
        url = f"http://127.0.0.1:{address[1]}"
        assert await timed_out_phase(client, url, Timeouts(connect=0.1)) == "connect"


async def test_a_refused_connect_is_unreachable(client: UpstreamClient) -> None:
    with sockets.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}"
        with pytest.raises(UpstreamUnreachable, match="base_url"):
            await fetch(client, url)


async def test_a_missing_unix_socket_is_unreachable(client: UpstreamClient, tmp_path: Path) -> None:
    with pytest.raises(UpstreamUnreachable):
        await fetch(client, "http://localhost", socket=str(tmp_path / "none"))


@pytest.mark.parametrize("url", ["ftp://example.test", "http://example.test:port", "nothing"])
async def test_an_unusable_address_is_unreachable_and_not_quoted(client: UpstreamClient, url: str) -> None:
    with pytest.raises(UpstreamUnreachable) as caught:
        await fetch(client, url)
    assert "example" not in str(caught.value)
    assert "configuration" in str(caught.value)


async def test_a_header_that_would_break_the_head_is_not_sent_or_quoted(client: UpstreamClient, serve: Serve) -> None:
    secret = uuid.uuid4().hex
    async with serve(hang) as server:
        with pytest.raises(UpstreamUnreachable) as caught:
            async with post(client, server.url, headers={"authorization": f"Bearer {secret}\r\nx: y"}):
                pass
        # Neither the message nor a logged traceback with its causes.
        assert secret not in "".join(traceback.format_exception(caught.value))


async def test_a_reset_before_the_headers_is_not_called_unreachable(client: UpstreamClient, serve: Serve) -> None:
    async def script(wire: Wire) -> None:
        await wire.request()
        wire.reset()

    async with serve(script) as server:
        with pytest.raises(UpstreamGarbled, match="may have worked on the request"):
            await fetch(client, server.url)
        assert len(server.connections) == 1  # and nobody sent it twice


async def test_an_end_before_the_headers_is_garbled(client: UpstreamClient, serve: Serve) -> None:
    async def script(wire: Wire) -> None:
        await wire.request()

    async with serve(script) as server:
        with pytest.raises(UpstreamGarbled):
            await fetch(client, server.url)
        assert len(server.connections) == 1


@pytest.mark.parametrize(
    "answer",
    [
        b"BANANA 200\r\n\r\n",
        b"\x16\x03\x01\x00\x00\r\n\r\n",
        b"HTTP/1.1 xyz\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nbroken header\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\ncontent-length: 4\r\n\r\nabcd",
    ],
)
async def test_an_answer_that_is_no_http_is_garbled(client: UpstreamClient, serve: Serve, answer: bytes) -> None:
    async def script(wire: Wire) -> None:
        await wire.request()
        await wire.write(answer)

    async with serve(script) as server:
        with pytest.raises(UpstreamGarbled):
            await fetch(client, server.url)


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf",
        CHUNKED + b"4\r\nhalf\r\n",
        CHUNKED + b"a\r\nhalf",
        CHUNKED + b"4\r\nhalf\r\nzz\r\n",
    ],
)
async def test_a_body_cut_short_is_garbled(client: UpstreamClient, serve: Serve, answer: bytes) -> None:
    async def script(wire: Wire) -> None:
        await wire.request()
        await wire.write(answer)

    async with serve(script) as server:
        with pytest.raises(UpstreamGarbled, match=r"broke off|spoke no HTTP"):
            await fetch(client, server.url)


async def test_a_reset_in_the_body_is_garbled(client: UpstreamClient, serve: Serve) -> None:
    received = asyncio.Event()

    async def script(wire: Wire) -> None:
        await wire.request()
        await wire.write(CHUNKED + b"4\r\nhalf\r\n")
        await received.wait()
        wire.reset()

    async with serve(script) as server, post(client, server.url) as response:
        chunks = parts_of(response)
        assert await anext(chunks) == b"half"
        received.set()
        with pytest.raises(UpstreamGarbled, match="broke off"):
            await anext(chunks)


async def test_unix_sockets_carry_requests(client: UpstreamClient, serve: Serve, tmp_path: Path) -> None:
    path = tmp_path / "upstream.sock"
    async with serve(answering(OK), socket=path) as server:
        for _ in range(2):
            assert await fetch(client, server.url, socket=str(path)) == b"ok"
        assert len(server.connections) == 1


async def test_a_target_that_leads_elsewhere_by_now_is_called_there(
    client: UpstreamClient, serve: Serve, tmp_path: Path
) -> None:
    path = tmp_path / "up.sock"
    there = b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nthere"
    async with serve(answering(OK)) as server, serve(answering(there), socket=path):
        assert await fetch(client, server.url) == b"ok"
        assert await fetch(client, server.url, socket=str(path)) == b"there"
        assert await fetch(client, server.url) == b"ok"
        with pytest.raises(UpstreamUnreachable):
            async with post(client, server.url, addresses=PUBLIC_ONLY):
                pass


async def test_environment_proxies_are_ignored(
    client: UpstreamClient, serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    async with serve(answering(OK)) as server:
        assert await fetch(client, server.url) == b"ok"


async def test_redirects_come_back_as_they_are(client: UpstreamClient, serve: Serve) -> None:
    answer = b"HTTP/1.1 307 Moved\r\nlocation: /elsewhere\r\ncontent-length: 0\r\n\r\n"
    async with serve(answering(answer)) as server, post(client, server.url) as response:
        assert response.status == 307
        assert response.headers["location"] == "/elsewhere"


async def test_cookies_are_not_kept(client: UpstreamClient, serve: Serve) -> None:
    heads: list[list[str]] = []

    async def script(wire: Wire) -> None:
        while True:
            heads.append((await wire.request())[0])
            await wire.write(b"HTTP/1.1 200 OK\r\nset-cookie: a=b\r\ncontent-length: 2\r\n\r\nok")

    async with serve(script) as server:
        await fetch(client, server.url)
        await fetch(client, server.url)
    assert not [line for line in heads[1] if line.lower().startswith("cookie")]


async def test_encoded_bodies_stay_encoded(client: UpstreamClient, serve: Serve) -> None:
    packed = gzip.compress(b"hello")
    answer = b"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: %d\r\n\r\n%b" % (len(packed), packed)
    async with serve(answering(answer)) as server, post(client, server.url) as response:
        assert response.headers["content-encoding"] == "gzip"
        assert await response.read(1000) == packed


async def test_a_body_over_the_limit_is_garbled(client: UpstreamClient, serve: Serve) -> None:
    async with serve(drip) as server, post(client, server.url) as response:
        with pytest.raises(UpstreamGarbled, match="over 3 bytes"):
            await response.read(3)


async def test_a_body_at_the_limit_is_read(client: UpstreamClient, serve: Serve) -> None:
    async with serve(answering(OK)) as server, post(client, server.url) as response:
        assert await response.read(2) == b"ok"


async def test_an_idle_connection_that_the_server_closed_is_not_used(client: UpstreamClient, serve: Serve) -> None:
    closed = asyncio.Event()

    async def script(wire: Wire) -> None:
        await wire.request()
        await wire.write(OK)
        wire.writer.close()
        closed.set()

    async with serve(script) as server:
        for _ in range(20):
            closed.clear()
            assert await fetch(client, server.url) == b"ok"
            # Without a turn of the loop in between the client cannot have seen the close other than by looking.
            await closed.wait()
        assert len(server.connections) == 20


async def test_an_idle_connection_with_stray_bytes_is_not_used(client: UpstreamClient, serve: Serve) -> None:
    stray = asyncio.Event()

    async def script(wire: Wire) -> None:
        await wire.request()
        await wire.write(OK)
        await stray.wait()
        await wire.write(b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nwrong")
        await wire.wait_gone()

    async with serve(script) as server:
        assert await fetch(client, server.url) == b"ok"
        stray.set()
        await asyncio.sleep(0.05)
        assert await fetch(client, server.url) == b"ok"
        assert len(server.connections) == 2


async def test_many_dead_idle_connections_do_not_fail_a_request(client: UpstreamClient, serve: Serve) -> None:
    async def script(wire: Wire) -> None:
        await wire.request()
        await asyncio.sleep(0.05)
        await wire.write(OK)

    async with serve(script) as server:
        await asyncio.gather(*(fetch(client, server.url) for _ in range(12)))
        assert await fetch(client, server.url) == b"ok"


async def test_errors_keep_the_library_error_as_their_cause(client: UpstreamClient, serve: Serve) -> None:
    async def script(wire: Wire) -> None:
        await wire.request()

    async with serve(script) as server:
        with pytest.raises(UpstreamError) as caught:
            await fetch(client, server.url)
        assert caught.value.__cause__ is not None


async def test_a_closed_client_opens_again_when_used(client: UpstreamClient, serve: Serve) -> None:
    async with serve(answering(OK)) as server:
        assert await fetch(client, server.url) == b"ok"
        await client.close()
        assert await fetch(client, server.url) == b"ok"


async def test_a_server_that_hangs_up_at_once_is_an_error(client: UpstreamClient, serve: Serve) -> None:
    async def script(wire: Wire) -> None:
        wire.reset()

    async with serve(script) as server:
        for _ in range(5):
            # Which of the two depends on whether the end was seen before anything was sent.
            with pytest.raises((UpstreamUnreachable, UpstreamGarbled)):
                await fetch(client, server.url)
