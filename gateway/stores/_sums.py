"""What have all processes of the machine used in long windows, as far as this one knows?

Three parts of each sum: what is known to all, what is on its way to the others, what is still to go there. None is ever
in two of them, and none is lost where telling the others fails.
"""

from collections.abc import Iterable
from typing import TypeAlias

from gateway.domain.value import value

# A bucket's name and when its window began.
Place: TypeAlias = tuple[str, int]


@value
class Sum:
    """What was used, or more of it, in one window of a bucket; it counts until ``expires``."""

    name: str
    start: int
    amount: int
    expires: int


class Sums:
    """``add`` what is used here; ``outgoing`` and then ``told`` or ``untold`` exchange it with the others."""

    def __init__(self) -> None:
        self._known: dict[Place, Sum] = {}
        self._going: dict[Place, Sum] = {}
        self._pending: dict[Place, Sum] = {}

    @property
    def waiting(self) -> bool:
        """Whether there is something that the others do not know."""
        return bool(self._pending or self._going)

    def known(self, name: str, start: int) -> int:
        """What all have used, as they all know."""
        found = self._known.get((name, start))
        return 0 if found is None else found.amount

    def of(self, name: str, start: int) -> int:
        """What all have used, with what only this process knows."""
        place = (name, start)
        return sum([part[place].amount for part in (self._known, self._going, self._pending) if place in part])

    def add(self, name: str, start: int, amount: int, expires: int) -> None:
        """So much more was used here, or less."""
        before = self._pending.get((name, start))
        whole = amount if before is None else before.amount + amount
        self._pending[name, start] = Sum(name=name, start=start, amount=whole, expires=expires)

    def outgoing(self) -> tuple[Sum, ...]:
        """What the others are to be told."""
        self._going, self._pending = self._pending, {}
        return tuple(self._going.values())

    def told(self, sums: Iterable[Sum]) -> None:
        """They know it; ``sums`` are those of all that changed since the last time."""
        self._going = {}
        for one in sums:
            self._known[one.name, one.start] = one

    def untold(self) -> None:
        """They could not be told."""
        going, self._going = self._going, {}
        for one in going.values():
            self.add(one.name, one.start, one.amount, one.expires)

    def sweep(self, now: float) -> None:
        """Forget what counts no more."""
        self._known = {place: one for place, one in self._known.items() if one.expires > now}
        self._pending = {place: one for place, one in self._pending.items() if one.expires > now}
