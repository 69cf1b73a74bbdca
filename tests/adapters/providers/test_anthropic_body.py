from collections.abc import Callable
from typing import Any

import orjson
import pytest

from adapters.providers._anthropic_body import TAKES, serialise_body
from gateway.domain.errors import InvalidField, NotSayable
from gateway.domain.jsonvalue import JsonObject, JsonValue
from gateway.domain.ports import Call
from gateway.domain.target import Endpoint

MakeCall = Callable[..., Call]
Json = dict[str, Any]
Written = Callable[..., Json]

USER: JsonObject = {"role": "user", "content": [{"type": "text", "text": "hi"}]}
CALLED: JsonObject = {"role": "assistant", "content": [{"type": "tool_use", "id": "a", "name": "f", "input": {}}]}
TOOLS: list[JsonValue] = [{"name": "f", "input_schema": {"type": "object"}}]


@pytest.fixture
def written(make_call: MakeCall) -> Written:
    """``written(values, extra, **layout)``: the parsed body, without the model and the messages."""

    def write(values: JsonObject | None = None, extra: JsonObject | None = None, **layout: JsonValue) -> Json:
        call = make_call(
            endpoint=Endpoint.MESSAGES,
            body={"messages": [USER], "max_tokens": 4096, **layout},
            values=values,
            extra=extra,
            extra_params=TAKES | {"context_management"},
        )
        body: Json = orjson.loads(serialise_body(call))
        assert body.pop("model") == "upstream-name"
        body.pop("messages")
        return body

    return write


@pytest.mark.rows
@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({}, {}),
        ({"max_tokens": 7}, {"max_tokens": 7}),
        ({"max_completion_tokens": 8}, {"max_tokens": 8}),
        ({"max_tokens": 7, "max_completion_tokens": 8}, {"max_tokens": 8}),
        ({"temperature": 1, "top_p": 0.5}, {"temperature": 1, "top_p": 0.5}),
        ({"temperature": 0}, {"temperature": 0}),
        ({"stop": "x"}, {"stop_sequences": ["x"]}),
        ({"stop": ["x", "y"]}, {"stop_sequences": ["x", "y"]}),
        ({"reasoning_effort": "xhigh"}, {"output_config": {"effort": "xhigh"}}),
        ({"user": "u"}, {"metadata": {"user_id": "u"}}),
        ({"safety_identifier": "u", "user": "u"}, {"metadata": {"user_id": "u"}}),
        ({"metadata": {"user_id": "u"}, "user": "u"}, {"metadata": {"user_id": "u"}}),
        ({"service_tier": "auto"}, {"service_tier": "auto"}),
        ({"service_tier": "default"}, {"service_tier": "standard_only"}),
        ({"service_tier": "standard_only"}, {"service_tier": "standard_only"}),
    ],
)
def test_options_leave_under_the_apis_names(written: Written, values: JsonObject, said: Json) -> None:
    assert written(values) == {"max_tokens": 4096, **said}


def test_a_schema_for_the_answer_is_part_of_its_configuration(written: Written) -> None:
    schema = {"type": "object", "properties": {"a": {"type": "string"}}}
    asked: JsonObject = {"type": "json_schema", "json_schema": {"name": "n", "schema": schema, "strict": True}}
    config = {"effort": "low", "format": {"type": "json_schema", "schema": schema}}
    body = written({"response_format": asked, "reasoning_effort": "low"})
    assert body["output_config"] == config
    described: JsonObject = {"type": "json_schema", "json_schema": {"name": "n", "schema": schema, "description": "d"}}
    format_ = written({"response_format": described})["output_config"]["format"]
    assert format_ == {"type": "json_schema", "schema": {"description": "d", **schema}}


@pytest.mark.rows
@pytest.mark.parametrize(
    "values",
    [
        {"n": 1},
        {"frequency_penalty": 0},
        {"presence_penalty": 0.0},
        {"logit_bias": {}},
        {"logprobs": False},
        {"store": False},
        {"metadata": {}},
        {"modalities": ["text"]},
        {"response_format": {"type": "text"}},
        {"tool_choice": "none"},
        {"tool_choice": "auto", "parallel_tool_calls": False},
    ],
)
def test_what_happens_anyway_needs_no_words(written: Written, values: JsonObject) -> None:
    assert written(values) == {"max_tokens": 4096}


