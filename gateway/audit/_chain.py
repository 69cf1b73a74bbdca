"""In which order do the records of one epoch stand, and who waits for which of them?

Belongs to the event loop. What a chain ordered is gathered until the writer takes it, and written in the same order.
"""

import asyncio
import time
from collections import deque
from typing import Final, Literal, TypeAlias

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


# The record's number, when it was ordered, and who waits for it, if anybody does.
_Ticket: TypeAlias = tuple[int, float, Waiter | None]
# How many records go to the disk together at most.
MOST_TOGETHER: Final = 1000


class Group:
    """Records that go to the disk together: their lines, the leaf hashes of these, and blobs; ``size`` is in bytes.

    Somebody waits for so many of them as ``waiters`` says.
    """

    __slots__ = ("blobs", "chain", "leaves", "lines", "size", "waiters")

    def __init__(self, chain: "Chain") -> None:
        self.chain = chain
        self.lines: list[bytes] = []
        self.leaves: list[bytes] = []
        self.blobs: list[bytes] = []
        self.size = 0
        self.waiters = 0


class Chain:
    """The records of one epoch, from the first to the next.

    ``large`` says whether, by when something was last taken, more than ``most`` bytes were ordered, or its checkpoints
    came near what may be read of them.
    """

    __slots__ = (
        "_build",
        "_most",
        "_name",
        "_noted",
        "_number",
        "_prev",
        "blob_end",
        "company",
        "epoch",
        "gathered",
        "large",
        "offered",
        "ordered_bytes",
        "preamble",
        "rolls",
        "tickets",
        "waiting_bytes",
        "writing",
    )

    def __init__(self, epoch: Epoch, build: str, most: int) -> None:
        self.epoch = epoch
        self.blob_end = 0
        self.ordered_bytes = 0
        self.waiting_bytes = 0
        # How many records stand at the beginning that each epoch begins with: none of them is ever lost.
        self.preamble = 0
        self.large = False
        # Whether a new epoch is being begun because this one is large.
        self.rolls = False
        # Groups that the writer has; whether what is gathered is about to be given to it; and whether somebody waited
        # for more than one record of the last.
        self.writing = 0
        self.offered = self.company = False
        self.gathered = Group(self)
        self._name = epoch.epoch
        self._build = build
        self._most = most
        # How large its checkpoints were when it could not be rolled the last time.
        self._noted = 0
        self._number = 0
        self._prev = NO_LINE
        # Of the records that are not durable, the oldest first.
        self.tickets: deque[_Ticket] = deque()

    @property
    def next_event(self) -> str:
        """The event that the next record will be."""
        return event_of(self._name, self._number)

    def go_on(self) -> None:
        """Be rolled only after as much again, since it was not possible now."""
        self.ordered_bytes, self.large, self.rolls, self._noted = 0, False, False, self.epoch.noted

    @property
    def oldest(self) -> float | None:
        """When the oldest record was ordered that is not durable; None where all are."""
        return self.tickets[0][1] if self.tickets else None

    def taken(self) -> Group:
        """What was gathered, which goes to the writer now."""
        group, self.gathered = self.gathered, Group(self)
        self.writing += 1
        self.company = group.waiters > 1
        self.large = self.ordered_bytes > self._most or self.epoch.noted - self._noted > MOST_NOTES // 4
        return group

    @property
    def waiting(self) -> int:
        """How many records are not durable."""
        return len(self.tickets)

    def order(self, phase: Phase, record: Record, blob: bytes, waiter: Waiter | None) -> str:
        """Give a record its place, which is its event.

        Raises:
            AuditUnavailable: it cannot be written as a line.
        """
        event = event_of(self._name, self._number)
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
        size = len(line)
        if size >= MOST_LINE:
            raise AuditUnavailable("a record would be too large; send fewer segments in one request")
        leaf = leaf_hash(line)
        self._prev = leaf.hex()
        self.tickets.append((self._number, time.monotonic(), waiter))
        self._number += 1
        group = self.gathered
        group.lines.append(line)
        group.leaves.append(leaf)
        self.ordered_bytes += size + 1
        if blob:
            group.blobs.append(blob)
            self.blob_end += len(blob)
            size += len(blob)
        group.size += size
        group.waiters += waiter is not None
        self.waiting_bytes += size
        return event

    def durable(self, records: int, size: int) -> list[float]:
        """All records before number ``records`` are durable, the last of them ``size`` bytes together.

        Gives how long those waited who wait no more, in seconds.
        """
        self.writing -= 1
        self.waiting_bytes -= size
        waited: list[float] = []
        now, tickets = time.monotonic(), self.tickets
        while tickets and tickets[0][0] < records:
            _, ordered, waiter = tickets.popleft()
            if waiter is not None and not waiter.done():
                waiter.set_result(None)
                waited.append(now - ordered)
        return waited

    def refuse_late(self, born_before: float) -> None:
        """Refuse whoever waits for a record that was ordered before then; it may become durable yet."""
        for _, born, waiter in self.tickets:
            if born > born_before:
                return
            if waiter is not None:
                _fail(waiter, "the record was not durable in time; look at the audit's disk, and try again")

    def give_up(self, message: str) -> int:
        """Refuse everybody who waits; how many records were lost."""
        lost = sum([number >= self.preamble for number, _, _ in self.tickets])
        for _, _, waiter in self.tickets:
            if waiter is not None:
                _fail(waiter, message)
        self.tickets.clear()
        self.gathered = Group(self)
        self.waiting_bytes = 0
        return lost


def _fail(waiter: Waiter, message: str) -> None:
    if not waiter.done():
        waiter.set_exception(AuditUnavailable(message))
