"""Processes that write a journal and end themselves by SIGKILL at a step of the write path.

Run by ``test_journal_kills.py``. Each line on stdin is an order; the answer, a line of JSON, says how the process ended
and which records had been acknowledged by then. Every order gets a process of its own, forked from this one, which has
loaded everything and has one thread alone.
"""

import asyncio
import json
import os
import signal
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gateway.audit.disk import Disk
from gateway.audit.journal import Journal, Record
from gateway.audit.note import SigningKey
from gateway.audit.plan import Plan


class FatalDisk(Disk):
    """Real files, and the end of the process at step ``last``; what is appended then is cut off at ``cut`` of it."""

    def __init__(self, last: int, cut: float) -> None:
        super().__init__()
        self.steps = 0
        self._last = last
        self._cut = cut

    def _step(self) -> bool:
        self.steps += 1
        return self.steps == self._last

    def _may_die(self) -> None:
        if self._step():
            os.kill(os.getpid(), signal.SIGKILL)

    def make_folder(self, path: Path) -> None:
        self._may_die()
        super().make_folder(path)
        self._may_die()

    def open_to_append(self, path: Path) -> int:
        self._may_die()
        descriptor = super().open_to_append(path)
        self._may_die()
        return descriptor

    def append(self, descriptor: int, content: bytes) -> None:
        self._may_die()
        if self._step():
            os.write(descriptor, content[: min(len(content) - 1, int(len(content) * self._cut) + 1)])
            os.kill(os.getpid(), signal.SIGKILL)
        super().append(descriptor, content)
        self._may_die()

    def stands(self, descriptor: int, path: Path | str, size: int) -> bool:
        self._may_die()
        return super().stands(descriptor, path, size)

    def close(self, descriptor: int) -> None:
        self._may_die()
        super().close(descriptor)

    def publish(self, path: Path, content: bytes) -> None:
        self._may_die()
        super().publish(path, content)
        self._may_die()

    def _flush(self, folder: Path) -> None:
        self._may_die()
        super()._flush(folder)


async def _write(journal: Journal, name: str, records: int, told: int) -> None:
    for number in range(records):
        record: Record = {"request": f"{name}-{number}", "filler": "x" * (number * 37 % 200)}
        if number % 3 == 2:
            journal.note("decision", {"request": f"{name}-{number}-noted"})
        event = await journal.write("intent", record, b"blob" if number % 2 else b"")
        os.write(told, f"{event}\n".encode())


async def _live(order: Mapping[str, Any], told: int) -> int:
    disk = FatalDisk(order["last"], order["cut"])
    plan = Plan(
        folder=Path(order["folder"]),
        name="test.example/audit",
        keys=[SigningKey("test.example/audit", bytes([seed]) * 32) for seed in order["seeds"]],
        process="worker",
        build="0",
        deadline_s=30.0,
        checkpoint_records=4,
        roll_bytes=2000,
        marks=Path(order["marks"]),
    )
    for round_ in range(order["rounds"]):
        async with Journal(plan, disk=disk) as journal:
            await asyncio.gather(*[_write(journal, f"{round_}{name}", order["records"], told) for name in "abc"])
    return disk.steps


def _run(order: Mapping[str, Any]) -> dict[str, Any]:
    acknowledged, told = os.pipe()
    counted, count = os.pipe()
    child = os.fork()
    if not child:
        os.close(acknowledged)
        os.write(count, b"%d" % asyncio.run(_live(order, told)))
        os._exit(0)
    os.close(told)
    os.close(count)
    with os.fdopen(acknowledged, "rb") as events, os.fdopen(counted, "rb") as steps:
        found = events.read().decode().split()
        done = int(steps.read() or 0)
    _, status = os.waitpid(child, 0)
    return {"killed": os.WIFSIGNALED(status), "code": status, "events": found, "steps": done}


def main() -> None:
    """Carry out orders until there are no more."""
    for line in sys.stdin:
        sys.stdout.write(json.dumps(_run(json.loads(line))) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
