import logging
import socket
from collections.abc import AsyncIterator, Iterator

import httpx
import pytest

from gateway.web.metrics import serving_metrics


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
async def client(listening: socket.socket, scraped: Scraped) -> AsyncIterator[httpx.AsyncClient]:
    url = f"http://127.0.0.1:{listening.getsockname()[1]}"
    async with serving_metrics(scraped, listening), httpx.AsyncClient(base_url=url, trust_env=False) as made:
        yield made


async def test_metrics_are_served_as_prometheus_reads_them(client: httpx.AsyncClient) -> None:
    answer = await client.get("/metrics")
    assert (answer.status_code, answer.text) == (200, "splitgate_in_flight 1.0\n")
    assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert (await client.head("/metrics")).status_code == 200


@pytest.mark.parametrize("path", ["/", "/metrics/", "/v1/split", "/healthz", "/admin/policies"])
async def test_nothing_else_is_there(client: httpx.AsyncClient, path: str) -> None:
    assert (await client.get(path)).status_code == 404


async def test_metrics_are_only_read(client: httpx.AsyncClient) -> None:
    assert (await client.post("/metrics", content=b"x")).status_code == 405


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
