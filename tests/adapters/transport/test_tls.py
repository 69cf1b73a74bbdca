"""Whom does an upstream client believe, and what does it show? What its target says, and no other target's."""

import asyncio
import ssl
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any, Protocol

import pytest

from gateway.domain.address import THIS_MACHINE, Addresses
from gateway.domain.errors import UpstreamError, UpstreamUnreachable
from gateway.domain.ports import UpstreamClient, UpstreamResponse
from gateway.domain.target import Timeouts, Tls

pytestmark = pytest.mark.timeout(30)

HERE = Addresses(networks=THIS_MACHINE)
OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"


class Wire(Protocol):
    async def request(self) -> tuple[list[str], bytes]: ...
    async def write(self, data: bytes) -> None: ...


class Server(Protocol):
    url: str
    connections: list[Wire]


Serve = Callable[..., AbstractAsyncContextManager[Server]]
Certify = Callable[..., Any]


async def answers(wire: Wire) -> None:
    while True:
        await wire.request()
        await wire.write(OK)


class Rotating(Tls):
    """Becomes another one when the test says so."""

    def become(self, context: ssl.SSLContext) -> None:
        self._context = context


class Place:
    """An authority, and servers and clients that it vouches for."""

    def __init__(self, folder: Path, certify: Certify) -> None:
        self._folder = folder
        self._certify = certify
        self.authority = certify()
        self.authority.write(folder, "authority")

    def server(self, *, mutual: bool = False) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*self._certify(self.authority).write(self._folder, "server"))
        if mutual:
            context.load_verify_locations(cafile=self._folder / "authority.pem")
            context.verify_mode = ssl.CERT_REQUIRED
        return context

    def client(self, *, shows: bool = False) -> ssl.SSLContext:
        context = ssl.create_default_context(cafile=self._folder / "authority.pem")
        if shows:
            context.load_cert_chain(*self._certify(self.authority).write(self._folder, "client"))
        return context


@pytest.fixture
def place(tmp_path: Path, certify: Certify) -> Place:
    return Place(tmp_path, certify)


def post(
    client: UpstreamClient, url: str, tls: Tls | None, target: str = "one"
) -> AbstractAsyncContextManager[UpstreamResponse]:
    timeouts = Timeouts(connect=5.0, first_byte=5.0)
    return client.request(
        "POST", url, target=target, headers={}, body=b"{}", timeouts=timeouts, addresses=HERE, tls=tls
    )


async def fetch(client: UpstreamClient, url: str, tls: Tls | None, target: str = "one") -> bytes:
    async with post(client, url, tls, target) as response:
        return await response.read(100)


async def test_a_targets_own_authority_is_believed_of_that_target_alone(
    client: UpstreamClient, serve: Serve, place: Place
) -> None:
    trusting = Tls(place.client())
    async with serve(answers, tls=place.server()) as server:
        assert await fetch(client, server.url, trusting) == b"ok"
        # The connection that the first target left open must not serve the second.
        with pytest.raises(UpstreamUnreachable):
            await fetch(client, server.url, None, "two")
        with pytest.raises(UpstreamUnreachable):
            await fetch(client, server.url, Tls(ssl.create_default_context()), "three")
        assert await fetch(client, server.url, trusting) == b"ok"
        assert len(server.connections) == 1


async def test_a_server_that_asks_for_a_certificate_takes_who_shows_one(
    client: UpstreamClient, serve: Serve, place: Place
) -> None:
    async with serve(answers, tls=place.server(mutual=True)) as server:
        assert await fetch(client, server.url, Tls(place.client(shows=True)), "shows") == b"ok"
        with pytest.raises(UpstreamError):
            await fetch(client, server.url, Tls(place.client()), "shows none")


async def test_what_changes_counts_for_the_next_call_and_what_is_under_way_goes_on(
    client: UpstreamClient, serve: Serve, place: Place
) -> None:
    release = asyncio.Event()

    async def halting(wire: Wire) -> None:
        while True:
            await wire.request()
            await wire.write(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\no")
            await release.wait()
            await wire.write(b"k")

    tls = Rotating(place.client())
    script: Callable[[Wire], Awaitable[None]] = halting
    async with serve(script, tls=place.server()) as server:
        async with post(client, server.url, tls) as under_way:
            tls.become(ssl.create_default_context())
            with pytest.raises(UpstreamUnreachable):
                await fetch(client, server.url, tls)
            tls.become(place.client())
            release.set()
            assert await fetch(client, server.url, tls) == b"ok"
            assert await under_way.read(100) == b"ok"
        # Each context had a connection of its own.
        assert len(server.connections) == 2
