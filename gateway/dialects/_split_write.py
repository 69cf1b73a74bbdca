"""How is an answer, whole or as events, told in the native dialect?

A whole reply, and the first and last event of a stream, carry the ``split`` block: what was done to keep instructions
and data apart. Events are ``start``, then ``text``, ``reasoning``, ``refusal``, ``tool_call`` and
``tool_call_arguments`` as they come, then ``done`` or ``error``, never both. Errors are problem objects (RFC 9457).
"""

from dataclasses import replace
from typing import assert_never

import orjson

from gateway.dialects import _sse
from gateway.dialects._instead import CUT_SHORT
from gateway.domain.errors import GatewayError, UpstreamGarbled, blocking_rules, limit_told, upstream_reason
from gateway.domain.exchange import (
    AppliedRevision,
    ApprovalPending,
    Choice,
    Finish,
    Handling,
    Judged,
    ReasoningDelta,
    ReasoningSealed,
    RefusalDelta,
    Reply,
    ReplyEvent,
    Started,
    TextDelta,
    ToolCallDelta,
    ToolCallStarted,
    Usage,
    UsageReport,
)
from gateway.domain.finding import Finding
from gateway.domain.jsonvalue import JsonObject, JsonValue


def write(reply: Reply, handling: Handling) -> bytes:
    """The reply object. A native request asks for one choice; ``output`` and ``finish_reason`` are the first one's."""
    choice = reply.choices[0]
    return orjson.dumps({
        **_identity(handling),
        "output": _output(choice),
        "finish_reason": choice.finish_reason,
        "usage": _usage(reply.usage),
        "split": _split(handling),
    })  # fmt: skip


def write_held(pending: ApprovalPending, handling: Handling) -> bytes:
    """What stands in place of a reply that waits for an approver."""
    return orjson.dumps({**_identity(handling), **approval(pending), "split": _split(handling)})


def error_body(error: GatewayError, status: int) -> bytes:
    """A problem object; the web layer adds the request's id as a header."""
    return orjson.dumps(_problem(error, status))


def _problem(error: GatewayError, status: int) -> JsonObject:
    problem: dict[str, JsonValue] = {
        "type": f"urn:splitgate:problem:{error.code}",
        "title": error.code.replace("_", " ").capitalize(),
        "status": status,
        "detail": error.message,
        "code": error.code,
    }
    if (reason := upstream_reason(error)) is not None:
        problem["upstream_code"] = reason
    if error.param is not None:
        problem["param"] = error.param
    if rules := blocking_rules(error):
        problem["rules"] = list(rules)
    if (limit := limit_told(error)) is not None:
        problem["limit"] = limit
    return problem


def _identity(handling: Handling) -> JsonObject:
    return {"id": handling.request_id, "model": handling.model}


def _output(choice: Choice) -> list[JsonValue]:
    """The answer's items in the order in which a model makes them."""
    output: list[JsonValue] = []
    for kind, text in (("reasoning", choice.reasoning), ("text", choice.text), ("refusal", choice.refusal)):
        if text is not None:
            output.append({"type": kind, "text": text})
    output += [
        {"type": "tool_call", "id": call.id, "name": call.name, "arguments": call.arguments}
        for call in choice.tool_calls
    ]
    return output


def _usage(usage: Usage | None) -> JsonObject | None:
    return None if usage is None else {"input_tokens": usage.input_tokens, "output_tokens": usage.output_tokens}


def _split(handling: Handling) -> JsonObject:
    return {
        "isolation": handling.isolation,
        "format": handling.format,
        "target": handling.target,
        "decision": handling.decision,
        "policy": _policy(handling.policy),
        "findings": [_finding(found) for found in handling.findings],
        "notes": list(handling.notes),
    }


def approval(pending: ApprovalPending) -> JsonObject:
    """Where the answer waits, and for how long; times are seconds since the epoch."""
    return {
        "approval": pending.approval,
        "expires": int(pending.expires),
        "tools": list(pending.tools),
        "url": f"/v1/approvals/{pending.approval}",
    }


def _policy(applied: AppliedRevision | None) -> JsonObject | None:
    return None if applied is None else {"name": ",".join(applied.names), "revision": applied.revision}


def _finding(found: Finding) -> JsonObject:
    """The gateway's own removals say what, where and how often; rules of policy also what came of them."""
    told: dict[str, JsonValue] = {"rule": found.rule, "where": found.where, "count": found.count}
    if found.policy is not None:
        told |= {"policy": found.policy, "action": found.action, "weight": found.weight.value}
    if found.exception is not None:
        told["exception"] = found.exception
    return told


class StreamWriter:
    """Writes events under names of their own. Usage stands in the last one, whatever ``include_usage`` says."""

    def __init__(self, handling: Handling, *, include_usage: bool) -> None:
        self._handling = handling
        del include_usage
        self._usage: Usage | None = None
        self._reason: str | None = None

    def feed(self, event: ReplyEvent) -> bytes:
        """The bytes that tell of ``event``; none where there is nothing to tell yet."""
        # A native request asks for one choice: should the upstream give more, the first is the answer.
        if getattr(event, "choice", 0):
            return b""
        match event:
            case TextDelta():
                return b'event: text\ndata: {"text":' + orjson.dumps(event.text) + b"}\n\n"
            case ToolCallDelta():
                return _sse.event("tool_call_arguments", {"index": event.index, "arguments": event.arguments})
            case ReasoningDelta():
                return _sse.event("reasoning", {"text": event.text})
            case RefusalDelta():
                return _sse.event("refusal", {"text": event.text})
            case ToolCallStarted():
                return _sse.event("tool_call", {"index": event.index, "id": event.id, "name": event.name})
            case Started():
                return _sse.event("start", {**_identity(self._handling), "split": _split(self._handling)})
            case ApprovalPending():
                return _sse.event("approval_required", approval(event))
            case Finish() | UsageReport() | Judged() | ReasoningSealed():
                self._keep(event)
                return b""
            case _:  # pragma: no cover
                assert_never(event)

    def _keep(self, event: Finish | UsageReport | Judged | ReasoningSealed) -> None:
        """Remember what the last event tells; no history on this route could hold a seal."""
        match event:
            case Finish():
                self._reason = event.reason
            case UsageReport():
                self._usage = event.usage
            case Judged():
                findings = (*self._handling.findings, *event.findings)
                self._handling = replace(self._handling, decision=event.decision, findings=findings)
            case ReasoningSealed():
                return
            case _:  # pragma: no cover
                assert_never(event)

    def finish(self) -> bytes:
        """The end of a stream that finished; of any other, an error event."""
        if self._reason is None:
            return self.fail(UpstreamGarbled(CUT_SHORT, target=self._handling.target), 502)
        ending: JsonObject = {
            "finish_reason": self._reason,
            "usage": _usage(self._usage),
            "split": _split(self._handling),
        }
        return _sse.event("done", ending)

    def fail(self, error: GatewayError, status: int) -> bytes:
        """The last event of a stream that cannot be brought to its end."""
        return _sse.event("error", _problem(error, status))
