import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from gateway.domain.address import PUBLIC_ONLY, Addresses
from gateway.domain.errors import UpstreamUnreachable
from gateway.domain.target import Timeouts, Tls
from gateway.embedded_health import EmbeddedHealth


@dataclass
class Response:
    status: int
    headers: Mapping[str, str] = field(default_factory=dict[str, str])

    async def chunks(self) -> AsyncIterator[bytes]:
        yield b""

    async def read(self, limit: int) -> bytes:
        return b""[:limit]


@dataclass
class Client:
    """Answers with the next of its statuses; None is a socket that nobody listens on."""

    statuses: list[int | None]
    asked: list[tuple[str, str, str | None]] = field(default_factory=list[tuple[str, str, str | None]])
    done: asyncio.Event = field(default_factory=asyncio.Event)

    @asynccontextmanager
    async def request(
        self,
        method: str,
        url: str,
        *,
        target: str,
        headers: Mapping[str, str],
        body: bytes,
        timeouts: Timeouts,
        socket: str | None = None,
        addresses: Addresses = PUBLIC_ONLY,
        tls: Tls | None = None,
    ) -> AsyncGenerator[Response]:
        assert tls is None
        assert (headers, body, timeouts.connect < 5, addresses) == ({}, b"", True, PUBLIC_ONLY)
        self.asked.append((method, url, socket))
        status = self.statuses.pop(0)
        if not self.statuses:
            self.done.set()
        if status is None:
            raise UpstreamUnreachable("down", target=target)
        yield Response(status)

    async def close(self) -> None:
        """Nothing is open."""


async def test_it_is_asked_over_its_socket_until_it_answers() -> None:
    client = Client([None, 503, 200])
    health = EmbeddedHealth(client, "/run/embedded.sock", retry_s=0.001)
    assert not health.answers
    health.start()
    await client.done.wait()
    for _ in range(10):
        await asyncio.sleep(0)
    assert health.answers
    assert client.asked == [("GET", "http://embedded.invalid/health", "/run/embedded.sock")] * 3
    await health.close()


async def test_until_then_it_does_not_count_as_there_and_asking_ends_with_the_worker() -> None:
    client = Client([None, 503])
    health = EmbeddedHealth(client, "/run/embedded.sock", retry_s=0.02)
    health.start()
    await client.done.wait()
    assert not health.answers
    await health.close()


async def test_what_was_never_started_can_be_closed() -> None:
    await EmbeddedHealth(Client([]), "/run/embedded.sock").close()
