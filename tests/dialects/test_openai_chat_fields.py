"""Every field of the official SDK is classified, and checked as the SDK's own types describe it."""

import re
from typing import Literal, Union, get_args, get_origin, get_type_hints

import pytest
from openai.types.chat import completion_create_params as sdk
from pydantic import TypeAdapter, ValidationError

from gateway.dialects import openai_chat
from gateway.dialects._fields import REFERENCES, Treatment
from gateway.dialects._openai_chat_fields import FIELDS
from gateway.dialects.body import is_forbidden_field
from gateway.domain.errors import ContentByReference, InvalidField, RequestError
from gateway.domain.jsonvalue import JsonValue
from gateway.domain.request import ClientRequest

OWN = {"data", "min_isolation", "subject"}
HINTS = {
    **get_type_hints(sdk.CompletionCreateParamsNonStreaming),
    "stream": bool,
}

# Values at both sides of each passed field's border: the SDK's types must accept what we accept.
EXAMPLES: dict[str, tuple[tuple[JsonValue, ...], tuple[JsonValue, ...]]] = {
    "temperature": ((0, 2, 0.7, 1e-9), (-0.1, 2.1, "1", True, [])),
    "top_p": ((0, 1, 0.5), (1.5, -1, "x")),
    "frequency_penalty": ((-2, 2.0), (2.5, "0")),
    "presence_penalty": ((-2, 2.0), (-2.5, {})),
    "logit_bias": (
        ({}, {"0": -100, "50256": 100}),
        ({"x": 1}, {"1": 101}, {"1": "1"}, {"": 1}, {"²": 1}, [], {"1": None}),
    ),
    "seed": ((0, -(2**63), 2**63 - 1), (1.5, 2**63, "1", False)),
    "n": ((1, 128), (0, 129, 1.0, True)),
    "max_tokens": ((1, 100_000), (0, -1, 2**31, "9")),
    "max_completion_tokens": ((1, 100_000), (0, 1.5)),
    "stop": (("x", ["a", "b"]), ("", [], [""], [1], 7, ["x"] * 17)),
    "logprobs": ((True, False), (1, "true")),
    "top_logprobs": ((0, 20), (21, -1, 1.5)),
    "response_format": (
        (
            {"type": "text"},
            {"type": "json_object"},
            {"type": "json_schema", "json_schema": {"name": "n"}},
            {
                "type": "json_schema",
                "json_schema": {"name": "n", "description": "d", "strict": None, "schema": {"api_base": {}}},
            },
        ),
        (
            "text",
            {},
            {"type": "xml"},
            {"type": "text", "x": 1},
            {"type": "json_schema"},
            {"type": "json_schema", "json_schema": {"schema": {}}},
            {"type": "json_schema", "json_schema": {"name": "a b"}},
            {"type": "json_schema", "json_schema": {"name": "n", "schema": []}},
            {"type": "json_schema", "json_schema": {"name": "n", "strict": "yes"}},
            {"type": "json_schema", "json_schema": {"name": "n", "api_base": "x"}},
        ),
    ),
    "parallel_tool_calls": ((True, False), (0, "no")),
    "reasoning_effort": (("none", "minimal", "low", "medium", "high", "xhigh", "max"), ("most", 1)),
    "verbosity": (("low", "medium", "high"), ("loud",)),
    "modalities": ((["text"],), (["audio"], ["text", "audio"], [], "text")),
    "prediction": (
        ({"type": "content", "content": "x"}, {"type": "content", "content": [{"type": "text", "text": "x"}]}),
        (
            "x",
            {"content": "x"},
            {"type": "content"},
            {"type": "content", "content": [{"type": "image_url"}]},
            {"type": "content", "content": [{"type": "text", "text": 1}]},
            {"type": "content", "content": [{"type": "text", "text": "x", "api_key": "k"}]},
        ),
    ),
    "metadata": (
        ({}, {"run": "7", "documents": "3", "project_id": "p"}),
        ({"a": 1}, {"x" * 65: ""}, {"a": "x" * 513}, {str(i): "" for i in range(17)}, {"api_base": "x"}, []),
    ),
    "store": ((True, False), ("true",)),
    "user": (("u", ""), (1, "x" * 513)),
    "safety_identifier": (("u",), (["u"],)),
    "prompt_cache_key": (("k",), ({},)),
    "prompt_cache_options": (({}, {"mode": "explicit", "ttl": "30m"}), ({"mode": "x"}, {"ttl": "1h"}, {"x": 1}, "30m")),
    "prompt_cache_retention": (("in_memory", "24h"), ("1h",)),
    "service_tier": (("auto", "default", "flex", "scale", "priority", "fast"), ("slow",)),
    "moderation": (
        (
            {"model": "omni-moderation-latest"},
            {"model": "m", "policy": None},
            {"model": "m", "policy": {"input": {"mode": "score"}, "output": None}},
        ),
        (
            {},
            {"model": 1},
            {"model": "m", "policy": {"input": {"mode": "off"}}},
            {"model": "m", "policy": {"x": None}},
            {"model": "m", "policy": []},
            {"model": "m", "base_url": "x"},
        ),
    ),
}
ACCEPTED = [(name, value) for name, (good, _) in EXAMPLES.items() for value in good]
REFUSED = [(name, value) for name, (_, bad) in EXAMPLES.items() for value in bad]


