"""How is an answer told in the words of OpenAI's responses API?

Nothing leaves here that the guard has not passed: the writers know the domain's values alone. A response repeats what
its request asked for, but for the prompt. Nothing is kept: ``store`` is false in every one.
"""

from typing import Final, Literal, TypeAlias

import orjson

from gateway.dialects._instead import waiting
from gateway.dialects._openai_responses_output import ItemStatus, Order, output, response_id
from gateway.domain.exchange import ApprovalPending, Choice, Handling, Reply, Usage
from gateway.domain.jsonvalue import JsonObject, JsonValue
from gateway.domain.value import value

Status: TypeAlias = Literal["in_progress", "completed", "incomplete", "failed"]

# Endings at which nothing is missing.
_WHOLE: Final = frozenset({"stop", "tool_calls"})
_REASONS: Final = {"length": "max_output_tokens"}
# What stands in a response where the request said nothing.
_DEFAULTS: Final[JsonObject] = {
    "background": False,
    "instructions": None,
    "max_output_tokens": None,
    "max_tool_calls": None,
    "metadata": {},
    "parallel_tool_calls": True,
    "previous_response_id": None,
    "prompt_cache_key": None,
    "reasoning": {"effort": None, "summary": None},
    "safety_identifier": None,
    "service_tier": None,
    "store": False,
    "temperature": None,
    "text": {"format": {"type": "text"}},
    "tool_choice": "auto",
    "tools": [],
    "top_logprobs": None,
    "top_p": None,
    "truncation": "disabled",
    "user": None,
}


@value
class Answer:
    """What a response tells of an answer; ``extra`` are the upstream's other words."""

    choice: Choice
    order: Order | None = None
    usage: Usage | None = None
    extra: JsonObject


def write(reply: Reply, handling: Handling) -> bytes:
    """A ``response`` object. This API asks for one choice: should there be more, the first is the answer."""
    choice = reply.choices[0]
    answer = Answer(choice=choice, usage=reply.usage, extra=reply.extra)
    return orjson.dumps(response(answer, handling, ended(choice.finish_reason)))


def write_held(pending: ApprovalPending, handling: Handling) -> bytes:
    """A response that ends at once and says where the real one waits for an approver."""
    choice = Choice(index=0, text=waiting(pending), finish_reason="content_filter")
    return write(Reply(id="", model=handling.model, created=handling.created, choices=(choice,)), handling)


def ended(reason: str) -> Status:
    """How a response stands whose answer ended for this reason."""
    return "completed" if reason in _WHOLE else "incomplete"


def response(answer: Answer, handling: Handling, status: Status, error: JsonObject | None = None) -> JsonObject:
    """The object itself; what is not complete says of its items that they are not either."""
    items: ItemStatus = "completed" if status == "completed" else "incomplete"
    reason = answer.choice.finish_reason
    return {
        "id": response_id(handling),
        "object": "response",
        "created_at": handling.created,
        "status": status,
        "error": error,
        "incomplete_details": {"reason": _REASONS.get(reason, reason)} if status == "incomplete" else None,
        "model": handling.model,
        "output": output(answer.choice, handling, items, answer.order),
        "usage": None if answer.usage is None else _usage(answer.usage),
        **_repeated(handling.echo, answer.extra),
    }


def _repeated(echo: JsonObject, extra: JsonObject) -> JsonObject:
    told: dict[str, JsonValue] = {**_DEFAULTS, **echo}
    for name in ("text", "reasoning"):
        told[name] = {**_object(_DEFAULTS[name]), **_object(told[name])}
    if "service_tier" in extra:
        told["service_tier"] = extra["service_tier"]
    return told


def _object(value: JsonValue) -> JsonObject:
    return value if isinstance(value, dict) else {}


def _usage(usage: Usage) -> JsonObject:
    """The counts under this API's names; it has no way to say that something was not counted."""
    details = dict(usage.details)
    total = details.pop("total_tokens", None)
    given = _counted(details.pop("prompt_tokens_details", None))
    made = _counted(details.pop("completion_tokens_details", None))
    return {
        "input_tokens": usage.input_tokens,
        "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0, **given},
        "output_tokens": usage.output_tokens,
        "output_tokens_details": {"reasoning_tokens": 0, **made},
        # An upstream may count whatever it likes; what is written has 64 bits.
        "total_tokens": min(usage.input_tokens + usage.output_tokens, 2**63 - 1) if total is None else total,
        **details,
    }


def _counted(details: JsonValue) -> JsonObject:
    return {name: count for name, count in _object(details).items() if count is not None}