@pytest.mark.rows
@pytest.mark.parametrize(
    ("values", "param"),
    [
        ({"n": 2}, "n"),
        ({"temperature": 1.1}, "temperature"),
        ({"seed": 1}, "seed"),
        ({"frequency_penalty": 0.1}, "frequency_penalty"),
        ({"presence_penalty": -1}, "presence_penalty"),
        ({"logit_bias": {"1": 1}}, "logit_bias"),
        ({"logprobs": True}, "logprobs"),
        ({"top_logprobs": 2}, "top_logprobs"),
        ({"store": True}, "store"),
        ({"metadata": {"a": "b"}}, "metadata"),
        ({"metadata": {"a": "b", "user_id": "u"}}, "metadata"),
        ({"user": "u", "safety_identifier": "v"}, "user"),
        ({"user": "u", "metadata": {"user_id": "v"}}, "user"),
        ({"prediction": {"type": "content", "content": "x"}}, "prediction"),
        ({"verbosity": "low"}, "verbosity"),
        ({"moderation": {"model": "m"}}, "moderation"),
        ({"prompt_cache_key": "k"}, "prompt_cache_key"),
        ({"prompt_cache_options": {"mode": "implicit"}}, "prompt_cache_options"),
        ({"prompt_cache_retention": "24h"}, "prompt_cache_retention"),
        ({"reasoning_effort": "none"}, "reasoning_effort"),
        ({"reasoning_effort": "minimal"}, "reasoning_effort"),
        ({"service_tier": "flex"}, "service_tier"),
        ({"response_format": {"type": "json_object"}}, "response_format"),
        ({"response_format": {"type": "json_schema", "json_schema": {"name": "n"}}}, "response_format"),
        (
            {
                "response_format": {
                    "type": "json_schema",
                    "json_schema": {"name": "n", "description": "d", "schema": {"description": "e"}},
                }
            },
            "response_format",
        ),
        ({"modalities": ["text", "audio"]}, "modalities"),
        ({"anything_new": 1}, "anything_new"),
    ],
)
def test_what_has_no_counterpart_is_refused_by_name(written: Written, values: JsonObject, param: str) -> None:
    with pytest.raises(NotSayable, match="cannot be said to Anthropic's Messages API") as caught:
        written(values)
    assert caught.value.param == param
    assert param.split("_", maxsplit=1)[0] in str(caught.value)


NAMED: JsonObject = {"type": "function", "function": {"name": "f"}}


@pytest.mark.rows
@pytest.mark.parametrize(
    ("values", "choice"),
    [
        ({}, None),
        ({"parallel_tool_calls": True}, None),
        ({"parallel_tool_calls": False}, {"type": "auto", "disable_parallel_tool_use": True}),
        ({"tool_choice": "auto"}, {"type": "auto"}),
        ({"tool_choice": "required"}, {"type": "any"}),
        ({"tool_choice": "none", "parallel_tool_calls": False}, {"type": "none"}),
        ({"tool_choice": NAMED}, {"type": "tool", "name": "f"}),
        (
            {"tool_choice": NAMED, "parallel_tool_calls": False},
            {"type": "tool", "name": "f", "disable_parallel_tool_use": True},
        ),
    ],
)
def test_which_tools_may_be_called_is_said_in_one_field(
    written: Written, values: JsonObject, choice: JsonValue
) -> None:
    body = written(values, tools=TOOLS)
    assert body.pop("tool_choice", None) == choice
    assert body == {"max_tokens": 4096, "tools": TOOLS}


def test_a_choice_among_some_of_the_tools_is_refused(written: Written) -> None:
    allowed: JsonObject = {"type": "allowed_tools", "allowed_tools": {"mode": "auto", "tools": [NAMED]}}
    with pytest.raises(NotSayable) as caught:
        written({"tool_choice": allowed}, tools=TOOLS)
    assert caught.value.param == "tool_choice"


