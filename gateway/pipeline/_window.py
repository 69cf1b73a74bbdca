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


def window_start(text: str, window: int) -> int:
    """Where the last ``window`` characters that are seen begin, or somewhat before; 0 where there are not so many."""
    size = window
    while size < len(text):
        last = text[-size:]
        unseen = 0 if last.isascii() else len(_UNSEEN.findall(last))
        if size - unseen >= window:
            return len(text) - size
        # Twice as much each time, so that a flood of them is read a few times only.
        size = max(window + unseen, 2 * size)
    return 0
