"""What came of a verification?

Findings, each with its class, its epoch, its place and one sentence. A notice is worth knowing and breaks nothing.
"""

from collections.abc import Iterable, Iterator, Sequence
from enum import StrEnum
from typing import Final

from gateway.domain.value import value

REGISTRY: Final = "registry"
# So many places of one class are named one by one; more of them as runs of neighbours.
_ONE_BY_ONE: Final = 20


class Kind(StrEnum):
    """The classes of what can be wrong."""

    MODIFIED = "modified"
    MISSING = "missing"
    INSERTED = "inserted"
    REORDERED = "reordered"
    FORK = "fork"
    BAD_SIGNATURE = "bad-signature"
    MISSING_SHARD = "missing-shard"
    UNSIGNED_TAIL = "unsigned-tail"
    TORN_TAIL = "torn-tail"
    CLOCK_REGRESSION = "clock-regression"
    ANCHOR_MISMATCH = "anchor-mismatch"
    UNREGISTERED = "unregistered"


@value
class Finding:
    """``position`` is a record's number, counted from 0; in the registry an entry's number, counted from 1.

    Of what was inserted, reordered or torn it is the place of the line where it is found. ``count`` is of how many
    records from there on this is said; of an unsigned tail it may be 0.
    """

    kind: Kind
    epoch: str
    position: int | None
    message: str
    count: int = 1
    notice: bool = False


@value
class Report:
    """``epochs`` and ``records`` are how many were read, ``signed`` the records that a sound checkpoint covers.

    ``anchored`` is how many records are covered by anchors that agree.
    """

    epochs: int
    records: int
    signed: int
    anchored: int
    findings: tuple[Finding, ...]

    @property
    def problems(self) -> tuple[Finding, ...]:
        return tuple([finding for finding in self.findings if not finding.notice])

    @property
    def notices(self) -> tuple[Finding, ...]:
        return tuple([finding for finding in self.findings if finding.notice])

    @property
    def whole(self) -> bool:
        """Whether nothing breaks the evidence."""
        return not self.problems


def runs(places: Iterable[int]) -> Iterator[tuple[int, int]]:
    """Places in ascending order as ``(first, count)``: one by one while they are few, else neighbours together."""
    ordered = sorted(places)
    if len(ordered) <= _ONE_BY_ONE:
        yield from ((place, 1) for place in ordered)
        return
    first = end = ordered[0]
    for place in ordered:
        if place > end:
            yield first, end - first
            first = place
        end = place + 1
    yield first, end - first


def ordered(findings: Iterable[Finding]) -> Sequence[Finding]:
    """By epoch, the registry first, and by position."""
    return sorted(
        findings,
        key=lambda one: (one.epoch != REGISTRY, one.epoch, -1 if one.position is None else one.position, one.kind),
    )
