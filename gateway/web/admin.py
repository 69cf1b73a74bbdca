"""How do administrators see and change what policies are in force?

Auditors see, admins also change. Breaking the glass takes a configured key: while there are none, anybody on the
machine counts as an admin, and that is not enough to set policies aside.
"""

import os
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Final, Protocol, TypeAlias

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from gateway.dialects.body import parse_body
from gateway.domain.activation import GlassState, PolicyState
from gateway.domain.errors import Forbidden, InvalidField, UnknownField
from gateway.domain.identity import ANONYMOUS, Caller, Role
from gateway.domain.jsonvalue import JsonObject
from gateway.domain.value import value
from gateway.web.auth import Doorkeeper, expect_role
from gateway.web.edge import check_json, deciding_headers, read_body

_MAX_BODY_BYTES: Final = 8192
_REASON: Final = range(10, 501)
_MINUTES: Final = range(1, 61)


class Policies(Protocol):
    """The policies of this worker."""

    def state(self) -> PolicyState: ...

    async def reload(self) -> PolicyState:
        """Raises ``PoliciesRejected``."""
        ...


class Glass(Protocol):
    """The break-glass grants of this gateway; what cannot be kept raises ``StateUnusable``."""

    def state(self) -> GlassState: ...

    async def grant(self, reason: str, minutes: int, granted_by: str) -> GlassState: ...

    async def end(self, ended_by: str) -> GlassState: ...


@value
class Desk:
    """What the routes need. ``fan_out`` has all workers reload, and says whether somebody is there to do it."""

    doorkeeper: Doorkeeper
    policies: Policies
    glass: Glass
    fan_out: Callable[[], bool]

    async def admin(self, request: Request) -> Caller:
        """Who asks for a change.

        Raises:
            Forbidden: not an admin.
        """
        return expect_role(await self.doorkeeper.caller(deciding_headers(request.scope)), Role.ADMIN)

    async def onlooker(self, request: Request) -> Caller:
        """Who asks to see.

        Raises:
            Forbidden: neither an auditor nor an admin.
        """
        return expect_role(await self.doorkeeper.caller(deciding_headers(request.scope)), Role.AUDITOR, Role.ADMIN)


_Handler: TypeAlias = Callable[[Request], Awaitable[Response]]


def admin_routes(desk: Desk) -> Sequence[Route]:
    """``/admin/policies``, ``/admin/policies/reload`` and ``/admin/break-glass``."""
    glass = {"GET": _shows_glass(desk), "POST": _grants(desk), "DELETE": _ends(desk)}

    async def break_glass(request: Request) -> Response:
        # Starlette lets HEAD in wherever GET may.
        return await glass.get(request.method, glass["GET"])(request)

    return (
        Route("/admin/policies", _shows_policies(desk), methods=["GET"]),
        Route("/admin/policies/reload", _reloads(desk), methods=["POST"]),
        Route("/admin/break-glass", break_glass, methods=[*glass]),
    )


def _shows_policies(desk: Desk) -> _Handler:
    async def show(request: Request) -> Response:
        await desk.onlooker(request)
        return JSONResponse(_policies(desk.policies.state(), desk.glass.state()))

    return show


def _reloads(desk: Desk) -> _Handler:
    async def reload(request: Request) -> Response:
        await desk.admin(request)
        try:
            state = await desk.policies.reload()
        finally:
            # Files that one worker refuses are to be seen as refused in all.
            told = desk.fan_out()
        return JSONResponse({**_policies(state, desk.glass.state()), "all_workers_asked": told})

    return reload


def _shows_glass(desk: Desk) -> _Handler:
    async def show(request: Request) -> Response:
        await desk.onlooker(request)
        return JSONResponse(_glass(desk.glass.state()))

    return show


def _grants(desk: Desk) -> _Handler:
    async def grant(request: Request) -> Response:
        caller = _known(await desk.admin(request))
        headers = deciding_headers(request.scope)
        check_json(headers)
        body = parse_body(await read_body(headers, request.receive, _MAX_BODY_BYTES))
        reason, minutes = _wish(body)
        return JSONResponse(_glass(await desk.glass.grant(reason, minutes, caller.key)))

    return grant


def _ends(desk: Desk) -> _Handler:
    async def end(request: Request) -> Response:
        caller = await desk.admin(request)
        return JSONResponse(_glass(await desk.glass.end(caller.key)))

    return end


def _known(caller: Caller) -> Caller:
    if caller is ANONYMOUS:
        raise Forbidden("breaking the glass takes a key with the role `admin`; add one to `keys`")
    return caller


def _wish(body: JsonObject) -> tuple[str, int]:
    for name in body:
        if name not in {"reason", "minutes"}:
            raise UnknownField("send `reason` and `minutes` alone", param=name)
    reason, minutes = body.get("reason"), body.get("minutes")
    if not isinstance(reason, str) or len(reason.strip()) not in _REASON:
        raise InvalidField("say in 10 to 500 characters why policies must not be enforced", param="reason")
    if not isinstance(minutes, int) or isinstance(minutes, bool) or minutes not in _MINUTES:
        raise InvalidField("must be a whole number of minutes, from 1 to 60", param="minutes")
    return reason.strip(), minutes


def _policies(state: PolicyState, glass: GlassState) -> Mapping[str, object]:
    return {
        "pid": os.getpid(),
        **asdict(state),
        "activated_at": _time(state.activated_at),
        "last_error_at": _time(state.last_error_at),
        "break_glass": _glass(glass),
    }


def _glass(state: GlassState) -> Mapping[str, object]:
    grant = state.grant
    if grant is None:
        return {**asdict(state), "in_force": False}
    times = {"granted_at": _time(grant.granted_at), "expires": _time(grant.expires)}
    return {**asdict(state), "in_force": True, "grant": {**asdict(grant), **times}}


def _time(seconds: float | None) -> str | None:
    """RFC 3339, in UTC."""
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds")
