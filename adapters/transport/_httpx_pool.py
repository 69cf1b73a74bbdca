"""How does httpx connect to no address that is not allowed, and keep nothing that nobody needs?

httpx looks names up deep inside its pool. Here the pool gets a network of ours, which is given a name, looks it up by
``_resolve`` and connects to what comes out. A pool looks at idle connections only when the next one is wanted: after a
burst of requests all of theirs would stay open for as long as nobody asks.
"""

import asyncio
import functools
import ssl
from collections.abc import Iterable
from contextlib import suppress
from typing import Final

import httpcore
import httpx

from adapters.transport._resolve import Lookup, OutOfReach, resolve
from gateway.domain.address import Addresses

# How long an idle connection is kept.
KEEPALIVE_S: Final = 4.0


class _CheckedNetwork(httpcore.AsyncNetworkBackend):
    """Connects to allowed addresses, one after the other until one answers; each gets its share of the time left."""

    def __init__(self, allowed: Addresses, lookup: Lookup) -> None:
        self._allowed = allowed
        self._lookup = lookup
        # The type that httpcore shows is a stand-in for where anyio is missing, which httpx asks for.
        self._inner: httpcore.AsyncNetworkBackend = httpcore.AnyIOBackend()  # pyright: ignore[reportAttributeAccessIssue]

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109  as httpcore has it
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        now = asyncio.get_running_loop().time
        ends = now() + (3600.0 if timeout is None else timeout)
        addresses = await self._addresses(host, port, ends)
        failure: httpcore.ConnectError | httpcore.ConnectTimeout | None = None
        for index, address in enumerate(addresses):
            share = max(0.0, ends - now()) / (len(addresses) - index)
            try:
                return await self._inner.connect_tcp(address, port, share, local_address, socket_options)
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failure = error
        raise failure or httpcore.ConnectError

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)

    async def _addresses(self, host: str, port: int, ends: float) -> list[str]:
        try:
            async with asyncio.timeout_at(ends):
                return list(await resolve(host, port, self._allowed, self._lookup))
        except OutOfReach:
            raise
        except TimeoutError as error:
            raise httpcore.ConnectTimeout from error
        except OSError as error:
            raise httpcore.ConnectError from error


class SweptTransport(httpx.AsyncHTTPTransport):
    """The transport that comes with httpx; connections that were idle for too long are closed by themselves.

    For one event loop. ``every_s`` is how often it is looked, while there are any.
    """

    every_s = KEEPALIVE_S
    _timer: asyncio.TimerHandle | None = None
    _sweeping: asyncio.Task[None] | None = None

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request, as ever."""
        self._look_later()
        return await super().handle_async_request(request)

    async def aclose(self) -> None:
        """Close all connections."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._sweeping is not None:
            self._sweeping.cancel()
        await super().aclose()

    def _look_later(self) -> None:
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(self.every_s, self._look)

    def _look(self) -> None:
        self._timer = None
        if any(not one.is_closed() for one in self._pool.connections):
            self._sweeping = asyncio.ensure_future(self._sweep())
            self._look_later()

    async def _sweep(self) -> None:
        for one in self._pool.connections:
            # Whoever is given it meanwhile is given another one by the pool: nothing was sent on it.
            if one.is_idle() and one.has_expired():
                with suppress(OSError, httpcore.NetworkError):
                    await one.aclose()


@functools.cache
def usual_authorities() -> ssl.SSLContext:
    """Whom httpx believes, read once: it takes longer than dozens of requests, and no target's changes it."""
    return httpx.create_ssl_context(trust_env=False)


class CheckedTransport(SweptTransport):
    """The same, over a pool whose network is checked."""

    def __init__(
        self, allowed: Addresses, lookup: Lookup, *, pool_limit: int, keepalive: float, tls: ssl.SSLContext | None
    ) -> None:
        context = tls or usual_authorities()
        super().__init__(verify=context, trust_env=False)
        self.every_s = keepalive
        # httpx has no public way to choose a network. Should it come to keep its pool elsewhere, nothing is sent.
        if not isinstance(self._pool, httpcore.AsyncConnectionPool):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise TypeError("this version of httpx keeps its connections in another way: they cannot be checked")
        self._pool = httpcore.AsyncConnectionPool(
            ssl_context=context,
            max_connections=pool_limit,
            max_keepalive_connections=pool_limit,
            keepalive_expiry=keepalive,
            network_backend=_CheckedNetwork(allowed, lookup),
        )
