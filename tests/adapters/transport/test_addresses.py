"""Where a connection may lead: no address is reached that the entry does not allow, whatever the URL's host means."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Protocol
from urllib.parse import urlsplit

import pytest

from gateway.domain.address import PUBLIC_ONLY, THIS_MACHINE, Addresses
from gateway.domain.errors import UpstreamUnreachable
from gateway.domain.ports import UpstreamClient
from gateway.domain.target import Timeouts

pytestmark = pytest.mark.timeout(30)

HERE = Addresses(networks=THIS_MACHINE)
OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"


class Wire(Protocol):
    async def request(self) -> tuple[list[str], bytes]: ...
    async def write(self, data: bytes) -> None: ...


class Server(Protocol):
    url: str
    connections: list[Wire]


class Names(Protocol):
    known: dict[str, list[list[str]]]
    asked: list[str]

    def __call__(self, host: str, port: int) -> Awaitable[Sequence[str]]: ...


Serve = Callable[..., AbstractAsyncContextManager[Server]]


async def answering(wire: Wire) -> None:
    while True:
        await wire.request()
        await wire.write(OK)


async def fetch(
    client: UpstreamClient, url: str, addresses: Addresses = PUBLIC_ONLY, timeouts: Timeouts | None = None
) -> bytes:
    async with client.request(
        "POST",
        url,
        target="primary",
        headers={},
        body=b"{}",
        timeouts=timeouts or Timeouts(connect=5.0),
        addresses=addresses,
    ) as response:
        return await response.read(100)


async def refused(client: UpstreamClient, url: str, addresses: Addresses = PUBLIC_ONLY) -> str:
    with pytest.raises(UpstreamUnreachable) as caught:
        await fetch(client, url, addresses)
    assert caught.value.target == "primary"
    return caught.value.message


def at(url: str, host: str) -> str:
    """The same port, by another host."""
    return f"http://{host}:{urlsplit(url).port}/v1"


# Each leads to this machine where it is taken for an address at all, by some library or other.
LITERALS = (
    *("127.0.0.1", "127.1", "127.0.1", "2130706433", "0x7f000001", "0x7f.1", "0177.0.0.1", "127.0.0.1.", "127.0.0.01"),
    *("[::1]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[64:ff9b::127.0.0.1]", "[2002:7f00:1::]", "[::127.0.0.1]"),
    *("user@127.0.0.1", "user:pass@127.0.0.1", "\uff11\uff12\uff17.0.0.1", "127\u30020\u30020\u30021", "0", "[::]"),
    *("127.0.0.1%00.example", "127.0.0.1%2f", "0.0.0.0"),  # noqa: S104
)


@pytest.mark.parametrize("host", LITERALS)
async def test_an_address_of_this_machine_is_not_reached_however_it_is_written(
    client: UpstreamClient, serve: Serve, names: Names, host: str
) -> None:
    async with serve(answering) as server:
        await refused(client, at(server.url, host))
        await asyncio.sleep(0)
        assert server.connections == []
        assert names.asked == []


async def test_an_allowed_address_is_reached(client: UpstreamClient, serve: Serve, names: Names) -> None:
    async with serve(answering) as server:
        assert await fetch(client, at(server.url, "127.0.0.1"), HERE) == b"ok"
        assert names.asked == []


@pytest.mark.parametrize("host", ["169.254.169.254", "[fd00:ec2::254]", "[fe80::1]", "224.0.0.1", "0.0.0.0"])  # noqa: S104
async def test_private_permission_leads_to_no_metadata_and_no_special_address(
    client: UpstreamClient, host: str
) -> None:
    # The closed network of these tests would fail with another error.
    assert "allow_private" in await refused(client, f"http://{host}/v1", Addresses(private=True))


@pytest.mark.parametrize("address", ["127.0.0.1", "::1", "::ffff:127.0.0.1", "10.0.0.1", "169.254.169.254", "0.0.0.0"])  # noqa: S104
async def test_a_name_that_leads_there_is_refused_and_the_address_is_not_told(
    client: UpstreamClient, serve: Serve, names: Names, address: str
) -> None:
    names.known["model.test"] = [[address]]
    async with serve(answering) as server:
        message = await refused(client, at(server.url, "model.test"))
        assert server.connections == []
    assert "allow_private" in message
    assert address not in message


async def test_the_same_name_is_reached_where_its_entry_allows_it(
    client: UpstreamClient, serve: Serve, names: Names
) -> None:
    names.known["model.test"] = [["127.0.0.1"]]
    async with serve(answering) as server:
        assert await fetch(client, at(server.url, "model.test"), HERE) == b"ok"
        assert await fetch(client, at(server.url, "model.test"), Addresses(private=True)) == b"ok"


async def test_what_one_entry_may_reach_another_may_not_by_the_same_connections(
    client: UpstreamClient, serve: Serve, names: Names
) -> None:
    names.known["model.test"] = [["127.0.0.1"]]
    async with serve(answering) as server:
        for _ in range(2):
            assert await fetch(client, at(server.url, "model.test"), HERE) == b"ok"
            await refused(client, at(server.url, "model.test"))
        assert len(server.connections) == 1


async def test_of_several_addresses_only_those_allowed_are_tried(
    client: UpstreamClient, serve: Serve, names: Names
) -> None:
    names.known["model.test"] = [["169.254.169.254", "127.0.0.1", "10.0.0.1"]]
    async with serve(answering) as server:
        assert await fetch(client, at(server.url, "model.test"), HERE) == b"ok"


async def test_an_address_that_does_not_answer_is_followed_by_the_next(
    client: UpstreamClient, serve: Serve, names: Names
) -> None:
    names.known["model.test"] = [["127.9.9.9", "127.0.0.1"]]
    async with serve(answering) as server:
        assert await fetch(client, at(server.url, "model.test"), HERE) == b"ok"


async def test_a_name_that_changes_its_mind_is_believed_once(
    client: UpstreamClient, serve: Serve, names: Names
) -> None:
    # Rebinding: what was checked is what is connected to, and nobody is asked in between.
    names.known["model.test"] = [["127.0.0.1"], ["169.254.169.254"]]
    async with serve(answering) as server:
        assert await fetch(client, at(server.url, "model.test"), HERE) == b"ok"
        assert names.asked == ["model.test"]


async def test_an_unknown_name_is_unreachable_and_not_called_forbidden(client: UpstreamClient, names: Names) -> None:
    message = await refused(client, "http://unknown.test/v1", HERE)
    assert "allow_private" not in message
    assert names.asked[-1] == "unknown.test"


async def test_a_name_with_no_address_at_all_is_refused(client: UpstreamClient, names: Names) -> None:
    names.known["model.test"] = [[]]
    await refused(client, "http://model.test/v1", HERE)


async def test_localhost_is_looked_up_like_any_name(asking_the_system: UpstreamClient, serve: Serve) -> None:
    async with serve(answering) as server:
        await refused(asking_the_system, at(server.url, "localhost"))
        assert await fetch(asking_the_system, at(server.url, "localhost"), HERE) == b"ok"
        assert len(server.connections) == 1


async def test_a_redirect_leads_nowhere(client: UpstreamClient, serve: Serve) -> None:
    heads: list[list[str]] = []

    async def script(wire: Wire) -> None:
        heads.append((await wire.request())[0])
        location = b"http://169.254.169.254/latest/meta-data"
        await wire.write(b"HTTP/1.1 302 Found\r\nlocation: " + location + b"\r\ncontent-length: 0\r\n\r\n")

    async with serve(script) as server:
        assert await fetch(client, at(server.url, "127.0.0.1"), HERE) == b""
    assert len(heads) == 1
