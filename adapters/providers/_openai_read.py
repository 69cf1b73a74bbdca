"""What does a whole answer of an OpenAI-compatible server say?

Strict about everything that is read: a value of the wrong type makes the answer unusable, for half-read answers are how
content slips past a check. Fields that are not named here are left behind and reach nobody. A word or an id that is
new to the gateway is no reason to lose an answer that was paid for.
Sources: OpenAI's API reference, "The chat completion object" and "The completion object"; ``reasoning_content``,
``reasoning`` and ``stop_reason`` as vLLM writes them, ``matched_stop`` as SGLang does; Microsoft's "Content filtering"
for choices of which nothing is left.
"""

import re
from collections.abc import Collection
from typing import Final

from adapters.providers._calls import MOST_CALLS, read_call_id
from adapters.providers._shape import (
    Misshapen,
    Object,
    as_object,
    count_at,
    list_at,
    number_or_zero,
    object_at,
    optional_list,
    optional_object,
    optional_text,
    optional_texts,
    refuse_miscounts,
    text_at,
)
from adapters.providers._stops import asked_for
from gateway.domain.exchange import Choice, Reply, Usage
from gateway.domain.jsonvalue import JsonObject, JsonValue
from gateway.domain.prompt import ToolCall
from gateway.domain.target import Endpoint

# Each server's own words for the same endings.
_FINISH_WORDS: Final = {
    "stop": "stop",
    "eos": "stop",
    "eos_token": "stop",
    "stop_sequence": "stop",
    "end_turn": "stop",
    "length": "length",
    "max_tokens": "length",
    "model_length": "length",
    "tool_calls": "tool_calls",
    "content_filter": "content_filter",
}
# Where vLLM and SGLang say which stop sequence it was; numbers there are tokens of the model's.
_STOPPED: Final = ("stop_reason", "matched_stop")
_HARMLESS: Final = {"system_fingerprint": str, "service_tier": str, "moderation": dict}
_BESIDE_CHOICES: Final = frozenset(_HARMLESS)
_FINISH_WORD: Final = re.compile(r"[A-Za-z0-9_.:-]{1,64}")
_COUNTS: Final = frozenset({"prompt_tokens", "completion_tokens", "total_tokens"})
# Content that no part of the gateway can look into.
_UNREADABLE = ("audio", "function_call")
_REASONING = ("reasoning_content", "reasoning")
# What a message may hold beside its text and a refusal.
_BESIDE_TEXT: Final = frozenset({*_UNREADABLE, *_REASONING, "tool_calls", "annotations"})


def reports_error(answer: JsonObject) -> bool:
    """Whether an object is an error: some servers send one with status 200, or in mid-stream."""
    return answer.get("error") is not None or answer.get("object") == "error"


def read_reply(answer: JsonObject, endpoint: Endpoint, *, asked: int = 1, stops: Collection[str] = ()) -> Reply:
    """Read a parsed answer to a request that asked for so many choices, and had these stop sequences.

    Raises:
        Misshapen: it is not the endpoint's protocol, or there are choices that nobody asked for.
    """
    choices = list_at(answer, "choices")
    if not choices:
        raise Misshapen("choices is empty")
    if len(choices) > asked:
        raise Misshapen("choices holds more than were asked for")
    read = _read_chat_choice if endpoint is Endpoint.CHAT else _read_text_choice
    usage = optional_object(answer, "usage")
    own_id, model = optional_texts(answer, "id", "model")
    return Reply(
        id=own_id or "",
        model=model or "",
        created=number_or_zero(answer, "created"),
        choices=tuple(
            [
                read(one if isinstance(one, dict) else as_object(one, "choices[]"), at, asked, stops)
                for at, one in enumerate(choices)
            ]
        ),
        usage=None if usage is None else read_usage(usage),
        extra={} if _BESIDE_CHOICES.isdisjoint(answer) else read_extra(answer),
    )


def read_index(choice: JsonObject, default: int, asked: int) -> int:
    """A choice's number: below the count of those that were asked for, as each costs its own judgement."""
    index = choice.get("index")
    if index is None:
        index = default
    if type(index) is int and 0 <= index < asked:
        return index
    # What is no count at all is told as that.
    count_at(choice, "index", default)
    raise Misshapen("choices[].index is of a choice that nobody asked for")


def read_stop(choice: JsonObject, stops: Collection[str]) -> str | None:
    """The stop sequence that ended a choice, where the server says which and it was asked for."""
    return next((word for name in _STOPPED if (word := asked_for(choice.get(name), stops)) is not None), None)


def read_extra(answer: JsonObject) -> JsonObject:
    """The harmless fields beside the answer."""
    found: Object = {}
    for name, kind in _HARMLESS.items():
        if isinstance(held := answer.get(name), kind):
            found[name] = held
    return found


