"""What of a request's head reaches an upstream, and what of an answer's head a client? Nothing but what is ours.

Both ways are told as whole sets of names: what is added to a head somewhere shows here.
"""

import hashlib
import json
from collections.abc import Callable
from typing import Any, Protocol

import pytest

Json = dict[str, Any]


class Gateway(Protocol):
    @property
    def url(self) -> str: ...


class Staged(Protocol):
    url: str
    bodies: list[Json]
    headers: list[dict[str, str]]

    def always(self, body: Json | bytes, **details: Any) -> None: ...


class Received(Protocol):
    status: int
    headers: Any
    body: bytes


class Wire(Protocol):
    def request(self, path: str, body: bytes | None = None, *, method: str = "POST", **headers: str) -> None: ...
    def send(self, raw: bytes) -> None: ...
    def response(self) -> Received: ...


Dial = Callable[[str], Wire]

CLIENT_KEY = "planted-head-client-key"
UPSTREAM_KEY = "planted-head-upstream-key"
ANSWER: Json = {
    "id": "1",
    "object": "chat.completion",
    "created": 1,
    "model": "m",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "fine"}, "finish_reason": "stop"}],
}
CHUNK: Json = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m"}
CHOICES: list[Json] = [
    {"index": 0, "delta": {"role": "assistant", "content": "fine"}, "finish_reason": None},
    {"index": 0, "delta": {}, "finish_reason": "stop"},
]
EVENTS = [*[json.dumps({**CHUNK, "choices": [one]}) for one in CHOICES], "[DONE]"]
STREAM = "".join(f"data: {event}\n\n" for event in EVENTS).encode()
ERROR: Json = {"error": {"message": f"bad key {UPSTREAM_KEY}", "type": "t", "param": None, "code": "c"}}
CHAT: Json = {"model": "one", "messages": [{"role": "user", "content": "Summarise."}], "data": "d"}
SPLIT: Json = {"model": "one", "instructions": "Summarise.", "data": "d"}
ROUTES = pytest.mark.parametrize(("path", "body"), [("/v1/chat/completions", CHAT), ("/v1/split", SPLIT)])

# Each with a value that is found wherever it goes.
OFFERED = {
    name: f"planted-offer-{name}"
    for name in (
        *("accept", "accept-encoding", "accept-language", "user-agent", "referer", "origin", "from", "range", "via"),
        *(
            "cookie",
            "proxy-authorization",
            "proxy-connection",
            "x-csrf-token",
            "x-amz-security-token",
            "x-goog-api-key",
        ),
        *("forwarded", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "x-forwarded-user", "x-real-ip"),
        *("x-original-url", "x-rewrite-url", "x-http-method-override", "x-request-id", "x-correlation-id", "baggage"),
        *("te", "trailer", "keep-alive", "x-hop", "openai-organization", "openai-project", "anthropic-version"),
        *("x-splitgate-isolation", "x-splitgate-target", "x-stainless-lang", "tracestate", "if-none-match", "priority"),
    )
}
CREDENTIALS = {
    "authorization": {"authorization": f"Bearer {CLIENT_KEY}"},
    "x-api-key": {"x_api_key": CLIENT_KEY},
    "api-key": {"api_key": CLIENT_KEY},
}


@pytest.fixture(scope="module")
def keyed(staged_pair: tuple[Staged, Staged], keep_gateway: Callable[..., Gateway]) -> Gateway:
    """A gateway with a key of its own and one for its upstream."""
    digest = hashlib.sha256(CLIENT_KEY.encode()).hexdigest()
    target = f'provider: openai_compatible, base_url: "{staged_pair[0].url}", model: m, format: tool-envelope'
    more = "api_key: env:UPSTREAM_KEY, headers: {x-team: ours}, breaker: {failures: 0, longest_rest_s: 0}"
    # How fast this machine's disk is is not the question here.
    config = "audit: {deadline_s: 20}\n"
    config += (
        f"keys: [{{name: app, sha256: {digest}}}]\nmodels: {{one: {{retries: 0, targets: [{{{target}, {more}}}]}}}}\n"
    )
    return keep_gateway(config, UPSTREAM_KEY=UPSTREAM_KEY)


@pytest.mark.rows
@ROUTES
@pytest.mark.parametrize("credential", CREDENTIALS)
@pytest.mark.parametrize("stream", [False, True])
def test_nothing_of_a_clients_head_reaches_the_upstream(
    dial: Dial, keyed: Gateway, first: Staged, path: str, body: Json, credential: str, *, stream: bool
) -> None:
    first.always(STREAM if stream else ANSWER, content_type="text/event-stream" if stream else "application/json")
    wire = dial(keyed.url)
    offered = {name.replace("-", "_"): value for name, value in OFFERED.items()}
    raw = json.dumps({**body, "stream": stream}).encode()
    wire.request(path, raw, connection="keep-alive, x-hop", **offered, **CREDENTIALS[credential])
    assert wire.response().status == 200
    (sent,) = first.headers
    assert set(sent) == {
        *("host", "content-type", "content-length", "accept", "accept-encoding", "user-agent", "authorization"),
        *("x-team", "x-request-id"),
    }
    assert sent["authorization"] == f"Bearer {UPSTREAM_KEY}"
    assert sent["x-team"] == "ours"
    assert "planted-offer" not in str(first.headers) + str(first.bodies)
    assert CLIENT_KEY not in str(first.headers) + str(first.bodies)


