"""How does one route serve a request, from bytes to bytes?

A door is a plain ASGI callable. It reads, has the request answered by what its route serves (``generating.py``,
``counting.py``, ``embedding.py``) and ends every error in the dialect's own shape; a client that goes away cancels the
upstream call. All routes pass the same door, so that no check stands at one of them only.
"""

import asyncio
import logging
from collections import Counter, deque
from dataclasses import field
from functools import lru_cache, partial
from typing import Protocol

from gateway.audit.trail import Evidence, RequestTrail
from gateway.dialects.body import parse_body
from gateway.domain.errors import (
    AuditUnavailable,
    BlockedByPolicy,
    GatewayError,
    GatewayStopping,
    LimitReached,
    MethodNotAllowed,
)
from gateway.domain.exchange import Handling
from gateway.domain.finding import Finding, finding_of
from gateway.domain.identity import Caller
from gateway.domain.jsonvalue import JsonObject
from gateway.domain.operation import Operation
from gateway.domain.request import ClientRequest
from gateway.domain.value import value
from gateway.domain.verdict import Weight
from gateway.pipeline.handle import Services
from gateway.pipeline.limiter import Limiter, RequestTab
from gateway.pipeline.run import Run, runner_for
from gateway.pipeline.tab import UNLIMITED, Tab
from gateway.telemetry.logs import place_of
from gateway.telemetry.request_id import request_of
from gateway.web.auth import Doorkeeper, expect_app
from gateway.web.edge import (
    RUNNING,
    Disconnected,
    Headers,
    Receive,
    Running,
    Scope,
    Send,
    check_json,
    deciding_headers,
    read_body,
)
from gateway.web.encoding import plain
from gateway.web.gate import Gate
from gateway.web.limits import Vendor, limit_headers
from gateway.web.problems import headers_of, status_of
from gateway.web.respond import Response
from gateway.web.verdicts import tell

_log = logging.getLogger("splitgate.web")


@value
class Recorded:
    """A request body kept for ``splitgate doctor``; only admins may read it."""

    tenant: str
    dialect: str
    body: JsonObject


@value
class Lobby:
    """What all doors share. ``recent`` keeps nothing unless the configuration asks for it.

    ``limiter`` is None where nothing is limited.
    """

    services: Services
    evidence: Evidence
    doorkeeper: Doorkeeper
    max_body_bytes: int
    recent: deque[Recorded]
    compressed_bodies: bool = False
    limiter: Limiter | None = None
    gate: Gate = field(default_factory=lambda: Gate(places=2500, queue=250, patience_s=1.0))


@value
class Asked:
    """A request that was read, and all that it takes to answer it; ``run`` does its computing, ``tab`` its counting."""

    request: ClientRequest
    caller: Caller
    services: Services
    trail: RequestTrail
    tab: Tab
    response: Response
    run: Run

    def tell(self, handling: Handling) -> None:
        """Write down what policy decided, once that is final."""
        if handling.findings:
            tell(
                self.trail.request_id,
                self.caller,
                decision=handling.decision,
                findings=handling.findings,
                policy=handling.policy,
            )


class Serving(Protocol):
    """What a route serves, and in which dialect."""

    @property
    def name(self) -> str: ...

    @property
    def operation(self) -> Operation: ...

    def read(self, body: JsonObject) -> ClientRequest: ...

    def error_body(self, error: GatewayError, status: int) -> bytes: ...

    async def answer(self, asked: Asked) -> None:
        """Answer, with the outcome on record before the last byte; raises what the pipeline raises."""
        ...


