import asyncio
import contextlib
import logging
import socket
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace

import httpx
import pytest

from gateway.web.metrics import PATIENCE, serving_metrics
from gateway.web.ready import Readiness


class Scraped:
    """What a scrape gives; told to fail, it does."""

    failing = False

    async def __call__(self) -> bytes:
        if self.failing:
            raise OSError("planted-path")
        return b"splitgate_in_flight 1.0\n"


@pytest.fixture
def listening() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as made:
        made.settimeout(0)
        yield made


@pytest.fixture
def scraped() -> Scraped:
    return Scraped()


@pytest.fixture
def state() -> dict[str, bool]:
    """Whether the gateway is ready."""
    return {"ready": False}


@pytest.fixture
def readiness(state: dict[str, bool]) -> Readiness:
    return Readiness(lambda: state["ready"])


@pytest.fixture
async def client(listening: socket.socket, scraped: Scraped, readiness: Readiness) -> AsyncIterator[httpx.AsyncClient]:
    url = f"http://127.0.0.1:{listening.getsockname()[1]}"
    patience = replace(PATIENCE, head_s=1.0, body_s=1.0, idle_s=1.0)
    serving = serving_metrics(scraped, readiness, listening, patience)
    async with serving, httpx.AsyncClient(base_url=url, trust_env=False) as made:
        yield made


async def test_metrics_are_served_as_prometheus_reads_them(client: httpx.AsyncClient) -> None:
    answer = await client.get("/metrics")
    assert (answer.status_code, answer.text) == (200, "splitgate_in_flight 1.0\n")
    assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert (await client.head("/metrics")).status_code == 200


@pytest.mark.parametrize("path", ["/", "/metrics/", "/v1/split", "/healthz/", "/admin/policies"])
async def test_nothing_else_is_there(client: httpx.AsyncClient, path: str) -> None:
    assert (await client.get(path)).status_code == 404


@pytest.mark.parametrize("path", ["/metrics", "/healthz", "/readyz"])
async def test_what_is_there_is_only_read(client: httpx.AsyncClient, path: str) -> None:
    assert (await client.post(path, content=b"x")).status_code == 405


async def test_probes_are_answered_as_at_the_gateways_door(
    client: httpx.AsyncClient, state: dict[str, bool], readiness: Readiness
) -> None:
    async def asked(path: str) -> tuple[int, str]:
        answer = await client.get(path)
        assert answer.headers["content-type"] == "application/json"
        return answer.status_code, answer.json()["status"]

    assert await asked("/readyz") == (503, "starting")
    state["ready"] = True
    assert await asked("/readyz") == (200, "ready")
    readiness.stopping = True
    assert await asked("/readyz") == (503, "stopping")
    # Whoever is about to stop lives: a restart would cut off what is still being answered.
    assert await asked("/healthz") == (200, "ok")


async def test_a_scrape_that_fails_says_so_and_the_next_one_may_do(
    client: httpx.AsyncClient, scraped: Scraped, caplog: pytest.LogCaptureFixture
) -> None:
    scraped.failing = True
    for _ in range(2):
        answer = await client.get("/metrics")
        assert answer.status_code == 500
        assert "planted" not in answer.text
    assert [r.getMessage() for r in caplog.records if r.levelno >= logging.ERROR] == [
        "metrics cannot be read (OSError)"
    ]
    scraped.failing = False
    assert (await client.get("/metrics")).status_code == 200


async def test_connections_beyond_a_few_are_closed_and_others_are_answered_again(
    client: httpx.AsyncClient, listening: socket.socket
) -> None:
    held = [await asyncio.open_connection(*listening.getsockname()) for _ in range(40)]
    for _, writer in held:
        writer.write(b"GET /metrics HT")

    async def ended(reader: asyncio.StreamReader) -> bool:
        try:
            return b"503" in await asyncio.wait_for(reader.read(), 0.5)
        except ConnectionError:
            return True
        except TimeoutError:
            return False

    assert sum(await asyncio.gather(*[ended(reader) for reader, _ in held])) == 24
    for _, writer in held:
        writer.close()

    async def answered() -> bool:
        try:
            return (await client.get("/metrics")).status_code == 200
        except httpx.TransportError:
            return False

    async with asyncio.timeout(10):
        while not await answered():  # noqa: ASYNC110
            await asyncio.sleep(0.01)


async def test_who_sends_no_whole_request_is_not_waited_for(
    client: httpx.AsyncClient, listening: socket.socket
) -> None:
    del client  # it is being served meanwhile
    loop = asyncio.get_running_loop()

    async def closed_after(sent: bytes) -> float:
        reader, writer = await asyncio.open_connection(*listening.getsockname())
        began = loop.time()
        writer.write(sent)
        with contextlib.suppress(ConnectionError):
            while await reader.read(1000):
                pass
        writer.close()
        return loop.time() - began

    whole = b"GET /metrics HTTP/1.1\r\nhost: x\r\n\r\n"
    beginnings = (b"", b"GET /metrics HT", whole, whole + b"GET /m", whole + b"POST / HTTP/1.1\r\n")
    async with asyncio.timeout(10):
        took = await asyncio.gather(*[closed_after(sent) for sent in beginnings])
    assert min(took) > 0.8
    assert max(PATIENCE.head_s, PATIENCE.body_s, PATIENCE.idle_s) <= 5
