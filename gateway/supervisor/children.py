"""What does each kind of child need around its process?

A child joins a ``Lifecycle`` (when) to a process (what). Workers report that they serve, reload and give way to new
ones; the embedded model and the litellm process are started by the first connection that waits for them. Nothing is
printed here: what is worth saying is returned.
"""

import errno
import fcntl
import os
import selectors
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from gateway.supervisor.lifecycle import Backoff, Lifecycle, Phase
from gateway.supervisor.listen import Door
from gateway.supervisor.spawn import spawn

# A report can be longer than a pipe holds: it is read in pieces of at most this many bytes.
_PIECE = 65_536


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """What a child runs; ``command`` is completed with its descriptors. ``key`` is what its figures are called by.

    ``told`` is what it reads from a pipe at each start.
    """

    name: str
    key: str
    command: Sequence[str]
    environ: Mapping[str, str]
    backoff: Backoff
    told: bytes | None = field(default=None, repr=False)


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
        return {}

    def _start(self, now: float) -> str | None:
        try:
            descriptors = self._descriptors()
            arguments = [word for option, fd in descriptors.items() for word in (option, str(fd))]
            command = [*self._program.command, *arguments]
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

    ``listeners`` are TCP listeners by the options that name them.
    """

    def __init__(
        self,
        program: Program,
        selector: selectors.BaseSelector,
        *,
        listeners: Mapping[str, socket.socket],
        on_ready: Callable[[], None],
    ) -> None:
        super().__init__(program, selector)
        self.report: str | None = None
        self.kill_at: float | None = None
        """When one that is to give way to a new one has had its time; None unless one is."""
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

    @property
    def giving_way(self) -> bool:
        """Whether its process was asked to end for a new one to take its place."""
        return self.kill_at is not None

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

    def give_way(self, kill_at: float) -> None:
        """Ask its process to end, so that ``keep`` starts a new one; it is killed when its time is over."""
        if self._process is not None:
            self.report = None
            self.kill_at = kill_at
            self._process.send_signal(signal.SIGTERM)

    def reap(self, now: float) -> str | None:
        """The same; and kill what does not give way."""
        if self.kill_at is not None and now >= self.kill_at and self._process is not None:
            self._process.kill()
            self._process.wait()
        return super().reap(now)

    def _descriptors(self) -> Mapping[str, int]:
        self._heard = b""
        self._pipe, self._far_end = os.pipe()
        self._selector.register(self._pipe, selectors.EVENT_READ, self._hear)
        listeners = {option: listener.fileno() for option, listener in self._listeners.items()}
        return {**listeners, "--ready-fd": self._far_end}

    def _start(self, now: float) -> str | None:
        failure = super()._start(now)
        os.close(self._far_end)
        return failure

    def _hear(self) -> None:
        if self._pipe is None:
            return
        piece = os.read(self._pipe, _PIECE)
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
        if not self.giving_way:
            return super()._bury(now, cause)
        self.kill_at = None
        self.lifecycle.replaced()
        return f"{self.name} gave way to a new one"


class OnDemandChild(Child):
    """A child behind a door: while nobody accepts from its listener, the supervisor watches who knocks."""

    on_demand = True

    def __init__(self, program: Program, selector: selectors.BaseSelector, *, door: Door) -> None:
        super().__init__(program, selector)
        self._door = door
        self._watched = False
        self._pipe: int | None = None
        self._watch()

    def keep(self, now: float) -> str | None:
        """Start the process if somebody waits for it, and open the door again after a rest."""
        if self.lifecycle.rested(now):
            self._door.open()
        return super().keep(now)

    def _descriptors(self) -> Mapping[str, int]:
        descriptors = {"--fd": self._door.listener.fileno()}
        if self._program.told is not None:
            self._pipe = descriptors["--config-fd"] = _pipe_that_holds(self._program.told)
        # From here on the process accepts.
        self._selector.unregister(self._door.listener)
        self._watched = False
        return descriptors

    def _start(self, now: float) -> str | None:
        failure = super()._start(now)
        if self._pipe is not None:
            os.close(self._pipe)
            self._pipe = None
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
        self._watch()
        if self.lifecycle.phase is Phase.RESTING:
            self._door.shut()
            self._door.turn_away()
        return said

    def _outlook(self, delay: float) -> str:
        return f"refusing requests for it for {delay:g} s" if delay else "the next request starts it again"


def _pipe_that_holds(told: bytes) -> int:
    """The end to read of a pipe that holds all of ``told``, whose other end is closed.

    Raises:
        OSError: it does not fit into a pipe of this system's.
    """
    near, far = os.pipe()
    with os.fdopen(far, "wb", buffering=0) as writer:
        if sys.platform == "linux":  # 64 KiB by default, and a megabyte for whoever asks
            with suppress(PermissionError):
                fcntl.fcntl(far, fcntl.F_SETPIPE_SZ, max(len(told), _PIECE))
        os.set_blocking(far, False)
        if writer.write(told) == len(told):
            return near
    os.close(near)
    raise OSError(errno.EFBIG, "what it is told does not fit into a pipe")


def _cause(returncode: int) -> str:
    if returncode >= 0:
        return f"ended with exit code {returncode}"
    with suppress(ValueError):
        return f"was ended by {signal.Signals(-returncode).name}"
    return f"was ended by signal {-returncode}"
