"""Every field of the official SDK is classified, beta ones too, and checked as the SDK's own types describe it."""

import re
from typing import Literal, Union, get_args, get_origin, get_type_hints

import pytest
from anthropic.types import MessageCountTokensParams
from anthropic.types import message_create_params as sdk
from anthropic.types.beta import MessageCountTokensParams as BetaCountTokensParams
from anthropic.types.beta import message_create_params as beta
from pydantic import TypeAdapter, ValidationError

from gateway.dialects import anthropic_messages
from gateway.dialects._anthropic_messages_fields import COUNTED, FIELDS, VENDORS, cache_life
from gateway.dialects._fields import Treatment
from gateway.domain.errors import ContentByReference, ForbiddenField, InvalidField, RequestError, UnknownField
from gateway.domain.jsonvalue import JsonValue
from gateway.domain.request import ClientRequest

OWN = {"data", "min_isolation", "subject"}
# What the SDK's newest types know no more, though its older ones and many models do.
OLD = {"temperature", "top_p", "top_k"}
HINTS = {**get_type_hints(beta.MessageCreateParamsBase), **get_type_hints(sdk.MessageCreateParamsBase)}
COUNT_HINTS = get_type_hints(MessageCountTokensParams)

# Values at both sides of each passed field's border: the SDK's types must accept what we accept.
EXAMPLES: dict[str, tuple[tuple[JsonValue, ...], tuple[JsonValue, ...]]] = {
    "max_tokens": ((1, 100_000), (0, -1, 2**31, "9", 1.5, True)),
    "temperature": ((0, 1, 0.7), (-0.1, 1.1, "1", True)),
    "top_p": ((0, 1, 0.5), (1.5, -1, "x")),
    "top_k": ((0, 40), (-1, 1.5, "x")),
    "thinking": (
        (
            {"type": "enabled", "budget_tokens": 1024},
            {"type": "enabled", "budget_tokens": 9_000, "display": "omitted"},
            {"type": "adaptive"},
            {"type": "adaptive", "display": "summarized"},
            {"type": "disabled"},
            {"type": "between_tools"},
        ),
        (
            "enabled",
            {},
            {"type": "deep"},
            {"type": "enabled"},
            {"type": "enabled", "budget_tokens": 1023},
            {"type": "adaptive", "budget_tokens": 1024},
            {"type": "disabled", "display": "omitted"},
            {"type": "adaptive", "display": "all"},
            {"type": "adaptive", "api_base": "x"},
        ),
    ),
    "cache_control": (
        ({"type": "ephemeral"}, {"type": "ephemeral", "ttl": "5m"}, {"type": "ephemeral", "ttl": "1h"}),
        ({}, {"type": "forever"}, {"type": "ephemeral", "ttl": "2h"}, {"type": "ephemeral", "ttl": 1}, "ephemeral"),
    ),
    "speed": (("standard", "fast"), ("slow", 1)),
}
ACCEPTED = [(name, value) for name, (good, _) in EXAMPLES.items() for value in good]
REFUSED = [(name, value) for name, (_, bad) in EXAMPLES.items() for value in bad]


def ask(name: str, value: JsonValue) -> ClientRequest:
    messages: list[JsonValue] = [{"role": "user", "content": "x"}]
    return anthropic_messages.read({"model": "m", "max_tokens": 9, "messages": messages, name: value})


def count(**fields: JsonValue) -> ClientRequest:
    messages: list[JsonValue] = [{"role": "user", "content": "x"}]
    return anthropic_messages.read_count({"model": "m", "messages": messages, **fields})


def words(hint: object) -> set[str]:
    """The literal words in a type."""
    if get_origin(hint) is Literal:
        return set(get_args(hint))
    return {word for inner in get_args(hint) for word in words(inner)} if get_origin(hint) is Union else set()


def test_every_field_of_the_sdk_is_classified_and_no_other() -> None:
    assert set(FIELDS) == set(HINTS) | OWN | OLD | {"stream"}


