import tracemalloc

import pytest

from gateway.domain.exchange import (
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
)
from gateway.domain.prompt import RESERVED_TOOL, ToolCall
from gateway.pipeline.guard import WITHHELD, Guard, GuardEvent

MARK = "\ue000"
NOW = 0.0


def cleared(guard: Guard, *events: StreamEvent) -> list[GuardEvent]:
    return [passed for event in events for passed in guard.feed(event, NOW)]


def reply_of(choice: Choice) -> Reply:
    return Reply(id="r", model="m", created=1, choices=(choice,))


@pytest.mark.rows
@pytest.mark.parametrize("kind", [TextDelta, ReasoningDelta, RefusalDelta])
def test_datamarks_are_taken_out_of_streamed_text(kind: type[TextDelta]) -> None:
    assert cleared(Guard(MARK), kind(choice=0, text=f"a{MARK}b")) == [kind(choice=0, text="ab")]


def test_without_a_datamark_text_passes_as_it_is() -> None:
    event = TextDelta(choice=0, text=f"a{MARK}b")
    assert cleared(Guard(None), event) == [event]


@pytest.mark.rows
@pytest.mark.parametrize(
    "name",
    [
        RESERVED_TOOL,
        f"functions.{RESERVED_TOOL}",
        f" {RESERVED_TOOL} ",
        "Read_Untrusted_Data",
        "read\u200b_untrusted_data",
    ],
)
def test_a_call_to_the_reserved_tool_never_reaches_the_client(name: str) -> None:
    events = cleared(
        Guard(None),
        ToolCallStarted(choice=0, index=0, id="c", name=name),
        ToolCallDelta(choice=0, index=0, arguments="{}"),
        Finish(choice=0, reason="tool_calls"),
    )
    assert events == [Finish(choice=0, reason=WITHHELD)]


def test_calls_beside_a_withheld_one_are_renumbered_and_kept() -> None:
    events = cleared(
        Guard(MARK),
        ToolCallStarted(choice=0, index=0, id="c", name=RESERVED_TOOL),
        ToolCallStarted(choice=0, index=1, id="d", name="send"),
        ToolCallDelta(choice=0, index=1, arguments=f'{{"a":"b{MARK}c"}}'),
        Finish(choice=0, reason="tool_calls"),
    )
    assert events == [
        ToolCallStarted(choice=0, index=0, id="d", name="send"),
        ToolCallDelta(choice=0, index=0, arguments='{"a":"bc"}'),
        Finish(choice=0, reason="tool_calls"),
    ]


def test_arguments_of_a_call_that_never_started_are_withheld() -> None:
    assert cleared(Guard(None), ToolCallDelta(choice=0, index=3, arguments="{}")) == []


def test_other_events_pass() -> None:
    event = Started(id="r", model="m", created=1)
    assert cleared(Guard(MARK), event) == [event]


def test_choices_are_judged_apart() -> None:
    events = cleared(
        Guard(None),
        ToolCallStarted(choice=0, index=0, id="c", name=RESERVED_TOOL),
        Finish(choice=0, reason="tool_calls"),
        Finish(choice=1, reason="stop"),
    )
    assert events == [Finish(choice=0, reason=WITHHELD), Finish(choice=1, reason="stop")]


def test_a_whole_reply_passes_the_same_guard() -> None:
    choice = Choice(
        index=0,
        text=f"a{MARK}b",
        refusal=f"c{MARK}d",
        reasoning=f"e{MARK}f",
        finish_reason="tool_calls",
        tool_calls=(
            ToolCall(id="c", name=RESERVED_TOOL, arguments="{}"),
            ToolCall(id="d", name="send", arguments=f'"{MARK}"'),
        ),
    )
    (passed,) = Guard(MARK).whole(reply_of(choice), NOW).choices
    assert (passed.text, passed.refusal, passed.reasoning) == ("ab", "cd", "ef")
    assert passed.tool_calls == (ToolCall(id="d", name="send", arguments='""'),)
    assert passed.finish_reason == "tool_calls"


def test_a_whole_reply_whose_only_call_is_withheld_says_so() -> None:
    call = ToolCall(id="c", name=RESERVED_TOOL, arguments="{}")
    choice = Choice(index=0, text=None, finish_reason="tool_calls", tool_calls=(call,))
    (passed,) = Guard(None).whole(reply_of(choice), NOW).choices
    assert passed.tool_calls == ()
    assert passed.finish_reason == WITHHELD
    assert passed.text is None


def test_a_reply_with_nothing_to_take_out_is_passed_on_as_it_is() -> None:
    reply = reply_of(Choice(index=0, text="hello", finish_reason="stop"))
    assert Guard(None).whole(reply, NOW) is reply


@pytest.mark.rows
@pytest.mark.parametrize("cut", range(1, 12))
def test_a_mark_written_as_an_escape_is_taken_out_of_arguments_however_they_are_cut(cut: int) -> None:
    arguments = '{"a":"\\uE000b\\ue000 c"}'
    events = cleared(
        Guard(MARK),
        ToolCallStarted(choice=0, index=0, id="d", name="send"),
        ToolCallDelta(choice=0, index=0, arguments=arguments[:cut]),
        ToolCallDelta(choice=0, index=0, arguments=arguments[cut:]),
        Finish(choice=0, reason="tool_calls"),
    )
    assert events[1] == ToolCallDelta(choice=0, index=0, arguments='{"a":"b c"}')


def test_arguments_that_wait_are_not_copied_for_each_piece_that_comes() -> None:
    guard = Guard(MARK)
    guard.feed(ToolCallStarted(choice=0, index=0, id="d", name="send"), NOW)
    piece = ToolCallDelta(choice=0, index=0, arguments="x" * 1_000)
    tracemalloc.start()
    try:
        for _ in range(200):
            assert guard.feed(piece, NOW) == ()
        kept, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert kept < 100_000
    (told, _) = guard.feed(Finish(choice=0, reason="tool_calls"), NOW)
    assert told == ToolCallDelta(choice=0, index=0, arguments="x" * 200_000)


def test_without_a_datamark_arguments_pass_as_they_come() -> None:
    guard = Guard(None)
    guard.feed(ToolCallStarted(choice=0, index=0, id="d", name="send"), NOW)
    piece = ToolCallDelta(choice=0, index=0, arguments='{"a":"\\ue0')
    assert guard.feed(piece, NOW) == (piece,)


def test_a_choice_that_called_nothing_ends_as_it_does() -> None:
    assert Guard(MARK).feed(Finish(choice=0, reason="stop"), NOW) == (Finish(choice=0, reason="stop"),)


@pytest.mark.rows
@pytest.mark.parametrize(
    ("arguments", "passed"),
    [
        ('{"a":"c:\\\\ue000lit"}', '{"a":"c:\\\\ue000lit"}'),
        ('{"a":"c:\\\\\\ue000lit"}', '{"a":"c:\\\\lit"}'),
        ('{"a":"\\ue000\\ue000x"}', '{"a":"x"}'),
    ],
)
def test_only_a_real_escape_of_the_mark_is_taken_out(arguments: str, passed: str) -> None:
    call = ToolCall(id="d", name=f"send{MARK}", arguments=arguments)
    choice = Choice(index=0, text=None, finish_reason="tool_calls", tool_calls=(call,))
    (cleared_choice,) = Guard(MARK).whole(reply_of(choice), NOW).choices
    assert cleared_choice.tool_calls == (ToolCall(id="d", name="send", arguments=passed),)
