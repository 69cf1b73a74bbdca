"""How is an HTTP request sent with httpx?

The client for what the default one cannot do: anything that speaks ``httpx.AsyncBaseTransport`` can stand below it, a
proxying transport or a test's ``MockTransport``. The transport is called directly, so that nothing of
``httpx.AsyncClient`` (cookies, redirects, decompression, headers of its own, environment proxies) has to be turned off.
"""

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable, Mapping
from types import TracebackType
from typing import TypeAlias

import httpx

from adapters.transport._failures import (
    broke_off,
    not_allowed,
    read_whole,
    timed_out,
    unanswered,
    unreachable,
    unusable_address,
)
from adapters.transport._httpx_pool import KEEPALIVE_S, CheckedTransport, SweptTransport, usual_authorities
from adapters.transport._resolve import Lookup, OutOfReach, look_up
from gateway.domain.address import PUBLIC_ONLY, Addresses
from gateway.domain.errors import UpstreamError
from gateway.domain.target import Timeouts, Tls


class _Response:
    """A response whose headers have come; ``deadline`` is the loop's time at which the whole exchange must be over."""

    def __init__(self, response: httpx.Response, target: str, timeouts: Timeouts, deadline: float) -> None:
        if not isinstance(response.stream, httpx.AsyncByteStream):
            raise TypeError("an httpx.AsyncBaseTransport answers with an asynchronous stream; this one did not")
        self._stream = response.stream
        self._target = target
        self._timeouts = timeouts
        self._deadline = deadline
        self.status = response.status_code
        self.headers: Mapping[str, str] = {name.lower(): value for name, value in response.headers.items()}

    async def chunks(self) -> AsyncIterator[bytes]:
        """The body as it arrives."""
        parts = aiter(self._stream)
        try:
            while True:
                async with asyncio.timeout_at(self._deadline):
                    chunk = await anext(parts, None)
                if chunk is None:
                    return
                yield chunk
        except httpx.TimeoutException as exc:
            raise timed_out(self._target, "idle", self._timeouts) from exc
        except TimeoutError as exc:
            raise timed_out(self._target, "total", self._timeouts) from exc
        except httpx.HTTPError as exc:
            raise broke_off(self._target) from exc

    async def read(self, limit: int) -> bytes:
        """The whole body, of at most ``limit`` bytes."""
        return await read_whole(self.chunks(), limit=limit, target=self._target)


class _Pool:
    """A transport, and how many exchanges it has; one that was given up is closed when the last of them is over."""

    __slots__ = ("busy", "given_up", "transport")

    def __init__(self, transport: httpx.AsyncBaseTransport) -> None:
        self.transport = transport
        self.busy = 0
        self.given_up = False

    async def release(self) -> None:
        """One exchange is over."""
        self.busy -= 1
        if self.given_up and not self.busy:
            await self.transport.aclose()


class _Exchange:
    """One request under way; leaving it closes the connection, unless the answer was read to its end."""

    def __init__(
        self,
        *,
        pool: _Pool,
        method: str,
        url: str,
        target: str,
        headers: Mapping[str, str],
        body: bytes,
        timeouts: Timeouts,
    ) -> None:
        self._pool = pool
        self._method = method
        self._url = url
        self._target = target
        self._headers = headers
        self._body = body
        self._timeouts = timeouts
        self._response: httpx.Response

    async def __aenter__(self) -> _Response:
        deadline = asyncio.get_running_loop().time() + self._timeouts.total
        limits = {
            "connect": self._timeouts.connect,
            "pool": self._timeouts.connect,
            "write": self._timeouts.first_byte,
            "read": self._timeouts.first_byte,
        }
        request = self._build(limits)
        self._pool.busy += 1
        try:
            async with asyncio.timeout_at(deadline):
                response = self._response = await self._pool.transport.handle_async_request(request)
        except BaseException as exc:
            await self._pool.release()
            if not isinstance(exc, httpx.HTTPError | OSError):
                raise
            raise self._translate(exc) from _cause(exc)
        # The transport looks its limits up again for the body: from here on silence has the limit between chunks.
        limits["read"] = self._timeouts.idle
        return _Response(response, self._target, self._timeouts, deadline)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            await self._response.aclose()
        finally:
            await self._pool.release()

    def _build(self, limits: dict[str, float]) -> httpx.Request:
        try:
            return httpx.Request(
                self._method,
                self._url,
                headers=dict(self._headers),
                content=self._body,
                extensions={"timeout": limits},
            )
        except (httpx.InvalidURL, ValueError):
            # Without a cause, for the same reason as in _cause.
            raise unusable_address(self._target) from None

    def _translate(self, exc: Exception) -> UpstreamError:
        match exc:
            case httpx.ConnectTimeout() | httpx.PoolTimeout():
                return timed_out(self._target, "connect", self._timeouts)
            case httpx.TimeoutException():
                return timed_out(self._target, "first_byte", self._timeouts)
            case TimeoutError():
                return timed_out(self._target, "total", self._timeouts)
            case OutOfReach():
                return not_allowed(self._target)
            case httpx.ConnectError():
                return unreachable(self._target)
            case httpx.UnsupportedProtocol() | httpx.LocalProtocolError():
                return unusable_address(self._target)
            case _:
                return unanswered(self._target)


