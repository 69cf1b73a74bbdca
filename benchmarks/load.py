"""What does a client see of a server under a steady load?

A closed loop: each connection sends its next request when the last one is answered, and every answer is read to its
end and checked. Nothing is counted before the window opens or after it has closed.
"""

import asyncio
import gc
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final, cast

from benchmarks.answer import Answer, BadAnswer
from benchmarks.figures import Measured
from benchmarks.processes import CannotMeasure, Use

_DRAIN_S: Final = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """What to send where: ``tokens`` is what each answer must hold; times in seconds."""

    port: int
    request: bytes
    connections: int
    tokens: int
    warmup: float
    seconds: float
    max_answers: int


@dataclass(slots=True)
class _Samples:
    """All that the connections of one run share."""

    load: Load
    full: asyncio.Event = field(default_factory=asyncio.Event)
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
        transport.write(self._samples.load.request)

    def _note_tokens(self, stamps: list[int], now: int) -> None:
        samples = self._samples
        if samples.counting:
            samples.tokens += len(stamps)
            if samples.load.tokens > 1:
                samples.delays.extend([now - stamp for stamp in stamps])
                if not self._tokens:
                    samples.first_tokens.append(now - self._sent_ns)
        self._tokens += len(stamps)

    def _finish(self, now: int) -> None:
        samples = self._samples
        if self._answer.status != 200 or self._tokens != samples.load.tokens:
            said = self._answer.body[:300].decode(errors="replace")
            self._give_up(f"status {self._answer.status}, {self._tokens} of {samples.load.tokens} tokens. {said}")
            return
        if samples.counting:
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
    samples = _Samples(load)
    connections = await _connect(load, samples)
    gc.collect()
    gc.disable()
    try:
        measured = await _window(samples, use)
    finally:
        gc.enable()
        samples.stopping = True
        await _drain(connections)
    if samples.failure is not None:
        raise CannotMeasure(samples.failure)
    # Long streams of a slow server may outlast the window: their tokens are what is measured.
    if not measured.tokens:
        raise CannotMeasure(f"no answer ended within {load.seconds:g} s; give it more with --seconds")
    return measured


async def _connect(load: Load, samples: _Samples) -> list[_Connection]:
    # Spread over the warm-up, so that streams do not all tick at the same moment.
    loop = asyncio.get_running_loop()
    connections: list[_Connection] = []
    for _ in range(load.connections):
        _, connection = await loop.create_connection(lambda: _Connection(samples), "127.0.0.1", load.port)
        connections.append(connection)
        await asyncio.sleep(load.warmup / load.connections)
    return connections


async def _window(samples: _Samples, use: Callable[[], Use]) -> Measured:
    before, start = use(), time.monotonic_ns()
    samples.counting = True
    with suppress(TimeoutError):
        await asyncio.wait_for(samples.full.wait(), samples.load.seconds)
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


async def _drain(connections: list[_Connection]) -> None:
    """Let answers that are under way come to their end: cancelled ones would be the next run's load."""
    _, unfinished = await asyncio.wait([connection.closed for connection in connections], timeout=_DRAIN_S)
    if unfinished:
        for connection in connections:
            connection.abort()
        await asyncio.wait(unfinished, timeout=_DRAIN_S)
