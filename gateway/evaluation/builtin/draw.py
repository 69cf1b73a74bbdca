"""How is something drawn so that every machine and every version of Python draws the same?

From SHA-256 over a seed and a counter. The suite's digest stands in capability cards: it must not move with a library.
"""

import hashlib
from collections.abc import Sequence
from typing import TypeVar

Kind = TypeVar("Kind")


class Draw:
    """A source of choices; the same ``seed`` gives the same ones in the same order."""

    def __init__(self, seed: str) -> None:
        self._seed = seed
        self._count = 0

    def below(self, most: int) -> int:
        """An integer from 0 to ``most`` - 1."""
        self._count += 1
        digest = hashlib.sha256(f"{self._seed}\0{self._count}".encode()).digest()
        return int.from_bytes(digest[:8]) % most

    def one(self, of: Sequence[Kind]) -> Kind:
        """One of ``of``, which is not empty."""
        return of[self.below(len(of))]

    def chance(self, share: float) -> bool:
        """True in ``share`` of all cases, 0 to 1."""
        return self.below(1_000_000) < share * 1_000_000

    def between(self, least: int, most: int) -> int:
        """An integer from ``least`` to ``most``, both included."""
        return least + self.below(most - least + 1)

    def shuffled(self, of: Sequence[Kind]) -> list[Kind]:
        """``of`` in another order."""
        left = list(of)
        return [left.pop(self.below(len(left))) for _ in range(len(left))]
