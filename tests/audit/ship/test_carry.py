import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import pytest

from gateway.audit.places import Places
from gateway.audit.ship.carry import carry
from gateway.audit.ship.failure import NotTaken
from gateway.audit.ship.pace import Pace
from gateway.audit.ship.source import Seen, Source

Until = Callable[[Callable[[], bool]], Awaitable[None]]


@dataclass
class Scripted:
    """Does what its script says, then has nothing to do."""

    script: list[bool | Exception] = field(default_factory=list[bool | Exception])
    name: str = "archive"
    calls: int = 0
    closed: bool = False

    async def go(self, seen: Seen) -> bool:
        del seen
        self.calls += 1
        step = self.script.pop(0) if self.script else False
        if isinstance(step, Exception):
            raise step
        return step

    async def close(self) -> None:
        self.closed = True


@pytest.fixture
def source(places: Places) -> Source:
    return Source(places)


async def test_it_goes_on_while_there_is_more_and_ends_when_all_is_over(source: Source, pace: Pace) -> None:
    source.over.set()
    carrier = Scripted([True, True, True])
    await carry(carrier, source, pace)
    assert (carrier.calls, carrier.closed) == (4, True)


async def test_it_is_told_once_when_it_goes_down_and_once_when_it_is_up(
    source: Source, pace: Pace, until: Until, caplog: pytest.LogCaptureFixture
) -> None:
    carrier = Scripted([True, *[NotTaken("HTTP 500")] * 5, True, NotTaken("HTTP 503"), True])
    task = asyncio.create_task(carry(carrier, source, pace))
    await until(lambda: not carrier.script)
    source.over.set()
    await task
    told = [record.getMessage() for record in caplog.records]
    assert [("down" in line, "up again" in line) for line in told] == [(True, False), (False, True)] * 2
    assert "HTTP 500" in told[0]


async def test_a_refusal_for_good_is_an_error_and_offered_again(
    source: Source, pace: Pace, until: Until, caplog: pytest.LogCaptureFixture
) -> None:
    carrier = Scripted([NotTaken("HTTP 500"), *[NotTaken("HTTP 400", for_good=True)] * 3, True])
    task = asyncio.create_task(carry(carrier, source, pace))
    await until(lambda: not carrier.script)
    source.over.set()
    await task
    assert [record.levelno for record in caplog.records] == [logging.WARNING, logging.ERROR, logging.WARNING]


async def test_an_unexpected_error_is_told_by_its_kind_alone_and_goes_by(
    source: Source, pace: Pace, until: Until, caplog: pytest.LogCaptureFixture
) -> None:
    carrier = Scripted([ValueError("planted content"), True])
    task = asyncio.create_task(carry(carrier, source, pace))
    await until(lambda: not carrier.script)
    source.over.set()
    await task
    assert "ValueError" in caplog.text
    assert "planted" not in caplog.text


async def test_the_end_cuts_a_wait_short_and_allows_one_more_try(source: Source, until: Until) -> None:
    carrier = Scripted([NotTaken("HTTP 503", retry_after=600.0), NotTaken("HTTP 503")])
    task = asyncio.create_task(carry(carrier, source, Pace()))
    await until(lambda: carrier.calls >= 1)
    source.over.set()
    await asyncio.wait_for(task, 2.0)
    assert (carrier.calls, carrier.closed) == (2, True)


async def test_news_ends_a_rest(source: Source, until: Until) -> None:
    carrier = Scripted()
    task = asyncio.create_task(carry(carrier, source, Pace(idle_s=600.0)))
    await until(lambda: carrier.calls >= 1)
    source.news.set()
    await until(lambda: carrier.calls >= 2)
    task.cancel()
    await asyncio.wait([task])
    assert carrier.closed
