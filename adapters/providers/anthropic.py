"""How is a model reached that speaks Anthropic's Messages API?

The only file of this protocol that does I/O. Nothing of the client's request head travels on: the headers here are the
target's and the gateway's own.
"""

from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Final

from adapters.providers._anthropic_body import TAKES, body_of, serialise_body, serialise_count
from adapters.providers._anthropic_errors import read_refusal
from adapters.providers._anthropic_read import read_reply, reports_error
from adapters.providers._anthropic_stream import MessageReader
from adapters.providers._exchange import Wire, drain, failed, parse
from adapters.providers._shape import Misshapen, count_at
from adapters.providers._sse import Event, SseDecoder
from adapters.providers._stops import stops_of
from adapters.providers._way import as_bearer, common_headers, make_headers, own_headers
from gateway.domain.errors import UpstreamError
from gateway.domain.exchange import Reply, StreamEvent
from gateway.domain.ports import Call, Counter, Provider, UpstreamClient, UpstreamResponse
from gateway.domain.request import Options
from gateway.domain.target import Endpoint, Layout, Target

__all__ = ["ENDPOINTS", "SETTINGS", "TAKES", "create", "create_counter", "refuse_unsayable"]

ENDPOINTS: Final = frozenset({Endpoint.MESSAGES})
# Keys of the configuration that mean something here.
SETTINGS: Final = frozenset({"auth", "api_version"})
# The version whose shapes the files beside this one know; a target may name another.
_VERSION: Final = "2023-06-01"
_WIRE: Final = Wire(spoken_by="a server of Anthropic's Messages API", refusal=read_refusal)


def create(client: UpstreamClient) -> Provider:
    """A provider that sends over ``client``; the target's base URL and key say where to."""
    return AnthropicProvider(client)


def create_counter(client: UpstreamClient) -> Counter:
    """What counts the tokens of a prompt over ``client``, by the vendor's own route for that."""
    return AnthropicCounter(client)


def refuse_unsayable(target: Target, layout: Layout, options: Options) -> None:
    """Refuse a request that cannot be said, before anything is sent: another target may still take it.

    Raises:
        RequestError: names the field.
    """
    body_of(target, layout, options)


class AnthropicProvider:
    """``Provider`` for the Messages API; the target says where."""

    def __init__(self, client: UpstreamClient) -> None:
        self._client = client

    def serialise(self, call: Call) -> bytes:
        """The exact upstream body."""
        return serialise_body(call)

    async def send(self, call: Call) -> Reply:
        """Make the call and read the whole answer."""
        target = call.target
        async with _post(self._client, call, serialise_body(call)) as response:
            raw = await _WIRE.fetch(response, target.id)
        try:
            answer = parse(raw)
            if reports_error(answer):
                raise failed(target.id)
            return read_reply(answer, stops=stops_of(call))
        except Misshapen as exc:
            raise _WIRE.garbled(target.id, exc) from exc

    async def stream(self, call: Call) -> AsyncGenerator[Sequence[StreamEvent]]:
        """Make the call and yield events as they arrive, those of one read together."""
        target = call.target
        decoder = SseDecoder(target=target.id)
        reader = MessageReader(target=target.id, stops=stops_of(call))
        async with _post(self._client, call, serialise_body(call), accept="text/event-stream") as response:
            await _WIRE.expect_success(response, target.id)
            _WIRE.expect_events(response, target.id)
            chunks = response.chunks()
            async for chunk in chunks:
                together: list[StreamEvent] = []
                try:
                    _read_events(decoder.feed(chunk), reader, target.id, together)
                except UpstreamError:
                    # What came before it is an answer all the same.
                    if together:
                        yield together
                    raise
                if together:
                    yield together
                if reader.done:
                    await drain(chunks)
                    return
        raise reader.broken_off()


class AnthropicCounter:
    """``Counter`` for the Messages API.

    Source: Anthropic's API reference, "Count tokens in a Message".
    """

    def __init__(self, client: UpstreamClient) -> None:
        self._client = client

    async def count(self, call: Call) -> int:
        """The number of tokens of the prompt, as it would be sent."""
        target = call.target
        async with _post(self._client, call, serialise_count(call), below="/count_tokens") as response:
            raw = await _WIRE.fetch(response, target.id)
        try:
            return count_at(parse(raw), "input_tokens")
        except Misshapen as exc:
            raise _WIRE.garbled(target.id, exc) from exc


def _post(
    client: UpstreamClient, call: Call, body: bytes, *, below: str = "", accept: str = "application/json"
) -> AbstractAsyncContextManager[UpstreamResponse]:
    """Make a call of the layout's route, or of one ``below`` it."""
    target = call.target
    return client.request(
        "POST",
        f"{target.base_url}/{call.layout.endpoint}{below}",
        target=target.id,
        headers=_headers(target, accept, call),
        body=body,
        timeouts=target.timeouts,
        socket=target.socket,
        addresses=target.addresses,
        tls=target.tls,
    )


def _headers(target: Target, accept: str, call: Call) -> dict[str, str]:
    own = {"anthropic-version": target.api_version or _VERSION}
    common = {**own, **common_headers(accept)}
    return make_headers(common, _credential(target), own_headers(target), call.id, call.trace)


def _credential(target: Target) -> Mapping[str, str]:
    if target.api_key is None or target.auth == "bearer":
        return as_bearer(target)
    return {"x-api-key": target.api_key.reveal()}


def _read_events(events: Sequence[Event], reader: MessageReader, target: str, together: list[StreamEvent]) -> None:
    """Read into ``together`` what ``events`` say, until the reader is done."""
    for data, name in events:
        try:
            told = parse(data)
            if name == b"error":
                raise reader.failed(told)
            together += reader.feed(told)
        except Misshapen as exc:
            raise _WIRE.garbled(target, exc) from exc
        if reader.done:
            return
