"""Where and how is a journal written, and who counts what it does?"""

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from gateway.audit.note import SigningKey, VerifierKey
from gateway.domain.value import value


class Meter(Protocol):
    """Counts what the journal does. No method raises."""

    @property
    def records(self) -> defaultdict[tuple[str, ...], float]:
        """How many records of each phase were ordered: the journal counts on."""
        ...

    def appended(self, *seconds: float) -> None: ...

    def stands(self, *, lag_s: float, writable: bool) -> None: ...


class NoMeter:
    """Counts for nobody."""

    def __init__(self) -> None:
        self.records: defaultdict[tuple[str, ...], float] = defaultdict(float)

    def appended(self, *seconds: float) -> None:
        """Count nothing."""

    def stands(self, *, lag_s: float, writable: bool) -> None:
        """Count nothing."""


@value
class Plan:
    """Where and how to write. All of ``keys`` sign each checkpoint; times in seconds.

    After a failure a new epoch is tried every ``reopen_s``; a stop waits for ``close_s`` until all is written.
    ``marks`` is a folder outside ``folder`` for how far the journals have come, ``also`` are keys that signed earlier.
    A ``patient`` process starts without a folder that can be used, and refuses what has to be recorded until it can be.
    """

    folder: Path
    name: str
    keys: Sequence[SigningKey]
    process: str
    build: str
    deadline_s: float = 0.75
    checkpoint_records: int = 1000
    checkpoint_s: float = 5.0
    heartbeat_s: float = 60.0
    roll_bytes: int = 268_435_456
    reopen_s: float = 0.5
    close_s: float = 5.0
    marks: Path | None = None
    also: Sequence[VerifierKey] = ()
    patient: bool = False
