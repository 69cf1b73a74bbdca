"""Mutated requests against a running gateway: each is served or refused in the dialect's words, and never a 500."""

import http.client
import json
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any, Protocol
from urllib.parse import urlsplit

import pytest

Json = dict[str, Any]
Generate = Callable[[int, int], Iterator[tuple[str, bytes]]]


class Gateway(Protocol):
    @property
    def url(self) -> str: ...


class Answer(Protocol):
    @property
    def status(self) -> int: ...


class Staged(Protocol):
    headers: list[dict[str, str]]
    automatic: Callable[[Json], Any] | None

    def always(self, body: Json | bytes, **details: Any) -> None: ...


# The front door is the same before either transport.
ONE_TRANSPORT = pytest.mark.parametrize("staged_gateway", ["aiohttp"], indirect=True)
MESSAGE = {"role": "assistant", "content": "ok"}
WHOLE = {"choices": [{"index": 0, "message": MESSAGE, "finish_reason": "stop"}]}
STREAM = b'data: {"choices": [{"index": 0, "delta": {"content": "ok"}, "finish_reason": "stop"}]}\n\ndata: [DONE]\n\n'


def serve_both_forms(upstream: Staged) -> None:
    """Answer streams by a stream, texts by vectors, and other requests whole."""
    upstream.always(STREAM, content_type="text/event-stream")
    stream = upstream.automatic
    upstream.always(WHOLE)
    whole = upstream.automatic
    assert stream is not None
    assert whole is not None

    def answer(body: Json) -> Any:
        if "input" in body:
            data = [{"index": index, "embedding": [0.5]} for index, _ in enumerate(body["input"])]
            return replace(whole(body), body=json.dumps({"data": data}).encode())
        return stream(body) if body.get("stream") else whole(body)

    upstream.automatic = answer


def within_reach(raw: bytes) -> bytes:
    """The generator's requests ask for a model and floors of their own: make them ones that the gateway can serve."""
    raw = raw.replace(b'"support"', b'"anything"')
    return raw.replace(b'"wrapped"', b'"none"').replace(b'"channel"', b'"none"')


def post_all(gateway: Gateway, requests: Iterator[tuple[str, bytes]]) -> Iterator[tuple[str, int, str, bytes]]:
    """Route, status, request id and body of every answer, over one kept connection while it lasts."""
    connection = http.client.HTTPConnection(urlsplit(gateway.url).netloc, timeout=20)
    for route, raw in requests:
        connection.request("POST", route, within_reach(raw), {"content-type": "application/json"})
        response = connection.getresponse()
        body = response.read()
        yield route, response.status, response.headers["x-request-id"], body
    connection.close()


def run(gateway: Gateway, upstream: Staged, requests: Iterator[tuple[str, bytes]]) -> Counter[int]:
    serve_both_forms(upstream)
    served: set[str] = set()
    statuses: Counter[int] = Counter()
    for route, status, request_id, body in post_all(gateway, requests):
        statuses[status] += 1
        assert status in {200, 400, 404}, (route, status, body)
        if status == 200:
            served.add(request_id)
        else:
            error = json.loads(body)
            assert error["code" if route == "/v1/split" else "error"]
    asked = [headers["x-request-id"] for headers in upstream.headers]
    assert set(asked) == served, "a refused request went up"
    assert len(asked) == len(served)
    return statuses


@ONE_TRANSPORT
def test_mutated_requests_are_served_or_refused(
    staged_gateway: Gateway, first: Staged, mutated_requests: Generate
) -> None:
    statuses = run(staged_gateway, first, mutated_requests(3, 500))
    assert statuses[200] > 15, "the generator must leave some requests valid"
    assert statuses[400] > 250
    assert statuses[404] > 0


@ONE_TRANSPORT
@pytest.mark.exhaustive
def test_many_mutated_requests_are_served_or_refused(
    staged_gateway: Gateway, first: Staged, mutated_requests: Generate
) -> None:
    run(staged_gateway, first, mutated_requests(5, 100_000))
