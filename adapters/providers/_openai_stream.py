"""What does a streamed answer of an OpenAI-compatible server say, chunk by chunk?

No I/O: one parsed chunk in, events out. All of a stream's state is here, and so is the rule that a stream which ends
without an ending for every choice was cut short; nothing here ever makes up a ``stop``. One whose choices all ended
is whole, whether ``[DONE]`` follows or not.

Azure's filters speak in chunks of their own, whose choices hold ``content_filter_results`` and no delta: such a choice
says nothing but perhaps an ending, which may overrule the one that the model had.
Sources: OpenAI's API reference, "The chat completion chunk object"; Microsoft's "Content streaming".
"""

from collections.abc import Collection
from dataclasses import dataclass, field

from adapters.providers._calls import MOST_CALLS, read_call_id
from adapters.providers._openai_read import (
    chat_logprobs,
    read_extra,
    read_finish,
    read_index,
    read_reasoning,
    read_stop,
    read_usage,
    refuse_unreadable,
    reports_error,
)
from adapters.providers._shape import (
    Misshapen,
    Object,
    as_object,
    count_at,
    list_at,
    number_or_zero,
    object_at,
    optional_list,
    optional_object,
    optional_text,
    text_at,
)
from gateway.domain.errors import UpstreamFailed, UpstreamGarbled
from gateway.domain.exchange import (
    Finish,
    ReasoningDelta,
    RefusalDelta,
    Started,
    StreamEvent,
    TextDelta,
    ToolCallDelta,
    ToolCallStarted,
    Usage,
    UsageReport,
)
from gateway.domain.jsonvalue import JsonObject
from gateway.domain.target import Endpoint

_NO_CALLS: Object = {}

_FILTERED = "content_filter"
_ERROR = "error"
# What a chunk may hold beside its token, and a count, that has to be read.
_BESIDE_TOKENS = frozenset({"error", "moderation"})


@dataclass(slots=True)
class _ChoiceState:
    finished: bool = False
    # How it ended, where that is told at the very end only.
    ending: Finish | None = None
    # The upstream's index of each call, to ours and the call's id.
    calls: dict[int, tuple[int, str]] = field(default_factory=dict[int, tuple[int, str]])


class ChunkReader:
    """Feed it each event's parsed JSON that is no ``token``, and ``finish`` when ``[DONE]`` or the body's end has come.

    ``asked`` is how many choices the request asked for: one that nobody asked for is refused. ``stops`` are its stop
    sequences. With ``late_endings`` a
    choice's ending is told by ``finish`` alone, since a filter may still overrule it.
    """

    def __init__(
        self,
        *,
        target: str,
        endpoint: Endpoint,
        asked: int = 1,
        stops: Collection[str] = (),
        late_endings: bool = False,
    ) -> None:
        self._target = target
        self._asked = asked
        self._stops = stops
        self._late = late_endings
        self._chat = endpoint is Endpoint.CHAT
        self._started = False
        self._choices: dict[int, _ChoiceState] = {}
        self._usage: Usage | None = None
        self._moderation: JsonObject | None = None

    def token(self, chunk: JsonObject) -> TextDelta | None:
        """One more token of one choice, as nearly every chunk tells it; None where a chunk says anything else.

        Asking for all that is not in such a chunk, as ``feed`` does, costs more than reading what is.
        """
        if not self._started or not self._chat:
            return None
        match chunk.get("choices"):
            case [dict() as choice]:
                delta, index = choice.get("delta"), choice.get("index")
            case _:
                return None
        if not isinstance(delta, dict) or len(delta) != 1 or type(index) is not int:
            return None
        text = delta.get("content")
        if not isinstance(text, str) or not text:
            return None
        # With every token some servers say that they count later.
        if chunk.get("usage") is not None or not _BESIDE_TOKENS.isdisjoint(chunk):
            return None
        state = self._choices.get(index)
        plain = choice.get("finish_reason") is None and choice.get("logprobs") is None
        if state is None or state.finished or not plain or chunk.get("object") == _ERROR:
            return None
        return TextDelta(choice=index, text=text)

    def feed(self, chunk: JsonObject) -> list[StreamEvent]:
        """The events in one chunk.

        Raises:
            UpstreamFailed: the upstream reports an error of its own.
            Misshapen: the chunk is not the protocol's.
        """
        if reports_error(chunk):
            raise self.failed()
        events: list[StreamEvent] = []
        choices = [as_object(choice, "choices[]") for choice in list_at(chunk, "choices")]
        if not self._started and not all(map(_is_a_filters_word, choices)):
            # Azure opens with a chunk of its own, which has no choice and no id.
            self._started = True
            events.append(_read_start(chunk))
        for choice in choices:
            self._feed_choice(choice, events)
        usage = chunk.get("usage")
        if usage is not None:
            # Some servers count along in every chunk; the last count is the whole answer's.
            self._usage = read_usage(as_object(usage, "usage"))
        if isinstance(moderation := chunk.get("moderation"), dict):
            self._moderation = moderation
        return events

    def finish(self, *, choices: int = 1) -> list[StreamEvent]:
        """What is left to say at the end of the stream, which must have held at least so many choices.

        Raises:
            UpstreamGarbled: a choice has no ending, or never began.
        """
        if len(self._choices) < choices or not all(state.finished for state in self._choices.values()):
            raise self.broken_off()
        last: list[StreamEvent] = [state.ending for state in self._choices.values() if state.ending is not None]
        if self._usage is not None or self._moderation is not None:
            extra: JsonObject = {} if self._moderation is None else {"moderation": self._moderation}
            last.append(UsageReport(usage=self._usage, extra=extra))
        return last

    def failed(self) -> UpstreamFailed:
        """The upstream said itself that it failed; its words may quote the prompt and are left out."""
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

    def _feed_choice(self, choice: Object, events: list[StreamEvent]) -> None:
        index = read_index(choice, 0, self._asked)
        state = self._choices.get(index)
        if state is None:
            state = self._choices[index] = _ChoiceState()
        before = len(events)
        if _is_a_filters_word(choice):
            pass
        elif self._chat:
            self._feed_delta(choice, index, state, events)
        else:
            _feed_text(choice, index, events)
        if state.finished and len(events) > before:
            raise Misshapen("a choice goes on after its finish_reason")
        # Some servers write an empty word where OpenAI writes null.
        if word := optional_text(choice, "finish_reason"):
            stopped_by = read_stop(choice, self._stops) if self._stops else None
            self._end(state, Finish(choice=index, reason=read_finish(word), stopped_by=stopped_by), events)

    def _end(self, state: _ChoiceState, finish: Finish, events: list[StreamEvent]) -> None:
        first = not state.finished
        state.finished = True
        if self._late:
            if first or finish.reason == _FILTERED:
                state.ending = finish
        elif first:
            events.append(finish)

    def _feed_delta(self, choice: Object, index: int, state: _ChoiceState, events: list[StreamEvent]) -> None:
        delta = object_at(choice, "delta")
        refuse_unreadable(delta)
        if reasoning := read_reasoning(delta):
            events.append(ReasoningDelta(choice=index, text=reasoning))
        text, logprobs = optional_text(delta, "content"), optional_object(choice, "logprobs")
        if text or logprobs:
            events.append(TextDelta(choice=index, text=text or "", logprobs=logprobs))
        if refusal := optional_text(delta, "refusal"):
            events.append(RefusalDelta(choice=index, text=refusal))
        for call in optional_list(delta, "tool_calls"):
            _feed_call(as_object(call, "tool_calls[]"), index, state, events)


