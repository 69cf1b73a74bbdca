"""How does an approver decide on a held answer, and how does the requester get it?

The rules: nobody decides on what their own key asked for, nor sees its terms before that; looking never consumes; the
answer goes to the key that asked for it, once, and only under the policies under which it was held. Each decision and
each hand-out leaves a line in the audit log that tells no arguments and no text.
"""

import json
import logging
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from typing import Final, Literal, Protocol, TypeAlias

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from gateway.audit.events import Events
from gateway.audit.line import Value
from gateway.audit.record import actor_of
from gateway.dialects.body import parse_body
from gateway.domain.approval import Approval, ApprovalStatus, HeldReply, refusal, too_late
from gateway.domain.errors import (
    ApprovalsUnavailable,
    InvalidField,
    NotAnApprover,
    UnknownApproval,
    UnknownField,
)
from gateway.domain.exchange import Handling, Reply
from gateway.domain.identity import Caller, Role
from gateway.domain.jsonvalue import JsonObject
from gateway.domain.value import value
from gateway.web.auth import Doorkeeper, expect_role
from gateway.web.door import said
from gateway.web.edge import check_json, deciding_headers, read_body

_log: Final = logging.getLogger("splitgate.audit")

_MAX_BODY_BYTES: Final = 8192
_REASON: Final = range(1, 501)
_NO_STORE: Final = {"cache-control": "no-store"}
_ID: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")
# A model may write anything in place of a tool's name; what does not look like one is text.
_TOOL: Final = re.compile(r"[A-Za-z0-9_.:/-]{1,64}")
_LONGEST_NAME: Final = 256
_Decided: TypeAlias = Literal[ApprovalStatus.APPROVED, ApprovalStatus.DENIED]
_DECISIONS: Final[Mapping[str, _Decided]] = {
    "approve": ApprovalStatus.APPROVED,
    "deny": ApprovalStatus.DENIED,
}


class Store(Protocol):
    """Where replies wait. Every method may raise ``ApprovalsUnavailable``."""

    async def look(self, id_: str, tenant: str) -> Approval:
        """Raises ``UnknownApproval``."""
        ...

    async def decide(self, id_: str, tenant: str, status: _Decided, *, by: str, reason: str) -> Approval | None: ...

    async def take(self, id_: str, tenant: str, key: str, revision: str) -> HeldReply | None: ...

    async def void(self, id_: str, tenant: str, revision: str) -> None: ...


class Writer(Protocol):
    """The part of a dialect that tells whole answers."""

    def write(self, reply: Reply, handling: Handling) -> bytes: ...


@value
class ApprovalDesk:
    """What the routes need: ``revision`` of the policies now in force, ``dialects`` by their names."""

    doorkeeper: Doorkeeper
    store: Store
    revision: Callable[[], str]
    dialects: Mapping[str, Writer]
    events: Events

    async def caller(self, request: Request) -> Caller:
        return await self.doorkeeper.caller(deciding_headers(request.scope))


_Handler: TypeAlias = Callable[[Request], Awaitable[Response]]


def approval_routes(desk: ApprovalDesk) -> Sequence[Route]:
    """``/v1/approvals/{id}``."""
    handlers: Mapping[str, _Handler] = {"GET": _gives(desk), "POST": _decides(desk)}

    async def approval(request: Request) -> Response:
        handler = handlers.get(request.method)
        if handler is None:
            # Starlette lets HEAD in wherever GET may, and here that would hand out an answer to nobody.
            raise HTTPException(405, headers={"allow": ", ".join(handlers)})
        return await handler(request)

    return (Route("/v1/approvals/{id}", approval, methods=[*handlers]),)


def _decides(desk: ApprovalDesk) -> _Handler:
    async def decide(request: Request) -> Response:
        caller = _approver(await desk.caller(request))
        headers = deciding_headers(request.scope)
        check_json(headers)
        wish = _wish(parse_body(await read_body(headers, request.receive, _MAX_BODY_BYTES)))
        asked = await desk.store.look(_id(request), caller.tenant)
        _check_other(asked, caller)
        return JSONResponse(_told(await _decided(desk, asked, caller, *wish)), headers=_NO_STORE)

    return decide


async def _decided(desk: ApprovalDesk, asked: Approval, caller: Caller, status: _Decided, reason: str) -> Approval:
    if asked.status is not ApprovalStatus.PENDING:
        raise too_late(asked.status)
    # Before it counts: whoever hangs up in between must not leave a yes of which nobody knows.
    await _audit(desk, "approval.decided", replace(asked, status=status, decided_by=caller.key), caller)
    decided = await desk.store.decide(asked.id, caller.tenant, status, by=caller.key, reason=reason)
    if decided is None:
        stands = await desk.store.look(asked.id, caller.tenant)
        await _audit(desk, "approval.too_late", stands, caller)
        raise too_late(stands.status)
    return decided


def _gives(desk: ApprovalDesk) -> _Handler:
    async def give(request: Request) -> Response:
        caller = await desk.caller(request)
        if _asks_for_terms(request):
            _approver(caller)
            asked = await desk.store.look(_id(request), caller.tenant)
            _check_other(asked, caller)
            return JSONResponse(_terms(asked), headers=_NO_STORE)
        expect_role(caller, Role.APP)
        return await _reply(desk, await _own(desk, _id(request), caller), caller)

    return give


