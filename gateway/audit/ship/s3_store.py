"""How is an object put into a bucket of an S3-compatible store, so that none is ever overwritten?

Each is put on the condition that there is none of its name (``If-None-Match: *``); where there is one it is fetched, so
that whoever put it can compare. The store has to know that condition.
"""

import asyncio
import base64
import hashlib
from datetime import UTC, datetime
from typing import Final
from urllib.parse import urlsplit

import httpx

from gateway.audit.ship.answered import LONGEST, beginning, expect_taken
from gateway.audit.ship.failure import NotTaken
from gateway.audit.ship.sigv4 import S3Key, object_path, sign
from gateway.domain.value import value

_EXISTS: Final = 412


@value
class Bucket:
    """Where objects are put: under names in ``bucket`` that begin with ``prefix``; each call may take ``timeout_s``."""

    endpoint: str
    bucket: str
    prefix: str
    key: S3Key
    timeout_s: float


class S3Store:
    """Puts objects into one bucket."""

    def __init__(self, place: Bucket) -> None:
        parts = urlsplit(place.endpoint)
        self._host = parts.netloc
        self._origin = f"{parts.scheme}://{parts.netloc}"
        self._path = parts.path.rstrip("/")
        self._place = place
        self._client = httpx.AsyncClient(trust_env=False, follow_redirects=False, timeout=place.timeout_s)

    async def put(self, name: str, content: bytes, kind: str, most: int = LONGEST) -> bytes | None:
        """Put an object of the media type ``kind``: None if it is there now, else what stood there already.

        Of that at least ``most`` bytes, if it has so many.

        Raises:
            NotTaken: neither is sure.
        """
        path = self._path + object_path(self._place.bucket, self._place.prefix + name)
        headers = {"content-type": kind, "content-md5": _md5(content), "if-none-match": "*"}
        answer, _ = await self._ask("PUT", path, headers, content, LONGEST)
        if answer.status_code != _EXISTS:
            expect_taken(answer.status_code, answer.headers)
            return None
        answer, kept = await self._ask("GET", path, {"accept-encoding": "identity"}, b"", most)
        if answer.status_code == 404:
            raise NotTaken("an object came and went")
        expect_taken(answer.status_code, answer.headers)
        return kept

    async def close(self) -> None:
        await self._client.aclose()

    async def _ask(
        self, method: str, path: str, headers: dict[str, str], content: bytes, most: int
    ) -> tuple[httpx.Response, bytes]:
        named = {"host": self._host, **headers}
        signed = sign(self._place.key, method, path, headers=named, content=content, now=datetime.now(UTC))
        try:
            async with (
                asyncio.timeout(self._place.timeout_s),
                self._client.stream(method, self._origin + path, headers=signed, content=content) as answer,
            ):
                return answer, await beginning(answer, most)
        except TimeoutError:
            raise NotTaken("it does not answer in time") from None
        except httpx.HTTPError as error:
            raise NotTaken(type(error).__name__) from None


def _md5(content: bytes) -> str:
    """What a bucket that locks its objects wants beside the signature; nothing of ours rests on it."""
    return base64.b64encode(hashlib.md5(content, usedforsecurity=False).digest()).decode()
