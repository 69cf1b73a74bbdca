"""What does each kind of child need around its process?

A child joins a ``Lifecycle`` (when) to a process (what). Workers report that they serve, reload and give way to new
ones; the embedded model and the litellm process are started by the first connection that waits for them. Nothing is
printed here: what is worth saying is returned.
"""

import os
import selectors
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import field

from gateway.domain.value import value
from gateway.supervisor.lifecycle import Backoff, Lifecycle, Phase
from gateway.supervisor.listen import Door
from gateway.supervisor.pipes import PIECE, pipe_that_holds, written_whole
from gateway.supervisor.spawn import spawn


@value
class Program:
    """What a child runs; ``command`` is completed with its descriptors. ``key`` is what its figures are called by.

    ``files`` are descriptors by the options that name them. ``told`` is what it reads from a pipe at each start,
    ``again`` gives what it is to be told instead, None while nothing has changed.
    """

    name: str
    key: str
    command: Sequence[str]
    environ: Mapping[str, str]
    backoff: Backoff
    files: Mapping[str, int] = field(default_factory=dict[str, int])
    told: bytes | None = field(default=None, repr=False)
    again: Callable[[], bytes | None] | None = field(default=None, repr=False)


class Child:
    """A place for one process: filled by ``keep``, emptied by ``reap``. As it is, for a command that needs no more."""

    on_demand = False

    def __init__(self, program: Program, selector: selectors.BaseSelector) -> None:
        self.name = program.name
        self.key = program.key
        self.lifecycle = Lifecycle(on_demand=self.on_demand, backoff=program.backoff)
        self.stopping = False
        self._program = program
        self._selector = selector
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def running(self) -> bool:
        """Whether there is a process that has not been reaped."""
        return self._process is not None

    def keep(self, now: float) -> str | None:
        """Start the process if it is due; the answer says why that failed."""
        self.lifecycle.rested(now)
        return self._start(now) if self.lifecycle.phase is Phase.DUE else None

    def reap(self, now: float) -> str | None:
        """Notice a death; the answer says how it died and what follows."""
        if self._process is None or self._process.poll() is None:
            return None
        cause = _cause(self._process.returncode)
        self._process = None
        return self._bury(now, cause)

    def stop(self) -> None:
        """Ask it to end, for good."""
        self.stopping = True
        if self._process is not None:
            self._process.send_signal(signal.SIGTERM)

    def destroy(self) -> None:
        """Kill it now and wait until it is gone."""
        self.stopping = True
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self.reap(time.monotonic())

    def _descriptors(self) -> Mapping[str, int]:
        """What the command is completed with: options and the descriptors that they name."""
        return self._program.files

    def _switches(self) -> Sequence[str]:
        """What it is completed with besides."""
        return ()

    def _start(self, now: float) -> str | None:
        try:
            descriptors = self._descriptors()
            arguments = [word for option, fd in descriptors.items() for word in (option, str(fd))]
            command = [*self._program.command, *self._switches(), *arguments]
            self._process = spawn(command, pass_fds=tuple(descriptors.values()), environ=self._program.environ)
        except OSError as exc:
            return self._bury(now, f"cannot be started ({exc.strerror})")
        self.lifecycle.spawned(now)
        return None

    def _bury(self, now: float, cause: str) -> str:
        return f"{self.name} {cause}; {self._outlook(self.lifecycle.exited(now))}"

    def _outlook(self, delay: float) -> str:
        return f"starting it again in {delay:g} s" if delay else "starting it again"


