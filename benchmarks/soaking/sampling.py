"""How much do processes hold, while they run?

Read from /proc, so Linux alone: memory (what is resident, and the process's share of it), descriptors, threads, and the
connections to a few ports by their state.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_PROC: Final = Path("/proc")
_STATES: Final = {
    "01": "established", "02": "syn-sent", "03": "syn-received", "04": "fin-wait-1", "05": "fin-wait-2",
    "06": "time-wait", "07": "close", "08": "close-wait", "09": "last-ack", "0A": "listen", "0B": "closing",
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """What one process holds; memory in bytes.

    ``own`` is what it has allocated itself (anonymous memory): what others do on the machine does not change it.
    """

    own: int
    rss: int
    pss: int
    descriptors: int
    threads: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """All processes by their names, and the connections of the ports by state, ``at_s`` seconds from the start."""

    at_s: float
    processes: Mapping[str, Held]
    connections: Mapping[str, int]


def children(pid: int) -> Mapping[str, int]:
    """The processes below one, each by the module that it runs and a number where there are several."""
    found: dict[str, int] = {}
    for child in (_PROC / str(pid) / "task" / str(pid) / "children").read_text().split():
        with suppress(OSError):
            words = (_PROC / child / "cmdline").read_bytes().decode(errors="replace").split("\0")
            name = words[words.index("-m") + 1] if "-m" in words else Path(words[0]).name
            found[f"{name} {1 + sum(one.startswith(name) for one in found)}"] = int(child)
    return found


def held_by(pid: int) -> Held | None:
    """What a process holds; None once it is gone."""
    try:
        folder = _PROC / str(pid)
        memory = _numbers((folder / "smaps_rollup").read_text(), ("Rss:", "Pss:", "Anonymous:"))
        threads = _numbers((folder / "status").read_text(), ("Threads:",))
        return Held(
            own=memory["Anonymous:"] * 1024,
            rss=memory["Rss:"] * 1024,
            pss=memory["Pss:"] * 1024,
            descriptors=sum(1 for _ in (folder / "fd").iterdir()),
            threads=threads["Threads:"],
        )
    except (OSError, KeyError):
        return None


def connections(ports: Collection[int]) -> Mapping[str, int]:
    """How many connections of these ports, at either end, are in which state; each end counts."""
    wanted = {f"{port:04X}" for port in ports}
    found = Counter[str]()
    for row in (_PROC / "net" / "tcp").read_text().splitlines()[1:]:
        _, local, remote, state, *_ = row.split()
        if local[-4:] in wanted or remote[-4:] in wanted:
            found[_STATES.get(state, state)] += 1
    return dict(found)


async def sampling(
    processes: Callable[[], Mapping[str, int]], ports: Collection[int], every_s: float, told: Callable[[Sample], None]
) -> None:
    """Sample until cancelled."""
    began = time.monotonic()
    while True:
        told(await asyncio.to_thread(sample, processes, ports, began))
        await asyncio.sleep(every_s)


def sample(processes: Callable[[], Mapping[str, int]], ports: Collection[int], began: float) -> Sample:
    """What is held now; the times count from ``began`` of the monotonic clock."""
    held = {name: found for name, pid in processes().items() if (found := held_by(pid)) is not None}
    return Sample(at_s=time.monotonic() - began, processes=held, connections=connections(ports))


def _numbers(text: str, names: Collection[str]) -> dict[str, int]:
    rows = [line.split() for line in text.splitlines()]
    return {row[0]: int(row[1]) for row in rows if row and row[0] in names}
