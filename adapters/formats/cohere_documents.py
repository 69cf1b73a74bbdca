"""Where does data go for a Cohere model behind Cohere's own chat API?

Into version 2's ``documents`` beside the messages: each has an ``id`` and ``data``, of which the keys and values are
shown to the model. litellm (``cohere_chat/…``) hands the field on as it is; Cohere's OpenAI-compatible API has no such
field, for which ``tool-envelope`` is the format. What else holds of documents is in ``_documents.py``.

Cohere writes the values into its prompt as text, so tokens are deleted.
Source: Cohere's API reference, "Chat" (version 2).
"""

from typing import Final

from adapters.formats._documents import lay_out_beside
from adapters.formats._settings import refuse_unknown
from adapters.formats._sieve import Sieve
from gateway.domain.isolation import Isolation
from gateway.domain.jsonvalue import JsonObject
from gateway.domain.prompt import Data, Prompt
from gateway.domain.target import FormatOptions, Layout

BEST: Final = Isolation.CHANNEL
SAYS: Final = frozenset({"tool-error"})


def lay_out(prompt: Prompt, options: FormatOptions) -> Layout:
    """Lay the prompt out for Cohere's chat API.

    Raises:
        NotSayable: the prompt holds media.
    """
    return lay_out_beside("cohere-documents", prompt, options, _document)


def _document(data: Data, sieve: Sieve) -> JsonObject:
    shown: JsonObject = {"origin": sieve.words(data.origin, data.id), "text": sieve.words(data.text, data.id)}
    return {"id": sieve.words(data.id, data.id), "data": shown}


def check_settings(settings: JsonObject) -> None:
    """Accept no setting.

    Raises:
        ValueError: names the key at fault.
    """
    refuse_unknown(settings, ())
