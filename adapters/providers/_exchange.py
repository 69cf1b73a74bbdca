"""What of an HTTP exchange is the same for every vendor that answers in JSON or server-sent events?

Not what the bytes say, only how an answer's head is judged, how its bytes are parsed, and in which errors that ends.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping
from typing import Final, Never, Protocol

import orjson

from adapters.providers._shape import Misshapen, Object, as_object
from gateway.domain.errors import UpstreamError, UpstreamFailed, UpstreamGarbled
from gateway.domain.jsonvalue import JsonValue
from gateway.domain.ports import UpstreamResponse
from gateway.domain.value import value

_MAX_REPLY: Final = 64 * 1024 * 1024
_MAX_REFUSAL: Final = 64 * 1024
# How long to wait, after the last event, for the end of the body that lets the connection be used again.
_GRACE_SECONDS: Final = 0.05


class _ReadRefusal(Protocol):
    def __call__(self, status: int, headers: Mapping[str, str], body: bytes, /, *, target: str) -> UpstreamError: ...


@value
class Wire:
    """One vendor's protocol, seen from outside.

    ``spoken_by`` says in messages which servers speak it, ``refusal`` which error a status other than 200 is.
    """

    spoken_by: str
    refusal: _ReadRefusal

    async def expect_success(self, response: UpstreamResponse, target: str) -> None:
        """Raise the refusal, if the response is one."""
        if response.status != 200:
            await self._refuse(response, target)
        if response.headers.get("content-encoding", "identity").lower() != "identity":
            raise self.garbled(target, Misshapen("it is compressed, though that was declined"))

    async def _refuse(self, response: UpstreamResponse, target: str) -> Never:
        try:
            body = await response.read(_MAX_REFUSAL)
        except UpstreamError:
            # The status is enough to tell what happened.
            body = b""
        raise self.refusal(response.status, response.headers, body, target=target)

    async def fetch(self, response: UpstreamResponse, target: str) -> bytes:
        """The whole body of a successful answer; raises ``UpstreamError`` for any other."""
        if response.status != 200 or "content-encoding" in response.headers:
            await self.expect_success(response, target)
        return await response.read(_MAX_REPLY)

    def expect_events(self, response: UpstreamResponse, target: str) -> None:
        """Raise unless server-sent events follow."""
        if not response.headers.get("content-type", "").lower().startswith("text/event-stream"):
            raise self.garbled(target, Misshapen("it is no stream of server-sent events"))

    def garbled(self, target: str, why: Misshapen) -> UpstreamGarbled:
        """The answer is not this protocol's."""
        return UpstreamGarbled(
            f"Target {target}: the answer is not the protocol's: {why}. "
            f"Check that the target's base_url is {self.spoken_by}.",
            target=target,
        )


def parse(raw: bytes) -> Object:
    """The JSON object, which is what every answer and every event is.

    Raises:
        Misshapen: it is none.
    """
    try:
        value: JsonValue = orjson.loads(raw)
    except orjson.JSONDecodeError:
        # Without a cause: the decoder's error carries the text that it read.
        raise Misshapen("it is not JSON") from None
    return value if isinstance(value, dict) else as_object(value, "it")


async def drain(chunks: AsyncIterator[bytes]) -> None:
    """Wait a moment for the end of a body whose last event has come."""
    try:
        async with asyncio.timeout(_GRACE_SECONDS):
            await anext(chunks, None)
    except (TimeoutError, UpstreamError):
        # The answer is complete; all that is lost is the connection.
        pass


def failed(target: str) -> UpstreamFailed:
    """A whole answer that is an error, though its status says otherwise."""
    return UpstreamFailed(
        f"Target {target}: the upstream answered with an error of its own. Look at the upstream's log.", target=target
    )
