"""Which part of the gateway serves which path?

Hot routes are plain ASGI callables picked from a dict; Starlette serves the rest. A path that stands nowhere is
answered 404 and never forwarded.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Final, TypeAlias

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from gateway.dialects import openai_chat, split
from gateway.dialects.registry import PATHS
from gateway.domain.errors import GatewayError, MethodNotAllowed, UnknownRoute
from gateway.domain.identity import Role
from gateway.domain.isolation import Isolation
from gateway.domain.model import Model
from gateway.pipeline.handle import find_model
from gateway.web.auth import expect_role
from gateway.web.door import Door, Lobby
from gateway.web.edge import Receive, Scope, Send, deciding_headers
from gateway.web.problems import headers_of, status_of

Handler: TypeAlias = Callable[[Request], Awaitable[Response]]

# The most isolation that a model can reach at present, for /v1/models.
Reach: TypeAlias = Callable[[Model], Isolation]


_KNOWN: Final = (
    f"{', '.join(PATHS)}, /v1/models, /v1/approvals/{{id}}, /admin/policies, /admin/break-glass, /healthz and /readyz"
)


class App:
    """The ASGI application; ``admin`` are the routes of ``web/admin.py``."""

    def __init__(self, lobby: Lobby, *, reach: Reach, ready: Callable[[], bool], admin: Sequence[Route] = ()) -> None:
        self._doors = {path: Door(dialect, lobby) for path, dialect in PATHS.items()}
        self._rest = _rest(lobby, reach, ready, admin)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection event of the server."""
        door = self._doors.get(scope["path"]) if scope["type"] == "http" else None
        await (door or self._rest)(scope, receive, send)


def _rest(lobby: Lobby, reach: Reach, ready: Callable[[], bool], admin: Sequence[Route]) -> Starlette:
    models = lobby.services.models

    async def healthz(_: Request) -> Response:
        return JSONResponse({"status": "ok"})

    async def readyz(_: Request) -> Response:
        return JSONResponse({"status": "ready"}) if ready() else JSONResponse({"status": "starting"}, 503)

    async def list_models(request: Request) -> Response:
        caller = expect_role(await lobby.doorkeeper.caller(deciding_headers(request.scope)), Role.APP)
        shown = [_entry(model, reach) for name, model in models.items() if caller.may_ask(name)]
        return JSONResponse({"object": "list", "data": shown})

    async def one_model(request: Request) -> Response:
        caller = expect_role(await lobby.doorkeeper.caller(deciding_headers(request.scope)), Role.APP)
        return JSONResponse(_entry(find_model(str(request.path_params["id"]), models, caller), reach))

    async def recent(request: Request) -> Response:
        expect_role(await lobby.doorkeeper.caller(deciding_headers(request.scope)), Role.ADMIN)
        if not lobby.recent.maxlen:
            raise UnknownRoute("no requests are kept; set server.record_recent to keep the last ones in memory")
        kept = [{"tenant": r.tenant, "dialect": r.dialect, "body": r.body} for r in lobby.recent]
        return JSONResponse({"requests": kept})

    routes: Sequence[tuple[str, Handler]] = (
        ("/healthz", healthz),
        ("/readyz", readyz),
        ("/v1/models", list_models),
        ("/v1/models/{id:path}", one_model),
        ("/admin/recent", recent),
    )
    rest = Starlette(
        routes=[*(Route(path, handler, methods=["GET"]) for path, handler in routes), *admin],
        exception_handlers={GatewayError: _on_error, HTTPException: _on_error},
    )
    # It would answer `/healthz/` with a redirect to whatever the request's Host header says.
    rest.router.redirect_slashes = False
    return rest


def _entry(model: Model, reach: Reach) -> Mapping[str, object]:
    """A model as OpenAI lists it, and what the gateway knows beyond that."""
    return {
        "id": model.name,
        "object": "model",
        "created": model.created,
        "owned_by": "splitgate",
        "splitgate": {"min_isolation": model.min_isolation.label, "reaches": reach(model).label},
    }


async def _on_error(request: Request, error: Exception) -> Response:
    """Errors outside the doors: SDK routes get the OpenAI shape, the others problem JSON."""
    if isinstance(error, GatewayError):
        told = error
    elif isinstance(error, HTTPException) and error.status_code == 405:
        told = MethodNotAllowed("this path does not know that method")
    else:
        told = UnknownRoute(f"no such path; there are {_KNOWN}")
    status = status_of(told)
    # What is Splitgate's own speaks its own way, whatever route its path begins with.
    own = request.url.path.startswith("/v1/approvals/") or not request.url.path.startswith("/v1/")
    dialect = split if own else openai_chat
    media_type = "application/json" if dialect is openai_chat else "application/problem+json"
    headers = {name.decode(): value.decode() for name, value in headers_of(told)}
    if isinstance(error, HTTPException):
        headers |= error.headers or {}
    return Response(dialect.error_body(told, status), status, headers=headers, media_type=media_type)
