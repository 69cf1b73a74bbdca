"""How does one dialect's route serve a request, from bytes to bytes?

A door is a plain ASGI callable. It reads, hands over to the pipeline and writes; every error ends in the dialect's own
shape, and a client that goes away cancels the upstream call.
"""

import asyncio
import logging
from collections import Counter, deque
from contextlib import aclosing
from dataclasses import dataclass

from gateway.audit.trail import Evidence, RequestTrail
from gateway.dialects.body import parse_body
from gateway.dialects.registry import Dialect, StreamWriter
from gateway.domain.errors import AuditUnavailable, BlockedByPolicy, GatewayError, MethodNotAllowed
from gateway.domain.exchange import Handling, Judged
from gateway.domain.finding import Finding, finding_of
from gateway.domain.identity import Caller
from gateway.domain.jsonvalue import JsonObject
from gateway.domain.verdict import Weight
from gateway.pipeline.answer import Answered, Held, Streaming
from gateway.pipeline.handle import Services, handle
from gateway.pipeline.run import runner_for
from gateway.telemetry.logs import place_of
from gateway.telemetry.request_id import request_of
from gateway.web.auth import Doorkeeper, expect_app
from gateway.web.edge import (
    RUNNING,
    Disconnected,
    Receive,
    Running,
    Scope,
    Send,
    check_json,
    deciding_headers,
    read_body,
)
from gateway.web.encoding import plain
from gateway.web.problems import headers_of, status_of
from gateway.web.respond import Response
from gateway.web.verdicts import tell

_log = logging.getLogger("splitgate.web")


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """A request body kept for ``splitgate doctor``; only admins may read it."""

    tenant: str
    dialect: str
    body: JsonObject


@dataclass(frozen=True, slots=True, kw_only=True)
class Lobby:
    """What all doors share. ``recent`` keeps nothing unless the configuration asks for it."""

    services: Services
    evidence: Evidence
    doorkeeper: Doorkeeper
    max_body_bytes: int
    recent: deque[Recorded]
    compressed_bodies: bool = False


