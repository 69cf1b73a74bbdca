"""How are texts laid out for an embedding model?

Each text alone, in the client's order, as the list ``input``; reserved tokens are taken out of each, for an embedding
model reads them as marks as any other model does, and texts made of them would come to lie wherever their author likes.
It is no format that a target's configuration names: there is no instruction, so that nothing has to be kept apart and
no isolation is claimed.
"""

from typing import Final

from adapters.formats._sieve import Sieve
from gateway.domain.errors import NotSayable
from gateway.domain.prompt import Data, Prompt
from gateway.domain.target import Endpoint, FormatOptions, Layout

NAME: Final = "embedding"


def lay_out(prompt: Prompt, options: FormatOptions) -> Layout:
    """Lay the prompt's texts out.

    Raises:
        NotSayable: there is something else among them than data, or nothing is left of a text without reserved tokens.
    """
    sieve = Sieve(options)
    texts: list[str] = []
    for number, segment in enumerate(prompt.segments()):
        if not isinstance(segment, Data):
            raise NotSayable("only texts can be embedded; leave out whatever is none", param="input")
        text = sieve.words(segment.text, segment.id)
        if not text:
            raise NotSayable(
                "nothing is left of a text once the model's reserved tokens are taken out; leave the text out",
                param="input" if len(prompt.turns) == 1 else f"input[{number}]",
            )
        texts.append(text)
    return Layout(
        format=NAME,
        endpoint=Endpoint.EMBEDDINGS,
        body={"input": texts},
        isolation=None,
        removals=sieve.removals,
    )
