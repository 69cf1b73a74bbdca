"""Under which load are the contenders compared?

Add a scenario by adding a value to the list; nothing else needs to know of it.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

TWO_KB: Final = 2048


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """A load: ``connections`` that each send their next request when the last is answered.

    ``chunks`` is the number of tokens of a streamed answer, sent one by one every ``pace_ms``; 0 is a whole answer.
    """

    name: str
    connections: int
    body_bytes: int = TWO_KB
    chunks: int = 0
    pace_ms: int = 0

    @property
    def model(self) -> str:
        """The model's name, by which the upstream knows what to answer."""
        return f"stream-{self.chunks}-{self.pace_ms}" if self.chunks else "whole"


SCENARIOS: Final = (
    Scenario(name="whole c=1", connections=1),
    Scenario(name="whole c=32", connections=32),
    Scenario(name="stream c=1", connections=1, chunks=100, pace_ms=2),
    Scenario(name="stream c=32", connections=32, chunks=100, pace_ms=5),
    Scenario(name="burst c=32", connections=32, chunks=100),
)


def of_sizes(sizes: Sequence[int]) -> tuple[Scenario, ...]:
    """The whole answers at c=32, once for each size of the request's body in bytes."""
    whole = SCENARIOS[1]
    return tuple(replace(whole, name=f"{whole.name}, {_short(size)}", body_bytes=size) for size in sizes)


def _short(size: int) -> str:
    return f"{size // 1024}k" if size >= 1024 and size % 1024 == 0 else f"{size} B"


def parse_size(text: str) -> int:
    """Read ``2048`` or ``2k``.

    Raises:
        ValueError: it is neither.
    """
    number, unit = (text[:-1], 1024) if text.lower().endswith("k") else (text, 1)
    size = int(number) * unit
    if not 512 <= size <= 4_000_000:
        raise ValueError("a body has 512 bytes at least and 4,000,000 at most")
    return size
