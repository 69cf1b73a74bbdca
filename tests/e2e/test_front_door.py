"""What a request says of itself before its body is read: size, encoding, origin, key."""

import contextlib
import gzip
import json
import zlib
from collections.abc import Callable, Iterator
from typing import Any, Protocol

import httpx
import pytest

Json = dict[str, Any]


class Gateway(Protocol):
    @property
    def url(self) -> str: ...


class Upstream(Protocol):
    bodies: list[Json]

    def clear(self) -> None: ...


class Staged(Protocol):
    url: str
    bodies: list[Json]

    def always(self, body: Json | bytes, **details: Any) -> None: ...


class Received(Protocol):
    status: int
    headers: Any
    body: bytes

    def json(self) -> Json: ...


class Wire(Protocol):
    def send(self, raw: bytes) -> None: ...
    def request(self, path: str, body: bytes | None = None, *, method: str = "POST", **headers: str) -> None: ...
    def response(self) -> Received: ...


Dial = Callable[[str], Wire]

CHAT = "/v1/chat/completions"
SPLIT = "/v1/split"
ROUTES = pytest.mark.parametrize("route", [CHAT, SPLIT])
VALID: dict[str, Json] = {
    CHAT: {"model": "envelope", "messages": [{"role": "user", "content": "Summarise."}], "data": "d"},
    SPLIT: {"model": "envelope", "instructions": "Summarise.", "data": "d"},
}
LIMIT = 4_194_304


@pytest.fixture(autouse=True)
def nothing_goes_up_and_the_server_survives(http: httpx.Client, upstream: Upstream) -> Iterator[None]:
    yield
    assert upstream.bodies == []
    assert http.post(SPLIT, json=VALID[SPLIT]).status_code == 200


def code_of(response: Received | httpx.Response) -> str:
    found = response.json()
    return found["code"] if "code" in found else found["error"]["code"]


@ROUTES
def test_an_announced_oversize_body_is_refused_before_a_byte_of_it_is_sent(
    dial: Dial, gateway: Gateway, route: str
) -> None:
    wire = dial(gateway.url)
    wire.request(route, content_length=str(LIMIT + 1))
    response = wire.response()
    assert (response.status, code_of(response)) == (413, "body_too_large")
    assert response.headers["connection"] == "close"


@pytest.mark.parametrize("length", ["9" * 30, "+5"])
def test_a_length_that_is_none_or_beyond_all_bounds_is_refused(dial: Dial, gateway: Gateway, length: str) -> None:
    wire = dial(gateway.url)
    wire.request(SPLIT, content_length=length)
    assert wire.response().status in {400, 413}


@ROUTES
def test_a_chunked_body_is_refused_once_it_is_over_the_limit(dial: Dial, gateway: Gateway, route: str) -> None:
    wire = dial(gateway.url)
    wire.request(route, transfer_encoding="chunked")
    piece = b"%x\r\n%s\r\n" % (LIMIT + 1, b" " * (LIMIT + 1))
    wire.send(piece)  # and no end of the body
    response = wire.response()
    assert (response.status, code_of(response)) == (413, "body_too_large")


def test_a_client_that_sends_all_of_an_oversize_body_still_hears_why(http: httpx.Client) -> None:
    for _ in range(5):
        content = b" " * (4 * LIMIT)
        response = http.post(SPLIT, content=content, headers={"content-type": "application/json"})
        assert response.status_code == 413


@ROUTES
def test_a_body_of_just_the_limit_is_read(http: httpx.Client, upstream: Upstream, route: str) -> None:
    raw = json.dumps(VALID[route]).encode()
    response = http.post(route, content=raw + b" " * (LIMIT - len(raw)), headers={"content-type": "application/json"})
    assert response.status_code == 200
    upstream.clear()


@ROUTES
def test_a_chunked_body_is_read(dial: Dial, gateway: Gateway, upstream: Upstream, route: str) -> None:
    raw = json.dumps(VALID[route]).encode()
    wire = dial(gateway.url)
    wire.request(route, transfer_encoding="chunked")
    for at in range(0, len(raw), 10):
        wire.send(b"%x\r\n%s\r\n" % (len(raw[at : at + 10]), raw[at : at + 10]))
    wire.send(b"0\r\n\r\n")
    assert wire.response().status == 200
    upstream.clear()


@pytest.mark.parametrize("in_pieces", [False, True])
def test_a_head_without_end_is_refused(dial: Dial, gateway: Gateway, in_pieces: bool) -> None:
    wire = dial(gateway.url)
    wire.send(b"GET /healthz HTTP/1.1\r\nhost: 127.0.0.1\r\nx-long: ")
    sent = False
    with contextlib.suppress(ConnectionError):  # the gateway hangs up in the middle of it
        for _ in range(64):
            wire.send(b"a" * 65_536 + (b"\r\nx-more: " if in_pieces else b""))
        sent = True
    with contextlib.suppress(ConnectionError):
        assert wire.response().status == 400
        sent = False
    assert not sent


