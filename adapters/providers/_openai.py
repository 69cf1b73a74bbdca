"""How is a call made to a server that speaks OpenAI's protocol?

The only file of this protocol that does I/O.
"""

from collections.abc import AsyncGenerator, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Final

from adapters.providers._errors import read_refusal
from adapters.providers._exchange import Wire, drain, failed, parse
from adapters.providers._openai_body import serialise_body
from adapters.providers._openai_read import read_reply, reports_error
from adapters.providers._openai_stream import ChunkReader
from adapters.providers._shape import Misshapen, Object
from adapters.providers._sse import Event, SseDecoder
from adapters.providers._stops import stops_of
from adapters.providers._way import Manner, Way, make_headers, way_to
from gateway.domain.errors import UpstreamError, UpstreamGarbled, UpstreamUnreachable
from gateway.domain.exchange import Reply, StreamEvent
from gateway.domain.ports import Call, UpstreamClient, UpstreamResponse
from gateway.domain.target import Target

_WIRE: Final = Wire(spoken_by="an OpenAI-compatible server", refusal=read_refusal)
_DONE: Final = b"[DONE]"
_OPENAI: Final = Manner()


class OpenAiProvider:
    """``Provider`` for one wire format; the target says where, and over which socket.

    With ``by_socket``, the name of the process that answers there, targets without a socket are refused, rather than
    sent to whatever listens at their base URL.
    """

    def __init__(self, client: UpstreamClient, *, manner: Manner = _OPENAI, by_socket: str | None = None) -> None:
        self._client = client
        self._manner = manner
        self._by_socket = by_socket
        # By a target's name and what is accepted: as many as the configuration has targets, twice.
        self._ways: dict[tuple[str, str], Way] = {}

    def serialise(self, call: Call) -> bytes:
        """The exact upstream body."""
        return serialise_body(call, self._manner.model(call.target))

    async def send(self, call: Call) -> Reply:
        """Make the call and read the whole answer."""
        target = call.target
        async with self.open(call, "application/json") as response:
            raw = await _WIRE.fetch(response, target.id)
        try:
            answer = read_object(raw, target.id)
            asked, stops = _asked(call)
            return read_reply(answer, call.layout.endpoint, asked=asked, stops=stops)
        except Misshapen as exc:
            raise _WIRE.garbled(target.id, exc) from exc

    async def stream(self, call: Call) -> AsyncGenerator[Sequence[StreamEvent]]:
        """Make the call and yield events as they arrive, those of one read together."""
        target = call.target
        decoder = SseDecoder(target=target.id)
        asked, stops = _asked(call)
        late = self._manner.late_endings
        reader = ChunkReader(
            target=target.id, endpoint=call.layout.endpoint, asked=asked, stops=stops, late_endings=late
        )
        async with self.open(call, "text/event-stream") as response:
            await _WIRE.expect_success(response, target.id)
            _WIRE.expect_events(response, target.id)
            chunks = response.chunks()
            async for chunk in chunks:
                together: list[StreamEvent] = []
                try:
                    done = _read_events(decoder.feed(chunk), reader, target.id, together)
                except UpstreamError:
                    # What came before it is an answer all the same.
                    if together:
                        yield together
                    raise
                if together:
                    yield together
                if done:
                    await drain(chunks)
                    return
        if late:
            raise reader.broken_off()
        # Some servers leave ``[DONE]`` out: without it every choice that was asked for must have come to its end.
        if last := reader.finish(choices=asked):
            yield last

    def open(self, call: Call, accept: str) -> AbstractAsyncContextManager[UpstreamResponse]:
        """Make the call, whatever its layout's route."""
        target, endpoint = call.target, call.layout.endpoint
        if self._by_socket is not None:
            require_socket(target, self._by_socket)
        way = self._ways.get((target.id, accept))
        if way is None or way.target is not target or way.endpoint is not endpoint:
            way = self._ways[target.id, accept] = way_to(target, endpoint, accept, self._manner)
        return self._client.request(
            "POST",
            way.url,
            target=target.id,
            headers=make_headers(way.common, self._manner.credential(target), way.own, call.id, call.trace),
            body=serialise_body(call, way.model),
            timeouts=target.timeouts,
            socket=target.socket,
            addresses=target.addresses,
            tls=target.tls,
        )


def require_socket(target: Target, whose: str) -> None:
    """Refuse a target of a process of ours where no socket leads to that.

    Raises:
        UpstreamUnreachable: so it is.
    """
    if target.socket is None:
        raise UpstreamUnreachable(
            f"Target {target.id}: {whose} has no socket. Start the gateway with `splitgate serve`.",
            target=target.id,
        )


async def fetch(response: UpstreamResponse, target: str) -> bytes:
    """The whole body of a successful answer; raises ``UpstreamError`` for any other."""
    return await _WIRE.fetch(response, target)


def read_object(raw: bytes, target: str) -> Object:
    """The object that an answer is.

    Raises:
        Misshapen: it is none.
        UpstreamFailed: it tells of an error, status 200 or not.
    """
    answer = parse(raw)
    if reports_error(answer):
        raise failed(target)
    return answer


def garbled(target: str, why: Misshapen) -> UpstreamGarbled:
    """The error for an answer that is not the protocol's."""
    return _WIRE.garbled(target, why)


def _asked(call: Call) -> tuple[int, Sequence[str]]:
    """How many choices the request asks for, and its stop sequences."""
    values = call.options.values
    count = values.get("n", 1)
    return count if isinstance(count, int) else 1, stops_of(call) if "stop" in values else ()


def _read_events(events: Sequence[Event], reader: ChunkReader, target: str, together: list[StreamEvent]) -> bool:
    """Read into ``together`` what ``events`` say; whether the stream is done."""
    for data, name in events:
        if data == _DONE:
            together += reader.finish()
            return True
        if name == b"error":
            raise reader.failed()
        try:
            told = parse(data)
            token = reader.token(told)
            if token is None:
                together += reader.feed(told)
            else:
                together.append(token)
        except Misshapen as exc:
            raise _WIRE.garbled(target, exc) from exc
    return False
