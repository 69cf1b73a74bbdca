"""The official SDK's responses and every refusal: the right exception, what to mend, no retry of what we refuse."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Protocol

import httpx
import pytest
from openai import APIError, APIStatusError, BadRequestError, InternalServerError, NotFoundError, OpenAI, RateLimitError
from openai.types.responses import ResponseCompletedEvent, ResponseIncompleteEvent

Json = dict[str, Any]

SECRET = "AKIA" + "QX7ZK2M4N6P3R5T7"


class Gateway(Protocol):
    @property
    def url(self) -> str: ...


class Upstream(Protocol):
    url: str
    bodies: list[Json]

    def answer(self, body: Json, status: int = 200, **headers: str) -> None: ...
    def stream(self, *chunks: Json, done: bool = True, broken: bool = False, pause_s: float = 0.0) -> None: ...


Chunk = Callable[..., Json]


class Counting(httpx.HTTPTransport):
    """Counts the calls that the SDK makes of the gateway."""

    calls = 0

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        self.calls += 1
        return super().handle_request(request)


@pytest.fixture
def transport() -> Counting:
    return Counting()


@pytest.fixture
def sdk(gateway: Gateway, transport: Counting) -> Iterator[OpenAI]:
    http = httpx.Client(transport=transport, trust_env=False)
    with OpenAI(base_url=f"{gateway.url}/v1", api_key="unused", http_client=http) as client:
        assert client.max_retries > 0
        yield client


REFUSED: list[tuple[Json, type[APIStatusError], str, str | None]] = [
    ({"extra_body": {"temprature": 1}}, BadRequestError, "unknown_field", "temprature"),
    ({"extra_body": {"messages": []}}, BadRequestError, "unknown_field", "messages"),
    ({"extra_body": {"api_base": "http://127.0.0.1:1"}}, BadRequestError, "forbidden_field", "api_base"),
    ({"previous_response_id": "r"}, BadRequestError, "content_by_reference", "previous_response_id"),
    ({"store": True}, BadRequestError, "invalid_field", "store"),
    ({"background": True}, BadRequestError, "invalid_field", "background"),
    ({"tools": [{"type": "web_search"}]}, BadRequestError, "content_by_reference", "tools[0].type"),
    ({"input": [{"type": "item_reference", "id": "msg_1"}]}, BadRequestError, "content_by_reference", "input[0]"),
    ({"temperature": 9}, BadRequestError, "invalid_field", "temperature"),
    ({"input": [{"role": "assistant", "content": "I"}]}, BadRequestError, "invalid_field", "input[0]"),
    ({"model": "gpt-4"}, NotFoundError, "model_not_found", "model"),
    (
        {"extra_body": {"data": "x", "min_isolation": "native"}},
        BadRequestError, "isolation_unreachable", "min_isolation",
    ),
]  # fmt: skip


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(("request_", "kind", "code", "param"), REFUSED, ids=[f"{row[2]} {row[3]}" for row in REFUSED])
def test_a_refusal_is_raised_once_and_nothing_goes_up(
    sdk: OpenAI,
    transport: Counting,
    upstream: Upstream,
    request_: Json,
    kind: type[APIStatusError],
    code: str,
    param: str | None,
    stream: bool,
) -> None:
    asked: Json = {"model": "envelope", "input": "Summarise planted-question.", "stream": stream, **request_}
    with pytest.raises(APIStatusError) as caught:
        sdk.responses.create(**asked)
    error = caught.value
    assert type(error) is kind
    assert (error.code, error.param) == (code, param)
    assert "planted" not in str(error)
    assert error.request_id
    assert transport.calls == 1
    assert upstream.bodies == []


def test_what_was_answered_cannot_be_had_again(sdk: OpenAI, upstream: Upstream) -> None:
    response = sdk.responses.create(model="envelope", input="x")
    assert upstream.bodies
    for ask in (sdk.responses.retrieve, sdk.responses.delete, sdk.responses.cancel, sdk.responses.input_items.list):
        with pytest.raises(NotFoundError):
            ask(response.id)


def test_what_the_upstream_refuses_is_a_bad_request_without_its_words(
    sdk: OpenAI, transport: Counting, upstream: Upstream
) -> None:
    said = {"message": "maximum context length is 10, and you said planted-question", "type": "t", "code": 400}
    upstream.answer({"error": said}, status=400)
    with pytest.raises(BadRequestError) as caught:
        sdk.responses.create(model="envelope", input="x")
    assert caught.value.code == "context_length_exceeded"
    assert "planted" not in str(caught.value)
    assert transport.calls == 1


def test_an_upstream_without_room_is_a_rate_limit_and_says_when(sdk: OpenAI, upstream: Upstream) -> None:
    upstream.answer({"error": {"message": "planted", "code": "insufficient_quota"}}, status=429, retry_after="7")
    with pytest.raises(RateLimitError) as caught:
        sdk.with_options(max_retries=0).responses.create(model="envelope", input="x")
    assert caught.value.response.headers["retry-after"] == "7"
    assert caught.value.code == "insufficient_quota"


def test_an_answer_that_is_no_protocol_is_not_paid_twice(sdk: OpenAI, transport: Counting, upstream: Upstream) -> None:
    upstream.answer({"choices": "garbled"})
    with pytest.raises(InternalServerError):
        sdk.responses.create(model="envelope", input="x")
    assert (transport.calls, len(upstream.bodies)) == (1, 1)


@pytest.mark.parametrize("broken", [False, True])
def test_a_stream_that_breaks_off_fails_and_raises(
    sdk: OpenAI, transport: Counting, upstream: Upstream, chunk: Chunk, broken: bool
) -> None:
    upstream.stream(chunk({"role": "assistant", "content": "alpha"}), done=not broken, broken=broken)
    seen: list[Any] = []
    stream = sdk.responses.create(model="envelope", input="x", stream=True)
    with pytest.raises(APIError) as caught:
        seen.extend(stream)
    assert caught.value.code == "upstream_garbled"
    assert seen[-1].type == "response.failed"
    assert seen[-1].response.status == "failed"
    assert "".join([event.delta for event in seen if event.type == "response.output_text.delta"]) == "alpha"
    assert "response.completed" not in {event.type for event in seen}
    assert (transport.calls, len(upstream.bodies)) == (1, 1)


def test_an_error_inside_a_stream_is_raised_without_the_upstreams_words(
    sdk: OpenAI, upstream: Upstream, chunk: Chunk
) -> None:
    upstream.stream(chunk({"role": "assistant", "content": "alpha"}), {"error": {"message": "planted"}})
    with pytest.raises(APIError) as caught:
        list(sdk.responses.create(model="envelope", input="x", stream=True))
    assert caught.value.code == "upstream_failed"
    assert "planted" not in json.dumps(caught.value.body)


POLICY = """
apiVersion: splitgate/v1
kind: Policy
metadata: {name: no-keys}
spec:
  mode: enforce
  rules:
    - {id: in-data, stage: data, severity: critical, when: det.secrets.found, action: block, message: Take it out.}
    - {id: in-answers, stage: output, severity: critical, when: det.secrets.found, action: block, message: no}
