"""Where does data go for a model with DefensiveTokens?

Trusted text is the system message, data the user message, and the template puts the trained tokens in front when
``add_defensive_tokens`` is true. All instructions share the one system message, in order; the reply says so where an
operator's and a user's meet there. One piece of data travels as its text, several as one JSON array.

Without data the tokens stay off and each turn keeps its own role: the tokens teach the model to take no instruction
from a user message, and there the user's instruction stands. With data, an assistant's turns cannot be said, for
training knew one system and one user message; nor, ever, can tools and media, which the templates do not write.

Source: the DefensiveToken authors' set-up and demonstration code (chat templates with ``add_defensive_tokens``).
"""

from dataclasses import replace
from typing import Final, assert_never

from adapters.formats._chat import Transcript, chat_layout
from adapters.formats._input import input_text
from adapters.formats._settings import refuse_unknown
from adapters.formats._sieve import Sieve
from adapters.formats._turns import Block, Given, Returned, Said, Shown, Told, read, refuse
from gateway.domain.isolation import Isolation
from gateway.domain.jsonvalue import JsonObject
from gateway.domain.prompt import Data, Prompt
from gateway.domain.target import FormatOptions, Layout

BEST: Final = Isolation.NATIVE
# Data travels in the user role, which a model without defensive tokens obeys.
UNPROVEN: Final = Isolation.NONE
_NAME: Final = "defensive-token"


def lay_out(prompt: Prompt, options: FormatOptions) -> Layout:
    """Lay the prompt out for a chat template that knows DefensiveTokens.

    Raises:
        NotSayable: the prompt holds media or tools; or data, and an assistant's turn or no instruction.
    """
    sieve = Sieve(options)
    transcript = Transcript(sieve, options.reasoning_field)
    if prompt.tools:
        raise refuse(_NAME, "tools", param="tools")
    if prompt.data and not prompt.instructions:
        raise refuse(_NAME, "data without an instruction", param="messages")
    data: list[Data] = []
    for block in read(prompt):
        data += _place(block, transcript, apart=bool(prompt.data))
    if data:
        transcript.add({"role": "user", "content": input_text(data, sieve)})
    more: JsonObject = {"chat_template_kwargs": {"add_defensive_tokens": bool(data)}}
    return chat_layout(_NAME, prompt, sieve, transcript, BEST, more=more)


def _place(block: Block, transcript: Transcript, *, apart: bool) -> tuple[Data, ...]:
    """Put an instruction or an earlier turn into its message; give data back, for the message at the end."""
    match block:
        case Told() if apart and block.name is not None:
            raise refuse(_NAME, "a participant's name beside data", param="messages")
        case Told():
            transcript.tell(replace(block, role="system", turn=None) if apart else block)
        case Given():
            return block.data
        case Shown():
            raise refuse(_NAME, "images, audio or files", param="messages")
        case Said() if block.calls or apart:
            raise refuse(_NAME, "tool calls, or an assistant's turn beside data", param="messages")
        case Said():
            transcript.say(block)
        case Returned():
            raise refuse(_NAME, "tool results", param="messages")
        case _:
            assert_never(block)
    return ()


def check_settings(settings: JsonObject) -> None:
    """Accept no setting.

    Raises:
        ValueError: names the key at fault.
    """
    refuse_unknown(settings, ())
