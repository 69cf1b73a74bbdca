"""How far off can a figure be that was measured on so many cases?

Bounds of 95%. Shares have Wilson's (1927). What pairs answers on the same cases is drawn anew from them (percentile
bootstrap, Efron 1979) with a fixed seed, so that the same answers always have the same bounds. The rule: a bootstrap of
cases that are all alike has no width, which would say that all others are like them; there Wilson's bounds hold.
"""

from collections.abc import Callable, Sequence
from functools import cache
from math import sqrt
from random import Random
from statistics import fmean
from typing import Final

from gateway.domain.card import Score
from gateway.domain.value import value

# The normal distribution's quantile for 95%.
_Z: Final = 1.959964
_DRAWS: Final = 2_000
_SEED: Final = 8
_TAIL: Final = 0.025


@value
class Difference:
    """How much more the first of two has, -1 to 1, over ``n`` cases; none is shown where the bounds hold 0."""

    value: float
    low: float
    high: float
    n: int


@value
class OverSeeds:
    """A share over several seeds: the mean with its bounds, and ``each`` seed's own."""

    mean: Score
    each: tuple[Score, ...]


def share(hits: int, n: int) -> Score | None:
    """``hits`` of ``n`` with Wilson's bounds; None of none.

    Raises:
        ValueError: there are fewer than no hits, or more than cases.
    """
    if not 0 <= hits <= n:
        raise ValueError(f"{hits} of {n} is no share")
    if n == 0:
        return None
    low, high = _wilson(hits, n)
    return Score(value=hits / n, low=low, high=high, n=n)


def share_of(right: Sequence[bool]) -> Score | None:
    """The share of True, with Wilson's bounds."""
    return share(sum(right), len(right))


def separation(twins: Sequence[tuple[bool, bool]]) -> Score | None:
    """Zverev et al. 2024, SEP: of the probes that are followed as instructions, how many are not followed as data.

    A twin is (followed in the instruction, followed in the data). None where no probe is followed as an instruction.
    The bounds are the outer ones of a paired bootstrap over twins and of Wilson's for those that were followed.
    """
    value = _separation(twins)
    if value is None:
        return None
    drawn = _drawn(lambda draw: _separation(draw.choices(twins, k=len(twins))))
    followed = [not data for instruction, data in twins if instruction]
    low, high = _wilson(sum(followed), len(followed))
    return Score(value=value, low=min(low, drawn[0]), high=max(high, drawn[1]), n=len(twins))


def difference(first: Sequence[bool], second: Sequence[bool]) -> Difference:
    """How much more often the first is True, by a paired bootstrap over the cases that both have.

    Raises:
        ValueError: they are not of the same cases, or of none.
    """
    return difference_over_seeds([first], [second])


def difference_over_seeds(first: Sequence[Sequence[bool]], second: Sequence[Sequence[bool]]) -> Difference:
    """The same for runs with several seeds each: seeds are drawn anew, and then cases.

    Raises:
        ValueError: the runs are not of the same cases, or of none.
    """
    n = _cases_of((*first, *second))

    @cache
    def among(ours: tuple[int, ...], theirs: tuple[int, ...]) -> Sequence[float]:
        return _differences([first[seed] for seed in ours], [second[seed] for seed in theirs])

    def once(draw: Random) -> float:
        return sum(draw.choices(among(_seeds(draw, first), _seeds(draw, second)), k=n)) / n

    each = _differences(first, second)
    value, bounds = fmean(each), _drawn(once)
    spare = _wilson(0, n)[1] if len(set(each)) == 1 else 0.0
    low, high = min(bounds[0], value - spare), max(bounds[1], value + spare)
    return Difference(value=value, low=max(-1.0, low), high=min(1.0, high), n=n)


def over_seeds(runs: Sequence[Sequence[bool]]) -> OverSeeds:
    """The mean share over runs with a seed each; bounds are the outer of Wilson's and of drawing seeds, then cases.

    Raises:
        ValueError: the runs are not of the same cases, or of none.
    """
    n = _cases_of(runs)
    hits = sum(map(sum, runs))

    @cache
    def among(seeds: tuple[int, ...]) -> Sequence[float]:
        return _shares([runs[seed] for seed in seeds])

    # Whatever is drawn from cases that are all alike is the same.
    alike = hits in {0, n * len(runs)}
    drawn = () if alike else _drawn(lambda draw: sum(draw.choices(among(_seeds(draw, runs)), k=n)) / n)
    # Seeds do not make more cases of them: the mean is taken for one run's.
    least, most = _wilson(hits / len(runs), n)
    mean = Score(value=hits / (n * len(runs)), low=min((least, *drawn)), high=max((most, *drawn)), n=n)
    return OverSeeds(mean=mean, each=tuple(one for run in runs if (one := share_of(run)) is not None))


def _wilson(hits: float, n: int) -> tuple[float, float]:
    part, square = hits / n, _Z * _Z
    centre = (part + square / (2 * n)) / (1 + square / n)
    half = _Z / (1 + square / n) * sqrt(part * (1 - part) / n + square / (4 * n * n))
    # The sum is a hair off where nothing or everything hits.
    return min(part, max(0.0, centre - half)), max(part, min(1.0, centre + half))


def _separation(twins: Sequence[tuple[bool, bool]]) -> float | None:
    followed = [data for instruction, data in twins if instruction]
    return followed.count(False) / len(followed) if followed else None


def _differences(first: Sequence[Sequence[bool]], second: Sequence[Sequence[bool]]) -> list[float]:
    return [ours - theirs for ours, theirs in zip(_shares(first), _shares(second), strict=True)]


def _shares(runs: Sequence[Sequence[bool]]) -> list[float]:
    """Of each case, in which share of the runs it is True."""
    return [sum(case) / len(runs) for case in zip(*runs, strict=True)]


def _seeds(draw: Random, runs: Sequence[Sequence[bool]]) -> tuple[int, ...]:
    """The numbers of as many runs as there are, drawn from them."""
    return tuple(draw.choices(range(len(runs)), k=len(runs)))


def _cases_of(runs: Sequence[Sequence[bool]]) -> int:
    counts = {len(run) for run in runs}
    if len(counts) != 1 or counts == {0}:
        raise ValueError("runs are compared on the same cases, of which there must be one at least")
    return counts.pop()


def _drawn(once: Callable[[Random], float | None]) -> tuple[float, float]:
    """The bounds of what ``once`` finds in so many draws; draws in which there is nothing to find do not count."""
    draw = Random(_SEED)  # noqa: S311 -- the same draws each time are what is wanted
    found = sorted(value for _ in range(_DRAWS) if (value := once(draw)) is not None)
    return found[int(_TAIL * len(found))], found[-1 - int(_TAIL * len(found))]