def test_a_long_head_is_read(dial: Dial, gateway: Gateway) -> None:
    wire = dial(gateway.url)
    wire.request("/healthz", method="GET", x_long="a" * 32_768)
    assert wire.response().status == 200


@pytest.mark.parametrize("protocol", ["h2c", "websocket"])
def test_an_offer_of_another_protocol_is_refused_in_clear_words(dial: Dial, gateway: Gateway, protocol: str) -> None:
    wire = dial(gateway.url)
    wire.request(SPLIT, json.dumps(VALID[SPLIT]).encode(), connection="upgrade", upgrade=protocol)
    response = wire.response()
    assert (response.status, code_of(response)) == (400, "invalid_field")
    assert "upgrade" in response.json()["detail"]


@pytest.mark.rows
@pytest.mark.parametrize("raw", [b"\x16\x03\x01\x02\x00\x01\x00", b"nonsense\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n"])
def test_what_is_no_http_is_answered_400(dial: Dial, gateway: Gateway, raw: bytes) -> None:
    wire = dial(gateway.url)
    wire.send(raw)
    assert wire.response().status == 400


@pytest.mark.rows
@ROUTES
@pytest.mark.parametrize("encoding", ["gzip", "deflate", "br", "zstd", "gzip, identity"])
def test_a_compressed_body_is_refused(http: httpx.Client, route: str, encoding: str) -> None:
    headers = {"content-type": "application/json", "content-encoding": encoding}
    response = http.post(route, content=gzip.compress(json.dumps(VALID[route]).encode()), headers=headers)
    assert (response.status_code, code_of(response)) == (415, "unsupported_encoding")


COMPRESSIONS: dict[str, Callable[[bytes], bytes]] = {"gzip": gzip.compress, "deflate": zlib.compress}


@pytest.fixture(scope="module")
def inflating(staged_pair: tuple[Staged, Staged], keep_gateway: Callable[..., Gateway]) -> Iterator[httpx.Client]:
    """A gateway that takes compressed bodies, of at most 64 KiB."""
    target = f'provider: openai_compatible, base_url: "{staged_pair[0].url}", model: m, format: tool-envelope'
    server = "server: {compressed_bodies: true, max_body_bytes: 65536}"
    gateway = keep_gateway(f"{server}\nmodels: {{envelope: {{targets: [{{{target}}}]}}}}\n")
    with httpx.Client(base_url=gateway.url, trust_env=False) as client:
        yield client


def packed(client: httpx.Client, route: str, encoding: str, content: bytes) -> httpx.Response:
    headers = {"content-type": "application/json", "content-encoding": encoding}
    return client.post(route, content=content, headers=headers)


@pytest.mark.rows
@ROUTES
@pytest.mark.parametrize("encoding", COMPRESSIONS)
def test_where_it_is_allowed_a_compressed_body_is_read(
    inflating: httpx.Client, first: Staged, route: str, encoding: str
) -> None:
    first.always(ANSWER)
    raw = COMPRESSIONS[encoding](json.dumps(VALID[route]).encode())
    assert packed(inflating, route, encoding, raw).status_code == 200
    assert len(first.bodies) == 1


@pytest.mark.rows
@ROUTES
@pytest.mark.parametrize("encoding", COMPRESSIONS)
def test_a_bomb_is_refused_and_a_body_of_just_the_limit_is_not(
    inflating: httpx.Client, first: Staged, route: str, encoding: str
) -> None:
    first.always(ANSWER)
    raw = json.dumps(VALID[route]).encode()
    for size, status in ((65_536, 200), (65_537, 413), (50_000_000, 413)):
        content = COMPRESSIONS[encoding](raw + b" " * (size - len(raw)))
        assert len(content) < 65_536
        response = packed(inflating, route, encoding, content)
        assert response.status_code == status
        assert status == 200 or code_of(response) == "body_too_large"
    assert len(first.bodies) == 1


@ROUTES
def test_garbage_and_what_follows_a_compressed_body_is_refused(
    inflating: httpx.Client, first: Staged, route: str
) -> None:
    raw = gzip.compress(json.dumps(VALID[route]).encode())
    for content in (b"", b"{}", raw[:-1], raw + b"{}", raw + raw):
        response = packed(inflating, route, "gzip", content)
        assert (response.status_code, code_of(response)) == (400, "malformed_body")
    for encoding in ("gzip, gzip", "br"):
        response = packed(inflating, route, encoding, raw)
        assert (response.status_code, code_of(response)) == (415, "unsupported_encoding")
    assert first.bodies == []


@pytest.mark.rows
@ROUTES
@pytest.mark.parametrize(
    "kind",
    ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "application/jsonp", ""],
)
def test_a_body_that_does_not_say_it_is_json_is_refused(http: httpx.Client, route: str, kind: str) -> None:
    response = http.post(route, content=json.dumps(VALID[route]), headers={"content-type": kind})
    assert (response.status_code, code_of(response)) == (415, "unsupported_encoding")