def test_no_option_replaces_what_a_format_laid_out(written: Written) -> None:
    body = written({"tool_choice": "auto"}, tools=TOOLS, tool_choice={"type": "none"}, system=[])
    assert body["tool_choice"] == {"type": "none"}


@pytest.mark.rows
@pytest.mark.parametrize("own", ["system", "tools", "metadata", "output_config", "mcp_servers", "container", "stream"])
def test_no_extra_field_stands_in_the_place_of_one_of_the_apis(make_call: MakeCall, own: str) -> None:
    call = make_call(endpoint=Endpoint.MESSAGES, extra={own: "x"}, extra_params=frozenset({own}))
    with pytest.raises(NotSayable) as caught:
        serialise_body(call)
    assert caught.value.param == own


def test_extra_fields_pass_if_the_target_takes_them(written: Written, make_call: MakeCall) -> None:
    extra: JsonObject = {
        "top_k": 5,
        "cache_control": {"type": "ephemeral", "ttl": "1h"},
        "context_management": {"edits": []},
    }
    assert written({}, extra) == {"max_tokens": 4096, **extra}
    with pytest.raises(NotSayable) as caught:
        serialise_body(make_call(endpoint=Endpoint.MESSAGES, extra={"top_k": 5}))
    assert caught.value.param == "top_k"


@pytest.mark.rows
@pytest.mark.parametrize(
    ("extra", "param"),
    [
        ({"top_k": -1}, "top_k"),
        ({"top_k": True}, "top_k"),
        ({"top_k": "5"}, "top_k"),
        ({"cache_control": "ephemeral"}, "cache_control"),
        ({"cache_control": {"type": "persistent"}}, "cache_control"),
        ({"cache_control": {"type": "ephemeral", "ttl": "1d"}}, "cache_control"),
        ({"cache_control": {"type": "ephemeral", "scope": "x"}}, "cache_control"),
        ({"thinking": {"type": "deep"}}, "thinking.type"),
    ],
)
def test_the_vendors_own_fields_are_checked(written: Written, extra: JsonObject, param: str) -> None:
    with pytest.raises(InvalidField) as caught:
        written({}, extra)
    assert caught.value.param == param


def test_what_a_model_may_think_comes_on_top_of_a_length_that_nobody_gave(written: Written) -> None:
    thinking: JsonObject = {"thinking": {"type": "enabled", "budget_tokens": 2048}}
    assert written({}, thinking)["max_tokens"] == 4096 + 2048
    assert written({"max_tokens": 3000}, thinking)["max_tokens"] == 3000
    assert written({}, {"thinking": {"type": "adaptive"}})["max_tokens"] == 4096


def test_thinking_behind_a_call_without_thought_is_refused_before_the_api_does(written: Written) -> None:
    extra: JsonObject = {"thinking": {"type": "enabled", "budget_tokens": 2048}}
    with pytest.raises(NotSayable, match=r"format_options\.place") as caught:
        written({}, extra, messages=[USER, CALLED, USER])
    assert caught.value.param == "thinking"
    assert written({}, {"thinking": {"type": "adaptive"}}, messages=[USER, CALLED, USER])


def test_a_stream_is_asked_for(make_call: MakeCall) -> None:
    body: Json = orjson.loads(serialise_body(make_call(endpoint=Endpoint.MESSAGES, stream=True)))
    assert body["stream"] is True


def test_a_layout_without_a_length_leaves_it_to_the_request(make_call: MakeCall) -> None:
    call = make_call(endpoint=Endpoint.MESSAGES, body={"messages": [USER], "max_tokens": None})
    assert orjson.loads(serialise_body(call))["max_tokens"] is None


def test_what_cannot_be_written_is_refused(make_call: MakeCall) -> None:
    call = make_call(endpoint=Endpoint.MESSAGES, body={"messages": ["\ud800"]}, values={"max_tokens": 1})
    with pytest.raises(InvalidField, match="not valid Unicode"):
        serialise_body(call)
