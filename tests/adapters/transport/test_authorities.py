"""Whose word counts for a server where its target names no authority: the system's, read when it is needed."""

import asyncio
import os
import ssl
import sys
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any, Protocol

import pytest

from adapters.transport.aiohttp_client import AiohttpClient
from adapters.transport.authorities import none_read
from gateway.domain.address import THIS_MACHINE, Addresses
from gateway.domain.errors import UpstreamUnreachable
from gateway.domain.target import Timeouts

pytestmark = pytest.mark.timeout(30)

FILE, FOLDER = "SSL_CERT_FILE", "SSL_CERT_DIR"
OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"

# As a worker begins: what it asks by TLS is asked by a context of the client's own.
FRESH = """
import asyncio, ssl, sys
from adapters.transport.authorities import none_read
with none_read():
    import aiohttp
    from adapters.transport.aiohttp_client import AiohttpClient
from gateway.domain.address import THIS_MACHINE, Addresses
from gateway.domain.target import Timeouts

async def aiohttps_own(url):
    async with aiohttp.ClientSession() as session:
        try:
            await session.post(url)
        except aiohttp.ClientConnectorCertificateError:
            return "refused"

async def ours(url):
    client = AiohttpClient()
    asked = client.request("POST", url, target="t", headers={}, body=b"{}", timeouts=Timeouts(),
                           addresses=Addresses(networks=THIS_MACHINE))
    async with asked as response:
        body = await response.read(100)
    await client.close()
    return body.decode()

async def both(url):
    print(await aiohttps_own(url), await ours(url))

asyncio.run(both(sys.argv[1]))
"""


class Wire(Protocol):
    async def request(self) -> tuple[list[str], bytes]: ...
    async def write(self, data: bytes) -> None: ...


class Server(Protocol):
    url: str


Serve = Callable[..., AbstractAsyncContextManager[Server]]
Certify = Callable[..., Any]
Script = Callable[[Wire], Awaitable[None]]


async def answers(wire: Wire) -> None:
    while True:
        await wire.request()
        await wire.write(OK)


@pytest.fixture
def store(tmp_path: Path, certify: Certify) -> tuple[Path, ssl.SSLContext]:
    """A store of one authority, and the context of a server that it vouches for."""
    authority = certify()
    path, _ = authority.write(tmp_path, "authority")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certify(authority).write(tmp_path, "server"))
    return path, context


async def fetch(client: AiohttpClient, url: str) -> bytes:
    timeouts, here = Timeouts(connect=5.0, first_byte=5.0), Addresses(networks=THIS_MACHINE)
    asked = client.request("POST", url, target="t", headers={}, body=b"{}", timeouts=timeouts, addresses=here)
    async with asked as response:
        return await response.read(100)


async def test_the_systems_authorities_are_believed_where_nobody_says(
    serve: Serve, store: tuple[Path, ssl.SSLContext], monkeypatch: pytest.MonkeyPatch
) -> None:
    authority, context = store
    strange, believing = AiohttpClient(), AiohttpClient()
    async with serve(answers, tls=context) as server:
        with pytest.raises(UpstreamUnreachable):
            await fetch(strange, server.url)
        monkeypatch.setenv(FILE, str(authority))
        # The scheme in capitals is the same one.
        assert await fetch(believing, server.url.replace("https", "HTTPS")) == b"ok"
        with pytest.raises(UpstreamUnreachable):
            await fetch(strange, server.url)
    await strange.close()
    await believing.close()


async def test_a_client_that_was_imported_without_authorities_reads_them_when_it_needs_them(
    serve: Serve, store: tuple[Path, ssl.SSLContext]
) -> None:
    authority, context = store
    async with serve(answers, tls=context) as server:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", FRESH, server.url),
            env={**os.environ, FILE: str(authority)},
            stdout=asyncio.subprocess.PIPE,
        )
        out, _ = await process.communicate()
    assert out.decode().split() == ["refused", "ok"]


@pytest.mark.parametrize("place", [None, "/authorities"])
def test_a_context_made_meanwhile_believes_nobody_and_what_stood_in_the_variables_stands_there_again(
    place: str | None, store: tuple[Path, ssl.SSLContext], monkeypatch: pytest.MonkeyPatch
) -> None:
    authority, _ = store
    monkeypatch.setenv(FILE, str(authority))
    monkeypatch.delenv(FOLDER, raising=False)
    if place is not None:
        monkeypatch.setenv(FOLDER, place)

    def interrupted() -> None:
        with none_read():
            assert ssl.create_default_context().cert_store_stats()["x509"] == 0
            raise ImportError

    with pytest.raises(ImportError):
        interrupted()
    assert (os.environ.get(FILE), os.environ.get(FOLDER)) == (str(authority), place)
    assert ssl.create_default_context().cert_store_stats()["x509"] == 1
