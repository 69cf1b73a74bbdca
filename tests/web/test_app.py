"""The routes beside the doors, over ASGI."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Never

import httpx
import pytest

from gateway.access.ring import Ring
from gateway.audit.trail import Evidence
from gateway.dialects.registry import COUNTS, EMBEDS, PATHS
from gateway.domain.errors import PoliciesNotLoaded, UpstreamUnreachable
from gateway.domain.evidence import Ended
from gateway.domain.identity import Caller, Key, Role
from gateway.domain.isolation import Isolation
from gateway.domain.model import Model
from gateway.domain.prompt import Prompt
from gateway.domain.request import Options
from gateway.domain.target import Layout, Target
from gateway.pipeline.handle import Services
from gateway.pipeline.in_force import InForce
from gateway.stores.approvals import SqliteApprovals
from gateway.stores.untainted import UntaintedReplies
from gateway.web.app import App
from gateway.web.auth import Doorkeeper
from gateway.web.door import Lobby, Recorded
from gateway.web.recent import Recent

OPENAI = "application/json"
PROBLEM = "application/problem+json"


def refuses(target: Target) -> Never:
    raise UpstreamUnreachable("nothing is sent in these tests", target=target.id)


def no_layout(target: Target, _: Prompt, __: Options) -> tuple[Layout, Options]:
    raise UpstreamUnreachable("nothing is sent in these tests", target=target.id)


def nothing_in_force() -> InForce:
    raise PoliciesNotLoaded("no policies are judged by in these tests")


@dataclass
class Switch:
    ready: bool = True
    recent: Recent = field(default_factory=lambda: Recent(3, most_bytes=1000))
    parents: list[str | None] = field(default_factory=list[str | None])

    def began(self, dialect: str) -> None:
        """A request came."""

    def ended(self, ended: Ended) -> None:
        self.parents.append(ended.trace.parent)


@pytest.fixture
def switch() -> Switch:
    return Switch()


@pytest.fixture
def client(switch: Switch) -> Callable[..., httpx.AsyncClient]:
    """A client of an application with the models ``m`` and ``a/b``."""

    def make(*callers: Caller) -> httpx.AsyncClient:
        services = Services(
            models={name: Model(name=name, targets=(), min_isolation=Isolation.WRAPPED) for name in ("m", "a/b")},
            lay_out=no_layout,
            lay_out_texts=no_layout,
            credit=lambda _, reached: reached,
            providers=refuses,
            counters=refuses,
            embedders=refuses,
            now=lambda: 0.0,
            in_force=nothing_in_force,
            bypass=lambda: None,
            untainted=UntaintedReplies(lambda: 0.0),
            approvals=SqliteApprovals(Path("nowhere"), now=lambda: 0.0),
            draw_canary=lambda: "canary",
        )
        keys = [Key(sha256=hashlib.sha256(caller.key.encode()).hexdigest(), caller=caller) for caller in callers]
        lobby = Lobby(
            services=services,
            evidence=Evidence(recording=None, observers=(switch,)),
            doorkeeper=Doorkeeper(Ring(keys) if keys else None),
            max_body_bytes=1000,
            recent=switch.recent,
        )
        app = App(lobby, reach=lambda _: Isolation.CHANNEL, ready=lambda: switch.ready)
        transport = httpx.ASGITransport(app=app)  # pyright: ignore[reportArgumentType]
        return httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1")

    return make


Client = Callable[..., httpx.AsyncClient]
ADMIN, OTHER = Caller(key="admin", tenant="a", roles=frozenset({Role.APP, Role.ADMIN})), Caller(key="other", tenant="a")


async def test_it_lives_whether_it_is_ready_or_not(client: Client, switch: Switch) -> None:
    switch.ready = False
    async with client() as http:
        assert (await http.get("/healthz")).json() == {"status": "ok"}


async def test_it_says_503_until_it_is_ready(client: Client, switch: Switch) -> None:
    switch.ready = False
    async with client(ADMIN) as http:
        response = await http.get("/readyz")
        assert (response.status_code, response.json()) == (503, {"status": "starting"})
        switch.ready = True
        response = await http.get("/readyz")
        assert (response.status_code, response.json()) == (200, {"status": "ready"})


async def test_models_are_listed_with_what_they_reach(client: Client) -> None:
    async with client() as http:
        listed = (await http.get("/v1/models")).json()
        assert [model["id"] for model in listed["data"]] == ["m", "a/b"]
        one = (await http.get("/v1/models/a/b")).json()
    assert one == listed["data"][1]
    assert one["splitgate"] == {"min_isolation": "wrapped", "reaches": "channel"}


@pytest.mark.parametrize(
    ("method", "path", "status", "kind"),
    [
        ("GET", "/v1/models/none", 404, OPENAI),
        ("GET", "/v1/nothing", 404, OPENAI),
        ("GET", "/", 404, PROBLEM),
        ("GET", "/healthz/", 404, PROBLEM),
        ("POST", "/healthz", 405, PROBLEM),
        ("DELETE", "/v1/models", 405, OPENAI),
        ("GET", "/v1/split", 405, PROBLEM),
        ("PUT", "/v1/chat/completions", 405, OPENAI),
        ("GET", "/v1/messages", 405, OPENAI),
    ],
)
async def test_what_is_not_there_is_refused_in_the_paths_own_shape(
    client: Client, method: str, path: str, status: int, kind: str
) -> None:
    async with client() as http:
        response = await http.request(method, path)
    assert (response.status_code, response.headers["content-type"]) == (status, kind)
    assert ("allow" in response.headers) is (status == 405)
    assert ("error" in response.json()) is (kind == OPENAI)


ANTHROPIC = {"anthropic-version": "2023-06-01"}


@pytest.mark.parametrize(
    ("path", "headers", "anthropics"),
    [
        ("/v1/messages", {}, True),
        ("/v1/messages/batches", {}, True),
        ("/v1/messages/", {}, True),
        ("/v1/messagesx", {}, False),
        ("/v1/models/none", {}, False),
        ("/v1/models/none", ANTHROPIC, True),
        ("/v1/files", ANTHROPIC, True),
        ("/v1/chat/completions", ANTHROPIC, False),
    ],
)
async def test_errors_have_the_shape_of_whichever_vendors_api_is_spoken(
    client: Client, path: str, headers: dict[str, str], anthropics: bool
) -> None:
    async with client() as http:
        body = (await http.get(path, headers=headers)).json()
    assert (body.get("type") == "error") is anthropics
    assert body["error"]["code"] in {"unknown_route", "method_not_allowed", "model_not_found"}
    assert body["error"]["message"]


async def test_what_is_splitgates_own_speaks_its_own_way_to_anybody(client: Client) -> None:
    async with client() as http:
        for path in ("/v1/approvals/none", "/nothing", "/v1/split"):
            assert "detail" in (await http.get(path, headers=ANTHROPIC)).json()


async def test_anthropics_sdk_finds_the_requests_id_under_its_own_name(client: Client) -> None:
    async with client() as http:
        response = await http.get("/v1/messages")
        other = await http.get("/v1/chat/completions")
    assert response.headers["request-id"] == response.headers["x-request-id"]
    assert "request-id" not in other.headers


async def test_models_are_told_to_callers_alone(client: Client) -> None:
    async with client(OTHER) as http:
        for path in ("/v1/models", "/v1/models/m", "/admin/recent"):
            assert (await http.get(path)).status_code == 401


async def test_a_model_that_a_caller_may_not_ask_for_is_not_there_for_it(client: Client) -> None:
    bound = Caller(key="bound", tenant="a", models=frozenset({"a/b"}))
    barred = Caller(key="barred", tenant="a", models=frozenset())
    async with client(bound, barred, OTHER) as http:

        async def ask(caller: Caller, path: str) -> httpx.Response:
            return await http.get(path, headers=bearer(caller))

        for caller, names in ((OTHER, ["m", "a/b"]), (bound, ["a/b"]), (barred, [])):
            listed = (await ask(caller, "/v1/models")).json()["data"]
            assert [model["id"] for model in listed] == names
        assert (await ask(bound, "/v1/models/a/b")).status_code == 200
        hidden, missing = await ask(bound, "/v1/models/m"), await ask(bound, "/v1/models/none")
        assert (hidden.status_code, hidden.content) == (404, missing.content)
        assert "for you: a/b" in hidden.json()["error"]["message"]
        assert "for you: none" in (await ask(barred, "/v1/models/m")).json()["error"]["message"]


@pytest.mark.parametrize("role", [Role.APPROVER, Role.AUDITOR, Role.ADMIN])
async def test_models_are_for_those_who_may_call_them(client: Client, role: Role) -> None:
    caller = Caller(key="k", tenant="a", roles=frozenset({role}))
    async with client(caller) as http:
        for path in ("/v1/models", "/v1/models/m"):
            refused = await http.get(path, headers=bearer(caller))
            assert (refused.status_code, refused.json()["error"]["code"]) == (403, "forbidden")


@pytest.mark.parametrize("path", [*PATHS, *COUNTS, *EMBEDS])
@pytest.mark.parametrize("role", [Role.APPROVER, Role.AUDITOR, Role.ADMIN])
async def test_no_route_to_a_model_is_open_to_whoever_is_no_application(client: Client, path: str, role: Role) -> None:
    caller, app = Caller(key="k", tenant="a", roles=frozenset({role})), Caller(key="app", tenant="a")
    async with client(caller, app) as http:
        assert (await http.post(path, headers=bearer(caller), json={})).status_code == 403
        # Let in, and refused for what it sends.
        assert (await http.post(path, headers=bearer(app), json={})).status_code == 400


async def test_who_may_use_a_dialect_may_count_in_it_and_not_embed(client: Client) -> None:
    caller = Caller(key="k", tenant="a", routes=frozenset({"anthropic_messages"}))
    async with client(caller) as http:
        statuses = [
            (await http.post(path, headers=bearer(caller), json={})).status_code
            for path in ("/v1/messages", "/v1/messages/count_tokens", "/v1/embeddings")
        ]
    assert statuses == [400, 400, 403]


async def test_a_route_is_closed_to_whoever_may_not_use_it(client: Client) -> None:
    caller = Caller(key="k", tenant="a", routes=frozenset({"split"}))
    async with client(caller) as http:
        refused = await http.post("/v1/chat/completions", headers=bearer(caller), json={})
        assert (refused.status_code, refused.json()["error"]["code"]) == (403, "forbidden")
        # Let in, and refused for what it sends.
        assert (await http.post("/v1/split", headers=bearer(caller), json={})).status_code == 400


def record(tenant: str) -> Recorded:
    return Recorded(tenant=tenant, dialect="split", body={"model": "m", "data": f"of {tenant}"})


def bearer(caller: Caller) -> dict[str, str]:
    return {"authorization": f"Bearer {caller.key}"}


async def test_kept_requests_are_shown_to_admins_whatever_their_tenant(client: Client, switch: Switch) -> None:
    switch.recent.append(record("a"))
    switch.recent.append(record("b"))
    async with client(ADMIN, OTHER) as http:
        shown = await http.get("/admin/recent", headers=bearer(ADMIN))
        refused = await http.get("/admin/recent", headers=bearer(OTHER))
    assert [(kept["tenant"], kept["dialect"]) for kept in shown.json()["requests"]] == [("a", "split"), ("b", "split")]
    assert (refused.status_code, refused.json()["code"]) == (403, "forbidden")
    assert "of a" not in refused.text


async def test_without_keys_this_machine_sees_them_and_foreign_pages_do_not(client: Client, switch: Switch) -> None:
    switch.recent.append(record("local"))
    async with client() as http:
        assert len((await http.get("/admin/recent")).json()["requests"]) == 1
        assert (await http.get("/admin/recent", headers={"origin": "https://evil.example"})).status_code == 403


async def test_where_none_are_kept_that_is_said(client: Client, switch: Switch) -> None:
    switch.recent = Recent(0, most_bytes=1000)
    async with client() as http:
        response: Any = await http.get("/admin/recent")
    assert response.status_code == 404
    assert "record_recent" in response.text


async def test_of_two_traces_that_a_request_names_it_belongs_to_none(client: Client, switch: Switch) -> None:
    named = ("traceparent", f"00-{'a' * 32}-{'b' * 16}-01")
    async with client() as http:
        for headers in ([], [named], [named, named]):
            await http.post("/v1/chat/completions", headers=headers)
    assert switch.parents == [None, "b" * 16, None]
