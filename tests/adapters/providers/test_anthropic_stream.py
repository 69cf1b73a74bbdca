import contextlib
import tracemalloc
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.providers._anthropic_read import MOST_BLOCKS, read_reply
from adapters.providers._anthropic_stream import MessageReader
from adapters.providers._calls import MOST_CALLS
from adapters.providers._shape import Misshapen
from gateway.domain.errors import UpstreamError, UpstreamFailed, UpstreamOverloaded
from gateway.domain.exchange import (
    Finish,
    ReasoningDelta,
    ReasoningSealed,
    Started,
    StreamEvent,
    TextDelta,
    ToolCallDelta,
    ToolCallStarted,
    Usage,
    UsageReport,
)
from gateway.domain.jsonvalue import JsonValue
from gateway.domain.prompt import Seal

Json = dict[str, Any]

START: Json = {"type": "message_start", "message": {"id": "msg_1", "model": "m", "usage": {"input_tokens": 3}}}
STOP: Json = {"type": "message_stop"}


def begin(block: Json, index: int = 0) -> Json:
    return {"type": "content_block_start", "index": index, "content_block": block}


def delta(kind: str, index: int = 0, **more: JsonValue) -> Json:
    return {"type": "content_block_delta", "index": index, "delta": {"type": kind, **more}}


def close(index: int = 0) -> Json:
    return {"type": "content_block_stop", "index": index}


def ending(reason: str | None = "end_turn", **more: JsonValue) -> Json:
    return {
        "type": "message_delta",
        "delta": {"stop_reason": reason, "stop_sequence": None, **more},
        "usage": {"output_tokens": 2},
    }


TEXT: Json = {"type": "text", "text": ""}
THINKING: Json = {"type": "thinking", "thinking": "", "signature": ""}
CALL: Json = {"type": "tool_use", "id": "toolu_1", "name": "f", "input": {}}


def read(*events: Json, reader: MessageReader | None = None) -> list[StreamEvent]:
    reader = reader or MessageReader(target="primary")
    return [one for event in events for one in reader.feed(event)]


def inside(*events: Json) -> list[StreamEvent]:
    """What these events say, in a message that ends after them."""
    told = read(START, *events, ending(), STOP)
    assert isinstance(told[0], Started)
    assert isinstance(told[-2], Finish)
    return told[1:-2]


def test_a_stream_begins_and_ends_once() -> None:
    reader = MessageReader(target="primary")
    events = read(
        START, begin(TEXT), delta("text_delta", text="Hi"), delta("text_delta", text=""), close(), reader=reader
    )
    assert events == [Started(id="msg_1", model="m", created=0), TextDelta(choice=0, text="Hi")]
    assert read(ending(), reader=reader) == []
    assert not reader.done
    assert read(STOP, reader=reader) == [
        Finish(choice=0, reason="stop"),
        UsageReport(usage=Usage(input_tokens=3, output_tokens=2)),
    ]
    assert reader.done


def test_text_may_come_with_the_block_itself() -> None:
    assert inside(begin({**TEXT, "text": "a"}), delta("text_delta", text="b"), close()) == [
        TextDelta(choice=0, text="a"),
        TextDelta(choice=0, text="b"),
    ]


def test_a_thought_is_sealed_when_its_block_ends() -> None:
    assert inside(
        begin({**THINKING, "thinking": "a"}),
        delta("thinking_delta", thinking="bc"),
        delta("signature_delta", signature="s"),
        close(),
        begin({"type": "redacted_thinking", "data": "h"}, 1),
        close(1),
        begin({**THINKING, "signature": "t"}, 2),
        close(2),
    ) == [
        ReasoningDelta(choice=0, text="a"),
        ReasoningDelta(choice=0, text="bc"),
        ReasoningSealed(choice=0, seal=Seal(length=3, token="s")),
        ReasoningSealed(choice=0, seal=Seal(length=0, token="h", hidden=True)),
        ReasoningSealed(choice=0, seal=Seal(length=0, token="t")),
    ]


