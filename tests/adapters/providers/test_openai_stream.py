import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.providers._calls import MOST_CALLS, read_call_id
from adapters.providers._openai_stream import ChunkReader
from adapters.providers._shape import Misshapen
from gateway.domain.errors import UpstreamFailed, UpstreamGarbled
from gateway.domain.exchange import (
    Finish,
    ReasoningDelta,
    RefusalDelta,
    Started,
    StreamEvent,
    TextDelta,
    ToolCallDelta,
    ToolCallStarted,
    Usage,
    UsageReport,
)
from gateway.domain.jsonvalue import JsonObject, JsonValue
from gateway.domain.target import Endpoint

STARTED = Started(id="", model="", created=0)


def chat(asked: int = 1) -> ChunkReader:
    return ChunkReader(target="primary", endpoint=Endpoint.CHAT, asked=asked)


def delta(content: JsonObject, *, index: int = 0, finish: str | None = None) -> dict[str, JsonValue]:
    return {"choices": [{"index": index, "delta": content, "finish_reason": finish}]}


def call(index: int, arguments: str | None = None, *, id: str | None = None, name: str | None = None) -> JsonObject:  # noqa: A002 -- the wire's word
    function: dict[str, JsonValue] = {}
    if name is not None:
        function["name"] = name
    if arguments is not None:
        function["arguments"] = arguments
    return {"tool_calls": [{"index": index, "id": id, "function": function}]}


def read(*chunks: JsonObject, reader: ChunkReader | None = None) -> list[StreamEvent]:
    reader = reader or chat()
    return [event for chunk in chunks for event in reader.feed(chunk)]


def test_a_stream_begins_with_what_its_first_chunk_says() -> None:
    chunk: JsonObject = {
        "id": "c",
        "created": 7,
        "model": "m",
        "system_fingerprint": "fp",
        "secret": "x",
        **delta({"role": "assistant", "content": ""}),
    }
    assert read(chunk) == [Started(id="c", model="m", created=7, extra={"system_fingerprint": "fp"})]


def test_text_comes_piece_by_piece_and_ends_once() -> None:
    chunks = [delta({"content": "He"}), delta({"content": "llo"}), delta({}, finish="stop")]
    assert read(*chunks) == [
        STARTED,
        TextDelta(choice=0, text="He"),
        TextDelta(choice=0, text="llo"),
        Finish(choice=0, reason="stop"),
    ]


def test_several_choices_stay_apart() -> None:
    chunks = [
        delta({"content": "a"}, index=1),
        delta({"content": "b"}, index=0),
        delta({}, index=1, finish="length"),
        delta({}, index=0, finish="stop"),
    ]
    reader = chat(asked=2)
    assert read(*chunks, reader=reader)[1:] == [
        TextDelta(choice=1, text="a"),
        TextDelta(choice=0, text="b"),
        Finish(choice=1, reason="length"),
        Finish(choice=0, reason="stop"),
    ]
    assert reader.finish() == []


def test_reasoning_refusals_and_logprobs_have_their_own_events() -> None:
    logprobs: JsonObject = {"content": [{"token": "a", "logprob": -1, "bytes": None, "top_logprobs": []}]}
    chunks: list[JsonObject] = [
        delta({"reasoning_content": "hm"}),
        delta({"reasoning": "so"}),
        delta({"refusal": "no"}),
        {"choices": [{"index": 0, "delta": {"content": "a"}, "logprobs": logprobs}]},
    ]
    assert read(*chunks)[1:] == [
        ReasoningDelta(choice=0, text="hm"),
        ReasoningDelta(choice=0, text="so"),
        RefusalDelta(choice=0, text="no"),
        TextDelta(choice=0, text="a", logprobs=logprobs),
    ]


def test_parallel_tool_calls_are_told_apart_by_their_index() -> None:
    chunks = [
        delta(call(0, "", id="a", name="f")),
        delta(call(1, "{", id="b", name="g")),
        delta(call(0, "{}")),
        delta(call(1, "}", id="b")),
        delta({}, finish="tool_calls"),
    ]
    assert read(*chunks)[1:] == [
        ToolCallStarted(choice=0, index=0, id="a", name="f"),
        ToolCallStarted(choice=0, index=1, id="b", name="g"),
        ToolCallDelta(choice=0, index=1, arguments="{"),
        ToolCallDelta(choice=0, index=0, arguments="{}"),
        ToolCallDelta(choice=0, index=1, arguments="}"),
        Finish(choice=0, reason="tool_calls"),
    ]


