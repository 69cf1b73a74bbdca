"""How is a whole answer told in Anthropic's Messages dialect, and how is an error?

Nothing leaves here that the guard has not passed: the writers know the domain's values alone. Reasoning becomes one
block for each piece that the vendor sealed. A call's arguments are an object here: what is none, such as arguments that
were cut short, stands as text under the one key ``INVALID_JSON``.
"""

from collections.abc import Mapping, Sequence
from typing import Final

import orjson

from gateway.dialects import _called
from gateway.dialects._instead import waiting
from gateway.domain.errors import GatewayError, blocking_rules, upstream_reason
from gateway.domain.exchange import ApprovalPending, Choice, Handling, Reply, Usage
from gateway.domain.jsonvalue import JsonObject, JsonValue
from gateway.domain.prompt import Seal, ToolCall
from gateway.domain.strict_json import parse_object

# The key that the vendor's documentation proposes for input that is no JSON.
_INVALID: Final = "INVALID_JSON"
_STOP_REASONS: Final[Mapping[str, str]] = {
    "stop": "end_turn",
    "length": "max_tokens",
    "tool_calls": "tool_use",
    "content_filter": "refusal",
}
# This dialect's names of options, for chat's.
_CALLED: Final[Mapping[str, str]] = {
    "parallel_tool_calls": "tool_choice.disable_parallel_tool_use",
    "reasoning_effort": "output_config.effort",
    "response_format": "output_config.format",
    "stop": "stop_sequences",
    "user": "metadata.user_id",
}
_OWN_COUNTS: Final = ("cache_creation", "server_tool_use")
_TIERS: Final[Mapping[str, str]] = {"default": "standard", "priority": "priority", "batch": "batch"}
_ERROR_TYPES: Final[Mapping[int, str]] = {
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    504: "timeout_error",
}


def write(reply: Reply, handling: Handling) -> bytes:
    """A ``message`` object. A request asks for one answer; should the upstream give more, the first is told."""
    choice = reply.choices[0]
    return orjson.dumps({
        **message_head(reply.id, handling),
        "content": _content(choice),
        **ending(choice.finish_reason, choice.stopped_by, called=bool(choice.tool_calls), refused=bool(choice.refusal)),
        "usage": {**usage_of(reply.usage), **tier_of(reply.extra)},
    })  # fmt: skip


def write_held(pending: ApprovalPending, handling: Handling) -> bytes:
    """A message that ends at once and says where the real one waits for an approver."""
    choice = Choice(index=0, text=waiting(pending), finish_reason="content_filter")
    return write(Reply(id="", model=handling.model, created=handling.created, choices=(choice,)), handling)


def write_count(tokens: int) -> bytes:
    """How many tokens a request has."""
    return orjson.dumps({"input_tokens": tokens})


def error_body(error: GatewayError, status: int) -> bytes:
    """Anthropic's error object; the web layer adds the request's id as a header."""
    return orjson.dumps(error_of(error, status))


def error_of(error: GatewayError, status: int) -> dict[str, JsonValue]:
    """The same before it is written."""
    # Applications branch on the provider's own code, such as ``context_length_exceeded``.
    code = upstream_reason(error) or error.code
    message, param = _called.told(error, _CALLED)
    told: dict[str, JsonValue] = {"type": _error_type(status), "message": message, "code": code, "param": param}
    if rules := blocking_rules(error):
        told["rules"] = list(rules)
    return {"type": "error", "error": told}


def _error_type(status: int) -> str:
    return _ERROR_TYPES.get(status, "invalid_request_error" if status < 500 else "api_error")


def message_head(upstream_id: str, handling: Handling) -> dict[str, JsonValue]:
    """How a message begins; only a vendor of this dialect gives an id that can be kept."""
    own = f"msg_{handling.request_id}"
    return {
        "id": upstream_id if upstream_id.startswith("msg_") else own,
        "type": "message",
        "role": "assistant",
        "model": handling.model,
    }


