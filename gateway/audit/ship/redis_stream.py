"""How are records added to a stream of a Redis server?

A batch is one transaction of ``XADD``. Where nobody knows whether it was carried out it is sent once more: entries name
their event, so that whoever reads them sees what came twice.
"""

import asyncio
from collections.abc import Set as AbstractSet
from typing import Final

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.credentials import CredentialProvider
from redis.exceptions import AuthenticationError, AuthorizationError, NoPermissionError, RedisError, ResponseError
from redis.typing import EncodableT, FieldT

from gateway.audit.places import event_of
from gateway.audit.ship.batch import Batch
from gateway.audit.ship.cursor import Cursor
from gateway.audit.ship.failure import NotTaken
from gateway.audit.ship.source import Seen
from gateway.domain.target import Secret

_REFUSALS: Final = (AuthenticationError, AuthorizationError, NoPermissionError)


class _Credentials(CredentialProvider):
    """Asked at each connection: the password may have changed since the last one."""

    def __init__(self, username: str | None, password: Secret) -> None:
        self._username = username
        self._password = password

    def get_credentials(self) -> tuple[str] | tuple[str, str]:
        """The ACL user, if any, and the password."""
        revealed = self._password.reveal()
        return (revealed,) if self._username is None else (self._username, revealed)


class RedisStreamSink:
    """Adds to ``stream``, which keeps about ``max_len`` entries; each batch may take ``timeout_s`` seconds."""

    def __init__(
        self, url: str, stream: str, max_len: int, *, username: str | None, password: Secret | None, timeout_s: float
    ) -> None:
        self._stream = stream
        self._max_len = max_len
        self._timeout_s = timeout_s
        self._client = Redis.from_url(  # pyright: ignore[reportUnknownMemberType]  its keywords are untyped
            url,
            credential_provider=None if password is None else _Credentials(username, password),
            username=username if password is None else None,
            socket_timeout=timeout_s,
            socket_connect_timeout=timeout_s,
            # Whoever ships has a patience of its own.
            retry=Retry(NoBackoff(), 0),
        )

    async def deliver(self, batch: Batch) -> None:
        try:
            async with asyncio.timeout(self._timeout_s):
                await self._add(batch)
        except (RedisError, OSError) as error:
            # An answer that still comes must not be taken for that of the next batch.
            await self._client.connection_pool.disconnect()
            raise _not_taken(error) from None

    async def accompany(self, seen: Seen, cursor: Cursor, disputed: AbstractSet[str]) -> bool:
        del seen, cursor, disputed
        return False

    async def close(self) -> None:
        await self._client.aclose()

    async def _add(self, batch: Batch) -> None:
        async with self._client.pipeline(transaction=True) as pipeline:
            for number, line in enumerate(batch.lines, start=batch.first):
                fields: dict[FieldT, EncodableT] = {"event": event_of(batch.epoch, number), "line": line}
                pipeline.xadd(self._stream, fields, maxlen=self._max_len, approximate=True)
            await pipeline.execute()


def _not_taken(error: Exception) -> NotTaken:
    if isinstance(error, TimeoutError):
        return NotTaken("it does not answer in time")
    wrong_key = isinstance(error, ResponseError) and "WRONGTYPE" in str(error)
    return NotTaken(type(error).__name__, for_good=wrong_key or isinstance(error, _REFUSALS))
