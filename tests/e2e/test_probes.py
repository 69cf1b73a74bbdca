"""Is a platform told the truth when there is no room at the gateway's door, and when a stop has been announced?"""

import signal
import socket
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

CONFIG = """
server: {max_concurrent: 2, max_connections: 2, drain_delay_s: 3}
models:
  m: {targets: [{provider: openai_compatible, base_url: "http://127.0.0.1:9/v1", model: x}]}
telemetry: {metrics: {port: 0}}
"""


def asked(url: str) -> tuple[int, str]:
    answer = httpx.get(url, trust_env=False, timeout=10)
    return answer.status_code, answer.json().get("status", "")


@pytest.mark.exhaustive
def test_probes_are_answered_beside_the_metrics_when_the_door_is_full_and_say_that_a_stop_comes(
    run_gateway: Callable[..., Any],
) -> None:
    gateway = run_gateway(CONFIG)
    watched: str = gateway.metrics.removesuffix("/metrics")
    door = urlsplit(str(gateway.url))
    held = [socket.create_connection((door.hostname, door.port)) for _ in range(2)]
    try:
        time.sleep(0.2)
        # The near miss: at the door of applications a probe is turned away like anybody.
        assert httpx.get(f"{gateway.url}/healthz", trust_env=False).status_code == 503
        assert asked(f"{watched}/healthz") == (200, "ok")
        assert asked(f"{watched}/readyz") == (200, "ready")
    finally:
        for one in held:
            one.close()
    gateway.process.send_signal(signal.SIGTERM)
    ends = time.monotonic() + 2
    while asked(f"{watched}/readyz") != (503, "stopping"):
        assert time.monotonic() < ends
        time.sleep(0.05)
    assert asked(f"{watched}/healthz") == (200, "ok")
