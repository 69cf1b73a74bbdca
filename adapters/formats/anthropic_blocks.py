"""Where does data go for Anthropic's Messages API?

By default into the result of a tool call. A run of data outside a tool turn becomes a call of ``read_untrusted_data``
by the assistant and its result, media included; a real tool's result keeps its id, its place and whether it failed.
With the setting ``place`` at ``document`` or ``search_result`` a run becomes blocks of that type in the user's message,
where an image can only stand beside them: the isolation is then ``none``. Each text is JSON (``_anthropic_data.py``).

Operator text goes to ``system``, gathered in front. The user speaks first, as the API wants it: where material or the
assistant comes first, a line of the gateway's own does. Reasoning goes back only under the vendor's seals. Names of
participants, audio, files other than PDF, and calls without results cannot be said; call ids of other vendors are
rewritten to the letters that the API knows.

Setting ``declare_tool: false`` does not list ``read_untrusted_data`` among the tools; ``max_tokens`` is how long an
answer may be where the request does not say, for the API insists on a number.
Source: Anthropic's API reference, "Create a Message", and its advice on prompt injection.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from hashlib import sha256
from itertools import pairwise
from typing import Final, assert_never

from adapters.formats._anthropic import Block, Writer, Written, behind_all, life_of, mark
from adapters.formats._anthropic_data import NAME, document, result, search_result
from adapters.formats._envelope import DECLARATION, unused_ids
from adapters.formats._settings import choose, refuse_unknown, require_bool
from adapters.formats._sieve import TOOLS, Sieve
from adapters.formats._turns import Given, Returned, Said, Shown, Told, read, refuse
from gateway.domain.isolation import Isolation
from gateway.domain.jsonvalue import JsonObject, JsonValue
from gateway.domain.prompt import RESERVED_TOOL, DataSegment, Media, MediaKind, Prompt, Speaker, Tool, ToolCall, Turn
from gateway.domain.target import Endpoint, FormatOptions, Layout

BEST: Final = Isolation.CHANNEL
ENDPOINT: Final = Endpoint.MESSAGES
SAYS: Final = frozenset({"cache-marks", "tool-error"})

DEFAULT_MAX_TOKENS: Final = 4096
# The API refuses more.
_MOST_MARKS: Final = 4
_RESULT, _DOCUMENT, _FOUND = "tool_result", "document", "search_result"
_PLACES: Final = (_RESULT, _DOCUMENT, _FOUND)
_IDENTIFIER: Final = re.compile(r"[A-Za-z0-9_-]{1,128}")


def lay_out(prompt: Prompt, options: FormatOptions) -> Layout:
    """Lay the prompt out for the Messages API.

    Raises:
        NotSayable: names what the API has no words for.
    """
    sieve = Sieve(options)
    laying = _Laying(prompt, sieve, str(options.settings.get("place", _RESULT)))
    written = laying.write(prompt)
    body: dict[str, JsonValue] = {}
    if written.system:
        body["system"] = [*written.system]
    body["messages"] = [*written.messages]
    declare = laying.made_up or (laying.called and not prompt.tools)
    tools = _offered(prompt.tools, sieve, declare=declare and options.settings.get("declare_tool") is not False)
    if tools:
        body["tools"] = [*tools]
        if not prompt.tools:
            # The one tool is the gateway's own.
            body["tool_choice"] = {"type": "none"}
    body["max_tokens"] = options.settings.get("max_tokens", DEFAULT_MAX_TOKENS)
    _check_marks([*tools, *written.blocks])
    return Layout(
        format=NAME,
        endpoint=ENDPOINT,
        body=body,
        isolation=laying.isolation if prompt.data else None,
        removals=sieve.removals,
        notes=written.notes,
    )


class _Laying:
    """Puts a prompt's blocks where they belong; ``made_up`` says that the gateway made a call of its own up."""

    def __init__(self, prompt: Prompt, sieve: Sieve, place: str) -> None:
        self._sieve = sieve
        self._place = place
        self._writer = Writer(sieve)
        self._ids = unused_ids(prompt)
        self._unanswered: list[str] = []
        # Data that came in no tool turn, with nothing between.
        self._run: list[DataSegment] = []
        self.isolation = BEST
        self.called = False
        self.made_up = False

    def write(self, prompt: Prompt) -> Written:
        for block in read(_with_marks_on_segments(prompt)):
            match block:
                case Told():
                    self._tell(block)
                case Given():
                    self._run += block.data
                case Shown():
                    _refuse_name(block.name)
                    # What a tool returned stands in its result.
                    self._run += () if block.call_id is not None else block.media
                case Said():
                    self._say(block)
                case Returned():
                    self._return(block)
                case _:
                    assert_never(block)
        self._settle()
        written = self._writer.finish()
        if written is None:
            raise refuse(NAME, "a request in which nobody says anything", param="messages")
        return written

    def _tell(self, told: Told) -> None:
        _refuse_name(told.name)
        # What goes to the system's place anyway does not part calls from their results.
        if told.role == "user" or not self._unanswered:
            self._settle()
        self._writer.tell(told)

    def _say(self, said: Said) -> None:
        _refuse_name(said.name)
        self._settle()
        self.called = self.called or bool(said.calls)
        self._unanswered = [call.id for call in said.calls]
        self._writer.say(said, [_tool_use(call, self._sieve) for call in said.calls])

    def _return(self, returned: Returned) -> None:
        if returned.call_id not in self._unanswered:
            raise refuse(NAME, "a tool result without its call, or two for one call", param="messages")
        self._unanswered.remove(returned.call_id)
        block = result(
            _call_id(returned.call_id),
            returned.segments,
            self._sieve,
            failed=returned.failed,
            cache=behind_all((*(segment.cache for segment in returned.segments), returned.cache)),
        )
        self._writer.add("user", block)

    def _settle(self) -> None:
        """Refuse calls that were never answered, and put the data that came so far."""
        if self._unanswered:
            raise refuse(NAME, "a tool call without its result", param="messages")
        run, self._run = self._run, []
        if self._place == _RESULT:
            for read_together in _up_to_marks(run):
                self._read(read_together)
            return
        stand = document if self._place == _DOCUMENT else search_result
        for segment in run:
            if isinstance(segment, Media) and segment.kind is MediaKind.IMAGE:
                self.isolation = Isolation.NONE
            self._writer.add("user", *stand(segment, self._sieve))

    def _read(self, segments: Sequence[DataSegment]) -> None:
        call_id = next(self._ids)
        self.made_up = True
        self._writer.add("assistant", {"type": "tool_use", "id": call_id, "name": RESERVED_TOOL, "input": {}})
        self._writer.add("user", result(call_id, segments, self._sieve, cache=segments[-1].cache))


