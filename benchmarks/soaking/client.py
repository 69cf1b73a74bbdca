"""How are requests sent at a steady rate, whatever becomes of them?

An open loop: requests are due at random times around a rate and are sent whether others are answered or not, as in the
world. Connections are kept and used again; a client that leaves closes its own.
"""

import asyncio
import random
import re
import time
from asyncio import StreamReader, StreamWriter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from benchmarks.soaking.mix import PATHS, Ask, body_of
from benchmarks.soaking.reading import Got, code_in, is_foreign, is_whole

# Longer than every limit of the gateway's: who waits for longer waits for nothing.
PATIENCE_S: Final = 60.0
# More than these are not sent: the gateway would be measured by its queue.
MOST_AT_ONCE: Final = 256
# The longest that a client stays who leaves.
_STAYS_S: Final = 0.5
_REQUEST: Final = re.compile(rb"\r\nx-request-id: ?([0-9a-f]+)", re.IGNORECASE)
_LENGTH: Final = re.compile(rb"\r\ncontent-length: ?([0-9]+)", re.IGNORECASE)
_CLOSES: Final = re.compile(rb"\r\nconnection: ?close", re.IGNORECASE)


class Broken(Exception):
    """The connection ended, or what came was no HTTP."""


@dataclass(slots=True)
class Arrived:
    """An answer as far as it has come."""

    status: int = 0
    request: str = ""
    body: bytearray = field(default_factory=bytearray)
    first_s: float | None = None
    keeps: bool = True


class Client:
    """Sends to one port; what came of each request goes to ``told``."""

    def __init__(self, port: int, key: str, told: Callable[[Got], None]) -> None:
        self._port = port
        self._key = key
        self._told = told
        self._idle: list[tuple[StreamReader, StreamWriter]] = []
        self._began = time.monotonic()
        self.skipped = 0

    async def flood(self, draw: Callable[[], Ask], workers: int, seconds: float) -> float:
        """As many requests as so many at a time come to: how many a second."""
        end, done = time.monotonic() + seconds, 0

        async def work() -> None:
            nonlocal done
            while time.monotonic() < end:
                await self.send(draw())
                done += 1

        began = time.monotonic()
        await asyncio.gather(*(work() for _ in range(workers)))
        return done / (time.monotonic() - began)

    async def steady(self, draw: Callable[[], Ask], rate: float, seconds: float, chance: random.Random) -> None:
        """Requests at ``rate`` a second, the times between them as they fall."""
        due = time.monotonic()
        end = due + seconds
        under_way = set[asyncio.Task[None]]()
        while (due := due + chance.expovariate(rate)) < end:
            await asyncio.sleep(max(0.0, due - time.monotonic()))
            if len(under_way) >= MOST_AT_ONCE:
                self.skipped += 1
                continue
            task = asyncio.ensure_future(self.send(draw()))
            under_way.add(task)
            task.add_done_callback(under_way.discard)
        await asyncio.gather(*under_way)

    async def send(self, ask: Ask) -> None:
        """Send a request and tell what came of it."""
        began, arrived, why = time.monotonic(), Arrived(), None
        try:
            async with asyncio.timeout(PATIENCE_S):
                await self._exchange(ask, arrived)
        except TimeoutError:
            why = "no end of the answer in time"
        except (Broken, OSError, asyncio.IncompleteReadError, ValueError) as error:
            why = type(error).__name__
        body = bytes(arrived.body)
        now = time.monotonic()
        self._told(
            Got(
                ask=ask,
                request=arrived.request,
                status=arrived.status,
                code=code_in(body),
                whole=why is None and is_whole(ask, arrived.status, body),
                foreign=is_foreign(ask, body),
                at_s=began - self._began,
                took_ms=(now - began) * 1000,
                first_ms=None if arrived.first_s is None else (arrived.first_s - began) * 1000,
                why=why,
            )
        )

    def close(self) -> None:
        """Close what is kept."""
        while self._idle:
            self._idle.pop()[1].close()

    async def _exchange(self, ask: Ask, arrived: Arrived) -> None:
        reader, writer = await self._connection()
        try:
            writer.write(self._bytes(ask))
            await writer.drain()
            if ask.leaves:
                await self._leave(ask, reader, arrived)
                arrived.keeps = False
            else:
                await _read(reader, arrived)
        except BaseException:
            arrived.keeps = False
            raise
        finally:
            if arrived.keeps:
                self._idle.append((reader, writer))
            else:
                writer.transport.abort()

    async def _connection(self) -> tuple[StreamReader, StreamWriter]:
        while self._idle:
            reader, writer = self._idle.pop()
            if not reader.at_eof() and not writer.transport.is_closing():
                return reader, writer
            writer.close()
        return await asyncio.open_connection("127.0.0.1", self._port)

    def _bytes(self, ask: Ask) -> bytes:
        body = body_of(ask)
        key = "nobodys" if ask.nobodys else self._key
        head = (
            f"POST {PATHS[ask.dialect]} HTTP/1.1\r\nhost: 127.0.0.1\r\nauthorization: Bearer {key}\r\n"
            f"traceparent: 00-{ask.trace}-{ask.number}-01\r\n"
            f"content-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
        )
        return head.encode() + body

    async def _leave(self, ask: Ask, reader: StreamReader, arrived: Arrived) -> None:
        """Read some of a stream, or wait a moment for a whole answer, and be gone."""
        if ask.stream:
            await _read_head(reader, arrived)
            arrived.body += await reader.read(4096)
        else:
            await asyncio.sleep(int(ask.number, 16) % 1000 / 1000 * _STAYS_S)
            # Nobody is told anything.
            arrived.status = 200


async def _read(reader: StreamReader, arrived: Arrived) -> None:
    head = await _read_head(reader, arrived)
    length = _LENGTH.search(head)
    if length is not None:
        arrived.body += await reader.readexactly(int(length[1]))
        return
    while True:
        size = int(await reader.readuntil(b"\r\n"), 16)
        arrived.body += (await reader.readexactly(size + 2))[:-2]
        if not size:
            return


async def _read_head(reader: StreamReader, arrived: Arrived) -> bytes:
    head = await reader.readuntil(b"\r\n\r\n")
    if not head.startswith(b"HTTP/1.1 "):
        raise Broken
    arrived.first_s = time.monotonic()
    arrived.status = int(head[9:12])
    arrived.keeps = _CLOSES.search(head) is None
    request = _REQUEST.search(head)
    arrived.request = request[1].decode() if request else ""
    return head
