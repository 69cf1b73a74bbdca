import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

import aiohttp
import pytest
from aiohttp import web

from adapters._queue import Queue
from adapters.litellm import server
from adapters.litellm.admission import Asked
from adapters.litellm.failure import Failure
from adapters.litellm.server import Front
from adapters.litellm.targets import Target
from adapters.litellm.vendors import Failed
from gateway.domain.jsonvalue import JsonObject

Json: TypeAlias = dict[str, Any]
CHAT = "/v1/chat/completions"
SAID: Json = {"model": "t", "messages": [{"role": "user", "content": "Q"}]}
FAILURE = Failure(status=429, code="Throttled", message="m", retry_after="7")


@dataclass
class Vendors:
    """A stand-in for litellm: answers, fails before or in the middle, or waits."""

    asked: list[Asked] = field(default_factory=list[Asked])
    fails: bool = False
    fails_in_the_middle: bool = False
    waits: bool = False
    entered: asyncio.Event = field(default_factory=asyncio.Event)
    left: asyncio.Event = field(default_factory=asyncio.Event)

    async def complete(self, asked: Asked) -> JsonObject:
        await self._enter(asked)
        return {"choices": []}

    async def stream(self, asked: Asked) -> AsyncGenerator[JsonObject]:
        await self._enter(asked)
        yield {"n": 1}
        if self.fails_in_the_middle:
            raise Failed(FAILURE)
        yield {"n": 2}

    async def embed(self, asked: Asked) -> JsonObject:
        await self._enter(asked)
        return {"data": []}

    async def _enter(self, asked: Asked) -> None:
        self.asked.append(asked)
        if self.fails:
            raise Failed(FAILURE)
        if self.waits:
            self.entered.set()
            try:
                await asyncio.Event().wait()
            finally:
                self.left.set()


@pytest.fixture
async def vendors() -> Vendors:
    return Vendors()


@pytest.fixture
async def loaded() -> asyncio.Event:
    event = asyncio.Event()
    event.set()
    return event


Open: TypeAlias = Callable[..., Awaitable[aiohttp.ClientSession]]


@pytest.fixture
async def open_front(vendors: Vendors, loaded: asyncio.Event, tmp_path: Path) -> AsyncIterator[Open]:
    """Serve on a socket, and connect to it."""
    runners: list[web.AppRunner] = []
    sessions: list[aiohttp.ClientSession] = []

    async def begin(*, slots: int = 2, waiting: int = 1, deadline_s: float = 60.0) -> aiohttp.ClientSession:
        targets = {"t": Target(id="t", model="v/m", embeddings="v/m")}
        front = Front(vendors, targets, Queue(slots=slots, waiting=waiting), loaded, deadline_s=deadline_s)
        runner = web.AppRunner(front.application(), handler_cancellation=True, shutdown_timeout=0.1)
        await runner.setup()
        await web.UnixSite(runner, tmp_path / "s").start()
        runners.append(runner)
        sessions.append(aiohttp.ClientSession("http://x", connector=aiohttp.UnixConnector(str(tmp_path / "s"))))
        return sessions[-1]

    yield begin
    for session in sessions:
        await session.close()
    for runner in runners:
        await runner.cleanup()


async def ask(client: aiohttp.ClientSession, body: Any = None, path: str = CHAT) -> tuple[int, Json]:
    async with client.post(path, json=SAID if body is None else body) as answer:
        return answer.status, await answer.json()


async def test_a_whole_answer_a_stream_and_embeddings(open_front: Open, vendors: Vendors) -> None:
    client = await open_front()
    assert await ask(client) == (200, {"choices": []})
    assert await ask(client, {"model": "t", "input": "a"}, "/v1/embeddings") == (200, {"data": []})
    async with client.post(CHAT, json={**SAID, "stream": True}) as answer:
        assert answer.headers["content-type"] == "text/event-stream"
        assert await answer.read() == b'data: {"n":1}\n\ndata: {"n":2}\n\ndata: [DONE]\n\n'
    assert [one.target for one in vendors.asked] == ["t"] * 3


