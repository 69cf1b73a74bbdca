"""Two gateways that share one limit over a real Redis, which is paused in between."""

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

import httpx
import pytest

PATIENCE_S = 30.0
LIMIT = 8


class Gateway(Protocol):
    @property
    def url(self) -> str: ...
    @property
    def log(self) -> Path: ...


def _config(upstream: str, redis_port: int, journal: Path) -> str:
    return f"""
audit: {{dir: "{journal}"}}
models:
  m:
    min_isolation: none
    targets: [{{provider: openai_compatible, base_url: "{upstream}", model: up, format: plain}}]
limits:
  rules: [{{name: all, per: gateway, requests: [{LIMIT}/hour], concurrent: 4}}]
  redis: {{url: "redis://127.0.0.1:{redis_port}", replicas: 2, prefix: e2e, timeout_ms: 40}}
"""


def _ask(gateway: Gateway) -> int:
    body = {"model": "m", "messages": [{"role": "user", "content": "Summarise."}]}
    return httpx.post(f"{gateway.url}/v1/chat/completions", json=body, timeout=PATIENCE_S).status_code


def _lines(gateway: Gateway) -> list[str]:
    return [line for line in gateway.log.read_text().splitlines() if "limits: Redis" in line]


def _until(holds: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE_S
    while not holds():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.02)


def _counted(server: Any) -> list[str]:
    return [line for line in server.say("HVALS", "{e2e}:all:gateway:requests:3600").split("\r\n") if line.isdigit()]


@pytest.mark.exhaustive
def test_one_limit_over_two_gateways_holds_while_redis_is_paused_and_after_it(
    run_gateway: Callable[..., Gateway], upstream: Any, start_redis: Callable[..., Any], tmp_path: Path
) -> None:
    server = start_redis()
    both = [run_gateway(_config(upstream.url, server.port, tmp_path / f"audit-{name}")) for name in "ab"]
    assert [_ask(gateway) for gateway in both * 2] == [200] * 4
    _until(lambda: "4" in _counted(server))
    server.pause()
    try:
        # Each has half of it by itself, whatever was used before.
        alone = [[_ask(gateway) for _ in range(LIMIT // 2 + 1)] for gateway in both]
    finally:
        server.go_on()
    assert alone == [[*[200] * (LIMIT // 2), 429]] * 2
    for gateway in both:
        assert [line.count("Redis is away, it does not answer in time") for line in _lines(gateway)][1:2] == [1]
        _until(lambda gateway=gateway: len(_lines(gateway)) == 3)
    # What was counted alone is there: 4 and 2 times 4, and those that were under way when it stopped.
    (counted,) = _counted(server)
    assert 12 <= int(counted) <= 14
    assert server.say("ZCARD", "{e2e}:all:gateway:concurrent:now").startswith(":0")
    assert [_ask(gateway) for gateway in both] == [429, 429]
    for name in "ab":
        journals = [*(tmp_path / f"audit-{name}").rglob("journal*")]
        told = [json.loads(line) for file in journals for line in file.read_bytes().splitlines()]
        noted = [record["counted"] for record in told if record.get("what") == "limits"]
        assert noted == ["together", "each", "together"], journals
