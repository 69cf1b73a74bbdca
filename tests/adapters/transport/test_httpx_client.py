"""What the httpx client promises beyond the contract: any transport can stand below it."""

from collections.abc import Iterator

import httpx
import pytest

from adapters.transport.httpx_client import HttpxClient
from gateway.domain.address import PUBLIC_ONLY, Addresses
from gateway.domain.errors import UpstreamTimeout
from gateway.domain.target import Timeouts


def client_of(handler: httpx.MockTransport) -> HttpxClient:
    return HttpxClient(lambda _socket, _addresses, _tls: handler)


async def call(client: HttpxClient) -> bytes:
    request = client.request(
        "POST", "http://model.test/v1", target="primary", headers={"x-a": "1"}, body=b"hi", timeouts=Timeouts()
    )
    async with request as response:
        return await response.read(100)


async def test_a_transport_of_ones_own_gets_the_request_as_it_is() -> None:
    seen: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(200, content=b"ok")

    client = client_of(httpx.MockTransport(answer))
    assert await call(client) == b"ok"
    assert seen[0].content == b"hi"
    assert dict(seen[0].headers) == {"host": "model.test", "content-length": "2", "x-a": "1"}
    assert seen[0].extensions["timeout"]["connect"] == Timeouts().connect
    await client.close()


async def test_a_transport_of_ones_own_is_told_which_addresses_are_allowed() -> None:
    made: list[Addresses] = []

    def make(_: str | None, addresses: Addresses, _tls: object) -> httpx.AsyncBaseTransport:
        made.append(addresses)
        return httpx.MockTransport(lambda _request: httpx.Response(200))

    client = HttpxClient(make)
    private = Addresses(private=True)
    for allowed in (PUBLIC_ONLY, private, private):
        client.request("GET", "http://x", target="t", headers={}, body=b"", timeouts=Timeouts(), addresses=allowed)
    assert made == [PUBLIC_ONLY, private]


async def test_each_socket_has_its_own_transport() -> None:
    made: list[str | None] = []

    def make(socket: str | None, _: Addresses, _tls: object) -> httpx.AsyncBaseTransport:
        made.append(socket)
        return httpx.MockTransport(lambda _request: httpx.Response(200))

    client = HttpxClient(make)
    for socket in (None, "/a", "/b", "/a", None):
        client.request("GET", "http://x", target="t", headers={}, body=b"", timeouts=Timeouts(), socket=socket)
    assert made == [None, "/a", "/b"]


@pytest.mark.rows
@pytest.mark.parametrize(
    ("error", "phase"),
    [
        (httpx.ConnectTimeout("x"), "connect"),
        (httpx.PoolTimeout("x"), "connect"),
        (httpx.ReadTimeout("x"), "first_byte"),
        (httpx.WriteTimeout("x"), "first_byte"),
    ],
)
async def test_each_time_out_names_its_phase(error: httpx.TimeoutException, phase: str) -> None:
    def fail(_request: httpx.Request) -> httpx.Response:
        raise error

    with pytest.raises(UpstreamTimeout) as caught:
        await call(client_of(httpx.MockTransport(fail)))
    assert caught.value.phase == phase


class BlockingStream(httpx.SyncByteStream):
    def __iter__(self) -> Iterator[bytes]:
        yield b"ok"


async def test_a_transport_that_answers_with_a_blocking_stream_is_refused() -> None:
    response = httpx.Response(200, stream=BlockingStream())
    client = client_of(httpx.MockTransport(lambda _request: response))
    with pytest.raises(TypeError, match="asynchronous stream"):
        await call(client)
