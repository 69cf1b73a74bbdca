"""Where does data go for gpt-oss, whose wire format is harmony?

Harmony's own place for material is a message from ``functions.NAME`` to ``assistant``. A chat completions server writes
one for each tool message, so data comes as a tool's result, as in ``tool-envelope``, in the narrower form that the
published template can say: it reads operator text only at the very start, takes one call from an assistant's message,
and names a result after the call just before it. So operator texts are gathered in front, parallel calls come one after
the other, each followed by its result, and a result without a call cannot be said; nor can media.

Source: the chat template published with openai/gpt-oss-20b, and OpenAI's description of the harmony format.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Final, assert_never

from adapters.formats._chat import Transcript, chat_layout, tool_result
from adapters.formats._envelope import Reader, envelope
from adapters.formats._parts import groups_of
from adapters.formats._settings import refuse_unknown
from adapters.formats._sieve import Sieve
from adapters.formats._turns import Block, Given, Returned, Said, Shown, Told, read, refuse, results_at
from gateway.domain.isolation import Isolation
from gateway.domain.jsonvalue import JsonObject
from gateway.domain.prompt import Prompt
from gateway.domain.target import FormatOptions, Layout

BEST: Final = Isolation.CHANNEL
SAYS: Final = frozenset({"tool-error"})
_NAME: Final = "harmony"


def lay_out(prompt: Prompt, options: FormatOptions) -> Layout:
    """Lay the prompt out for gpt-oss behind a chat completions API.

    Raises:
        NotSayable: the prompt holds media, or a tool's result without its call.
    """
    sieve = Sieve(options)
    transcript = Transcript(sieve, options.reasoning_field)
    reader = Reader(prompt, sieve)
    blocks = read(prompt)
    _gather_operator(blocks, transcript)
    position = 0
    while position < len(blocks):
        block = blocks[position]
        position += 1
        match block:
            case Told():
                if block.role == "user":
                    transcript.tell(block)
            case Given():
                reader.read(transcript, block.data)
            case Shown():
                raise refuse(_NAME, "images, audio or files", param="messages")
            case Said():
                results = results_at(blocks, position)
                position += len(results)
                _one_by_one(block, results, transcript, sieve)
            case Returned():
                raise refuse(_NAME, "a tool result without its call", param="messages")
            case _:
                assert_never(block)
    return chat_layout(_NAME, prompt, sieve, transcript, BEST)


def _gather_operator(blocks: Sequence[Block], transcript: Transcript) -> None:
    told = [block for block in blocks if isinstance(block, Told) and block.role == "system"]
    if told:
        transcript.put([group for block in told for group in groups_of(block)], role="system")


def _one_by_one(said: Said, results: Sequence[Returned], transcript: Transcript, sieve: Sieve) -> None:
    by_call = {result.call_id: result for result in results}
    if len(by_call) < len(results) or not by_call.keys() <= {call.id for call in said.calls}:
        raise refuse(_NAME, "a tool result without its call, or two for one call", param="messages")
    if not said.calls:
        transcript.say(said)
    for index, call in enumerate(said.calls):
        first = replace(said, calls=(call,))
        transcript.say(replace(first, history=(), reasoning=None) if index else first)
        result = by_call.get(call.id)
        if result is not None:
            transcript.add(tool_result(call.id, envelope(result.data, sieve, failed=result.failed), result.name))


def check_settings(settings: JsonObject) -> None:
    """Accept no setting.

    Raises:
        ValueError: names the key at fault.
    """
    refuse_unknown(settings, ())
