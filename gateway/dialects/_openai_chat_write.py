"""How is an answer, whole or as events, told in OpenAI's chat dialect?

Nothing leaves here that the guard has not passed: the writers know the domain's values alone. Of the upstream's other
fields only those listed here come through. A stream that was cut short ends in an error, never in a made-up finish.
"""

from collections.abc import Sequence
from typing import Final, assert_never

import orjson

from gateway.dialects import _sse
from gateway.dialects._instead import CUT_SHORT, waiting
from gateway.dialects._openai_errors import error_object
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
    Reply,
    ReplyEvent,
    Started,
    TextDelta,
    ToolCallDelta,
    ToolCallStarted,
    Usage,
    UsageReport,
)
from gateway.domain.jsonvalue import JsonObject, JsonValue
from gateway.domain.prompt import ToolCall

_REPLY_EXTRA: Final = ("service_tier", "system_fingerprint", "moderation")
_LATE_EXTRA: Final = ("moderation",)
_MESSAGE_EXTRA: Final = ("annotations",)


def write(reply: Reply, handling: Handling) -> bytes:
    """A ``chat.completion`` object."""
    body: dict[str, JsonValue] = {
        "id": reply.id or handling.request_id,
        "object": "chat.completion",
        "created": reply.created or handling.created,
        "model": handling.model,
        "choices": [_choice(choice) for choice in reply.choices],
        **(_taken(reply.extra, _REPLY_EXTRA) if reply.extra else {}),
    }
    if reply.usage is not None:
        body["usage"] = _usage(reply.usage)
    return orjson.dumps(body)


def write_held(pending: ApprovalPending, handling: Handling) -> bytes:
    """A completion that ends at once and says where the real one waits for an approver."""
    choice = Choice(index=0, text=waiting(pending), finish_reason="content_filter")
    return write(Reply(id="", model=handling.model, created=handling.created, choices=(choice,)), handling)


def _taken(extra: JsonObject, names: Sequence[str]) -> JsonObject:
    return {name: extra[name] for name in names if name in extra}


def _choice(choice: Choice) -> JsonObject:
    message: dict[str, JsonValue] = {
        "role": "assistant",
        "content": choice.text,
        "refusal": choice.refusal,
        **(_taken(choice.extra, _MESSAGE_EXTRA) if choice.extra else {}),
    }
    if choice.reasoning is not None:
        message["reasoning_content"] = choice.reasoning
    if choice.tool_calls:
        message["tool_calls"] = [_tool_call(call) for call in choice.tool_calls]
    return {
        "index": choice.index,
        "message": message,
        "logprobs": choice.logprobs,
        "finish_reason": choice.finish_reason,
    }


def _tool_call(call: ToolCall) -> JsonObject:
    return {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}


def _usage(usage: Usage) -> JsonObject:
    return {
        "prompt_tokens": usage.input_tokens,
        "completion_tokens": usage.output_tokens,
        # An upstream may count whatever it likes; what is written has 64 bits.
        "total_tokens": min(usage.input_tokens + usage.output_tokens, 2**63 - 1),
        **usage.details,
    }


