"""What does the supervisor do when a signal, a death or a connection comes?

One loop, woken by a selector: signals arrive as bytes on a wake-up socket, workers report by a pipe, and the listeners
of processes on demand are watched while nobody accepts from them. All waiting happens in ``_wait``. SIGTERM and SIGINT
stop, after ``drain_delay_s`` in which workers serve and say that they are not ready; SIGHUP has every worker reload its
policies, SIGUSR2 replaces the workers one by one. What is not a worker ends after them, since they use it.
"""

import os
import secrets
import selectors
import signal
import socket
import sys
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from types import FrameType

from gateway.supervisor.children import Child, OnDemandChild, Program, WorkerChild
from gateway.supervisor.config import Companion, Listening, OnDemand, SupervisorConfig
from gateway.supervisor.figures import Figures
from gateway.supervisor.listen import CannotListen, Door, listen_for_metrics, listen_tcp
from gateway.telemetry.families import WORKER

_STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT)
# How a worker's command names its listeners.
_FD = "--fd"
_METRICS_FD = "--metrics-fd"
_OTHER_SIGNALS = (signal.SIGCHLD, signal.SIGHUP, signal.SIGUSR2)
_AFTER_WORKERS_S = 2.0


def _say(text: str) -> None:
    sys.stderr.write(f"splitgate: {text}\n")
    sys.stderr.flush()


def _announce_nothing(_: Listening) -> None:
    """Stand in for a callback that was not given."""


class Supervisor:
    """Binds, starts, restarts and stops. ``on_ready`` is called once, when every worker serves."""

    def __init__(
        self,
        config: SupervisorConfig,
        *,
        on_ready: Callable[[Listening], None] = _announce_nothing,
        say: Callable[[str], None] = _say,
    ) -> None:
        self._config = config
        self._on_ready = on_ready
        self._say = say

    def run(self) -> int:
        """Supervise until SIGTERM or SIGINT; the answer is the process's exit code.

        Must be called in the main thread of a process without other threads. 1 says that the address cannot be bound,
        or that a worker ended before the gateway ever served.
        """
        with ExitStack() as ours:
            try:
                listeners = self._listen(ours)
            except CannotListen as exc:
                self._say(str(exc))
                return 1
            doors = {one.key: self._door(one, ours) for one in self._config.on_demand}
            figures = Figures() if self._config.metrics is not None else None
            if figures is not None:
                ours.callback(figures.remove)
            run = _Run(
                config=self._config,
                on_ready=self._on_ready,
                say=self._say,
                selector=ours.enter_context(selectors.DefaultSelector()),
                listeners=listeners,
                doors=doors,
                figures=figures,
            )
            return run.until_stopped(ours.enter_context(_signals()))

    def _listen(self, ours: ExitStack) -> Mapping[str, socket.socket]:
        """The workers' listeners, by the options of their command."""
        listeners = {_FD: ours.enter_context(listen_tcp(self._config.host, self._config.port))}
        if self._config.metrics is not None:
            listeners[_METRICS_FD] = ours.enter_context(listen_for_metrics(self._config.metrics, self._say))
        return listeners

    def _door(self, one: OnDemand, ours: ExitStack) -> Door:
        door = Door(one.key)
        ours.callback(door.remove)
        return door


