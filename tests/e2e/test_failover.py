"""Which target answers when another one fails, and what is never repeated?"""

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Protocol

import httpx
import pytest

Json = dict[str, Any]


class Exchange(Protocol):
    def die(self) -> None: ...


class Staged(Protocol):
    bodies: list[Json]

    def next(self) -> Exchange: ...

    def always(self, body: Json | bytes, **details: Any) -> None: ...


DATA = [{"id": "mail-17", "text": "planted-data"}]
ANSWER = {
    "id": "1",
    "object": "chat.completion",
    "created": 1,
    "model": "m",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "second"}, "finish_reason": "stop"}],
}
ERROR = {"error": {"message": "no", "type": "t", "param": None, "code": "c"}}


def ask(http: httpx.Client, model: str, **fields: Any) -> httpx.Response:
    messages = [{"role": "user", "content": "Summarise."}]
    return http.post("/v1/chat/completions", json={"model": model, "messages": messages, "data": DATA, **fields})


def sse(*payloads: Json | str) -> bytes:
    texts = [payload if isinstance(payload, str) else json.dumps(payload) for payload in payloads]
    return b"".join(f"data: {text}\n\n".encode() for text in texts)


@pytest.mark.rows
@pytest.mark.parametrize("status", [401, 404, 429, 500, 502, 503])
def test_the_second_target_answers_when_the_first_fails(
    staged_http: httpx.Client, first: Staged, second: Staged, status: int
) -> None:
    first.always(ERROR, status=status)
    second.always(ANSWER)
    response = ask(staged_http, "two")
    assert response.json()["choices"][0]["message"]["content"] == "second"
    assert response.headers["x-splitgate-target"] == "two-b"
    assert response.headers["x-splitgate-isolation"] == "channel"
    assert first.bodies == second.bodies


def test_the_second_target_answers_when_the_first_refuses_connections(
    staged_http: httpx.Client, second: Staged
) -> None:
    second.always(ANSWER)
    response = ask(staged_http, "dead-first")
    assert response.headers["x-splitgate-target"] == "dead-first-b"
    assert len(second.bodies) == 1


def test_the_second_target_is_left_alone_while_the_first_answers(
    staged_http: httpx.Client, first: Staged, second: Staged
) -> None:
    first.always(ANSWER)
    response = ask(staged_http, "two")
    assert response.headers["x-splitgate-target"] == "two-a"
    assert second.bodies == []


@pytest.mark.rows
@pytest.mark.parametrize("status", [400, 413, 422])
def test_a_request_that_the_first_target_refuses_is_not_repeated(
    staged_http: httpx.Client, first: Staged, second: Staged, status: int
) -> None:
    first.always(ERROR, status=status)
    second.always(ANSWER)
    response = ask(staged_http, "two")
    assert response.status_code == 400
    assert response.json()["error"]["code"] == ERROR["error"]["code"]
    assert second.bodies == []


@pytest.mark.rows
@pytest.mark.parametrize("stream", [False, True])
def test_a_call_that_timed_out_is_not_repeated(
    staged_http: httpx.Client, first: Staged, second: Staged, stream: bool
) -> None:
    second.always(ANSWER)
    response = ask(staged_http, "impatient", stream=stream)  # the first one never answers
    assert response.status_code == 504
    assert response.json()["error"]["code"] == "upstream_timeout"
    assert len(first.bodies) == 1
    assert second.bodies == []


@pytest.mark.rows
@pytest.mark.parametrize("stream", [False, True])
def test_a_call_whose_connection_broke_after_it_was_written_is_not_repeated(
    staged_http: httpx.Client, first: Staged, second: Staged, stream: bool
) -> None:
    second.always(ANSWER)
    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(ask, staged_http, "two", stream=stream)
        first.next().die()
        response = asked.result()
    assert response.status_code == 502
    assert response.json()["error"]["code"] == "upstream_garbled"
    assert response.headers["x-should-retry"] == "false"
    assert (len(first.bodies), second.bodies) == (1, [])


@pytest.mark.rows
@pytest.mark.parametrize("status", [408, 504])
def test_a_call_for_which_the_upstream_ran_out_of_time_is_not_repeated(
    staged_http: httpx.Client, first: Staged, second: Staged, status: int
) -> None:
    first.always(ERROR, status=status)
    second.always(ANSWER)
    response = ask(staged_http, "two")
    assert response.status_code == 504
    assert response.headers["x-should-retry"] == "false"
    assert second.bodies == []


