"""How is a figure told, and a word or a command in a page of Markdown?

A figure as a percentage with its interval, the same wherever a score is told. The rule for pages: what comes from names
and answers is read there as what it is, and never as Markdown or HTML.
"""

import re
from typing import Final

from gateway.domain.card import Score

_MARKS: Final = re.compile(r"[\\|`\[\]]")
_TICKS: Final = re.compile("`+")
NONE: Final = "–"  # noqa: RUF001 -- a dash, in tables
# In the order in which they are looked at.
SCORES: Final = ("attack_success", "separation", "utility", "utility_under_attack", "fidelity", "refusals")


def told(figure: Score | float | None) -> str:
    """``4.0% (1.2 to 9.9)``; a share alone without the interval; a dash where there is none."""
    if figure is None:
        return NONE
    if isinstance(figure, Score):
        return f"{_percent(figure.value)}% ({_percent(figure.low)} to {_percent(figure.high)})"
    return f"{_percent(figure)}%"


def plain(text: str) -> str:
    """A text that stands in one cell, on one line."""
    return _MARKS.sub(r"\\\g<0>", " ".join(text.split())).replace("<", "&lt;")


def code(name: str) -> str:
    """A name as it is written, on one line."""
    return f"`{' '.join(name.replace('`', ' ').split())}`"


def fenced(command: str, language: str = "") -> str:
    """A command in a block of its own, which nothing in it can end."""
    longest = max(map(len, _TICKS.findall(command)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}{language}\n{command}\n{fence}"


def _percent(share: float) -> str:
    return f"{share * 100:.1f}"
