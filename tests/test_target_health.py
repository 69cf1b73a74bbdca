"""Are targets asked how they are, and what follows? Against a server on loopback, by each transport."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from aiohttp import web

from adapters.transport.aiohttp_client import AiohttpClient
from adapters.transport.httpx_client import HttpxClient
from gateway.domain.address import PUBLIC_ONLY, THIS_MACHINE, Addresses
from gateway.domain.ports import UpstreamClient
from gateway.domain.target import HealthCheck, Secret, Target
from gateway.pipeline.breaker import State
from gateway.pipeline.condition import Conditions
from gateway.target_health import TargetHealth

PATIENCE_S = 10.0
CHECK = HealthCheck(path="/health", interval_s=0.01, timeout_s=0.5, failures=2)


@pytest.fixture(params=[AiohttpClient, HttpxClient])
async def client(request: pytest.FixtureRequest) -> AsyncIterator[UpstreamClient]:
    made: UpstreamClient = request.param()
    yield made
    await made.close()


@dataclass(kw_only=True)
class Server:
    """A target's server: it says by ``status`` how it is, or hangs where that is 0."""

    url: str = ""
    status: int = 200
    asked: list[tuple[str, dict[str, str]]] = field(default_factory=list[tuple[str, dict[str, str]]])

    async def handle(self, request: web.Request) -> web.Response:
        self.asked.append((request.path, {name.lower(): value for name, value in request.headers.items()}))
        if not self.status:
            await asyncio.Event().wait()
        return web.Response(status=self.status)


@asynccontextmanager
async def serving(socket: Path | None = None) -> AsyncGenerator[Server]:
    server = Server()
    app = web.Application()
    app.router.add_route("*", "/{any:.*}", server.handle)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0) if socket is None else web.UnixSite(runner, str(socket))
    await site.start()
    if socket is None:
        server.url = f"http://127.0.0.1:{runner.addresses[0][1]}/v1"
    try:
        yield server
    finally:
        await runner.cleanup()


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    async with serving() as started:
        yield started


def target(base_url: str, check: HealthCheck | None = CHECK, socket: str | None = None) -> Target:
    return Target(
        id="t", provider="openai_compatible", base_url=base_url, model="m", format="spotlight", family="all",
        api_key=Secret("planted-key"), addresses=Addresses(networks=THIS_MACHINE), health=check, socket=socket,
    )  # fmt: skip


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while not holds():  # noqa: ASYNC110  asks a server in this very loop
            await asyncio.sleep(0.005)


async def test_bad_answers_open_the_breaker_and_a_good_one_closes_it(client: UpstreamClient, server: Server) -> None:
    one = target(server.url)
    conditions = Conditions([one])
    breaker = conditions.of(one).breaker
    health = TargetHealth(client, conditions)
    server.status = 503
    health.start([one])
    await until(lambda: breaker.state is State.OPEN)
    assert conditions.of(one).begin(again=False) is None
    server.status = 204
    await until(lambda: breaker.state is State.CLOSED)
    await health.close()
    path, headers = server.asked[0]
    assert path == "/health"
    assert not {"authorization", "api-key", "x-api-key"} & headers.keys()
    asked = len(server.asked)
    await asyncio.sleep(0.05)
    assert len(server.asked) == asked


@pytest.mark.parametrize("status", [0, 302, 404])
async def test_silence_and_what_is_no_yes_count_as_no(client: UpstreamClient, server: Server, status: int) -> None:
    one = target(server.url, replace(CHECK, timeout_s=0.05))
    conditions = Conditions([one])
    server.status = status
    health = TargetHealth(client, conditions)
    health.start([one])
    await until(lambda: conditions.of(one).breaker.state is State.OPEN)
    await health.close()


async def test_a_server_behind_a_socket_is_asked_over_it(client: UpstreamClient, tmp_path: Path) -> None:
    path = tmp_path / "s"
    async with serving(path) as server:
        one = target("http://model.invalid/v1", socket=str(path))
        health = TargetHealth(client, Conditions([one]))
        health.start([one])
        await until(lambda: bool(server.asked))
        await health.close()
    assert server.asked[0][0] == "/health"


async def test_no_connection_is_made_to_where_calls_may_not_lead(client: UpstreamClient, server: Server) -> None:
    one = replace(target(server.url), addresses=PUBLIC_ONLY)
    conditions = Conditions([one])
    health = TargetHealth(client, conditions)
    health.start([one])
    await until(lambda: conditions.of(one).breaker.state is State.OPEN)
    await health.close()
    assert server.asked == []


async def test_a_target_without_a_path_for_it_is_not_asked(client: UpstreamClient, server: Server) -> None:
    asked, silent = target(server.url), replace(target(server.url, None), id="silent")
    health = TargetHealth(client, Conditions())
    health.start([silent, asked])
    await until(lambda: bool(server.asked))
    await health.close()
    assert {path for path, _ in server.asked} == {"/health"}
