"""How is Redis reached?

By few connections that retry nothing: whoever asks has a deadline of its own, and somebody else looks whether Redis is
there again. Password and certificates are read anew for each connection that is made, so that mounted files may change.
No connection is made to an address that no Redis has, such as a cloud's metadata service: a name server could say so,
and in a cluster any node.
"""

import asyncio
import ssl
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from ipaddress import ip_address
from pathlib import Path
from socket import AI_ADDRCONFIG, SOCK_STREAM
from typing import Any, Final, Protocol

from redis.asyncio import Connection, ConnectionPool, Redis, RedisCluster
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.credentials import CredentialProvider
from redis.exceptions import AuthenticationError, InvalidResponse, NoScriptError

from gateway.domain.address import Addresses, literal
from gateway.domain.target import Secret
from gateway.domain.value import value
from gateway.stores._redis_failure import Refused
from gateway.stores._redis_script import LUA, SHA
from gateway.yamlfile.pem import client_context
from gateway.yamlfile.regular import expect_regular

# A Redis stands in somebody's own network, where the configuration says; nowhere else but in public.
_ALLOWED: Final = Addresses(private=True)
_CONNECTIONS: Final = 8
# Bytes of the longest text that a Redis answers with; one that announces more is none.
_MOST_TEXT: Final = 64 * 1024


@value
class TlsFiles:
    """PEM files: whom to trust (None: whom the system trusts), and what to show of oneself, if anything."""

    ca: Path | None = None
    cert: Path | None = None
    key: Path | None = None


@value
class RedisAddress:
    """Where Redis is, and how to be let in. ``password`` is asked for each connection; ``tls`` None: without."""

    host: str
    port: int
    db: int = 0
    cluster: bool = False
    username: str | None = None
    password: Callable[[], Secret] | None = None
    tls: TlsFiles | None = None


class Client(Protocol):
    """Runs the script."""

    async def run(self, keys: Sequence[str], argument: bytes) -> object:
        """What it answers; raises what redis-py raises."""
        ...

    async def close(self) -> None: ...


class RedisClient:
    """A single server, or a cluster. Nothing is connected before the first call."""

    def __init__(self, address: RedisAddress) -> None:
        self._redis = _cluster(address) if address.cluster else _single(address)

    async def run(self, keys: Sequence[str], argument: bytes) -> object:
        try:
            return await self._ask("EVALSHA", SHA, keys, argument)
        except NoScriptError:
            # A server that was started anew, or a node that took the slot over: it keeps the script from now on.
            return await self._ask("EVAL", LUA, keys, argument)

    async def close(self) -> None:
        # What cannot be said farewell to is left.
        with suppress(Exception):
            await self._redis.aclose()

    def _ask(self, command: str, script: str, keys: Sequence[str], argument: bytes) -> Awaitable[object]:
        return self._redis.execute_command(command, script, len(keys), *keys, argument)  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]  untyped for clusters


def _single(address: RedisAddress) -> Redis:
    pool = ConnectionPool(
        connection_class=_Guarded,
        max_connections=_CONNECTIONS,
        host=address.host,
        port=address.port,
        db=address.db,
        **_common(address),
    )
    return Redis.from_pool(pool)


def _cluster(address: RedisAddress) -> RedisCluster:
    common = _common(address)
    trust = common.pop("trust")
    made = RedisCluster(
        host=address.host,
        port=address.port,
        max_connections=_CONNECTIONS,
        **common,
    )
    # It knows two classes of connections by name, and no other way to have one's own; tests hold it to that.
    made.connection_kwargs |= {"connection_class": _Guarded, "trust": trust}
    for node in made.startup_nodes:
        node.connection_class = _Guarded
        node.connection_kwargs["trust"] = trust
    return made


def _common(address: RedisAddress) -> dict[str, Any]:
    credentials = None if address.password is None else _Credentials(address.username, address.password)
    return {
        "credential_provider": credentials,
        "trust": None if address.tls is None else _Trust(address.tls),
        # Deadlines are the callers': what they cancel is disconnected.
        "socket_timeout": None,
        "socket_connect_timeout": None,
        "retry": Retry(NoBackoff(), 0),
        # Nothing is asked at a connection's start but to be let in.
        "protocol": 2,
        "driver_info": None,
    }


