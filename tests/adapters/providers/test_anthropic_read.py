import contextlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.providers._anthropic_read import MOST_BLOCKS, read_reply, read_usage, reports_error
from adapters.providers._calls import MOST_CALLS, read_call_id
from adapters.providers._shape import Misshapen
from gateway.domain.exchange import Choice, Reply, Usage
from gateway.domain.jsonvalue import JsonObject, JsonValue
from gateway.domain.prompt import Seal

Json = dict[str, Any]
COUNTS: JsonObject = {"input_tokens": 3, "output_tokens": 2}


def message(*blocks: JsonValue, **more: JsonValue) -> Json:
    return {"type": "message", "content": list(blocks), "stop_reason": "end_turn", "usage": COUNTS, **more}


def text(words: str, **more: JsonValue) -> Json:
    return {"type": "text", "text": words, **more}


def thinking(words: str, signature: str | None = None) -> Json:
    return {"type": "thinking", "thinking": words, "signature": signature}


def tool_use(**more: JsonValue) -> Json:
    return {"type": "tool_use", "id": "toolu_1", "name": "f", "input": {}, **more}


def choice_of(*blocks: JsonValue, **more: JsonValue) -> Choice:
    (choice,) = read_reply(message(*blocks, **more)).choices
    return choice


def test_an_answer_is_read_with_its_harmless_words() -> None:
    answer = message(text("Hi"), id="msg_1", model="m", role="assistant", secret="x")
    counted = {**COUNTS, "service_tier": "standard", "inference_geo": "eu"}
    assert read_reply({**answer, "usage": counted}) == Reply(
        id="msg_1",
        model="m",
        created=0,
        choices=(Choice(index=0, text="Hi", finish_reason="stop"),),
        usage=Usage(input_tokens=3, output_tokens=2),
        extra={"service_tier": "default"},
    )


def test_texts_are_one_and_their_citations_are_left_behind() -> None:
    choice = choice_of(text("a", citations=[{"cited_text": "secret"}]), text("b", citations=None))
    assert (choice.text, choice.extra) == ("ab", {})


def test_an_answer_without_a_text_has_none() -> None:
    assert choice_of().text is None
    assert choice_of(text("")).text == ""


def test_thoughts_are_one_under_their_seals_in_order() -> None:
    hidden = {"type": "redacted_thinking", "data": "h"}
    choice = choice_of(thinking("ab", "s1"), hidden, text("t"), thinking("", "s2"), thinking("c", "s3"))
    assert choice.reasoning == "abc"
    assert choice.seals == (
        Seal(length=2, token="s1"),
        Seal(length=0, token="h", hidden=True),
        Seal(length=0, token="s2"),
        Seal(length=1, token="s3"),
    )


def test_behind_an_unsealed_thought_no_seal_counts() -> None:
    hidden = {"type": "redacted_thinking", "data": "h"}
    choice = choice_of(thinking("a", "s1"), thinking("b"), thinking("c", "s2"), hidden)
    assert (choice.reasoning, choice.seals) == ("abc", (Seal(length=1, token="s1"),))


def test_hidden_thoughts_alone_are_no_reasoning() -> None:
    choice = choice_of({"type": "redacted_thinking", "data": "h"})
    assert (choice.reasoning, choice.seals) == (None, (Seal(length=0, token="h", hidden=True),))


def test_a_calls_input_is_compact_json_and_its_id_one_that_can_be_sent_back() -> None:
    first, second = choice_of(tool_use(input={"a": [1, "é"]}), tool_use(id="a b")).tool_calls
    assert (first.id, first.name, first.arguments) == ("toolu_1", "f", '{"a":[1,"é"]}')
    assert second.id == read_call_id("a b")


@pytest.mark.rows
@pytest.mark.parametrize(
    ("word", "reason"),
    [
        ("end_turn", "stop"),
        ("stop_sequence", "stop"),
        ("max_tokens", "length"),
        ("model_context_window_exceeded", "length"),
        ("tool_use", "tool_calls"),
        ("refusal", "content_filter"),
        ("pause_turn", "pause_turn"),
        ("something_new", "something_new"),
    ],
)
def test_endings_have_openais_words(word: str, reason: str) -> None:
    assert choice_of(text("a"), stop_reason=word).finish_reason == reason


def test_a_stop_sequence_counts_only_where_it_ended_the_answer() -> None:
    ended = message(text("a"), stop_reason="stop_sequence", stop_sequence="x")
    assert read_reply(ended, stops=("x",)).choices[0].stopped_by == "x"
    assert read_reply(ended, stops=("y",)).choices[0].stopped_by is None
    other = message(text("a"), stop_reason="end_turn", stop_sequence="x")
    assert read_reply(other, stops=("x",)).choices[0].stopped_by is None