"""


@pytest.fixture(scope="module")
def policed(
    keep_gateway: Callable[..., Gateway], _upstream_server: Upstream, tmp_path_factory: pytest.TempPathFactory
) -> Gateway:
    file: Path = tmp_path_factory.mktemp("policies") / "no-keys.yaml"
    file.write_text(POLICY)
    target = f'{{provider: openai_compatible, base_url: "{_upstream_server.url}", model: m, format: tool-envelope}}'
    return keep_gateway(
        f"policies: {{packs: [], paths: [{file}], watch: false}}\nmodels: {{m: {{targets: [{target}]}}}}"
    )


@pytest.fixture
def policed_sdk(policed: Gateway, transport: Counting) -> Iterator[OpenAI]:
    http = httpx.Client(transport=transport, trust_env=False)
    with OpenAI(base_url=f"{policed.url}/v1", api_key="unused", http_client=http) as client:
        yield client


@pytest.mark.parametrize("stream", [False, True])
def test_a_blocked_request_is_a_bad_request_that_names_its_rule(
    policed_sdk: OpenAI, transport: Counting, upstream: Upstream, stream: bool
) -> None:
    # The near miss: the same word without the key.
    assert policed_sdk.responses.create(model="m", input="Sum up.", extra_body={"data": SECRET[:9]}).output_text == "ok"
    calls, asked = transport.calls, len(upstream.bodies)
    with pytest.raises(BadRequestError) as caught:
        policed_sdk.responses.create(model="m", input="Sum up.", stream=stream, extra_body={"data": SECRET})
    assert caught.value.code == "splitgate_blocked"
    assert "in-data" in caught.value.message
    assert SECRET not in str(caught.value)
    assert (transport.calls, len(upstream.bodies)) == (calls + 1, asked)


@pytest.mark.parametrize("said", [SECRET, SECRET[:9]])
def test_a_blocked_answer_is_incomplete_and_says_nothing(
    policed_sdk: OpenAI, upstream: Upstream, chunk: Chunk, said: str
) -> None:
    choice = {"index": 0, "message": {"role": "assistant", "content": said}, "finish_reason": "stop"}
    upstream.answer({"id": "x", "object": "chat.completion", "created": 1, "model": "m", "choices": [choice]})
    whole = policed_sdk.responses.create(model="m", input="Sum up.")
    upstream.stream(*(chunk({"content": char}) for char in said), chunk({}, "stop"))
    *_, last = policed_sdk.responses.create(model="m", input="Sum up.", stream=True)
    assert isinstance(last, ResponseIncompleteEvent if said == SECRET else ResponseCompletedEvent)
    for response in (whole, last.response):
        if said == SECRET:
            assert (response.status, response.output) == ("incomplete", [])
            assert response.incomplete_details is not None
            assert response.incomplete_details.reason == "content_filter"
        else:
            assert (response.status, response.output_text) == ("completed", said)
