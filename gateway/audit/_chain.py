"""In which order do the records of one epoch stand, and who waits for which of them?

Belongs to the event loop. What a chain ordered is written by the writer in the same order.
"""

import asyncio
import time
from collections import deque
from dataclasses import dataclass
from typing import Literal, TypeAlias

from gateway.audit.epoch import Epoch
from gateway.audit.line import NO_LINE, VERSION, NotCanonical, Value, canonical
from gateway.audit.opening import MOST_LINE, MOST_NOTES
from gateway.audit.places import event_of
from gateway.audit.tree import leaf_hash
from gateway.domain.errors import AuditUnavailable

Phase: TypeAlias = Literal["intent", "decision", "outcome", "config", "erasure", "heartbeat"]
Record: TypeAlias = dict[str, Value]
Waiter: TypeAlias = asyncio.Future[None]


class Untellable(AuditUnavailable):
    """A record that no line can hold: what somebody else made up is in it."""


@dataclass(slots=True)
class Item:
    """A record on its way to the disk; ``waits`` says that somebody waits for it."""

    chain: "Chain"
    line: bytes
    leaf: bytes
    blob: bytes
    waits: bool


@dataclass(slots=True)
class _Ticket:
    """A record that is not durable yet: who waits for it, if anybody does, and since when."""

    number: int
    born: float
    waiter: Waiter | None


class Chain:
    """The records of one epoch, from the first to the next."""

    __slots__ = (
        "_build",
        "_noted",
        "_number",
        "_prev",
        "_tickets",
        "blob_end",
        "epoch",
        "ordered_bytes",
        "preamble",
        "rolls",
        "waiting_bytes",
    )

    def __init__(self, epoch: Epoch, build: str) -> None:
        self.epoch = epoch
        self.blob_end = 0
        self.ordered_bytes = 0
        self.waiting_bytes = 0
        # How many records stand at the beginning that each epoch begins with: none of them is ever lost.
        self.preamble = 0
        # Whether a new epoch is being begun because this one is large.
        self.rolls = False
        self._build = build
        # How large its checkpoints were when it could not be rolled the last time.
        self._noted = 0
        self._number = 0
        self._prev = NO_LINE
        self._tickets: deque[_Ticket] = deque()

    @property
    def next_event(self) -> str:
        """The event that the next record will be."""
        return event_of(self.epoch.epoch, self._number)

    def is_large(self, most: int) -> bool:
        """Whether more than ``most`` bytes were ordered, or its checkpoints come near what may be read of them."""
        return self.ordered_bytes > most or self.epoch.noted - self._noted > MOST_NOTES // 4

    def go_on(self) -> None:
        """Be rolled only after as much again, since it was not possible now."""
        self.ordered_bytes, self.rolls, self._noted = 0, False, self.epoch.noted

    @property
    def oldest(self) -> float | None:
        """When the oldest record was ordered that is not durable; None where all are."""
        return self._tickets[0].born if self._tickets else None

    @property
    def waiting(self) -> int:
        """How many records are not durable."""
        return len(self._tickets)

    def order(self, phase: Phase, record: Record, blob: bytes, waiter: Waiter | None) -> tuple[str, Item]:
        """Give a record its place; its event, and what the writer has to write.

        Raises:
            AuditUnavailable: it cannot be written as a line.
        """
        event = event_of(self.epoch.epoch, self._number)
        record["v"] = VERSION
        record["phase"] = phase
        record["event"] = event
        record["prev"] = self._prev
        record["time"] = time.time_ns() // 1000
        record["build"] = self._build
        try:
            line = canonical(record)
        except NotCanonical as error:
            raise Untellable("a record cannot be written as JSON; report it") from error
        if len(line) >= MOST_LINE:
            raise AuditUnavailable("a record would be too large; send fewer segments in one request")
        leaf = leaf_hash(line)
        self._prev = leaf.hex()
        self._tickets.append(_Ticket(self._number, time.monotonic(), waiter))
        self._number += 1
        self.blob_end += len(blob)
        self.ordered_bytes += len(line) + 1
        self.waiting_bytes += len(line) + len(blob)
        return event, Item(self, line, leaf, blob, waiter is not None)

    def durable(self, records: int, size: int) -> None:
        """All records before number ``records`` are durable, the last of them ``size`` bytes together."""
        self.waiting_bytes -= size
        tickets = self._tickets
        while tickets and tickets[0].number < records:
            waiter = tickets.popleft().waiter
            if waiter is not None and not waiter.done():
                waiter.set_result(None)

    def refuse_late(self, born_before: float) -> None:
        """Refuse whoever waits for a record that was ordered before then; it may become durable yet."""
        for ticket in self._tickets:
            if ticket.born > born_before:
                return
            if ticket.waiter is not None:
                _fail(ticket.waiter, "the record was not durable in time; look at the audit's disk, and try again")
                ticket.waiter = None

    def give_up(self, message: str) -> int:
        """Refuse everybody who waits; how many records were lost."""
        lost = sum([ticket.number >= self.preamble for ticket in self._tickets])
        for ticket in self._tickets:
            if ticket.waiter is not None:
                _fail(ticket.waiter, message)
        self._tickets.clear()
        self.waiting_bytes = 0
        return lost


def _fail(waiter: Waiter, message: str) -> None:
    if not waiter.done():
        waiter.set_exception(AuditUnavailable(message))