@pytest.mark.rows
@pytest.mark.parametrize(
    ("usage", "read"),
    [
        (COUNTS, Usage(input_tokens=3, output_tokens=2)),
        ({**COUNTS, "cache_read_input_tokens": None}, Usage(input_tokens=3, output_tokens=2)),
        (
            {**COUNTS, "cache_read_input_tokens": 10},
            Usage(
                input_tokens=13,
                output_tokens=2,
                details={"prompt_tokens_details": {"cached_tokens": 10, "cache_write_tokens": 0}},
            ),
        ),
        (
            {**COUNTS, "cache_creation_input_tokens": 5, "server_tool_use": {"web_search_requests": 1}},
            Usage(
                input_tokens=8,
                output_tokens=2,
                details={
                    "server_tool_use": {"web_search_requests": 1},
                    "prompt_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 5},
                },
            ),
        ),
        (
            {**COUNTS, "output_tokens_details": {"thinking_tokens": 1}},
            Usage(input_tokens=3, output_tokens=2, details={"completion_tokens_details": {"reasoning_tokens": 1}}),
        ),
        ({**COUNTS, "output_tokens_details": {}, "speed": "fast"}, Usage(input_tokens=3, output_tokens=2)),
    ],
)
def test_all_input_is_counted_and_the_rest_kept_under_openais_names(usage: JsonObject, read: Usage) -> None:
    assert read_usage(usage) == read


WRONG: list[Json] = [
    {},
    {"type": "message"},
    {**message(text("a")), "type": "completion"},
    {**message(text("a")), "content": "a"},
    {**message(text("a")), "content": None},
    {**message(text("a")), "stop_reason": None},
    {**message(text("a")), "stop_reason": "why not?"},
    {**message(text("a")), "usage": None},
    {**message(text("a")), "id": 1},
    {**message(text("a")), "stop_reason": "stop_sequence", "stop_sequence": 1},
    {**message(text("a")), "usage": {"input_tokens": 1}},
    {**message(text("a")), "usage": {"output_tokens": 1}},
    {**message(text("a")), "usage": {**COUNTS, "input_tokens": -1}},
    {**message(text("a")), "usage": {**COUNTS, "cache_read_input_tokens": 1.5}},
    {**message(text("a")), "usage": {**COUNTS, "cache_creation": {"x": -1}}},
    {**message(text("a")), "usage": {**COUNTS, "output_tokens_details": {"thinking_tokens": "1"}}},
    {**message(text("a")), "usage": {**COUNTS, "output_tokens_details": 1}},
    message("text"),
    message({}),
    message({"type": "text"}),
    message({"type": "text", "text": None}),
    message({"type": "thinking", "thinking": 1}),
    message({"type": "thinking", "thinking": "a", "signature": 1}),
    message({"type": "redacted_thinking"}),
    message(tool_use(input="{}")),
    message(tool_use(input=None)),
    message(tool_use(name=None)),
    message(tool_use(id=1)),
]


@pytest.mark.rows
@pytest.mark.parametrize("answer", WRONG)
def test_an_answer_of_another_shape_is_refused(answer: Json) -> None:
    with pytest.raises(Misshapen):
        read_reply(answer)


@pytest.mark.rows
@pytest.mark.parametrize("kind", ["server_tool_use", "web_search_tool_result", "image", "container_upload", "new"])
def test_content_that_no_check_has_looked_into_makes_the_answer_unusable(kind: str) -> None:
    with pytest.raises(Misshapen, match="nothing the gateway can read"):
        read_reply(message(text("a"), {"type": kind, "text": "secret"}))


def test_so_many_blocks_and_calls_may_stand_in_an_answer_and_no_more() -> None:
    assert len(choice_of(*([tool_use()] * MOST_CALLS)).tool_calls) == MOST_CALLS
    with pytest.raises(Misshapen, match="1024 tool calls"):
        read_reply(message(*([tool_use()] * (MOST_CALLS + 1))))
    assert choice_of(*([text("a")] * MOST_BLOCKS)).text == "a" * MOST_BLOCKS
    with pytest.raises(Misshapen, match="4096 blocks"):
        read_reply(message(*([text("a")] * (MOST_BLOCKS + 1))))


def test_errors_are_known_by_their_type_or_their_field() -> None:
    assert reports_error({"type": "error"})
    assert reports_error({"error": {"message": "m"}})
    assert not reports_error(message(text("a")))


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-2, 3) | st.sampled_from(["text", "thinking", "tool_use", "end_turn", ""]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["type", "text", "thinking", "signature", "data", "id", "name", "input"]), inner, max_size=5
        )
    ),
    max_leaves=12,
)


@given(st.lists(json_values, max_size=4), json_values)
def test_whatever_comes_only_the_stated_error_is_raised(blocks: list[JsonValue], usage: JsonValue) -> None:
    with contextlib.suppress(Misshapen):
        read_reply({**message(*blocks), "usage": usage})