def test_of_a_thought_that_grows_nothing_is_kept() -> None:
    reader = MessageReader(target="t")
    read(START, begin({"type": "thinking", "thinking": ""}), reader=reader)
    piece = "m" * 1_000
    tracemalloc.start()
    try:
        for _ in range(200):
            read(delta("thinking_delta", thinking=piece), reader=reader)
        kept, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert kept < 100_000
    sealed = read(delta("signature_delta", signature="sig"), close(), reader=reader)
    assert sealed == [ReasoningSealed(choice=0, seal=Seal(length=200_000, token="sig"))]


def test_behind_an_unsealed_thought_no_seal_counts() -> None:
    events = inside(
        begin({**THINKING, "thinking": "a"}),
        close(),
        begin({**THINKING, "thinking": "b", "signature": "t"}, 1),
        close(1),
        begin({"type": "redacted_thinking", "data": "h"}, 2),
        close(2),
    )
    assert events == [ReasoningDelta(choice=0, text="a"), ReasoningDelta(choice=0, text="b")]


def test_calls_are_counted_and_their_input_comes_in_pieces_at_once_or_not_at_all() -> None:
    events = inside(
        begin(CALL),
        delta("input_json_delta", partial_json=""),
        delta("input_json_delta", partial_json='{"a"'),
        delta("input_json_delta", partial_json=":1}"),
        close(),
        begin({**CALL, "id": "toolu_2", "input": {"b": [2]}}, 1),
        close(1),
        begin({**CALL, "id": "toolu_3"}, 2),
        delta("input_json_delta", 2, partial_json=""),
        close(2),
    )
    assert events == [
        ToolCallStarted(choice=0, index=0, id="toolu_1", name="f"),
        ToolCallDelta(choice=0, index=0, arguments='{"a"'),
        ToolCallDelta(choice=0, index=0, arguments=":1}"),
        ToolCallStarted(choice=0, index=1, id="toolu_2", name="f"),
        ToolCallDelta(choice=0, index=1, arguments='{"b":[2]}'),
        ToolCallStarted(choice=0, index=2, id="toolu_3", name="f"),
        ToolCallDelta(choice=0, index=2, arguments="{}"),
    ]


def test_pings_citations_and_new_types_of_events_are_passed_over() -> None:
    ping: Json = {"type": "ping"}
    new: Json = {"type": "something_new", "text": "secret"}
    cited = delta("citations_delta", citation={"cited_text": "secret"})
    assert read(ping, START)[0] == Started(id="msg_1", model="m", created=0)
    assert inside(ping, new, begin(TEXT), cited, delta("text_delta", text="a"), new, close(), ping) == [
        TextDelta(choice=0, text="a")
    ]


def test_counts_are_cumulative_and_what_is_not_repeated_still_holds() -> None:
    first: Json = {
        "type": "message_start",
        "message": {"usage": {"input_tokens": 3, "cache_read_input_tokens": 10, "output_tokens": 1}},
    }
    again = {**ending(None), "usage": {"output_tokens": 5, "input_tokens": None}}
    last = {**ending(), "usage": {"output_tokens": 9, "cache_creation_input_tokens": 1}}
    report = read(first, again, last, STOP)[-1]
    assert report == UsageReport(
        usage=Usage(
            input_tokens=14,
            output_tokens=9,
            details={"prompt_tokens_details": {"cached_tokens": 10, "cache_write_tokens": 1}},
        )
    )


def test_the_last_ending_counts() -> None:
    events = read(START, ending("pause_turn"), ending(None), ending("max_tokens"), STOP)
    assert events[1] == Finish(choice=0, reason="length")


def test_the_stop_sequence_that_ended_it_is_told_if_it_was_asked_for() -> None:
    told = [START, ending("stop_sequence", stop_sequence="x"), STOP]
    asked = MessageReader(target="primary", stops=("x",))
    assert read(*told, reader=asked)[1] == Finish(choice=0, reason="stop", stopped_by="x")
    assert read(*told)[1] == Finish(choice=0, reason="stop")


