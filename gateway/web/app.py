"""Which part of the gateway serves which path?

Hot routes are plain ASGI callables picked from a dict; Starlette serves the rest. A path that stands nowhere is
answered 404 and never forwarded.
"""

from collections.abc import Awaitable, Callable, Sequence
from typing import Final, TypeAlias

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from gateway.dialects import anthropic_messages, openai_chat, split
from gateway.dialects.registry import COUNTS, EMBEDS, PATHS, Dialect
from gateway.domain.errors import GatewayError, MethodNotAllowed, UnknownRoute
from gateway.domain.identity import Role
from gateway.web.auth import expect_role
from gateway.web.counting import Counting
from gateway.web.door import Door, Lobby, error_type
from gateway.web.edge import Receive, Scope, Send, deciding_headers
from gateway.web.embedding import Embedding
from gateway.web.generating import Generating
from gateway.web.models import Reach, model_routes, speaks_anthropic
from gateway.web.problems import headers_of, status_of
from gateway.web.ready import HEALTHZ, READYZ, Readiness

Handler: TypeAlias = Callable[[Request], Awaitable[Response]]

_MESSAGES: Final = "/v1/messages"
_KNOWN: Final = ", ".join(
    (
        *PATHS,
        *COUNTS,
        *EMBEDS,
        "/v1/models, /v1/approvals/{id}",
        "/admin/policies, /admin/targets, /admin/break-glass, /admin/configuration, /healthz and /readyz",
    )
)


class App:
    """The ASGI application; ``admin`` are the routes of ``web/admin.py``."""

    def __init__(self, lobby: Lobby, *, reach: Reach, ready: Callable[[], bool], admin: Sequence[Route] = ()) -> None:
        self._doors = {
            **{path: Door(Generating(dialect), lobby) for path, dialect in PATHS.items()},
            **{path: Door(Counting(dialect), lobby) for path, dialect in COUNTS.items()},
            **{path: Door(Embedding(dialect), lobby) for path, dialect in EMBEDS.items()},
        }
        self.readiness = Readiness(ready)
        self._rest = _rest(lobby, reach, self.readiness, admin)

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        """Serve one connection event of the server: not a coroutine, as each token would have to pass through it."""
        door = self._doors.get(scope["path"]) if scope["type"] == "http" else None
        return (door or self._rest)(scope, receive, send)


def _rest(lobby: Lobby, reach: Reach, readiness: Readiness, admin: Sequence[Route]) -> Starlette:
    async def healthz(_: Request) -> Response:
        status, told = readiness.healthz()
        return JSONResponse(told, status)

    async def readyz(_: Request) -> Response:
        status, told = readiness.readyz()
        return JSONResponse(told, status)

    async def recent(request: Request) -> Response:
        expect_role(await lobby.doorkeeper.caller(deciding_headers(request.scope)), Role.ADMIN)
        if not lobby.recent.maxlen:
            raise UnknownRoute("no requests are kept; set server.record_recent to keep the last ones in memory")
        kept = [{"tenant": r.tenant, "dialect": r.dialect, "body": r.body} for r in lobby.recent]
        return JSONResponse({"requests": kept})

    routes: Sequence[tuple[str, Handler]] = (
        (HEALTHZ, healthz),
        (READYZ, readyz),
        *model_routes(lobby.services.models, lobby.doorkeeper, reach),
        ("/admin/recent", recent),
    )
    rest = Starlette(
        routes=[*(Route(path, handler, methods=["GET"]) for path, handler in routes), *admin],
        exception_handlers={GatewayError: _on_error, HTTPException: _on_error},
    )
    # It would answer `/healthz/` with a redirect to whatever the request's Host header says.
    rest.router.redirect_slashes = False
    return rest


async def _on_error(request: Request, error: Exception) -> Response:
    """Errors outside the doors, in the shape of whichever API the path or the caller belongs to."""
    if isinstance(error, GatewayError):
        told = error
    elif isinstance(error, HTTPException) and error.status_code == 405:
        told = MethodNotAllowed("this path does not know that method")
    else:
        told = UnknownRoute(f"no such path; there are {_KNOWN}")
    status = status_of(told)
    dialect = _dialect_of(request)
    headers = {name.decode(): value.decode() for name, value in headers_of(told)}
    if isinstance(error, HTTPException):
        headers |= error.headers or {}
    media_type = error_type(dialect.NAME).decode()
    return Response(dialect.error_body(told, status), status, headers=headers, media_type=media_type)


def _dialect_of(request: Request) -> Dialect:
    """SDK routes speak their vendors' way, whatever the rest of the path; what is Splitgate's own speaks its own."""
    path = request.url.path
    if path.startswith("/v1/approvals/") or not path.startswith("/v1/"):
        return split
    named = path == _MESSAGES or path.startswith(f"{_MESSAGES}/")
    return anthropic_messages if named or speaks_anthropic(request) else openai_chat
