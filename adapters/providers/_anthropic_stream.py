"""What does a streamed answer of Anthropic's Messages API say, event by event?

No I/O: one parsed event in, events out. All of a stream's state is here, and so is the rule that only ``message_stop``,
with every block closed and a stop reason told, ends an answer: whatever ends before was cut short. Types of events that
are new are passed over, as the documentation asks; new types of blocks and deltas are content that no check has looked
into, and make the answer unusable.
Source: Anthropic's documentation, "Streaming Messages".
"""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from adapters.providers._anthropic_read import (
    MOST_BLOCKS,
    as_text,
    hidden_seal,
    read_ending,
    read_extra,
    read_usage,
    seal_of,
    stopped_by,
    unreadable,
)
from adapters.providers._calls import MOST_CALLS, read_call_id
from adapters.providers._shape import (
    Misshapen,
    Object,
    count_at,
    object_at,
    optional_object,
    optional_text,
    text_at,
)
from gateway.domain.errors import UpstreamError, UpstreamFailed, UpstreamGarbled, UpstreamOverloaded
from gateway.domain.exchange import (
    Finish,
    ReasoningDelta,
    ReasoningSealed,
    Started,
    StreamEvent,
    TextDelta,
    ToolCallDelta,
    ToolCallStarted,
    UsageReport,
)
from gateway.domain.jsonvalue import JsonObject

_NO_ROOM: Final = frozenset({"overloaded_error", "rate_limit_error"})
_Kind: TypeAlias = Literal["text", "thinking", "redacted_thinking", "tool_use"]


@dataclass(slots=True)
class _Block:
    """The block that is being written. ``call`` is its number among the calls, ``given`` an input told at once.

    ``thought`` counts the characters of a thought: to keep all of them here would copy them for each piece that comes.
    """

    index: int
    kind: _Kind
    thought: int = 0
    signature: str | None = None
    call: int = 0
    given: JsonObject | None = None
    streamed: bool = False


