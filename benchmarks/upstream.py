"""How fast can a model server be that does no work?

A scripted OpenAI-compatible server on a bare protocol: it finds the end of a request and the model's name, and answers
with bytes made before. The name says what: ``whole``, or ``stream-100-5`` for 100 tokens, one each 5 ms; ``call`` and
``call-100-5`` are the same with a tool's call in place of a text. ``end`` has all streams that are under way ended at
once, wherever they are.
"""

import asyncio
import re
import sys
import time
from dataclasses import dataclass
from typing import Final, cast

from benchmarks.answer import make_token
from benchmarks.listening import Listening, run
from benchmarks.payloads import stream_response, whole_response

_LENGTH: Final = re.compile(rb"\r\ncontent-length:[ \t]*([0-9]+)", re.IGNORECASE)
_MODEL: Final = re.compile(rb'"model": ?"(whole|stream(?=-)|call|end)(?:-([0-9]+)-([0-9]+))?"')
_REFUSAL: Final = b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"

_WHOLE: Final = {b"whole": whole_response(), b"call": whole_response(calls=True), b"end": whole_response()}
_STREAMS: Final = {b"stream": stream_response(), b"call": stream_response(calls=True)}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Stream:
    """What is written, and how many seconds apart."""

    pace: float
    before: bytes
    after: bytes


class ScriptedModel(asyncio.Protocol):
    """One connection, one of those ``streaming`` or not; requests come one after the other, never pipelined."""

    def __init__(self, streaming: set["ScriptedModel"]) -> None:
        self._loop = asyncio.get_running_loop()
        self._streaming = streaming
        self._ending = b""
        self._transport: asyncio.Transport | None = None
        self._buffer = bytearray()
        # Where the body begins and ends in the buffer, once the head is whole.
        self._body = (0, 0)
        self._next: asyncio.Handle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Remember where to answer."""
        # uvloop's transports do not derive from asyncio's.
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """Answer as soon as a request is whole."""
        self._buffer += data
        if not self._body[1] and not self._read_head():
            return
        start, end = self._body
        if len(self._buffer) >= end:
            request, self._buffer, self._body = self._buffer, bytearray(), (0, 0)
            self._answer(request, start)

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop streaming to nobody."""
        del exc
        self._stop()
        self._transport = None

    def end(self) -> None:
        """Bring the stream that is under way to its end."""
        self._stop()
        self._write(self._ending)

    def _read_head(self) -> bool:
        """Whether the head is whole, and says how long the body is."""
        end = self._buffer.find(b"\r\n\r\n")
        if end < 0:
            return False
        length = _LENGTH.search(self._buffer, 0, end)
        if length is None:
            self._refuse()
            return False
        self._body = (end + 4, end + 4 + int(length[1]))
        return True

    def _answer(self, request: bytearray, body_at: int) -> None:
        asked = _MODEL.search(request, body_at)
        if asked is None:
            self._refuse()
        elif asked[2] is None:
            if asked[1] == b"end":
                for one in tuple(self._streaming):
                    one.end()
            self._write(_WHOLE[asked[1]])
        else:
            opening, before, after, self._ending = _STREAMS[asked[1]]
            self._write(opening)
            self._streaming.add(self)
            stream = _Stream(pace=int(asked[3]) / 1000, before=before, after=after)
            self._next = self._loop.call_soon(self._token, stream, int(asked[2]), self._loop.time())

    def _token(self, stream: _Stream, left: int, due: float) -> None:
        if not left:
            self.end()
            return
        self._write(stream.before + make_token(time.monotonic_ns()) + stream.after)
        if left == 1 or not stream.pace:
            # Each token is a write of its own, so that it may also be a read of its own.
            self._next = self._loop.call_soon(self._token, stream, left - 1, due)
        else:
            # Counted from the start, so that late timers do not add up.
            due += stream.pace
            self._next = self._loop.call_at(due, self._token, stream, left - 1, due)

    def _stop(self) -> None:
        self._streaming.discard(self)
        if self._next is not None:
            self._next.cancel()

    def _write(self, data: bytes) -> None:
        if self._transport is not None:
            self._transport.write(data)

    def _refuse(self) -> None:
        self._write(_REFUSAL)
        if self._transport is not None:
            self._transport.close()


async def _serve(listening: Listening) -> None:
    streaming: set[ScriptedModel] = set()
    server = await asyncio.get_running_loop().create_server(lambda: ScriptedModel(streaming), sock=listening.socket)
    listening.say_ready()
    await server.serve_forever()


if __name__ == "__main__":
    sys.exit(run(_serve))
