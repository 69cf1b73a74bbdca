"""Every field of the official SDK is classified, and checked as the SDK's own types describe it."""

import re
from typing import get_args, get_type_hints

import pytest
from openai.types.responses import response_create_params as sdk
from openai.types.responses.response_includable import ResponseIncludable
from openai.types.responses.response_text_config_param import ResponseTextConfigParam
from openai.types.shared_params.reasoning import Reasoning
from pydantic import TypeAdapter

from gateway.dialects import openai_chat, openai_responses
from gateway.dialects._fields import REFERENCES, Treatment
from gateway.dialects._openai_chat_fields import FIELDS as CHAT
from gateway.dialects._openai_responses_fields import FIELDS
from gateway.dialects.body import is_forbidden_field
from gateway.domain.errors import ContentByReference, InvalidField, RequestError, UnknownField
from gateway.domain.jsonvalue import JsonValue
from gateway.domain.request import ClientRequest

OWN = {"data", "min_isolation", "subject"}
HINTS = {**get_type_hints(sdk.ResponseCreateParamsNonStreaming), "stream": bool}

# Values at both sides of each border: the SDK's types must accept what we accept.
PASSED: dict[str, tuple[tuple[JsonValue, ...], tuple[JsonValue, ...]]] = {
    "temperature": ((0, 2, 0.7), (-0.1, 2.1, "1", True)),
    "top_p": ((0, 1, 0.5), (1.5, -1, "x")),
    "top_logprobs": ((0, 20), (21, -1, 1.5)),
    "parallel_tool_calls": ((True, False), (0, "no")),
    "metadata": (({}, {"run": "7"}), ({"a": 1}, {"api_base": "x"}, [])),
    "user": (("u", ""), (1, "x" * 513)),
    "safety_identifier": (("u",), (["u"],)),
    "prompt_cache_key": (("k",), ({},)),
    "prompt_cache_options": (({}, {"mode": "explicit", "ttl": "30m"}), ({"mode": "x"}, {"ttl": "1h"}, {"x": 1})),
    "prompt_cache_retention": (("in_memory", "24h"), ("1h",)),
    "service_tier": (("auto", "default", "flex", "scale", "priority", "fast"), ("slow",)),
}
# The fields that are read by themselves, and what becomes of their values under chat's names.
SCHEMA: JsonValue = {"name": "n", "description": "d", "strict": None, "schema": {"api_base": {}}}
MAPPED: dict[str, tuple[tuple[tuple[JsonValue, dict[str, JsonValue]], ...], tuple[JsonValue, ...]]] = {
    "max_output_tokens": (((1, {"max_completion_tokens": 1}),), (0, -1, 2**31, "9", True)),
    "text": (
        (
            ({}, {}),
            ({"format": {"type": "text"}}, {"response_format": {"type": "text"}}),
            ({"format": {"type": "json_object"}}, {"response_format": {"type": "json_object"}}),
            (
                {"format": {"type": "json_schema", **SCHEMA}, "verbosity": "low"},
                {"response_format": {"type": "json_schema", "json_schema": SCHEMA}, "verbosity": "low"},
            ),
            ({"verbosity": None}, {}),
        ),
        (
            "text",
            {"x": 1},
            {"verbosity": "loud"},
            {"format": "text"},
            {"format": {}},
            {"format": {"type": "xml"}},
            {"format": {"type": "text", "x": 1}},
            {"format": {"type": "json_schema"}},
            {"format": {"type": "json_schema", "json_schema": SCHEMA}},
            {"format": {"type": "json_schema", "name": "a b"}},
            {"format": {"type": "json_schema", "name": "n", "schema": []}},
            {"format": {"type": "json_schema", "name": "n", "api_base": "x"}},
        ),
    ),
    "reasoning": (
        (
            ({}, {}),
            ({"effort": "low", "summary": "auto"}, {"reasoning_effort": "low"}),
            ({"effort": None, "generate_summary": "auto", "context": "auto", "mode": "standard"}, {}),
        ),
        (
            "low",
            {"x": 1},
            {"effort": "most"},
            {"summary": "detailed"},
            {"summary": "concise"},
            {"generate_summary": "detailed"},
            {"context": "all_turns"},
            {"mode": "pro"},
        ),
    ),
    "include": (
        (
            ([], {}),
            (["reasoning.encrypted_content"], {}),
            (["message.output_text.logprobs"], {"logprobs": True}),
        ),
        ("reasoning.encrypted_content", {}, ["web_search_call.results"], [1]),
    ),
    "store": (((False, {}),), (True, 0, "false")),
    "background": (((False, {}),), (True, "no")),
    "truncation": ((("disabled", {}),), ("auto", "x")),
}
# Those that are read in other tests.
ELSEWHERE = {"input", "instructions", "model", "stream", "stream_options", "tools", "tool_choice", *OWN}


def ask(name: str, value: JsonValue, **more: JsonValue) -> ClientRequest:
    body: dict[str, JsonValue] = {"model": "m", "input": "x", **more, name: value}
    if name == "top_logprobs":
        body["include"] = ["message.output_text.logprobs"]
    return openai_responses.read(body)


