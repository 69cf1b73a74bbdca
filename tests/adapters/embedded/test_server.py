import asyncio
import io
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web

from adapters._queue import Queue
from adapters.embedded.models import MEASURED_WITH
from adapters.embedded.server import Front

CHAT = "/v1/chat/completions"


def prompt(text: str) -> bytes:
    return json.dumps({"messages": [{"role": "user", "content": text}]}, separators=(",", ":")).encode()


class Engine:
    """A stand-in for llama.cpp's server: answers what it is told to, and sees who goes away."""

    def __init__(self) -> None:
        self.paths: list[str] = []
        self.bodies: list[bytes] = []
        self.gone = asyncio.Event()
        self.go_on = asyncio.Event()
        self.entered = asyncio.Semaphore(0)

    async def answer(self, request: web.Request) -> web.StreamResponse:
        self.paths.append(request.path)
        body = await request.read()
        self.bodies.append(body)
        self.entered.release()
        if body == prompt("refuse"):
            return web.json_response({"error": {"message": "no"}}, status=400)
        if body == prompt("stream"):
            return await self._stream(request)
        try:
            if body == prompt("wait"):
                await self.go_on.wait()
        except asyncio.CancelledError:
            self.gone.set()
            raise
        return web.json_response({"ok": True})

    async def _stream(self, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        await response.write(b"data: 1\n\n")
        await self.go_on.wait()
        await response.write(b"data: [DONE]\n\n")
        return response


Serve = Callable[[web.Application, str], Awaitable[str]]


@pytest.fixture
async def serve(tmp_path: Path) -> AsyncIterator[Serve]:
    runners: list[web.AppRunner] = []

    async def start(application: web.Application, name: str) -> str:
        runner = web.AppRunner(application, handler_cancellation=True, shutdown_timeout=0.1)
        await runner.setup()
        await web.UnixSite(runner, tmp_path / name).start()
        runners.append(runner)
        return str(tmp_path / name)

    yield start
    for runner in reversed(runners):
        await runner.cleanup()


@pytest.fixture
async def engine() -> Engine:
    return Engine()


@pytest.fixture
async def client(serve: Serve, engine: Engine) -> AsyncIterator[aiohttp.ClientSession]:
    inside = web.Application()
    inside.router.add_route("*", "/{path:.*}", engine.answer)
    front = Front(await serve(inside, "inside"), Queue(slots=1, waiting=1))
    outside = await serve(front.application(), "outside")
    async with aiohttp.ClientSession("http://x", connector=aiohttp.UnixConnector(outside)) as session:
        yield session


@pytest.mark.parametrize(
    ("path", "body"),
    [
        (CHAT, b'{"messages" :  [], "user": "u"}'),
        ("/v1/completions", b'{"prompt":"x", "seed":null}'),
        ("/v1/embeddings", b'{"input":"x"}'),
        ("/apply-template", b'{"messages" :  []}'),
        ("/tokenize", b'{"content":"x", "model":null}'),
    ],
)
async def test_generation_routes_pass_on_the_listed_fields_written_anew(
    client: aiohttp.ClientSession, engine: Engine, path: str, body: bytes
) -> None:
    async with client.post(path, data=body) as answer:
        assert (answer.status, await answer.json()) == (200, {"ok": True})
    assert engine.paths == [path]
    assert engine.bodies in ([b'{"messages":[]}'], [b'{"prompt":"x"}'], [b'{"input":"x"}'], [b'{"content":"x"}'])


async def test_a_request_that_has_to_change_is_told_so_and_does_not_reach_the_engine(
    client: aiohttp.ClientSession, engine: Engine
) -> None:
    async with client.post(CHAT, data=b'{"messages":[],"n":2}') as answer:
        assert answer.status == 400
        error = (await answer.json())["error"]
    assert (error["code"], error["param"], error["type"]) == ("n_too_large", "n", "invalid_request_error")
    assert engine.bodies == []


@pytest.mark.parametrize("path", [CHAT, "/v1/completions", "/apply-template", "/tokenize"])
@pytest.mark.parametrize(
    ("here", "measured", "status"), [("a", "a", 200), ("a", None, 200), ("b", "a", 404), (None, "a", 404)]
)
async def test_what_was_measured_with_one_adapter_is_not_answered_with_another(
    serve: Serve, engine: Engine, path: str, here: str | None, measured: str | None, status: int
) -> None:
    inside = web.Application()
    inside.router.add_route("*", "/{path:.*}", engine.answer)
    front = Front(await serve(inside, "inside"), Queue(slots=1, waiting=1), adapter=here)
    outside = await serve(front.application(), "outside")
    body = {"/v1/completions": b'{"prompt":"x"}', "/tokenize": b'{"content":"x"}'}.get(path, b'{"messages":[]}')
    headers = {} if measured is None else {MEASURED_WITH: measured}
    async with (
        aiohttp.ClientSession("http://x", connector=aiohttp.UnixConnector(outside)) as session,
        session.post(path, data=body, headers=headers) as answer,
    ):
        told = await answer.text()
    assert (answer.status, len(engine.bodies)) == (status, status == 200)
    assert ("restart Splitgate" in told) == (status != 200)


@pytest.mark.parametrize("size", [1024 * 1024 + 1, 8_000_000])
async def test_a_body_that_cannot_fit_the_context_is_refused_as_such(
    client: aiohttp.ClientSession, engine: Engine, size: int
) -> None:
    async with client.post(CHAT, data=io.BytesIO(prompt("a" * size))) as answer:
        assert (answer.status, (await answer.json())["error"]["code"]) == (400, "context_length_exceeded")
    assert engine.bodies == []


@pytest.mark.parametrize("path", ["/v1/models", "/health"])
async def test_reading_routes_are_passed_on(client: aiohttp.ClientSession, engine: Engine, path: str) -> None:
    async with client.get(path) as answer:
        assert answer.status == 200
    assert engine.paths == [path]


@pytest.mark.parametrize(
    "path", ["/props", "/slots", "/metrics", "/lora-adapters", "/completion", "/v1/chat/completions/../props"]
)
async def test_the_engines_other_routes_cannot_be_reached(
    client: aiohttp.ClientSession, engine: Engine, path: str
) -> None:
    async with client.post(path, data=b"{}") as answer:
        assert answer.status == 404
    assert engine.paths == []


async def test_the_engines_refusal_keeps_its_status_and_body(client: aiohttp.ClientSession) -> None:
    async with client.post(CHAT, data=prompt("refuse")) as answer:
        assert (answer.status, await answer.json()) == (400, {"error": {"message": "no"}})


async def test_a_stream_arrives_piece_by_piece(client: aiohttp.ClientSession, engine: Engine) -> None:
    async with client.post(CHAT, data=prompt("stream")) as answer:
        assert answer.headers["Content-Type"] == "text/event-stream"
        assert await answer.content.readany() == b"data: 1\n\n"
        engine.go_on.set()
        assert await answer.content.read() == b"data: [DONE]\n\n"


async def test_when_the_client_goes_away_so_does_the_request_inside(
    client: aiohttp.ClientSession, engine: Engine
) -> None:
    call = asyncio.create_task(client.post(CHAT, data=prompt("wait")))
    await engine.entered.acquire()
    call.cancel()
    await asyncio.wait_for(engine.gone.wait(), 5)


async def test_one_request_waits_for_the_slot_and_the_next_is_told_to_come_back(
    client: aiohttp.ClientSession, engine: Engine
) -> None:
    calls = [asyncio.create_task(client.post(CHAT, data=prompt("wait"))) for _ in range(2)]
    await engine.entered.acquire()
    statuses = list[int]()
    while 503 not in statuses:
        # The second call may still be on its way in.
        try:
            async with asyncio.timeout(0.2), client.post(CHAT, data=prompt("wait")) as answer:
                statuses.append(answer.status)
                assert answer.headers["Retry-After"] == "1"
        except TimeoutError:
            continue
    assert len(engine.bodies) == 1
    engine.go_on.set()
    assert [(await call).status for call in calls] == [200, 200]


async def test_reading_routes_need_no_slot(client: aiohttp.ClientSession, engine: Engine) -> None:
    call = asyncio.create_task(client.post(CHAT, data=prompt("wait")))
    await engine.entered.acquire()
    async with client.get("/health") as answer:
        assert answer.status == 200
    engine.go_on.set()
    assert (await call).status == 200


@pytest.mark.parametrize(("path", "body"), [("/tokenize", {"content": "x"}), ("/apply-template", {"messages": []})])
async def test_counting_needs_no_slot_and_goes_on_beside_an_answer(
    client: aiohttp.ClientSession, engine: Engine, path: str, body: dict[str, object]
) -> None:
    call = asyncio.create_task(client.post(CHAT, data=prompt("wait")))
    await engine.entered.acquire()
    async with client.post(path, json=body) as answer:
        assert (answer.status, await answer.json()) == (200, {"ok": True})
    engine.go_on.set()
    assert (await call).status == 200


async def test_prompts_are_counted_one_at_a_time(client: aiohttp.ClientSession, engine: Engine) -> None:
    first = asyncio.create_task(client.post("/apply-template", data=prompt("wait")))
    await engine.entered.acquire()
    second = asyncio.create_task(client.post("/tokenize", json={"content": "x"}))
    async with client.post(CHAT, data=prompt("now")) as answer:
        assert answer.status == 200
    assert engine.paths == ["/apply-template", CHAT]
    engine.go_on.set()
    assert [(await one).status for one in (first, second)] == [200, 200]
    assert engine.paths[-1] == "/tokenize"


async def test_an_engine_that_does_not_answer_is_a_502(serve: Serve, tmp_path: Path) -> None:
    front = Front(str(tmp_path / "nobody"), Queue(slots=1, waiting=0))
    outside = await serve(front.application(), "outside")
    async with (
        aiohttp.ClientSession("http://x", connector=aiohttp.UnixConnector(outside)) as client,
        client.post(CHAT, data=b"{}") as answer,
    ):
        assert (answer.status, (await answer.json())["error"]["code"]) == (502, "engine_unreachable")


async def hurried(serve: Serve, engine: Engine) -> tuple[Front, str]:
    inside = web.Application()
    inside.router.add_route("*", "/{path:.*}", engine.answer)
    front = Front(await serve(inside, "slow"), Queue(slots=1, waiting=0), deadline_s=0.2)
    return front, await serve(front.application(), "hurried")


async def test_a_request_past_its_deadline_is_a_504_and_ends_inside_too(serve: Serve, engine: Engine) -> None:
    _, path = await hurried(serve, engine)
    async with (
        aiohttp.ClientSession("http://x", connector=aiohttp.UnixConnector(path)) as client,
        client.post(CHAT, data=prompt("wait")) as answer,
    ):
        assert (answer.status, (await answer.json())["error"]["code"]) == (504, "deadline_exceeded")
        await asyncio.wait_for(engine.gone.wait(), 5)
        async with client.post(CHAT, data=prompt("next")) as following:
            assert following.status == 200


async def test_a_stream_past_its_deadline_is_broken_off(serve: Serve, engine: Engine) -> None:
    _, path = await hurried(serve, engine)
    async with (
        aiohttp.ClientSession("http://x", connector=aiohttp.UnixConnector(path)) as client,
        client.post(CHAT, data=prompt("stream")) as answer,
    ):
        assert await answer.content.readany() == b"data: 1\n\n"
        with pytest.raises(aiohttp.ClientPayloadError):
            await answer.content.read()


async def test_the_front_knows_how_long_the_engine_has_let_a_request_wait(serve: Serve, engine: Engine) -> None:
    front, path = await hurried(serve, engine)
    async with aiohttp.ClientSession("http://x", connector=aiohttp.UnixConnector(path)) as client:
        assert front.unanswered_s() == 0
        waiting = asyncio.create_task(client.post(CHAT, data=prompt("wait")))
        await engine.entered.acquire()
        await asyncio.sleep(0.02)
        assert front.unanswered_s() > 0
        assert (await waiting).status == 504
        async with client.post(CHAT, data=prompt("stream")) as answer:
            # Under way: how long its reader takes does not count.
            assert answer.status == 200
            assert front.unanswered_s() == 0


async def test_the_engines_counters_are_there_for_the_front_alone(serve: Serve, engine: Engine, tmp_path: Path) -> None:
    front, _ = await hurried(serve, engine)
    assert await front.counters() == b'{"ok": true}'
    assert engine.paths == ["/metrics"]
    (tmp_path / "slow").unlink()
    with pytest.raises(OSError, match="cannot be read"):
        await front.counters()
