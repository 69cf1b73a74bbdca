"""A scripted service for classifiers to ask, and subjects to ask about."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import orjson
import pytest

from gateway.detectors.external._call import External, Wire
from gateway.detectors.external.webhook import Webhook
from gateway.domain.address import PUBLIC_ONLY, Addresses
from gateway.domain.detection import Stage, Subject
from gateway.domain.errors import UpstreamGarbled
from gateway.domain.jsonvalue import JsonObject
from gateway.domain.target import Secret, Timeouts, Tls
from policies.engine.model import ExternalSettings

FINE = b'{"flagged": false, "score": 0}'


@dataclass
class _Answer:
    status: int
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict[str, str])

    async def chunks(self) -> AsyncIterator[bytes]:
        yield self.body

    async def read(self, limit: int) -> bytes:
        if len(self.body) > limit:
            raise UpstreamGarbled("too long", target="shield")
        return self.body


@dataclass
class Service:
    """A scripted ``UpstreamClient``: ``reply`` takes a call's body and gives the answer's, or raises."""

    reply: Callable[[JsonObject], bytes] = lambda _: FINE
    status: int = 200
    delay_s: float = 0.0
    urls: list[str] = field(default_factory=list[str])
    headers: list[Mapping[str, str]] = field(default_factory=list[Mapping[str, str]])
    bodies: list[JsonObject] = field(default_factory=list[JsonObject])
    addresses: Addresses | None = None
    at_once: int = 0
    most_at_once: int = 0

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
    ) -> AsyncGenerator[_Answer, None]:
        assert tls is None
        assert (method, target, socket) == ("POST", "shield", None)
        self.addresses = addresses
        assert timeouts.total <= 1.0
        self.urls.append(url)
        self.headers.append(headers)
        said: JsonObject = orjson.loads(body)
        self.bodies.append(said)
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            await asyncio.sleep(self.delay_s)
            yield _Answer(self.status, self.reply(said))
        finally:
            self.at_once -= 1

    async def close(self) -> None:
        """Nothing is open."""


@pytest.fixture
def service() -> Service:
    return Service()


@pytest.fixture
def classifier(service: Service) -> Callable[..., External]:
    def classifier(
        wire: Wire | None = None, *, url: str = "https://shield.test", max_chars: int = 20_000, timeout_ms: int = 1000
    ) -> External:
        settings = ExternalSettings(
            name="shield",
            kind="webhook",
            url=url,
            key=Secret("planted-key"),
            timeout_ms=timeout_ms,
            max_chars=max_chars,
        )
        return External(settings, wire or Webhook(), lambda: service)

    return classifier


@pytest.fixture
def subject() -> Callable[..., Subject]:
    def subject(text: str, stage: Stage = Stage.DATA) -> Subject:
        return Subject(stage=stage, where="mail", text=text, facts={"segment.origin": "email", "lists": ("a", "b")})

    return subject
