"""What do clients see while targets fail, ask to be left alone, and recover? One gateway, and upstreams by script."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import httpx
import pytest

Json = dict[str, Any]


class Exchange(Protocol):
    over: threading.Event

    def open(self, content_type: str = "text/event-stream") -> None: ...
    def say(self, *chunks: Json) -> None: ...
    def end(self) -> None: ...
    def die(self) -> None: ...


class Staged(Protocol):
    url: str
    bodies: list[Json]
    calls: Any
    automatic: Any

    def next(self) -> Exchange: ...
    def always(self, body: Json | bytes, **details: Any) -> None: ...


class Gateway(Protocol):
    @property
    def url(self) -> str: ...

    @property
    def metrics(self) -> str | None: ...

    @property
    def log(self) -> Path: ...


class Wire(Protocol):
    def request(self, path: str, body: bytes | None = None, *, method: str = "POST", **headers: str) -> None: ...
    def close(self) -> None: ...


PATIENCE_S = 20.0
ERROR: Json = {"error": {"message": "no", "type": "t", "param": None, "code": "c"}}
ANSWER: Json = {
    "id": "1",
    "object": "chat.completion",
    "created": 1,
    "model": "m",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "fine"}, "finish_reason": "stop"}],
}
# Two places, so that whoever waits and has gone can be told from whoever waits still.
CONFIG = """
server: {{max_concurrent: 2, queue_timeout_s: 0.3}}
audit: {{deadline_s: 20}}
models:
  again:
    targets: [{{{a}, id: again-a}}]
  rests:
    max_wait_s: 0.2
    targets: [{{{a}, id: rests-a}}]
  waits:
    max_wait_s: 5
    targets: [{{{a}, id: waits-a}}]
  waits-long:
    max_wait_s: 30
    targets: [{{{a}, id: waits-long-a}}]
  spare:
    targets: [{{{b}, id: spare-b}}]
  breaks:
    retries: 0
    targets: [{{{a}, id: breaks-a, breaker: {{failures: 3, cooldown_s: 0.4, longest_s: 0.4}}}}]
  hurries:
    deadline_s: 0.4
    targets: [{{{a}, id: hurries-a}}, {{{b}, id: hurries-b}}]
  balances:
    balance: least_pending
    targets: [{{{a}, id: balances-a}}, {{{b}, id: balances-b}}]
  is-unwell:
    targets:
      - {{{a}, id: unwell-a, health: {{path: /health, interval_s: 0.5, timeout_s: 0.5, failures: 1}}}}
      - {{{b}, id: unwell-b}}
