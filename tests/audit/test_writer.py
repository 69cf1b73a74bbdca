"""How do ordered records get to the disk? The writer is run to its end here, in the test's own thread."""

import errno
import os
import queue
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from gateway.audit._chain import Chain, Phase
from gateway.audit._writer import Command, Order, Writer
from gateway.audit.epoch import Epoch
from gateway.audit.journal import Plan
from gateway.audit.log import Log
from gateway.audit.places import Places


class Heard:
    """What the writer told."""

    def __init__(self) -> None:
        self.durable_: list[tuple[Chain, int, int]] = []
        self.broken: list[tuple[Chain, BaseException]] = []

    def durable(self, chain: Chain, records: int, size: int) -> None:
        self.durable_.append((chain, records, size))

    def broke(self, chain: Chain, error: BaseException) -> None:
        self.broken.append((chain, error))


class Bench:
    """Orders, a writer, and chains of new epochs."""

    def __init__(self, plan: Plan, disk: Any) -> None:
        self.orders: queue.SimpleQueue[Order] = queue.SimpleQueue()
        self.heard = Heard()
        self.log = Log(places=Places(plan.folder), name=plan.name, keys=plan.keys, disk=disk)
        self.epochs: list[Epoch] = []

    def chain(self) -> Chain:
        self.epochs.append(Epoch(self.log))
        return Chain(self.epochs[-1], "0", 1_000_000)

    def order(self, chain: Chain, *, phase: Phase = "outcome", blob: bytes = b"") -> int:
        """Order a record; how many bytes wait for it."""
        chain.order(phase, {}, blob, None)
        group = chain.taken()
        self.orders.put(group)
        return group.size

    def run(self, *, records: int = 1000, seconds: float = 60.0) -> None:
        self.orders.put(None)
        Writer(self.orders, self.heard, checkpoint_records=records, checkpoint_s=seconds).run()


@pytest.fixture
def bench(new_plan: Callable[..., Plan], disk: Any) -> Iterator[Bench]:
    made = Bench(new_plan(), disk)
    yield made
    for epoch in made.epochs:
        epoch.release()


def failing(name: str) -> Callable[[str, Path, int, bytes], None]:
    def hook(step: str, path: Path, *_: object) -> None:
        if step == "append" and name in str(path):
            raise OSError(errno.EIO, os.strerror(errno.EIO))

    return hook


def test_a_group_is_written_together(bench: Bench, disk: Any) -> None:
    chain = bench.chain()
    for _ in range(4):
        chain.order("outcome", {}, b"blob", None)
    size = bench.order(chain, blob=b"blob")
    bench.run()
    assert bench.heard.durable_ == [(chain, 5, size)]
    assert [step for step in disk.steps if step[0] == "append"] == [("append", "blobs"), ("append", "journal")]
    assert len(chain.epoch.places.journal.read_bytes().splitlines()) == 5


def test_groups_of_two_epochs_are_written_in_their_order(bench: Bench, disk: Any) -> None:
    one, two = bench.chain(), bench.chain()
    for chain in (one, two, one):
        bench.order(chain)
    bench.run()
    assert [(chain, records) for chain, records, _ in bench.heard.durable_] == [(one, 1), (two, 1), (one, 2)]
    assert disk.steps.count(("append", "journal")) == 3


def test_a_command_is_done_between_groups_and_told_of(bench: Bench) -> None:
    chain = bench.chain()
    told: list[BaseException | None] = []
    seen: list[int] = []
    bench.order(chain)
    bench.orders.put(Command(lambda: seen.append(chain.epoch.records), told.append))
    bench.order(chain)
    wrong = ValueError("wrong")

    def fail() -> None:
        raise wrong

    bench.orders.put(Command(fail, told.append))
    bench.order(chain)
    bench.run()
    assert seen == [1]
    assert told == [None, wrong]
    assert [records for _, records, _ in bench.heard.durable_] == [1, 2, 3]


def test_what_follows_a_failure_in_the_same_epoch_is_not_written(bench: Bench, disk: Any) -> None:
    broken, sound = bench.chain(), bench.chain()
    bench.order(broken)
    bench.orders.put(Command(lambda: setattr(disk, "hook", failing(broken.epoch.epoch)), lambda _: None))
    bench.order(broken)
    bench.orders.put(Command(lambda: setattr(disk, "hook", failing("nothing")), lambda _: None))
    bench.order(broken)
    bench.order(sound)
    bench.run()
    assert [(chain, records) for chain, records, _ in bench.heard.durable_] == [(broken, 1), (sound, 1)]
    ((chain, error),) = bench.heard.broken
    assert chain is broken
    assert isinstance(error, OSError)
    assert len(broken.epoch.places.journal.read_bytes().splitlines()) == 1


def test_a_checkpoint_is_signed_once_there_are_enough_records(bench: Bench, disk: Any) -> None:
    chain = bench.chain()
    for _ in range(3):
        bench.order(chain)
        bench.orders.put(Command(lambda: None, lambda _: None))
    bench.run(records=2)
    appended = [name for step, name in disk.steps if step == "append"]
    assert appended == ["journal", "journal", "checkpoints", "journal"]
    assert chain.epoch.unsigned == 1


def test_a_checkpoint_is_signed_once_it_is_time(bench: Bench, disk: Any) -> None:
    chain = bench.chain()
    bench.order(chain)
    writer = Writer(bench.orders, bench.heard, checkpoint_records=1000, checkpoint_s=0.02)
    thread = threading.Thread(target=writer.run)
    thread.start()
    end = time.monotonic() + 5
    while ("append", "checkpoints") not in disk.steps and time.monotonic() < end:
        time.sleep(0.005)
    bench.orders.put(None)
    thread.join()
    assert chain.epoch.unsigned == 0
    assert disk.steps.count(("append", "checkpoints")) == 1


def test_a_checkpoint_that_fails_breaks_the_epoch_once(bench: Bench, disk: Any) -> None:
    chain = bench.chain()
    disk.hook = failing("checkpoints")
    for _ in range(2):
        bench.order(chain)
        bench.orders.put(Command(lambda: None, lambda _: None))
    bench.run(records=1)
    assert [records for _, records, _ in bench.heard.durable_] == [1]
    assert [chain for chain, _ in bench.heard.broken] == [chain]


def test_an_epoch_that_was_let_go_of_meanwhile_is_not_signed(bench: Bench, disk: Any) -> None:
    chain = bench.chain()
    bench.order(chain)
    bench.orders.put(Command(chain.epoch.release, lambda _: None))
    bench.run(seconds=0.0001, records=1000)
    assert bench.heard.broken == []
    assert disk.steps.count(("append", "checkpoints")) <= 1
