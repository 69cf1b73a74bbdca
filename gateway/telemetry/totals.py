"""What has this process counted?

Plain dicts, since every request adds to a dozen of them; what becomes of the figures is the business of ``shared.py``.
Everything here is called on the event loop's thread alone.
"""

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable
from typing import Final, TypeAlias

from gateway.telemetry.families import OF_WORKERS, Family, Kind

# One value for each of a family's labels, in their order.
Labels: TypeAlias = tuple[str, ...]
Figures: TypeAlias = defaultdict[Labels, float]


class Histogram:
    """How often what was observed fell between which bounds, and what it came to."""

    __slots__ = ("_bounds", "rows")

    def __init__(self, bounds: tuple[float, ...]) -> None:
        self._bounds = bounds
        # A count for each bound and one above them all, then the sum.
        self.rows: defaultdict[Labels, list[float]] = defaultdict(([0.0] * (len(bounds) + 2)).copy)

    def observe(self, labels: Labels, *seen: float) -> None:
        """Count each of ``seen``."""
        row = self.rows[labels]
        for one in seen:
            row[bisect_left(self._bounds, one)] += 1
            row[-1] += one

    def row(self, labels: Labels) -> list[float]:
        """The counts, which may be changed."""
        return self.rows[labels]


class Totals:
    """The figures of every family; ``figures`` holds counters and gauges by the family's name."""

    def __init__(self, families: Iterable[Family] = OF_WORKERS) -> None:
        known: Final = tuple(families)
        self.families = known
        self.figures: dict[str, Figures] = {
            one.name: defaultdict(float) for one in known if one.kind is not Kind.HISTOGRAM
        }
        self.histograms = {one.name: Histogram(one.buckets) for one in known if one.kind is Kind.HISTOGRAM}
        for one in known:
            # What has no labels is there from the start, so that its absence says that nobody counts it.
            if not one.labels:
                self._begin(one)

    def of(self, family: Family) -> Figures:
        """The figures of a counter or a gauge, which may be changed."""
        return self.figures[family.name]

    def histogram(self, family: Family) -> Histogram:
        """The histogram of that family."""
        return self.histograms[family.name]

    def _begin(self, family: Family) -> None:
        if family.kind is Kind.HISTOGRAM:
            self.histograms[family.name].row(())
        else:
            self.figures[family.name][()] += 0.0
