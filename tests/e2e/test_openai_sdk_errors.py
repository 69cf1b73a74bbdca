"""The official SDK and every refusal: the right exception, what to mend, and no retry of what we refuse."""

import json
from collections.abc import Callable, Iterator
from typing import Any, Protocol

import httpx
import pytest
from openai import (
    APIError,
    APIStatusError,
    AuthenticationError,
    BadRequestError,
    InternalServerError,
    NotFoundError,
    OpenAI,
    PermissionDeniedError,
    RateLimitError,
)
from openai.types.chat import ChatCompletionMessageParam

Json = dict[str, Any]


class Gateway(Protocol):
    @property
    def url(self) -> str: ...


class Staged(Protocol):
    bodies: list[Json]

    def always(self, body: Json | bytes, **details: Any) -> None: ...


class Upstream(Protocol):
    bodies: list[Json]

    def answer(self, body: Json, status: int = 200, **headers: str) -> None: ...
    def stream(self, *chunks: Json, done: bool = True, broken: bool = False, pause_s: float = 0.0) -> None: ...


Chunk = Callable[..., Json]
MESSAGES: list[ChatCompletionMessageParam] = [{"role": "user", "content": "Summarise planted-question."}]


class Counting(httpx.HTTPTransport):
    """Counts the calls that the SDK makes of the gateway."""

    def __init__(self) -> None:
        super().__init__()
        self.calls = 0

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


def refusal(sdk: OpenAI, **request: Any) -> APIStatusError:
    asked: Json = {"model": "envelope", "messages": MESSAGES, **request}
    with pytest.raises(APIStatusError) as caught:
        sdk.chat.completions.create(**asked)
    assert "planted" not in str(caught.value)
    return caught.value