def ending(reason: str, stopped_by: str | None, *, called: bool, refused: bool) -> JsonObject:
    """Why the answer ended. A word that is no one's yet stays as it is."""
    told = _STOP_REASONS.get(reason, reason)
    if told == "end_turn":
        if refused:
            told = "refusal"
        elif called:
            # Some servers say so of a call that they were told to make.
            told = "tool_use"
        elif stopped_by is not None:
            told = "stop_sequence"
    return {"stop_reason": told, "stop_sequence": stopped_by if told == "stop_sequence" else None}


def usage_of(usage: Usage | None) -> JsonObject:
    """The tokens counted, nought where nobody did. Input is here what was neither read from a cache nor put there."""
    if usage is None:
        return {"input_tokens": 0, "output_tokens": 0}
    read, put = (_detail(usage, "prompt_tokens_details", name) for name in ("cached_tokens", "cache_write_tokens"))
    told: dict[str, JsonValue] = {
        "input_tokens": max(0, usage.input_tokens - (read or 0) - (put or 0)),
        "cache_creation_input_tokens": put or 0,
        "cache_read_input_tokens": read or 0,
        "output_tokens": usage.output_tokens,
    }
    thought = _detail(usage, "completion_tokens_details", "reasoning_tokens")
    if thought is not None:
        told["output_tokens_details"] = {"thinking_tokens": thought}
    # What only a vendor of this dialect counts comes under its own names.
    return {**told, **{name: held for name in _OWN_COUNTS if isinstance(held := usage.details.get(name), Mapping)}}


def tier_of(extra: JsonObject) -> JsonObject:
    """At which speed and price the answer was made, where the upstream says it in a word that the dialect has."""
    tier = extra.get("service_tier")
    told = _TIERS.get(tier) if isinstance(tier, str) else None
    return {} if told is None else {"service_tier": told}


def _detail(usage: Usage, group: str, name: str) -> int | None:
    held = usage.details.get(group)
    count = held.get(name) if isinstance(held, Mapping) else None
    return count if isinstance(count, int) else None


def _content(choice: Choice) -> list[JsonValue]:
    """The blocks in the order in which a model makes them."""
    told: list[JsonValue] = [*_thinking(choice.reasoning or "", choice.seals)]
    told += [text_block(text) for text in (choice.text, choice.refusal) if text]
    return told + [tool_block(call.id, call.name, input_of(call)) for call in choice.tool_calls]


def _thinking(reasoning: str, seals: Sequence[Seal]) -> list[JsonObject]:
    blocks: list[JsonObject] = []
    start = 0
    for seal in seals:
        end = start + seal.length
        blocks.append(redacted_block(seal.token) if seal.hidden else thinking_block(reasoning[start:end], seal.token))
        start = end
    return [*blocks, thinking_block(reasoning[start:], "")] if reasoning[start:] else blocks


def thinking_block(text: str, signature: str) -> JsonObject:
    """A piece of the model's reasoning; without a signature no vendor takes it back."""
    return {"type": "thinking", "thinking": text, "signature": signature}


def redacted_block(token: str) -> JsonObject:
    """A piece of reasoning of which nothing is shown."""
    return {"type": "redacted_thinking", "data": token}


def text_block(text: str) -> JsonObject:
    """A text of the answer's."""
    return {"type": "text", "text": text, "citations": None}


def tool_block(identifier: str, name: str, arguments: JsonObject) -> JsonObject:
    """A call that the model makes."""
    return {"type": "tool_use", "id": identifier, "name": name, "input": arguments}


def input_of(call: ToolCall) -> JsonObject:
    """A call's arguments as an object; models that call without arguments may write none at all."""
    if not call.arguments.strip():
        return {}
    try:
        return parse_object(call.arguments)
    except ValueError:
        return {_INVALID: call.arguments}