def read_usage(usage: JsonObject) -> Usage:
    """Token counts; ``details`` keeps the total as the upstream has it, and whatever else it counts, by name."""
    details: Object = {}
    for name, held in usage.items():
        if held is not None and name not in _COUNTS:
            details[name] = held
    if details:
        refuse_miscounts(details, "usage")
    if usage.get("total_tokens") is not None:
        details["total_tokens"] = count_at(usage, "total_tokens")
    return Usage(
        input_tokens=count_at(usage, "prompt_tokens"),
        output_tokens=count_at(usage, "completion_tokens", 0),
        details=details,
    )


def read_finish(word: str) -> str:
    """OpenAI's word for an ending; a word that is nobody's yet stays as it is."""
    known = _FINISH_WORDS.get(word)
    if known is not None:
        return known
    if not _FINISH_WORD.fullmatch(word):
        raise Misshapen("finish_reason is not a word")
    return word


def refuse_unreadable(message: JsonObject) -> None:
    """Refuse content that the gateway cannot check, rather than leave it out of an answer."""
    for name in _UNREADABLE:
        if message.get(name) is not None:
            raise Misshapen(f"{name} is nothing that the gateway can read")


def read_reasoning(message: JsonObject) -> str | None:
    """The visible reasoning, under either of its two names."""
    first, second = _REASONING
    return optional_text(message, first) or optional_text(message, second)


def chat_logprobs(logprobs: JsonObject | None) -> JsonObject | None:
    """Turn the completions API's parallel lists into the chat API's list of tokens.

    llama.cpp answers completions with the chat API's form already.
    """
    if logprobs is None or isinstance(logprobs.get("content"), list):
        return logprobs
    tokens, values = list_at(logprobs, "tokens"), list_at(logprobs, "token_logprobs")
    tops = optional_list(logprobs, "top_logprobs") or [None] * len(tokens)
    if not len(tokens) == len(values) == len(tops):
        raise Misshapen("logprobs has lists of different lengths")
    content = [
        {**_logprob(token, value), "top_logprobs": _top_logprobs(top)}
        for token, value, top in zip(tokens, values, tops, strict=True)
    ]
    return {"content": content}


def _top_logprobs(top: JsonValue) -> list[JsonObject]:
    return [] if top is None else [_logprob(token, value) for token, value in as_object(top, "top_logprobs[]").items()]


def _logprob(token: JsonValue, value: JsonValue) -> Object:
    if not isinstance(token, str) or not (value is None or type(value) in (int, float)):
        raise Misshapen("logprobs holds no tokens with numbers")
    return {"token": token, "logprob": value, "bytes": list(token.encode())}


def _read_chat_choice(choice: Object, at: int, asked: int, stops: Collection[str]) -> Choice:
    index = read_index(choice, at, asked)
    finish_reason = read_finish(text_at(choice, "finish_reason"))
    # Of a choice that a filter took back some servers leave nothing.
    filtered = finish_reason == "content_filter"
    message = (optional_object(choice, "message") or {}) if filtered else object_at(choice, "message")
    beside = not _BESIDE_TEXT.isdisjoint(message)
    if beside:
        refuse_unreadable(message)
    text, refusal = optional_texts(message, "content", "refusal")
    return Choice(
        index=index,
        text=text,
        finish_reason=finish_reason,
        refusal=refusal,
        reasoning=read_reasoning(message) if beside else None,
        tool_calls=_read_calls(message) if beside else (),
        logprobs=optional_object(choice, "logprobs"),
        extra=_annotations(message) if beside else {},
        stopped_by=read_stop(choice, stops) if stops else None,
    )


def _annotations(message: Object) -> JsonObject:
    if message.get("annotations") is None:
        return {}
    return {"annotations": [as_object(entry, "annotations[]") for entry in list_at(message, "annotations")]}


def _read_text_choice(choice: Object, at: int, asked: int, stops: Collection[str]) -> Choice:
    index = read_index(choice, at, asked)
    finish_reason = read_finish(text_at(choice, "finish_reason"))
    return Choice(
        index=index,
        text=optional_text(choice, "text") if finish_reason == "content_filter" else text_at(choice, "text"),
        finish_reason=finish_reason,
        logprobs=chat_logprobs(optional_object(choice, "logprobs")),
        stopped_by=read_stop(choice, stops) if stops else None,
    )


def _read_calls(message: Object) -> tuple[ToolCall, ...]:
    # Most answers have none: they are not to pay for a list.
    if message.get("tool_calls") is None:
        return ()
    calls = list_at(message, "tool_calls")
    if len(calls) > MOST_CALLS:
        raise Misshapen(f"tool_calls holds more than {MOST_CALLS} calls")
    return tuple([_read_call(call) for call in calls])


def _read_call(value: JsonValue) -> ToolCall:
    call = as_object(value, "tool_calls[]")
    if call.get("type", "function") != "function":
        raise Misshapen("tool_calls[].type is not function")
    function = object_at(call, "function")
    return ToolCall(
        id=read_call_id(optional_text(call, "id")),
        name=text_at(function, "name"),
        arguments=text_at(function, "arguments"),
    )
