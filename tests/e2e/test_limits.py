"""Limits of a running gateway with two workers, as the official SDKs meet them."""

import hashlib
import signal
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Protocol

import anthropic
import httpx
import openai
import pytest

Json = dict[str, Any]
PATIENCE_S = 30.0
KEYS = ("rpm-1", "rpm-2", "rpm-3", "brief", "cut-1", "cut-2", "money-1", "money-2", "places", "free")


class Process(Protocol):
    def send_signal(self, sig: int) -> None: ...


class Gateway(Protocol):
    @property
    def url(self) -> str: ...
    @property
    def metrics(self) -> str | None: ...
    @property
    def process(self) -> Process: ...
    @property
    def log(self) -> Path: ...


class Upstream(Protocol):
    url: str
    bodies: list[Json]

    def stream(self, *chunks: Json, done: bool = True, broken: bool = False, pause_s: float = 0.0) -> None: ...


Chunk = Callable[..., Json]


def secret(name: str) -> str:
    return f"planted-key-{name}"


def body(**more: Any) -> Json:
    return {"model": "m", "max_tokens": 10, "messages": [{"role": "user", "content": "Summarise."}], **more}


@pytest.fixture(scope="module")
def limited(_upstream_server: Upstream, keep_gateway: Callable[..., Gateway]) -> Gateway:
    """Two workers, a key for each test, and prices at which 1,000 tokens cost one dollar."""
    keys = "\n".join(
        f"  - {{name: {name}, sha256: {hashlib.sha256(secret(name).encode()).hexdigest()}}}" for name in KEYS
    )
    config = f"""
keys:
{keys}
models:
  m:
    min_isolation: none
    targets: [{{provider: openai_compatible, base_url: "{_upstream_server.url}", model: up, format: plain}}]
limits:
  prices: {{up: {{input: 1000, output: 1000}}}}
  rules:
    - {{name: everybody, per: gateway, requests: [100000/minute]}}
    - {{name: app-rpm, per: key, keys: ["rpm-*"], requests: [6/minute]}}
    - {{name: brief, per: key, keys: [brief], requests: [2/second]}}
    - {{name: tpm, per: key, keys: ["cut-*"], tokens: [2000/minute]}}
    - {{name: purse, per: key, keys: ["money-*"], money: [0.1/day]}}
    - {{name: places, per: key, keys: [places], concurrent: 2}}
"""
    return keep_gateway(config, workers=2)


class Counting(httpx.HTTPTransport):
    """Counts the calls that an SDK makes of the gateway."""

    calls = 0

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        self.calls += 1
        return super().handle_request(request)


@pytest.fixture
def transport() -> Counting:
    return Counting()


@pytest.fixture
def sdk(limited: Gateway, transport: Counting) -> Iterator[Callable[..., openai.OpenAI]]:
    with httpx.Client(transport=transport, trust_env=False, timeout=PATIENCE_S) as http:

        def make(name: str, max_retries: int = 2) -> openai.OpenAI:
            return openai.OpenAI(
                base_url=f"{limited.url}/v1", api_key=secret(name), http_client=http, max_retries=max_retries
            )

        yield make


@pytest.fixture
def post(limited: Gateway) -> Callable[..., httpx.Response]:
    """One request on a connection of its own, so that any worker may get it."""

    def post(name: str, path: str = "/v1/chat/completions", **more: Any) -> httpx.Response:
        with httpx.Client(base_url=limited.url, trust_env=False, timeout=PATIENCE_S) as http:
            sent = {"model": "m", "instructions": "Summarise.", "data": "d"} if path == "/v1/split" else body(**more)
            return http.post(path, json=sent, headers={"authorization": f"Bearer {secret(name)}"})

    return post


Post = Callable[..., httpx.Response]


def ask(client: openai.OpenAI) -> None:
    client.chat.completions.create(model="m", max_tokens=10, messages=[{"role": "user", "content": "Summarise."}])


@pytest.mark.usefixtures("upstream")
def test_workers_together_let_through_what_the_limit_says_and_no_more(limited: Gateway, post: Post) -> None:
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(post, ["rpm-1"] * 40))
    passed = [one for one in answers if one.status_code == 200]
    assert 3 <= len(passed) <= 6
    refused = next(one for one in answers if one.status_code == 429)
    assert refused.json()["error"] | {"message": ""} == {
        "message": "", "type": "requests", "param": None, "code": "rate_limit_exceeded",
    }  # fmt: skip
    assert 1 <= int(refused.headers["retry-after"]) <= 120
    assert [one.headers["x-ratelimit-limit-requests"] for one in passed] == ["6"] * len(passed)
    assert limited.metrics is not None
    # What the other worker counted is in a scrape a moment later.
    assert eventually(
        lambda: (
            'splitgate_limit_refusals_total{measure="requests",rule="app-rpm"}'
            in httpx.get(limited.metrics or "", trust_env=False).text
        )
    )


def eventually(holds: Callable[[], bool]) -> bool:
    end = time.monotonic() + PATIENCE_S
    while not holds():
        if time.monotonic() > end:
            return False
        time.sleep(0.05)
    return True


@pytest.mark.usefixtures("upstream")
def test_the_problem_natively_names_rule_measure_and_window(post: Post) -> None:
    answers = [post("rpm-2", "/v1/split") for _ in range(7)]
    refused = next(one for one in answers if one.status_code == 429)
    assert refused.headers["content-type"] == "application/problem+json"
    assert refused.json()["code"] == "rate_limited"
    assert refused.json()["limit"] == {"rule": "app-rpm", "measure": "requests", "window": "minute"}