class _Credentials(CredentialProvider):
    """User and password as they were read when the connection was about to be made."""

    def __init__(self, username: str | None, password: Callable[[], Secret]) -> None:
        self._username = username
        self._password = password
        self._read: str | None = None

    def read(self) -> None:
        """Read the password; blocks.

        Raises:
            AuthenticationError: there is none at present.
        """
        try:
            self._read = self._password().reveal()
        except ValueError:
            raise AuthenticationError from None

    def get_credentials(self) -> tuple[str] | tuple[str, str]:
        password = self._read or ""
        return (password,) if self._username is None else (self._username, password)

    async def get_credentials_async(self) -> tuple[str] | tuple[str, str]:
        # Nothing is waited for here: who gives up now would leave a connection that nobody was let in by.
        return self.get_credentials()


class _Trust:
    """A TLS context, made anew when one of its files has changed."""

    def __init__(self, files: TlsFiles) -> None:
        self._files = files
        self._seen: tuple[object, ...] | None = None
        self._context: ssl.SSLContext | None = None

    def fresh(self) -> ssl.SSLContext:
        """The context for a new connection; blocks while it reads.

        Raises:
            OSError: a file cannot be read, or is no certificate or key.
        """
        seen = tuple([_look(path) for path in (self._files.ca, self._files.cert, self._files.key)])
        if self._context is None or seen != self._seen:
            self._context = client_context(self._files.ca, self._files.cert, self._files.key)
            self._seen = seen
        return self._context


def _look(path: Path | None) -> tuple[int, int, int] | None:
    if path is None:
        return None
    # A library that opened a pipe would wait for it, for ever.
    expect_regular(path)
    found = path.stat()
    return found.st_mtime_ns, found.st_size, found.st_ino


class _Guarded(Connection):
    """A connection that looks where it leads; ``trust`` None: without TLS."""

    def __init__(self, *, trust: _Trust | None = None, **given: Any) -> None:  # noqa: ANN401  whatever redis-py gives its connections
        super().__init__(**given)  # pyright: ignore[reportUnknownMemberType]  its keywords are untyped
        self._trust = trust
        self._arguments: dict[str, object] = {}

    async def _connect(self) -> None:
        context = await asyncio.to_thread(self._read)
        tls = {} if context is None else {"ssl": context, "server_hostname": self.host}
        *others, last = await _allowed(self.host, self.port)
        for address in others:
            self._arguments = {"host": address, "port": self.port, **tls}
            with suppress(OSError):
                return await self._connect_there()
        self._arguments = {"host": last, "port": self.port, **tls}
        return await self._connect_there()

    async def _connect_there(self) -> None:
        await super()._connect()
        if self._reader is not None:
            _shorten(self._reader)

    def _read(self) -> ssl.SSLContext | None:
        """Read what may have changed since the last connection."""
        if isinstance(self.credential_provider, _Credentials):
            self.credential_provider.read()
        return None if self._trust is None else self._trust.fresh()

    def _connection_arguments(self) -> dict[str, object]:
        return self._arguments


def _shorten(reader: asyncio.StreamReader) -> None:
    """Have ``reader`` wait for no text that is longer than any of a Redis's: it would be kept until it was whole."""
    whole = reader.readexactly

    async def short(n: int) -> bytes:
        if n > _MOST_TEXT:
            raise InvalidResponse
        return await whole(n)

    reader.readexactly = short


async def _allowed(host: str, port: int) -> list[str]:
    """The addresses of ``host`` that a connection may be made to, at least one; nobody asks a second time.

    Raises:
        Refused: there is none.
        OSError: the name is unknown, or nobody answers.
    """
    try:
        known = literal(host)
    except ValueError:
        raise Refused from None
    if known is None:
        loop = asyncio.get_running_loop()
        found = [str(one[4][0]) for one in await loop.getaddrinfo(host, port, type=SOCK_STREAM, flags=AI_ADDRCONFIG)]
    else:
        found = [str(known)]
    kept = [one for one in found if _ALLOWED.permits(ip_address(one))]
    if not kept:
        raise Refused
    return kept
