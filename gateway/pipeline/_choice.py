"""What of one choice may go on now?

Everything that changes a choice's state lives here. A choice ends once: cleared, held for an approver, or blocked;
after that nothing of it goes on.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Final, Literal, TypeAlias, assert_never

from gateway.domain.detection import Detections, Scanned, Stage, Subject
from gateway.domain.exchange import (
    ApprovalRequired,
    Choice,
    Finish,
    ReasoningDelta,
    ReasoningSealed,
    RefusalDelta,
    StreamEvent,
    TextDelta,
    ToolCallDelta,
    ToolCallStarted,
)
from gateway.domain.jsonvalue import JsonObject
from gateway.domain.prompt import Seal, ToolCall
from gateway.domain.verdict import Block, RequireApproval
from gateway.pipeline._calls import Calls, Extra, HeldCall, call_events, held_calls
from gateway.pipeline._channel import CHANNELS, Channel, ChannelName, Delta, place_of, settled
from gateway.pipeline._judgement import Judgement, Passage
from gateway.pipeline._ledger import Ledger
from gateway.pipeline._reserved import WITHHELD
from gateway.pipeline._unmark import Unmark
from gateway.pipeline._watch import Watch
from gateway.pipeline._window import window_start
from gateway.pipeline.apply import replacements
from policies.engine.evaluate import evaluate

# How text is released: as it comes, while nothing that acts looks at it; past a window; once all is judged.
Release: TypeAlias = Literal["at_once", "window", "hold"]
GuardEvent: TypeAlias = StreamEvent | ApprovalRequired
ChoiceEvent: TypeAlias = Delta | ReasoningSealed | ToolCallStarted | ToolCallDelta | Finish
# A window slides by this part of itself or more: to look again at every token would cost many times as much.
_STEPS: Final = 16
# So many windows of text that no detector sees, or that one mark covers, and the rest waits for the end: to look at it
# time and again would cost more than it is worth to anyone who reads along.
_MOST_WINDOWS: Final = 16


class GuardedChoice:
    """One choice under watch. Once ``ended`` it is cleared, unless it is ``blocked`` or waits for ``approval``.

    What is held for longer than ``patience_s`` is blocked.
    """

    def __init__(self, index: int, watch: Watch, unmark: Unmark, release: Release, patience_s: float) -> None:
        self._index = index
        self._watch = watch
        self._unmark = unmark
        # Asked for every token.
        self._marked = unmark.marked
        self._release: Release = release
        self._patience_s = patience_s
        self._most = _MOST_WINDOWS * watch.applicable.streaming.window_chars
        self._keeps_text = release != "at_once" or watch.applicable.approves
        self._judges_calls = watch.reads(Stage.TOOL_CALL) or watch.rewrites_calls
        self._channels: dict[ChannelName, Channel] = {}
        # Made with the first call: most answers have none.
        self._calls: Calls | None = None
        self._reason: str | None = None
        self._stopped_by: str | None = None
        self._seals: list[Seal] = []
        self._judgement: Judgement | None = None
        self._looks = watch.looks_at(index)
        self._held_calls: list[HeldCall] = []
        self._released_calls: tuple[ToolCall, ...] = ()
        # The other words of a whole choice; None where there are none.
        self._extra: Extra | None = None
        # An approver is needed already: what is still to come waits for the end.
        self._stopped = False
        self.ledger: Final = Ledger()
        self.blocked = False
        self.approval = False
        self.ended = False

    @property
    def questions(self) -> tuple[Subject, ...]:
        """What must be asked before the choice can end."""
        return () if self._judgement is None else self._judgement.questions

    @property
    def deadline(self) -> float | None:
        """When the oldest of what is held has waited too long."""
        parts: list[Channel | Calls] = [] if self._release == "at_once" else list(self._channels.values())
        if self._calls is not None:
            parts.append(self._calls)
        since = [held for part in parts if (held := part.held_since) is not None]
        return min(since) + self._patience_s if since else None

    def annotate(self, extra: JsonObject) -> None:
        """The other words of a whole choice, which come with it."""
        self._extra = Extra(extra, place_of(self._index, "extra"))

    @property
    def extra(self) -> JsonObject:
        """What of those words may go on."""
        return {} if self._extra is None else self._extra.value

    @property
    def cleared(self) -> Choice:
        """All of an ended choice that is not blocked; its texts only where some rule may ask for an approver."""
        said = {
            name: channel.text if self._release == "at_once" else channel.passed
            for name, channel in self._channels.items()
        }
        return Choice(
            index=self._index,
            text=said.get("text"),
            reasoning=said.get("reasoning"),
            refusal=said.get("refusal"),
            tool_calls=self._released_calls,
            finish_reason=self._reason or WITHHELD,
            extra=self.extra,
            stopped_by=self._stopped_by,
            seals=self._valid_seals,
        )

    def feed(self, event: ChoiceEvent, now: float) -> tuple[GuardEvent, ...]:
        """The events that may go on now that this one has come, unless it came too late."""
        if self._reason is not None:
            return ()
        if late := self.expire(now):
            return late
        match event:
            case TextDelta():
                return self._said(event, event.logprobs, now)
            case ReasoningDelta() | RefusalDelta():
                return self._said(event, None, now)
            case ReasoningSealed():
                return self._sealed(event)
            case ToolCallStarted() | ToolCallDelta():
                self._call(event, now)
                return ()
            case Finish():
                self._stopped_by = event.stopped_by
                return self._finish(event.reason, now)
            case _:
                assert_never(event)

    def answer(self, answers: Sequence[Detections], now: float) -> tuple[GuardEvent, ...]:
        """The events that may go on now that ``questions`` are answered, unless that took too long."""
        if self._judgement is None:
            return ()
        if late := self.expire(now):
            return late
        self._judgement.answer(answers)
        return self._settled(self._judgement, now)

    def expire(self, now: float) -> tuple[GuardEvent, ...]:
        """Block what was held for too long."""
        deadline = self.deadline
        return () if deadline is None or now < deadline else self.cut_off()

    def cut_off(self) -> tuple[GuardEvent, ...]:
        """Block what has not come to its end in time."""
        if self.ended:
            return ()
        self.ledger.refuse("max_hold_ms", Stage.OUTPUT, place_of(self._index, "text"))
        return self._block()

    def _said(self, event: Delta, logprobs: JsonObject | None, now: float) -> tuple[GuardEvent, ...]:
        text = self._unmark.text(event.text) if self._marked else event.text
        if not self._keeps_text:
            return (event if text is event.text else replace(event, text=text),)
        name = CHANNELS[type(event)]
        channel = self._channels.get(name) or self._channel(name)
        if self._release == "window":
            slides = not self._stopped and channel.pending <= self._most
            channel.take(text, logprobs, now)
            return self._slide(channel, now) if slides else ()
        channel.take(text, logprobs, now)
        if self._release == "at_once":
            return (event if text is event.text else replace(event, text=text),)
        return ()

    def _call(self, event: ToolCallStarted | ToolCallDelta, now: float) -> None:
        if self._calls is None:
            self._calls = Calls(self._unmark)
        if isinstance(event, ToolCallStarted):
            self._calls.start(event.index, event.id, event.name, now)
        else:
            self._calls.more(event.index, event.arguments)

    def _sealed(self, event: ReasoningSealed) -> tuple[GuardEvent, ...]:
        """A seal goes on behind all that it covers, unless some of that went on otherwise than it came."""
        self._seals.append(event.seal)
        return (event,) if self._release == "at_once" and self._valid_seals else ()

    @property
    def _valid_seals(self) -> tuple[Seal, ...]:
        channel = self._channels.get("reasoning")
        return () if self._marked or (channel is not None and channel.edited) else tuple(self._seals)

    def _channel(self, name: ChannelName) -> Channel:
        channel = self._channels[name] = Channel(name, self._index, remembers=self._watch.applicable.approves)
        return channel

    def _slide(self, channel: Channel, now: float) -> tuple[GuardEvent, ...]:
        """Let go what no match within the window can change any more, if policy has nothing against it."""
        window = self._watch.applicable.streaming.window_chars
        step = max(1, window // _STEPS)
        if channel.seen < max(window + step, channel.due):
            return ()
        at = window_start(channel.text, window)
        subject = channel.subject(self._watch)
        seen = self._watch.look(subject)
        end = channel.boundary(at, seen)
        if end <= channel.start:
            channel.due = channel.seen + max(step, channel.seen // _STEPS)
            return ()
        fresh = settled(seen, channel.start, end)
        scanned = Scanned(subject=subject, detections=fresh)
        if self._looks is not None:
            self._looks.take(scanned)
        found = evaluate(self._watch.applicable, [scanned], now + self._watch.epoch).found
        if found.hits:
            self.ledger.add(found, more=bool(fresh))
            verdict = self.ledger.verdict
            if isinstance(verdict, Block):
                return self._block()
            if isinstance(verdict, RequireApproval):
                self._stopped = True
                return ()
        deltas = channel.clear(end, replacements(found.edits, subject.text, None), window)
        channel.due = channel.seen + step
        return tuple(deltas)

    def _finish(self, reason: str, now: float) -> tuple[GuardEvent, ...]:
        self._reason = reason if self._calls is None else self._calls.ending(reason)
        continues = self._release == "window"
        self._judgement = Judgement(self._passages(), self._watch, self.ledger, continues=continues, seen=self._looks)
        return self._settled(self._judgement, now)

    def _passages(self) -> list[Passage]:
        """All that is judged at the end; what cannot be read is refused where a rule that acts would have to."""
        watch = self._watch
        passages: list[Passage] = []
        if watch.reads(Stage.OUTPUT):
            passages.extend(self._texts())
            passages.extend(() if self._extra is None else self._extra.passages(watch))
        if self._judges_calls and self._calls is not None:
            self._held_calls = held_calls(self._called, self._index, watch)
            passages.extend(self._held_calls)
        if watch.rewrites_calls:
            for call in self._held_calls:
                if not call.readable:
                    self.ledger.refuse("unreadable_arguments", Stage.TOOL_CALL, call.where)
        if self._calls is not None and self._calls.garbled:
            self.ledger.refuse("garbled_calls", Stage.TOOL_CALL, place_of(self._index, "text"))
        return passages

    def _texts(self) -> list[Channel]:
        """What was said; where nothing was said or called at all, that is judged as an empty text."""
        said = [channel for channel in self._channels.values() if channel.text]
        if said or self._called:
            return said
        return [self._channels.get("text") or self._channel("text")]

    def _settled(self, judgement: Judgement, now: float) -> tuple[GuardEvent, ...]:
        if not judgement.settle(now):
            return ()
        self._judgement = None
        verdict = self.ledger.verdict
        if isinstance(verdict, Block):
            return self._block()
        self.ended = True
        texts = self._rest()
        self._released_calls = self._release_calls()
        if isinstance(verdict, RequireApproval):
            self.approval = True
            return ApprovalRequired(choice=self._index), Finish(choice=self._index, reason=WITHHELD)
        calls = call_events(self._index, self._released_calls)
        ending = Finish(choice=self._index, reason=self._reason or WITHHELD, stopped_by=self._stopped_by)
        return *texts, *calls, ending

    def _rest(self) -> list[StreamEvent]:
        if self._release == "at_once":
            return []
        rest: list[StreamEvent] = []
        for channel in self._channels.values():
            rest += channel.clear(len(channel.text), (), 0)
        return [*rest, *[ReasoningSealed(choice=self._index, seal=seal) for seal in self._valid_seals]]

    def _release_calls(self) -> tuple[ToolCall, ...]:
        if self._judges_calls:
            return tuple([call.released() for call in self._held_calls])
        return tuple(self._called)

    @property
    def _called(self) -> list[ToolCall]:
        """The calls as the model made them."""
        return [] if self._calls is None else self._calls.whole()

    def _block(self) -> tuple[GuardEvent, ...]:
        self.blocked = self.ended = True
        self._reason, self._stopped_by = WITHHELD, None
        self._judgement = None
        self._seals.clear()
        self._channels.clear()
        self._held_calls.clear()
        self._extra = None
        return (Finish(choice=self._index, reason=WITHHELD),)
