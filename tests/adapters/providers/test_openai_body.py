from collections.abc import Callable
from copy import deepcopy
from types import MappingProxyType

import orjson
import pytest

from adapters.providers._openai_body import serialise_body
from adapters.registry import provider_entry
from gateway.domain.errors import InvalidField, NotSayable
from gateway.domain.jsonvalue import JsonObject, JsonValue
from gateway.domain.ports import Call
from gateway.domain.request import Options
from gateway.domain.target import Endpoint

MakeCall = Callable[..., Call]
MESSAGES: JsonObject = {"messages": [{"role": "user", "content": "hello"}]}


def body_of(call: Call) -> JsonValue:
    body: JsonValue = orjson.loads(serialise_body(call))
    return body


def test_a_chat_body_holds_model_layout_and_options(make_call: MakeCall) -> None:
    call = make_call(values={"temperature": 0, "n": 2, "response_format": {"type": "json_object"}})
    assert body_of(call) == {
        "model": "upstream-name",
        "temperature": 0,
        "n": 2,
        "response_format": {"type": "json_object"},
        **MESSAGES,
    }


def test_a_streamed_call_always_asks_for_usage(make_call: MakeCall) -> None:
    assert body_of(make_call(stream=True)) == {
        "model": "upstream-name",
        **MESSAGES,
        "stream": True,
        "stream_options": {"include_usage": True},
    }


def test_nothing_given_is_changed(make_call: MakeCall) -> None:
    body: dict[str, JsonValue] = {"messages": [{"role": "user", "content": "hello"}]}
    values: dict[str, JsonValue] = {"stop": ["a"]}
    extra: dict[str, JsonValue] = {"top_k": 4}
    before = deepcopy((body, values, extra))
    call = make_call(body=body, values=values, extra=extra, extra_params=frozenset({"top_k"}), stream=True)
    assert serialise_body(call) == serialise_body(call)
    assert (body, values, extra) == before


def test_the_layout_wins_over_options_and_extra(make_call: MakeCall) -> None:
    call = make_call(
        body={**MESSAGES, "tools": []},
        values={"tools": "mine", "top_k": 1},
        extra={"top_k": 9, "tools": "hers"},
        extra_params=frozenset({"top_k", "tools"}),
    )
    assert body_of(call) == {"model": "upstream-name", **MESSAGES, "tools": [], "top_k": 1}


def test_an_extra_field_passes_where_the_target_takes_it(make_call: MakeCall) -> None:
    call = make_call(extra={"top_k": 40}, extra_params=frozenset({"top_k"}))
    assert body_of(call) == {"model": "upstream-name", "top_k": 40, **MESSAGES}


def test_an_extra_field_that_the_target_does_not_take_is_named(make_call: MakeCall) -> None:
    with pytest.raises(NotSayable, match="top_k") as caught:
        serialise_body(make_call(extra={"top_k": 40}, extra_params=frozenset({"min_p"})))
    assert caught.value.param == "top_k"


@pytest.mark.rows
@pytest.mark.parametrize("name", ["model", "messages", "prompt", "stream", "stream_options"])
def test_no_configuration_lets_an_extra_field_replace_our_own(make_call: MakeCall, name: str) -> None:
    with pytest.raises(NotSayable, match=name):
        serialise_body(make_call(extra={name: "x"}, extra_params=frozenset({name})))


def test_a_completions_body_uses_that_endpoints_names(make_call: MakeCall) -> None:
    call = make_call(
        endpoint=Endpoint.COMPLETIONS,
        body={"prompt": "text"},
        values={"max_completion_tokens": 9, "stop": ["x"], "logprobs": True, "top_logprobs": 3, "seed": 1},
    )
    assert body_of(call) == {
        "model": "upstream-name",
        "prompt": "text",
        "max_tokens": 9,
        "stop": ["x"],
        "logprobs": 3,
        "seed": 1,
    }


@pytest.mark.rows
@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"max_tokens": 4}, {"max_tokens": 4}),
        ({"logprobs": True}, {"logprobs": 0}),
        ({"logprobs": False}, {}),
        ({"top_p": 0.5, "n": 2, "user": "u"}, {"top_p": 0.5, "n": 2, "user": "u"}),
    ],
)
def test_completions_options_map(make_call: MakeCall, values: JsonObject, expected: JsonObject) -> None:
    call = make_call(endpoint=Endpoint.COMPLETIONS, body={"prompt": "p"}, values=values)
    assert body_of(call) == {"model": "upstream-name", "prompt": "p", **expected}


@pytest.mark.rows
@pytest.mark.parametrize("name", ["response_format", "tool_choice", "reasoning_effort"])
def test_what_completions_cannot_say_is_named(make_call: MakeCall, name: str) -> None:
    call = make_call(endpoint=Endpoint.COMPLETIONS, body={"prompt": "p"}, values={name: {}})
    with pytest.raises(NotSayable, match=name) as caught:
        serialise_body(call)
    assert caught.value.param == name


def test_what_completions_cannot_say_is_refused_before_anything_is_sent(make_call: MakeCall) -> None:
    chat, text = (make_call(endpoint=one, values={"seed": 1}) for one in (Endpoint.CHAT, Endpoint.COMPLETIONS))
    unsayable = Options(values={"tool_choice": "auto"})
    for name in ("openai_compatible", "azure", "embedded"):
        refuse = provider_entry(name).refuse_unsayable
        refuse(chat.target, chat.layout, unsayable)
        refuse(text.target, text.layout, text.options)
        with pytest.raises(NotSayable) as caught:
            refuse(text.target, text.layout, unsayable)
        assert caught.value.param == "tool_choice"


def test_mappings_of_any_kind_are_written(make_call: MakeCall) -> None:
    call = make_call(body={"messages": (MappingProxyType({"role": "user", "content": "hi"}),)})
    assert body_of(call) == {"model": "upstream-name", "messages": [{"role": "user", "content": "hi"}]}


@pytest.mark.parametrize(("content", "why"), [("private \ud800", "valid Unicode"), (2**70, "out of range")])
def test_what_json_cannot_carry_is_refused_and_not_quoted(make_call: MakeCall, content: JsonValue, why: str) -> None:
    with pytest.raises(InvalidField, match=why) as caught:
        serialise_body(make_call(body={"messages": [{"role": "user", "content": content}]}))
    assert "private" not in str(caught.value)
    assert caught.value.__cause__ is None
