"""Where do a request's random names come from?

From the system's generator, some thousand bytes at a time: a request draws a few dozen, and a system call for each of
its names cost more than all that is done with them. What was drawn once is never drawn again, in no thread, and a
forked process draws its own.
"""

import os
from typing import Final

_DIGITS: Final = 32
_AT_ONCE: Final = 4096

_pieces: Final[list[str]] = []

if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_pieces.clear)


def drawn_digits() -> str:
    """128 random bits, unpredictable, as 32 hexadecimal digits."""
    while True:
        try:
            return _pieces.pop()
        except IndexError:
            drawn = os.urandom(_AT_ONCE).hex()
            _pieces.extend([drawn[at : at + _DIGITS] for at in range(0, len(drawn), _DIGITS)])
