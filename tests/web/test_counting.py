"""The door for counts, over ASGI, in a dialect of the test's own: none of the gateway's checks stands beside it."""

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Never

import httpx
import pytest

from gateway.access.ring import Ring
from gateway.activation.assemble import assemble
from gateway.activation.engine import engine
from gateway.activation.sources import PolicyFile
from gateway.audit.trail import Evidence
from gateway.domain.approval import HeldReply
from gateway.domain.errors import GatewayError, InvalidField, NotSayable, UpstreamOverloaded
from gateway.domain.evidence import Ended
from gateway.domain.identity import Caller, Key
from gateway.domain.isolation import Isolation
from gateway.domain.jsonvalue import JsonObject
from gateway.domain.model import Model
from gateway.domain.operation import Operation
from gateway.domain.ports import Call
from gateway.domain.prompt import Data, Prompt
from gateway.domain.request import ClientRequest, DataPart, Message, Options, Role, TextPart
from gateway.domain.target import Endpoint, Layout, Removal, Target
from gateway.pipeline.handle import Services
from gateway.stores.untainted import UntaintedReplies
from gateway.web.auth import Doorkeeper
from gateway.web.counting import Counting
from gateway.web.door import Door, Lobby
from gateway.web.recent import Recent

SECRET = "AKIA" + "QX7ZK2M4N6P3R5T7"
POLICY = b"""
apiVersion: splitgate/v1
kind: Policy
metadata: {name: p}
spec:
  mode: enforce
  match: {routes: [fake_messages]}
  rules:
    - {id: no-key, stage: data, severity: critical, when: det.secrets.found, action: ACTION, message: No keys.}
"""
TARGET = Target(id="t/1", provider="p", base_url="http://x", model="up", format="f", family="all")


class Dialect:
    """``{"model", "ask", "data"}`` gives ``{"tokens"}``."""

    NAME = "fake_messages"

    def read_count(self, body: JsonObject) -> ClientRequest:
        ask, data = body.get("ask"), body.get("data")
        if not isinstance(ask, str) or not isinstance(data, str):
            raise InvalidField("ask must be text", param="ask")
        return ClientRequest(
            dialect=self.NAME,
            model=str(body.get("model")),
            messages=(
                Message(role=Role.USER, parts=(TextPart(text=ask, path="ask"),), path="ask"),
                Message(role=Role.INPUT, parts=(DataPart(text=data, path="data"),), path="data"),
            ),
        )

    def write_count(self, tokens: int) -> bytes:
        return json.dumps({"tokens": tokens}).encode()

    def error_body(self, error: GatewayError, status: int) -> bytes:
        return json.dumps({"fake": {"code": error.code, "param": error.param, "status": status}}).encode()


@dataclass
class Upstream:
    """A counter that says ``tokens``, or fails with ``error``."""

    tokens: int = 31
    error: Exception | None = None
    calls: list[Call] = field(default_factory=list[Call])

    async def count(self, call: Call) -> int:
        self.calls.append(call)
        if self.error is not None:
            raise self.error
        return self.tokens


@dataclass
class Observer:
    over: list[Ended] = field(default_factory=list[Ended])

    def began(self, dialect: str) -> None:
        assert dialect == Dialect.NAME

    def ended(self, ended: Ended) -> None:
        self.over.append(ended)


class NoApprovals:
    async def hold(self, held: HeldReply) -> None:
        raise NotImplementedError


def nobody(*_: object) -> Never:
    raise NotImplementedError


def lay_out(target: Target, prompt: Prompt, options: Options) -> tuple[Layout, Options]:
    texts = [segment.text for segment in prompt.segments() if isinstance(segment, Data)]
    removals = (Removal(where="s2", count=1),)
    layout = Layout(
        format=target.format, endpoint=Endpoint.CHAT, body={"messages": texts}, isolation=Isolation.CHANNEL,
        removals=removals,
    )  # fmt: skip
    return layout, options


@dataclass
class House:
    """A door, and what stands behind it."""

    upstream: Upstream = field(default_factory=Upstream)
    observer: Observer = field(default_factory=Observer)
    recent: Recent = field(default_factory=lambda: Recent(3, most_bytes=1000))
    able: bool = True

    def door(self, *, action: str = "block", keys: tuple[Caller, ...] = ()) -> Door:
        policy = PolicyFile(file="p.yaml", raw=POLICY.replace(b"ACTION", action.encode()), fallback=True)
        in_force = assemble([policy], engine({}, nobody)).in_force
        services = Services(
            models={"m": Model(name="m", targets=(TARGET,))},
            lay_out=lay_out,
            lay_out_texts=nobody,
            credit=lambda _, reached: reached,
            providers=nobody,
            counters=self._counter,
            embedders=nobody,
            now=lambda: 1.0,
            in_force=lambda: in_force,
            bypass=lambda: None,
            untainted=UntaintedReplies(lambda: 0.0),
            approvals=NoApprovals(),
            draw_canary=nobody,
        )
        lobby = Lobby(
            services=services,
            evidence=Evidence(recording=None, observers=(self.observer,), models=("m",)),
            doorkeeper=Doorkeeper(
                Ring([Key(sha256=hashlib.sha256(one.key.encode()).hexdigest(), caller=one) for one in keys])
                if keys
                else None
            ),
            max_body_bytes=1000,
            recent=self.recent,
        )
        return Door(Counting(Dialect()), lobby)

    def _counter(self, target: Target) -> Upstream:
        if not self.able:
            raise NotSayable(f"target {target.id} cannot count tokens")
        return self.upstream


@pytest.fixture
def house() -> House:
    return House()


Client = Callable[[Door], httpx.AsyncClient]


