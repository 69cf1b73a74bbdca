"""What becomes of each field of an OpenAI chat request?

One table, compared by a test with the official SDK's own types: a field that the SDK learns fails the test until it
stands here. ``_openai_fields.py`` says what the rows mean.
"""

from collections.abc import Mapping
from typing import Final

from gateway.dialects._checks import boolean, integer, items, members, name, number, one_of, record, stop, string, wrong
from gateway.dialects._fields import Field, mapped, passed, refused
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
from gateway.domain.errors import ContentByReference
from gateway.domain.jsonvalue import JsonValue


def _logit_bias(value: JsonValue, path: str) -> JsonValue:
    for token, bias in members(value, path).items():
        if not (token.isascii() and token.isdigit() and len(token) <= 10):
            raise wrong(path, "have token ids as keys")
        _BIAS(bias, f"{path}.{token}")
    return value


def _modalities(value: JsonValue, path: str) -> JsonValue:
    if value == ["text"]:
        return value
    raise wrong(path, 'be ["text"]: the gateway cannot inspect spoken answers')


def _prediction(value: JsonValue, path: str) -> JsonValue:
    found = record(value, path, ("type", "content"))
    _PREDICTION_TYPE(found.get("type"), f"{path}.type")
    content = found.get("content")
    if not isinstance(content, str):
        for index, part in enumerate(items(content, f"{path}.content")):
            where = f"{path}.content[{index}]"
            inner = record(part, where, ("type", "text"))
            _TEXT_TYPE(inner.get("type"), f"{where}.type")
            string(inner.get("text"), f"{where}.text")
    return found


def _response_format(value: JsonValue, path: str) -> JsonValue:
    kind = FORMAT_TYPE(members(value, path).get("type"), f"{path}.type")
    if kind == "json_schema":
        json_schema(record(value, path, ("type", "json_schema")).get("json_schema"), f"{path}.json_schema")
    else:
        record(value, path, ("type",))
    return value


def _moderation(value: JsonValue, path: str) -> JsonValue:
    found = record(value, path, ("model", "policy"))
    name(found.get("model"), f"{path}.model")
    policy = found.get("policy")
    sides = {} if policy is None else record(policy, f"{path}.policy", ("input", "output"))
    for side, held in sides.items():
        where = f"{path}.policy.{side}"
        if held is not None:
            _MODERATION_MODE(record(held, where, ("mode",)).get("mode"), f"{where}.mode")
    return found


_BIAS: Final = number(-100, 100)
_TEXT_TYPE: Final = one_of("text")
_PREDICTION_TYPE: Final = one_of("content")
_MODERATION_MODE: Final = one_of("score", "block")
_PENALTY: Final = number(-2, 2)

FIELDS: Final[Mapping[str, Field]] = {
    "messages": mapped("the turns"),
    "model": mapped("the name in the configuration; the upstream's own name goes upstream"),
    "stream": mapped("whether the reply is written as events"),
    "stream_options": mapped("include_usage decides on the last chunk; the gateway pads no chunks"),
    "tools": mapped("function definitions"),
    "tool_choice": mapped("checked against the tools, then passed"),
    "temperature": passed(number(0, 2), "sampling"),
    "top_p": passed(number(0, 1), "sampling"),
    "frequency_penalty": passed(_PENALTY, "sampling"),
    "presence_penalty": passed(_PENALTY, "sampling"),
    "logit_bias": passed(_logit_bias, "sampling, by token id"),
    "seed": passed(integer(-(2**63), 2**63 - 1), "sampling"),
    "n": passed(integer(1, 128), "each choice is guarded on its own"),
    "max_tokens": passed(TOKENS, "length"),
    "max_completion_tokens": passed(TOKENS, "length"),
    "stop": passed(stop, "length"),
    "logprobs": passed(boolean, "says more of the same answer"),
    "top_logprobs": passed(integer(0, 20), "says more of the same answer"),
    "response_format": passed(_response_format, "constrains the answer; see the rule for schemas in formats.md"),
    "parallel_tool_calls": passed(boolean, "constrains the answer"),
    "reasoning_effort": passed(EFFORT, "effort"),
    "verbosity": passed(VERBOSITY, "length in words"),
    "modalities": passed(_modalities, "text alone can be inspected"),
    "prediction": passed(_prediction, "a guess at the answer: the model checks it against its own, it steers nothing"),
    "metadata": passed(metadata, "labels for the provider's records; never part of the prompt"),
    "store": passed(
        boolean, "the provider's own records, on the operator's account; storing makes nothing readable here"
    ),
    "user": passed(LABEL, "names the end user to the provider"),
    "safety_identifier": passed(LABEL, "names the end user to the provider"),
    "prompt_cache_key": passed(LABEL, "routing to a warm cache"),
    "prompt_cache_options": passed(cache_options, "caching by prefix"),
    "prompt_cache_retention": passed(RETENTION, "caching by prefix"),
    "service_tier": passed(TIER, "speed and price"),
    "moderation": passed(_moderation, "a check on the provider's side, beside ours"),
    "audio": refused("the gateway cannot inspect spoken answers; leave audio and modalities out"),
    "functions": refused("it is deprecated, and answers to it have another shape; use tools"),
    "function_call": refused("it is deprecated, and answers to it have another shape; use tool_choice"),
    "web_search_options": refused(
        "the provider would put pages into the prompt that the gateway cannot see; search with a function of your own",
        ContentByReference,
    ),
    "data": mapped("Splitgate's own: data segments, placed after the last user message"),
    "min_isolation": mapped("Splitgate's own: the floor of this request"),
    "subject": mapped("Splitgate's own: the person whom the request is about, for the audit alone"),
}
