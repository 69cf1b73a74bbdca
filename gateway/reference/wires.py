"""What do an answer, a stream and an error look like? Written by the dialects themselves, for ``docs/api.md``."""

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Final

from gateway.dialects import anthropic_messages, openai_chat, split
from gateway.domain.errors import BlockedByPolicy, GatewayError, IsolationUnreachable, UnknownField
from gateway.domain.exchange import (
    AppliedRevision,
    ApprovalPending,
    Choice,
    Finish,
    Handling,
    ReasoningDelta,
    Reply,
    Started,
    TextDelta,
    Usage,
    UsageReport,
)
from gateway.domain.finding import Finding
from gateway.web.problems import status_of

_ID: Final = "5d897a626df06c4619fca82ab5a8bd6d"
_USAGE: Final = Usage(input_tokens=153, output_tokens=9)
_CREATED: Final = 1_790_000_000
_HANDLING: Final = Handling(
    request_id=_ID,
    model="support",
    created=_CREATED,
    isolation="channel",
    format="tool-envelope",
    target="support/2",
    policy=AppliedRevision(names=("baseline",), revision="sha256:9f86d081884c7d65…"),
    findings=(
        Finding(rule="reserved-token", where="mail-17", count=2),
        Finding(rule="secret-in-data", where="mail-17", count=1, policy="baseline", action="redact"),
    ),
    decision="redact",
)


_THOUGHTFUL: Final = Reply(
    id="upstream",
    model="m",
    created=_CREATED,
    choices=(Choice(index=0, text="The ticket costs 12 euros.", reasoning="It says so.", finish_reason="stop"),),
    usage=_USAGE,
)


def native_reply() -> str:
    """A whole reply of the native API."""
    choice = Choice(index=0, text="The ticket costs 12 euros.", finish_reason="stop")
    reply = Reply(id="upstream", model="m", created=_CREATED, choices=(choice,), usage=_USAGE)
    return _json(split.write(reply, _HANDLING))


def native_stream() -> str:
    """A stream of the native API."""
    writer = split.StreamWriter(_HANDLING, include_usage=True)
    events = (
        Started(id="upstream", model="m", created=_CREATED),
        TextDelta(choice=0, text="The ticket costs"),
        TextDelta(choice=0, text=" 12 euros."),
        UsageReport(usage=_USAGE),
        Finish(choice=0, reason="stop"),
    )
    sent = b"".join(map(writer.feed, events)) + writer.finish()
    return f"```\n{sent.decode().rstrip()}\n```"


def messages_reply() -> str:
    """A whole reply in Anthropic's dialect."""
    return _json(anthropic_messages.write(_THOUGHTFUL, _HANDLING))


def messages_stream() -> str:
    """A stream in Anthropic's dialect."""
    writer = anthropic_messages.StreamWriter(_HANDLING, include_usage=True)
    events = (
        Started(id="upstream", model="m", created=_CREATED),
        ReasoningDelta(choice=0, text="It says so."),
        TextDelta(choice=0, text="The ticket costs"),
        TextDelta(choice=0, text=" 12 euros."),
        UsageReport(usage=_USAGE),
        Finish(choice=0, reason="stop"),
    )
    sent = b"".join(map(writer.feed, events)) + writer.finish()
    return f"```\n{sent.decode().rstrip()}\n```"


def messages_error() -> str:
    """A refusal by policy in Anthropic's dialect."""
    return _refusal(anthropic_messages.error_body, BlockedByPolicy(_BLOCKED, rules=("override-in-data",)))


def native_held() -> str:
    """What stands in place of a native reply that waits for an approver."""
    pending = ApprovalPending(approval="3q2-7wAAAAAAAAAAAAAAAA", expires=_CREATED + 3600, tools=("send_email",))
    return _json(split.write_held(pending, replace(_HANDLING, decision="require_approval")))


def native_blocked() -> str:
    """A refusal by policy."""
    return _refusal(split.error_body, BlockedByPolicy(_BLOCKED, rules=("override-in-data",)))


def native_error() -> str:
    """A refusal of the native API."""
    return _refusal(split.error_body, IsolationUnreachable(_TOO_LOW, param="min_isolation"))


def chat_error() -> str:
    """A refusal on the drop-in route."""
    return _refusal(openai_chat.error_body, UnknownField(_UNKNOWN, param="top_k"))


_TOO_LOW: Final = (
    "target support/2 keeps this request's data apart only as far as 'channel', and 'native' is asked for; …"
)
_BLOCKED: Final = (
    "policy refuses this request: override-in-data (mail-17): The data tells the model to drop its instructions. …"
)
_UNKNOWN: Final = "unknown field 'top_k'; remove it, or name it in extra_params of the model's target"


def _refusal(error_body: Callable[[GatewayError, int], bytes], error: GatewayError) -> str:
    return _json(error_body(error, status_of(error)))


def _json(raw: bytes) -> str:
    value: dict[str, object] = json.loads(raw)
    lines = (f" {json.dumps(key)}: {json.dumps(held, ensure_ascii=False)}" for key, held in value.items())
    return "```json\n{" + ",\n".join(lines).lstrip() + "}\n```"
