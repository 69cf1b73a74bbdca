"""Who sees how the targets are doing, and what is there to see?"""

import hashlib
from collections.abc import Callable

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response

from gateway.access.ring import Ring
from gateway.dialects import split
from gateway.domain.errors import GatewayError
from gateway.domain.identity import Caller, Key, Role
from gateway.domain.model import Model
from gateway.domain.target import Target
from gateway.pipeline.breaker import Outcome
from gateway.pipeline.condition import Conditions
from gateway.web.auth import Doorkeeper
from gateway.web.problems import status_of
from gateway.web.targets import target_routes

TARGET = Target(id="m/1", provider="p", base_url="http://planted-host/v1", model="up", format="f", family="all")
MODELS = {"m": Model(name="m", targets=(TARGET,))}
CALLERS = [
    Caller(key=role.value, tenant="a", roles=frozenset({role}))
    for role in (Role.APP, Role.APPROVER, Role.AUDITOR, Role.ADMIN)
]


@pytest.fixture
def conditions() -> Conditions:
    return Conditions([TARGET], ticks=lambda: 5.0)


@pytest.fixture
def client(conditions: Conditions) -> Callable[[], httpx.AsyncClient]:
    async def told(_: Request, error: Exception) -> Response:
        assert isinstance(error, GatewayError)
        return Response(split.error_body(error, status_of(error)), status_of(error))

    def make() -> httpx.AsyncClient:
        keys = [Key(sha256=hashlib.sha256(caller.key.encode()).hexdigest(), caller=caller) for caller in CALLERS]
        routes = target_routes(MODELS, conditions, Doorkeeper(Ring(keys)))
        app = Starlette(routes=routes, exception_handlers={GatewayError: told})
        return httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://127.0.0.1")

    return make


async def test_auditors_and_admins_see_it_and_nobody_else(client: Callable[[], httpx.AsyncClient]) -> None:
    async with client() as http:
        statuses = {
            key: (await http.get("/admin/targets", headers={"authorization": f"Bearer {key}"})).status_code
            for key in ("nobody", "app", "approver", "auditor", "admin")
        }
    assert statuses == {"nobody": 401, "app": 403, "approver": 403, "auditor": 200, "admin": 200}


async def test_each_target_is_shown_as_it_stands(
    client: Callable[[], httpx.AsyncClient], conditions: Conditions
) -> None:
    held = [conditions.of(TARGET).begin(again=False) for _ in range(3)]
    for ticket, rest in zip(held[:2], (None, 7.0), strict=True):
        assert ticket is not None
        ticket.end(Outcome.NEITHER if rest else Outcome.FAILED, "upstream_overloaded", rest_s=rest)
    async with client() as http:
        answer = await http.get("/admin/targets", headers={"authorization": "Bearer admin"})
    assert answer.json()["models"] == {
        "m": {
            "balance": "in_order",
            "targets": [
                {
                    "id": "m/1", "provider": "p", "tier": 1, "weight": 1.0, "state": "closed", "pending": 1,
                    "failures_in_row": 1, "last_error": "upstream_overloaded", "resting_s": 7.0, "retry_in_s": 0.0,
                    "attempts": {"upstream_overloaded": 2}, "retries": 0,
                }
            ],
        }
    }  # fmt: skip
    assert "planted" not in answer.text
