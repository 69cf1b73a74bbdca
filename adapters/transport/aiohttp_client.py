"""How is an HTTP request sent with aiohttp?

The default client. Nothing of aiohttp's comfort is used: no environment proxies, no redirects, no cookies, no
decompression, no headers of its own, no retries; what comes back is what was on the wire.

An idle connection may die while it waits in the pool. aiohttp retries idempotent methods alone, so a POST on a dead
connection would fail although nothing of it was read. Three things prevent that: idle connections are kept for less
time than the common servers keep theirs (5 s), a connection that shows end-of-file or stray bytes is dropped before
anything is written to it, and such a drop is followed by another attempt, which is safe because nothing was sent. What
is left is a close that crosses the request on the wire: nobody can tell that from a lost answer, so it is reported and
never sent again from here.

Names are looked up by ``_resolve``, and a socket is made only for an address that is allowed: also for one that stands
in the URL itself, of which aiohttp asks no resolver.
"""

import asyncio
import select
import socket as sockets
import ssl
from collections.abc import AsyncIterator, Mapping
from functools import partial
from types import TracebackType

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.client_proto import ResponseHandler
from aiohttp.connector import AddrInfoType, Connection

from adapters.transport._aiohttp_connection import connection_like
from adapters.transport._failures import (
    broke_off,
    not_allowed,
    timed_out,
    too_long,
    unanswered,
    unreachable,
    unusable_address,
)
from adapters.transport._resolve import Lookup, OutOfReach, check, look_up, resolve
from adapters.transport.authorities import system
from gateway.domain.address import PUBLIC_ONLY, Addresses
from gateway.domain.errors import UpstreamError
from gateway.domain.target import Timeouts, Tls

# What aiohttp adds to a head by itself, where it is not told to leave that.
_AUTOMATIC_HEADERS = frozenset({"user-agent", "accept", "accept-encoding", "content-type"})
_ATTEMPTS = 4
# Not on every platform; macOS reports a peer's close as POLLHUP.
_GONE = getattr(select, "POLLRDHUP", 0) | select.POLLHUP | select.POLLERR


class _StaleConnection(aiohttp.ClientConnectionError):
    """A pooled connection turned out to be dead before anything was written to it."""


def _is_stale(connection: Connection) -> bool:
    protocol = connection.protocol
    if protocol is None or (transport := protocol.transport) is None or protocol.should_close:
        return True
    socket = transport.get_extra_info("socket")
    poll = select.poll()
    # Under TLS readable bytes may be a session ticket; in the clear they are an answer to nothing.
    encrypted = transport.get_extra_info("sslcontext") is not None
    poll.register(socket.fileno(), _GONE if encrypted else _GONE | select.POLLIN)
    return bool(poll.poll(0))


class _CheckedRequest(aiohttp.ClientRequest):
    """A request that looks at its connection once more before it writes."""

    async def send(self, conn: Connection) -> aiohttp.ClientResponse:
        if _is_stale(conn):
            raise _StaleConnection
        return await super().send(conn)


class _Response:
    """A response whose headers have come."""

    __slots__ = ("_content", "_target", "_timeouts", "headers", "status")

    def __init__(self, response: aiohttp.ClientResponse, target: str, timeouts: Timeouts) -> None:
        self._content = response.content
        self._target = target
        self._timeouts = timeouts
        self.status = response.status
        # It finds a name in any case: lower-casing all of them would cost each answer more than the few look-ups.
        self.headers: Mapping[str, str] = response.headers

    async def chunks(self) -> AsyncIterator[bytes]:
        """The body as it arrives."""
        try:
            while chunk := await self._content.readany():
                yield chunk
        except (aiohttp.ClientError, OSError) as exc:
            raise self._translate(exc) from exc

    async def read(self, limit: int) -> bytes:
        """The whole body, of at most ``limit`` bytes."""
        # Not over ``chunks``: most answers come in one piece, and an asynchronous generator costs more than reading it.
        parts: list[bytes] = []
        size = 0
        try:
            while chunk := await self._content.readany():
                size += len(chunk)
                if size > limit:
                    raise too_long(self._target, limit)
                parts.append(chunk)
                if self._content.at_eof():
                    break
        except (aiohttp.ClientError, OSError) as exc:
            raise self._translate(exc) from exc
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def _translate(self, exc: Exception) -> UpstreamError:
        match exc:
            case aiohttp.SocketTimeoutError():
                return timed_out(self._target, "idle", self._timeouts)
            case TimeoutError():
                return timed_out(self._target, "total", self._timeouts)
            case _:
                return broke_off(self._target)


