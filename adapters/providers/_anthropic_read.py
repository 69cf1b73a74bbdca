"""What does a whole answer of Anthropic's Messages API say?

As strict as ``_openai_read.py``, and for the same reason. A block of a type that is not named here is content that no
check has looked into: it makes the answer unusable. Fields that are not named are left behind, citations among them,
which no format asks for.
Source: Anthropic's API reference, "Create a Message", and "Handling stop reasons".
"""

import re
from collections.abc import Collection
from typing import Final

import orjson

from adapters.providers._calls import MOST_CALLS, read_call_id
from adapters.providers._shape import (
    Misshapen,
    Object,
    as_object,
    count_at,
    list_at,
    object_at,
    optional_object,
    optional_text,
    refuse_miscounts,
    text_at,
)
from adapters.providers._stops import asked_for
from gateway.domain.exchange import Choice, Reply, Usage
from gateway.domain.jsonvalue import JsonObject, JsonValue
from gateway.domain.prompt import Seal, ToolCall

# So many blocks may stand in one answer.
MOST_BLOCKS: Final = 4096

_ENDINGS: Final = {
    "end_turn": "stop",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "refusal": "content_filter",
    "stop_sequence": "stop",
    "tool_use": "tool_calls",
}
_WORD: Final = re.compile(r"[A-Za-z0-9_.:-]{1,64}")
_READ: Final = "cache_read_input_tokens"
_WRITTEN: Final = "cache_creation_input_tokens"
# What is counted under its own name, whatever it holds.
_COUNTED: Final = ("cache_creation", "server_tool_use")
_TIERS: Final = {"standard": "default"}


def reports_error(answer: JsonObject) -> bool:
    """Whether an object is an error, which may come with status 200 where a proxy stands between."""
    return answer.get("type") == "error" or answer.get("error") is not None


def read_reply(answer: JsonObject, *, stops: Collection[str] = ()) -> Reply:
    """Read a parsed answer to a request with these stop sequences.

    Raises:
        Misshapen: it is not the protocol's.
    """
    if answer.get("type") != "message":
        raise Misshapen("type is not message")
    usage = object_at(answer, "usage")
    return Reply(
        id=optional_text(answer, "id") or "",
        model=optional_text(answer, "model") or "",
        created=0,
        choices=(_read_choice(answer, stops),),
        usage=read_usage(usage),
        extra=read_extra(usage),
    )


def _read_choice(answer: JsonObject, stops: Collection[str]) -> Choice:
    blocks = list_at(answer, "content")
    if len(blocks) > MOST_BLOCKS:
        raise Misshapen(f"content holds more than {MOST_BLOCKS} blocks")
    texts: list[str] = []
    thoughts: list[str] = []
    seals: list[Seal] = []
    calls: list[ToolCall] = []
    sealed = True
    for value in blocks:
        block = as_object(value, "content[]")
        match block.get("type"):
            case "text":
                texts.append(text_at(block, "text"))
            case "thinking":
                thoughts.append(text_at(block, "thinking"))
                seal = seal_of(len(thoughts[-1]), optional_text(block, "signature"))
                # What an unsealed thought stands before can be covered by no seal: they count from the beginning.
                sealed = sealed and seal is not None
                seals += [seal] if seal is not None and sealed else []
            case "redacted_thinking":
                seals += [hidden_seal(block)] if sealed else []
            case "tool_use":
                calls.append(_read_call(block))
            case _:
                raise unreadable()
    if len(calls) > MOST_CALLS:
        raise Misshapen(f"content holds more than {MOST_CALLS} tool calls")
    return Choice(
        index=0,
        text="".join(texts) if texts else None,
        finish_reason=read_ending(text_at(answer, "stop_reason")),
        reasoning="".join(thoughts) if thoughts else None,
        tool_calls=tuple(calls),
        stopped_by=stopped_by(answer, stops),
        seals=tuple(seals),
    )


def unreadable() -> Misshapen:
    """The refusal of content that the gateway cannot check, rather than leave it out of an answer."""
    return Misshapen("content holds a block that is nothing the gateway can read")


def seal_of(length: int, signature: str | None) -> Seal | None:
    """What the vendor asks for to take a thought of this length back; None where it gave no signature."""
    return Seal(length=length, token=signature) if signature else None


def hidden_seal(block: JsonObject) -> Seal:
    """The same for a thought that was never shown."""
    return Seal(length=0, token=text_at(block, "data"), hidden=True)


def _read_call(block: Object) -> ToolCall:
    given = object_at(block, "input")
    return ToolCall(id=read_call_id(optional_text(block, "id")), name=text_at(block, "name"), arguments=as_text(given))


def as_text(given: JsonObject) -> str:
    """A call's input as the JSON text that the domain has."""
    return orjson.dumps(given).decode()


def read_ending(word: str) -> str:
    """OpenAI's word for an ending; one that has none there, such as ``pause_turn``, stays as it is."""
    known = _ENDINGS.get(word)
    if known is not None:
        return known
    if not _WORD.fullmatch(word):
        raise Misshapen("stop_reason is not a word")
    return word


def stopped_by(answer: JsonObject, stops: Collection[str]) -> str | None:
    """The stop sequence that ended the answer, if the request asked for it."""
    if answer.get("stop_reason") != "stop_sequence":
        return None
    return asked_for(optional_text(answer, "stop_sequence"), stops)


def read_usage(usage: JsonObject) -> Usage:
    """Token counts; Anthropic's ``input_tokens`` leave out what was read from the cache and written to it."""
    read, written = count_at(usage, _READ, 0), count_at(usage, _WRITTEN, 0)
    details: dict[str, JsonValue] = {name: held for name in _COUNTED if isinstance(held := usage.get(name), dict)}
    refuse_miscounts(details, "usage")
    if usage.get(_READ) is not None or usage.get(_WRITTEN) is not None:
        details["prompt_tokens_details"] = {"cached_tokens": read, "cache_write_tokens": written}
    thought = optional_object(usage, "output_tokens_details") or {}
    if thought.get("thinking_tokens") is not None:
        details["completion_tokens_details"] = {"reasoning_tokens": count_at(thought, "thinking_tokens")}
    return Usage(
        input_tokens=count_at(usage, "input_tokens") + read + written,
        output_tokens=count_at(usage, "output_tokens"),
        details=details,
    )


def read_extra(usage: JsonObject) -> JsonObject:
    """The harmless words beside the counts, in OpenAI's terms."""
    tier = usage.get("service_tier")
    return {"service_tier": _TIERS.get(tier, tier)} if isinstance(tier, str) and _WORD.fullmatch(tier) else {}