def _is_a_filters_word(choice: Object) -> bool:
    """Whether a choice is a filter's annotation of what was sent before."""
    return "delta" not in choice and "text" not in choice and isinstance(choice.get("content_filter_results"), dict)


def _read_start(chunk: JsonObject) -> Started:
    return Started(
        id=optional_text(chunk, "id") or "",
        model=optional_text(chunk, "model") or "",
        created=number_or_zero(chunk, "created"),
        extra=read_extra(chunk),
    )


def _feed_text(choice: Object, index: int, events: list[StreamEvent]) -> None:
    text, logprobs = text_at(choice, "text"), chat_logprobs(optional_object(choice, "logprobs"))
    if text or logprobs:
        events.append(TextDelta(choice=index, text=text, logprobs=logprobs))


def _feed_call(call: Object, choice: int, state: _ChoiceState, events: list[StreamEvent]) -> None:
    function = optional_object(call, "function") or _NO_CALLS
    call_id = optional_text(call, "id") or ""
    upstream_index = _index_of(call, call_id, function, state)
    if upstream_index >= MOST_CALLS:
        raise Misshapen(f"tool_calls[].index is not below {MOST_CALLS}")
    known = state.calls.get(upstream_index)
    if known is None:
        if call.get("type", "function") not in ("function", None):
            raise Misshapen("a tool call is no function's")
        known = state.calls[upstream_index] = (len(state.calls), call_id)
        name = text_at(function, "name")
        events.append(ToolCallStarted(choice=choice, index=known[0], id=read_call_id(call_id), name=name))
    elif call_id and known[1] and call_id != known[1]:
        # Two calls under one index would have their arguments run into each other.
        raise Misshapen("tool_calls[].index names two calls")
    if arguments := optional_text(function, "arguments"):
        events.append(ToolCallDelta(choice=choice, index=known[0], arguments=arguments))


def _index_of(call: Object, call_id: str, function: Object, state: _ChoiceState) -> int:
    """The upstream's index; where it gives none, that of the call with this id, a new one's, or the last one's."""
    if call.get("index") is not None:
        return count_at(call, "index")
    if call_id:
        known = [index for index, (_, its_id) in state.calls.items() if its_id == call_id]
        return known[0] if known else _next_index(state)
    if function.get("name") or not state.calls:
        return _next_index(state)
    return next(reversed(state.calls))


def _next_index(state: _ChoiceState) -> int:
    return max(state.calls, default=-1) + 1