class _Way:
    """Over which session a target is called, and with its limits as aiohttp takes them.

    ``total`` is kept by the exchange, for less at each read.
    """

    __slots__ = ("addresses", "limits", "session", "socket", "timeouts")

    def __init__(
        self, session: aiohttp.ClientSession, socket: str | None, addresses: Addresses, timeouts: Timeouts
    ) -> None:
        self.session = session
        self.socket = socket
        self.addresses = addresses
        self.timeouts = timeouts
        self.limits = aiohttp.ClientTimeout(total=None, connect=timeouts.connect, sock_read=timeouts.first_byte)


class _Exchange:
    """One request under way; leaving it closes the connection, unless the answer was read to its end."""

    def __init__(
        self,
        *,
        way: _Way,
        method: str,
        url: str,
        target: str,
        headers: Mapping[str, str],
        body: bytes,
        tls: ssl.SSLContext | bool,
    ) -> None:
        self._way = way
        self._method = method
        self._url = url
        self._target = target
        self._headers = headers
        self._body = body
        self._timeouts = way.timeouts
        self._tls = tls
        self._response: aiohttp.ClientResponse
        self._timer: asyncio.TimerHandle | None = None

    async def __aenter__(self) -> _Response:
        loop = asyncio.get_running_loop()
        ends = loop.time() + self._timeouts.total
        try:
            async with asyncio.Timeout(ends):
                response = self._response = await self._send()
        except UpstreamError:
            raise
        except (aiohttp.ClientError, OSError, ValueError) as exc:
            raise self._translate(exc) from _cause(exc)
        # An answer that has come whole has given its connection back, and nothing of it can run out.
        if (connection := response.connection) is not None:
            self._timer = loop.call_at(ends, _run_out, response)
            # aiohttp has one limit for silence on the socket; from here on it is the one between chunks.
            if (protocol := connection.protocol) is not None:
                protocol.read_timeout = self._timeouts.idle
                protocol.start_timeout()
        return _Response(response, self._target, self._timeouts)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._timer is not None:
            self._timer.cancel()
        # Gives the connection back if the body was read to its end, and closes it otherwise.
        if not self._response.closed:
            self._response.release()

    async def _send(self) -> aiohttp.ClientResponse:
        way = self._way
        # Where there is nothing to leave, aiohttp need not be told, and copies no head to find that out.
        left = None if self._headers.keys() >= _AUTOMATIC_HEADERS else _AUTOMATIC_HEADERS
        for _ in range(_ATTEMPTS):
            try:
                return await way.session.request(
                    self._method,
                    self._url,
                    headers=self._headers,
                    data=self._body,
                    timeout=way.limits,
                    skip_auto_headers=left,
                    allow_redirects=False,
                    ssl=self._tls,
                )
            except _StaleConnection:
                # Lets the loop see the other connections' ends, so that the pool drops them too.
                await asyncio.sleep(0)
                await asyncio.sleep(0)
        raise unreachable(self._target)

    def _translate(self, exc: Exception) -> UpstreamError:
        match exc:
            case aiohttp.ConnectionTimeoutError():
                return timed_out(self._target, "connect", self._timeouts)
            case aiohttp.SocketTimeoutError():
                return timed_out(self._target, "first_byte", self._timeouts)
            case TimeoutError():
                return timed_out(self._target, "total", self._timeouts)
            case aiohttp.ClientConnectorError(os_error=OutOfReach()):
                return not_allowed(self._target)
            case aiohttp.ClientConnectorError():
                return unreachable(self._target)
            case ValueError() | aiohttp.NonHttpUrlClientError():
                return unusable_address(self._target)
            case _:
                return unanswered(self._target)


def _run_out(response: aiohttp.ClientResponse) -> None:
    """The time of the whole exchange is over: what has come to its end by now, whichever, is still told."""
    content = response.content
    if not content.is_eof() and content.exception() is None:
        content.set_exception(TimeoutError())
        response.close()


def _cause(exc: Exception) -> Exception | None:
    # The text of these two quotes the URL or the header at fault, which may be a credential.
    return None if isinstance(exc, ValueError | aiohttp.NonHttpUrlClientError) else exc


