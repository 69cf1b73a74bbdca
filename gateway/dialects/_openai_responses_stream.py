"""How does a stream tell an answer in the words of OpenAI's responses API?

Items stay open until the answer has ended: under a guard the end of the reasoning may come behind the first words of
the text. Of the calls the first is told as it comes; the others wait, since clients expect one after the other. The
last event holds the whole response. A stream that was cut short ends in an error, never in a made-up completion.
"""

from dataclasses import dataclass, field
from typing import Literal, TypeAlias, assert_never

from gateway.dialects._instead import CUT_SHORT, waiting
from gateway.dialects._openai_errors import code_of, error_object
from gateway.dialects._openai_responses_events import (
    REFUSED,
    SAID,
    SUMMED_UP,
    THOUGHT,
    Events,
    OpenText,
    TextKind,
    head,
)
from gateway.dialects._openai_responses_output import (
    ItemKey,
    Order,
    PartKind,
    call_item,
    item_id,
    logprobs,
    message_item,
    output,
    reasoning_item,
    summarises,
)
from gateway.dialects._openai_responses_write import Answer, Status, ended, response
from gateway.domain.errors import GatewayError, UpstreamGarbled
from gateway.domain.exchange import (
    ApprovalPending,
    Choice,
    Finish,
    Handling,
    Judged,
    ReasoningDelta,
    ReasoningSealed,
    RefusalDelta,
    ReplyEvent,
    Started,
    TextDelta,
    ToolCallDelta,
    ToolCallStarted,
    Usage,
    UsageReport,
)
from gateway.domain.jsonvalue import JsonObject, JsonValue
from gateway.domain.prompt import Seal, ToolCall

_Text: TypeAlias = Literal["reasoning"] | PartKind


@dataclass(slots=True, kw_only=True)
class _Call:
    """A call that still grows; ``head`` only where it is told as it comes."""

    id: str
    name: str
    number: int
    head: bytes = b""
    pieces: list[str] = field(default_factory=list[str])

    @property
    def whole(self) -> ToolCall:
        return ToolCall(id=self.id, name=self.name, arguments="".join(self.pieces))