TOLD = {name: f"planted-told-{name}" for name in (
    *("set-cookie", "www-authenticate", "proxy-authenticate", "authorization", "location", "server", "via", "alt-svc"),
    *("keep-alive", "trailer", "upgrade", "x-request-id", "x-ratelimit-remaining-requests", "openai-organization"),
    *("access-control-allow-origin", "content-security-policy", "x-accel-redirect", "x-sendfile", "x-splitgate-target"),
    *("cf-ray", "strict-transport-security", "content-encoding-hint", "x-should-retry", "link", "refresh", "etag"),
)}  # fmt: skip
OURS = {
    *("content-type", "x-request-id", "x-splitgate-isolation", "x-splitgate-format", "x-splitgate-target"),
    *("x-splitgate-decision", "x-splitgate-policy"),
}


def names_of(response: Received) -> set[str]:
    return {name.lower() for name in response.headers}


@pytest.mark.rows
@ROUTES
@pytest.mark.parametrize("stream", [False, True])
def test_nothing_of_an_upstreams_head_reaches_the_client(
    dial: Dial, keyed: Gateway, first: Staged, path: str, body: Json, *, stream: bool
) -> None:
    kind = "text/event-stream" if stream else "application/json"
    first.always(STREAM if stream else ANSWER, content_type=kind, headers={"connection": "x-hop", "x-hop": "a", **TOLD})
    wire = dial(keyed.url)
    wire.request(path, json.dumps({**body, "stream": stream}).encode(), authorization=f"Bearer {CLIENT_KEY}")
    response = wire.response()
    assert response.status == 200
    framing = {"cache-control", "x-accel-buffering", "transfer-encoding"} if stream else {"content-length"}
    assert names_of(response) == OURS | framing
    assert "planted" not in str(response.headers.items())
    assert b"planted" not in response.body


@pytest.mark.rows
@ROUTES
@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("status", [301, 307, 400, 401, 403, 404, 418, 429, 500, 503])
def test_nothing_of_a_refusals_head_reaches_the_client_nor_what_it_quotes(
    dial: Dial, keyed: Gateway, first: Staged, path: str, body: Json, status: int, *, stream: bool
) -> None:
    first.always(ERROR, status=status, headers={"retry-after": "7", **TOLD})
    wire = dial(keyed.url)
    wire.request(path, json.dumps({**body, "stream": stream}).encode(), authorization=f"Bearer {CLIENT_KEY}")
    response = wire.response()
    assert 400 <= response.status < 600
    own = {"content-type", "content-length", "x-request-id", "x-should-retry", "retry-after"}
    assert names_of(response) <= own
    assert "planted" not in str(response.headers.items())
    assert b"planted" not in response.body
    # Nobody was followed anywhere with the credentials in hand.
    assert len(first.bodies) == 1


@pytest.mark.rows
@ROUTES
@pytest.mark.parametrize(
    "value",
    ["a\r\nset-cookie: planted=1", "a\nset-cookie: planted=1", "a\r\n\r\nHTTP/1.1 200 OK\r\n", "a\x00b", "\x7f"],
)
def test_no_field_of_a_request_splits_an_answer(
    dial: Dial, keyed: Gateway, first: Staged, path: str, body: Json, value: str
) -> None:
    first.always(ANSWER)
    for change in ({"model": value}, {"data": [{"text": "d", "id": value}]}, {value: 1}, {"min_isolation": value}):
        wire = dial(keyed.url)
        wire.request(path, json.dumps({**body, **change}).encode(), authorization=f"Bearer {CLIENT_KEY}")
        response = wire.response()
        assert 400 <= response.status < 500
        assert names_of(response) <= {"content-type", "content-length", "x-request-id"}
        assert "set-cookie" not in str(response.headers.items()).lower()
        # The connection goes on where the answer ended.
        wire.request(path, json.dumps(body).encode(), authorization=f"Bearer {CLIENT_KEY}")
        assert wire.response().status == 200


def test_a_trailer_is_no_header(dial: Dial, keyed: Gateway, first: Staged) -> None:
    first.always(ANSWER)
    raw = json.dumps(SPLIT).encode()
    wire = dial(keyed.url)
    wire.request("/v1/split", transfer_encoding="chunked")
    wire.send(b"%x\r\n%s\r\n0\r\nauthorization: Bearer %s\r\n\r\n" % (len(raw), raw, CLIENT_KEY.encode()))
    assert wire.response().status == 401
    assert first.bodies == []