def test_tool_calls_are_counted_from_zero_whatever_the_upstream_counts_from() -> None:
    events = read(delta(call(3, "{}", id="a", name="f")))
    assert events[1:] == [
        ToolCallStarted(choice=0, index=0, id="a", name="f"),
        ToolCallDelta(choice=0, index=0, arguments="{}"),
    ]


def test_a_delta_of_a_known_call_may_leave_the_function_out() -> None:
    assert read(delta(call(0, id="a", name="f")), delta({"tool_calls": [{"index": 0}]}))[2:] == []


def test_usage_is_reported_once_and_last() -> None:
    counts: JsonObject = {"prompt_tokens": 3, "completion_tokens": 1}
    more: JsonObject = {"prompt_tokens": 3, "completion_tokens": 2}
    reader = chat()
    events = read(
        {**delta({"content": "a"}), "usage": counts},
        {**delta({}, finish="stop"), "usage": None},
        {"choices": [], "usage": more},
        reader=reader,
    )
    assert not [event for event in events if isinstance(event, UsageReport)]
    assert reader.finish() == [UsageReport(usage=Usage(input_tokens=3, output_tokens=2))]


def test_a_completions_stream_is_read() -> None:
    reader = ChunkReader(target="t", endpoint=Endpoint.COMPLETIONS)
    logprobs: JsonObject = {"tokens": ["a"], "token_logprobs": [-1]}
    chunks: list[JsonObject] = [
        {"choices": [{"index": 0, "text": "a", "logprobs": logprobs, "finish_reason": None}]},
        {"choices": [{"index": 0, "text": "", "finish_reason": "stop"}]},
    ]
    assert read(*chunks, reader=reader) == [
        STARTED,
        TextDelta(
            choice=0,
            text="a",
            logprobs={"content": [{"token": "a", "logprob": -1, "bytes": [97], "top_logprobs": []}]},
        ),
        Finish(choice=0, reason="stop"),
    ]
    assert reader.finish() == []


@pytest.mark.parametrize("chunk", [{"error": {"message": "private"}}, {"object": "error", "message": "private"}])
def test_an_error_in_the_stream_is_a_failure_and_not_quoted(chunk: JsonObject) -> None:
    reader = chat()
    reader.feed(delta({"content": "a"}))
    with pytest.raises(UpstreamFailed) as caught:
        reader.feed(chunk)
    assert caught.value.target == "primary"
    assert "private" not in str(caught.value)


def test_a_stream_without_a_choice_broke_off() -> None:
    reader = chat()
    reader.feed({"choices": [], "usage": {"prompt_tokens": 1}})
    with pytest.raises(UpstreamGarbled, match="broke off"):
        reader.finish()


def test_a_stream_in_which_one_choice_has_no_ending_broke_off() -> None:
    reader = chat(asked=2)
    read(delta({"content": "a"}), delta({"content": "b"}, index=1), delta({}, finish="stop"), reader=reader)
    with pytest.raises(UpstreamGarbled, match="broke off"):
        reader.finish()


def test_empty_deltas_after_the_ending_are_passed_over() -> None:
    reader = chat()
    read(delta({"content": "a"}, finish="stop"), reader=reader)
    assert read(delta({"content": ""}), delta({}, finish="stop"), reader=reader) == []


def test_content_after_the_ending_is_refused() -> None:
    reader = chat()
    read(delta({"content": "a"}, finish="stop"), reader=reader)
    with pytest.raises(Misshapen, match="goes on"):
        reader.feed(delta({"content": "b"}))


WRONG: list[JsonValue] = [
    {},
    {"choices": None},
    {"choices": ["x"]},
    {"choices": [{"index": "0", "delta": {}}]},
    {"choices": [{"index": 0}]},
    {"choices": [{"index": 0, "delta": []}]},
    {"choices": [{"index": 0, "delta": {"content": 1}}]},
    {"choices": [{"index": 0, "delta": {"content": ["a"]}}]},
    {"choices": [{"index": 0, "delta": {"refusal": 1}}]},
    {"choices": [{"index": 0, "delta": {"audio": {"data": "x"}}}]},
    {"choices": [{"index": 0, "delta": {}, "finish_reason": "why not?"}]},
    {"choices": [{"index": 0, "delta": {}, "finish_reason": 1}]},
    {"choices": [{"index": 0, "delta": {"tool_calls": {}}}]},
    {"choices": [{"index": 0, "delta": {"tool_calls": ["x"]}}]},
    {"choices": [], "usage": 1},
    {**delta({}), "id": 1},
    delta({"tool_calls": [{"index": "0", "id": "a", "function": {"name": "f"}}]}),
    delta(call(0, id="a")),
    delta({"tool_calls": [{"index": 0, "id": "a", "type": "custom", "function": {"name": "f"}}]}),
    delta({"tool_calls": [{"index": 0, "id": "a", "function": {"name": "f", "arguments": {}}}]}),
]


