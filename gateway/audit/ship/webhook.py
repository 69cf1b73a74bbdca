"""How are records posted to somebody's HTTP endpoint?

A batch is one request, its body the lines as they stand in the journal. Any 2xx acknowledges all of it.
"""

import asyncio
from collections.abc import Mapping
from collections.abc import Set as AbstractSet

import httpx

from gateway.audit.places import event_of
from gateway.audit.ship.answered import beginning, expect_taken
from gateway.audit.ship.batch import Batch
from gateway.audit.ship.cursor import Cursor
from gateway.audit.ship.failure import NotTaken
from gateway.audit.ship.source import Seen
from gateway.domain.target import Secret


class WebhookSink:
    """Posts to ``url``; each request may take ``timeout_s`` seconds. ``secret`` is sent as a bearer token."""

    def __init__(self, url: str, secret: Secret | None, timeout_s: float) -> None:
        self._url = url
        self._secret = secret
        self._timeout_s = timeout_s
        # Neither proxies nor trust of the environment's: where records go is said in the configuration alone.
        self._client = httpx.AsyncClient(trust_env=False, follow_redirects=False, timeout=timeout_s)

    async def deliver(self, batch: Batch) -> None:
        try:
            async with (
                asyncio.timeout(self._timeout_s),
                self._client.stream("POST", self._url, content=batch.content, headers=self._headers(batch)) as answer,
            ):
                await beginning(answer)
        except TimeoutError:
            raise NotTaken("it does not answer in time") from None
        except httpx.HTTPError as error:
            raise NotTaken(type(error).__name__) from None
        expect_taken(answer.status_code, answer.headers)

    async def accompany(self, seen: Seen, cursor: Cursor, disputed: AbstractSet[str]) -> bool:
        del seen, cursor, disputed
        return False

    async def close(self) -> None:
        await self._client.aclose()

    def _headers(self, batch: Batch) -> Mapping[str, str]:
        headers = {
            "content-type": "application/x-ndjson",
            "x-splitgate-epoch": batch.epoch,
            "x-splitgate-first": str(batch.first),
            "x-splitgate-count": str(batch.count),
            # With the count: a batch that begins alike and is longer is another one.
            "idempotency-key": f"{event_of(batch.epoch, batch.first)}+{batch.count}",
        }
        if self._secret is not None:
            headers["authorization"] = f"Bearer {self._secret.reveal()}"
        return headers