@pytest.mark.usefixtures("upstream")
def test_the_anthropic_sdk_raises_its_own_error_and_is_told_what_is_left(limited: Gateway) -> None:
    told: list[tuple[str, str]] = []

    def ask_until_refused(client: anthropic.Anthropic) -> None:
        for _ in range(7):
            raw = client.messages.with_raw_response.create(
                model="m", max_tokens=10, messages=[{"role": "user", "content": "Summarise."}]
            )
            names = ("anthropic-ratelimit-requests-limit", "anthropic-ratelimit-requests-remaining")
            told.append((raw.headers[names[0]], raw.headers[names[1]]))

    with (
        anthropic.Anthropic(base_url=limited.url, api_key=secret("rpm-3"), max_retries=0) as client,
        pytest.raises(anthropic.RateLimitError) as caught,
    ):
        ask_until_refused(client)
    assert told[0] == ("6", "4")
    assert len(told) <= 6
    assert caught.value.type == "rate_limit_error"
    assert "the limit `app-rpm` is reached" in str(caught.value)


@pytest.mark.usefixtures("upstream")
def test_the_openai_sdk_comes_back_when_it_is_told_to(sdk: Callable[..., openai.OpenAI], transport: Counting) -> None:
    client = sdk("brief")
    # It waits for two seconds each time.
    for _ in range(3):
        ask(client)
    assert transport.calls > 3


@pytest.mark.usefixtures("upstream")
def test_a_budget_that_is_spent_is_told_in_openais_words_and_not_tried_again(
    sdk: Callable[..., openai.OpenAI], transport: Counting
) -> None:
    client = sdk("money-1")

    def ask_until_refused() -> None:
        for _ in range(40):
            ask(client)

    with pytest.raises(openai.RateLimitError) as caught:
        ask_until_refused()
    # Each answer came to 6 tokens; the last ones were refused while less was left than one may come to.
    assert 13 <= transport.calls <= 18
    assert caught.value.code == "insufficient_quota"
    assert "0.1 USD per day" in str(caught.value)


@pytest.mark.usefixtures("upstream")
def test_a_budget_is_one_for_all_workers_and_outlives_them(limited: Gateway, post: Post) -> None:
    def all_refuse() -> bool:
        return {post("money-2").status_code for _ in range(6)} == {429}

    assert eventually(all_refuse)
    limited.process.send_signal(signal.SIGUSR2)
    assert eventually(lambda: limited.log.read_text().count("gave way to a new one") == 2)
    assert eventually(lambda: post("free").status_code == 200)
    assert all_refuse()


def usage_chunk() -> Json:
    usage = {"prompt_tokens": 5, "completion_tokens": 1, "total_tokens": 6}
    return {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [], "usage": usage}


def test_streams_cost_what_was_counted_though_nobody_asked_to_be_told(
    sdk: Callable[..., openai.OpenAI], upstream: Upstream, chunk: Chunk
) -> None:
    upstream.stream(chunk({"content": "fine"}), chunk({}, "stop"), usage_chunk())
    client = sdk("cut-1", max_retries=0)
    for _ in range(5):
        with client.chat.completions.create(
            model="m", max_tokens=900, stream=True, messages=[{"role": "user", "content": "Summarise."}]
        ) as stream:
            assert all(one.usage is None for one in stream)
    assert upstream.bodies[0]["stream_options"] == {"include_usage": True}


def test_who_cuts_streams_off_pays_as_if_it_had_read_them(limited: Gateway, upstream: Upstream, chunk: Chunk) -> None:
    upstream.stream(*[chunk({"content": "fine"})] * 40, pause_s=0.05)
    statuses: list[int] = []
    # Each worker has room for one such answer.
    for _ in range(3):
        with (
            httpx.Client(base_url=limited.url, trust_env=False, timeout=PATIENCE_S) as http,
            http.stream(
                "POST",
                "/v1/chat/completions",
                json=body(stream=True, max_tokens=900),
                headers={"authorization": f"Bearer {secret('cut-2')}"},
            ) as response,
        ):
            statuses.append(response.status_code)
            next(response.iter_raw())
    assert statuses[0] == 200
    assert 429 in statuses


def test_streams_hold_places_until_they_end_or_their_client_goes_away(
    limited: Gateway, upstream: Upstream, chunk: Chunk, post: Post
) -> None:
    upstream.stream(*[chunk({"content": "fine"})] * 200, pause_s=0.05)
    with ExitStack() as open_streams:
        statuses: list[int] = []
        for _ in range(3):
            http = open_streams.enter_context(httpx.Client(base_url=limited.url, trust_env=False, timeout=PATIENCE_S))
            response = open_streams.enter_context(
                http.stream(
                    "POST",
                    "/v1/chat/completions",
                    json=body(stream=True),
                    headers={"authorization": f"Bearer {secret('places')}"},
                )
            )
            statuses.append(response.status_code)
    assert statuses[0] == 200
    assert 429 in statuses
    upstream.stream(chunk({"content": "fine"}), chunk({}, "stop"), usage_chunk())
    assert eventually(lambda: post("places", stream=True).status_code == 200)


@pytest.mark.usefixtures("upstream")
def test_a_limit_that_everybody_shares_tells_nobody_what_others_use(post: Post) -> None:
    answer = post("free")
    assert answer.status_code == 200
    assert not [name for name in answer.headers if "ratelimit" in name]