@pytest.mark.rows
@pytest.mark.parametrize("chunk", WRONG)
def test_a_chunk_of_another_shape_is_refused(chunk: JsonObject) -> None:
    with pytest.raises(Misshapen):
        chat().feed(chunk)


@given(st.integers(1, 130), st.integers(0, 2**64))
def test_a_choice_that_nobody_asked_for_is_refused(asked: int, index: int) -> None:
    reader = chat(asked=asked)
    assert reader.feed(delta({"content": "a"}, index=asked - 1))[-1] == TextDelta(choice=asked - 1, text="a")
    with pytest.raises(Misshapen, match=r"asked for|below"):
        reader.feed(delta({"content": "a"}, index=asked + index))


def test_so_many_calls_may_stand_in_a_choice_and_no_more() -> None:
    def begun(count: int) -> list[JsonObject]:
        return [delta({"tool_calls": [{"id": f"c{n}", "function": {"name": "f"}}]}) for n in range(count)]

    assert len(read(*begun(MOST_CALLS))) == MOST_CALLS + 1
    with pytest.raises(Misshapen, match="not below 1024"):
        read(*begun(MOST_CALLS + 1))
    with pytest.raises(Misshapen, match="not below 1024"):
        read(delta(call(MOST_CALLS, id="a", name="f")))


def test_two_calls_under_one_index_are_refused() -> None:
    reader = chat()
    reader.feed(delta(call(0, "{}", id="a", name="f")))
    with pytest.raises(Misshapen, match="two calls"):
        reader.feed(delta(call(0, "{}", id="b", name="g")))


def told(*calls: JsonObject) -> list[StreamEvent]:
    """The events of calls, each in a chunk of its own, without the start."""
    return read(*(delta({"tool_calls": [one]}) for one in calls))[1:]


def test_a_call_without_an_index_is_known_by_its_id() -> None:
    assert told(
        {"id": "a", "function": {"name": "f", "arguments": "{"}},
        {"id": "b", "function": {"name": "g", "arguments": "["}},
        {"id": "a", "function": {"arguments": "}"}},
        {"function": {"arguments": "]"}},
    ) == [
        ToolCallStarted(choice=0, index=0, id="a", name="f"),
        ToolCallDelta(choice=0, index=0, arguments="{"),
        ToolCallStarted(choice=0, index=1, id="b", name="g"),
        ToolCallDelta(choice=0, index=1, arguments="["),
        ToolCallDelta(choice=0, index=0, arguments="}"),
        ToolCallDelta(choice=0, index=1, arguments="]"),
    ]


def test_calls_without_index_and_id_begin_with_their_names() -> None:
    events = told({"function": {"name": "f"}}, {"function": {"name": "g"}}, {"function": {"arguments": "{}"}})
    first, second, last = events
    assert isinstance(first, ToolCallStarted)
    assert isinstance(second, ToolCallStarted)
    assert (first.index, first.name, second.index, second.name) == (0, "f", 1, "g")
    assert first.id != second.id
    assert last == ToolCallDelta(choice=0, index=1, arguments="{}")
    with pytest.raises(Misshapen, match="name"):
        told({"function": {"arguments": "{}"}})


def test_a_calls_id_is_one_that_can_be_sent_back() -> None:
    (started,) = told({"index": 0, "id": "a b", "function": {"name": "f"}}, {"index": 0, "id": "a b"})
    assert isinstance(started, ToolCallStarted)
    assert started.id == read_call_id("a b")
    (late,) = told({"index": 0, "id": "", "function": {"name": "f"}}, {"index": 0, "id": "late"})
    assert isinstance(late, ToolCallStarted)
    assert late.id.startswith("call_")


def test_an_empty_ending_is_none() -> None:
    assert read(delta({"content": "a"}, finish=""))[1:] == [TextDelta(choice=0, text="a")]