@pytest.mark.rows
@pytest.mark.parametrize(
    ("kind", "error"),
    [
        ("overloaded_error", UpstreamOverloaded),
        ("rate_limit_error", UpstreamOverloaded),
        ("api_error", UpstreamFailed),
        (5, UpstreamFailed),
    ],
)
def test_an_error_in_the_stream_is_one_and_not_quoted(kind: JsonValue, error: type[UpstreamError]) -> None:
    for before in ((), (START,)):
        with pytest.raises(error) as caught:
            read(*before, {"type": "error", "error": {"type": kind, "message": "secret"}})
        assert caught.value.target == "primary"
        assert "secret" not in str(caught.value)
    with pytest.raises(UpstreamFailed):
        read({"type": "error"})


OPEN = (START, begin(TEXT))
WRONG: list[tuple[Json, ...]] = [
    ({},),
    ({"type": 1},),
    ({"type": "message_start"},),
    ({"type": "message_start", "message": []},),
    ({"type": "message_start", "message": {"id": 1}},),
    ({"type": "message_start", "message": {"usage": 1}},),
    (begin(TEXT),),
    (STOP,),
    (ending(),),
    ({"type": "something_new"},),
    (START, START),
    (START, STOP),
    (*OPEN, STOP),
    (*OPEN, ending(), STOP),
    (START, ending(None), STOP),
    (START, ending("why not?"), STOP),
    (START, {**ending(), "delta": None}),
    (START, {**ending(), "usage": {"output_tokens": -1}}, STOP),
    (START, {**ending(), "usage": {"output_tokens": 1, "input_tokens": 1.5}}, STOP),
    (START, ending(5), STOP),  # type: ignore[arg-type]
    (START, ending(), begin(TEXT)),
    (*OPEN, begin(TEXT, 1)),
    (*OPEN, close(), begin(TEXT)),
    (*OPEN, close(), close()),
    (*OPEN, close(1)),
    (*OPEN, delta("text_delta", 1, text="a")),
    (*OPEN, close(), delta("text_delta", text="a")),
    (*OPEN, delta("text_delta")),
    (*OPEN, delta("text_delta", text=1)),
    (*OPEN, delta("thinking_delta", thinking="a")),
    (*OPEN, delta("input_json_delta", partial_json="{}")),
    (*OPEN, delta("signature_delta", signature="s")),
    (*OPEN, delta("something_new", text="a")),
    (*OPEN, {"type": "content_block_delta", "index": 0, "delta": {}}),
    (*OPEN, {"type": "content_block_delta", "index": 0}),
    (*OPEN, {"type": "content_block_delta", "index": "0", "delta": {"type": "text_delta", "text": "a"}}),
    (START, {"type": "content_block_start", "index": 0}),
    (START, {"type": "content_block_start", "content_block": TEXT}),
    (START, begin({"type": "text"})),
    (START, begin({"type": "thinking"})),
    (START, begin({"type": "thinking", "thinking": "", "signature": 1})),
    (START, begin({"type": "redacted_thinking"})),
    (START, begin({**CALL, "name": None})),
    (START, begin({**CALL, "input": "{}"})),
    (START, begin({**CALL, "id": 1})),
    (START, begin({"type": "server_tool_use", "id": "x", "name": "web_search", "input": {}})),
    (START, begin({"type": "something_new"})),
    (START, begin({})),
    (START, begin({"type": "redacted_thinking", "data": "h"}), delta("thinking_delta", thinking="a")),
    (START, begin(CALL), delta("text_delta", text="a")),
    (START, begin({**CALL, "input": {"a": 1}}), delta("input_json_delta", partial_json="{}")),
]


