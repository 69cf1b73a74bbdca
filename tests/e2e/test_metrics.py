"""What do the metrics of a gateway that runs for real say, whichever worker answers the scrape?"""

import concurrent.futures
import json
import os
import re
import signal
import socket
import time
from collections.abc import Callable
from typing import Any, Protocol, TypeAlias

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

Json: TypeAlias = dict[str, Any]
Samples: TypeAlias = dict[str, float]

PATIENCE_S = 30.0
MODEL = 'm: {{min_isolation: none, targets: [{{provider: openai_compatible, base_url: "{url}", model: m, id: m-1}}]}}'
CONFIG = """
models: {{ {models} }}
telemetry: {{metrics: {{port: {port}}}}}
"""
POLICY = """apiVersion: splitgate/v1
kind: Policy
metadata: {name: parcels}
spec:
  mode: enforce
  rules:
    - {id: no-parcels, stage: data, severity: critical, when: segment.origin == 'parcel', action: block, message: No.}
"""
STALLED = b"POST /v1/split HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: 99\r\n\r\n{"

# The sample that counts requests which were answered.
ANSWERED = "splitgate_requests_total decision=allow dialect=split isolation=wrapped model=m operation=chat status=200"


class Gateway(Protocol):
    @property
    def url(self) -> str: ...
    @property
    def metrics(self) -> str | None: ...
    @property
    def log(self) -> Any: ...
    @property
    def process(self) -> Any: ...


class Upstream(Protocol):
    url: str


RunGateway: TypeAlias = Callable[..., Gateway]


def scrape(gateway: Gateway) -> Samples:
    assert gateway.metrics is not None
    text = httpx.get(gateway.metrics, timeout=30, trust_env=False, headers={"connection": "close"}).text
    return {
        "".join([one.name, *[f" {name}={label}" for name, label in sorted(one.labels.items())]]): one.value
        for family in text_string_to_metric_families(text)
        for one in family.samples
    }


def until(gateway: Gateway, holds: Callable[[Samples], bool]) -> Samples:
    end = time.monotonic() + PATIENCE_S
    while True:
        try:
            found = scrape(gateway)
        except httpx.TransportError:
            found = {}
        if found and holds(found):
            return found
        assert time.monotonic() < end, f"waited in vain: {found}"
        time.sleep(0.05)


def revisions(samples: Samples) -> set[str]:
    """A sample for each worker that has policies in force."""
    return {name for name, value in samples.items() if name.startswith("splitgate_policy_info") and value == 1.0}


def ask(gateway: Gateway, origin: str = "email", path: str = "/v1/split", **more: Any) -> int:
    data = [{"id": "d", "origin": origin, "text": "planted-text"}]
    body = {"model": "m", "instructions": "planted-prompt", "data": data, **more}
    headers = {"connection": "close", "content-type": "application/json"}
    return httpx.post(
        gateway.url + path, content=json.dumps(body), headers=headers, timeout=30, trust_env=False
    ).status_code


def workers_of(gateway: Gateway) -> list[int]:
    log = gateway.log.read_text()
    return [int(pid) for pid in re.findall(r"Started server process \[(\d+)\]", log)]


def config(upstream: Upstream, port: int | str = 0) -> str:
    return CONFIG.format(models=MODEL.format(url=upstream.url), port=port)


@pytest.fixture(scope="module")
def crew(keep_gateway: RunGateway, _upstream_server: Upstream, tmp_path_factory: pytest.TempPathFactory) -> Gateway:
    """Two workers, under a policy that wants no parcels; the tests use it one after the other."""
    policy = tmp_path_factory.mktemp("policy") / "parcels.yaml"
    policy.write_text(POLICY)
    return keep_gateway(config(_upstream_server) + f"policies: {{packs: [], paths: ['{policy}']}}\n", workers=2)


@pytest.fixture
def gateway(crew: Gateway, upstream: Upstream) -> Gateway:
    """The two workers, in front of an upstream that answers."""
    del upstream
    return crew


