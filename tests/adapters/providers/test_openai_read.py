from copy import deepcopy

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.providers._calls import MOST_CALLS, read_call_id
from adapters.providers._openai_read import (
    chat_logprobs,
    read_extra,
    read_finish,
    read_reply,
    read_usage,
    reports_error,
)
from adapters.providers._shape import Misshapen
from gateway.domain.exchange import Choice, Reply, Usage
from gateway.domain.jsonvalue import JsonObject, JsonValue
from gateway.domain.prompt import ToolCall
from gateway.domain.target import Endpoint

CHAT: dict[str, JsonValue] = {
    "id": "chatcmpl-1",
    "object": "chat.completion",
    "created": 1700000000,
    "model": "m",
    "system_fingerprint": "fp",
    "service_tier": None,
    "surprise": {"unread": True},
    "choices": [
        {
            "index": 0,
            "finish_reason": "stop",
            "logprobs": {"content": [{"token": "a", "logprob": -0.1, "bytes": [97], "top_logprobs": []}]},
            "message": {"role": "assistant", "content": "a", "refusal": None},
        }
    ],
    "usage": {
        "prompt_tokens": 5,
        "completion_tokens": 1,
        "total_tokens": 6,
        "prompt_tokens_details": {"cached_tokens": 2},
        "completion_tokens_details": None,
    },
}


def chat_with(message: JsonObject, finish: JsonValue = "stop") -> Reply:
    return read_reply({"choices": [{"message": message, "finish_reason": finish}]}, Endpoint.CHAT)


def test_a_chat_answer_is_read_whole() -> None:
    assert read_reply(CHAT, Endpoint.CHAT) == Reply(
        id="chatcmpl-1",
        model="m",
        created=1700000000,
        choices=(
            Choice(
                index=0,
                text="a",
                finish_reason="stop",
                logprobs={"content": [{"token": "a", "logprob": -0.1, "bytes": [97], "top_logprobs": []}]},
            ),
        ),
        usage=Usage(
            input_tokens=5, output_tokens=1, details={"prompt_tokens_details": {"cached_tokens": 2}, "total_tokens": 6}
        ),
        extra={"system_fingerprint": "fp"},
    )


def test_parallel_tool_calls_keep_their_order_and_their_argument_text() -> None:
    calls: JsonValue = [
        {"id": "a", "type": "function", "function": {"name": "f", "arguments": '{"x": 1.0 }'}},
        {"id": "b", "function": {"name": "g", "arguments": ""}},
    ]
    reply = chat_with({"content": None, "tool_calls": calls}, "tool_calls")
    assert reply.choices[0].text is None
    assert reply.choices[0].tool_calls == (
        ToolCall(id="a", name="f", arguments='{"x": 1.0 }'),
        ToolCall(id="b", name="g", arguments=""),
    )


@pytest.mark.parametrize("name", ["reasoning", "reasoning_content"])
def test_reasoning_has_two_names(name: str) -> None:
    assert chat_with({"content": "a", name: "because"}).choices[0].reasoning == "because"


@given(st.fixed_dictionaries({}, optional={"content": st.none() | st.text(), "refusal": st.none() | st.text()}))
def test_what_a_message_says_nothing_of_may_be_null_or_missing(message: JsonObject) -> None:
    beside = ("audio", "function_call", "reasoning_content", "reasoning", "tool_calls", "annotations")
    assert chat_with(message) == chat_with({**message, **dict.fromkeys(beside)})


@pytest.mark.rows
@pytest.mark.parametrize("name", ["audio", "function_call"])
def test_what_nobody_can_look_into_is_refused(name: str) -> None:
    with pytest.raises(Misshapen, match=name):
        chat_with({"content": "a", name: {}})


def test_a_refusal_is_read() -> None:
    assert chat_with({"content": None, "refusal": "no"}).choices[0].refusal == "no"


