"""On which core does a process run, and how much of it does it use?

The server under test has a core of its own; the load and the upstream share another. CPU time is read from the kernel's
clock of the process, and of those below it, so it holds nothing of what other programs did.
"""

import os
import select
import socket
import subprocess
import time
from collections.abc import Collection, Generator, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol, Self

ROOT: Final = Path(__file__).resolve().parent.parent
_START_S: Final = 30.0
_DESCRIPTORS: Final = 20_000


class CannotMeasure(Exception):
    """A server did not start, or died. The message says what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cores:
    """Where the server under test runs, and where load and upstream do; ``more`` are those beyond these two."""

    server: int | None
    load: int | None
    more: tuple[int, ...] = ()

    def of_server(self, wanted: int) -> frozenset[int]:
        """So many cores for one server, none of them the load's; fewer where there are not so many."""
        return frozenset() if self.server is None else frozenset((self.server, *self.more[: wanted - 1]))

    def __str__(self) -> str:
        if self.server is None:
            return "cores cannot be chosen on this system: load, upstream and server run where the kernel puts them"
        if self.server == self.load:
            return (
                f"ONE CORE ({self.server}) for everything: rates and latencies say little, CPU per request still does"
            )
        return f"server under test alone on core {self.server}, load generator and upstream on core {self.load}"


def choose_cores() -> Cores:
    """The first two cores that this process may use, and the rest."""
    if not hasattr(os, "sched_getaffinity"):
        return Cores(server=None, load=None)
    allowed = sorted(os.sched_getaffinity(0))
    return Cores(server=allowed[0], load=allowed[min(1, len(allowed) - 1)], more=tuple(allowed[2:]))


def allow_descriptors() -> None:
    """Let this process and those that it starts have enough open files: a proxy has two for each stream."""
    with suppress(ImportError, OSError, ValueError):
        import resource  # noqa: PLC0415 - no such thing on Windows

        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(hard, _DESCRIPTORS)), hard))


@contextmanager
def on_core(core: int | None) -> Generator[None]:
    """This process, and those that it starts meanwhile, run on ``core``."""
    with on_cores(() if core is None else (core,)):
        yield


@contextmanager
def on_cores(cores: Collection[int]) -> Generator[None]:
    """The same for several; none: wherever the kernel puts them."""
    if not cores:
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


@dataclass(frozen=True, slots=True, kw_only=True)
class Use:
    """What processes have used since they began: CPU time, and how often they were sent off against their will."""

    cpu_ns: int
    preempted: int


def use_of(pid: int) -> Use:
    """Read both of a process and of all that run below it from the kernel; 0 where it does not tell."""
    family = tuple(_family(pid))
    return Use(cpu_ns=sum(map(_cpu_ns, family)), preempted=sum(map(_preempted, family)))


def _family(pid: int) -> Iterator[int]:
    yield pid
    for listed in Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            children = listed.read_text().split()
        except OSError:
            continue
        for child in children:
            yield from _family(int(child))


def _cpu_ns(pid: int) -> int:
    try:
        # The number that Linux gives the clock of another process's CPU time: see clock_getcpuclockid(3).
        return time.clock_gettime_ns((~pid << 3) | 2)
    except (AttributeError, OSError):
        pass
    try:
        user, system = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11:13]
    except OSError:
        return 0
    return (int(user) + int(system)) * 1_000_000_000 // os.sysconf("SC_CLK_TCK")


def _preempted(pid: int) -> int:
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0
    return int(status.rpartition("nonvoluntary_ctxt_switches:")[2].split()[0])


class Running(Protocol):
    """A server that serves."""

    port: int

    @property
    def pid(self) -> int: ...

    def last_words(self) -> str:
        """What explains a failure, if it is not on the screen already."""
        ...


class Process:
    """A running server, and the port that it listens on. Leaving the context stops it.

    One that stands ``apart`` does not hear of a Ctrl-C by itself, so that it is stopped when its turn has come.
    """

    def __init__(self, name: str, command: Sequence[str], core: int | None, *, apart: bool = False) -> None:
        self._name = name
        listening = socket.create_server(("127.0.0.1", 0), backlog=2048)
        self.port: int = listening.getsockname()[1]
        heard, said = os.pipe()
        with listening, on_core(core):
            descriptors = (listening.fileno(), said)
            arguments = ["--fd", str(descriptors[0]), "--ready-fd", str(descriptors[1])]
            self._process = subprocess.Popen(  # noqa: S603
                [*command, *arguments], pass_fds=descriptors, cwd=ROOT, start_new_session=apart
            )
        os.close(said)
        self._heard = heard

    @property
    def pid(self) -> int:
        """The process's id."""
        return self._process.pid

    def last_words(self) -> str:
        """None: they went to the screen."""
        return ""

    def __enter__(self) -> Self:
        try:
            self._await_ready()
        except CannotMeasure:
            self.stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        """Ask it to end; kill it if it does not."""
        os.close(self._heard)
        self._process.terminate()
        try:
            self._process.wait(5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _await_ready(self) -> None:
        readable, _, _ = select.select([self._heard], [], [], _START_S)
        if not readable or not os.read(self._heard, 1):
            why = "did not start in time" if not readable else "ended before it served"
            raise CannotMeasure(f"the server {self._name!r} {why}; its own words are above")