def _with_marks_on_segments(prompt: Prompt) -> Prompt:
    """The prompt with a mark behind a turn of instructions or data moved to its last segment."""
    if not any(turn.cache for turn in prompt.turns):
        return prompt
    return replace(prompt, turns=tuple([_with_mark_on_segment(turn) for turn in prompt.turns]))


def _with_mark_on_segment(turn: Turn) -> Turn:
    if turn.cache is None or not turn.segments or turn.speaker in {Speaker.ASSISTANT, Speaker.TOOL}:
        return turn
    *before, last = turn.segments
    return replace(turn, segments=(*before, replace(last, cache=turn.cache)))


def _up_to_marks(segments: Iterable[DataSegment]) -> Iterator[list[DataSegment]]:
    """The segments cut behind each cache mark: a result can only be marked as a whole."""
    together: list[DataSegment] = []
    for segment in segments:
        together.append(segment)
        if segment.cache is not None:
            yield together
            together = []
    if together:
        yield together


def _tool_use(call: ToolCall, sieve: Sieve) -> Block:
    _check_tool_name(call.name, "messages")
    given = sieve.arguments_object(call.arguments)
    return {"type": "tool_use", "id": _call_id(call.id), "name": call.name, "input": given}


def _call_id(given: str) -> str:
    """A call's id in the letters that the API knows, the same for its result."""
    return given if _IDENTIFIER.fullmatch(given) else f"call_{sha256(given.encode()).hexdigest()[:24]}"


def _check_tool_name(name: str, param: str) -> None:
    if not _IDENTIFIER.fullmatch(name):
        raise refuse(NAME, "a tool's name with a dot or a colon in it", param=param)


def _refuse_name(name: str | None) -> None:
    if name is not None:
        raise refuse(NAME, "a participant's name", param="messages")


def _offered(tools: Sequence[Tool], sieve: Sieve, *, declare: bool) -> list[Block]:
    offered = [_tool(tool, sieve, f"tools[{index}].function") for index, tool in enumerate(tools)]
    return [*offered, _tool(DECLARATION, sieve, "tools")] if declare else offered


def _tool(tool: Tool, sieve: Sieve, param: str) -> Block:
    _check_tool_name(tool.name, f"{param}.name")
    schema: JsonObject = {"properties": {}} if tool.parameters is None else tool.parameters
    if schema.get("type", "object") != "object":
        raise refuse(NAME, "a tool whose parameters are no object", param=f"{param}.parameters")
    offered: Block = {"name": tool.name}
    if tool.description:
        offered["description"] = sieve.words(tool.description, TOOLS)
    offered["input_schema"] = sieve.schema({"type": "object", **schema}, TOOLS, f"{param}.parameters")
    if tool.strict is not None:
        offered["strict"] = tool.strict
    return {**offered, **mark(tool.cache)}


def _check_marks(blocks: Iterable[Block]) -> None:
    """Refuse marks that the API would refuse."""
    marks = [life for block in blocks if (life := life_of(block)) is not None]
    if len(marks) > _MOST_MARKS:
        raise refuse(NAME, f"more than {_MOST_MARKS} cache marks", param="cache_control")
    if any(before == "5m" and after == "1h" for before, after in pairwise(marks)):
        raise refuse(NAME, "a cache mark of one hour behind one of five minutes", param="cache_control")


def check_settings(settings: JsonObject) -> None:
    """Accept ``declare_tool``, ``max_tokens`` and ``place``.

    Raises:
        ValueError: names the key at fault.
    """
    refuse_unknown(settings, ("declare_tool", "max_tokens", "place"))
    require_bool(settings, "declare_tool")
    choose(settings, "place", _PLACES)
    most = settings.get("max_tokens", DEFAULT_MAX_TOKENS)
    if not isinstance(most, int) or isinstance(most, bool) or most < 1:
        raise ValueError("max_tokens: must be a whole number from 1")
