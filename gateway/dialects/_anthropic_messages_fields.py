"""What becomes of each field of an Anthropic Messages request?

One table (``_fields.py``), compared by a test with the official SDK's own types, beta ones included: a field that the
SDK learns fails the test until it stands here. What is passed keeps its name; a field of ``VENDORS`` is one that chat
completions does not know, sent only to a target that takes it. Counting tokens knows fewer fields. A null means that
the field is not set.
"""

from collections.abc import Mapping
from typing import Final

from gateway.dialects._checks import integer, members, number, one_of, record, string, wrong
from gateway.dialects._fields import Field, mapped, passed, refused
from gateway.dialects._fields import sort as sorted_fields
from gateway.dialects._forbidden import unknown
from gateway.domain.errors import ContentByReference, ForbiddenField
from gateway.domain.jsonvalue import JsonObject, JsonValue
from gateway.domain.prompt import CACHE_LIVES, CacheLife

_LEAST_THINKING: Final = 1_024
_MOST_TOKENS: Final = 2**31 - 1


def cache_life(value: JsonValue, path: str) -> CacheLife | None:
    """For how long a ``cache_control`` asks the vendor to keep what stands before it."""
    if value is None:
        return None
    found = record(value, path, ("type", "ttl"))
    _EPHEMERAL(found.get("type"), f"{path}.type")
    asked = found.get("ttl")
    if asked is None or asked == "5m":
        return "5m"
    if asked == "1h":
        return "1h"
    raise wrong(f"{path}.ttl", f"be one of {', '.join(CACHE_LIVES)}")


def _cache_control(value: JsonValue, path: str) -> JsonValue:
    cache_life(value, path)
    return value


def _thinking(value: JsonValue, path: str) -> JsonValue:
    kind = string(_THINKING_TYPE(members(value, path).get("type"), f"{path}.type"), path)
    found = record(value, path, ("type", *_THINKING[kind]))
    if kind == "enabled":
        _BUDGET(found.get("budget_tokens"), f"{path}.budget_tokens")
    if found.get("display") is not None:
        _DISPLAY(found["display"], f"{path}.display")
    return value


_THINKING: Final[Mapping[str, tuple[str, ...]]] = {
    "enabled": ("budget_tokens", "display"),
    "adaptive": ("display",),
    "disabled": (),
    "between_tools": (),
}
_THINKING_TYPE: Final = one_of(*_THINKING)
_BUDGET: Final = integer(_LEAST_THINKING, _MOST_TOKENS)
LENGTH: Final = integer(1, _MOST_TOKENS)
_DISPLAY: Final = one_of("summarized", "omitted")
_EPHEMERAL: Final = one_of("ephemeral")

_BEYOND: Final = "code in it would read and write what the gateway cannot see; leave it out"
_PLACE: Final = "where a call goes is decided by the gateway's configuration; leave it out"
_ELSEWHERE: Final = "the gateway cannot see what stands there; send all of the conversation in messages"
_ACCOUNT: Final = "on whose account a call goes is decided by the gateway's configuration; leave it out"
_REWRITTEN: Final = "the provider would change the conversation after it was inspected; shorten messages yourself"

FIELDS: Final[Mapping[str, Field]] = {
    "messages": mapped("the turns"),
    "system": mapped("the operator's instructions"),
    "model": mapped("the name in the configuration; the upstream's own name goes upstream"),
    "stream": mapped("whether the reply is written as events"),
    "tools": mapped("definitions of custom tools"),
    "tool_choice": mapped("checked against the tools; as `tool_choice` and `parallel_tool_calls`"),
    "stop_sequences": mapped("as `stop`"),
    "metadata": mapped("`user_id` as `user`; and the person whom the request is about, where `subject` names none"),
    "output_config": mapped("`effort` as `reasoning_effort`, `format` as `response_format`"),
    "service_tier": mapped("`auto` as it is, `standard_only` as `default`"),
    "data": mapped("Splitgate's own: data segments, placed after the last user message"),
    "min_isolation": mapped("Splitgate's own: the floor of this request"),
    "subject": mapped("Splitgate's own: the person whom the request is about, for the audit alone"),
    "max_tokens": passed(LENGTH, "length; required"),
    "temperature": passed(number(0, 1), "sampling"),
    "top_p": passed(number(0, 1), "sampling"),
    "top_k": passed(integer(0, _MOST_TOKENS), "sampling, at targets that take it"),
    "thinking": passed(_thinking, "effort, at targets that take it"),
    "cache_control": passed(_cache_control, "a mark behind the last block, at targets that take it"),
    "speed": passed(one_of("standard", "fast"), "speed and price, at targets that take it"),
    "container": refused(_BEYOND, ContentByReference),
    "mcp_servers": refused(
        "their tools would answer the model without the gateway; call them yourself and return tool results",
        ContentByReference,
    ),
    "thread": refused(_ELSEWHERE, ContentByReference),
    "context_management": refused(_REWRITTEN),
    "compaction": refused(_REWRITTEN),
    "diagnostics": refused("the gateway writes prompts anew, so that a cache's misses say nothing; leave it out"),
    "betas": refused("the SDK sends it as a header; the fields of a beta stand in this table"),
    "inference_geo": refused(_PLACE, ForbiddenField),
    "fallbacks": refused("which model answers is decided by the gateway's configuration; leave it out", ForbiddenField),
    "billing_policy": refused(_ACCOUNT, ForbiddenField),
    "fallback_credit_token": refused(_ACCOUNT, ForbiddenField),
    "user_profile_id": refused(_ACCOUNT, ForbiddenField),
    "workspace_id": refused(_ACCOUNT, ForbiddenField),
}

VENDORS: Final = frozenset({"top_k", "thinking", "cache_control", "speed"})
# What stands in a request that only asks how many tokens it has.
COUNTED: Final = frozenset({
    "messages", "system", "model", "tools", "tool_choice", "output_config", "thinking", "cache_control", "speed",
    "data", "min_isolation", "subject",
})  # fmt: skip


def sort(body: JsonObject, *, counts: bool) -> tuple[dict[str, JsonValue], dict[str, JsonValue]]:
    """The passed fields under OpenAI's chat names, and those that only some targets take; with ``counts`` for a count.

    Raises:
        RequestError: a field is refused, unknown or wrong.
    """
    values, extra = sorted_fields(body, FIELDS)
    if counts:
        for key, value in body.items():
            if value is not None and key in FIELDS and key not in COUNTED:
                raise unknown(key, "")
    vendors = {key: values.pop(key) for key in VENDORS & values.keys()}
    return values, {**extra, **vendors}
