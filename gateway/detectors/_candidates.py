"""How many places of a text does a detector look at closely?

Finding a place is RE2's and costs nanoseconds a character; judging one is Python's and costs microseconds. The rule: a
text so dense with places that judging them would not be quick is not judged in part, it is refused as a whole.
"""

from collections.abc import Iterator
from typing import Final

from gateway.detectors.regex import Pattern

_ALWAYS: Final = 128
# And one more for so many characters of text: denser than any page of links or table of settings.
_CHARS_EACH: Final = 200


class TooManyCandidates(Exception):
    """The text holds more places to judge than a text of its length does."""


def allowed(length: int) -> int:
    """How many places a text of ``length`` characters may have."""
    return _ALWAYS + length // _CHARS_EACH


def candidates(pattern: Pattern, text: str, group: int = 0) -> Iterator[tuple[int, int]]:
    """Where the pattern, or its group, occurs.

    Raises:
        TooManyCandidates: at more places than ``allowed``.
    """
    left = allowed(len(text))
    for span in pattern.spans(text, group):
        if not left:
            raise TooManyCandidates
        left -= 1
        yield span
