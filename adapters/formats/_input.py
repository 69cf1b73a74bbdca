"""What does data look like where a trained model expects nothing but data?

The rule: one piece is its own text, as in training; several are one JSON array, so that none can pass for another.
Either way reserved tokens are deleted, for the text reaches the tokenizer as it is.
"""

from collections.abc import Sequence

from adapters.formats._sieve import Sieve
from adapters.formats._turns import piece
from gateway.domain.jsonvalue import JsonObject
from gateway.domain.prompt import Data


def input_text(data: Sequence[Data], sieve: Sieve) -> str:
    """The data as one text without reserved tokens."""
    if len(data) == 1:
        return sieve.words(data[0].text, data[0].id)
    entries: list[JsonObject] = [
        {"id": item.id, "origin": item.origin, "content": sieve.words(item.text, item.id)} for item in data
    ]
    return sieve.json(entries, map(piece, data))
