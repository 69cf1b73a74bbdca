"""What does a place that records are copied to look like from here?"""

from collections.abc import Set as AbstractSet
from typing import Protocol

from gateway.audit.ship.batch import Batch
from gateway.audit.ship.cursor import Cursor
from gateway.audit.ship.source import Seen


class Sink(Protocol):
    """Takes batches in their order; the same one twice does no harm."""

    async def deliver(self, batch: Batch) -> None:
        """Hand over a batch; it is acknowledged once this returns.

        Raises:
            NotTaken: it was not, or nobody knows.
            Disputed: the sink keeps something else in its place.
            Shortened: the sink lost what stood before it.
        """
        ...

    async def accompany(self, seen: Seen, cursor: Cursor, disputed: AbstractSet[str]) -> bool:
        """Hand over what goes with the records, where the sink takes it; whether there was any. Raises ``NotTaken``."""
        ...

    async def close(self) -> None:
        """Let go of connections."""
        ...