class StreamWriter:
    """Writes the documented events. Usage stands in the last one, whatever ``include_usage`` says."""

    def __init__(self, handling: Handling, *, include_usage: bool) -> None:
        self._handling = handling
        del include_usage
        self._events = Events()
        self._opened = False
        # Items, and the parts of the message, in the order in which they began.
        self._items: dict[ItemKey, int] = {}
        self._texts: dict[_Text, OpenText] = {}
        self._calls: dict[int, _Call] = {}
        self._tokens: list[JsonValue] = []
        self._seals: list[Seal] = []
        self._reason: str | None = None
        self._usage: Usage | None = None
        self._extra: JsonObject = {}

    def feed(self, event: ReplyEvent) -> bytes:
        """The bytes that tell of ``event``; none where there is nothing to tell yet."""
        # This API asks for one choice: should the upstream give more, the first is the answer.
        if getattr(event, "choice", 0):
            return b""
        match event:
            case TextDelta():
                return self._more("output_text", event.text, event.logprobs)
            case ReasoningDelta():
                return self._more("reasoning", event.text)
            case RefusalDelta():
                return self._more("refusal", event.text)
            case ToolCallDelta():
                return self._argued(self._calls[event.index], event.arguments)
            case ToolCallStarted():
                return self._opening() + self._called(event)
            case ApprovalPending():
                return self._more("output_text", waiting(event))
            case Finish():
                self._reason = event.reason
                return self._opening() + self._close(ended(event.reason))
            case Started() | ReasoningSealed() | UsageReport() | Judged():
                return self._beside(event)
            case _:  # pragma: no cover
                assert_never(event)

    def _beside(self, event: Started | ReasoningSealed | UsageReport | Judged) -> bytes:
        """What is no word of the answer's; there is no place for policy's findings."""
        match event:
            case ReasoningSealed():
                self._seals.append(event.seal)
                return self._opening() + self._item("reasoning")
            case Started():
                self._extra = event.extra
                return self._opening()
            case UsageReport():
                self._usage = event.usage
                self._extra = {**self._extra, **event.extra}
                return b""
            case Judged():
                return b""
            case _:  # pragma: no cover
                assert_never(event)

    def finish(self) -> bytes:
        """The end of a stream whose answer ended; of any other, an error."""
        if self._reason is None:
            return self.fail(UpstreamGarbled(CUT_SHORT, target=self._handling.target), 502)
        status = ended(self._reason)
        return self._events.event(status, {"response": self._response(status)})

    def fail(self, error: GatewayError, status: int) -> bytes:
        """The end of a stream that cannot be brought to its own: what came of it, and then why.

        OpenAI documents an error's fields beside its type and sends them in an object: both stand here, since clients
        read either.
        """
        why = error_object(error, status)
        code = "rate_limit_exceeded" if status == 429 else "server_error"
        failed = self._response("failed", {"code": code, "message": error.message})
        told: JsonObject = {"code": code_of(error), "message": error.message, "param": error.param, "error": why}
        return self._opening() + self._events.event("failed", {"response": failed}) + self._events.bare("error", told)

    def _opening(self) -> bytes:
        if self._opened:
            return b""
        self._opened = True
        begun = self._response("in_progress")
        return self._events.event("created", {"response": begun}) + self._events.event(
            "in_progress", {"response": begun}
        )

    def _response(self, status: Status, error: JsonObject | None = None) -> JsonObject:
        answer = Answer(choice=self._choice(), order=self._order, usage=self._usage, extra=self._extra)
        return response(answer, self._handling, status, error)

    def _choice(self) -> Choice:
        """What was told so far."""
        texts = {name: text.text for name, text in self._texts.items()}
        return Choice(
            index=0,
            text=texts.get("output_text"),
            refusal=texts.get("refusal"),
            reasoning=texts.get("reasoning"),
            seals=tuple(self._seals),
            tool_calls=tuple([call.whole for call in self._calls.values()]),
            logprobs={"content": self._tokens} if self._tokens else None,
            finish_reason=self._reason or "",
        )

    @property
    def _order(self) -> Order:
        return Order(items=self._items, parts=[name for name in self._texts if name != "reasoning"])

    def _more(self, name: _Text, text: str, told: JsonObject | None = None) -> bytes:
        tokens = logprobs(told)
        self._tokens += tokens
        if not text:
            return b""
        opened = self._texts.get(name)
        if opened is not None:
            return opened.more(self._events, text, tokens)
        before = self._opening() + self._item("reasoning" if name == "reasoning" else "message")
        opened = self._texts[name] = self._part(name)
        return before + opened.begun(self._events) + opened.more(self._events, text, tokens)

    def _part(self, name: _Text) -> OpenText:
        item: ItemKey = "reasoning" if name == "reasoning" else "message"
        kind = self._kind(name)
        number = 0 if name == "reasoning" else len(self._order.parts)
        return OpenText(kind=kind, place={**self._place(item), kind.index: number})

    def _kind(self, name: _Text) -> TextKind:
        match name:
            case "output_text":
                return SAID
            case "refusal":
                return REFUSED
            case _:
                return SUMMED_UP if summarises(self._handling) else THOUGHT

    def _place(self, item: ItemKey) -> JsonObject:
        return {"item_id": item_id(item, self._handling), "output_index": self._items[item]}

    def _item(self, key: Literal["reasoning", "message"]) -> bytes:
        """Begin an item, unless it has begun."""
        if key in self._items:
            return b""
        if key == "reasoning":
            return self._added(key, reasoning_item("", (), self._handling))
        return self._added(key, message_item((), self._handling, "in_progress"))

    def _added(self, key: ItemKey, item: JsonObject) -> bytes:
        place = self._items[key] = len(self._items)
        return self._events.event("output_item.added", {"output_index": place, "item": item})

    def _called(self, event: ToolCallStarted) -> bytes:
        call = _Call(id=event.id, name=event.name, number=len(self._calls))
        self._calls[event.index] = call
        return b"" if call.number else self._call_item(call)

    def _call_item(self, call: _Call) -> bytes:
        """Begin a call's item; from now on its arguments are told."""
        empty = ToolCall(id=call.id, name=call.name, arguments="")
        added = self._added(call.number, call_item(empty, call.number, self._handling, "in_progress"))
        call.head = head("function_call_arguments", self._place(call.number))
        return added

    def _argued(self, call: _Call, arguments: str) -> bytes:
        call.pieces.append(arguments)
        return self._events.piece(call.head, arguments) if call.head and arguments else b""

    def _close(self, status: Status) -> bytes:
        """End every item in the order in which they began, and then tell of each call that waited."""
        calls = list(self._calls.values())
        keys = tuple(dict.fromkeys((*self._items, *range(len(calls)))))
        order = Order(items=keys, parts=self._order.parts)
        ends = output(self._choice(), self._handling, "completed" if status == "completed" else "incomplete", order)
        done: list[bytes] = []
        for place, (key, item) in enumerate(zip(keys, ends, strict=True)):
            if isinstance(key, int):
                done.append(self._call_done(calls[key]))
            else:
                done += [self._text_done(name) for name in (("reasoning",) if key == "reasoning" else order.parts)]
            done.append(self._events.event("output_item.done", {"output_index": place, "item": item}))
        return b"".join(done)

    def _text_done(self, name: _Text) -> bytes:
        opened = self._texts.get(name)
        return b"" if opened is None else opened.done(self._events, self._tokens if name == "output_text" else [])

    def _call_done(self, call: _Call) -> bytes:
        whole = call.whole
        before = b""
        if not call.head:
            before = self._call_item(call)
            before += self._events.piece(call.head, whole.arguments) if whole.arguments else b""
        told: JsonObject = {**self._place(call.number), "arguments": whole.arguments, "name": whole.name}
        return before + self._events.event("function_call_arguments.done", told)
