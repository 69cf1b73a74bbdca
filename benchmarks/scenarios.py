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
    With ``calls`` the request offers tools, holds a tool's result, and is answered by a call. Streams that are
    ``standing`` are all open at once. ``rounds`` is the most rounds that the scenario takes part in; its warm-up and
    window are ``stretch`` times as long as the others'.
    """

    name: str
    connections: int
    body_bytes: int = TWO_KB
    chunks: int = 0
    pace_ms: int = 0
    calls: bool = False
    standing: bool = False
    rounds: int | None = None
    stretch: float = 1.0

    @property
    def model(self) -> str:
        """The model's name, by which the upstream knows what to answer."""
        if not self.chunks:
            return "call" if self.calls else "whole"
        return f"{'call' if self.calls else 'stream'}-{self.chunks}-{self.pace_ms}"


SCENARIOS: Final = (
    Scenario(name="whole c=1", connections=1),
    Scenario(name="whole c=32", connections=32),
    # Slow servers have a queue of seconds here: a window must see answers all the same.
    Scenario(name="whole c=256", connections=256, rounds=3, stretch=2),
    Scenario(name="whole c=32, 1k", connections=32, body_bytes=1024, rounds=3),
    Scenario(name="whole c=32, 10k", connections=32, body_bytes=10 * 1024, rounds=3),
    Scenario(name="whole c=32, 100k", connections=32, body_bytes=100 * 1024, rounds=3),
    Scenario(name="stream c=1", connections=1, chunks=100, pace_ms=2),
    Scenario(name="stream c=32", connections=32, chunks=100, pace_ms=5),
    Scenario(name="burst c=32", connections=32, chunks=100),
    # 4,000 tokens a second, which leaves half a core or more to a gateway that takes what it may for each.
    Scenario(name="stream c=1000", connections=1000, chunks=100, pace_ms=250, standing=True, rounds=2, stretch=4),
    Scenario(name="call c=32", connections=32, calls=True, rounds=3),
    Scenario(name="call stream c=32", connections=32, chunks=100, pace_ms=5, calls=True, rounds=3),
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
