"""How does an upstream behave that has every fault there is?

A scripted OpenAI-compatible server, in a process of its own: a request's text names how it is to be answered, see
``faults.py``. It writes down every call that it sees, and whether the caller left, for whoever compares notes later.
"""

import argparse
import asyncio
import json
import re
import socket
import struct
import sys
from asyncio import StreamReader, StreamWriter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal, TextIO

from benchmarks.listening import Listening, run
from benchmarks.soaking.faults import CALL, MARK, OK, SLOW

_EMBEDS: Final = re.compile(rb"\APOST [^ ]*/embeddings ")
_LENGTH: Final = re.compile(rb"\r\ncontent-length:[ \t]*([0-9]+)", re.IGNORECASE)
_REQUEST: Final = re.compile(rb"\r\nx-request-id:[ \t]*([0-9A-Za-z-]+)", re.IGNORECASE)
_STREAM: Final = re.compile(rb'"stream": ?true')
_PIECES: Final = 10
# Longer than any limit of those who wait for it.
_FOREVER_S: Final = 3600.0
_SLOW_S: Final = 0.1
_DRIP_S: Final = 0.1
# How often it is looked whether the caller is still there.
_LOOK_S: Final = 0.02
_LINGER_NOT: Final = struct.pack("ii", 1, 0)
_IDENTITY: Final = {"id": "chatcmpl-soak", "created": 1_760_000_000, "model": "soak"}
_USAGE: Final = {"prompt_tokens": 20, "completion_tokens": _PIECES, "total_tokens": 20 + _PIECES}
_PAGE: Final = b"<html><body>nothing to see</body></html>"
_ERROR: Final = b'{"error": {"message": "no", "type": "server_error", "param": null, "code": null}}'


class Log:
    """What was seen, a line each: ``call`` or ``left``, the gateway's id of the request, its number, the play."""

    def __init__(self, sink: TextIO | None) -> None:
        self._sink = sink

    def tell(self, what: Literal["call", "left"], request: str, number: str, play: str) -> None:
        """Write a line at once: others read while this goes on."""
        if self._sink is not None:
            self._sink.write(f"{what}\t{request}\t{number}\t{play}\n")
            self._sink.flush()


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchange:
    """One call, and the means to answer it."""

    writer: StreamWriter
    number: str
    stream: bool
    embeds: bool

    async def send(self, raw: bytes) -> None:
        """Send bytes as they are."""
        if self.writer.transport.is_closing():
            raise ConnectionResetError  # uvloop has another error for it
        self.writer.write(raw)
        await self.writer.drain()

    async def answer(self, body: bytes, status: str = "200 OK", kind: str = "application/json", more: str = "") -> None:
        """Answer whole."""
        head = f"HTTP/1.1 {status}\r\ncontent-type: {kind}\r\ncontent-length: {len(body)}\r\n{more}\r\n"
        await self.send(head.encode() + body)

    async def begin(self) -> None:
        """Begin to answer in chunks: events, or an answer that comes whole in the end."""
        kind = "text/event-stream" if self.stream else "application/json"
        await self.send(f"HTTP/1.1 200 OK\r\ncontent-type: {kind}\r\ntransfer-encoding: chunked\r\n\r\n".encode())

    async def chunk(self, raw: bytes) -> None:
        """One chunk of an answer that has begun; an empty one ends it."""
        await self.send(b"%x\r\n%b\r\n" % (len(raw), raw))

    async def say(self, pieces: int = 1, pause_s: float = 0.0) -> None:
        """Some of the answer's text."""
        for _ in range(pieces):
            await self.chunk(self.piece({"content": f"echo-{self.number} "}))
            if pause_s:
                await asyncio.sleep(pause_s)

    def piece(self, delta: object, finish: str | None = None) -> bytes:
        """One event of a stream."""
        choice = {"index": 0, "delta": delta, "finish_reason": finish}
        return _event({**_IDENTITY, "object": "chat.completion.chunk", "choices": [choice]})

    def whole(self, *, call: bool = False) -> bytes:
        """A whole answer's body."""
        if self.embeds:
            vector = {"object": "embedding", "index": 0, "embedding": [0.5, -1.0] * _PIECES * 2}
            return json.dumps({"object": "list", "data": [vector], "model": "soak", "usage": _USAGE}).encode()
        message: dict[str, object] = {"role": "assistant", "content": f"echo-{self.number} " * _PIECES}
        if call:
            message = {"role": "assistant", "content": None, "tool_calls": [{**self.call(), "type": "function"}]}
        choice = {"index": 0, "message": message, "finish_reason": "tool_calls" if call else "stop"}
        return json.dumps({**_IDENTITY, "object": "chat.completion", "choices": [choice], "usage": _USAGE}).encode()

    def call(self) -> dict[str, object]:
        """A call of the tool ``look_up``."""
        arguments = json.dumps({"what": f"echo-{self.number}"})
        return {"id": f"call_{self.number}", "function": {"name": "look_up", "arguments": arguments}}

    async def end(self, finish: str = "stop") -> None:
        """The last events of a stream."""
        usage: dict[str, object] = {**_IDENTITY, "object": "chat.completion.chunk", "choices": [], "usage": _USAGE}
        await self.chunk(self.piece({}, finish) + _event(usage) + b"data: [DONE]\n\n")
        await self.chunk(b"")

    def reset(self) -> None:
        """Have the kernel send a reset."""
        _socket_of(self.writer).setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_NOT)
        self.writer.transport.abort()


