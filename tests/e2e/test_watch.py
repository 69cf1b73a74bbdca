"""Is a configuration file that is watched taken up as Kubernetes puts it in place?"""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

CONFIG = """
server: {{watch: true}}
models:
  {name}: {{targets: [{{provider: openai_compatible, base_url: "http://127.0.0.1:9/v1", model: x}}]}}
telemetry: {{metrics: {{port: 0}}}}
"""


@pytest.mark.exhaustive
def test_a_configuration_that_is_put_in_place_whole_is_taken_up_and_a_broken_one_is_not(
    run_gateway: Callable[..., Any],
) -> None:
    gateway = run_gateway(CONFIG.format(name="before"))
    log: Path = gateway.log
    folder = log.parent

    def put(text: str) -> None:
        draft = folder / "draft"
        draft.write_text(text)
        draft.rename(folder / "splitgate.yaml")

    def until(mark: str) -> None:
        ends = time.monotonic() + 60
        while mark not in log.read_text():
            assert time.monotonic() < ends, log.read_text()
            time.sleep(0.05)

    def models() -> list[str]:
        told = httpx.get(f"{gateway.url}/v1/models", trust_env=False, timeout=30).json()
        return [one["id"] for one in told["data"]]

    assert models() == ["before"]
    put(CONFIG.format(name="after"))
    until("every worker runs the new configuration")
    assert models() == ["after"]
    put("models: {}\n")
    until("the configuration is not taken up")
    assert models() == ["after"]
    assert log.read_text().count("giving it to the workers") == 1
