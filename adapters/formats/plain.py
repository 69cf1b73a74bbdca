"""Where does data go when nothing is asked of its isolation?

Into the user's message as it is, where it came, reserved tokens aside; tool results stay in their role. The isolation
is ``none``: this format is for models whose configuration says so.
"""

from typing import Final, assert_never

from adapters.formats._chat import Transcript, chat_layout
from adapters.formats._settings import refuse_unknown
from adapters.formats._sieve import Sieve
from adapters.formats._turns import Given, Returned, Said, Shown, Told, piece, read
from gateway.domain.isolation import Isolation
from gateway.domain.jsonvalue import JsonObject
from gateway.domain.prompt import Prompt
from gateway.domain.target import FormatOptions, Layout

BEST: Final = Isolation.NONE


def lay_out(prompt: Prompt, options: FormatOptions) -> Layout:
    """Lay the prompt out for any chat model."""
    sieve = Sieve(options)
    transcript = Transcript(sieve, options.reasoning_field)
    for block in read(prompt):
        match block:
            case Told():
                transcript.tell(block)
            case Given():
                transcript.put([(piece(data),) for data in block.data], turn=block.turn)
            case Shown():
                transcript.show(block.media, block.turn, block.name)
            case Said():
                transcript.say(block)
            case Returned():
                transcript.result(block)
            case _:
                assert_never(block)
    return chat_layout("plain", prompt, sieve, transcript, BEST)


def check_settings(settings: JsonObject) -> None:
    """Accept no setting.

    Raises:
        ValueError: names the key at fault.
    """
    refuse_unknown(settings, ())
