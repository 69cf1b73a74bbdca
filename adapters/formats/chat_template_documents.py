"""Where does data go for a model whose chat template has a place for documents?

Into the request's top-level ``documents``, which vLLM and others hand to the template: Granite 3.3 gives each document
a role of its own, Granite 4 and Command-R list them in the system turn. Each has ``doc_id``, ``title`` (the origin) and
``text``, or ``content`` by the setting ``text_key``. What else holds of documents is in ``_documents.py``.

A template may copy the text verbatim, so tokens are deleted. Where a template lists documents as plain text
(Command-R's ``Document: 1``), one document can imitate the next one's heading, which is still data.
"""

from functools import partial
from typing import Final

from adapters.formats._documents import lay_out_beside
from adapters.formats._settings import choose, refuse_unknown
from adapters.formats._sieve import Sieve
from gateway.domain.isolation import Isolation
from gateway.domain.jsonvalue import JsonObject
from gateway.domain.prompt import Data, Prompt
from gateway.domain.target import FormatOptions, Layout

BEST: Final = Isolation.CHANNEL
SAYS: Final = frozenset({"tool-error"})


def lay_out(prompt: Prompt, options: FormatOptions) -> Layout:
    """Lay the prompt out for a chat template with documents.

    Raises:
        NotSayable: the prompt holds media.
    """
    text_key = str(options.settings.get("text_key", "text"))
    return lay_out_beside("chat-template-documents", prompt, options, partial(_document, text_key))


def _document(text_key: str, data: Data, sieve: Sieve) -> JsonObject:
    origin = sieve.words(data.origin, data.id)
    return {"doc_id": sieve.words(data.id, data.id), "title": origin, text_key: sieve.words(data.text, data.id)}


def check_settings(settings: JsonObject) -> None:
    """Accept ``text_key``: text or content.

    Raises:
        ValueError: names the key at fault.
    """
    refuse_unknown(settings, ("text_key",))
    choose(settings, "text_key", ("text", "content"))