def test_choices_without_an_index_count_from_zero() -> None:
    choice: JsonValue = {"message": {"content": "a"}, "finish_reason": "stop"}
    reply = read_reply({"choices": [choice, choice]}, Endpoint.CHAT, asked=2)
    assert [one.index for one in reply.choices] == [0, 1]


@given(st.integers(1, 130), st.data())
def test_choices_that_nobody_asked_for_are_refused(asked: int, data: st.DataObject) -> None:
    def answer(*numbers: int) -> JsonObject:
        message: JsonObject = {"message": {"content": "a"}, "finish_reason": "stop"}
        return {"choices": [{**message, "index": number} for number in numbers]}

    within = data.draw(st.integers(0, asked - 1))
    assert read_reply(answer(within), Endpoint.CHAT, asked=asked).choices[0].index == within
    for wrong in ([data.draw(st.integers(asked, 2**64))], [within] * (asked + 1)):
        with pytest.raises(Misshapen, match=r"asked for|below"):
            read_reply(answer(*wrong), Endpoint.CHAT, asked=asked)


@pytest.mark.parametrize("count", [MOST_CALLS, MOST_CALLS + 1])
def test_a_choice_may_hold_so_many_calls_and_no_more(count: int) -> None:
    calls: JsonObject = {"tool_calls": [{"id": "a", "function": {"name": "f", "arguments": ""}}] * count}
    if count > MOST_CALLS:
        with pytest.raises(Misshapen, match="more than 1024 calls"):
            chat_with(calls)
    else:
        assert len(chat_with(calls).choices[0].tool_calls) == count


def test_a_bare_answer_is_enough() -> None:
    reply = chat_with({"content": ""})
    assert (reply.id, reply.model, reply.created, reply.usage, reply.choices[0].text) == ("", "", 0, None, "")


@pytest.mark.rows
@pytest.mark.parametrize(
    ("word", "expected"),
    [("stop", "stop"), ("eos_token", "stop"), ("length", "length"), ("tool_calls", "tool_calls")],
)
def test_endings_are_told_in_openais_words(word: str, expected: str) -> None:
    assert read_finish(word) == expected


@pytest.mark.rows
@pytest.mark.parametrize("word", ["abort", "function_call", "STOP"])
def test_a_word_that_is_nobodys_yet_stays(word: str) -> None:
    assert read_finish(word) == word


def test_counts_are_the_upstreams_own() -> None:
    usage = read_usage({"prompt_tokens": 3, "completion_tokens": 4, "total_tokens": 9, "cost": 0.1, "other": None})
    assert usage == Usage(input_tokens=3, output_tokens=4, details={"total_tokens": 9, "cost": 0.1})
    assert read_usage({"prompt_tokens": 3, "total_tokens": None}).details == {}
    with pytest.raises(Misshapen, match="total_tokens"):
        read_usage({"prompt_tokens": 3, "total_tokens": "9"})


def test_annotations_and_moderation_are_kept() -> None:
    note = {"type": "url_citation", "url_citation": {"url": "http://x", "title": "t", "start_index": 0, "end_index": 1}}
    assert chat_with({"content": "a", "annotations": [note]}).choices[0].extra == {"annotations": [note]}
    with pytest.raises(Misshapen, match="annotations"):
        chat_with({"content": "a", "annotations": ["x"]})
    assert read_extra({"moderation": {"input": {}}, "service_tier": 1, "other": "x"}) == {"moderation": {"input": {}}}


@pytest.mark.rows
@pytest.mark.parametrize("field", ["stop_reason", "matched_stop"])
@pytest.mark.parametrize(("told", "kept"), [("END", "END"), ("other", None), (128009, None), (None, None)])
def test_the_stop_sequence_that_was_asked_for_is_told(field: str, told: JsonValue, kept: str | None) -> None:
    chat = {"message": {"content": "a"}, "finish_reason": "stop", field: told}
    for choice, endpoint in ((chat, Endpoint.CHAT), ({**chat, "text": "a"}, Endpoint.COMPLETIONS)):
        assert read_reply({"choices": [choice]}, endpoint, stops=("END",)).choices[0].stopped_by == kept
        assert read_reply({"choices": [choice]}, endpoint).choices[0].stopped_by is None


