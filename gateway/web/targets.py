"""How do administrators see how the targets are doing?

What one worker knows of them: each has breakers of its own. It has nothing to do with the gateway's readiness, since a
vendor that is down must not take the gateway from those who ask for others.
"""

import os
from collections.abc import Mapping, Sequence

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from gateway.domain.identity import Role
from gateway.domain.model import Model
from gateway.domain.target import Target
from gateway.pipeline.condition import Conditions
from gateway.web.auth import Doorkeeper, expect_role
from gateway.web.edge import deciding_headers


def target_routes(models: Mapping[str, Model], conditions: Conditions, doorkeeper: Doorkeeper) -> Sequence[Route]:
    """``/admin/targets``: auditors and admins see it."""

    async def show(request: Request) -> Response:
        expect_role(await doorkeeper.caller(deciding_headers(request.scope)), Role.AUDITOR, Role.ADMIN)
        shown = {
            name: {"balance": model.balance, "targets": [_told(target, conditions) for target in model.targets]}
            for name, model in models.items()
        }
        return JSONResponse({"pid": os.getpid(), "models": shown})

    return (Route("/admin/targets", show, methods=["GET"]),)


def _told(target: Target, conditions: Conditions) -> Mapping[str, object]:
    standing = conditions.of(target).standing
    return {
        "id": target.id,
        "provider": target.provider,
        "tier": target.tier,
        "weight": target.weight,
        "state": standing.state.value,
        "pending": standing.pending,
        "failures_in_row": standing.failures,
        "last_error": standing.error,
        "resting_s": round(standing.resting_s, 3),
        "retry_in_s": round(standing.retry_s, 3),
        "attempts": dict(standing.attempts),
        "retries": standing.again,
    }
