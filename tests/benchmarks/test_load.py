import asyncio
from collections.abc import Sequence
from dataclasses import replace

import pytest

from benchmarks.figures import Measured
from benchmarks.load import Load, drive_together
from benchmarks.processes import CannotMeasure, Use
from benchmarks.upstream import ScriptedModel

_LOAD = Load(port=0, requests=(), connections=2, tokens=1, warmup=0, seconds=0.05, max_answers=1000)


def _asking(*models: str) -> tuple[bytes, ...]:
    bodies = [b'{"model":"%b"}' % model.encode() for model in models]
    return tuple(b"POST / HTTP/1.1\r\ncontent-length: %d\r\n\r\n%b" % (len(body), body) for body in bodies)


def _driven(*loads: Load) -> Sequence[Measured]:
    async def driving() -> Sequence[Measured]:
        streaming: set[ScriptedModel] = set()
        server = await asyncio.get_running_loop().create_server(lambda: ScriptedModel(streaming), "127.0.0.1", 0)
        port: int = server.sockets[0].getsockname()[1]
        placed = [replace(load, port=port, ended_at=port if load.tokens > 1 else 0) for load in loads]
        try:
            return await drive_together(placed, lambda: Use(cpu_ns=0, preempted=0))
        finally:
            server.close()
            assert not streaming

    return asyncio.run(driving())


def test_answers_are_counted_and_timed() -> None:
    (measured,) = _driven(replace(_LOAD, requests=_asking("whole")))
    assert measured.answers == measured.tokens == len(measured.latencies) > 1


def test_requests_are_sent_in_turn_and_each_answer_is_checked() -> None:
    with pytest.raises(CannotMeasure, match="status 400"):
        _driven(replace(_LOAD, requests=_asking("whole", "another")))


def test_a_window_stays_open_until_there_is_an_answer() -> None:
    (measured,) = _driven(replace(_LOAD, requests=_asking("whole"), seconds=0))
    assert measured.answers >= 1


def test_standing_streams_are_all_seen_to_begin_and_are_ended_early() -> None:
    load = replace(_LOAD, requests=_asking("stream-100-1000"), connections=5, tokens=100, standing=True)
    (measured,) = _driven(load)
    assert len(measured.first_tokens) == 5
    assert measured.answers == 0


def test_two_loads_are_told_apart() -> None:
    honest, other = _driven(
        replace(_LOAD, requests=_asking("whole")),
        replace(_LOAD, requests=_asking("stream-3-0"), tokens=3),
    )
    assert honest.tokens == honest.answers
    assert other.tokens >= 3 * other.answers - 6
