"""What becomes of each field of a request to OpenAI's responses API?

One table, compared by a test with the official SDK's own types: a field that the SDK learns fails the test until it
stands here. ``_fields.py`` says what the rows mean. What is passed has the same name in chat completions; what
asks the API to keep something, or to fetch it, is refused: nothing is kept here.
"""

from collections.abc import Mapping
from typing import Final

from gateway.dialects._checks import Check, boolean, integer, members, number, one_of, record, wrong
from gateway.dialects._fields import Field, mapped, passed, refused
from gateway.dialects._openai_chat_fields import FIELDS as CHAT
from gateway.dialects._openai_fields import (
    EFFORT,
    FORMAT_TYPE,
    LABEL,
    RETENTION,
    TIER,
    TOKENS,
    VERBOSITY,
    cache_options,
    json_schema,
    metadata,
)
from gateway.domain.errors import ContentByReference, UnknownField
from gateway.domain.jsonvalue import JsonObject, JsonValue

LOGPROBS: Final = "message.output_text.logprobs"
_ENCRYPTED: Final = "reasoning.encrypted_content"
_INCLUDED: Final = one_of(_ENCRYPTED, LOGPROBS)


def _only(value: JsonValue, *, must: str) -> Check:
    """A check for the one value that asks for nothing."""

    def check(found: JsonValue, path: str) -> JsonValue:
        if found == value and type(found) is type(value):
            return found
        raise wrong(path, must)

    return check


def _include(value: JsonValue, path: str) -> JsonValue:
    if not isinstance(value, list):
        raise wrong(path, "be a list")
    for index, word in enumerate(value):
        _INCLUDED(word, f"{path}[{index}]")
    return value


def _text(value: JsonValue, path: str) -> JsonValue:
    found = record(value, path, ("format", "verbosity"))
    if found.get("verbosity") is not None:
        VERBOSITY(found["verbosity"], f"{path}.verbosity")
    form = found.get("format")
    if form is not None:
        where = f"{path}.format"
        if FORMAT_TYPE(members(form, where).get("type"), f"{where}.type") == "json_schema":
            json_schema(form, where, "type")
        else:
            record(form, where, ("type",))
    return found


# Visible reasoning is passed on whole whatever it was called: there is nothing to shorten it by.
_SUMMARY: Final = _only(
    "auto",
    must="be auto: the gateway passes on what reasoning the model's server shows, and cannot ask for less or more",
)
_REASONING: Final[Mapping[str, Check]] = {
    "effort": EFFORT,
    "summary": _SUMMARY,
    "generate_summary": _SUMMARY,
    "context": _only("auto", must="be auto: the model gets the earlier reasoning that stands in input"),
    "mode": _only("standard", must="be standard: no other API has words for another mode"),
}


def _reasoning(value: JsonValue, path: str) -> JsonValue:
    found = record(value, path, _REASONING)
    for key, held in found.items():
        if held is not None:
            _REASONING[key](held, f"{path}.{key}")
    return found


FIELDS: Final[Mapping[str, Field]] = {
    "input": mapped("the turns: text, or a list of items"),
    "instructions": mapped("a system message, before all others"),
    "model": mapped("the name in the configuration; the upstream's own name goes upstream"),
    "stream": mapped("whether the reply is written as events"),
    "stream_options": mapped("include_obfuscation must be false: the gateway pads no events"),
    "tools": mapped("function definitions"),
    "tool_choice": mapped("checked against the tools, then passed in chat's form"),
    "text": mapped("format becomes response_format, verbosity is passed", _text),
    "reasoning": mapped(
        "effort becomes reasoning_effort; summary: auto says where visible reasoning is to stand", _reasoning
    ),
    "max_output_tokens": mapped("becomes max_completion_tokens", TOKENS),
    "include": mapped(f"{LOGPROBS} becomes logprobs; {_ENCRYPTED} is given in any case, where there is any", _include),
    "store": mapped(
        "false, as if not given: no response is kept to be read again",
        _only(value=False, must="be false: no response is kept here, so send the whole conversation in input"),
    ),
    "background": mapped(
        "false, as if not given: an answer is given at once or not at all",
        _only(value=False, must="be false: an answer is given at once or not at all; use stream"),
    ),
    "truncation": mapped(
        "disabled, as if not given: nothing is left out of a prompt in silence",
        _only("disabled", must="be disabled: the gateway leaves nothing out of a prompt; shorten input yourself"),
    ),
    "temperature": passed(number(0, 2), "sampling"),
    "top_p": passed(number(0, 1), "sampling"),
    "top_logprobs": passed(integer(0, 20), f"says more of the same answer; goes with include: {LOGPROBS}"),
    "parallel_tool_calls": passed(boolean, "constrains the answer"),
    "metadata": passed(metadata, "labels for the provider's records; never part of the prompt"),
    "user": passed(LABEL, "names the end user to the provider"),
    "safety_identifier": passed(LABEL, "names the end user to the provider"),
    "prompt_cache_key": passed(LABEL, "routing to a warm cache"),
    "prompt_cache_options": passed(cache_options, "caching by prefix"),
    "prompt_cache_retention": passed(RETENTION, "caching by prefix"),
    "service_tier": passed(TIER, "speed and price"),
    "previous_response_id": refused(
        "no response is kept here; send the whole conversation in input", ContentByReference
    ),
    "conversation": refused("no conversation is kept here; send the whole of it in input", ContentByReference),
    "prompt": refused(
        "its text stands at the provider, where the gateway cannot see it; send it in instructions and input",
        ContentByReference,
    ),
    "context_management": refused(
        "the provider would replace turns by what the gateway cannot see; shorten input yourself"
    ),
    "max_tool_calls": refused("it counts calls of tools that the provider runs, which there are none of; leave it out"),
    "moderation": refused("chat completions answer it in another form; leave it to a policy of the gateway's"),
    "data": mapped("Splitgate's own: data segments, placed after the last user message"),
    "min_isolation": mapped("Splitgate's own: the floor of this request"),
    "subject": mapped("Splitgate's own: the person whom the request is about, for the audit alone"),
}

# What an application that comes from chat completions has to write instead.
_INSTEAD: Final[Mapping[str, str]] = {
    "messages": "input",
    "max_tokens": "max_output_tokens",
    "max_completion_tokens": "max_output_tokens",
    "response_format": "text.format",
    "reasoning_effort": "reasoning.effort",
    "verbosity": "text.verbosity",
    "logprobs": f"{LOGPROBS} in include",
    "functions": "tools",
    "function_call": "tool_choice",
}


def refuse_chat_fields(body: JsonObject) -> None:
    """Refuse what is a field of chat completions alone, whatever a target takes: it would pass for a checked one.

    Raises:
        UnknownField: there is such a field.
    """
    for key in body:
        if key in CHAT and key not in FIELDS:
            instead = f"use {_INSTEAD[key]}" if key in _INSTEAD else "leave it out, or ask /v1/chat/completions"
            raise UnknownField(f"{key} is no field of the responses API: {instead}.", param=key)


def check_together(values: JsonObject) -> None:
    """Refuse fields that contradict each other."""
    if values.get("top_logprobs") is not None and values.get("logprobs") is not True:
        raise wrong("top_logprobs", f"come with {LOGPROBS} in include")