def test_a_calls_id_is_one_that_can_be_sent_back() -> None:
    (call,) = (
        chat_with({"tool_calls": [{"id": "<x>", "function": {"name": "f", "arguments": ""}}]}).choices[0].tool_calls
    )
    assert call.id == read_call_id("<x>")


@pytest.mark.rows
@pytest.mark.parametrize("word", ["", "I stopped.", "x" * 65])
def test_an_ending_that_is_no_word_is_none(word: str) -> None:
    with pytest.raises(Misshapen, match="finish_reason"):
        read_finish(word)


def put(place: JsonValue, path: tuple[str | int, ...], value: JsonValue) -> None:
    match place, path[0]:
        case dict(), str(key) if len(path) == 1:
            place[key] = value
        case list(), int(at) if len(path) == 1:
            place[at] = value
        case dict(), str(key):
            put(place[key], path[1:], value)
        case list(), int(at):
            put(place[at], path[1:], value)
        case _:
            raise AssertionError(path)


WRONG: list[tuple[tuple[str | int, ...], JsonValue]] = [
    (("choices",), []),
    (("choices",), {}),
    (("choices",), None),
    (("choices", 0), "x"),
    (("choices", 0, "index"), "0"),
    (("choices", 0, "message"), None),
    (("choices", 0, "message"), []),
    (("choices", 0, "message", "content"), [{"type": "text", "text": "a"}]),
    (("choices", 0, "message", "content"), 5),
    (("choices", 0, "message", "refusal"), True),
    (("choices", 0, "message", "audio"), {"data": ""}),
    (("choices", 0, "message", "function_call"), {"name": "f"}),
    (("choices", 0, "message", "tool_calls"), {"id": "a"}),
    (("choices", 0, "message", "tool_calls"), [{"id": 1, "function": {"name": "f", "arguments": ""}}]),
    (("choices", 0, "message", "tool_calls"), [{"id": "a", "function": {"name": "f", "arguments": {}}}]),
    (("choices", 0, "message", "tool_calls"), [{"id": "a", "type": "custom", "custom": {}}]),
    (("choices", 0, "finish_reason"), None),
    (("choices", 0, "finish_reason"), 1),
    (("choices", 0, "logprobs"), []),
    (("usage",), 3),
    (("usage", "prompt_tokens"), -1),
    (("usage", "prompt_tokens"), "5"),
    (("usage", "prompt_tokens"), 2**53),
    (("usage", "completion_tokens"), 2**64 - 1),
    (("usage", "total_tokens"), 2**53),
    (("usage", "prompt_tokens_details", "cached_tokens"), 2**53),
    (("usage", "prompt_tokens_details", "cached_tokens"), -1),
    (("choices", 0, "index"), 1),
    (("choices", 0, "index"), 2**60),
    (("created",), 2**53),
    (("created",), "today"),
    (("id",), 7),
    (("model",), {}),
]


@pytest.mark.rows
@pytest.mark.parametrize(("path", "value"), WRONG)
def test_a_wrong_shape_anywhere_makes_the_answer_unusable(path: tuple[str | int, ...], value: JsonValue) -> None:
    answer = deepcopy(CHAT)
    put(answer, path, value)
    with pytest.raises(Misshapen):
        read_reply(answer, Endpoint.CHAT)