def test_every_scrape_counts_the_requests_of_all_workers_and_nothing_else_is_served_there(gateway: Gateway) -> None:
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        assert set(pool.map(ask, [gateway] * 40)) == {200}
    assert ask(gateway, model="planted-model") == 404
    unread = "decision=(unknown) dialect=split isolation=(unknown) model=(unknown) operation=chat"
    refused = f"splitgate_requests_total {unread} status=404"
    # One worker may have answered all of them before the other one was ready.
    found = until(
        gateway,
        lambda samples: (samples.get(ANSWERED), samples.get(refused), len(revisions(samples))) == (40.0, 1.0, 2),
    )
    for _ in range(5):
        assert scrape(gateway)[ANSWERED] == 40.0
    assert found["splitgate_errors_total code=model_not_found"] == 1.0
    assert found["splitgate_in_flight dialect=split"] == 0.0
    assert found["splitgate_tokens_total direction=input model=m"] == 200.0
    assert found["splitgate_upstream_attempts_total outcome=answered target=m-1"] == 40.0
    assert found["splitgate_upstream_seconds_count target=m-1"] == 40.0
    assert found["splitgate_gateway_seconds_count dialect=split operation=chat"] == 41.0
    assert "planted" not in repr(found)
    assert gateway.metrics is not None
    for path in ("/v1/split", "/v1/models", "/admin/policies"):
        url = gateway.metrics.replace("/metrics", path)
        assert httpx.get(url, trust_env=False, timeout=30).status_code == 404
    assert httpx.get(f"{gateway.url}/metrics", trust_env=False, timeout=30).status_code == 404


def test_a_blocked_request_is_counted_by_the_rule_that_blocked_it(gateway: Gateway) -> None:
    before = scrape(gateway).get(ANSWERED, 0.0)
    assert ask(gateway, "parcel") == 400
    assert ask(gateway, "web") == 200
    blocked = "splitgate_errors_total code=splitgate_blocked"
    # A worker tells of a request some time after its answer: nobody who counts after this test is to see one more.
    found = until(gateway, lambda samples: (samples.get(blocked), samples.get(ANSWERED)) == (1.0, before + 1.0))
    assert found["splitgate_findings_total action=block policy=parcels rule=no-parcels stage=data weight=acts"] == 1.0
    refused = "decision=block dialect=split isolation=(unknown) model=m operation=chat status=400"
    assert found[f"splitgate_requests_total {refused}"] == 1.0


@pytest.mark.exhaustive
def test_a_killed_workers_gauges_vanish_its_counts_stay_and_its_restart_is_told(gateway: Gateway) -> None:
    before = scrape(gateway).get(ANSWERED, 0.0)
    for _ in range(10):
        assert ask(gateway) == 200
    until(gateway, lambda samples: samples.get(ANSWERED) == before + 10.0)
    # A request without an end is under way in one worker or the other.
    address = httpx.URL(gateway.url)
    with socket.create_connection((address.host, address.port or 0)) as stalled:
        stalled.sendall(STALLED)
        until(gateway, lambda samples: samples["splitgate_in_flight dialect=split"] == 1.0)
        for pid in workers_of(gateway):
            os.kill(pid, signal.SIGKILL)
        found = until(
            gateway,
            lambda samples: all(
                samples.get(f"splitgate_worker_{what} worker={worker}") == 1.0
                for what in ("up", "restarts_total")
                for worker in (1, 2)
            ),
        )
    assert found.get("splitgate_in_flight dialect=split", 0.0) == 0.0
    assert found[ANSWERED] == before + 10.0
    assert ask(gateway) == 200
    until(gateway, lambda samples: samples[ANSWERED] == before + 11.0)
    # Whoever is replaced on purpose has not died.
    gateway.process.send_signal(signal.SIGUSR2)
    end = time.monotonic() + PATIENCE_S
    while len(workers_of(gateway)) < 6:
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.05)
    found = until(gateway, lambda samples: all(samples[f"splitgate_worker_up worker={worker}"] for worker in (1, 2)))
    assert [found[f"splitgate_worker_restarts_total worker={worker}"] for worker in (1, 2)] == [1.0, 1.0]
    assert found[ANSWERED] == before + 11.0


@pytest.fixture
def taken() -> Any:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield listening.getsockname()[1]


def test_a_chosen_port_that_is_taken_stops_the_start(run_gateway: RunGateway, upstream: Upstream, taken: int) -> None:
    with pytest.raises(
        AssertionError, match=rf"metrics: cannot listen on 127.0.0.1 port {taken} \(address already in use\)"
    ):
        run_gateway(config(upstream, taken))