def _cause(exc: Exception) -> Exception | None:
    # The text of these quotes the URL or the header at fault, which may be a credential.
    return None if isinstance(exc, httpx.UnsupportedProtocol | httpx.LocalProtocolError) else exc


def checked_transport(
    addresses: Addresses, tls: ssl.SSLContext | None = None, *, lookup: Lookup = look_up
) -> httpx.AsyncBaseTransport:
    """A transport for an ``httpx.AsyncClient`` that fetches now and then: it connects to what ``addresses`` permits.

    What it raises beyond that, an ``OSError``, is no ``httpx.HTTPError``.
    """
    return CheckedTransport(addresses, lookup, pool_limit=4, keepalive=KEEPALIVE_S, tls=tls)


MakeTransport: TypeAlias = Callable[[str | None, Addresses, ssl.SSLContext | None], httpx.AsyncBaseTransport]
_Key: TypeAlias = tuple[str, str | None, Addresses]


class HttpxClient:
    """``UpstreamClient`` over httpx transports.

    Each target has a transport of its own: one that is slow takes no connection from another. ``make_transport`` makes
    them instead of us: it gets a Unix socket's path, or None for TCP, and is itself responsible for connecting to no
    address but those that it is given, and by what it is given for TLS. The rest is as ``AiohttpClient`` has it.
    """

    def __init__(
        self,
        make_transport: MakeTransport | None = None,
        *,
        pool_limit: int = 256,
        keepalive: float = KEEPALIVE_S,
        tls: ssl.SSLContext | None = None,
        lookup: Lookup = look_up,
    ) -> None:
        self._make_transport = make_transport or self._own_transport
        self._pool_limit = pool_limit
        self._keepalive = keepalive
        self._tls = tls
        self._lookup = lookup
        self._pools: dict[_Key, tuple[ssl.SSLContext | None, _Pool]] = {}
        self._given_up: list[_Pool] = []

    def request(
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
    ) -> _Exchange:
        """Open an exchange; ``socket`` is the path of a Unix socket to connect to instead of the URL's host."""
        return _Exchange(
            pool=self._pool((target, socket, addresses), None if tls is None else tls.context),
            method=method,
            url=url,
            target=target,
            headers=headers,
            body=body,
            timeouts=timeouts,
        )

    async def close(self) -> None:
        """Close pooled connections."""
        while self._pools:
            _, (_, pool) = self._pools.popitem()
            await pool.transport.aclose()
        while self._given_up:
            await self._given_up.pop().transport.aclose()

    def _pool(self, key: _Key, tls: ssl.SSLContext | None) -> _Pool:
        known = self._pools.get(key)
        if known is not None and known[0] is tls:
            return known[1]
        _, socket, addresses = key
        made = _Pool(self._make_transport(socket, addresses, tls))
        self._pools[key] = (tls, made)
        if known is not None:
            # Its files changed: what is under way goes on, and nothing new begins there.
            known[1].given_up = True
            self._given_up = [pool for pool in (*self._given_up, known[1]) if pool.busy]
        return made

    def _own_transport(
        self, socket: str | None, addresses: Addresses, tls: ssl.SSLContext | None
    ) -> httpx.AsyncBaseTransport:
        if socket is None:
            return CheckedTransport(
                addresses, self._lookup, pool_limit=self._pool_limit, keepalive=self._keepalive, tls=tls or self._tls
            )
        limits = httpx.Limits(
            max_connections=self._pool_limit,
            max_keepalive_connections=self._pool_limit,
            keepalive_expiry=self._keepalive,
        )
        made = SweptTransport(verify=usual_authorities(), trust_env=False, limits=limits, uds=socket)
        made.every_s = self._keepalive
        return made
