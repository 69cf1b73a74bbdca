import asyncio
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Protocol

import pytest

from gateway.audit.places import EpochPlaces, Places
from gateway.audit.ship.batch import Batch
from gateway.audit.ship.cursor import Cursor
from gateway.audit.ship.failure import NotTaken
from gateway.audit.ship.pace import Pace
from gateway.audit.ship.running import run
from gateway.audit.ship.shipping import Shipping
from gateway.audit.ship.source import Source
from gateway.audit.ship.webhook import WebhookSink
from gateway.domain.target import Secret

Begin = Callable[[], EpochPlaces]
Fill = Callable[..., None]
Until = Callable[[Callable[[], bool]], Awaitable[None]]
BATCH = Batch(epoch="20260102T030405Z-0123abcd", first=7, count=2, offset=0, content=b"one\ntwo\n")


class Post(Protocol):
    path: str
    headers: Mapping[str, str]
    body: bytes


class Hook(Protocol):
    url: str
    script: list[tuple[int, Mapping[str, str]]]
    posts: list[Post]
    hang: threading.Event

    @property
    def lines(self) -> list[bytes]: ...


@pytest.fixture
async def sink(hook: Hook) -> AsyncIterator[WebhookSink]:
    sink = WebhookSink(hook.url, Secret("planted-token"), 1.0)
    yield sink
    await sink.close()


async def test_a_batch_is_one_post_of_the_lines_as_they_are(sink: WebhookSink, hook: Hook) -> None:
    await sink.deliver(BATCH)
    (post,) = hook.posts
    assert (post.path, post.body) == ("/in", b"one\ntwo\n")
    expected = {
        "content-type": "application/x-ndjson",
        "x-splitgate-epoch": BATCH.epoch,
        "x-splitgate-first": "7",
        "x-splitgate-count": "2",
        "idempotency-key": f"{BATCH.epoch}.7+2",
        "authorization": "Bearer planted-token",
    }
    assert expected.items() <= post.headers.items()


async def test_without_a_secret_there_is_no_authorization(hook: Hook) -> None:
    sink = WebhookSink(hook.url, None, 1.0)
    await sink.deliver(BATCH)
    await sink.close()
    assert "authorization" not in hook.posts[0].headers


@pytest.mark.parametrize(("status", "for_good"), [(500, False), (429, False), (400, True), (0, False)])
async def test_anything_but_success_is_no_acknowledgement(
    sink: WebhookSink, hook: Hook, status: int, for_good: bool
) -> None:
    hook.script.append((status, {"retry-after": "7"}))
    with pytest.raises(NotTaken) as caught:
        await sink.deliver(BATCH)
    assert caught.value.for_good is for_good
    assert caught.value.retry_after == (7.0 if status else None)


async def test_a_redirect_is_not_followed(sink: WebhookSink, hook: Hook) -> None:
    hook.script.append((307, {"location": f"{hook.url}/elsewhere"}))
    with pytest.raises(NotTaken) as caught:
        await sink.deliver(BATCH)
    assert caught.value.for_good
    assert len(hook.posts) == 1


async def test_the_environments_proxy_is_not_used(hook: Hook, dead_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, dead_url)
    sink = WebhookSink(hook.url, None, 1.0)
    await sink.deliver(BATCH)
    await sink.close()
    assert len(hook.posts) == 1


async def test_one_that_hangs_is_left_in_time(sink: WebhookSink, hook: Hook) -> None:
    hook.hang.set()
    with pytest.raises(NotTaken, match="in time"):
        await sink.deliver(BATCH)
    hook.hang.clear()
    await sink.deliver(BATCH)


async def test_one_that_is_gone_is_told_apart_by_name_alone(dead_url: str) -> None:
    sink = WebhookSink(dead_url, Secret("planted-token"), 1.0)
    with pytest.raises(NotTaken) as caught:
        await sink.deliver(BATCH)
    await sink.close()
    assert caught.value.reason == "ConnectError"


async def test_whatever_it_does_in_between_it_gets_all_and_in_order(
    hook: Hook, places: Places, begin: Begin, fill: Fill, until: Until, pace: Pace
) -> None:
    first, second = begin(), begin()
    left = [0]
    shipping = Shipping("hook", WebhookSink(hook.url, None, 0.2), Cursor(places.ship / "hook.json"), 20, pace)
    stopping = asyncio.Event()
    hook.script += [
        (0, {}),
        (500, {}),
        (429, {"retry-after": "0"}),
        (200, {}),
        (400, {}),
        (0, {}),
        (503, {}),
        (200, {}),
    ]

    def remaining(count: int) -> None:
        left[0] = count

    task = asyncio.create_task(
        run(Source(places), [shipping], [], pace=pace, stopping=stopping, on_unshipped=remaining)
    )
    for number in range(10):
        fill(first, 30)
        fill(second, 7)
        if number == 5:
            hook.hang.set()
        await asyncio.sleep(0.02)
    await asyncio.sleep(0.3)
    assert left[0] > 0
    hook.hang.clear()
    await until(lambda: left[0] == 0)
    stopping.set()
    await task
    for epoch in (first, second):
        lines = epoch.journal.read_bytes().split(b"\n")[:-1]
        got = list(dict.fromkeys([line for line in hook.lines if epoch.epoch.encode() in line]))
        assert got == lines
