"""How do ordered records get to the disk?

One thread, the only one that writes: it takes a group, writes it, tells the event loop, and signs a checkpoint when one
is due. Nothing of a chain that failed is written again. Each moment that it is not in the kernel it takes from the
event loop: groups come ready to be written, and are not looked through here record by record.
"""

import queue
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Protocol, TypeAlias

from gateway.audit._chain import Chain, Group


@dataclass(slots=True)
class Command:
    """Something to do between groups; ``done`` is told what went wrong, if anything did."""

    what: Callable[[], None]
    done: Callable[[BaseException | None], None]


Order: TypeAlias = Group | Command | None


class Told(Protocol):
    """Whoever has to know what became of records; called on the writer's thread."""

    def durable(self, chain: Chain, records: int, size: int) -> None: ...

    def broke(self, chain: Chain, error: BaseException) -> None: ...


class Writer:
    """Takes from ``orders`` until None comes. A checkpoint is due after so many records, or so many seconds."""

    def __init__(
        self, orders: "queue.SimpleQueue[Order]", told: Told, *, checkpoint_records: int, checkpoint_s: float
    ) -> None:
        self._orders = orders
        self._told = told
        self._checkpoint_records = checkpoint_records
        self._checkpoint_s = checkpoint_s
        # The chain that was written last, and when its unsigned records are to be signed.
        self._chain: Chain | None = None
        self._due: float | None = None

    def run(self) -> None:
        """Write until told to stop."""
        while True:
            order = self._next()
            if order is None:
                return
            if isinstance(order, Command):
                self._do(order)
            elif isinstance(order, Group):
                self._write(order)
            self._sign_if_due()

    def _next(self) -> "Order | _Nothing":
        wait = None if self._due is None else max(0.0, self._due - time.monotonic())
        try:
            return self._orders.get(timeout=wait)
        except queue.Empty:
            return _NOTHING

    def _write(self, group: Group) -> None:
        chain = group.chain
        if chain.epoch.failed:
            return
        try:
            chain.epoch.write(group.lines, group.blobs, leaves=group.leaves)
        except Exception as error:  # noqa: BLE001  whatever it was, nobody knows what is on the disk
            self._told.broke(chain, error)
            return
        self._told.durable(chain, chain.epoch.records, group.size)
        self._chain = chain
        if self._due is None:
            self._due = time.monotonic() + self._checkpoint_s

    def _sign_if_due(self) -> None:
        chain = self._chain
        if chain is None or self._due is None:
            return
        if time.monotonic() < self._due and chain.epoch.unsigned < self._checkpoint_records:
            return
        self._due = None
        if chain.epoch.failed or chain.epoch.closed:
            return
        try:
            chain.epoch.checkpoint()
        except Exception as error:  # noqa: BLE001  the same
            self._told.broke(chain, error)

    @staticmethod
    def _do(command: Command) -> None:
        try:
            command.what()
        except Exception as error:  # noqa: BLE001  told to whoever asked
            command.done(error)
        else:
            command.done(None)


class _Nothing:
    """No order came."""


_NOTHING: Final = _Nothing()