def _event(told: object) -> bytes:
    return b"data: " + json.dumps(told, separators=(",", ":")).encode() + b"\n\n"


def _socket_of(writer: StreamWriter) -> socket.socket:
    return writer.get_extra_info("socket")


async def _ok(to: Exchange) -> None:
    if not to.stream:
        await to.answer(to.whole())
        return
    await to.begin()
    await to.say(_PIECES)
    await to.end()


async def _call(to: Exchange) -> None:
    if not to.stream:
        await to.answer(to.whole(call=True))
        return
    await to.begin()
    await to.chunk(to.piece({"role": "assistant", "tool_calls": [{"index": 0, "type": "function", **to.call()}]}))
    await to.end("tool_calls")


async def _slow(to: Exchange) -> None:
    await to.begin()
    if to.stream:
        await to.say(_PIECES * 2, _SLOW_S)
        await to.end()
    else:
        await asyncio.sleep(_PIECES * 2 * _SLOW_S)
        await to.chunk(to.whole())
        await to.chunk(b"")


async def _half(to: Exchange) -> None:
    """Half an answer."""
    await to.begin()
    if to.stream:
        await to.say(2)
        # What comes next is not to be the same read: an answer that has begun is told differently.
        await asyncio.sleep(_SLOW_S / 2)
    else:
        await to.chunk(to.whole()[:80])


async def _reset(to: Exchange) -> None:
    to.reset()


async def _close(to: Exchange) -> None:
    to.writer.close()


async def _reset_midway(to: Exchange) -> None:
    await _half(to)
    to.reset()


async def _cut(to: Exchange) -> None:
    await _half(to)
    await to.chunk(b"")


async def _hang(_: Exchange) -> None:
    await asyncio.sleep(_FOREVER_S)


async def _hang_midway(to: Exchange) -> None:
    await _half(to)
    await asyncio.sleep(_FOREVER_S)


async def _not_http(to: Exchange) -> None:
    await to.send(b"\x15\x03\x01\x00\x02\x02\x46 no HTTP at all\r\n\r\n")
    to.writer.close()


async def _not_json(to: Exchange) -> None:
    await to.answer(_PAGE, kind="text/html")


async def _wrong_shape(to: Exchange) -> None:
    await to.begin()
    wrong = {"choices": 17, "said": f"echo-{to.number}"}
    await to.chunk(_event(wrong) if to.stream else json.dumps(wrong).encode())
    await to.chunk(b"")