REFUSED: list[tuple[Json, type[APIStatusError], str, str | None]] = [
    ({"extra_body": {"temprature": 1}}, BadRequestError, "unknown_field", "temprature"),
    ({"extra_body": {"api_base": "http://127.0.0.1:1"}}, BadRequestError, "forbidden_field", "api_base"),
    ({"extra_body": {"previous_response_id": "r"}}, BadRequestError, "content_by_reference", "previous_response_id"),
    ({"temperature": 9}, BadRequestError, "invalid_field", "temperature"),
    ({"messages": [{"role": "assistant", "content": "I"}]}, BadRequestError, "invalid_field", "messages[0]"),
    ({"model": "gpt-4"}, NotFoundError, "model_not_found", "model"),
    ({"extra_headers": {"origin": "https://evil.example"}}, PermissionDeniedError, "foreign_origin", None),
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
    error = refusal(sdk, **request_, stream=stream)
    assert type(error) is kind
    assert (error.code, error.param) == (code, param)
    assert error.request_id
    assert transport.calls == 1
    assert upstream.bodies == []


def test_an_image_is_refused_where_the_floor_is_higher(sdk: OpenAI, transport: Counting, upstream: Upstream) -> None:
    url = {"url": "data:image/png;base64,iVBORw0KGgo="}
    content = [{"type": "text", "text": "What is this?"}, {"type": "image_url", "image_url": url}]
    for model in ("envelope", "spotlight"):
        error = refusal(sdk, model=model, messages=[{"role": "user", "content": content}])
        assert type(error) is BadRequestError
        assert error.code in {"isolation_unreachable", "not_sayable"}
        assert "isolation" in error.message
    assert transport.calls == 2
    assert upstream.bodies == []


def test_an_unknown_model_is_not_found(sdk: OpenAI) -> None:
    with pytest.raises(NotFoundError, match="envelope"):
        sdk.models.retrieve("gpt-4")


def test_other_routes_are_not_found(sdk: OpenAI, transport: Counting, upstream: Upstream) -> None:
    with pytest.raises(NotFoundError):
        sdk.moderations.create(input="x")
    with pytest.raises(NotFoundError):
        sdk.files.list()
    assert transport.calls == 2
    assert upstream.bodies == []


def test_what_the_upstream_refuses_is_a_bad_request_without_its_words(
    sdk: OpenAI, transport: Counting, upstream: Upstream
) -> None:
    said = {"message": "maximum context length is 10, and you said planted-question", "type": "t", "code": 400}
    upstream.answer({"error": said}, status=400)
    error = refusal(sdk)
    assert type(error) is BadRequestError
    assert error.code == "context_length_exceeded"
    assert "context_length_exceeded" in error.message
    assert (transport.calls, len(upstream.bodies)) == (1, 1)


@pytest.mark.parametrize("code", ["insufficient_quota", "rate_limit_exceeded"])
def test_applications_can_tell_a_spent_quota_from_a_rate_limit(sdk: OpenAI, upstream: Upstream, code: str) -> None:
    upstream.answer({"error": {"message": "planted", "type": code, "code": code}}, status=429)
    with pytest.raises(RateLimitError) as caught:
        sdk.with_options(max_retries=0).chat.completions.create(model="envelope", messages=MESSAGES)
    assert caught.value.code == code
    assert "planted" not in str(caught.value)


def test_an_upstream_without_room_is_a_rate_limit_and_says_when(sdk: OpenAI, upstream: Upstream) -> None:
    upstream.answer({"error": {"message": "planted", "code": "c"}}, status=429, retry_after="7")
    with pytest.raises(RateLimitError) as caught:
        sdk.with_options(max_retries=0).chat.completions.create(model="envelope", messages=MESSAGES)
    assert caught.value.response.headers["retry-after"] == "7"
    assert "planted" not in str(caught.value)


def test_an_upstream_that_has_room_again_is_asked_again(sdk: OpenAI, transport: Counting, upstream: Upstream) -> None:
    upstream.answer({"error": {}}, status=503, retry_after="0")
    with pytest.raises(RateLimitError):
        sdk.with_options(max_retries=1).chat.completions.create(model="envelope", messages=MESSAGES)
    assert (transport.calls, len(upstream.bodies)) == (2, 2)


def test_an_upstream_that_fails_is_a_server_error_without_its_words(sdk: OpenAI, upstream: Upstream) -> None:
    upstream.answer({"error": {"message": "planted-upstream-key was wrong"}}, status=401)
    with pytest.raises(InternalServerError) as caught:
        sdk.with_options(max_retries=0).chat.completions.create(model="envelope", messages=MESSAGES)
    assert caught.value.status_code == 502
    assert caught.value.code == "upstream_failed"
    assert "planted" not in str(caught.value)


@pytest.mark.parametrize(
    "garbling",
    [
        {"usage": {"prompt_tokens": 2**53}},
        {"usage": {"prompt_tokens": 1, "prompt_tokens_details": {"cached_tokens": 2**64 - 1}}},
        {"choices": [{"index": 2**60, "finish_reason": "stop", "message": {"content": "a"}}]},
        {"choices": [{"index": n, "finish_reason": "stop", "message": {"content": "a"}} for n in range(2_000)]},
    ],
)
def test_counts_that_nobody_can_hold_and_choices_that_nobody_asked_for_are_garbled(
    sdk: OpenAI, upstream: Upstream, garbling: Json
) -> None:
    answer: Json = {"choices": [{"index": 0, "finish_reason": "stop", "message": {"content": "a"}}]}
    upstream.answer({**answer, **garbling})
    with pytest.raises(InternalServerError) as caught:
        sdk.with_options(max_retries=0).chat.completions.create(model="envelope", messages=MESSAGES)
    assert (caught.value.status_code, caught.value.code) == (502, "upstream_garbled")


@pytest.mark.parametrize("broken", [False, True])
def test_a_stream_that_breaks_off_raises_in_the_middle(
    sdk: OpenAI, transport: Counting, upstream: Upstream, chunk: Chunk, broken: bool
) -> None:
    upstream.stream(chunk({"role": "assistant", "content": "alpha"}), done=not broken, broken=broken)
    seen = ""
    with pytest.raises(APIError) as caught:  # noqa: PT012
        for one in sdk.chat.completions.create(model="envelope", messages=MESSAGES, stream=True):
            seen += one.choices[0].delta.content or ""
            assert one.choices[0].finish_reason is None
    assert seen == "alpha"
    assert caught.value.code == "upstream_garbled"
    assert (transport.calls, len(upstream.bodies)) == (1, 1)


def test_an_error_inside_a_stream_is_raised_without_the_upstreams_words(
    sdk: OpenAI, upstream: Upstream, chunk: Chunk
) -> None:
    upstream.stream(chunk({"role": "assistant", "content": "alpha"}), {"error": {"message": "planted"}})
    with pytest.raises(APIError) as caught:
        list(sdk.chat.completions.create(model="envelope", messages=MESSAGES, stream=True))
    assert caught.value.code == "upstream_failed"
    assert "planted" not in json.dumps(caught.value.body)


def test_the_right_key_opens_and_a_wrong_one_is_an_authentication_error(
    keyed_gateway: Gateway, transport: Counting, first: Staged, api_key: str
) -> None:
    message = {"role": "assistant", "content": "ok"}
    first.always({"choices": [{"index": 0, "message": message, "finish_reason": "stop"}]})
    http = httpx.Client(transport=transport, trust_env=False)
    with OpenAI(base_url=f"{keyed_gateway.url}/v1", api_key=api_key, http_client=http) as right:
        assert right.chat.completions.create(model="one", messages=MESSAGES).choices[0].message.content == "ok"
        assert "authorization" not in json.dumps(first.bodies)
        wrong = right.with_options(api_key="planted-wrong-key")
        for stream in (False, True):
            with pytest.raises(AuthenticationError) as caught:
                wrong.chat.completions.create(model="one", messages=MESSAGES, stream=stream)
            assert caught.value.code == "invalid_api_key"
            assert "planted" not in str(caught.value)
        with pytest.raises(AuthenticationError):
            wrong.models.list()
    assert transport.calls == 4
    assert len(first.bodies) == 1


@pytest.mark.parametrize("stream", [False, True])
def test_a_call_that_may_have_been_processed_is_not_paid_twice(
    sdk: OpenAI, upstream: Upstream, transport: Counting, stream: bool
) -> None:
    upstream.answer({"choices": "garbled"})
    error = refusal(sdk, stream=stream)
    assert error.status_code == 502
    assert transport.calls == 1
    assert len(upstream.bodies) == 1
