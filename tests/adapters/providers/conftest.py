"""An upstream that plays back what was recorded, and calls to send to it."""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

import orjson
import pytest

from gateway.domain.address import PUBLIC_ONLY, Addresses
from gateway.domain.errors import UpstreamError, UpstreamGarbled
from gateway.domain.isolation import Isolation
from gateway.domain.jsonvalue import JsonObject, JsonValue
from gateway.domain.ports import Call
from gateway.domain.request import Options
from gateway.domain.target import Endpoint, Layout, Secret, Target, Timeouts, Tls

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator


@dataclass(kw_only=True)
class Sent:
    method: str
    url: str
    target: str
    headers: dict[str, str]
    body: JsonValue
    socket: str | None
    addresses: Addresses
    timeouts: Timeouts


@dataclass(kw_only=True)
class Playback:
    """An ``UpstreamClient`` that answers each request with the same recording."""

    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    parts: Sequence[bytes] = ()
    breaks: UpstreamError | None = None
    sent: list[Sent] = field(default_factory=list[Sent])
    closed: int = 0

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
    ) -> "AsyncGenerator[Playback]":
        assert tls is None
        parsed: JsonValue = orjson.loads(body)
        self.sent.append(
            Sent(
                method=method,
                url=url,
                target=target,
                headers=dict(headers),
                body=parsed,
                socket=socket,
                addresses=addresses,
                timeouts=timeouts,
            )
        )
        try:
            yield self
        finally:
            self.closed += 1

    async def close(self) -> None:
        pass

    async def chunks(self) -> AsyncIterator[bytes]:
        for part in self.parts:
            yield part
        if self.breaks is not None:
            raise self.breaks

    async def read(self, limit: int) -> bytes:
        body = b"".join([part async for part in self.chunks()])
        if len(body) > limit:
            raise UpstreamGarbled("too long", target="t")
        return body


PlayBack: TypeAlias = Callable[..., Playback]
MakeCall: TypeAlias = Callable[..., Call]


@pytest.fixture
def play_back() -> PlayBack:
    def make(
        *parts: bytes | JsonObject,
        status: int = 200,
        headers: Mapping[str, str] | None = None,
        breaks: UpstreamError | None = None,
    ) -> Playback:
        body = [part if isinstance(part, bytes) else orjson.dumps(part) for part in parts]
        head = {"content-type": "text/event-stream"} if headers is None else headers
        return Playback(status=status, headers=head, parts=body, breaks=breaks)

    return make


@pytest.fixture
def make_call() -> MakeCall:
    def make(
        *,
        body: JsonObject | None = None,
        values: JsonObject | None = None,
        extra: JsonObject | None = None,
        stream: bool = False,
        endpoint: Endpoint = Endpoint.CHAT,
        extra_params: frozenset[str] = frozenset(),
        headers: Mapping[str, str] | None = None,
        api_key: str | None = "sk-upstream",
        socket: str | None = "/run/model.sock",
    ) -> Call:
        messages: JsonObject = {"messages": [{"role": "user", "content": "hello"}]}
        return Call(
            id="req-1",
            target=Target(
                id="primary",
                provider="openai_compatible",
                base_url="http://model.test/v1",
                model="upstream-name",
                format="plain",
                family="all",
                api_key=None if api_key is None else Secret(api_key),
                socket=socket,
                addresses=Addresses(networks=("10.20.0.0/16",)),
                extra_params=extra_params,
                headers=headers or {},
            ),
            layout=Layout(
                format="plain", endpoint=endpoint, body=messages if body is None else body, isolation=Isolation.NONE
            ),
            options=Options(stream=stream, values=values or {}, extra=extra or {}),
        )

    return make
