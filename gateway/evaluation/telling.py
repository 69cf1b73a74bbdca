"""How is a figure told?

As a percentage with its interval, the same wherever a score is told.
"""

from typing import Final

from gateway.domain.card import Score

NONE: Final = "–"  # noqa: RUF001 -- a dash, in tables


def told(figure: Score | float | None) -> str:
    """``4.0% (1.2 to 9.9)``; a share alone without the interval; a dash where there is none."""
    if figure is None:
        return NONE
    if isinstance(figure, Score):
        return f"{_percent(figure.value)}% ({_percent(figure.low)} to {_percent(figure.high)})"
    return f"{_percent(figure)}%"


def _percent(share: float) -> str:
    return f"{share * 100:.1f}"