class _Resolver(AbstractResolver):
    """Gives aiohttp no address but those that are allowed."""

    def __init__(self, allowed: Addresses, lookup: Lookup) -> None:
        self._allowed = allowed
        self._lookup = lookup

    async def resolve(
        self, host: str, port: int = 0, family: sockets.AddressFamily = sockets.AF_UNSPEC
    ) -> list[ResolveResult]:
        del family  # the system knows which ones this machine has
        return [
            ResolveResult(
                hostname=host,
                host=address,
                port=port,
                family=sockets.AF_INET6 if ":" in address else sockets.AF_INET,
                proto=0,
                flags=sockets.AI_NUMERICHOST,
            )
            for address in await resolve(host, port, self._allowed, self._lookup)
        ]

    async def close(self) -> None:
        """Nothing is open."""


def _checked_socket(allowed: Addresses, info: AddrInfoType) -> sockets.socket:  # pyright: ignore[reportUnknownParameterType]
    family, kind, protocol, _, address = info  # pyright: ignore[reportUnknownVariableType]  aiohttp leaves it open
    check(str(address[0]), allowed)  # pyright: ignore[reportUnknownArgumentType]
    return sockets.socket(family, kind, protocol)


class AiohttpClient:
    """``UpstreamClient`` over one ``aiohttp.ClientSession`` for each Unix socket and each set of allowed addresses.

    ``pool_limit`` bounds the open connections to each host or socket, ``keepalive`` is how many seconds an idle one is
    kept, ``tls`` replaces the system's certificate authorities, which are read for the first call that needs them,
    ``lookup`` the system's name servers.
    """

    def __init__(
        self,
        *,
        pool_limit: int = 256,
        keepalive: float = 4.0,
        tls: ssl.SSLContext | None = None,
        lookup: Lookup = look_up,
    ) -> None:
        self._pool_limit = pool_limit
        self._keepalive = keepalive
        self._tls = tls
        self._lookup = lookup
        self._sessions: dict[tuple[str | None, Addresses], aiohttp.ClientSession] = {}
        # By the target's name, the last one: to hash what addresses are allowed takes longer than to see that they are
        # the same. As many as the configuration has targets and detectors.
        self._ways: dict[str, _Way] = {}

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
        way = self._ways.get(target)
        if way is None or way.timeouts is not timeouts or way.addresses is not addresses or way.socket != socket:
            way = self._ways[target] = _Way(self._session(socket, addresses), socket, addresses, timeouts)
        return _Exchange(
            way=way,
            method=method,
            url=url,
            target=target,
            headers=headers,
            body=body,
            # aiohttp keeps connections apart by this. Its own, which is True, is never asked for TLS: it may have been
            # made without any authority.
            tls=tls.context if tls is not None else url.startswith("http:") or self._believed(),
        )

    def _believed(self) -> ssl.SSLContext:
        if self._tls is None:
            self._tls = system()
        return self._tls

    def _session(self, socket: str | None, addresses: Addresses) -> aiohttp.ClientSession:
        return self._sessions.get((socket, addresses)) or self._open_session(socket, addresses)

    async def close(self) -> None:
        """Close pooled connections."""
        self._ways.clear()
        while self._sessions:
            _, session = self._sessions.popitem()
            await session.close()
            # A call that came meanwhile may have opened one, which is closed next.
            self._ways.clear()

    def _open_session(self, socket: str | None, addresses: Addresses) -> aiohttp.ClientSession:
        session = self._sessions[socket, addresses] = aiohttp.ClientSession(
            connector=self._connector(socket, addresses),
            request_class=_CheckedRequest,
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            trust_env=False,
        )
        return session

    def _connector(self, socket: str | None, addresses: Addresses) -> aiohttp.BaseConnector:
        connector = self._connector_for(socket, addresses)
        loop = asyncio.get_running_loop()
        # aiohttp has no public way to choose a connection's class.
        setattr(connector, "_factory", partial(connection_like(ResponseHandler, loop), loop))  # noqa: B010
        return connector

    def _connector_for(self, socket: str | None, addresses: Addresses) -> aiohttp.BaseConnector:
        if socket is not None:
            return aiohttp.UnixConnector(socket, limit=self._pool_limit, keepalive_timeout=self._keepalive)
        # Bounded per host: an upstream that is slow takes no connection from another.
        return aiohttp.TCPConnector(
            limit=0,
            limit_per_host=self._pool_limit,
            keepalive_timeout=self._keepalive,
            resolver=_Resolver(addresses, self._lookup),
            socket_factory=partial(_checked_socket, addresses),
        )