@pytest.mark.rows
@pytest.mark.parametrize("body", [b"no JSON", b"[]", b'{"choices": []}'], ids=["text", "list", "no choice"])
def test_an_answer_that_is_not_the_protocols_is_not_repeated(
    staged_http: httpx.Client, first: Staged, second: Staged, body: bytes
) -> None:
    first.always(body)
    second.always(ANSWER)
    response = ask(staged_http, "two")
    assert response.status_code == 502
    assert response.json()["error"]["code"] == "upstream_garbled"
    assert second.bodies == []


def test_an_answer_that_broke_off_is_not_repeated(staged_http: httpx.Client, first: Staged, second: Staged) -> None:
    first.always(ANSWER, cut=True)
    second.always(ANSWER)
    response = ask(staged_http, "two")
    assert response.status_code == 502
    assert second.bodies == []


@pytest.mark.rows
@pytest.mark.parametrize("stream", [False, True])
def test_data_never_goes_to_a_target_below_the_floor(
    staged_http: httpx.Client, first: Staged, second: Staged, stream: bool
) -> None:
    first.always(ERROR, status=500)
    second.always(ANSWER)
    response = ask(staged_http, "weaker-second", min_isolation="channel", stream=stream)
    assert response.status_code == 502
    assert response.json()["error"]["code"] == "upstream_failed"
    assert second.bodies == []


def test_a_weaker_target_serves_whoever_asks_for_no_more(
    staged_http: httpx.Client, first: Staged, second: Staged
) -> None:
    first.always(ERROR, status=500)
    second.always(ANSWER)
    response = ask(staged_http, "weaker-second")
    assert response.status_code == 200
    assert response.headers["x-splitgate-isolation"] == "wrapped"
    assert response.headers["x-splitgate-target"] == "weaker-second-b"


def test_the_last_targets_failure_is_told_when_all_fail(
    staged_http: httpx.Client, first: Staged, second: Staged
) -> None:
    first.always(ERROR, status=500)
    second.always(ERROR, status=429, headers={"retry-after": "7"})
    response = ask(staged_http, "two")
    assert response.status_code == 429
    assert response.headers["retry-after"] == "7"
    assert response.json()["error"]["type"] == "rate_limit_error"
    assert ask(staged_http, "all-dead").status_code == 502


@pytest.mark.rows
@pytest.mark.parametrize("status", [429, 500])
def test_a_stream_fails_over_before_it_began(
    staged_http: httpx.Client, first: Staged, second: Staged, chunk: Callable[..., Json], status: int
) -> None:
    first.always(ERROR, status=status)
    stream = sse(chunk({"role": "assistant", "content": "second"}), chunk({}, "stop"), "[DONE]")
    second.always(stream, content_type="text/event-stream")
    response = ask(staged_http, "two", stream=True)
    assert response.headers["x-splitgate-target"] == "two-b"
    assert "second" in response.text
    assert response.text.endswith("data: [DONE]\n\n")


def test_a_stream_whose_first_event_is_an_error_fails_over(
    staged_http: httpx.Client, first: Staged, second: Staged, chunk: Callable[..., Json]
) -> None:
    first.always(sse(ERROR), content_type="text/event-stream")
    stream = sse(chunk({"role": "assistant", "content": "second"}), chunk({}, "stop"), "[DONE]")
    second.always(stream, content_type="text/event-stream")
    assert ask(staged_http, "two", stream=True).headers["x-splitgate-target"] == "two-b"


def test_a_stream_does_not_fail_over_once_it_began(
    staged_http: httpx.Client, first: Staged, second: Staged, chunk: Callable[..., Json]
) -> None:
    first.always(sse(chunk({"role": "assistant", "content": "o"}), ERROR), content_type="text/event-stream")
    second.always(ANSWER)
    response = ask(staged_http, "two", stream=True)
    assert response.headers["x-splitgate-target"] == "two-a"
    assert json.loads(response.text.strip().rpartition("data: ")[2])["error"]["code"] == "upstream_failed"
    assert second.bodies == []
