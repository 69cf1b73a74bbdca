"""How does a record become durable without anybody waiting for anybody else's turn?

The event loop orders records, chains and gathers them; one thread writes them, in groups, with one durable write a
group, while the next one is gathered. The rules: nothing is acknowledged that is not durable; a failed epoch is given
up and a new one begun; who waits longer than the deadline is refused, and while the oldest record is that late
everybody is refused at once.
"""

import asyncio
import contextlib
import logging
import queue
import threading
import time
from collections import Counter
from collections.abc import Callable, Coroutine, Sequence
from typing import Final, Self

from gateway.audit._chain import MOST_TOGETHER, Chain, Phase, Record
from gateway.audit._going_on import GoingOn
from gateway.audit._writer import Command, Order, Writer
from gateway.audit.disk import Disk
from gateway.audit.epoch import Epoch
from gateway.audit.log import Log
from gateway.audit.marks import Marks
from gateway.audit.note import Checkpoint
from gateway.audit.places import Places
from gateway.audit.plan import Meter, NoMeter, Plan
from gateway.audit.registry import Registry
from gateway.audit.seal import discard_unborn, seal_left_open
from gateway.domain.errors import AuditUnavailable

__all__ = ["Journal", "Meter", "Phase", "Plan", "Record"]

_log: Final = logging.getLogger("splitgate.audit")

# How often within a deadline it is looked who has waited for too long: so much later than at it they are refused.
_LOOKS: Final = 16
# How long a group waits for company at most, once somebody waited for more than one record of the last.
_COMPANY_S: Final = 0.001
# What may wait to be written, in bytes: beyond that records are refused.
_MOST_WAITING: Final = 64 * 1024 * 1024