@pytest.mark.rows
@pytest.mark.parametrize("events", WRONG)
def test_events_of_another_shape_or_order_are_refused(events: tuple[Json, ...]) -> None:
    reader = MessageReader(target="primary")
    read(*events[:-1], reader=reader)
    with pytest.raises(Misshapen):
        reader.feed(events[-1])
    assert not reader.done


def test_so_many_blocks_and_calls_may_stand_in_an_answer_and_no_more() -> None:
    def blocks(block: Json, count: int) -> list[Json]:
        return [one for index in range(count) for one in (begin(block, index), close(index))]

    assert len(inside(*blocks(CALL, MOST_CALLS))) == 2 * MOST_CALLS
    with pytest.raises(Misshapen, match="1024 tool calls"):
        inside(*blocks(CALL, MOST_CALLS + 1))
    assert inside(*blocks(TEXT, MOST_BLOCKS)) == []
    with pytest.raises(Misshapen, match="no block may begin"):
        inside(*blocks(TEXT, MOST_BLOCKS + 1))


words = st.text(st.characters(exclude_categories=["Cs"]), max_size=5)
blocks = st.lists(
    st.one_of(
        words.map(lambda text: {"type": "text", "text": text}),
        st.tuples(words, words).map(lambda two: {"type": "thinking", "thinking": two[0], "signature": two[1]}),
        words.map(lambda data: {"type": "redacted_thinking", "data": data}),
        st.dictionaries(words, st.integers(0, 9), max_size=2).map(lambda given: {**CALL, "input": given}),
    ),
    max_size=6,
)


def streamed(block: Json, index: int) -> list[Json]:
    """A whole block as a stream tells it."""
    match block["type"]:
        case "text":
            return [begin(TEXT, index), delta("text_delta", index, text=block["text"]), close(index)]
        case "thinking":
            thought = delta("thinking_delta", index, thinking=block["thinking"])
            return [begin(THINKING, index), thought, delta("signature_delta", index, **_signed(block)), close(index)]
        case _:
            return [begin(block, index), close(index)]


def _signed(block: Json) -> Json:
    return {"signature": block["signature"]}


@given(blocks)
def test_a_stream_says_what_the_whole_answer_says(drawn: list[Json]) -> None:
    usage = {"input_tokens": 3, "output_tokens": 2}
    whole = read_reply({"type": "message", "content": drawn, "stop_reason": "end_turn", "usage": usage}).choices[0]
    events = inside(*(event for index, block in enumerate(drawn) for event in streamed(block, index)))
    assert "".join(e.text for e in events if isinstance(e, TextDelta)) == (whole.text or "")
    assert "".join(e.text for e in events if isinstance(e, ReasoningDelta)) == (whole.reasoning or "")
    assert tuple(e.seal for e in events if isinstance(e, ReasoningSealed)) == whole.seals
    assert [e.arguments for e in events if isinstance(e, ToolCallDelta)] == [c.arguments for c in whole.tool_calls]


names = st.sampled_from(["type", "text", "index", "content_block", "delta", "usage", "stop_reason", "input"])
json_values = st.recursive(
    st.none() | st.integers(-1, 2) | st.sampled_from(["text", "thinking", "tool_use", "text_delta", "end_turn", ""]),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(names, inner, max_size=4),
    max_leaves=10,
)
kinds = st.sampled_from([
    "message_start", "content_block_start", "content_block_delta", "content_block_stop", "message_delta",
    "message_stop", "ping", "error", "new",
])  # fmt: skip
fields = st.fixed_dictionaries({"type": kinds}, optional={
    "index": st.integers(-1, 2), "content_block": json_values, "delta": json_values, "message": json_values,
    "usage": json_values,
})  # fmt: skip


@given(st.lists(fields | st.dictionaries(names, json_values, max_size=4), max_size=6))
def test_whatever_comes_only_the_stated_errors_are_raised(events: list[Json]) -> None:
    with contextlib.suppress(Misshapen, UpstreamFailed, UpstreamOverloaded):
        read(*events)
