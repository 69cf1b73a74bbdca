"""How is a stream told in Anthropic's Messages dialect?

Blocks have numbers. The one that the model speaks in, text or a call, is closed before the next opens; calls that come
mixed wait for their turn. Thinking stays open beside it until it is sealed or the answer ends: of reasoning the guard
may still hold something when text begins, and a seal comes behind all that it covers. What cannot be sealed as it was
told has an empty signature. A stream that was cut short ends in an error, never in a made-up stop.
"""

from typing import Final, assert_never

import orjson

from gateway.dialects import _sse
from gateway.dialects._anthropic_messages_write import (
    ending,
    error_of,
    message_head,
    redacted_block,
    text_block,
    thinking_block,
    tier_of,
    tool_block,
    usage_of,
)
from gateway.dialects._instead import CUT_SHORT, waiting
from gateway.domain.errors import GatewayError, UpstreamGarbled
from gateway.domain.exchange import (
    ApprovalPending,
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
from gateway.domain.jsonvalue import JsonObject
from gateway.domain.prompt import Seal

# The name of the block that holds text, among the numbers of calls.
_TEXT: Final = -1


class StreamWriter:
    """Writes events under Anthropic's names. Usage stands at the end, whatever ``include_usage`` says."""

    def __init__(self, handling: Handling, *, include_usage: bool) -> None:
        del include_usage
        self._handling = handling
        self._begun = False
        self._blocks = _Blocks()
        self._usage: Usage | None = None
        self._finish: Finish | None = None
        self._refused = False

    def feed(self, event: ReplyEvent) -> bytes:
        """The bytes that tell of ``event``; none where there is nothing to tell yet."""
        # A request of this dialect asks for one choice: should the upstream give more, the first is the answer.
        if getattr(event, "choice", 0) or self._finish is not None:
            return self._late(event)
        return self._begin(event) + self._told(event)

    def _late(self, event: ReplyEvent) -> bytes:
        if isinstance(event, UsageReport):
            self._usage = event.usage
        return b""

    def _begin(self, event: ReplyEvent) -> bytes:
        """The event that opens the message, before the first word of it."""
        if self._begun:
            return b""
        self._begun = True
        head = message_head(event.id if isinstance(event, Started) else "", self._handling)
        usage = {**usage_of(None), **(tier_of(event.extra) if isinstance(event, Started) else {})}
        message: JsonObject = {**head, "content": [], "stop_reason": None, "stop_sequence": None, "usage": usage}
        return _event("message_start", {"message": message})

    def _told(self, event: ReplyEvent) -> bytes:
        match event:
            case TextDelta():
                return self._blocks.say(event.text)
            case ToolCallDelta():
                return self._blocks.argue(event.index, event.arguments)
            case ReasoningDelta():
                return self._blocks.think(event.text)
            case ReasoningSealed():
                return self._blocks.seal(event.seal)
            case ToolCallStarted():
                return self._blocks.call(event.index, event.id, event.name)
            case RefusalDelta():
                self._refused = True
                return self._blocks.say(event.text)
            case ApprovalPending():
                return self._blocks.say(waiting(event))
            case Finish():
                self._finish = event
                return self._blocks.close()
            case Started() | UsageReport() | Judged():
                return self._late(event)
            case _:  # pragma: no cover
                assert_never(event)

    def finish(self) -> bytes:
        """The end of a stream that finished; of any other, an error event."""
        end = self._finish
        if end is None:
            return self.fail(UpstreamGarbled(CUT_SHORT, target=self._handling.target), 502)
        delta = ending(end.reason, end.stopped_by, called=self._blocks.called, refused=self._refused)
        return _event("message_delta", {"delta": delta, "usage": usage_of(self._usage)}) + _event("message_stop", {})

    def fail(self, error: GatewayError, status: int) -> bytes:
        """The last event of a stream that cannot be brought to its end."""
        return _sse.event("error", {**error_of(error, status), "request_id": self._handling.request_id})


class _Blocks:
    """The blocks of one message: which are open, and what waits for its turn.

    ``called`` says that there was a call. Speech is text (``_TEXT``) or a call, by its number.
    """

    def __init__(self) -> None:
        self.called = False
        self._next = 0
        self._speech: int | None = None
        self._number = 0
        # Calls that began, and what of them and of text came while another call was open.
        self._starts: dict[int, JsonObject] = {}
        self._waiting: dict[int, list[str]] = {}
        # The open block of thinking, and how many characters it holds.
        self._thinking: int | None = None
        self._thought = 0
        self._unsealable = False

    def say(self, text: str) -> bytes:
        """More text."""
        return self._speak(_TEXT, text) if text else b""

    def call(self, number: int, identifier: str, name: str) -> bytes:
        """A call begins."""
        self.called = True
        self._starts[number] = tool_block(identifier, name, {})
        return self._speak(number, "")

    def argue(self, number: int, arguments: str) -> bytes:
        """More of a call's arguments."""
        return self._speak(number, arguments) if arguments else b""

    def think(self, text: str) -> bytes:
        """More reasoning: in the block that is open, else in a new one behind all that was said."""
        if not text:
            return b""
        told = self._in_thinking(b"thinking_delta", b"thinking", text)
        self._thought += len(text)
        return told

    def seal(self, seal: Seal) -> bytes:
        """Close what a seal covers, if the blocks that were told are the ones that were sealed."""
        if self._unsealable or seal.length != self._thought:
            self._unsealable = True
            return b""
        if seal.hidden:
            return self._pause() + self._whole(redacted_block(seal.token))
        return self._in_thinking(b"signature_delta", b"signature", seal.token) + self._stop_thinking()

    def close(self) -> bytes:
        """Close all blocks, once what waited was told."""
        told = self._stop_thinking() + self._stop_speech()
        for speech, pieces in self._waiting.items():
            told += self._start_speech(speech) + self._more("".join(pieces)) + self._stop_speech()
        return told

    def _speak(self, speech: int, text: str) -> bytes:
        if speech == self._speech:
            return self._more(text)
        if speech in self._waiting or (self._speech is not None and self._speech != _TEXT):
            self._waiting.setdefault(speech, []).append(text)
            return b""
        return self._stop_speech() + self._start_speech(speech) + self._more(text)

    def _more(self, text: str) -> bytes:
        if not text:
            return b""
        if self._speech == _TEXT:
            return _delta(self._number, b"text_delta", b"text", text)
        return _delta(self._number, b"input_json_delta", b"partial_json", text)

    def _start_speech(self, speech: int) -> bytes:
        self._speech = speech
        self._number, told = self._start(text_block("") if speech == _TEXT else self._starts[speech])
        return told

    def _stop_speech(self) -> bytes:
        if self._speech is None:
            return b""
        self._speech = None
        return _stop(self._number)

    def _pause(self) -> bytes:
        """Close an open text: what comes next stands behind it. An open call goes on."""
        return self._stop_speech() if self._speech == _TEXT else b""

    def _in_thinking(self, kind: bytes, key: bytes, text: str) -> bytes:
        opening = b""
        if self._thinking is None:
            pause = self._pause()
            self._thinking, told = self._start(thinking_block("", ""))
            opening = pause + told
        return opening + _delta(self._thinking, kind, key, text)

    def _stop_thinking(self) -> bytes:
        if self._thinking is None:
            return b""
        number, self._thinking, self._thought = self._thinking, None, 0
        return _stop(number)

    def _whole(self, block: JsonObject) -> bytes:
        number, told = self._start(block)
        return told + _stop(number)

    def _start(self, block: JsonObject) -> tuple[int, bytes]:
        number = self._next
        self._next += 1
        return number, _event("content_block_start", {"index": number, "content_block": block})


def _event(name: str, payload: JsonObject) -> bytes:
    return _sse.event(name, {"type": name, **payload})


def _stop(number: int) -> bytes:
    return _event("content_block_stop", {"index": number})


def _delta(number: int, kind: bytes, key: bytes, text: str) -> bytes:
    return (
        b'event: content_block_delta\ndata: {"type":"content_block_delta","index":%d,"delta":{"type":"%b","%b":%b}}\n\n'
        % (number, kind, key, orjson.dumps(text))
    )