async def _own(desk: ApprovalDesk, id_: str, caller: Caller) -> Approval:
    held = await desk.store.look(id_, caller.tenant)
    if held.key != caller.key:
        raise UnknownApproval("this key asked for no such answer; approvers see what is asked with `?view=terms`")
    return held


async def _reply(desk: ApprovalDesk, held: Approval, caller: Caller) -> Response:
    if held.status is ApprovalStatus.PENDING:
        return JSONResponse(_told(held), 202, headers=_NO_STORE)
    if held.status is ApprovalStatus.APPROVED:
        return await _hand_out(desk, held, caller)
    raise refusal(held.status)


async def _hand_out(desk: ApprovalDesk, held: Approval, caller: Caller) -> Response:
    writer = desk.dialects.get(held.dialect)
    if writer is None:
        raise ApprovalsUnavailable("this release does not speak the API in which the answer was asked for; ask anew")
    revision = desk.revision()
    desk.events.expect()
    taken = await desk.store.take(held.id, held.tenant, caller.key, revision)
    if taken is None:
        return await _not_taken(desk, held, caller, revision)
    await _audit(desk, "approval.handed_out", taken.approval, caller)
    content = writer.write(taken.reply, taken.handling)
    response = Response(content, headers=_NO_STORE, media_type="application/json")
    response.raw_headers.extend(said(taken.handling))
    return response


async def _not_taken(desk: ApprovalDesk, held: Approval, caller: Caller, revision: str) -> Response:
    """Another call was quicker, or the policies are others by now: a yes is not revived when they change back."""
    if held.revision != revision:
        await desk.store.void(held.id, held.tenant, revision)
        await _audit(desk, "approval.voided", replace(held, status=ApprovalStatus.VOIDED), caller)
        raise refusal(ApprovalStatus.VOIDED)
    raise refusal((await desk.store.look(held.id, held.tenant)).status)


def _approver(caller: Caller) -> Caller:
    if Role.APPROVER not in caller.roles:
        raise NotAnApprover("this takes the role `approver`; use a key or token that has it in the configuration")
    return caller


def _check_other(asked: Approval, caller: Caller) -> None:
    if asked.key == caller.key:
        raise NotAnApprover("this key asked for the answer itself; have another approver's key decide")


def _id(request: Request) -> str:
    given = str(request.path_params["id"])
    if not _ID.fullmatch(given):
        raise UnknownApproval("this is no approval's id; take it from the answer that names it")
    return given


def _asks_for_terms(request: Request) -> bool:
    """Whether the approver's view is asked for. A misspelt parameter must not hand the answer out instead."""
    asked = request.query_params.multi_items()
    for name, _ in asked:
        if name != "view":
            raise UnknownField("`view=terms` is the only parameter; leave out the others", param="query")
    if asked and asked != [("view", "terms")]:
        raise InvalidField("say `view=terms` once, or nothing", param="view")
    return bool(asked)


def _wish(body: JsonObject) -> tuple[_Decided, str]:
    for name in body:
        if name not in {"decision", "reason"}:
            raise UnknownField("send `decision` and `reason` alone", param=name)
    decision, reason = body.get("decision"), body.get("reason")
    if not isinstance(decision, str) or decision not in _DECISIONS:
        raise InvalidField("say `approve` or `deny`", param="decision")
    if not isinstance(reason, str) or len(reason.strip()) not in _REASON:
        raise InvalidField("say in 1 to 500 characters why", param="reason")
    return _DECISIONS[decision], reason.strip()


def _told(of: Approval) -> Mapping[str, object]:
    return {
        "approval": of.id,
        "status": of.status.value,
        "expires": int(of.expires),
        "tools": list(of.tools),
        "url": f"/v1/approvals/{of.id}",
    }


def _terms(of: Approval) -> Mapping[str, object]:
    """What an approver has to know; arguments are the canonical JSON that would be handed out."""
    return {
        **_told(of),
        "requested_by": of.key,
        "model": of.model,
        "dialect": of.dialect,
        "request_digest": of.request_digest,
        "rules": list(of.rules),
        "revision": of.revision,
        "created": int(of.created),
        "calls": [{"name": _shown(call.name), "arguments": call.arguments} for call in of.calls],
        "decided_by": of.decided_by,
        "reason": of.reason,
    }


def _shown(name: str) -> str:
    """A name as an approver may read it: what is none is told as JSON in ASCII, and not at any length."""
    if _TOOL.fullmatch(name):
        return name
    told = json.dumps(name)
    return told if len(told) <= _LONGEST_NAME else f"{told[:_LONGEST_NAME]}…"


async def _audit(desk: ApprovalDesk, event: str, of: Approval, caller: Caller) -> None:
    """Record it, in the journal for good before anybody hears of it.

    Raises:
        AuditUnavailable: the journal failed since it was asked whether it would not.
    """
    tools = [name if _TOOL.fullmatch(name) else "(no tool's name)" for name in of.tools]
    line = {
        "event": event,
        "id": of.id,
        "by": caller.key,
        "tenant": caller.tenant,
        "decision": of.status.value,
        "rules": of.rules,
        "tools": tools,
    }
    _log.warning("%s", json.dumps(line, ensure_ascii=True, sort_keys=True))
    told: dict[str, Value] = {
        "approval": of.id,
        "actor": actor_of(caller),
        "asked_by": of.key,
        "decision": of.status.value,
        "rules": of.rules,
        "tools": tools,
        "request_digest": of.request_digest,
        "revision": of.revision,
    }
    await desk.events.write("decision", event, told)
