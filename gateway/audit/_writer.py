"""How do ordered records get to the disk?

One thread, the only one that writes: it takes what has come, writes it as one group, tells the event loop, and signs a
checkpoint when one is due. Nothing of a chain that failed is written again.
"""

import queue
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Final, Protocol, TypeAlias

from gateway.audit._chain import Chain, Item

# How long to wait for company, once the last group had more than one waiter.
_COMPANY_S: Final = 0.001
_MOST_TOGETHER: Final = 1000


@dataclass(slots=True)
class Command:
    """Something to do between groups; ``done`` is told what went wrong, if anything did."""

    what: Callable[[], None]
    done: Callable[[BaseException | None], None]


Order: TypeAlias = Sequence[Item] | Command | None


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
        self._waiters = 0
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
            elif not isinstance(order, _Nothing):
                held = self._write_all(order)
                if isinstance(held, Command):
                    self._do(held)
                elif held is None:
                    return
            self._sign_if_due()

    def _next(self) -> "Order | _Nothing":
        wait = None if self._due is None else max(0.0, self._due - time.monotonic())
        try:
            return self._orders.get(timeout=wait)
        except queue.Empty:
            return _NOTHING

    def _write_all(self, first: Sequence[Item]) -> "Command | _Nothing | None":
        """Write what has come, chain by chain; the answer is the first order that is something else."""
        items = [*first]
        held = self._drain(items)
        if self._waiters > 1 and isinstance(held, _Nothing):
            time.sleep(_COMPANY_S)
            held = self._drain(items)
        for _, group in groupby(items, key=lambda item: id(item.chain)):
            self._write([*group])
        return held

    def _drain(self, items: list[Item]) -> "Command | _Nothing | None":
        """Take what else has come, up to the first order that is something else, which is the answer."""
        try:
            while len(items) < _MOST_TOGETHER:
                order = self._orders.get_nowait()
                if order is None or isinstance(order, Command):
                    return order
                items.extend(order)
        except queue.Empty:
            pass
        return _NOTHING

    def _write(self, group: list[Item]) -> None:
        chain = group[0].chain
        if chain.epoch.failed:
            return
        self._waiters = sum([item.waits for item in group])
        try:
            chain.epoch.write(
                [item.line for item in group],
                [item.blob for item in group if item.blob],
                leaves=[item.leaf for item in group],
            )
        except Exception as error:  # noqa: BLE001  whatever it was, nobody knows what is on the disk
            self._told.broke(chain, error)
            return
        size = sum([len(item.line) + len(item.blob) for item in group])
        self._told.durable(chain, chain.epoch.records, size)
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