"""


@pytest.fixture(scope="module")
def troubled(staged_pair: tuple[Staged, Staged], keep_gateway: Callable[..., Gateway]) -> Gateway:
    """The gateway of these tests; its targets are `a`, the first upstream, and `b`, the second."""
    entries = {
        name: f'provider: openai_compatible, base_url: "{staged.url}", model: m, format: tool-envelope'
        for name, staged in zip("ab", staged_pair, strict=True)
    }
    return keep_gateway(CONFIG.format(**entries))


@pytest.fixture(scope="module")
def client(troubled: Gateway) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=troubled.url, timeout=60.0, trust_env=False) as opened:
        yield opened


@dataclass
class Script:
    """Answers one by one; the last one again and again."""

    answers: list[Any]

    def __call__(self, _: Json) -> Any:
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


def body(model: str, **fields: Any) -> Json:
    return {"model": model, "messages": [{"role": "user", "content": "Summarise."}], "data": "planted-data", **fields}


def ask(client: httpx.Client, model: str, **fields: Any) -> httpx.Response:
    return client.post("/v1/chat/completions", json=body(model, **fields))


def code(response: httpx.Response) -> tuple[int, str]:
    return response.status_code, response.json()["error"]["code"]


def standing(client: httpx.Client, target: str) -> Json:
    models: Json = client.get("/admin/targets").json()["models"]
    return next(one for model in models.values() for one in model["targets"] if one["id"] == target)


def until(holds: Callable[[], Any]) -> None:
    end = time.monotonic() + PATIENCE_S
    while not holds():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.02)


def in_turn(staged: Staged, *answers: tuple[Json | bytes, dict[str, Any]]) -> None:
    """Have the upstream give these answers one by one."""
    made: list[Any] = []
    for raw, details in answers:
        staged.always(raw, **details)
        made.append(staged.automatic({}))
    staged.automatic = Script(made)


def outcome(gateway: Gateway, request: str) -> Json:
    """What the journal says in the end of the request of this id."""
    found: list[Json] = []

    def there() -> bool:
        for journal in gateway.log.parent.rglob("journal"):
            lines = journal.read_bytes().splitlines()
            found.extend(one for one in map(json.loads, lines) if one.get("request") == request)
        return any(one["phase"] == "outcome" for one in found)

    until(there)
    return next(one for one in found if one["phase"] == "outcome")


def test_a_failure_is_made_good_by_a_second_call_and_all_of_it_is_told(
    client: httpx.Client, troubled: Gateway, first: Staged
) -> None:
    in_turn(first, (ERROR, {"status": 500}), (ANSWER, {}))
    response = ask(client, "again")
    assert response.json()["choices"][0]["message"]["content"] == "fine"
    assert "retried" in response.headers["x-splitgate-notes"].split(",")
    assert first.bodies[0] == first.bodies[1]
    attempts = outcome(troubled, response.headers["x-request-id"])["attempts"]
    assert [(one["target"], one.get("error")) for one in attempts] == [
        ("again-a", "upstream_failed"),
        ("again-a", None),
    ]
    assert attempts[1]["waited"] > 0
    first.always(ANSWER)
    assert "retried" not in ask(client, "again").headers.get("x-splitgate-notes", "")
    told = standing(client, "again-a")
    assert (told["state"], told["retries"], told["pending"]) == ("closed", 1, 0)
    assert told["attempts"] == {"upstream_failed": 1, "answered": 2}


def test_a_stream_is_made_good_before_its_first_event(
    client: httpx.Client, first: Staged, chunk: Callable[..., Json]
) -> None:
    events = [chunk({"role": "assistant", "content": "fine"}), chunk({}, "stop")]
    stream = b"".join(b"data: " + json.dumps(event).encode() + b"\n\n" for event in events) + b"data: [DONE]\n\n"
    in_turn(first, (ERROR, {"status": 503}), (stream, {"content_type": "text/event-stream"}))
    response = ask(client, "again", stream=True)
    assert response.text.endswith("data: [DONE]\n\n")
    assert "retried" in response.headers["x-splitgate-notes"].split(",")
    assert len(first.bodies) == 2


def test_a_connection_that_breaks_after_the_request_was_written_is_not_made_good(
    client: httpx.Client, first: Staged
) -> None:
    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(ask, client, "again")
        first.next().die()
        response = asked.result(PATIENCE_S)
    assert code(response) == (502, "upstream_garbled")
    assert response.headers["x-should-retry"] == "false"
    assert len(first.bodies) == 1


def test_an_upstream_that_asks_for_it_is_left_alone_until_then(client: httpx.Client, first: Staged) -> None:
    first.always(ERROR, status=429, headers={"retry-after": "1"})
    refused = [ask(client, "rests") for _ in range(4)]
    # The first one hears the upstream's own word.
    assert [code(response) for response in refused] == [(429, "c"), *[(429, "upstream_overloaded")] * 3]
    assert [response.headers["retry-after"] for response in refused] == ["1"] * 4
    assert len(first.bodies) == 1
    first.always(ANSWER)
    until(lambda: standing(client, "rests-a")["resting_s"] == 0)
    assert ask(client, "rests").status_code == 200


def test_a_short_rest_is_waited_for(client: httpx.Client, first: Staged) -> None:
    in_turn(first, (ERROR, {"status": 429, "headers": {"retry-after": "1"}}), (ANSWER, {}))
    began = time.monotonic()
    assert ask(client, "waits").status_code == 200
    assert time.monotonic() - began >= 1.0
    assert len(first.bodies) == 2


def test_whoever_goes_away_while_waiting_gives_the_place_back(
    client: httpx.Client, troubled: Gateway, first: Staged, second: Staged, dial: Callable[[str], Wire]
) -> None:
    first.always(ERROR, status=503, headers={"retry-after": "20"})
    second.always(ANSWER)
    wires = [dial(troubled.url) for _ in range(2)]
    for wire in wires:
        wire.request("/v1/chat/completions", json.dumps(body("waits-long")).encode())
    until(lambda: first.bodies)
    # Both places are taken by those who wait.
    until(lambda: ask(client, "spare").status_code == 503)
    for wire in wires:
        wire.close()
    # It is stated as 100 ms; a busy machine is given a second.
    gone = time.monotonic()
    until(lambda: ask(client, "spare").status_code == 200 or time.monotonic() > gone + 5)
    assert time.monotonic() < gone + 1.5


def test_an_upstream_that_fails_time_and_again_is_spared_and_comes_back(client: httpx.Client, first: Staged) -> None:
    first.always(ERROR, status=500)
    seen = [code(ask(client, "breaks")) for _ in range(6)]
    assert seen[:3] == [(502, "upstream_failed")] * 3
    assert (503, "targets_unavailable") in seen[3:]
    response = next(one for one in iter(lambda: ask(client, "breaks"), None) if one.status_code == 503)
    assert "breaks-a" in response.json()["error"]["message"]
    assert response.headers["retry-after"] == "1"
    assert standing(client, "breaks-a")["state"] in {"open", "half-open"}
    assert client.get("/readyz").status_code == 200
    first.always(ANSWER)
    until(lambda: ask(client, "breaks").status_code == 200)
    assert standing(client, "breaks-a")["state"] == "closed"


def test_no_call_goes_on_beyond_the_deadline(client: httpx.Client, first: Staged, second: Staged) -> None:
    second.always(ANSWER)
    response = ask(client, "hurries")  # the first one never answers
    assert code(response) == (504, "upstream_timeout")
    assert (len(first.bodies), len(second.bodies)) == (1, 0)


def test_calls_go_to_whoever_has_the_fewest(troubled: Gateway, first: Staged, second: Staged) -> None:
    def one() -> httpx.Response:
        with httpx.Client(base_url=troubled.url, timeout=60.0, trust_env=False) as own:
            return ask(own, "balances")

    with ThreadPoolExecutor(2) as pool:
        asked: list[Future[httpx.Response]] = []
        for called in (1, 2):
            asked.append(pool.submit(one))
            until(lambda called=called: len(first.bodies) + len(second.bodies) == called)
        assert (len(first.bodies), len(second.bodies)) == (1, 1)
        for staged in (first, second):
            exchange = staged.next()
            exchange.open("application/json")
            exchange.end()
        assert {one.result(PATIENCE_S).status_code for one in asked} == {502}


def test_a_target_that_says_that_it_is_not_well_is_passed_by(
    client: httpx.Client, first: Staged, second: Staged
) -> None:
    # The upstream knows no GET: it answers 501.
    first.always(ANSWER)
    second.always(ANSWER)
    until(lambda: standing(client, "unwell-a")["state"] == "open")
    assert ask(client, "is-unwell").headers["x-splitgate-target"] == "unwell-b"


def test_metrics_say_how_targets_stand(client: httpx.Client, troubled: Gateway, first: Staged) -> None:
    in_turn(first, (ERROR, {"status": 500}), (ANSWER, {}))
    assert ask(client, "again").status_code == 200
    assert troubled.metrics is not None
    url = troubled.metrics

    def told() -> bool:
        text = httpx.get(url, trust_env=False).text
        wanted = (
            'splitgate_target_state{state="closed",target="again-a"} 1.0',
            'splitgate_upstream_attempts_total{outcome="upstream_failed",target="again-a"}',
            'splitgate_upstream_retries_total{target="again-a"}',
            'splitgate_target_pending{target="again-a"} 0.0',
        )
        return all(line in text for line in wanted)

    until(told)
