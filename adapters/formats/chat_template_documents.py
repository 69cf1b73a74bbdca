"""Where does data go for a model whose chat template has a place for documents?

Into the request's top-level ``documents``, which vLLM and others hand to the template: Granite 3.3 gives each document
a role of its own, Granite 4 and Command-R list them in the system turn. Each has ``doc_id``, ``title`` (the origin) and
``text``, or ``content`` by the setting ``text_key``. Documents belong to the whole conversation: they keep their order
and lose their place between the turns.

A template may copy the text verbatim, so tokens are deleted. Where a template lists documents as plain text
(Command-R's ``Document: 1``), one document can imitate the next one's heading, which is still data. A real tool's
result stays in the tool role, in the JSON envelope. Media has no place in a document.
"""

from typing import Final, assert_never

from adapters.formats._chat import Transcript, chat_layout, tool_result
from adapters.formats._envelope import envelope
from adapters.formats._settings import choose, refuse_unknown
from adapters.formats._sieve import Sieve
from adapters.formats._turns import Given, Returned, Said, Shown, Told, read, refuse
from gateway.domain.isolation import Isolation
from gateway.domain.jsonvalue import JsonObject, JsonValue
from gateway.domain.prompt import Data, Prompt
from gateway.domain.target import FormatOptions, Layout

BEST: Final = Isolation.CHANNEL
SAYS: Final = frozenset({"tool-error"})
_NAME: Final = "chat-template-documents"


def lay_out(prompt: Prompt, options: FormatOptions) -> Layout:
    """Lay the prompt out for a chat template with documents.

    Raises:
        NotSayable: the prompt holds media.
    """
    sieve = Sieve(options)
    transcript = Transcript(sieve, options.reasoning_field)
    text_key = str(options.settings.get("text_key", "text"))
    documents: list[JsonValue] = []
    for block in read(prompt):
        match block:
            case Told():
                transcript.tell(block)
            case Given():
                documents += [_document(data, text_key, sieve) for data in block.data]
            case Shown():
                raise refuse(_NAME, "images, audio or files", param="messages")
            case Said():
                transcript.say(block)
            case Returned():
                transcript.add(tool_result(block.call_id, envelope(block.data, sieve, failed=block.failed), block.name))
            case _:
                assert_never(block)
    more: JsonObject = {"documents": documents} if documents else {}
    return chat_layout(_NAME, prompt, sieve, transcript, BEST, more=more)


def _document(data: Data, text_key: str, sieve: Sieve) -> JsonObject:
    origin = sieve.words(data.origin, data.id)
    return {"doc_id": sieve.words(data.id, data.id), "title": origin, text_key: sieve.words(data.text, data.id)}


def check_settings(settings: JsonObject) -> None:
    """Accept ``text_key``: text or content.

    Raises:
        ValueError: names the key at fault.
    """
    refuse_unknown(settings, ("text_key",))
    choose(settings, "text_key", ("text", "content"))