def test_what_a_count_knows_is_what_the_sdk_counts_and_is_not_refused() -> None:
    known = {*COUNT_HINTS, *get_type_hints(BetaCountTokensParams)}
    assert {name for name in known if FIELDS[name].treatment is not Treatment.REFUSED} | OWN == COUNTED


def test_every_passed_field_has_examples() -> None:
    assert set(EXAMPLES) == {name for name, field in FIELDS.items() if field.treatment is Treatment.PASSED}


def test_every_row_says_why() -> None:
    assert all(field.why for field in FIELDS.values())


@pytest.mark.rows
@pytest.mark.parametrize(("name", "value"), ACCEPTED)
def test_accepted_values_go_on_unchanged_and_are_the_sdks(name: str, value: JsonValue) -> None:
    options = ask(name, value).options
    assert (options.extra if name in VENDORS else options.values)[name] == value
    if name not in OLD:
        TypeAdapter[object](HINTS[name]).validate_python(value, strict=True)


@pytest.mark.rows
@pytest.mark.parametrize(("name", "value"), REFUSED)
def test_wrong_values_are_refused_by_their_path(name: str, value: JsonValue) -> None:
    with pytest.raises(RequestError) as caught:
        ask(name, value)
    assert re.split(r"[.\[]", caught.value.param or "")[0] == name


@pytest.mark.parametrize("name", sorted(name for name in EXAMPLES if name in HINTS and words(HINTS[name])))
def test_every_word_that_the_sdk_knows_is_accepted(name: str) -> None:
    for word in words(HINTS[name]):
        assert ask(name, word).options.extra[name] == word


@pytest.mark.rows
@pytest.mark.parametrize("name", sorted(FIELDS.keys() - {"model", "messages", "max_tokens"}))
def test_null_means_not_set(name: str) -> None:
    request = ask(name, None)
    assert request.options.values == {"max_tokens": 9}
    assert not request.options.extra


REASONS = {
    "container": ContentByReference, "mcp_servers": ContentByReference, "thread": ContentByReference,
    "context_management": InvalidField, "compaction": InvalidField, "diagnostics": InvalidField, "betas": InvalidField,
    "inference_geo": ForbiddenField, "fallbacks": ForbiddenField, "billing_policy": ForbiddenField,
    "fallback_credit_token": ForbiddenField, "user_profile_id": ForbiddenField, "workspace_id": ForbiddenField,
}  # fmt: skip


@pytest.mark.rows
@pytest.mark.parametrize("name", sorted(n for n, f in FIELDS.items() if f.treatment is Treatment.REFUSED))
def test_refused_fields_say_what_to_do_instead(name: str) -> None:
    with pytest.raises(REASONS[name], match=f"^{name} is not supported: ") as caught:
        ask(name, {})
    assert caught.value.param == name
    with pytest.raises(REASONS[name]):
        count(**{name: "x"})


@pytest.mark.rows
@pytest.mark.parametrize("name", sorted(FIELDS.keys() - COUNTED - REASONS.keys()))
def test_a_count_says_nothing_of_the_answer(name: str) -> None:
    with pytest.raises(UnknownField) as caught:
        count(**{name: 1})
    assert caught.value.param == name
    assert count(**{name: None}).options.values == {}


def test_a_count_may_say_how_the_model_thinks() -> None:
    options = count(thinking={"type": "adaptive"}, output_config={"effort": "low"}).options
    assert (options.extra, options.values) == ({"thinking": {"type": "adaptive"}}, {"reasoning_effort": "low"})
    assert not options.stream


@pytest.mark.rows
@pytest.mark.parametrize(
    ("value", "life"),
    [(None, None), ({"type": "ephemeral"}, "5m"), ({"type": "ephemeral", "ttl": "1h"}, "1h")],
)
def test_a_cache_mark_says_for_how_long(value: JsonValue, life: str | None) -> None:
    assert cache_life(value, "x") == life


def test_the_sdks_types_tell_a_wrong_value() -> None:
    with pytest.raises(ValidationError):
        TypeAdapter[object](HINTS["speed"]).validate_python("warp", strict=True)
