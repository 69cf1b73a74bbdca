"""How is a checkpoint kept in a bucket of an S3-compatible store?

Each is an object, put on the condition that there is none of its name (``If-None-Match: *``). Where there is one it is
fetched and compared. The store has to know that condition; a bucket whose objects are locked needs nobody's trust.
"""

import asyncio
from datetime import UTC, datetime
from typing import Final
from urllib.parse import urlsplit

import httpx

from gateway.audit.ship.anchor import Anchored, Forked
from gateway.audit.ship.answered import beginning, expect_taken
from gateway.audit.ship.failure import NotTaken
from gateway.audit.ship.sigv4 import S3Key, object_path, sign

_EXISTS: Final = 412


class S3Anchor:
    """Keeps checkpoints in ``bucket`` under names that begin with ``prefix``; each call may take ``timeout_s``."""

    def __init__(self, endpoint: str, bucket: str, prefix: str, key: S3Key, timeout_s: float) -> None:
        parts = urlsplit(endpoint)
        self._host = parts.netloc
        self._origin = f"{parts.scheme}://{parts.netloc}"
        self._path = parts.path.rstrip("/")
        self._bucket = bucket
        self._prefix = prefix
        self._key = key
        self._timeout_s = timeout_s
        self._client = httpx.AsyncClient(trust_env=False, follow_redirects=False, timeout=timeout_s)

    async def keep(self, what: Anchored) -> None:
        path = self._path + object_path(self._bucket, self._prefix + "/".join(what.names))
        headers = {"content-type": "text/plain; charset=utf-8", "if-none-match": "*"}
        answer, _ = await self._ask("PUT", path, headers, what.note)
        if answer.status_code != _EXISTS:
            expect_taken(answer.status_code, answer.headers)
            return
        answer, kept = await self._ask("GET", path, {"accept-encoding": "identity"}, b"")
        if answer.status_code == 404:
            raise NotTaken("an object came and went")
        expect_taken(answer.status_code, answer.headers)
        if what.contradicts(kept):
            raise Forked

    async def close(self) -> None:
        await self._client.aclose()

    async def _ask(
        self, method: str, path: str, headers: dict[str, str], content: bytes
    ) -> tuple[httpx.Response, bytes]:
        signed = sign(
            self._key, method, path, headers={"host": self._host, **headers}, content=content, now=datetime.now(UTC)
        )
        try:
            async with (
                asyncio.timeout(self._timeout_s),
                self._client.stream(method, self._origin + path, headers=signed, content=content) as answer,
            ):
                return answer, await beginning(answer)
        except TimeoutError:
            raise NotTaken("it does not answer in time") from None
        except httpx.HTTPError as error:
            raise NotTaken(type(error).__name__) from None
