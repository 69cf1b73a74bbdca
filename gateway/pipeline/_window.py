"""Which characters are the last that a match could still reach?

A rule's longest match is counted in characters that detectors see. Whatever they leave out when they match (what is
never drawn, accents) would stretch a match beyond any window, so it does not count here either.
"""

import re
from typing import Final

# Unicode's Default_Ignorable_Code_Point, and marks set over, under or through a letter.
_UNSEEN: Final = re.compile(
    "[\u00ad\u0300-\u036f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u1ab0-\u1aff\u1dc0-\u1dff\u200b-\u200f"
    "\u202a-\u202e\u2060-\u206f\u20d0-\u20ff\u3164\ufe00-\ufe0f\ufe20-\ufe2f\ufeff\uffa0\ufff0-\ufff8"
    "\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff]"
)


def seen(text: str) -> int:
    """How many characters of ``text`` detectors see."""
    return len(text) if text.isascii() else len(text) - len(_UNSEEN.findall(text))


def window_start(text: str, window: int) -> int:
    """Where the last ``window`` characters that are seen begin; 0 where there are not so many."""
    size, found = window, seen(text[-window:])
    while found < window and size < len(text):
        # Twice as much each time, so that a flood of them is read a few times only.
        size = max(window + size - found, 2 * size)
        found = seen(text[-size:])
    return 0 if found < window else _skip(text, max(0, len(text) - size), found - window)


def _skip(text: str, start: int, surplus: int) -> int:
    """Behind the first ``surplus`` characters that are seen from ``start`` on."""
    end = len(text)
    while surplus and end - start > 1:
        middle = (start + end) // 2
        found = seen(text[start:middle])
        if found <= surplus:
            start, surplus = middle, surplus - found
        else:
            end = middle
    return start + surplus