def test_a_chunk_in_front_of_the_first_choice_is_no_start() -> None:
    events = read({"choices": [], "id": "", "prompt_filter_results": []}, {**delta({"content": "a"}), "id": "c"})
    assert events == [Started(id="c", model="", created=0), TextDelta(choice=0, text="a")]


@pytest.mark.parametrize("usage", [None, {"prompt_tokens": 1}])
def test_moderation_comes_at_the_end(usage: JsonValue) -> None:
    reader = chat()
    read(delta({}, finish="stop"), {"choices": [], "moderation": {"input": 1}, "usage": usage}, reader=reader)
    counted = None if usage is None else Usage(input_tokens=1, output_tokens=0)
    assert reader.finish() == [UsageReport(usage=counted, extra={"moderation": {"input": 1}})]


names = st.sampled_from(["choices", "delta", "index", "content", "tool_calls", "usage", "id", "function", "error"])
json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-2, 3) | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=4),
    max_leaves=12,
)
objects = st.dictionaries(names, json_values, max_size=4)


nothing_much = st.none() | st.booleans() | st.integers(-1, 1) | st.sampled_from(["", "a", "error", "stop"])
fields = st.fixed_dictionaries
deltas = fields({"content": nothing_much}, optional={"refusal": nothing_much})
choices = fields(
    {"index": st.just(0) | nothing_much, "delta": deltas},
    optional={"finish_reason": nothing_much, "logprobs": nothing_much, "text": nothing_much},
)
near_tokens = objects | fields(
    {"choices": st.lists(choices, min_size=1, max_size=2)},
    optional=dict.fromkeys(("error", "object", "usage", "moderation"), nothing_much),
)


@given(st.lists(near_tokens, min_size=1, max_size=3), st.booleans())
def test_a_token_is_what_the_long_way_reads_and_nothing_else(chunks: list[JsonObject], chat_speaks: bool) -> None:
    one = ChunkReader(target="primary", endpoint=Endpoint.CHAT if chat_speaks else Endpoint.COMPLETIONS)
    other = chat() if chat_speaks else ChunkReader(target="primary", endpoint=Endpoint.COMPLETIONS)
    opening: JsonObject = {"choices": [{"index": 0, "delta": {"content": "a"}, "text": "a"}]}
    assert one.token(opening) is None
    for chunk in (opening, *chunks):
        token = one.token(chunk)
        try:
            read = other.feed(chunk)
            if token is None:
                assert one.feed(chunk) == read
            else:
                assert read == [token]
        except (Misshapen, UpstreamFailed):
            assert token is None
            return
    assert _last(one) == _last(other)


def _last(reader: ChunkReader) -> list[StreamEvent] | None:
    try:
        return reader.finish()
    except UpstreamGarbled:
        return None


def test_nearly_every_chunk_is_a_token() -> None:
    reader = chat()
    first, second = delta({"content": "a"}), {**delta({"content": "b"}), "usage": None}
    assert reader.token(first) is None
    reader.feed(first)
    assert reader.token(second) == TextDelta(choice=0, text="b")
    for more in ({"content": ""}, {"content": "b", "refusal": None}, {"reasoning": "b"}):
        assert reader.token(delta(more)) is None
    for beside in ("error", "usage", "moderation"):
        assert reader.token({**second, beside: {}}) is None


@given(st.lists(objects, max_size=4))
def test_whatever_comes_only_the_stated_errors_are_raised(chunks: list[JsonObject]) -> None:
    reader = chat()
    try:
        read(*chunks, reader=reader)
        reader.finish()
    except (Misshapen, UpstreamFailed, UpstreamGarbled):
        pass


@pytest.mark.rows
@pytest.mark.parametrize("late", [False, True])
@pytest.mark.parametrize(("told", "kept"), [("END", "END"), ("other", None), (7, None)])
def test_the_stop_sequence_that_was_asked_for_is_told(late: bool, told: JsonValue, kept: str | None) -> None:
    reader = ChunkReader(target="t", endpoint=Endpoint.CHAT, stops=("END",), late_endings=late)
    choice = {"index": 0, "delta": {"content": "a"}, "finish_reason": "stop", "stop_reason": told}
    assert [*reader.feed({"choices": [choice]}), *reader.finish()][-1] == Finish(
        choice=0, reason="stop", stopped_by=kept
    )
