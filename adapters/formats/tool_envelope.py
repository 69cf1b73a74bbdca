"""Where does data go for a model that knows tools?

Into tool messages. A run of data outside a tool turn becomes a call of ``read_untrusted_data`` by the assistant and its
result; a real tool's result keeps its role and call id. Either way the content is JSON (``_envelope.py``). Order is the
client's, except that nothing comes between the client's tool calls and their results.

Media has no place in a tool message: it goes into a user message, and the isolation is ``none``.

Setting ``declare_tool: true`` also lists ``read_untrusted_data`` among the tools, for servers that refuse calls of
tools they were not told of.
"""

from dataclasses import replace
from typing import Final, assert_never

from adapters.formats._chat import Transcript, chat_layout, tool_result
from adapters.formats._envelope import DECLARATION, Reader, envelope
from adapters.formats._settings import refuse_unknown, require_bool
from adapters.formats._sieve import Sieve
from adapters.formats._turns import Given, Returned, Said, Shown, Told, read
from gateway.domain.isolation import Isolation
from gateway.domain.jsonvalue import JsonObject
from gateway.domain.prompt import Prompt
from gateway.domain.target import FormatOptions, Layout

BEST: Final = Isolation.CHANNEL
SAYS: Final = frozenset({"tool-error"})


def lay_out(prompt: Prompt, options: FormatOptions) -> Layout:
    """Lay the prompt out for a tool-capable chat model."""
    sieve = Sieve(options)
    transcript = Transcript(sieve, options.reasoning_field)
    reader = Reader(prompt, sieve)
    isolation = BEST
    for block in read(prompt):
        match block:
            case Told():
                transcript.tell(block)
            case Given():
                reader.read(transcript, block.data)
            case Shown():
                transcript.show(block.media, block.turn, block.name)
                isolation = Isolation.NONE
            case Said():
                transcript.say(block)
            case Returned():
                transcript.add(tool_result(block.call_id, envelope(block.data, sieve, failed=block.failed), block.name))
            case _:
                assert_never(block)
    if options.settings.get("declare_tool", False) and prompt.data:
        prompt = replace(prompt, tools=(*prompt.tools, DECLARATION))
    return chat_layout("tool-envelope", prompt, sieve, transcript, isolation)


def check_settings(settings: JsonObject) -> None:
    """Accept ``declare_tool``.

    Raises:
        ValueError: names the key at fault.
    """
    refuse_unknown(settings, ("declare_tool",))
    require_bool(settings, "declare_tool")
