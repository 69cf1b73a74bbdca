from gateway.domain.exchange import (
    Finish,
    Judged,
    ReasoningDelta,
    RefusalDelta,
    Started,
    TextDelta,
    ToolCallDelta,
    ToolCallStarted,
)
from gateway.domain.prompt import ToolCall
from gateway.pipeline.transcript import Transcript


def test_pieces_are_put_together_choice_by_choice() -> None:
    transcript = Transcript()
    for event in (
        Started(id="x", model="m", created=1),
        TextDelta(choice=0, text="a"),
        TextDelta(choice=1, text="c"),
        TextDelta(choice=0, text="b"),
        ReasoningDelta(choice=0, text="r"),
        RefusalDelta(choice=1, text="no"),
        ToolCallStarted(choice=0, index=0, id="1", name="f"),
        ToolCallDelta(choice=0, index=0, arguments="{"),
        ToolCallDelta(choice=0, index=0, arguments="}"),
        ToolCallDelta(choice=0, index=1, arguments="?"),
        Finish(choice=0, reason="stop"),
        Judged(decision="allow", findings=()),
    ):
        transcript.take((event,))
    first, second = transcript.choices
    assert (first.index, first.text, first.reasoning, first.refusal) == (0, "ab", "r", "")
    assert first.tool_calls == (
        ToolCall(id="1", name="f", arguments="{}"),
        ToolCall(id="", name="", arguments="?"),
    )
    assert (second.index, second.text, second.refusal) == (1, "c", "no")


def test_a_stream_that_said_nothing_has_no_choices() -> None:
    assert Transcript().choices == ()