def test_every_field_of_the_sdk_is_classified_and_no_other() -> None:
    assert set(FIELDS) == set(HINTS) | OWN


def test_every_field_has_examples() -> None:
    assert set(PASSED) == {name for name, field in FIELDS.items() if field.treatment is Treatment.PASSED}
    assert set(MAPPED) | ELSEWHERE == {name for name, field in FIELDS.items() if field.treatment is Treatment.MAPPED}


def test_what_is_passed_is_passed_by_chat_too() -> None:
    assert {name for name in PASSED if CHAT[name].treatment is not Treatment.PASSED} == set()


def test_the_names_that_configuration_may_not_pass_on_are_refused() -> None:
    for name in FIELDS:
        if is_forbidden_field(name) or name in REFERENCES:
            assert FIELDS[name].treatment is Treatment.REFUSED


def test_every_row_says_why() -> None:
    assert all(field.why for field in FIELDS.values())


@pytest.mark.rows
@pytest.mark.parametrize(("name", "value"), [(name, value) for name, (good, _) in PASSED.items() for value in good])
def test_passed_values_go_on_unchanged_and_are_the_sdks(name: str, value: JsonValue) -> None:
    assert ask(name, value).options.values[name] == value
    TypeAdapter[object](HINTS[name]).validate_python(value, strict=True)


@pytest.mark.rows
@pytest.mark.parametrize(
    ("name", "value", "becomes"), [(name, *pair) for name, (good, _) in MAPPED.items() for pair in good]
)
def test_mapped_values_become_chats_and_are_the_sdks(
    name: str, value: JsonValue, becomes: dict[str, JsonValue]
) -> None:
    options = ask(name, value).options
    assert options.values == becomes
    assert options.extra == {}
    TypeAdapter[object](HINTS[name]).validate_python(value)
    chat: dict[str, JsonValue] = {"model": "m", "messages": [{"role": "user", "content": "x"}], **becomes}
    assert openai_chat.read(chat).options.values == becomes


WRONG = [(name, value) for table in (PASSED, MAPPED) for name, (_, bad) in table.items() for value in bad]


@pytest.mark.rows
@pytest.mark.parametrize(("name", "value"), WRONG)
def test_wrong_values_are_refused_by_their_path(name: str, value: JsonValue) -> None:
    with pytest.raises(RequestError) as caught:
        ask(name, value)
    assert re.split(r"[.\[]", caught.value.param or "")[0] == name


@pytest.mark.rows
@pytest.mark.parametrize("name", sorted(FIELDS.keys() - {"model", "input"}))
def test_null_means_not_set(name: str) -> None:
    request = ask(name, None)
    assert request.options.values.keys() <= {"logprobs"}
    assert not request.options.extra
    assert name not in request.echo


REFUSED = sorted(name for name, field in FIELDS.items() if field.treatment is Treatment.REFUSED)
KEPT_ELSEWHERE = {"previous_response_id", "conversation", "prompt"}


@pytest.mark.rows
@pytest.mark.parametrize("name", REFUSED)
def test_refused_fields_say_what_to_do_instead(name: str) -> None:
    expected = ContentByReference if name in KEPT_ELSEWHERE else InvalidField
    with pytest.raises(expected, match=f"^{name} is not supported: ") as caught:
        ask(name, "x")
    assert caught.value.param == name


@pytest.mark.rows
@pytest.mark.parametrize("name", sorted(CHAT.keys() - FIELDS.keys()))
def test_fields_of_chat_are_refused_whatever_a_target_takes(name: str) -> None:
    with pytest.raises(UnknownField, match=f"^{name} is no field of the responses API: ") as caught:
        ask(name, "x")
    assert caught.value.param == name


def test_an_application_that_comes_from_chat_is_told_the_other_name() -> None:
    for name, instead in (("messages", "use input"), ("max_tokens", "use max_output_tokens"), ("seed", "leave it out")):
        with pytest.raises(UnknownField, match=instead):
            ask(name, 1)


def test_logprobs_belong_together() -> None:
    with pytest.raises(InvalidField, match="in include"):
        openai_responses.read({"model": "m", "input": "x", "top_logprobs": 3})
    assert ask("top_logprobs", 3).options.values == {"top_logprobs": 3, "logprobs": True}


@pytest.mark.rows
@pytest.mark.parametrize("word", get_args(ResponseIncludable))
def test_every_word_of_include_is_taken_or_refused(word: str) -> None:
    if word in {"reasoning.encrypted_content", "message.output_text.logprobs"}:
        assert ask("include", [word])
    else:
        with pytest.raises(InvalidField, match="be one of") as caught:
            ask("include", [word])
        assert caught.value.param == "include[0]"


@pytest.mark.parametrize(("name", "hint"), [("reasoning", Reasoning), ("text", ResponseTextConfigParam)])
def test_every_key_within_a_field_is_known(name: str, hint: type) -> None:
    for key in get_type_hints(hint):
        with pytest.raises(InvalidField) as caught:
            ask(name, {key: 7})
        assert (caught.value.param or "").startswith(f"{name}.{key}")
