"""The admin routes over ASGI, with policies that are put in force by the test."""

import hashlib
import os
from collections.abc import Callable
from dataclasses import dataclass, replace

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response

from gateway.access.ring import Ring
from gateway.dialects import split
from gateway.domain.activation import ActivePolicy, GlassState, Grant, PolicyState
from gateway.domain.errors import GatewayError, PoliciesRejected, StateUnusable
from gateway.domain.identity import Caller, Key, Role
from gateway.web.admin import Desk, admin_routes
from gateway.web.auth import Doorkeeper
from gateway.web.problems import status_of

ADMIN, OTHER = Caller(key="admin", tenant="a", roles=frozenset({Role.ADMIN})), Caller(key="other", tenant="a")
AS_ADMIN, AS_OTHER = {"authorization": "Bearer admin"}, {"authorization": "Bearer other"}
REASON = "the model's owner asks for it"
STATE = PolicyState(
    revision="sha256:1",
    policies=(ActivePolicy(name="p", file="p.yaml", mode="enforce", digest="d", fallback=False, listed=True),),
    activated_at=0.0,
    source="files",
    activations=1,
)


@dataclass
class Policies:
    """Policies whose reload fails if told so."""

    now: PolicyState = STATE
    error: str | None = None

    def state(self) -> PolicyState:
        return self.now

    async def reload(self) -> PolicyState:
        if self.error is not None:
            raise PoliciesRejected(self.error)
        self.now = replace(self.now, revision="sha256:2")
        return self.now


@dataclass
class Glass:
    """One grant, kept in memory."""

    now: GlassState = GlassState()  # noqa: RUF009 — frozen
    broken: bool = False

    def state(self) -> GlassState:
        return self.now

    async def grant(self, reason: str, minutes: int, granted_by: str) -> GlassState:
        if self.broken:
            raise StateUnusable("set `state_dir`")
        grant = Grant(id="1", reason=reason, granted_by=granted_by, granted_at=0.0, expires=minutes * 60.0)
        self.now = GlassState(grant=grant, grants=1)
        return self.now

    async def end(self, ended_by: str) -> GlassState:
        self.now = GlassState(grants=1, ends=len(ended_by) and 1)
        return self.now


@dataclass
class Office:
    """What the routes work on, and how often all workers were asked to reload."""

    policies: Policies
    glass: Glass
    asked: int = 0

    def fan_out(self) -> bool:
        self.asked += 1
        return True


@pytest.fixture
def office() -> Office:
    return Office(policies=Policies(), glass=Glass())


Client = Callable[..., httpx.AsyncClient]


@pytest.fixture
def client(office: Office) -> Client:
    async def told(_: Request, error: Exception) -> Response:
        assert isinstance(error, GatewayError)
        return Response(split.error_body(error, status_of(error)), status_of(error))

    def make(*callers: Caller) -> httpx.AsyncClient:
        keys = [Key(sha256=hashlib.sha256(caller.key.encode()).hexdigest(), caller=caller) for caller in callers]
        desk = Desk(
            doorkeeper=Doorkeeper(Ring(keys) if keys else None),
            policies=office.policies,
            glass=office.glass,
            fan_out=office.fan_out,
        )
        app = Starlette(routes=admin_routes(desk), exception_handlers={GatewayError: told})
        return httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://127.0.0.1")

    return make


ROUTES = [
    ("GET", "/admin/policies"),
    ("POST", "/admin/policies/reload"),
    ("GET", "/admin/break-glass"),
    ("POST", "/admin/break-glass"),
    ("DELETE", "/admin/break-glass"),
]


@pytest.mark.parametrize(("method", "path"), ROUTES)
async def test_admins_alone_come_in(client: Client, office: Office, method: str, path: str) -> None:
    wish = {"reason": REASON, "minutes": 5} if (method, path) == ("POST", "/admin/break-glass") else None
    async with client(ADMIN, OTHER) as http:
        nobody = await http.request(method, path, json=wish)
        other = await http.request(method, path, json=wish, headers=AS_OTHER)
        assert (nobody.status_code, nobody.json()["code"]) == (401, "invalid_api_key")
        assert (other.status_code, other.json()["code"]) == (403, "forbidden")
        assert (office.asked, office.glass.now.grant) == (0, None)
        assert (await http.request(method, path, json=wish, headers=AS_ADMIN)).status_code == 200


