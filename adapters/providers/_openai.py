"""How is a call made to a server that speaks OpenAI's protocol?

The only file of this protocol that does I/O. Nothing of the client's request head travels on: the headers here are the
target's and the gateway's own.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import AbstractAsyncContextManager
from typing import Final

import orjson

from adapters.providers._errors import read_refusal
from adapters.providers._openai_body import serialise_body
from adapters.providers._openai_read import read_reply, reports_error
from adapters.providers._openai_stream import ChunkReader
from adapters.providers._shape import Misshapen, Object, as_object
from adapters.providers._sse import Event, SseDecoder
from gateway.domain.errors import UpstreamError, UpstreamFailed, UpstreamGarbled, UpstreamUnreachable
from gateway.domain.exchange import Reply, StreamEvent
from gateway.domain.jsonvalue import JsonValue
from gateway.domain.ports import Call, UpstreamClient, UpstreamResponse
from gateway.domain.target import Target

_MAX_REPLY: Final = 64 * 1024 * 1024
_MAX_REFUSAL: Final = 64 * 1024
_DONE: Final = b"[DONE]"
# How long to wait, after the last event, for the end of the body that lets the connection be used again.
_GRACE_SECONDS: Final = 0.05


class OpenAiProvider:
    """``Provider`` for one wire format; the target says where, and over which socket.

    ``needs_socket`` refuses targets without one, rather than send to whatever listens at their base URL.
    """

    def __init__(self, client: UpstreamClient, *, needs_socket: bool = False) -> None:
        self._client = client
        self._needs_socket = needs_socket

    def serialise(self, call: Call) -> bytes:
        """The exact upstream body."""
        return serialise_body(call)

    async def send(self, call: Call) -> Reply:
        """Make the call and read the whole answer."""
        target = call.target
        async with self.open(call, "application/json") as response:
            raw = await fetch(response, target.id)
        try:
            return read_reply(read_object(raw, target.id), call.layout.endpoint, asked=_asked(call))
        except Misshapen as exc:
            raise garbled(target.id, exc) from exc

    async def stream(self, call: Call) -> AsyncGenerator[StreamEvent]:
        """Make the call and yield events as they arrive."""
        target = call.target
        decoder = SseDecoder(target=target.id)
        asked = _asked(call)
        reader = ChunkReader(target=target.id, endpoint=call.layout.endpoint, asked=asked)
        async with self.open(call, "text/event-stream") as response:
            await _expect_success(response, target.id)
            _expect_events(response, target.id)
            chunks = response.chunks()
            async for chunk in chunks:
                for event in decoder.feed(chunk):
                    if event.data == _DONE:
                        for last in reader.finish():
                            yield last
                        await _drain(chunks)
                        return
                    for one in _read_event(event, reader, target.id):
                        yield one
        # Some servers leave ``[DONE]`` out: without it every choice that was asked for must have come to its end.
        for last in reader.finish(choices=asked):
            yield last

    def open(self, call: Call, accept: str) -> AbstractAsyncContextManager[UpstreamResponse]:
        """Make the call, whatever its layout's route."""
        target = call.target
        if self._needs_socket:
            require_socket(target)
        return self._client.request(
            "POST",
            f"{target.base_url}/{call.layout.endpoint}",
            target=target.id,
            headers=make_headers(target, accept, call.id, call.trace),
            body=serialise_body(call),
            timeouts=target.timeouts,
            socket=target.socket,
        )


def require_socket(target: Target) -> None:
    """Refuse a target of the embedded model's where no socket leads to that.

    Raises:
        UpstreamUnreachable: so it is.
    """
    if target.socket is None:
        raise UpstreamUnreachable(
            f"Target {target.id}: the embedded model has no socket. Start the gateway with `splitgate serve`.",
            target=target.id,
        )


async def fetch(response: UpstreamResponse, target: str) -> bytes:
    """The whole body of a successful answer; raises ``UpstreamError`` for any other."""
    await _expect_success(response, target)
    return await response.read(_MAX_REPLY)


def read_object(raw: bytes, target: str) -> Object:
    """The object that an answer is.

    Raises:
        Misshapen: it is none.
        UpstreamFailed: it tells of an error, status 200 or not.
    """
    answer = as_object(_parse(raw), "it")
    if reports_error(answer):
        raise _failed(target)
    return answer


def make_headers(target: Target, accept: str, request_id: str, trace: str | None = None) -> dict[str, str]:
    """The request's headers; those that the target's configuration sets win."""
    headers = {
        "content-type": "application/json",
        "accept": accept,
        "accept-encoding": "identity",
        "user-agent": "splitgate",
    }
    if target.api_key is not None:
        headers["authorization"] = f"Bearer {target.api_key.reveal()}"
    for name, value in target.headers.items():
        headers[name.lower()] = value
    headers["x-request-id"] = request_id
    if trace is not None:
        headers["traceparent"] = trace
    return headers


def _asked(call: Call) -> int:
    """How many choices the request asks for."""
    count = call.options.values.get("n")
    return count if isinstance(count, int) else 1


def _read_event(event: Event, reader: ChunkReader, target: str) -> list[StreamEvent]:
    if event.name == b"error":
        raise reader.failed()
    try:
        return reader.feed(_parse(event.data))
    except Misshapen as exc:
        raise garbled(target, exc) from exc


def _parse(raw: bytes) -> JsonValue:
    try:
        return orjson.loads(raw)
    except orjson.JSONDecodeError:
        # Without a cause: the decoder's error carries the text that it read.
        raise Misshapen("it is not JSON") from None


async def _expect_success(response: UpstreamResponse, target: str) -> None:
    if response.status == 200:
        if response.headers.get("content-encoding", "identity").lower() != "identity":
            raise garbled(target, Misshapen("it is compressed, though that was declined"))
        return
    try:
        body = await response.read(_MAX_REFUSAL)
    except UpstreamError:
        # The status is enough to tell what happened.
        body = b""
    raise read_refusal(response.status, response.headers, body, target=target)


def _expect_events(response: UpstreamResponse, target: str) -> None:
    if not response.headers.get("content-type", "").lower().startswith("text/event-stream"):
        raise garbled(target, Misshapen("it is no stream of server-sent events"))


async def _drain(chunks: AsyncIterator[bytes]) -> None:
    try:
        async with asyncio.timeout(_GRACE_SECONDS):
            await anext(chunks, None)
    except (TimeoutError, UpstreamError):
        # The answer is complete; all that is lost is the connection.
        pass


def _failed(target: str) -> UpstreamFailed:
    return UpstreamFailed(
        f"Target {target}: the upstream answered with an error of its own. Look at the upstream's log.", target=target
    )


def garbled(target: str, why: Misshapen) -> UpstreamGarbled:
    """The error for an answer that is not the protocol's."""
    return UpstreamGarbled(
        f"Target {target}: the answer is not the protocol's: {why}. "
        "Check that the target's base_url is an OpenAI-compatible server.",
        target=target,
    )