class Door:
    """One route."""

    def __init__(self, serving: Serving, lobby: Lobby) -> None:
        self._serving = serving
        self._lobby = lobby
        # Whether bodies are kept: but for counts, since what is counted is mostly asked right after.
        self._keeps = bool(lobby.recent.maxlen) and serving.operation is not Operation.COUNT
        self._error_type = error_type(serving.name)
        self._vendor: Vendor = "anthropic" if serving.name == "anthropic_messages" else "openai"
        # Under this name the vendor's SDK looks for it.
        self._id_header = b"request-id" if self._vendor == "anthropic" else None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one HTTP request."""
        lobby, serving = self._lobby, self._serving
        trail = lobby.evidence.begin(serving.name, _traceparent(scope), serving.operation)
        named, limiter = request_of.set(trail.request_id), lobby.limiter
        tab = None if limiter is None else RequestTab(limiter, trail.request_id, serving.name, serving.operation)
        response = Response(send, trail.request_id, self._id_header, more=partial(limit_headers, tab, self._vendor))
        try:
            headers, caller = await self._enter(scope)
            try:
                asked = await self._read(caller, headers, receive, trail=trail, tab=tab, response=response)
                await serving.answer(asked)
            except BlockedByPolicy as blocked:
                findings = [finding_of(hit) for hit in blocked.found.hits]
                tell(trail.request_id, caller, decision="block", findings=findings)
                raise
            finally:
                lobby.gate.leave()
        except Disconnected:
            return
        except asyncio.CancelledError:
            running: Running | None = scope.get(RUNNING)
            if running is None or not (running.lost or running.stopping):
                raise
            if not running.lost:
                await self._refuse(_stopping(), response, trail)
        except Exception as error:  # noqa: BLE001
            await self._refuse(_told_as(error, trail.request_id), response, trail)
        finally:
            if tab is not None:
                tab.close()
            if not trail.over:
                trail.abandon()
            request_of.reset(named)

    async def _enter(self, scope: Scope) -> tuple[Headers, Caller]:
        """Find out who asks, and take a place."""
        if scope["method"] != "POST":
            raise MethodNotAllowed("use POST")
        headers = deciding_headers(scope)
        caller = await self._lobby.doorkeeper.caller(headers)
        await self._lobby.gate.enter()
        return headers, caller

    async def _read(
        self,
        caller: Caller,
        headers: Headers,
        receive: Receive,
        *,
        trail: RequestTrail,
        tab: RequestTab | None,
        response: Response,
    ) -> Asked:
        lobby, serving = self._lobby, self._serving
        trail.caller = caller
        expect_app(caller, serving.name)
        trail.expect()
        check_json(headers, compressed=lobby.compressed_bodies)
        raw = await read_body(headers, receive, lobby.max_body_bytes)
        if b"content-encoding" in headers:
            raw = await plain(headers, raw, lobby.max_body_bytes)
        run = runner_for(len(raw))
        body = await run(parse_body, raw)
        if self._keeps:
            lobby.recent.append(Recorded(tenant=caller.tenant, dialect=serving.name, body=body))
        request = await run(serving.read, body)
        trail.asked(request, len(raw))
        return Asked(
            request=request, caller=caller, services=lobby.services, trail=trail, tab=tab or UNLIMITED,
            response=response, run=run,
        )  # fmt: skip

    async def _refuse(self, error: GatewayError, response: Response, trail: RequestTrail) -> None:
        if isinstance(error, LimitReached):
            trail.limited(error)
        try:
            # A stream that breaks off has its status already.
            await trail.end(status_of(error) if response.fail is None else 200, error.code)
        except AuditUnavailable as unrecorded:
            error = unrecorded
        status = status_of(error)
        if response.fail is not None:
            await response.end(response.fail(error, status))
        else:
            headers = ((b"allow", b"POST"),) if isinstance(error, MethodNotAllowed) else headers_of(error)
            await response.whole(status, self._error_type, self._serving.error_body(error, status), headers)


def _stopping() -> GatewayError:
    return GatewayStopping("the gateway is being stopped and cannot wait any longer; send the request again")


def _told_as(error: Exception, request_id: str) -> GatewayError:
    """What the caller is told of an error: of one that is not ours, that there was one."""
    if isinstance(error, GatewayError):
        return error
    # The traceback's values may hold prompt text: name the place, not the values.
    _log.error("request %s: unexpected %s at %s", request_id, type(error).__name__, place_of(error))
    return GatewayError(f"the gateway failed on request {request_id}; report it")


def error_type(dialect: str) -> bytes:
    """The content type of errors in the dialect of this name: natively they are problem objects."""
    return b"application/problem+json" if dialect == "split" else b"application/json"


def said(handling: Handling) -> tuple[tuple[bytes, bytes], ...]:
    """What every reply says in its headers of what happened to the data."""
    headers = _how_sent(handling.isolation, handling.format, handling.target, handling.decision)
    if handling.policy is not None:
        headers = (*headers, _judged_by(handling.policy.names, handling.policy.revision))
    if handling.findings:
        found = Counter[str]()
        for finding in handling.findings:
            found[_name(finding)] += finding.count
        headers = (*headers, (b"x-splitgate-findings", ",".join(f"{r}={n}" for r, n in found.items()).encode()))
    if handling.notes:
        headers = (*headers, (b"x-splitgate-notes", ",".join(handling.notes).encode()))
    return headers


# Both are the same for most requests to one target: nothing of them is to be written anew for each.
@lru_cache(maxsize=256)
def _how_sent(isolation: str, format_: str, target: str, decision: str) -> tuple[tuple[bytes, bytes], ...]:
    return (
        (b"x-splitgate-isolation", isolation.encode()),
        (b"x-splitgate-format", format_.encode()),
        (b"x-splitgate-target", target.encode()),
        (b"x-splitgate-decision", decision.encode()),
    )


@lru_cache(maxsize=64)
def _judged_by(names: tuple[str, ...], revision: str) -> tuple[bytes, bytes]:
    return b"x-splitgate-policy", f"{','.join(names)}@{revision}".encode()


def _traceparent(scope: Scope) -> bytes | None:
    """The header, if it stands there once: of two nobody knows which is meant."""
    found: bytes | None = None
    for name, said_there in scope["headers"]:
        if name == b"traceparent":
            if found is not None:
                return None
            found = said_there
    return found


def _name(finding: Finding) -> str:
    """A rule's id; one that was not acted on says why not."""
    return finding.rule if finding.weight is Weight.ACTS else f"{finding.rule}~{finding.weight}"
