"""How does a whole answer pass a guard that knows events?

It is told as events, and what goes on is put together again. Whatever has no events (ids, counts, fields beside the
answer) stays as it was.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import assert_never

from gateway.domain.exchange import (
    ApprovalRequired,
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
from gateway.domain.jsonvalue import JsonObject
from gateway.domain.prompt import Seal, ToolCall
from gateway.pipeline._calls import call_events
from gateway.pipeline._choice import ChoiceEvent
from gateway.pipeline._reserved import WITHHELD


def events_of(choice: Choice, number: int) -> Iterator[ChoiceEvent]:
    """A whole choice as the events of choice ``number``; an absent text makes none."""
    if choice.reasoning is not None:
        yield ReasoningDelta(choice=number, text=choice.reasoning)
    for seal in choice.seals:
        yield ReasoningSealed(choice=number, seal=seal)
    if choice.text is not None or choice.logprobs is not None:
        yield TextDelta(choice=number, text=choice.text or "", logprobs=choice.logprobs)
    if choice.refusal is not None:
        yield RefusalDelta(choice=number, text=choice.refusal)
    yield from call_events(number, choice.tool_calls)
    yield Finish(choice=number, reason=choice.finish_reason, stopped_by=choice.stopped_by)


def collected(
    reply: Reply, events: Iterable[StreamEvent | ApprovalRequired], extras: Mapping[int, JsonObject]
) -> Reply:
    """``reply`` as ``events`` tell it; ``extras`` are the other fields of those choices that were cleared.

    Any other choice was withheld, or is not judged yet: it holds nothing.
    """
    told: list[list[StreamEvent]] = [[] for _ in reply.choices]
    for event in events:
        if not isinstance(event, (ApprovalRequired, Started, UsageReport)):
            told[event.choice].append(event)
    choices = [
        _choice(choice, told[number], extras[number]) if number in extras else _withheld(choice)
        for number, choice in enumerate(reply.choices)
    ]
    return replace(reply, choices=tuple(choices))


def _withheld(choice: Choice) -> Choice:
    return Choice(index=choice.index, text=None, finish_reason=WITHHELD)


def _choice(choice: Choice, events: Sequence[StreamEvent], extra: JsonObject) -> Choice:
    texts: dict[type[StreamEvent], str] = {}
    calls: dict[int, ToolCall] = {}
    seals: list[Seal] = []
    logprobs: JsonObject | None = None
    finish = Finish(choice=choice.index, reason=WITHHELD)
    for event in events:
        match event:
            case TextDelta() | ReasoningDelta() | RefusalDelta():
                texts[type(event)] = texts.get(type(event), "") + event.text
                logprobs = event.logprobs if isinstance(event, TextDelta) else logprobs
            case ToolCallStarted():
                calls[event.index] = ToolCall(id=event.id, name=event.name, arguments="")
            case ToolCallDelta():
                call = calls[event.index]
                calls[event.index] = replace(call, arguments=call.arguments + event.arguments)
            case ReasoningSealed():
                seals.append(event.seal)
            case Finish():
                finish = event
            case Started() | UsageReport():  # pragma: no cover
                continue
            case _:
                assert_never(event)
    return replace(
        choice,
        text=None if choice.text is None else texts.get(TextDelta, ""),
        reasoning=None if choice.reasoning is None else texts.get(ReasoningDelta, ""),
        refusal=None if choice.refusal is None else texts.get(RefusalDelta, ""),
        tool_calls=tuple(calls.values()),
        logprobs=logprobs,
        finish_reason=finish.reason,
        stopped_by=finish.stopped_by,
        seals=tuple(seals),
        extra=extra,
    )
