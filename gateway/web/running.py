"""Which configuration does this worker run, and what of it has changed since?

For auditors and admins: each worker answers for itself, which its process id shows. Nothing of a file's content is
told, not even a digest of a credential.
"""

import os
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from gateway.domain.identity import Role
from gateway.domain.value import value
from gateway.web.auth import Doorkeeper, expect_role
from gateway.web.edge import deciding_headers


@value
class RunningDesk:
    """What the route needs: ``stale`` and ``changed`` are of mounted files, by their names in the configuration."""

    doorkeeper: Doorkeeper
    file: str
    digest: str
    worker: str
    stale: Callable[[], Mapping[str, bool]]
    changed: Callable[[], Mapping[str, float]]


def running_routes(desk: RunningDesk) -> Sequence[Route]:
    """``/admin/configuration``."""

    async def show(request: Request) -> Response:
        expect_role(await desk.doorkeeper.caller(deciding_headers(request.scope)), Role.AUDITOR, Role.ADMIN)
        changed = desk.changed()
        mounted = [
            {"name": name, "usable": not stale, "changed_at": _time(changed.get(name))}
            for name, stale in desk.stale().items()
        ]
        told = {"pid": os.getpid(), "worker": desk.worker or None, "file": desk.file}
        return JSONResponse({**told, "digest": f"sha256:{desk.digest}", "mounted": mounted})

    return (Route("/admin/configuration", show, methods=["GET"]),)


def _time(seconds: float | None) -> str | None:
    """RFC 3339, in UTC."""
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds")
