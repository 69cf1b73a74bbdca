"""Does a figure grow, and how surely?

Pure. A line through samples by least squares. Samples that follow each other closely resemble each other, so that there
are fewer of them than it seems: the interval is widened by how much a sample says of the next (the first-order
autocorrelation of what the line leaves over), or every run would find a leak somewhere.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import sqrt
from statistics import NormalDist, fmean
from typing import Final

CONFIDENCE: Final = 0.95
_HOUR_S: Final = 3600.0
_MOST_ALIKE: Final = 0.95
_FEWEST: Final = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Trend:
    """How much a figure grows in an hour: the line's slope, and the interval that holds the true one mostly."""

    per_hour: float
    low: float
    high: float
    samples: int


def trend(seconds: Sequence[float], values: Sequence[float]) -> Trend | None:
    """The trend of ``values``, sampled at ``seconds``; None of fewer than four samples, or all at one time."""
    count = len(seconds)
    if count < _FEWEST:
        return None
    at, level = fmean(seconds), fmean(values)
    spread = sum((x - at) ** 2 for x in seconds)
    if not spread:
        return None
    slope = sum((x - at) * (y - level) for x, y in zip(seconds, values, strict=True)) / spread
    left = [y - level - slope * (x - at) for x, y in zip(seconds, values, strict=True)]
    alike = _alike(left)
    worth = max(_FEWEST, count * (1 - alike) / (1 + alike))
    error = sqrt(sum(one * one for one in left) / (count - 2) / spread * count / worth)
    margin = _quantile(worth - 2) * error
    return Trend(
        per_hour=slope * _HOUR_S, low=(slope - margin) * _HOUR_S, high=(slope + margin) * _HOUR_S, samples=count
    )


def _alike(left: Sequence[float]) -> float:
    """How much a residual says of the next one, between 0 and nearly 1."""
    power = sum(one * one for one in left)
    if not power:
        return 0.0
    follows = sum(one * following for one, following in pairwise(left)) / power
    return min(_MOST_ALIKE, max(0.0, follows))


def _quantile(freedom: float) -> float:
    """Student's t for the confidence, by its expansion around the normal one (Abramowitz and Stegun, 26.7.5)."""
    z = NormalDist().inv_cdf((1 + CONFIDENCE) / 2)
    first = (z**3 + z) / 4
    second = (5 * z**5 + 16 * z**3 + 3 * z) / 96
    third = (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384
    return z + first / freedom + second / freedom**2 + third / freedom**3
