"""What does a client see of a server under a steady load?

A closed loop: each connection sends its next request when the last one is answered, and every answer is read to its
end and checked. Nothing is counted before the window opens or after it has closed, but for the first tokens of streams
that all stand open at once: those come while the streams are opened.
"""

import asyncio
import gc
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from itertools import cycle
from typing import Final, cast

from benchmarks.answer import Answer, BadAnswer
from benchmarks.figures import Measured
from benchmarks.payloads import ENDING_REQUEST
from benchmarks.processes import CannotMeasure, Use

_DRAIN_S: Final = 10.0
_PATIENCE_S: Final = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """What to send where: ``requests`` in turn, and what each answer must be; times in seconds.

    With ``ended_at``, the upstream's port, answers are streams, and the upstream is asked to end them early when the
    window has closed. Those that are ``standing`` all stand open: they are opened over the warm-up.
    """

    port: int
    requests: Sequence[bytes]
    connections: int
    tokens: int
    warmup: float
    seconds: float
    max_answers: int
    status: int = 200
    ended_at: int = 0
    standing: bool = False


@dataclass(slots=True)
class _Samples:
    """All that the connections of one run share."""

    load: Load
    requests: "cycle[bytes]"
    full: asyncio.Event = field(default_factory=asyncio.Event)
    # Set with the first answer, or a stream's first token.
    first: asyncio.Event = field(default_factory=asyncio.Event)
    counting: bool = False
    stopping: bool = False
    failure: str | None = None
    answers: int = 0
    tokens: int = 0
    latencies: list[int] = field(default_factory=list[int])
    first_tokens: list[int] = field(default_factory=list[int])
    delays: list[int] = field(default_factory=list[int])

    def fail(self, why: str) -> None:
        self.failure = self.failure or why
        self.stopping = True
        self.full.set()
        self.first.set()


class _Connection(asyncio.Protocol):
    def __init__(self, samples: _Samples) -> None:
        self.closed = asyncio.get_running_loop().create_future()
        self._samples = samples
        self._transport: asyncio.Transport | None = None
        self._answer = Answer()
        self._sent_ns = 0
        self._tokens = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports do not derive from asyncio's.
        self._transport = cast("asyncio.Transport", transport)
        self._send(self._transport)

    def data_received(self, data: bytes) -> None:
        now = time.monotonic_ns()
        try:
            stamps = self._answer.feed(data)
        except BadAnswer as exc:
            self._give_up(f"an answer is not HTTP: {exc}")
            return
        if stamps:
            self._note_tokens(stamps, now)
        if self._answer.complete:
            self._finish(now)

    def connection_lost(self, exc: Exception | None) -> None:
        del exc
        if not self._samples.stopping:
            self._samples.fail("the server closed a connection in the middle of the run")
        self._transport = None
        if not self.closed.done():
            self.closed.set_result(None)

    def abort(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    def _send(self, transport: asyncio.Transport) -> None:
        self._answer = Answer()
        self._tokens = 0
        self._sent_ns = time.monotonic_ns()
        transport.write(next(self._samples.requests))

    def _note_tokens(self, stamps: list[int], now: int) -> None:
        samples = self._samples
        streams = samples.load.tokens > 1
        if streams and not self._tokens and (samples.counting or samples.load.standing):
            samples.first_tokens.append(now - self._sent_ns)
        if samples.counting:
            samples.tokens += len(stamps)
            if streams:
                samples.first.set()
                samples.delays.extend([now - stamp for stamp in stamps])
        self._tokens += len(stamps)

    def _finish(self, now: int) -> None:
        samples = self._samples
        ended = samples.stopping and samples.load.ended_at
        if self._answer.status != samples.load.status or (self._tokens != samples.load.tokens and not ended):
            said = self._answer.body[:300].decode(errors="replace")
            self._give_up(f"status {self._answer.status}, {self._tokens} of {samples.load.tokens} tokens. {said}")
            return
        if samples.counting:
            samples.first.set()
            samples.answers += 1
            samples.latencies.append(now - self._sent_ns)
            if samples.answers >= samples.load.max_answers:
                samples.full.set()
        if self._transport is None:
            return
        if samples.stopping:
            self._transport.close()
        else:
            self._send(self._transport)

    def _give_up(self, why: str) -> None:
        self._samples.fail(why)
        self.abort()


async def drive(load: Load, use: Callable[[], Use]) -> Measured:
    """Put a server under load; ``use`` reads what it has used so far.

    Raises:
        CannotMeasure: an answer was wrong or missing.
    """
    (measured,) = await drive_together((load,), use)
    return measured


async def drive_together(loads: Sequence[Load], use: Callable[[], Use]) -> Sequence[Measured]:
    """Put a server under several loads at the same time; what it used is told with each of them, as a whole.

    Raises:
        CannotMeasure: an answer was wrong or missing.
    """
    all_samples = [_Samples(load, cycle(load.requests)) for load in loads]
    opened = await asyncio.gather(*map(_connect, all_samples))
    try:
        with _uncollected():
            measured = await asyncio.gather(*(_window(samples, use) for samples in all_samples))
    finally:
        for samples in all_samples:
            samples.stopping = True
        await asyncio.gather(*map(_drain, all_samples, opened))
    for samples, found in zip(all_samples, measured, strict=True):
        if samples.failure is not None:
            raise CannotMeasure(samples.failure)
        if not found.answers and not found.tokens:
            raise CannotMeasure(f"no answer came within {samples.load.seconds + _PATIENCE_S:g} s")
    return measured


@contextmanager
def _uncollected() -> Generator[None]:
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


async def _connect(samples: _Samples) -> list[_Connection]:
    # Spread over the warm-up, so that streams do not all tick at the same moment.
    loop = asyncio.get_running_loop()
    load = samples.load
    connections: list[_Connection] = []
    for _ in range(load.connections):
        _, connection = await loop.create_connection(lambda: _Connection(samples), "127.0.0.1", load.port)
        connections.append(connection)
        await asyncio.sleep(load.warmup / load.connections)
    return connections


async def _window(samples: _Samples, use: Callable[[], Use]) -> Measured:
    before, start = use(), time.monotonic_ns()
    samples.counting = True
    await _until(samples.full, samples.load.seconds)
    # A window without any answer says nothing: it stays open until there is one.
    await _until(samples.first, _PATIENCE_S)
    samples.counting = False
    wall, after = time.monotonic_ns() - start, use()
    return Measured(
        wall_ns=wall,
        cpu_ns=after.cpu_ns - before.cpu_ns,
        preempted=after.preempted - before.preempted,
        answers=samples.answers,
        tokens=samples.tokens,
        latencies=samples.latencies,
        first_tokens=samples.first_tokens,
        delays=samples.delays,
    )


async def _until(event: asyncio.Event, seconds: float) -> None:
    with suppress(TimeoutError):
        await asyncio.wait_for(event.wait(), seconds)


async def _drain(samples: _Samples, connections: Sequence[_Connection]) -> None:
    """Let answers that are under way come to their end: broken off, they would be the next run's load."""
    if samples.load.ended_at:
        await _end_streams(samples.load.ended_at)
    _, unfinished = await asyncio.wait([connection.closed for connection in connections], timeout=_DRAIN_S)
    if unfinished:
        for connection in connections:
            connection.abort()
        await asyncio.wait(unfinished, timeout=_DRAIN_S)


async def _end_streams(port: int) -> None:
    """A proxy may go on reading when its client is gone, so it is the upstream that ends them."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(ENDING_REQUEST)
    await reader.read(1)
    writer.close()
