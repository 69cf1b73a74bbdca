"""How does a conversation read whose data stands beside its messages, in the request's top-level ``documents``?

Documents belong to the whole conversation: they keep their order and lose their place between the turns. A real tool's
result stays in the tool role, in the JSON envelope. Media has no place in a document.
"""

from collections.abc import Callable
from typing import assert_never

from adapters.formats._chat import Transcript, chat_layout, tool_result
from adapters.formats._envelope import envelope
from adapters.formats._sieve import Sieve
from adapters.formats._turns import Given, Returned, Said, Shown, Told, read, refuse
from gateway.domain.isolation import Isolation
from gateway.domain.jsonvalue import JsonObject, JsonValue
from gateway.domain.prompt import Data, Prompt
from gateway.domain.target import FormatOptions, Layout


def lay_out_beside(
    format_name: str, prompt: Prompt, options: FormatOptions, document: Callable[[Data, Sieve], JsonObject]
) -> Layout:
    """The layout in which ``document`` makes one document of each piece of data.

    Raises:
        NotSayable: the prompt holds media.
    """
    sieve = Sieve(options)
    transcript = Transcript(sieve, options.reasoning_field)
    documents: list[JsonValue] = []
    for block in read(prompt):
        match block:
            case Told():
                transcript.tell(block)
            case Given():
                documents += [document(data, sieve) for data in block.data]
            case Shown():
                raise refuse(format_name, "images, audio or files", param="messages")
            case Said():
                transcript.say(block)
            case Returned():
                transcript.add(tool_result(block.call_id, envelope(block.data, sieve, failed=block.failed), block.name))
            case _:
                assert_never(block)
    more: JsonObject = {"documents": documents} if documents else {}
    return chat_layout(format_name, prompt, sieve, transcript, Isolation.CHANNEL, more=more)