@pytest.mark.rows
@pytest.mark.parametrize("kind", ["application/json", "application/json; charset=utf-8", "Application/JSON"])
def test_json_is_taken_however_it_is_spelt(http: httpx.Client, upstream: Upstream, kind: str) -> None:
    headers = {"content-type": kind, "content-encoding": "identity"}
    assert http.post(SPLIT, content=json.dumps(VALID[SPLIT]), headers=headers).status_code == 200
    upstream.clear()


@pytest.mark.rows
@pytest.mark.parametrize("path", [CHAT, SPLIT, "/v1/models"])
@pytest.mark.parametrize(
    "headers",
    [
        {"host": "evil.example"},
        {"host": "127.0.0.1.evil.example"},
        {"origin": "https://evil.example"},
        {"origin": "null"},
        {"origin": "http://localhost.evil.example"},
    ],
)
def test_without_keys_foreign_pages_and_rebound_names_are_refused(
    http: httpx.Client, path: str, headers: dict[str, str]
) -> None:
    method = "GET" if path == "/v1/models" else "POST"
    response = http.request(method, path, json=VALID.get(path), headers=headers)
    assert (response.status_code, code_of(response)) == (403, "foreign_origin")


@pytest.mark.rows
@pytest.mark.parametrize("headers", [{"host": "localhost:1"}, {"host": "[::1]"}, {"origin": "http://localhost:3000"}])
def test_without_keys_this_machines_own_names_are_fine(
    http: httpx.Client, upstream: Upstream, headers: dict[str, str]
) -> None:
    assert http.post(SPLIT, json=VALID[SPLIT], headers=headers).status_code == 200
    upstream.clear()


@pytest.mark.rows
@pytest.mark.parametrize("name", ["content-type", "host", "content-encoding", "authorization", "origin"])
def test_a_deciding_header_may_stand_only_once(dial: Dial, gateway: Gateway, name: str) -> None:
    host = gateway.url.removeprefix("http://")
    values = {"content-type": "application/json", "host": host, "content-encoding": "identity", "origin": gateway.url}
    raw = json.dumps(VALID[SPLIT]).encode()
    once = f"content-type: application/json\r\nhost: {host}\r\ncontent-length: {len(raw)}\r\n"
    twice = f"{name}: {values.get(name, 'Bearer x')}\r\n" * (1 if name in once else 2)
    wire = dial(gateway.url)
    wire.send(f"POST {SPLIT} HTTP/1.1\r\n{once}{twice}\r\n".encode() + raw)
    assert wire.response().status == 400


KEYED = {"model": "one", "instructions": "Summarise."}
KEYED_CHAT = {"model": "one", "messages": [{"role": "user", "content": "Summarise."}]}
ANSWER = {"choices": [{"index": 0, "message": {"role": "assistant", "content": "ok"}, "finish_reason": "stop"}]}


@pytest.mark.rows
@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"authorization": "Bearer planted-wrong-key"},
        {"authorization": "Bearer"},
        {"authorization": "Basic planted-client-key"},
        {"x-api-key": "planted-wrong-key"},
        {"x-api-key": "planted-client-key", "authorization": "Bearer planted-wrong-key"},
        {"x-api-key": ""},
    ],
)
def test_a_missing_or_wrong_key_is_401_in_the_dialects_own_shape(
    keyed_gateway: Gateway, first: Staged, headers: dict[str, str]
) -> None:
    with httpx.Client(base_url=keyed_gateway.url, headers=headers, trust_env=False) as client:
        native = client.post(SPLIT, json=KEYED)
        chat = client.post(CHAT, json=KEYED_CHAT)
        models = client.get("/v1/models")
    for response in (native, chat, models):
        assert response.status_code == 401
        assert response.headers["www-authenticate"] == "Bearer"
        assert "planted" not in response.text
    assert native.headers["content-type"] == "application/problem+json"
    assert native.json()["code"] == "invalid_api_key"
    for response in (chat, models):
        assert response.json()["error"]["code"] == "invalid_api_key"
    assert first.bodies == []


@pytest.mark.rows
@pytest.mark.parametrize("header", ["authorization", "x-api-key", "api-key"])
def test_the_right_key_opens_from_anywhere(keyed_gateway: Gateway, first: Staged, api_key: str, header: str) -> None:
    first.always(ANSWER)
    value = f"Bearer {api_key}" if header == "authorization" else api_key
    headers = {header: value, "host": "gateway.example", "origin": "https://app.example"}
    response = httpx.post(f"{keyed_gateway.url}{SPLIT}", json=KEYED, headers=headers, trust_env=False)
    assert response.status_code == 200
    assert len(first.bodies) == 1


def test_health_needs_no_key(keyed_gateway: Gateway) -> None:
    for path in ("/healthz", "/readyz"):
        assert httpx.get(keyed_gateway.url + path, trust_env=False).status_code == 200


@ROUTES
def test_a_request_without_a_key_is_refused_before_its_body_is_read(
    dial: Dial, keyed_gateway: Gateway, route: str
) -> None:
    wire = dial(keyed_gateway.url)
    wire.request(route, content_length="1000")
    assert wire.response().status == 401