async def _garbage_midway(to: Exchange) -> None:
    await _half(to)
    await to.chunk(b'data: {"choices": [{]\n\n' if to.stream else b"\xff\xfe")
    await to.chunk(b"")


async def _drip(to: Exchange) -> None:
    await _half(to)
    while True:
        await to.chunk(b":" if to.stream else b" ")
        await asyncio.sleep(_DRIP_S)


async def _fails_midway(to: Exchange) -> None:
    if not to.stream:
        await to.answer(_ERROR)
        return
    await _half(to)
    await to.chunk(b"data: " + _ERROR + b"\n\n")
    await to.chunk(b"")


def _status(status: str, more: str = "", body: bytes = _ERROR, kind: str = "application/json") -> "Play":
    async def play(to: Exchange) -> None:
        await to.answer(body, status, kind, more)

    return play


Play = Callable[[Exchange], Awaitable[None]]
PLAYS: Final[dict[str, Play]] = {
    OK: _ok,
    CALL: _call,
    SLOW: _slow,
    "reset": _reset,
    "close": _close,
    "reset-midway": _reset_midway,
    "cut": _cut,
    "hang": _hang,
    "hang-midway": _hang_midway,
    "not-http": _not_http,
    "not-json": _not_json,
    "wrong-shape": _wrong_shape,
    "garbage-midway": _garbage_midway,
    "drip": _drip,
    "429-later": _status("429 Too Many Requests", "retry-after: 7\r\n"),
    "429": _status("429 Too Many Requests"),
    "500": _status("500 Internal Server Error"),
    "502": _status("502 Bad Gateway", body=_PAGE, kind="text/html"),
    "503": _status("503 Service Unavailable"),
    "fails-midway": _fails_midway,
}


class Upstream:
    """The server: requests of one connection come one after the other."""

    def __init__(self, log: Log) -> None:
        self._log = log

    async def serve(self, reader: StreamReader, writer: StreamWriter) -> None:
        """One connection, to its end."""
        try:
            while await self._one(reader, writer):
                pass
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            # The caller has left, or this server ends: in either case there is nobody to tell.
            return
        finally:
            writer.close()

    async def _one(self, reader: StreamReader, writer: StreamWriter) -> bool:
        """Answer one request; whether another may follow."""
        head = await reader.readuntil(b"\r\n\r\n")
        length, id_ = _LENGTH.search(head), _REQUEST.search(head)
        body = await reader.readexactly(int(length[1]) if length else 0)
        asked = MARK.search(body)
        request = id_[1].decode() if id_ else "-"
        number, play = (asked[1].decode(), asked[2].decode()) if asked else ("-", OK)
        self._log.tell("call", request, number, play)
        exchange = Exchange(
            writer=writer,
            number=number,
            stream=_STREAM.search(body) is not None,
            embeds=_EMBEDS.match(head) is not None,
        )
        if await _played(play, exchange, reader):
            return not writer.transport.is_closing()
        self._log.tell("left", request, number, play)
        return False


async def _played(play: str, exchange: Exchange, reader: StreamReader) -> bool:
    """Answer; False if the caller left before the end of it."""
    playing = asyncio.ensure_future(PLAYS[play](exchange))
    try:
        while not playing.done():
            await asyncio.wait((playing,), timeout=_LOOK_S)
            if not playing.done() and (reader.at_eof() or exchange.writer.transport.is_closing()):
                return False
        await playing
    except ConnectionError:
        return False
    finally:
        playing.cancel()
    return True


async def _serve(listening: Listening, log: Log) -> None:
    server = await asyncio.start_server(Upstream(log).serve, sock=listening.socket, limit=2**22)
    listening.say_ready()
    await server.serve_forever()


def _main() -> int:
    parser = argparse.ArgumentParser(add_help=False)
    parser.add_argument("--log", type=Path)
    given, sys.argv[1:] = parser.parse_known_args()
    if given.log is None:
        return run(lambda listening: _serve(listening, Log(None)))
    with given.log.open("a") as sink:
        return run(lambda listening: _serve(listening, Log(sink)))


if __name__ == "__main__":
    sys.exit(_main())
