r"""Where does data go for Gemini, whose place for material is the response of a function?

Into tool messages, as in ``tool-envelope``, of which a translator (litellm's ``gemini/…`` and ``vertex_ai/…``, or
Google's own OpenAI-compatible endpoint) makes a ``functionResponse`` whose ``response`` is an object. It parses the
JSON to do so, which brings ``\u003c`` back: tokens are deleted here, where JSON would have broken them. The rest is
what Gemini asks of a conversation's form:

- A call comes behind a user's words or a function's response: the data of the first turn moves behind its text, and
  data before any user text cannot be said.
- Each call of a turn has one response, and responses, which have no ids before Gemini 3, come in the order of their
  calls: a result without its call or a call without its result cannot be said, nor can two equal calls in one turn, of
  which translators make one.
- Arguments are an object. Text that is none is sent as one string in an object.
- Gemini 3 asks for the signature of its own thoughts with each turn's first call. Calls made up here have none, and
  those of the model's have lost theirs on the way: they carry the words by which Google lets a call pass without one.

Media stands in a user message: the isolation is ``none``. Setting ``declare_tool: true`` also lists
``read_untrusted_data`` among the tools.
Source: Google, "Function calling", "Thought signatures" and "OpenAI compatibility", Gemini API documentation.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final, assert_never

from adapters.formats._chat import Transcript, chat_layout, tool_result
from adapters.formats._envelope import DECLARATION, Reader, clean_envelope
from adapters.formats._settings import refuse_unknown, require_bool
from adapters.formats._sieve import HISTORY, Sieve, as_json
from adapters.formats._turns import Block, Given, Returned, Said, Shown, Told, read, refuse, results_at
from gateway.domain.isolation import Isolation
from gateway.domain.jsonvalue import JsonObject, JsonValue
from gateway.domain.prompt import RESERVED_TOOL, Prompt, ToolCall
from gateway.domain.target import FormatOptions, Layout

BEST: Final = Isolation.CHANNEL
SAYS: Final = frozenset({"tool-error"})
_NAME: Final = "gemini-function-response"
_UNSIGNED: Final[JsonObject] = {"google": {"thought_signature": "skip_thought_signature_validator"}}


def lay_out(prompt: Prompt, options: FormatOptions) -> Layout:
    """Lay the prompt out for Gemini behind a chat completions API.

    Raises:
        NotSayable: data or a call before any user text, results that do not match their calls, or equal calls.
    """
    sieve = Sieve(options)
    transcript = Transcript(sieve, options.reasoning_field)
    reader = Reader(prompt, sieve, clean_envelope)
    isolation = BEST
    blocks = _text_first(read(prompt))
    position = 0
    while position < len(blocks):
        block = blocks[position]
        position += 1
        match block:
            case Told():
                transcript.tell(block)
            case Given():
                reader.read(transcript, block.data)
            case Shown():
                transcript.show(block.media, block.turn, block.name)
                isolation = Isolation.NONE
            case Said():
                results = results_at(blocks, position)
                position += len(results)
                _answered(block, results, transcript, sieve)
            case Returned():
                raise refuse(_NAME, "a tool result without its call", param="messages")
            case _:
                assert_never(block)
    if options.settings.get("declare_tool", False) and prompt.data:
        prompt = replace(prompt, tools=(*prompt.tools, DECLARATION))
    layout = chat_layout(_NAME, prompt, sieve, transcript, isolation)
    return replace(layout, body={**layout.body, "messages": _completed(layout.body["messages"])})


def _text_first(blocks: Sequence[Block]) -> list[Block]:
    """The blocks with the first user text in front of all data and calls."""
    first = next((at for at, block in enumerate(blocks) if _is_a_call(block)), None)
    if first is None or any(_is_a_users(block) for block in blocks[:first]):
        return list(blocks)
    for at in range(first, len(blocks)):
        block = blocks[at]
        if _is_a_users(block):
            return [*blocks[:first], block, *blocks[first:at], *blocks[at + 1 :]]
        if isinstance(block, Said):
            break
    raise refuse(_NAME, "data or a tool call before the first words of the user", param="messages")


def _is_a_call(block: Block) -> bool:
    return isinstance(block, Given) or (isinstance(block, Said) and bool(block.calls))


def _is_a_users(block: Block) -> bool:
    return isinstance(block, Shown) or (isinstance(block, Told) and block.role == "user")


def _answered(said: Said, results: Sequence[Returned], transcript: Transcript, sieve: Sieve) -> None:
    """Add the assistant's turn, and the results of its calls in their order."""
    by_call = {result.call_id: result for result in results}
    if len(by_call) < len(results) or by_call.keys() != {call.id for call in said.calls}:
        raise refuse(_NAME, "a tool result without its call, or a call without its one result", param="messages")
    # Clean before they are compared: two that differ in a reserved token alone are equal without it.
    calls = [replace(call, arguments=sieve.arguments(_as_object(call, sieve))) for call in said.calls]
    if len({(call.name, _canonical(call.arguments)) for call in calls}) < len(calls):
        raise refuse(_NAME, "two equal tool calls in one turn", param="messages")
    transcript.say(replace(said, calls=tuple(calls)))
    for call in calls:
        result = by_call[call.id]
        transcript.add(tool_result(call.id, clean_envelope(result.data, sieve, failed=result.failed), call.name))


def _as_object(call: ToolCall, sieve: Sieve) -> str:
    try:
        held = json.loads(call.arguments or "{}")
    except (ValueError, RecursionError):
        held = None
    if isinstance(held, dict):
        return call.arguments or "{}"
    return as_json({"malformed_arguments": sieve.words(call.arguments, HISTORY)})


def _canonical(arguments: str) -> str:
    return json.dumps(json.loads(arguments), sort_keys=True)


def _completed(messages: JsonValue) -> list[JsonValue]:
    """The messages with what Gemini asks of calls (a signature) and of their results (a name)."""
    found = messages if isinstance(messages, list) else []
    return [_complete(message) for message in found if isinstance(message, Mapping)]


def _complete(message: JsonObject) -> JsonObject:
    calls = message.get("tool_calls")
    if isinstance(calls, list) and calls and isinstance(first := calls[0], Mapping):
        return {**message, "tool_calls": [{**first, "extra_content": _UNSIGNED}, *calls[1:]]}
    return {**message, "name": RESERVED_TOOL} if message.get("role") == "tool" and "name" not in message else message


def check_settings(settings: JsonObject) -> None:
    """Accept ``declare_tool``.

    Raises:
        ValueError: names the key at fault.
    """
    refuse_unknown(settings, ("declare_tool",))
    require_bool(settings, "declare_tool")