@pytest.mark.parametrize(("method", "path"), ROUTES)
async def test_auditors_see_and_change_nothing(client: Client, office: Office, method: str, path: str) -> None:
    auditor = Caller(key="auditor", tenant="a", roles=frozenset({Role.AUDITOR}))
    wish = {"reason": REASON, "minutes": 5} if (method, path) == ("POST", "/admin/break-glass") else None
    async with client(auditor) as http:
        headers = {"authorization": "Bearer auditor"}
        answer = await http.request(method, path, json=wish, headers=headers)
    assert answer.status_code == (200 if method == "GET" else 403)
    assert (office.asked, office.glass.now.grant) == (0, None)


async def test_what_is_in_force_in_this_worker_is_shown(client: Client, office: Office) -> None:
    office.policies.now = replace(STATE, last_error="p.yaml:3:1: no", last_error_at=1.5, failures=1)
    async with client(ADMIN) as http:
        shown = (await http.get("/admin/policies", headers=AS_ADMIN)).json()
    assert shown == {
        "pid": os.getpid(),
        "revision": "sha256:1",
        "policies": [
            {"name": "p", "file": "p.yaml", "mode": "enforce", "digest": "d", "fallback": False, "listed": True}
        ],
        "activated_at": "1970-01-01T00:00:00.000+00:00",
        "source": "files",
        "last_error": "p.yaml:3:1: no",
        "last_error_at": "1970-01-01T00:00:01.500+00:00",
        "warnings": [],
        "activations": 1,
        "failures": 1,
        "break_glass": {"in_force": False, "grant": None, "grants": 0, "ends": 0, "refused": 0, "requests": 0},
    }


async def test_a_reload_is_answered_with_the_new_state_and_asked_of_all_workers(client: Client, office: Office) -> None:
    async with client(ADMIN) as http:
        answer = (await http.post("/admin/policies/reload", headers=AS_ADMIN)).json()
    assert (answer["revision"], answer["all_workers_asked"], office.asked) == ("sha256:2", True, 1)


async def test_a_reload_that_fails_says_why_and_is_asked_of_all_workers_too(client: Client, office: Office) -> None:
    office.policies.error = "nothing was changed. p.yaml:3:1: no such fact"
    async with client(ADMIN) as http:
        answer = await http.post("/admin/policies/reload", headers=AS_ADMIN)
    assert (answer.status_code, answer.json()["code"]) == (409, "policies_rejected")
    assert "p.yaml:3:1" in answer.json()["detail"]
    assert office.asked == 1


async def test_the_glass_is_broken_shown_and_mended(client: Client, office: Office) -> None:
    async with client(ADMIN) as http:
        wish = {"reason": f"  {REASON} ", "minutes": 60}
        made = (await http.post("/admin/break-glass", headers=AS_ADMIN, json=wish)).json()
        assert (made["in_force"], made["grants"]) == (True, 1)
        assert made["grant"] == {
            "id": "1",
            "reason": REASON,
            "granted_by": "admin",
            "granted_at": "1970-01-01T00:00:00.000+00:00",
            "expires": "1970-01-01T01:00:00.000+00:00",
        }
        assert (await http.get("/admin/break-glass", headers=AS_ADMIN)).json() == made
        assert (await http.head("/admin/break-glass", headers=AS_ADMIN)).status_code == 200
        assert (await http.get("/admin/policies", headers=AS_ADMIN)).json()["break_glass"] == made
        ended = (await http.delete("/admin/break-glass", headers=AS_ADMIN)).json()
    assert (ended["in_force"], ended["ends"]) == (False, 1)
    assert office.asked == 0