class Door:
    """One dialect's route."""

    def __init__(self, dialect: Dialect, lobby: Lobby) -> None:
        self._dialect = dialect
        self._lobby = lobby
        self._error_type = error_type(dialect)
        # Under this name the vendor's SDK looks for it.
        self._id_header = b"request-id" if dialect.NAME == "anthropic_messages" else None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one HTTP request."""
        trail = self._lobby.evidence.begin(self._dialect.NAME, _traceparent(scope))
        named = request_of.set(trail.request_id)
        response = Response(send, trail.request_id, self._id_header)
        try:
            await self._serve(scope, receive, trail, response)
        except GatewayError as error:
            await self._refuse(error, response, trail)
        except Disconnected:
            return
        except asyncio.CancelledError:
            running: Running | None = scope.get(RUNNING)
            if running is None or not running.lost:
                raise
        except Exception as error:  # noqa: BLE001
            # The traceback's values may hold prompt text: name the place, not the values.
            _log.error("request %s: unexpected %s at %s", trail.request_id, type(error).__name__, place_of(error))
            failed = GatewayError(f"the gateway failed on request {trail.request_id}; report it")
            await self._refuse(failed, response, trail)
        finally:
            trail.abandon()
            request_of.reset(named)

    async def _serve(self, scope: Scope, receive: Receive, trail: RequestTrail, response: Response) -> None:
        if scope["method"] != "POST":
            raise MethodNotAllowed("use POST")
        headers = deciding_headers(scope)
        caller = await self._lobby.doorkeeper.caller(headers)
        trail.known(caller)
        expect_app(caller, self._dialect.NAME)
        trail.expect()
        check_json(headers, compressed=self._lobby.compressed_bodies)
        raw = await read_body(headers, receive, self._lobby.max_body_bytes)
        if b"content-encoding" in headers:
            raw = await plain(headers, raw, self._lobby.max_body_bytes)
        run = runner_for(len(raw))
        body = await run(lambda: parse_body(raw))
        if self._lobby.recent.maxlen:
            self._lobby.recent.append(Recorded(tenant=caller.tenant, dialect=self._dialect.NAME, body=body))
        request = await run(lambda: self._dialect.read(body))
        trail.asked(request)
        try:
            outcome = await handle(request, caller, trail.request_id, self._lobby.services, trail=trail, run=run)
        except BlockedByPolicy as blocked:
            findings = [finding_of(hit) for hit in blocked.found.hits]
            tell(trail.request_id, caller, decision="block", findings=findings)
            raise
        handling = outcome.handling
        if not isinstance(outcome, Streaming):
            tell(
                trail.request_id, caller, decision=handling.decision, findings=handling.findings, policy=handling.policy
            )
        match outcome:
            case Answered():
                content = self._dialect.write(outcome.reply, outcome.handling)
                trail.answered(outcome.reply, outcome.handling)
                await trail.end(200)
                await response.whole(200, b"application/json", content, said(outcome.handling))
            case Held():
                # Stock SDKs of a drop-in dialect know no other success.
                status = 202 if self._dialect.NAME == "split" else 200
                content = self._dialect.write_held(outcome.pending, outcome.handling)
                trail.answered(outcome.reply, outcome.handling, approval=outcome.pending.approval)
                await trail.end(status)
                headers = (*said(outcome.handling), (b"x-splitgate-approval", outcome.pending.approval.encode()))
                await response.whole(status, b"application/json", content, headers)
            case Streaming():
                writer = self._dialect.StreamWriter(outcome.handling, include_usage=request.options.include_usage)
                await self._stream(outcome, writer, response, caller, trail)

    async def _stream(
        self, outcome: Streaming, writer: StreamWriter, response: Response, caller: Caller, trail: RequestTrail
    ) -> None:
        handling = outcome.handling
        trail.streaming(handling)
        decision, findings = handling.decision, handling.findings
        await response.start_stream(said(handling), writer.fail)
        try:
            async with aclosing(outcome.events) as events:
                async for event in events:
                    if isinstance(event, Judged):
                        decision, findings = event.decision, (*findings, *event.findings)
                    trail.released(event)
                    await response.more(writer.feed(event))
        finally:
            # Also of a stream that broke off: what was found until then.
            tell(handling.request_id, caller, decision=decision, findings=findings, policy=handling.policy)
        await trail.end(200)
        await response.end(writer.finish())

    async def _refuse(self, error: GatewayError, response: Response, trail: RequestTrail) -> None:
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
            await response.whole(status, self._error_type, self._dialect.error_body(error, status), headers)


def error_type(dialect: Dialect) -> bytes:
    """The content type of a dialect's errors: natively they are problem objects."""
    return b"application/problem+json" if dialect.NAME == "split" else b"application/json"


def said(handling: Handling) -> tuple[tuple[bytes, bytes], ...]:
    """What every reply says in its headers of what happened to the data."""
    headers = (
        (b"x-splitgate-isolation", handling.isolation.encode()),
        (b"x-splitgate-format", handling.format.encode()),
        (b"x-splitgate-target", handling.target.encode()),
        (b"x-splitgate-decision", handling.decision.encode()),
    )
    if handling.policy is not None:
        told = f"{','.join(handling.policy.names)}@{handling.policy.revision}"
        headers = (*headers, (b"x-splitgate-policy", told.encode()))
    if handling.findings:
        found = Counter[str]()
        for finding in handling.findings:
            found[_name(finding)] += finding.count
        headers = (*headers, (b"x-splitgate-findings", ",".join(f"{r}={n}" for r, n in found.items()).encode()))
    if handling.notes:
        headers = (*headers, (b"x-splitgate-notes", ",".join(handling.notes).encode()))
    return headers


def _traceparent(scope: Scope) -> bytes | None:
    """The header, if it stands there once: of two nobody knows which is meant."""
    found = [value for name, value in scope["headers"] if name == b"traceparent"]
    return found[0] if len(found) == 1 else None


def _name(finding: Finding) -> str:
    """A rule's id; one that was not acted on says why not."""
    return finding.rule if finding.weight is Weight.ACTS else f"{finding.rule}~{finding.weight}"