class WorkerChild(Child):
    """A worker: it serves from its listeners and says so by one line on its pipe, kept as ``report``.

    ``listeners`` are TCP listeners by the options that name them. A ``successor`` is to take another's place: until it
    is ``settled`` it is started to serve nobody before it is ready.
    """

    def __init__(
        self,
        program: Program,
        selector: selectors.BaseSelector,
        *,
        listeners: Mapping[str, socket.socket],
        on_ready: Callable[[], None],
        successor: bool = False,
    ) -> None:
        super().__init__(program, selector)
        self.report: str | None = None
        self._successor = successor
        self._reload_due = False
        self._heard = b""
        self._listeners = listeners
        self._on_ready = on_ready
        self._pipe: int | None = None
        self._far_end = -1

    @property
    def ready(self) -> bool:
        """Whether it has said that it serves."""
        return self.report is not None

    def settled(self) -> None:
        """It has the place now: if it dies, the next one serves at once."""
        self._successor = False

    def reload(self) -> None:
        """Have it reload. One that does not serve yet may have read the files already: it is told when it serves."""
        if self._process is not None and self.ready:
            self._process.send_signal(signal.SIGHUP)
        else:
            self._reload_due = True

    def announce_stop(self) -> None:
        """Have it say that it is not ready, and serve on. One that does not serve yet says so anyway."""
        if self._process is not None and self.ready:
            self._process.send_signal(signal.SIGUSR1)

    def give_way(self) -> None:
        """Ask it to take no more connections, and to end once those that it has are over; it is not started again."""
        self.stopping = True
        if self._process is not None:
            self._process.send_signal(signal.SIGUSR2 if self.ready else signal.SIGTERM)

    def _descriptors(self) -> Mapping[str, int]:
        self._heard = b""
        self._pipe, self._far_end = os.pipe()
        self._selector.register(self._pipe, selectors.EVENT_READ, self._hear)
        listeners = {option: listener.fileno() for option, listener in self._listeners.items()}
        return {**listeners, "--ready-fd": self._far_end, **super()._descriptors()}

    def _switches(self) -> Sequence[str]:
        return ("--successor",) if self._successor else ()

    def _start(self, now: float) -> str | None:
        failure = super()._start(now)
        os.close(self._far_end)
        return failure

    def _hear(self) -> None:
        if self._pipe is None:
            return
        piece = os.read(self._pipe, PIECE)
        self._heard += piece
        whole = piece.endswith(b"\n")
        if whole or not piece:
            self._hang_up()
        if whole:
            self.report = self._heard.decode(errors="replace")
            if self._reload_due:
                self._reload_due = False
                self.reload()
            self._on_ready()

    def _hang_up(self) -> None:
        if self._pipe is not None:
            self._selector.unregister(self._pipe)
            os.close(self._pipe)
            self._pipe = None

    def _bury(self, now: float, cause: str) -> str:
        self.report = None
        self._hang_up()
        # The next process reads the files anew.
        self._reload_due = False
        return super()._bury(now, cause)


class OnDemandChild(Child):
    """A child behind a door: while nobody accepts from its listener, the supervisor watches who knocks."""

    on_demand = True

    def __init__(self, program: Program, selector: selectors.BaseSelector, *, door: Door) -> None:
        super().__init__(program, selector)
        self._door = door
        self._told = program.told
        self._watched = False
        self._pipes: list[int] = []
        self._news: int | None = None
        self._watch()

    def keep(self, now: float) -> str | None:
        """Start the process if somebody waits for it, and open the door again after a rest."""
        if self.lifecycle.rested(now):
            self._door.open()
        return super().keep(now)

    def refresh(self) -> None:
        """Tell it what it is to be told by now; one that does not take that is ended, and told at its next start."""
        told = None if self._program.again is None else self._program.again()
        if told is None:
            return
        self._told = told
        if self._news is not None and self.running and not written_whole(self._news, told + b"\n"):
            self.destroy()
            self.stopping = False

    @property
    def refreshes(self) -> bool:
        """Whether what it is told may change."""
        return self._program.again is not None

    def leave(self) -> None:
        """Nobody will come to its door any more."""
        if self._watched:
            self._selector.unregister(self._door.listener)
            self._watched = False
        self._door.remove()

    def _descriptors(self) -> Mapping[str, int]:
        descriptors = {"--fd": self._door.listener.fileno()}
        if self._told is not None:
            descriptors["--config-fd"] = pipe_that_holds(self._told)
            self._pipes.append(descriptors["--config-fd"])
        if self._program.again is not None:
            descriptors["--news-fd"], self._news = os.pipe()
            self._pipes.append(descriptors["--news-fd"])
        # From here on the process accepts.
        self._selector.unregister(self._door.listener)
        self._watched = False
        return descriptors

    def _start(self, now: float) -> str | None:
        failure = super()._start(now)
        while self._pipes:
            os.close(self._pipes.pop())
        return failure

    def _watch(self) -> None:
        if not self._watched:
            self._selector.register(self._door.listener, selectors.EVENT_READ, self._knocked)
            self._watched = True

    def _knocked(self) -> None:
        if self.lifecycle.phase is Phase.RESTING:
            self._door.turn_away()
        else:
            self.lifecycle.demanded()

    def _bury(self, now: float, cause: str) -> str:
        said = super()._bury(now, cause)
        if self._news is not None:
            os.close(self._news)
            self._news = None
        self._watch()
        if self.lifecycle.phase is Phase.RESTING:
            self._door.shut()
            self._door.turn_away()
        return said

    def _outlook(self, delay: float) -> str:
        return f"refusing requests for it for {delay:g} s" if delay else "the next request starts it again"


def _cause(returncode: int) -> str:
    if returncode >= 0:
        return f"ended with exit code {returncode}"
    with suppress(ValueError):
        return f"was ended by {signal.Signals(-returncode).name}"
    return f"was ended by signal {-returncode}"
