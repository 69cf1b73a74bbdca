"""What of an answer reaches the client where no rule of any policy looks at it?

All of it, less datamarks and calls to the gateway's own reserved tool.
"""

from dataclasses import replace
from typing import assert_never

from gateway.domain.exchange import (
    Choice,
    Finish,
    ReasoningDelta,
    ReasoningSealed,
    RefusalDelta,
    Reply,
    Started,
    StreamEvent,
    TextDelta,
    ToolCallDelta,
    ToolCallStarted,
    UsageReport,
)
from gateway.domain.prompt import ToolCall
from gateway.pipeline._reserved import Numbers
from gateway.pipeline._unmark import Unmark


class Plain:
    """Passes one answer on as it comes.

    With a datamark a call's arguments are held until its choice ends: a model may write the mark as a JSON escape, and
    an escape may come in pieces.
    """

    def __init__(self, unmark: Unmark) -> None:
        self._unmark = unmark
        # Asked for every token.
        self._marked = unmark.marked
        self._numbers: dict[int, Numbers] = {}
        # Arguments that wait for their choice's end, by the client's number: in pieces, as a text that grows is copied.
        self._held: dict[int, dict[int, list[str]]] = {}

    @classmethod
    def of(cls, datamark: str | None) -> "Plain":
        """For an answer that may hold this datamark."""
        return cls(Unmark(datamark))

    def feed(self, event: StreamEvent) -> tuple[StreamEvent, ...]:
        """The events that may go on now that this one has come."""
        match event:
            case TextDelta() | ReasoningDelta() | RefusalDelta():
                return (replace(event, text=self._unmark.text(event.text)) if self._marked else event,)
            case ReasoningSealed():
                # The mark may have stood in what was sealed.
                return () if self._marked else (event,)
            case ToolCallStarted():
                number = self._numbers_of(event.choice).start(event.index, event.name)
                return () if number is None else (replace(event, index=number, name=self._unmark.text(event.name)),)
            case ToolCallDelta():
                return self._arguments(event)
            case Finish():
                reason = self._numbers_of(event.choice).ending(event.reason)
                return (*self._released(event.choice), replace(event, reason=reason))
            case Started() | UsageReport():
                return (event,)
            case _:
                assert_never(event)

    def whole(self, reply: Reply) -> Reply:
        """Clear a whole answer by the same rules."""
        for choice in reply.choices:
            if self._marked or choice.tool_calls:
                return replace(reply, choices=tuple([self._choice(one) for one in reply.choices]))
        return reply

    def _arguments(self, event: ToolCallDelta) -> tuple[StreamEvent, ...]:
        number = self._numbers_of(event.choice).known.get(event.index)
        if number is None:
            return ()
        if not self._marked:
            return (replace(event, index=number),)
        self._held.setdefault(event.choice, {}).setdefault(number, []).append(event.arguments)
        return ()

    def _released(self, choice: int) -> tuple[StreamEvent, ...]:
        return tuple(
            ToolCallDelta(choice=choice, index=number, arguments=self._unmark.json("".join(pieces)))
            for number, pieces in self._held.pop(choice, {}).items()
        )

    def _choice(self, choice: Choice) -> Choice:
        numbers = self._numbers_of(choice.index)
        unmark = self._unmark
        visible = tuple(
            ToolCall(id=call.id, name=unmark.text(call.name), arguments=unmark.json(call.arguments))
            for index, call in enumerate(choice.tool_calls)
            if numbers.start(index, call.name) is not None
        )
        return replace(
            choice,
            text=None if choice.text is None else unmark.text(choice.text),
            refusal=None if choice.refusal is None else unmark.text(choice.refusal),
            reasoning=None if choice.reasoning is None else unmark.text(choice.reasoning),
            tool_calls=visible,
            seals=() if self._marked else choice.seals,
            finish_reason=numbers.ending(choice.finish_reason),
        )

    def _numbers_of(self, choice: int) -> Numbers:
        return self._numbers.setdefault(choice, Numbers())