@pytest.mark.parametrize("body", [SAID, {**SAID, "stream": True}])
async def test_a_failure_before_the_answer_is_a_status(open_front: Open, vendors: Vendors, body: Json) -> None:
    vendors.fails = True
    client = await open_front()
    async with client.post(CHAT, json=body) as answer:
        assert (answer.status, answer.headers["retry-after"]) == (429, "7")
        assert (await answer.json())["error"] == {
            "code": "Throttled", "message": "m", "param": None, "type": "invalid_request_error",
        }  # fmt: skip


async def test_a_failure_in_the_middle_is_an_event_and_no_ending(open_front: Open, vendors: Vendors) -> None:
    vendors.fails_in_the_middle = True
    client = await open_front()
    async with client.post(CHAT, json={**SAID, "stream": True}) as answer:
        first, last, rest = (await answer.text()).split("\n\n")
    assert (first, rest) == ('data: {"n":1}', "")
    assert last.startswith("event: error\ndata: ")
    assert json.loads(last.partition("data: ")[2])["error"]["code"] == "Throttled"


@pytest.mark.parametrize(
    ("body", "status", "code", "param"),
    [
        ({**SAID, "model": "planted"}, 404, "model_not_found", "model"),
        ({**SAID, "model": 5}, 400, "invalid_field", "model"),
        ({**SAID, "api_base": "x"}, 400, "unsupported_field", "api_base"),
        ([], 400, "invalid_json", None),
    ],
)
async def test_what_is_not_admitted_reaches_no_vendor(
    open_front: Open, vendors: Vendors, body: Any, status: int, code: str, param: str | None
) -> None:
    got, answer = await ask(await open_front(), body)
    assert (got, answer["error"]["code"], answer["error"]["param"]) == (status, code, param)
    assert "planted" not in json.dumps(answer)
    assert vendors.asked == []


async def test_a_body_over_the_limit_is_not_read(open_front: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "MOST_BYTES", 100)
    client = await open_front()
    got, answer = await ask(client, {**SAID, "user": "x" * 200})
    assert (got, answer["error"]["code"]) == (413, "request_too_large")


async def test_more_than_may_wait_are_sent_away(open_front: Open, vendors: Vendors) -> None:
    vendors.waits = True
    client = await open_front(slots=1, waiting=1)
    busy = [asyncio.create_task(ask(client)) for _ in range(2)]
    await vendors.entered.wait()
    got, answer = await ask(client)
    assert (got, answer["error"]["code"]) == (503, "busy")
    for one in busy:
        one.cancel()
    await asyncio.gather(*busy, return_exceptions=True)


@pytest.mark.parametrize("body", [SAID, {**SAID, "stream": True}])
async def test_a_client_that_goes_away_ends_its_call(open_front: Open, vendors: Vendors, body: Json) -> None:
    vendors.waits = True
    client = await open_front()
    asking = asyncio.create_task(ask(client, body))
    await vendors.entered.wait()
    asking.cancel()
    await asyncio.wait_for(vendors.left.wait(), 10)


@pytest.mark.parametrize("body", [SAID, {**SAID, "stream": True}])
async def test_so_does_the_deadline(open_front: Open, vendors: Vendors, body: Json) -> None:
    vendors.waits = True
    got, answer = await ask(await open_front(deadline_s=0.1), body)
    assert (got, answer["error"]["code"]) == (504, "deadline_exceeded")
    assert vendors.left.is_set()


@pytest.mark.parametrize("body", [SAID, {**SAID, "stream": True}])
async def test_requests_wait_until_litellm_is_loaded(
    open_front: Open, vendors: Vendors, loaded: asyncio.Event, body: Json
) -> None:
    loaded.clear()
    client = await open_front()
    async with client.get("/health") as answer:
        assert (answer.status, await answer.json()) == (503, {"status": "loading"})
    async with asyncio.TaskGroup() as tasks:
        asking = tasks.create_task(client.post(CHAT, json=body))
        await asyncio.sleep(0.05)
        assert vendors.asked == []
        loaded.set()
        assert (await asking).status == 200
    async with client.get("/health") as answer:
        assert answer.status == 200


async def test_there_are_no_other_routes(open_front: Open) -> None:
    client = await open_front()
    for path in ("/v1/completions", "/v1/models", "/", "/v1/chat/completions/x"):
        async with client.post(path, json=SAID) as answer:
            assert answer.status == 404