class _Run:
    """One run: the children and how far the stop has come."""

    def __init__(
        self,
        *,
        config: SupervisorConfig,
        on_ready: Callable[[Listening], None],
        say: Callable[[str], None],
        selector: selectors.BaseSelector,
        listeners: Mapping[str, socket.socket],
        doors: Mapping[str, Door],
        figures: Figures | None,
    ) -> None:
        self._config = config
        self._on_ready = on_ready
        self._say = say
        self._selector = selector
        self._listeners = listeners
        self._figures = figures
        ports = {option: int(listener.getsockname()[1]) for option, listener in listeners.items()}
        self._listening = Listening(
            host=config.host,
            port=ports[_FD],
            sockets={key: door.path for key, door in doors.items()},
            metrics_port=ports.get(_METRICS_FD),
        )
        # Known to this gateway's workers alone, and to them anew at each start: break-glass grants are sealed with it.
        self._grant_key = secrets.token_hex(32)
        self._workers = [self._worker(number) for number in range(1, config.workers + 1)]
        self._to_replace: list[WorkerChild] = []
        self._on_demand = [self._on_demand_child(one, doors[one.key]) for one in config.on_demand]
        self._companions = [self._companion(companion) for companion in config.companions]
        self._exit_code = 0
        self._announced = False
        self._stop_at: float | None = None  # set when a stop is announced
        self._deadline: float | None = None  # set when it begins

    def until_stopped(self, wakeup: socket.socket) -> int:
        self._selector.register(wakeup, selectors.EVENT_READ, lambda: self._on_signals(wakeup))
        try:
            while True:
                self._advance(time.monotonic())
                if self._finished():
                    return self._exit_code
                self._wait()
        finally:
            # Reached with a living child only by an exception: nothing that we started stays behind.
            for child in self._children():
                child.destroy()

    def _program(self, name: str, key: str, command: Sequence[str], more: Mapping[str, str]) -> Program:
        environ = {**os.environ, **(self._figures.environ(key) if self._figures else {}), **more}
        return Program(name=name, key=key, command=tuple(command), environ=environ, backoff=self._config.backoff)

    def _worker(self, number: int) -> WorkerChild:
        more = {"SPLITGATE_SUPERVISOR": str(os.getpid()), "SPLITGATE_GRANT_KEY": self._grant_key, WORKER: str(number)}
        more |= {one.variable: self._listening.sockets[one.key] for one in self._config.on_demand}
        program = self._program(f"worker {number}", str(number), self._config.worker_command, more)
        return WorkerChild(program, self._selector, listeners=self._listeners, on_ready=self._on_worker_ready)

    def _on_demand_child(self, one: OnDemand, door: Door) -> OnDemandChild:
        program = replace(self._program(one.name, one.key, one.command, {}), told=one.told)
        if one.environ is not None:
            program = replace(program, environ=one.environ)
        child = OnDemandChild(program, self._selector, door=door)
        if one.at_start:
            child.lifecycle.demanded()
        return child

    def _companion(self, companion: Companion) -> Child:
        return Child(self._program(companion.name, companion.name, companion.command, {}), self._selector)

    def _children(self) -> list[Child]:
        return [*self._workers, *self._others()]

    def _others(self) -> list[Child]:
        """What is not a worker."""
        return [*self._on_demand, *self._companions]

    def _working(self) -> bool:
        return any(worker.running for worker in self._workers)

    def _finished(self) -> bool:
        return self._deadline is not None and not any(child.running for child in self._children())

    def _advance(self, now: float) -> None:
        for child in self._children():
            gave_way = isinstance(child, WorkerChild) and child.giving_way
            said = child.reap(now)
            if said is not None and self._figures is not None:
                self._figures.gone(child.key, died=not gave_way and self._deadline is None)
            if said is not None and self._deadline is None:
                self._report(child, said)
                if not gave_way and isinstance(child, WorkerChild):
                    self._keep_the_others()
        if self._deadline is None and self._stop_at is not None and now >= self._stop_at:
            self._stop()
        if self._deadline is not None:
            self._press(now, self._deadline)
        for child in self._kept():
            said = child.keep(now)
            if said is not None:
                self._report(child, said)
        self._replace_one(now)
        if self._figures is not None:
            self._figures.tell({worker.key: worker.ready for worker in self._workers})

    def _replace_one(self, now: float) -> None:
        """Ask the next worker to give way, if all of them serve: so that requests always find one, if there are two."""
        if self._to_replace and self._deadline is None and all(worker.ready for worker in self._workers):
            self._to_replace.pop(0).give_way(now + self._config.grace_s)

    def _keep_the_others(self) -> None:
        """A new worker that dies may do so for a reason that all new ones have."""
        if self._to_replace:
            self._say("not replacing the other workers")
            self._to_replace.clear()

    def _kept(self) -> list[Child]:
        """Whom to start again: while the last requests are being answered, all but the workers."""
        if self._deadline is None:
            return self._children()
        return self._others() if self._working() else []

    def _report(self, child: Child, said: str) -> None:
        if self._announced or not isinstance(child, WorkerChild) or self._deadline is not None:
            self._say(said)
            return
        # A mistake in the configuration is not mended by trying again.
        self._say(f"{said.partition(';')[0]}; giving up, because it never served")
        self._exit_code = 1
        self._stop()

    def _wait(self) -> None:
        times = [child.lifecycle.resume_at for child in self._kept()]
        times += [worker.kill_at for worker in self._workers]
        next_step = self._stop_at if self._deadline is None else self._deadline
        wake_at = min((at for at in (*times, next_step) if at is not None), default=None)
        timeout = None if wake_at is None else max(0.0, wake_at - time.monotonic())
        for key, _ in self._selector.select(timeout):
            key.data()

    def _on_worker_ready(self) -> None:
        reports = tuple(worker.report for worker in self._workers if worker.report is not None)
        if not self._announced and self._deadline is None and len(reports) == len(self._workers):
            self._announced = True
            self._on_ready(replace(self._listening, reports=reports))

    def _on_signals(self, wakeup: socket.socket) -> None:
        # SIGCHLD only has to end the wait: `_advance` asks every child.
        for number in wakeup.recv(4096):
            if number in _STOP_SIGNALS:
                self._asked_to_stop()
            elif number == signal.SIGHUP and self._deadline is None:
                for worker in self._workers:
                    worker.reload()
            elif number == signal.SIGUSR2 and self._announced and self._deadline is None and self._stop_at is None:
                self._say("replacing the workers one by one")
                self._to_replace = list(self._workers)

    def _asked_to_stop(self) -> None:
        """Let balancers know first, if they are to have time for it; whoever asks again has none."""
        if not self._config.drain_delay_s or not self._announced or self._stop_at is not None:
            self._stop()
            return
        self._stop_at = time.monotonic() + self._config.drain_delay_s
        for worker in self._workers:
            worker.announce_stop()

    def _stop(self) -> None:
        """Begin to stop; when asked a second time, at once."""
        now = time.monotonic()
        if self._deadline is not None:
            self._deadline = now
            return
        self._deadline = now + self._config.grace_s
        self._listeners[_FD].close()
        for worker in self._workers:
            worker.stop()

    def _press(self, now: float, deadline: float) -> None:
        """Workers first, so that what they have under way is answered; then what they were using."""
        if self._working():
            if now < deadline:
                return
            for worker in self._workers:
                worker.destroy()
        asked = [child for child in self._others() if child.stopping]
        if len(asked) < len(self._others()):
            for child in self._others():
                child.stop()
            self._deadline = now + _AFTER_WORKERS_S
        elif now >= deadline:
            for child in asked:
                child.destroy()


def _wake(_number: int, _frame: FrameType | None) -> None:
    """Do nothing: the byte that Python writes to the wake-up socket is what counts."""


@contextmanager
def _signals() -> Generator[socket.socket]:
    """Turn signals into bytes on a socket, and give the old handlers back afterwards."""
    receiver, sender = socket.socketpair()
    receiver.settimeout(0)
    sender.settimeout(0)
    before = {number: signal.signal(number, _wake) for number in (*_STOP_SIGNALS, *_OTHER_SIGNALS)}
    old_wakeup = signal.set_wakeup_fd(sender.fileno(), warn_on_full_buffer=False)
    try:
        yield receiver
    finally:
        signal.set_wakeup_fd(old_wakeup)
        for number, handler in before.items():
            signal.signal(number, handler)
        receiver.close()
        sender.close()