class Journal:
    """The journal of one process, ``async with Journal(plan)``. It belongs to one event loop."""

    def __init__(self, plan: Plan, *, disk: Disk | None = None, meter: Meter | None = None) -> None:
        self._plan = plan
        # How long anybody waits for a record.
        self.deadline_s: Final = plan.deadline_s
        self._log = Log(
            places=Places(plan.folder), name=plan.name, keys=plan.keys, disk=disk or Disk(), marks=Marks(plan.marks),
            also=plan.also,
        )  # fmt: skip
        self._meter: Meter = meter or NoMeter()
        self._registry = Registry(self._log)
        self._orders: queue.SimpleQueue[Order] = queue.SimpleQueue()
        self._chain: Chain | None = None
        # Those that were given up for a new one while records of theirs were on their way.
        self._ending: list[Chain] = []
        # Epochs that were given up after a failure; the last of them that holds anything, and how many records were
        # lost with them, until a new epoch has said so for good.
        self._failed: set[str] = set()
        self._after: str | None = None
        self._lost = 0
        # One at a time makes a new epoch.
        self._beginning = asyncio.Lock()
        self._closing = False
        self._going_on = GoingOn()
        self._timer: asyncio.TimerHandle | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        # That of whoever starts it: before that no record is taken, and the writer says nothing.
        self.loop: asyncio.AbstractEventLoop
        writer = Writer(self._orders, self, checkpoint_records=plan.checkpoint_records, checkpoint_s=plan.checkpoint_s)
        # A writer that hangs in the kernel must not keep the process from ending.
        self._thread = threading.Thread(target=writer.run, name="audit-journal", daemon=True)
        # Requests that leave no record, by the error's code, since nobody knew who asked or none was taken: told by
        # heartbeats, and at the end.
        self.refused: Counter[str] = Counter()
        # What each epoch begins with, after its first record: the configuration, the policies in force.
        self.preamble: Callable[[], Sequence[Record]] = tuple

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    @property
    def writable(self) -> bool:
        """Whether a record would be taken now."""
        return self._chain is not None and self.lag_s < self._plan.deadline_s

    @property
    def epoch(self) -> str | None:
        """The epoch that records are written to now."""
        return None if self._chain is None else self._chain.epoch.epoch

    @property
    def lag_s(self) -> float:
        """The age of the oldest record that is not durable."""
        oldest = [chain.oldest for chain in self._chains]
        return time.monotonic() - min([born for born in oldest if born is not None], default=time.monotonic())

    @property
    def _chains(self) -> Sequence[Chain]:
        """Those of which a record may be on its way."""
        return self._ending if self._chain is None else (*self._ending, self._chain)

    async def start(self) -> None:
        """Begin the first epoch, and seal those that nobody closed.

        Raises:
            AuditUnavailable: the folder cannot be used, and the plan is not patient.
        """
        self.loop = asyncio.get_running_loop()
        self._thread.start()
        try:
            await self._begin()
        except BaseException as error:
            if not self._plan.patient or not isinstance(error, AuditUnavailable):
                self._put(None)
                raise
            _log.error("audit: %s; requests are refused until then", error.message)
            self._meter.stands(lag_s=0.0, writable=False)
            self._keep(self._again())
        self._keep(self._beat())

    async def close(self) -> None:
        """Write and sign what is under way, and register the end."""
        self._closing = True
        tasks = tuple(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        chain = self._chain
        if chain is not None:
            with contextlib.suppress(AuditUnavailable):
                self._note_with_refused("config", {"what": "stopped"})
            self._chain = None
            self._ending.append(chain)
            with contextlib.suppress(AuditUnavailable, OSError, TimeoutError):
                async with asyncio.timeout(self._plan.close_s):
                    await self._command(lambda: chain.epoch.close(self._registry, "stopped"))
        self._put(None)
        await asyncio.to_thread(self._thread.join, 1.0)
        for ending in self._ending:
            ending.give_up("the gateway is stopping; try again")
        if self._timer is not None:
            self._timer.cancel()

    async def write(self, phase: Phase, record: Record, blob: bytes = b"") -> str:
        """Write a record; its event, once it is durable.

        Raises:
            AuditUnavailable: it is not, or not within the deadline.
        """
        durable: asyncio.Future[None] = self.loop.create_future()
        event = self.note(phase, record, blob, durable)
        await durable
        return event

    def note(
        self, phase: Phase, record: Record, blob: bytes = b"", durable: "asyncio.Future[None] | None" = None
    ) -> str:
        """Write a record, which is completed here; its event.

        Who waits for it gives ``durable``: it is done once the record is durable, and breaks with ``AuditUnavailable``
        where it is not, or not within the deadline.

        Raises:
            AuditUnavailable: no record is taken at present, or not this one.
        """
        try:
            chain = self.expect()
        except AuditUnavailable as error:
            if phase == "outcome":
                # Of this request nothing but a number is left.
                self.refused[error.code] += 1
            raise
        event = chain.order(phase, record, blob, durable)
        self._meter.records[phase,] += 1
        if len(chain.gathered.lines) >= MOST_TOGETHER:
            self._hand_over(chain)
        elif not chain.writing and not chain.offered:
            self._offer(chain)
        return event

    def expect(self) -> Chain:
        """The chain by which a record would be taken.

        Raises:
            AuditUnavailable: none would be taken at present.
        """
        chain = self._chain
        if chain is None:
            raise AuditUnavailable("nothing passes while it cannot be recorded; free the audit's disk, and try again")
        if chain.tickets and time.monotonic() - chain.tickets[0][1] > self.deadline_s:
            raise AuditUnavailable("nothing passes while records are not written in time; look at the audit's disk")
        if chain.waiting_bytes > _MOST_WAITING:
            raise AuditUnavailable("too many records wait to be written; try again in a moment")
        return chain

    def place(self) -> tuple[str, int]:
        """The event that the next record will be, and where its blob will begin: a blob is bound to both.

        Raises:
            AuditUnavailable: no record is taken at present.
        """
        chain = self.expect()
        return chain.next_event, chain.blob_end

    def durable(self, chain: Chain, records: int, size: int) -> None:
        """Records were written: the writer's word, on its thread."""
        self._call(self._on_durable, chain, records, size)

    def broke(self, chain: Chain, error: BaseException) -> None:
        """An epoch failed: the writer's word, on its thread."""
        self._call(self._on_broken, chain, error)

    def _offer(self, chain: Chain) -> None:
        """Have the writer take what is gathered: not before this turn of the loop is over."""
        chain.offered = True
        until = time.monotonic() + _COMPANY_S if chain.company else 0.0
        self.loop.call_soon(self._gather, chain, 0, until)

    def _gather(self, chain: Chain, before: int, until: float) -> None:
        """Hand over, but wait for company as long as each turn of the loop brings some: it has not come to rest yet."""
        if chain.company:
            gathered = len(chain.gathered.lines)
            if gathered > before and time.monotonic() < until:
                self.loop.call_soon(self._gather, chain, gathered, until)
                return
        chain.offered = False
        self._hand_over(chain)

    def _hand_over(self, chain: Chain) -> None:
        """Give the writer what was ordered since it was given something: all of it at once."""
        if not chain.gathered.lines:
            return
        self._orders.put(chain.taken())
        if self._timer is None:
            self._timer = self.loop.call_later(self._plan.deadline_s / _LOOKS, self._watch)
        if chain.large and chain is self._chain and not chain.rolls:
            chain.rolls = True
            self._keep(self._roll(chain))

    def _put(self, order: Command | None) -> None:
        """Give the writer something else to do, after all that was ordered before."""
        for chain in self._chains:
            self._hand_over(chain)
        self._orders.put(order)

    def _watch(self) -> None:
        """Refuse those who have waited for too long."""
        self._timer = None
        self._meter.stands(lag_s=self.lag_s, writable=self.writable)
        chains = [chain for chain in self._chains if chain.waiting]
        for chain in chains:
            chain.refuse_late(time.monotonic() - self._plan.deadline_s)
        if chains:
            self._timer = self.loop.call_later(self._plan.deadline_s / _LOOKS, self._watch)

    def _on_durable(self, chain: Chain, records: int, size: int) -> None:
        if waited := chain.durable(records, size):
            self._meter.appended(*waited)
        if chain.gathered.lines and not chain.writing and not chain.offered:
            self._offer(chain)
        if chain is self._chain:
            # Its first record is durable, which tells of those before.
            self._after, self._lost = None, 0

    def _on_broken(self, chain: Chain, error: BaseException) -> None:
        """Give the epoch up, refuse whoever waits, and try to begin a new one."""
        what = error.strerror if isinstance(error, OSError) and error.strerror else type(error).__name__
        _log.error("audit: the journal cannot be written (%s); requests are refused until it can be", what)
        lost = chain.give_up("the record could not be written; free the audit's disk, and try again")
        self._failed.add(chain.epoch.epoch)
        self._put(Command(chain.epoch.give_up, _ignore))
        if chain in self._ending:
            self._ending.remove(chain)
        if chain is not self._chain:
            if lost and not self._closing:
                with contextlib.suppress(AuditUnavailable):
                    self.note("config", {"what": "lost", "after": chain.epoch.epoch, "lost": lost})
            return
        if self._after is None or chain.epoch.records:
            self._after = chain.epoch.epoch
        self._lost += lost
        self._chain = None
        self._meter.stands(lag_s=0.0, writable=False)
        if not self._closing:
            self._keep(self._again())

    async def _again(self) -> None:
        while self._chain is None:
            await asyncio.sleep(self._plan.reopen_s)
            async with self._beginning:
                if self._chain is None:
                    await self._try_again()
        _log.warning("audit: the journal can be written again")

    async def _try_again(self) -> None:
        try:
            await self._begin()
        except AuditUnavailable:
            return
        except Exception as error:  # noqa: BLE001  whatever it is, it must not be the last try
            _log.error("audit: no new journal could be begun (%s)", type(error).__name__)

    async def _begin(self) -> None:
        """Make a new epoch the one that is written to."""
        opened: list[Epoch] = []
        try:
            await self._command(lambda: opened.append(self._opened()))
            started: Record = {"what": "started", "process": self._plan.process}
            if self._after is not None:
                started |= {"after": self._after, "lost": self._lost}
            records = (started, *self.preamble())
        except BaseException as error:
            # By the time that the writer comes to it, what it was opening is open, and nobody is to write to it.
            self._put(Command(lambda: _close(opened, self._registry), _ignore))
            if isinstance(error, OSError):
                raise AuditUnavailable(
                    f"{self._plan.folder} cannot hold the audit journal ({error.strerror}); set `audit.dir` to a "
                    "folder that the gateway may write"
                ) from error
            raise
        chain = Chain(opened[0], self._plan.build, self._plan.roll_bytes)
        chain.preamble = len(records)
        self._chain = chain
        self._meter.stands(lag_s=0.0, writable=True)
        for record in records:
            self.note("config", record)

    def _opened(self) -> Epoch:
        """A registered epoch; on the writer's thread."""
        with self._registry.locked():
            discard_unborn(self._log, self._registry)
            self._log.publish_keys()
            epoch = Epoch(self._log)
            try:
                self._failed.difference_update(seal_left_open(self._log, self._registry, epoch.epoch, self._failed))
                self._registry.add("opened", epoch.epoch, process=self._plan.process)
            except BaseException:
                epoch.release()
                raise
        return epoch

    async def _roll(self, old: Chain) -> None:
        """Go on in a new epoch, because the old one is large; it is closed once what was ordered is written."""
        async with self._beginning:
            if self._chain is not old:
                return
            try:
                await self._begin()
            except Exception as error:  # noqa: BLE001  whatever it is, it must not be the last try
                why = error.message if isinstance(error, AuditUnavailable) else type(error).__name__
                _log.error("audit: no new journal could be begun, the old one goes on: %s", why)
                old.go_on()
                return
        self._ending.append(old)
        with self._going_on.after("the end of a large journal"):
            await self._command(lambda: old.epoch.close(self._registry, "rolled"))
        if old in self._ending:
            self._ending.remove(old)

    async def _beat(self) -> None:
        while True:
            await asyncio.sleep(self._plan.heartbeat_s)
            with self._going_on.after("a heartbeat"):
                await self._heartbeat()

    async def _heartbeat(self) -> None:
        """Say that the process lives, which registry it sees, and whom it turned away at the door."""
        heads: list[Checkpoint] = []
        await self._command(lambda: heads.append(self._registry.head()))
        self._note_with_refused("heartbeat", {"registry": {"size": heads[0].size, "root": heads[0].root.hex()}})

    def _note_with_refused(self, phase: Phase, record: Record) -> None:
        refused = Counter(self.refused)
        if refused:
            record["refused"] = dict(refused)
        self.note(phase, record)
        self.refused -= refused

    async def _command(self, what: Callable[[], None]) -> None:
        """Have the writer do it between groups; raises what it raises."""
        loop = asyncio.get_running_loop()
        done: asyncio.Future[None] = loop.create_future()

        def tell(error: BaseException | None) -> None:
            self._call(_settle, done, error)

        self._put(Command(what, tell))
        await done

    def _keep(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _call(self, what: Callable[..., None], *arguments: object) -> None:
        try:
            self.loop.call_soon_threadsafe(what, *arguments)
        except RuntimeError:
            # The loop is closed: nobody waits any more.
            return


def _settle(done: "asyncio.Future[None]", error: BaseException | None) -> None:
    if done.done():
        return
    if error is None:
        done.set_result(None)
    else:
        done.set_exception(error)


def _close(opened: Sequence[Epoch], registry: Registry) -> None:
    """Close epochs that nobody is to write to any more."""
    for epoch in opened:
        epoch.close(registry, "stopped")


def _ignore(_: BaseException | None) -> None:
    """Nobody asked."""
