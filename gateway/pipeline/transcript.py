"""What did a stream say in the end, choice by choice?"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from gateway.domain.exchange import (
    Choice,
    ReasoningDelta,
    ReasoningSealed,
    RefusalDelta,
    ReplyEvent,
    TextDelta,
    ToolCallDelta,
    ToolCallStarted,
)
from gateway.domain.prompt import Seal, ToolCall


@dataclass(slots=True)
class _Said:
    text: list[str] = field(default_factory=list[str])
    refusal: list[str] = field(default_factory=list[str])
    reasoning: list[str] = field(default_factory=list[str])
    seals: list[Seal] = field(default_factory=list[Seal])
    calls: dict[int, tuple[str, str, list[str]]] = field(default_factory=dict[int, tuple[str, str, list[str]]])


class Transcript:
    """Collects what a client was sent. Finish reasons are no part of it."""

    def __init__(self) -> None:
        self._said: dict[int, _Said] = {}

    def take(self, events: Sequence[ReplyEvent]) -> None:
        """Note events."""
        for event in events:
            self._note(event)

    def _note(self, event: ReplyEvent) -> None:
        match event:
            case TextDelta():
                self._of(event.choice).text.append(event.text)
            case RefusalDelta():
                self._of(event.choice).refusal.append(event.text)
            case ReasoningDelta():
                self._of(event.choice).reasoning.append(event.text)
            case ReasoningSealed():
                self._of(event.choice).seals.append(event.seal)
            case ToolCallStarted():
                self._of(event.choice).calls[event.index] = (event.id, event.name, [])
            case ToolCallDelta():
                self._of(event.choice).calls.setdefault(event.index, ("", "", []))[2].append(event.arguments)
            case _:
                return

    @property
    def choices(self) -> tuple[Choice, ...]:
        """What was said so far."""
        return tuple(
            [
                Choice(
                    index=index,
                    text="".join(said.text),
                    refusal="".join(said.refusal),
                    reasoning="".join(said.reasoning),
                    seals=tuple(said.seals),
                    finish_reason="stop",
                    tool_calls=tuple(
                        [ToolCall(id=call, name=name, arguments="".join(a)) for call, name, a in said.calls.values()]
                    ),
                )
                for index, said in self._said.items()
            ]
        )

    def _of(self, choice: int) -> _Said:
        return self._said.setdefault(choice, _Said())
