"""Is it time to hand over what stands there, or is it worth waiting for more?

Where each request has its price, a few records at a time cost as much as many.
"""

import time

from gateway.audit.ship.batch import MOST_BYTES
from gateway.audit.ship.cursor import Mark
from gateway.audit.ship.source import EpochSeen


class Gathering:
    """Waits ``wait_s`` seconds for a batch of ``batch`` records to be full; not at all where that is zero."""

    def __init__(self, batch: int, wait_s: float = 0.0) -> None:
        self._batch = batch
        self._wait_s = wait_s
        self._since: dict[str, float] = {}

    def hurry(self) -> None:
        """Wait no more: nothing will be added."""
        self._wait_s = 0.0

    def is_time(self, epoch: EpochSeen, mark: Mark) -> bool:
        """Whether what ``epoch`` holds behind ``mark`` is to go now: a full batch, its last, or what waited."""
        name = epoch.places.epoch
        full = epoch.records - mark.records >= self._batch or epoch.whole - mark.bytes >= MOST_BYTES
        now = time.monotonic()
        if full or epoch.settled or now >= self._since.setdefault(name, now) + self._wait_s:
            self._since.pop(name, None)
            return True
        return False