@pytest.mark.parametrize(
    ("wish", "code", "param"),
    [
        ({"reason": "too short", "minutes": 5}, "invalid_field", "reason"),
        ({"reason": "   short   spaces " + " " * 20, "minutes": 61}, "invalid_field", "minutes"),
        ({"reason": "  short     " + " " * 20, "minutes": 5}, "invalid_field", "reason"),
        ({"reason": "x" * 501, "minutes": 5}, "invalid_field", "reason"),
        ({"reason": ["x" * 20], "minutes": 5}, "invalid_field", "reason"),
        ({"minutes": 5}, "invalid_field", "reason"),
        ({"reason": REASON}, "invalid_field", "minutes"),
        ({"reason": REASON, "minutes": 0}, "invalid_field", "minutes"),
        ({"reason": REASON, "minutes": 61}, "invalid_field", "minutes"),
        ({"reason": REASON, "minutes": 5.0}, "invalid_field", "minutes"),
        ({"reason": REASON, "minutes": True}, "invalid_field", "minutes"),
        ({"reason": REASON, "minutes": "5"}, "invalid_field", "minutes"),
        ({"reason": REASON, "minutes": 5, "forever": True}, "unknown_field", "forever"),
        ([], "malformed_body", None),
    ],
)
async def test_a_wish_that_is_not_exactly_one_breaks_nothing(
    client: Client, office: Office, wish: object, code: str, param: str | None
) -> None:
    async with client(ADMIN) as http:
        answer = await http.post("/admin/break-glass", headers=AS_ADMIN, json=wish)
    assert (answer.status_code, answer.json()["code"], answer.json().get("param")) == (400, code, param)
    assert office.glass.now.grant is None


async def test_a_reason_of_ten_characters_and_one_minute_are_enough(client: Client) -> None:
    async with client(ADMIN) as http:
        wish = {"reason": "0123456789", "minutes": 1}
        assert (await http.post("/admin/break-glass", headers=AS_ADMIN, json=wish)).status_code == 200


async def test_a_body_that_is_no_json_or_too_large_breaks_nothing(client: Client, office: Office) -> None:
    async with client(ADMIN) as http:
        form = await http.post("/admin/break-glass", headers=AS_ADMIN, data={"reason": REASON, "minutes": "5"})
        large = await http.post("/admin/break-glass", headers=AS_ADMIN, json={"reason": "x" * 9000, "minutes": 5})
    assert (form.status_code, large.status_code) == (415, 413)
    assert office.glass.now.grant is None


async def test_while_no_keys_are_configured_nobody_breaks_the_glass_and_anybody_here_may_look(
    client: Client, office: Office
) -> None:
    async with client() as http:
        wish = {"reason": REASON, "minutes": 5}
        refused = await http.post("/admin/break-glass", json=wish)
        assert (refused.status_code, refused.json()["code"]) == (403, "forbidden")
        assert "role `admin`" in refused.json()["detail"]
        assert (await http.get("/admin/policies")).status_code == 200
        assert (await http.post("/admin/policies/reload")).status_code == 200
        foreign = await http.post("/admin/policies/reload", headers={"origin": "https://evil.example"})
    assert (foreign.status_code, foreign.json()["code"]) == (403, "foreign_origin")
    assert (office.glass.now.grant, office.asked) == (None, 1)


async def test_a_grant_that_cannot_be_kept_is_an_error(client: Client, office: Office) -> None:
    office.glass.broken = True
    async with client(ADMIN) as http:
        answer = await http.post("/admin/break-glass", headers=AS_ADMIN, json={"reason": REASON, "minutes": 5})
    assert (answer.status_code, answer.json()["code"]) == (503, "state_unusable")


async def test_other_methods_are_refused_with_those_that_there_are(client: Client) -> None:
    async with client(ADMIN) as http:
        answer = await http.put("/admin/break-glass", headers=AS_ADMIN)
    assert answer.status_code == 405
    assert {"GET", "POST", "DELETE"} <= set(answer.headers["allow"].replace(" ", "").split(","))
