import hashlib
import os

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response

from gateway.access.ring import Ring
from gateway.domain.errors import GatewayError
from gateway.domain.identity import Caller, Key, Role
from gateway.web.auth import Doorkeeper
from gateway.web.problems import status_of
from gateway.web.running import RunningDesk, running_routes


def key(name: str, *roles: Role) -> Key:
    digest = hashlib.sha256(name.encode()).hexdigest()
    return Key(caller=Caller(key=name, tenant="a", roles=frozenset(roles)), sha256=digest)


KEYS = (key("app", Role.APP), key("auditor", Role.AUDITOR), key("admin", Role.ADMIN))


def client(*keys: Key) -> httpx.AsyncClient:
    async def told(_: Request, error: Exception) -> Response:
        assert isinstance(error, GatewayError)
        return Response(status_code=status_of(error))

    desk = RunningDesk(
        doorkeeper=Doorkeeper(Ring(keys) if keys else None),
        file="splitgate.yaml",
        digest="ab12",
        worker="3",
        stale=lambda: {"models.m.targets.0.api_key": True, "server.tls": False},
        changed=lambda: {"server.tls": 0.0},
    )
    app = Starlette(routes=running_routes(desk), exception_handlers={GatewayError: told})
    return httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://127.0.0.1")


@pytest.mark.rows
@pytest.mark.parametrize(("name", "status"), [("app", 403), ("auditor", 200), ("admin", 200), ("nobody", 401)])
async def test_auditors_and_admins_alone_see_what_runs(name: str, status: int) -> None:
    async with client(*KEYS) as http:
        headers = {"authorization": f"Bearer {name}"}
        assert (await http.get("/admin/configuration", headers=headers)).status_code == status


async def test_the_worker_tells_its_digest_and_what_became_of_mounted_files() -> None:
    async with client() as http:
        told = (await http.get("/admin/configuration")).json()
    assert told == {
        "pid": os.getpid(),
        "worker": "3",
        "file": "splitgate.yaml",
        "digest": "sha256:ab12",
        "mounted": [
            {"name": "models.m.targets.0.api_key", "usable": False, "changed_at": None},
            {"name": "server.tls", "usable": True, "changed_at": "1970-01-01T00:00:00.000+00:00"},
        ],
    }
