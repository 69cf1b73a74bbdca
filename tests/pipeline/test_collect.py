import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.domain.exchange import (
    ApprovalRequired,
    Choice,
    Finish,
    ReasoningDelta,
    RefusalDelta,
    Reply,
    Started,
    StreamEvent,
    TextDelta,
    ToolCallDelta,
    ToolCallStarted,
    Usage,
    UsageReport,
)
from gateway.domain.jsonvalue import JsonObject
from gateway.domain.prompt import ToolCall
from gateway.pipeline.collect import collected, events_of
from gateway.pipeline.guard import WITHHELD

texts = st.none() | st.text(max_size=3)
calls = st.lists(st.builds(ToolCall, id=st.text(), name=st.text(), arguments=st.text()), max_size=3).map(tuple)
none: JsonObject = {}
logprobs: JsonObject = {"content": []}
annotations: JsonObject = {"annotations": ["x"]}
choices = st.builds(
    Choice,
    index=st.integers(0, 9),
    text=texts,
    finish_reason=st.sampled_from(["stop", "tool_calls", WITHHELD]),
    refusal=texts,
    reasoning=texts,
    tool_calls=calls,
    logprobs=st.none() | st.just(logprobs),
    extra=st.sampled_from([none, annotations]),
)


def reply_of(*held: Choice) -> Reply:
    return Reply(
        id="r", model="m", created=1, choices=held, usage=Usage(input_tokens=1, output_tokens=2), extra={"a": 1}
    )


@given(st.lists(choices, max_size=3))
def test_an_answer_told_as_events_and_put_together_is_the_same(held: list[Choice]) -> None:
    reply = reply_of(*held)
    events = [event for number, choice in enumerate(held) for event in events_of(choice, number)]
    assert collected(reply, events, {number: choice.extra for number, choice in enumerate(held)}) == reply


def test_a_choice_is_told_in_the_order_of_its_channels() -> None:
    choice = Choice(
        index=7,
        text="t",
        reasoning="r",
        refusal="f",
        finish_reason="stop",
        tool_calls=(ToolCall(id="c", name="send", arguments="{}"),),
    )
    assert list(events_of(choice, 2)) == [
        ReasoningDelta(choice=2, text="r"),
        TextDelta(choice=2, text="t"),
        RefusalDelta(choice=2, text="f"),
        ToolCallStarted(choice=2, index=0, id="c", name="send"),
        ToolCallDelta(choice=2, index=0, arguments="{}"),
        Finish(choice=2, reason="stop"),
    ]


def test_an_absent_text_makes_no_event() -> None:
    assert list(events_of(Choice(index=0, text=None, finish_reason="stop"), 0)) == [Finish(choice=0, reason="stop")]


def test_pieces_are_put_together() -> None:
    choice = Choice(index=0, text="?", finish_reason="?", tool_calls=())
    events: list[StreamEvent | ApprovalRequired] = [
        Started(id="other", model="other", created=2),
        TextDelta(choice=0, text="a"),
        ToolCallStarted(choice=0, index=0, id="c", name="send"),
        ToolCallDelta(choice=0, index=0, arguments="{"),
        TextDelta(choice=0, text="b"),
        ToolCallDelta(choice=0, index=0, arguments="}"),
        Finish(choice=0, reason="stop"),
        UsageReport(usage=None),
    ]
    call = ToolCall(id="c", name="send", arguments="{}")
    put = Choice(index=0, text="ab", finish_reason="stop", tool_calls=(call,))
    assert collected(reply_of(choice), events, {0: {}}) == reply_of(put)


@pytest.mark.parametrize("told", [[], [ApprovalRequired(choice=0), Finish(choice=0, reason=WITHHELD)]])
def test_a_choice_that_was_not_cleared_holds_nothing(told: list[StreamEvent | ApprovalRequired]) -> None:
    choice = Choice(index=3, text="t", refusal="f", reasoning="r", finish_reason="stop", extra={"annotations": ["x"]})
    assert collected(reply_of(choice), told, {}) == reply_of(Choice(index=3, text=None, finish_reason=WITHHELD))