class MessageReader:
    """Feed it each event's parsed JSON until ``done``; ``stops`` are the request's stop sequences."""

    def __init__(self, *, target: str, stops: Collection[str] = ()) -> None:
        self._target = target
        self._stops = stops
        self._started = False
        self._open: _Block | None = None
        self._known: set[int] = set()
        self._calls = 0
        self._sealed = True
        self._ending: Object = {}
        self._usage: Object = {}
        self.done = False

    def feed(self, event: Object) -> list[StreamEvent]:
        """The events in one event of the wire.

        Raises:
            UpstreamFailed, UpstreamOverloaded: the upstream reports an error of its own.
            Misshapen: the event is not the protocol's.
        """
        kind = text_at(event, "type")
        if kind == "error":
            raise self.failed(event)
        if kind == "message_start":
            return [self._start(object_at(event, "message"))]
        if not self._started and kind != "ping":
            raise Misshapen("it begins without message_start")
        match kind:
            case "content_block_start":
                return self._begin(count_at(event, "index"), object_at(event, "content_block"))
            case "content_block_delta":
                return self._go_on(self._block_at(count_at(event, "index")), object_at(event, "delta"))
            case "content_block_stop":
                return self._close(self._block_at(count_at(event, "index")))
            case "message_delta":
                self._note(event)
            case "message_stop":
                return self._finish()
            case _:
                pass
        return []

    def failed(self, event: JsonObject) -> UpstreamError:
        """The upstream said itself that it failed; its words may quote the prompt and are left out."""
        error = event.get("error")
        if isinstance(error, dict) and error.get("type") in _NO_ROOM:
            return UpstreamOverloaded(
                f"Target {self._target}: the upstream says that it has no room. Try again later, or give the model "
                "another target.",
                target=self._target,
                retry_after=None,
            )
        return UpstreamFailed(
            f"Target {self._target}: the upstream reported an error in its stream. Look at the upstream's log.",
            target=self._target,
        )

    def broken_off(self) -> UpstreamGarbled:
        """The stream ended before its end."""
        return UpstreamGarbled(
            f"Target {self._target}: the stream broke off before its end. Look at the upstream's log.",
            target=self._target,
        )

    def _start(self, message: Object) -> Started:
        if self._started:
            raise Misshapen("message_start comes twice")
        self._started = True
        self._count(message)
        return Started(
            id=optional_text(message, "id") or "",
            model=optional_text(message, "model") or "",
            created=0,
            extra=read_extra(self._usage),
        )

    def _count(self, told: Object) -> None:
        """Counts are cumulative: a later one is the whole answer's, one that is not repeated still holds."""
        usage = optional_object(told, "usage") or {}
        self._usage |= {name: held for name, held in usage.items() if held is not None}

    def _begin(self, index: int, block: Object) -> list[StreamEvent]:
        if self._open is not None or index in self._known or len(self._known) == MOST_BLOCKS or self._ending:
            raise Misshapen("content_block_start comes where no block may begin")
        self._known.add(index)
        match block.get("type"):
            case "text":
                self._open = _Block(index=index, kind="text")
                return _texts(text_at(block, "text"))
            case "thinking":
                self._open = _Block(index=index, kind="thinking", signature=optional_text(block, "signature"))
                return self._think(self._open, text_at(block, "thinking"))
            case "redacted_thinking":
                self._open = _Block(index=index, kind="redacted_thinking")
                return [ReasoningSealed(choice=0, seal=hidden_seal(block))] if self._sealed else []
            case "tool_use":
                return [self._call(index, block)]
            case _:
                raise unreadable()

    def _call(self, index: int, block: Object) -> ToolCallStarted:
        if self._calls == MOST_CALLS:
            raise Misshapen(f"content holds more than {MOST_CALLS} tool calls")
        self._open = _Block(index=index, kind="tool_use", call=self._calls, given=object_at(block, "input"))
        self._calls += 1
        call_id = read_call_id(optional_text(block, "id"))
        return ToolCallStarted(choice=0, index=self._open.call, id=call_id, name=text_at(block, "name"))

    def _block_at(self, index: int) -> _Block:
        if self._open is None or self._open.index != index:
            raise Misshapen("index is not that of the open block")
        return self._open

    def _go_on(self, block: _Block, delta: Object) -> list[StreamEvent]:
        match (block.kind, delta.get("type")):
            case ("text", "text_delta"):
                return _texts(text_at(delta, "text"))
            case ("text", "citations_delta"):
                # As in whole answers, citations are left behind: no format asks for them.
                return []
            case ("thinking", "thinking_delta"):
                return self._think(block, text_at(delta, "thinking"))
            case ("thinking", "signature_delta"):
                block.signature = text_at(delta, "signature")
                return []
            case ("tool_use", "input_json_delta"):
                return self._argue(block, text_at(delta, "partial_json"))
            case _:
                raise unreadable()

    def _think(self, block: _Block, text: str) -> list[StreamEvent]:
        block.thought += len(text)
        return [ReasoningDelta(choice=0, text=text)] if text else []

    def _argue(self, block: _Block, text: str) -> list[StreamEvent]:
        if not text:
            return []
        if block.given:
            raise Misshapen("a tool call's input comes both at once and in pieces")
        block.streamed = True
        return [ToolCallDelta(choice=0, index=block.call, arguments=text)]

    def _close(self, block: _Block) -> list[StreamEvent]:
        self._open = None
        if block.kind == "thinking":
            seal = seal_of(block.thought, block.signature)
            # As in whole answers: behind an unsealed thought no seal counts.
            self._sealed = self._sealed and seal is not None
            return [ReasoningSealed(choice=0, seal=seal)] if seal is not None and self._sealed else []
        if block.kind == "tool_use" and not block.streamed:
            return [ToolCallDelta(choice=0, index=block.call, arguments=as_text(block.given or {}))]
        return []

    def _note(self, event: Object) -> None:
        self._count(event)
        delta = object_at(event, "delta")
        if delta.get("stop_reason") is not None:
            self._ending = delta

    def _finish(self) -> list[StreamEvent]:
        if self._open is not None or not self._ending:
            raise Misshapen("message_stop comes before the message has ended")
        reason = read_ending(text_at(self._ending, "stop_reason"))
        finish = Finish(choice=0, reason=reason, stopped_by=stopped_by(self._ending, self._stops))
        report = UsageReport(usage=read_usage(self._usage))
        self.done = True
        return [finish, report]


def _texts(text: str) -> list[StreamEvent]:
    return [TextDelta(choice=0, text=text)] if text else []