def ask(name: str, value: JsonValue) -> ClientRequest:
    body: dict[str, JsonValue] = {"model": "m", "messages": [{"role": "user", "content": "x"}], name: value}
    if name == "top_logprobs":
        body["logprobs"] = True
    return openai_chat.read(body)


def words(hint: object) -> set[str]:
    """The literal words in a type."""
    if get_origin(hint) is Literal:
        return set(get_args(hint))
    return {word for inner in get_args(hint) for word in words(inner)} if get_origin(hint) in {Union, list} else set()


def test_every_field_of_the_sdk_is_classified_and_no_other() -> None:
    assert set(FIELDS) == set(HINTS) | OWN


def test_every_passed_field_has_examples() -> None:
    assert set(EXAMPLES) == {name for name, field in FIELDS.items() if field.treatment is Treatment.PASSED}


def test_no_classified_field_is_also_forbidden_or_a_reference() -> None:
    assert not [name for name in FIELDS if is_forbidden_field(name)]
    assert not REFERENCES & set(FIELDS)


def test_every_row_says_why() -> None:
    assert all(field.why for field in FIELDS.values())


@pytest.mark.rows
@pytest.mark.parametrize(("name", "value"), ACCEPTED)
def test_accepted_values_go_on_unchanged_and_are_the_sdks(name: str, value: JsonValue) -> None:
    assert ask(name, value).options.values[name] == value
    TypeAdapter[object](HINTS[name]).validate_python(value, strict=name != "logit_bias")


@pytest.mark.rows
@pytest.mark.parametrize(("name", "value"), REFUSED)
def test_wrong_values_are_refused_by_their_path(name: str, value: JsonValue) -> None:
    with pytest.raises(RequestError) as caught:
        ask(name, value)
    assert re.split(r"[.\[]", caught.value.param or "")[0] == name


@pytest.mark.rows
@pytest.mark.parametrize("name", sorted(name for name in EXAMPLES if words(HINTS[name])))
def test_every_word_that_the_sdk_knows_is_accepted(name: str) -> None:
    if name != "modalities":
        for word in words(HINTS[name]):
            assert ask(name, word).options.values[name] == word


@pytest.mark.rows
@pytest.mark.parametrize("name", sorted(FIELDS.keys() - {"model", "messages"}))
def test_null_means_not_set(name: str) -> None:
    request = ask(name, None)
    assert name not in request.options.values
    assert not request.options.extra


@pytest.mark.rows
@pytest.mark.parametrize("name", sorted(n for n, f in FIELDS.items() if f.treatment is Treatment.REFUSED))
def test_refused_fields_say_what_to_do_instead(name: str) -> None:
    expected = ContentByReference if name == "web_search_options" else InvalidField
    with pytest.raises(expected, match=f"^{name} is not supported: ") as caught:
        ask(name, {})
    assert caught.value.param == name


@pytest.mark.rows
@pytest.mark.parametrize("name", sorted(REFERENCES))
def test_other_vendors_references_are_refused_whatever_a_target_passes_on(name: str) -> None:
    with pytest.raises(ContentByReference):
        ask(name, "x")


def test_logprobs_belong_together() -> None:
    body: dict[str, JsonValue] = {"model": "m", "messages": [{"role": "user", "content": "x"}], "top_logprobs": 3}
    with pytest.raises(InvalidField, match="logprobs set to true"):
        openai_chat.read(body)
    assert openai_chat.read({**body, "logprobs": True}).options.values["top_logprobs"] == 3


def test_the_sdks_types_tell_a_wrong_value() -> None:
    with pytest.raises(ValidationError):
        TypeAdapter[object](HINTS["temperature"]).validate_python("warm", strict=True)
