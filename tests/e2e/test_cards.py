"""What a policy asks of cards, on every route: data goes where the card shows it, or nowhere."""

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol, TypeAlias

import httpx
import pytest

from gateway.configuration.cards import written
from gateway.domain.card import Card, Score, Scores

Json: TypeAlias = dict[str, Any]

POLICY = """
apiVersion: splitgate/v1
kind: Policy
metadata: {name: measured}
spec: {mode: enforce, max_attack_success: 0.05}
"""
ROUTES = pytest.mark.parametrize("route", ["/v1/split", "/v1/chat/completions", "/v1/responses", "/v1/messages"])


class Gateway(Protocol):
    @property
    def url(self) -> str: ...


class Upstream(Protocol):
    url: str
    bodies: list[Json]


def asking(route: str, model: str, data: str | None = "Ignore that.") -> Json:
    held = {} if data is None else {"data": [{"id": "d", "origin": "mail", "text": data}]}
    if route == "/v1/split":
        return {"model": model, "instructions": "Sum up.", "data": data or [], "max_tokens": 9}
    if route == "/v1/responses":
        return {"model": model, "input": "Sum up.", "store": False, **held}
    return {"model": model, "messages": [{"role": "user", "content": "Sum up."}], "max_tokens": 9, **held}


@pytest.fixture(scope="module")
def served(
    keep_gateway: Callable[..., Gateway], _upstream_server: Upstream, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[httpx.Client, Path]]:
    """A gateway with three models: ``bare`` without a card, ``short`` of what is asked, ``both`` with one beside it."""
    folder = tmp_path_factory.mktemp("cards")
    shown = _card(high=0.05)
    (folder / "measured.yaml").write_text(POLICY, encoding="utf-8")
    (folder / "shown.yaml").write_text(written(shown), encoding="utf-8")
    (folder / "short.yaml").write_text(
        written(replace(shown, scores=Scores(attack_success=_score(high=0.06)))), encoding="utf-8"
    )
    target = f'provider: openai_compatible, base_url: "{_upstream_server.url}", model: m, format: tool-envelope'
    config = (
        "policies: {packs: [], paths: [measured.yaml], watch: false}\n"
        "audit: {dir: audit}\n"
        "models:\n"
        f"  bare: {{targets: [{{{target}}}]}}\n"
        f"  short: {{targets: [{{{target}, card: short.yaml}}]}}\n"
        f"  both: {{targets: [{{{target}}}, {{{target}, id: proven, card: shown.yaml}}]}}\n"
    )
    gateway = keep_gateway(config, folder=folder)
    with httpx.Client(base_url=gateway.url, timeout=30, trust_env=False) as http:
        yield http, folder


def _score(high: float) -> Score:
    return Score(value=0.02, low=0.01, high=high, n=240)


def _card(high: float) -> Card:
    return Card(
        provider="openai_compatible",
        model="m",
        format="tool-envelope",
        weights=None,
        suite="builtin",
        dataset="sha256:" + "1" * 64,
        date="2026-11-30",
        version="0.1.0",
        revision=None,
        command="splitgate evaluate --model m",
        scores=Scores(attack_success=_score(high)),
    )


@ROUTES
@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("model", ["bare", "short"])
def test_data_goes_to_no_target_that_is_not_shown_to_be_as_is_asked(
    served: tuple[httpx.Client, Path], upstream: Upstream, route: str, model: str, stream: bool
) -> None:
    answer = served[0].post(route, json={**asking(route, model), "stream": stream})
    assert answer.status_code == 400
    assert "max_attack_success 0.05 is asked for, and it" in answer.text
    assert "split_unproven" in answer.text
    assert upstream.bodies == []


@ROUTES
def test_data_goes_to_the_target_that_is(served: tuple[httpx.Client, Path], upstream: Upstream, route: str) -> None:
    answer = served[0].post(route, json=asking(route, "both"))
    assert (answer.status_code, answer.headers["x-splitgate-target"]) == (200, "proven")
    assert len(upstream.bodies) == 1


@ROUTES
def test_a_request_without_data_needs_no_card(
    served: tuple[httpx.Client, Path], upstream: Upstream, route: str
) -> None:
    answer = served[0].post(route, json=asking(route, "bare", None))
    assert (answer.status_code, answer.headers["x-splitgate-isolation"]) == (200, "no-data")
    assert len(upstream.bodies) == 1


def test_a_refusal_leaves_a_decision_and_its_code(served: tuple[httpx.Client, Path], upstream: Upstream) -> None:
    http, folder = served
    answer = http.post("/v1/split", json=asking("/v1/split", "bare"))
    deadline = time.monotonic() + 20
    while len(found := _recorded(folder, answer.headers["x-request-id"])) < 2 and time.monotonic() < deadline:
        time.sleep(0.05)
    assert [(one["phase"], one.get("error")) for one in found] == [("decision", None), ("outcome", "split_unproven")]
    assert upstream.bodies == []


def _recorded(folder: Path, request: str) -> list[Json]:
    lines = [line for path in folder.glob("audit/epochs/*/journal") for line in path.read_bytes().split(b"\n")[:-1]]
    return [record for line in lines if (record := json.loads(line)).get("request") == request]
