"""More requests than there may be: who waits, who is told to come back, and who hears of nothing."""

import hashlib
import json
from collections.abc import Callable
from typing import Any, Protocol

import httpx
import pytest

from gateway.dialects.registry import PATHS

Json = dict[str, Any]
CHAT = "/v1/chat/completions"
KEY = "planted-overload-key"
PLACES, QUEUE = 2, 1


class Gateway(Protocol):
    @property
    def url(self) -> str: ...


class Exchange(Protocol):
    def open(self, content_type: str = "text/event-stream") -> None: ...
    def write(self, raw: bytes) -> None: ...
    def end(self) -> None: ...
    def caller_left(self) -> bool: ...


class Staged(Protocol):
    url: str
    bodies: list[Json]

    def next(self) -> Exchange: ...
    def always(self, body: Json | bytes, **details: Any) -> None: ...


class Received(Protocol):
    status: int
    headers: Any
    body: bytes

    def json(self) -> Json: ...


class Wire(Protocol):
    def request(self, path: str, body: bytes | None = None, *, method: str = "POST", **headers: str) -> None: ...
    def response(self) -> Received: ...
    def close(self) -> None: ...


Dial = Callable[[str], Wire]
Ask = Callable[..., Wire]
ANSWER: Json = {
    "id": "1",
    "object": "chat.completion",
    "created": 1,
    "model": "m",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "fine"}, "finish_reason": "stop"}],
}
BODY: Json = {"model": "one", "messages": [{"role": "user", "content": "Summarise."}], "data": "d"}


def answer(exchange: Exchange) -> None:
    exchange.open("application/json")
    exchange.write(json.dumps(ANSWER).encode())
    exchange.end()


def config_of(upstream: Staged, server: str) -> str:
    digest = hashlib.sha256(KEY.encode()).hexdigest()
    target = f'provider: openai_compatible, base_url: "{upstream.url}", model: m, format: tool-envelope'
    return (
        f"server: {{max_concurrent: {PLACES}, max_queued: {QUEUE}, {server}}}\naudit: {{deadline_s: 20}}\n"
        f"keys: [{{name: app, sha256: {digest}}}]\nmodels: {{one: {{targets: [{{{target}}}]}}}}\n"
    )


@pytest.fixture(scope="module")
def patient(staged_pair: tuple[Staged, Staged], keep_gateway: Callable[..., Gateway]) -> Gateway:
    """A gateway with two places and a queue of one, in which one may wait for longer than any test takes."""
    return keep_gateway(config_of(staged_pair[0], "queue_timeout_s: 25"))


@pytest.fixture(scope="module")
def hasty(staged_pair: tuple[Staged, Staged], keep_gateway: Callable[..., Gateway]) -> Gateway:
    """The same, where one may wait for a moment only."""
    return keep_gateway(config_of(staged_pair[0], "queue_timeout_s: 0.2"))


@pytest.fixture
def ask(dial: Dial) -> Ask:
    """Send a request, and see that the gateway has read it: what is sent later comes later."""

    def ask(gateway: Gateway, path: str = CHAT, key: str = KEY, **more: Any) -> Wire:
        wire = dial(gateway.url)
        wire.request(path, json.dumps({**BODY, **more}).encode(), authorization=f"Bearer {key}")
        settle(dial, gateway)
        return wire

    return ask


def settle(dial: Dial, gateway: Gateway) -> None:
    """Have the gateway answer something that came later."""
    wire = dial(gateway.url)
    wire.request("/healthz", method="GET")
    assert wire.response().status == 200
    wire.close()


@pytest.fixture
def full(patient: Gateway, ask: Ask, first: Staged) -> tuple[Gateway, list[Wire], list[Exchange]]:
    """The patient gateway with its places taken, by calls that wait for their upstream."""
    # One by one: two calls may reach their upstream in another order than they came.
    pairs = [(ask(patient), first.next()) for _ in range(PLACES)]
    return patient, [wire for wire, _ in pairs], [exchange for _, exchange in pairs]


@pytest.mark.parametrize("path", PATHS)
def test_beyond_places_and_queue_each_dialect_says_when_to_come_back(
    full: tuple[Gateway, list[Wire], list[Exchange]], ask: Ask, first: Staged, path: str
) -> None:
    gateway, wires, exchanges = full
    queued = [ask(gateway) for _ in range(QUEUE)]
    refused = ask(gateway, path).response()
    assert refused.status == 503
    assert 1 <= int(refused.headers["retry-after"]) <= 4
    assert "x-should-retry" not in refused.headers
    assert "requests in progress" in refused.body.decode()
    for exchange in exchanges:
        answer(exchange)
    for _ in queued:
        answer(first.next())
    assert [wire.response().status for wire in (*wires, *queued)] == [200] * (PLACES + QUEUE)
    assert len(first.bodies) == PLACES + QUEUE


def test_the_shapes_are_the_dialects_own(full: tuple[Gateway, list[Wire], list[Exchange]], ask: Ask) -> None:
    gateway, _, _ = full
    for _ in range(QUEUE):
        ask(gateway)
    chat, split = ask(gateway).response(), ask(gateway, "/v1/split").response()
    assert chat.json()["error"]["code"] == split.json()["code"] == "gateway_full"
    assert split.headers["content-type"] == "application/problem+json"


def test_who_asks_after_the_gateways_health_or_without_a_key_never_waits(
    full: tuple[Gateway, list[Wire], list[Exchange]], ask: Ask
) -> None:
    gateway, _, _ = full
    for _ in range(QUEUE):
        ask(gateway)
    with httpx.Client(base_url=gateway.url, trust_env=False, timeout=10) as http:
        assert http.get("/healthz").status_code == 200
        assert http.get("/readyz").status_code == 200
        assert http.get("/v1/models", headers={"authorization": f"Bearer {KEY}"}).status_code == 200
    assert ask(gateway, key="planted-other-key").response().status == 401


def test_who_waits_too_long_is_told_to_come_back(hasty: Gateway, ask: Ask, first: Staged) -> None:
    wires = [ask(hasty) for _ in range(PLACES)]
    exchanges = [first.next() for _ in wires]
    refused = ask(hasty).response()
    assert (refused.status, refused.json()["error"]["code"]) == (503, "gateway_full")
    for exchange in exchanges:
        answer(exchange)
    assert [wire.response().status for wire in wires] == [200] * PLACES


def test_who_goes_away_leaves_its_place_or_its_turn_to_the_next(
    full: tuple[Gateway, list[Wire], list[Exchange]], ask: Ask, dial: Dial, first: Staged
) -> None:
    gateway, wires, exchanges = full
    gone = ask(gateway)
    gone.close()
    settle(dial, gateway)
    queued = ask(gateway)
    wires[0].close()
    assert exchanges[0].caller_left()
    answer(first.next())
    assert queued.response().status == 200
    answer(exchanges[1])
    assert wires[1].response().status == 200


def test_streams_hold_their_places_until_they_end(hasty: Gateway, ask: Ask, first: Staged) -> None:
    wires = [ask(hasty, stream=True) for _ in range(PLACES)]
    exchanges = [first.next() for _ in wires]
    for exchange in exchanges:
        exchange.open()
    assert ask(hasty).response().status == 503
    for wire in wires:
        wire.close()
    assert all(exchange.caller_left() for exchange in exchanges)
    first.always(ANSWER)
    assert ask(hasty).response().status == 200