class StreamWriter:
    """Writes events as ``chat.completion.chunk``.

    Every chunk of a stream begins alike, so that the beginning is built once and a delta costs one small splice. With
    ``include_usage`` all chunks carry a null ``usage``, and one without choices follows with the counts, as at OpenAI.
    """

    def __init__(self, handling: Handling, *, include_usage: bool) -> None:
        self._handling = handling
        self._include_usage = include_usage
        self._head = b""
        self._tail = b'}],"usage":null}\n\n' if include_usage else b"}]}\n\n"
        # What stands before a word, by the choices that were opened, and behind it.
        self._words: dict[int, bytes] = {}
        self._after = b'},"logprobs":null,"finish_reason":null' + self._tail
        self._usage: Usage | None = None
        self._late: JsonObject = {}
        self._open: set[int] = set()
        self._finished: set[int] = set()
        self._begin(Started(id=handling.request_id, model=handling.model, created=handling.created))

    def _begin(self, event: Started) -> None:
        common: JsonObject = {
            "id": event.id or self._handling.request_id,
            "object": "chat.completion.chunk",
            "created": event.created or self._handling.created,
            "model": self._handling.model,
            **_taken(event.extra, _REPLY_EXTRA),
        }
        self._head = b"data: " + orjson.dumps(common)[:-1] + b',"choices":['
        self._words.clear()

    def feed(self, event: ReplyEvent) -> bytes:
        """The bytes that tell of ``event``; none where there is nothing to tell yet."""
        match event:
            case TextDelta():
                before = self._words.get(event.choice)
                if before is None or event.logprobs is not None:
                    return self._delta(event.choice, b'{"content":' + orjson.dumps(event.text) + b"}", event.logprobs)
                # Nearly every event: nothing but its text was not known before.
                return before + orjson.dumps(event.text) + self._after
            case ToolCallDelta():
                return self._delta(event.choice, _call_delta(event))
            case ReasoningDelta() | RefusalDelta():
                name = b"reasoning_content" if isinstance(event, ReasoningDelta) else b"refusal"
                return self._delta(event.choice, b'{"%b":%b}' % (name, orjson.dumps(event.text)))
            case ToolCallStarted():
                return self._delta(event.choice, _call_start(event))
            case Finish():
                opening = self._opening(event.choice)
                self._finished.add(event.choice)
                return opening + self._chunk(event.choice, b"{}", b"null", orjson.dumps(event.reason))
            case Started():
                self._begin(event)
                return self._opening(0)
            case ApprovalPending():
                return self.feed(TextDelta(choice=event.choice, text=waiting(event)))
            case UsageReport() | Judged() | ReasoningSealed():
                self._keep(event)
                return b""
            case _:  # pragma: no cover
                assert_never(event)

    def _keep(self, event: UsageReport | Judged | ReasoningSealed) -> None:
        """Remember what stands at the end; this dialect has no place for policy's findings, nor for vendors' seals."""
        if isinstance(event, UsageReport):
            self._usage = event.usage
            self._late = _taken(event.extra, _LATE_EXTRA)

    def _delta(self, choice: int, delta: bytes, logprobs: JsonObject | None = None) -> bytes:
        told = b"null" if logprobs is None else orjson.dumps(logprobs)
        chunk = self._chunk(choice, delta, told, b"null")
        return chunk if choice in self._open else self._opening(choice) + chunk

    def _opening(self, choice: int) -> bytes:
        """The chunk that gives a choice its role, before its first word."""
        if choice in self._open:
            return b""
        self._open.add(choice)
        self._words[choice] = self._head + b'{"index":%d,"delta":{"content":' % choice
        return self._chunk(choice, b'{"role":"assistant","content":"","refusal":null}', b"null", b"null")

    def _chunk(self, choice: int, delta: bytes, logprobs: bytes, reason: bytes) -> bytes:
        return b'%b{"index":%d,"delta":%b,"logprobs":%b,"finish_reason":%b%b' % (
            self._head, choice, delta, logprobs, reason, self._tail,
        )  # fmt: skip

    def finish(self) -> bytes:
        """The end of a stream whose choices all finished; of any other, an error event."""
        if not self._finished or self._finished != self._open:
            return self.fail(UpstreamGarbled(CUT_SHORT, target=self._handling.target), 502)
        late = b""
        if self._late:
            late = self._head + b"]," + orjson.dumps(self._late)[1:-1] + self._tail[2:]
        if self._include_usage and self._usage is not None:
            late += self._head + b'],"usage":' + orjson.dumps(_usage(self._usage)) + b"}\n\n"
        return late + _sse.DONE

    def fail(self, error: GatewayError, status: int) -> bytes:
        """The last event of a stream that cannot be brought to its end: neither a finish nor ``[DONE]`` follows."""
        return _sse.message({"error": error_object(error, status)})


def _call_start(event: ToolCallStarted) -> bytes:
    call: JsonObject = {"index": event.index, **_tool_call(ToolCall(id=event.id, name=event.name, arguments=""))}
    return orjson.dumps({"tool_calls": [call]})


def _call_delta(event: ToolCallDelta) -> bytes:
    return b'{"tool_calls":[{"index":%d,"function":{"arguments":%b}}]}' % (event.index, orjson.dumps(event.arguments))
