import asyncio
import signal
from collections.abc import Awaitable, Callable
from typing import Any, Protocol

import pytest
from redis import Redis

from gateway.audit.places import EpochPlaces, Places
from gateway.audit.ship.batch import Batch
from gateway.audit.ship.cursor import Cursor
from gateway.audit.ship.failure import NotTaken
from gateway.audit.ship.pace import Pace
from gateway.audit.ship.redis_stream import RedisStreamSink
from gateway.audit.ship.running import run
from gateway.audit.ship.shipping import Shipping
from gateway.audit.ship.source import Source
from gateway.domain.target import Secret

Begin = Callable[[], EpochPlaces]
Fill = Callable[..., None]
Until = Callable[[Callable[[], bool]], Awaitable[None]]
EPOCH = "20260102T030405Z-0123abcd"
BATCH = Batch(epoch=EPOCH, first=7, count=2, offset=0, content=b"one\ntwo\n")


class RedisServer(Protocol):
    password: str
    port: int

    @property
    def url(self) -> str: ...
    def start(self) -> None: ...
    def signal(self, number: signal.Signals) -> None: ...
    def kill(self) -> None: ...


def sink_of(
    server: RedisServer, *, password: str | None = None, max_len: int = 100_000, timeout_s: float = 10.0
) -> RedisStreamSink:
    secret = Secret(password or server.password)
    return RedisStreamSink(server.url, "journal", max_len, username=None, password=secret, timeout_s=timeout_s)


def entries(server: RedisServer) -> list[tuple[str, bytes]]:
    """The events and lines of the stream, in its order."""
    found: Any
    with Redis(port=server.port, password=server.password) as client:
        found = client.xrange("journal")
    return [(fields[b"event"].decode(), fields[b"line"]) for _, fields in found]


async def test_each_record_is_an_entry_that_names_its_event(redis_server: RedisServer) -> None:
    sink = sink_of(redis_server)
    await sink.deliver(BATCH)
    await sink.close()
    assert entries(redis_server) == [(f"{EPOCH}.7", b"one"), (f"{EPOCH}.8", b"two")]


async def test_a_batch_is_a_transaction(redis_server: RedisServer) -> None:
    sink = sink_of(redis_server)
    for _ in range(3):
        await sink.deliver(BATCH)
    await sink.close()
    told: Any
    with Redis(port=redis_server.port, password=redis_server.password) as client:
        told = client.info("commandstats")  # pyright: ignore[reportUnknownMemberType]  its keywords are untyped
    assert (told["cmdstat_exec"]["calls"], told["cmdstat_xadd"]["calls"]) == (3, 6)


async def test_the_stream_is_trimmed_to_about_its_length(redis_server: RedisServer) -> None:
    sink = sink_of(redis_server, max_len=1000)
    for number in range(5):
        await sink.deliver(Batch(epoch=EPOCH, first=number * 1000, count=1000, offset=0, content=b"x\n" * 1000))
    await sink.close()
    assert 1000 <= len(entries(redis_server)) < 1300


async def test_a_wrong_password_is_refused_for_good_and_not_repeated(redis_server: RedisServer) -> None:
    sink = sink_of(redis_server, password="planted-wrong-password")
    with pytest.raises(NotTaken) as caught:
        await sink.deliver(BATCH)
    await sink.close()
    assert caught.value.for_good
    assert "planted" not in caught.value.reason


class Rotating(Secret):
    """Becomes another one when the test says so."""

    def become(self, value: str) -> None:
        self._value = value


async def test_a_password_that_is_mended_is_used_with_the_next_connection(redis_server: RedisServer) -> None:
    password = Rotating("planted-wrong-password")
    sink = RedisStreamSink(redis_server.url, "journal", 1000, username=None, password=password, timeout_s=10.0)
    with pytest.raises(NotTaken):
        await sink.deliver(BATCH)
    password.become(redis_server.password)
    await sink.deliver(BATCH)
    await sink.close()


async def test_a_key_of_another_kind_is_refused_for_good_and_left_alone(redis_server: RedisServer) -> None:
    with Redis(port=redis_server.port, password=redis_server.password) as client:
        client.set("journal", "somebody's")
        sink = sink_of(redis_server)
        with pytest.raises(NotTaken) as caught:
            await sink.deliver(BATCH)
        await sink.close()
        assert caught.value.for_good
        assert client.get("journal") == b"somebody's"


async def test_one_that_stands_still_is_left_in_time_and_used_again(redis_server: RedisServer) -> None:
    sink = sink_of(redis_server, timeout_s=1.0)
    await sink.deliver(BATCH)
    redis_server.signal(signal.SIGSTOP)
    with pytest.raises(NotTaken) as caught:
        await sink.deliver(BATCH)
    assert not caught.value.for_good
    redis_server.signal(signal.SIGCONT)
    await sink.deliver(BATCH)
    await sink.close()


async def test_killed_and_stopped_in_between_it_gets_all_and_in_order(
    redis_server: RedisServer, places: Places, begin: Begin, fill: Fill, until: Until, pace: Pace
) -> None:
    first, second = begin(), begin()
    left = [1]
    shipping = Shipping("stream", sink_of(redis_server, timeout_s=0.3), Cursor(places.ship / "stream.json"), 50, pace)
    stopping = asyncio.Event()

    def remaining(count: int) -> None:
        left[0] = count

    task = asyncio.create_task(
        run(Source(places), [shipping], [], pace=pace, stopping=stopping, on_unshipped=remaining)
    )
    for number in range(24):
        fill(first, 300)
        fill(second, 100)
        await asyncio.sleep(0.02)
        if number % 8 == 2:
            redis_server.kill()
        elif number % 8 == 4:
            redis_server.start()
        elif number % 8 == 6:
            redis_server.signal(signal.SIGSTOP)
            await asyncio.sleep(0.4)
            redis_server.signal(signal.SIGCONT)
    await until(lambda: left[0] == 0)
    stopping.set()
    await task
    got = entries(redis_server)
    for epoch, count in ((first, 7200), (second, 2400)):
        # Each came once at least, and came first in its turn.
        events = list(dict.fromkeys(event for event, _ in got if event.startswith(epoch.epoch)))
        assert events == [f"{epoch.epoch}.{number}" for number in range(count)]
        lines = dict.fromkeys(line for event, line in got if event.startswith(epoch.epoch))
        assert list(lines) == epoch.journal.read_bytes().split(b"\n")[:-1]