@pytest.fixture
def client() -> Client:
    def make(door: Door) -> httpx.AsyncClient:
        transport = httpx.ASGITransport(app=door)  # pyright: ignore[reportArgumentType]
        return httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1")

    return make


def body(data: str = "d", **more: object) -> dict[str, object]:
    return {"model": "m", "ask": "Do.", "data": data, **more}


async def test_a_count_is_answered_in_the_dialect_with_the_headers_of_any_reply(house: House, client: Client) -> None:
    async with client(house.door()) as http:
        answer = await http.post("/count", json=body())
    assert (answer.status_code, answer.json()) == (200, {"tokens": 31})
    assert answer.headers["content-type"] == "application/json"
    told = {name: value for name, value in answer.headers.items() if name.startswith("x-splitgate-")}
    assert told.pop("x-splitgate-policy").startswith("p@sha256:")
    assert told == {
        "x-splitgate-isolation": "channel",
        "x-splitgate-format": "f",
        "x-splitgate-target": "t/1",
        "x-splitgate-decision": "allow",
        "x-splitgate-findings": "reserved-token=1",
        "x-splitgate-notes": "unaudited",
    }
    (ended,) = house.observer.over
    assert (ended.operation, ended.dialect, ended.status) == (Operation.COUNT, "fake_messages", 200)
    assert (ended.request_id, ended.usage, ended.attempts) == (answer.headers["x-request-id"], None, 1)
    assert list(house.recent) == []


async def test_what_policy_blocks_is_not_counted(house: House, client: Client) -> None:
    async with client(house.door()) as http:
        answer = await http.post("/count", json=body(SECRET))
        assert (answer.status_code, answer.json()["fake"]["code"]) == (400, "splitgate_blocked")
        assert house.upstream.calls == []
        assert (await http.post("/count", json=body("no key"))).status_code == 200
    assert [(one.error, one.decision) for one in house.observer.over] == [
        ("splitgate_blocked", "block"),
        (None, "allow"),
    ]


async def test_what_policy_redacts_is_counted_redacted(house: House, client: Client) -> None:
    async with client(house.door(action="redact")) as http:
        answer = await http.post("/count", json=body(f"key {SECRET}"))
    assert (answer.status_code, answer.headers["x-splitgate-decision"]) == (200, "redact")
    assert house.upstream.calls[0].layout.body == {"messages": ["key [REDACTED:aws_access_key]"]}


async def test_who_has_no_key_counts_nothing(house: House, client: Client) -> None:
    async with client(house.door(keys=(Caller(key="planted-key", tenant="t"),))) as http:
        answer = await http.post("/count", json=body())
        assert (answer.status_code, answer.json()["fake"]["code"]) == (401, "invalid_api_key")
        assert answer.headers["www-authenticate"] == "Bearer"
        assert house.upstream.calls == []
        answer = await http.post("/count", json=body(), headers={"x-api-key": "planted-key"})
        assert answer.status_code == 200


async def test_who_must_send_data_apart_must_do_so_to_count(house: House, client: Client) -> None:
    caller = Caller(key="planted-key", tenant="t", require_data=True)
    async with client(house.door(keys=(caller,))) as http:
        http.headers["x-api-key"] = "planted-key"
        answer = await http.post("/count", json=body(" "))
        assert (answer.status_code, answer.json()["fake"]["code"]) == (400, "isolation_unreachable")
        assert (await http.post("/count", json=body("d"))).status_code == 200


@pytest.mark.parametrize(
    ("content", "kind", "status", "code"),
    [
        (b"{", "application/json", 400, "malformed_body"),
        (b'{"model":"m","model":"n"}', "application/json", 400, "malformed_body"),
        (b'{"model":"m","ask":1}', "application/json", 400, "invalid_field"),
        (b'{"model":"x","ask":"a","data":"d"}', "application/json", 404, "model_not_found"),
        (b'{"model":"m","ask":"a","data":"d"}', "text/plain", 415, "unsupported_encoding"),
        (b" " * 1001, "application/json", 413, "body_too_large"),
    ],
)
async def test_a_request_that_is_none_is_refused_in_the_dialects_words(
    house: House, client: Client, content: bytes, kind: str, status: int, code: str
) -> None:
    async with client(house.door()) as http:
        answer = await http.post("/count", content=content, headers={"content-type": kind})
    assert (answer.status_code, answer.json()["fake"]["code"]) == (status, code)
    assert house.upstream.calls == []
    assert [one.error for one in house.observer.over] == [code]


async def test_only_posts_are_answered(house: House, client: Client) -> None:
    async with client(house.door()) as http:
        answer = await http.get("/count")
    assert (answer.status_code, answer.headers["allow"]) == (405, "POST")


async def test_a_target_that_cannot_count_says_so(house: House, client: Client) -> None:
    house.able = False
    async with client(house.door()) as http:
        answer = await http.post("/count", json=body())
    assert (answer.status_code, answer.json()["fake"]["code"]) == (400, "not_sayable")


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (NotSayable("t/1 has no such route"), 400, "not_sayable"),
        (UpstreamOverloaded("busy", target="t/1", retry_after=7.0), 429, "upstream_overloaded"),
        (RuntimeError(f"unexpected, and it quotes {SECRET}"), 500, "internal_error"),
    ],
    ids=["not_sayable", "overloaded", "unexpected"],
)
async def test_what_goes_wrong_upstream_is_told_in_the_dialects_words(
    house: House, client: Client, error: Exception, status: int, code: str, caplog: pytest.LogCaptureFixture
) -> None:
    house.upstream.error = error
    async with client(house.door()) as http:
        answer = await http.post("/count", json=body())
    assert (answer.status_code, answer.json()["fake"]["code"]) == (status, code)
    assert SECRET not in answer.text + caplog.text
    assert (house.observer.over[0].operation, house.observer.over[0].error) == (Operation.COUNT, code)