def test_a_completions_answer_is_read() -> None:
    answer: JsonObject = {
        "id": "cmpl-1",
        "created": 1.5,
        "model": "m",
        "choices": [
            {
                "index": 0,
                "text": "é",
                "finish_reason": "length",
                "logprobs": {
                    "tokens": ["é"],
                    "token_logprobs": [-0.5],
                    "top_logprobs": [{"é": -0.5, "e": -2}],
                    "text_offset": [0],
                },
            }
        ],
        "usage": {"prompt_tokens": 4, "completion_tokens": 1},
    }
    assert read_reply(answer, Endpoint.COMPLETIONS) == Reply(
        id="cmpl-1",
        model="m",
        created=1,
        choices=(
            Choice(
                index=0,
                text="é",
                finish_reason="length",
                logprobs={
                    "content": [
                        {
                            "token": "é",
                            "logprob": -0.5,
                            "bytes": [195, 169],
                            "top_logprobs": [
                                {"token": "é", "logprob": -0.5, "bytes": [195, 169]},
                                {"token": "e", "logprob": -2, "bytes": [101]},
                            ],
                        }
                    ]
                },
            ),
        ),
        usage=Usage(input_tokens=4, output_tokens=1),
    )


def test_logprobs_without_alternatives_have_none() -> None:
    token: JsonObject = {"token": "a", "logprob": None, "bytes": [97], "top_logprobs": []}
    assert chat_logprobs({"tokens": ["a"], "token_logprobs": [None]}) == {"content": [token]}
    assert chat_logprobs({"tokens": ["a"], "token_logprobs": [None], "top_logprobs": [None]}) == {"content": [token]}
    assert chat_logprobs(None) is None
    assert chat_logprobs({"content": [token]}) == {"content": [token]}


WRONG_LOGPROBS: list[JsonObject] = [
    {},
    {"tokens": ["a"], "token_logprobs": []},
    {"tokens": ["a"], "token_logprobs": [0], "top_logprobs": [None, None]},
    {"tokens": [1], "token_logprobs": [0]},
    {"tokens": ["a"], "token_logprobs": ["0"]},
    {"tokens": ["a"], "token_logprobs": [{}]},
    {"tokens": ["a"], "token_logprobs": [0], "top_logprobs": ["a"]},
]


@pytest.mark.rows
@pytest.mark.parametrize("logprobs", WRONG_LOGPROBS)
def test_logprobs_of_another_shape_are_refused(logprobs: JsonObject) -> None:
    with pytest.raises(Misshapen):
        chat_logprobs(logprobs)


def test_usage_without_output_counts_none() -> None:
    assert read_usage({"prompt_tokens": 3}) == Usage(input_tokens=3, output_tokens=0)


@pytest.mark.rows
@pytest.mark.parametrize(
    ("answer", "expected"),
    [({"error": {}}, True), ({"object": "error"}, True), ({"error": None, "object": "chat.completion"}, False)],
)
def test_errors_with_status_200_are_recognised(answer: JsonObject, *, expected: bool) -> None:
    assert reports_error(answer) is expected


@pytest.mark.rows
@pytest.mark.parametrize("message", [{}, {"message": None}, {"message": {"role": "assistant"}}])
def test_a_choice_that_a_filter_took_back_may_be_empty(message: JsonObject) -> None:
    answer: JsonObject = {"choices": [{"finish_reason": "content_filter", **message}]}
    assert read_reply(answer, Endpoint.CHAT).choices == (Choice(index=0, text=None, finish_reason="content_filter"),)
    with pytest.raises(Misshapen):
        read_reply({"choices": [{"finish_reason": "stop", "message": None}]}, Endpoint.CHAT)


def test_a_text_that_a_filter_took_back_may_be_missing() -> None:
    answer: JsonObject = {"choices": [{"finish_reason": "content_filter", "index": 0}]}
    read = read_reply(answer, Endpoint.COMPLETIONS)
    assert read.choices == (Choice(index=0, text=None, finish_reason="content_filter"),)
    with pytest.raises(Misshapen):
        read_reply({"choices": [{"finish_reason": "stop", "index": 0}]}, Endpoint.COMPLETIONS)
