r"""Where does data go for a model trained as StruQ and the first SecAlign models are?

Into a completions prompt with two areas, behind the preamble of Alpaca:
``[MARK] [INST][COLN]\n…\n\n[MARK] [INPT][COLN]\n…\n\n[MARK] [RESP][COLN]\n``. The five bracketed words are tokens of
the model: they are deleted from every text, again and again until none is left, whatever family the target names, and
so are the family's own. Unlike the authors' filter this one leaves Markdown's ``##`` alone.

All instructions share the instruction area, in order; the reply says so where an operator's and a user's meet there.
One piece of data travels as its text, several as one JSON array. The format has one exchange and nothing else: an
assistant's turns, tools and media cannot be said.

Source: ``config.py`` of facebookresearch/SecAlign (its ``SpclSpclSpcl`` form) and of StruQ.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import lru_cache
from typing import Final, assert_never

from adapters.formats._input import input_text
from adapters.formats._joins import Piece
from adapters.formats._reserved import ReservedTokens
from adapters.formats._settings import refuse_unknown
from adapters.formats._sieve import Sieve
from adapters.formats._turns import MERGED_NOTE, Given, Returned, Said, Shown, Told, in_a_row, piece, read, refuse
from gateway.domain.isolation import Isolation
from gateway.domain.jsonvalue import JsonObject
from gateway.domain.prompt import Data, Prompt
from gateway.domain.target import Endpoint, FormatOptions, Layout

ENDPOINT: Final = Endpoint.COMPLETIONS
BEST: Final = Isolation.NATIVE
_NAME: Final = "struq"

_SEPARATORS: Final = ("[MARK]", "[INST]", "[INPT]", "[RESP]", "[COLN]")
_WITH_DATA: Final = (
    "Below is an instruction that describes a task, paired with an input that provides further context. "
    "Write a response that appropriately completes the request.\n\n"
)
_WITHOUT_DATA: Final = (
    "Below is an instruction that describes a task. Write a response that appropriately completes the request.\n\n"
)
_INSTRUCTION: Final = "[MARK] [INST][COLN]"
_INPUT: Final = "[MARK] [INPT][COLN]"
_RESPONSE: Final = "[MARK] [RESP][COLN]\n"


def lay_out(prompt: Prompt, options: FormatOptions) -> Layout:
    """Lay the prompt out as one text for a completions API.

    Raises:
        NotSayable: the prompt holds no instruction, or an assistant's turn, a tool's result, tools, media or names.
    """
    if prompt.tools:
        raise refuse(_NAME, "tools", param="tools")
    if not prompt.instructions:
        raise refuse(_NAME, "a request without an instruction", param="messages")
    data = tuple(_data(prompt))
    sieve = Sieve(_with_separators(options))
    text = f"{_WITH_DATA if data else _WITHOUT_DATA}{_INSTRUCTION}"
    text += _area(in_a_row([(piece(text),) for text in prompt.instructions]), sieve)
    if data:
        text += _INPUT + _area((Piece(text=input_text(data, sieve), where=data[-1].id),), sieve)
    return Layout(
        format=_NAME,
        endpoint=Endpoint.COMPLETIONS,
        body={"prompt": text + _RESPONSE},
        isolation=BEST if data else None,
        removals=sieve.removals,
        notes=(MERGED_NOTE,) if len({text.trust for text in prompt.instructions}) > 1 else (),
    )


def _area(parts: Sequence[str | Piece], sieve: Sieve) -> str:
    return sieve.joined(("\n", *parts, "\n\n"))


def _data(prompt: Prompt) -> Iterator[Data]:
    for block in read(prompt):
        match block:
            case Told():
                if block.name is not None:
                    raise refuse(_NAME, "a participant's name", param="messages")
            case Given():
                yield from block.data
            case Shown():
                raise refuse(_NAME, "images, audio or files", param="messages")
            case Said():
                raise refuse(_NAME, "an assistant's turn", param="messages")
            case Returned():
                raise refuse(_NAME, "tool results", param="messages")
            case _:
                assert_never(block)


def _with_separators(options: FormatOptions) -> FormatOptions:
    if set(_SEPARATORS) <= set(options.reserved):
        return options
    both = _both(options.reserved)
    return replace(options, remove_reserved=both.remove, break_reserved=both.break_json, reserved=both.tokens)


@lru_cache(maxsize=16)
def _both(reserved: tuple[str, ...]) -> ReservedTokens:
    return ReservedTokens((*reserved, *_SEPARATORS))


def check_settings(settings: JsonObject) -> None:
    """Accept no setting.

    Raises:
        ValueError: names the key at fault.
    """
    refuse_unknown(settings, ())
