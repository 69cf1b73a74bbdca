"""What does the supervisor do when a signal, a death or a connection comes?

One loop, woken by a selector: signals arrive as bytes on a wake-up socket, workers report by a pipe, and the listeners
of processes on demand are watched while nobody accepts from them. All waiting happens in ``_wait``. SIGTERM and SIGINT
stop, after ``drain_delay_s`` in which workers serve and say that they are not ready; SIGUSR1 has every worker reload
its policies, SIGHUP has the configuration looked at again as well, SIGUSR2 replaces the workers one by one. What is not
a worker ends after them, since they use it.
"""

import secrets
import selectors
import signal
import socket
import sys
import time
from collections.abc import Callable, Generator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from types import FrameType

from gateway.supervisor.children import Child
from gateway.supervisor.config import Configuration, Listening, SupervisorConfig
from gateway.supervisor.figures import Figures
from gateway.supervisor.generation import Generation, Surroundings
from gateway.supervisor.listen import CannotListen, listen_for_metrics, listen_tcp
from gateway.supervisor.taking_up import TakingUp
from gateway.supervisor.workers import Workers, soonest

_STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT)
# How a worker's command names its listeners.
_FD = "--fd"
_METRICS_FD = "--metrics-fd"
_OTHER_SIGNALS = (signal.SIGCHLD, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2)
_AFTER_WORKERS_S = 2.0


def _say(text: str) -> None:
    sys.stderr.write(f"splitgate: {text}\n")
    sys.stderr.flush()


def _announce_nothing(_: Listening) -> None:
    """Stand in for a callback that was not given."""


class Supervisor:
    """Binds, starts, restarts and stops. ``on_ready`` is called once, when every worker serves.

    ``configuration`` is looked at on SIGHUP.
    """

    def __init__(
        self,
        config: SupervisorConfig,
        *,
        on_ready: Callable[[Listening], None] = _announce_nothing,
        say: Callable[[str], None] = _say,
        configuration: Configuration | None = None,
    ) -> None:
        self._config = config
        self._on_ready = on_ready
        self._say = say
        self._configuration = configuration

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
            figures = Figures() if self._config.metrics is not None else None
            if figures is not None:
                ours.callback(figures.remove)
            run = _Run(
                config=self._config,
                on_ready=self._on_ready,
                say=self._say,
                selector=ours.enter_context(selectors.DefaultSelector()),
                listeners=listeners,
                figures=figures,
                configuration=self._configuration,
            )
            return run.until_stopped(ours.enter_context(_signals()))

    def _listen(self, ours: ExitStack) -> Mapping[str, socket.socket]:
        """The workers' listeners, by the options of their command."""
        listeners = {_FD: ours.enter_context(listen_tcp(self._config.host, self._config.port))}
        if self._config.metrics is not None:
            listeners[_METRICS_FD] = ours.enter_context(listen_for_metrics(self._config.metrics, self._say))
        return listeners


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
        figures: Figures | None,
        configuration: Configuration | None,
    ) -> None:
        self._on_ready = on_ready
        self._say = say
        self._selector = selector
        self._listeners = listeners
        self._figures = figures
        around = Surroundings(
            selector=selector,
            listeners=listeners,
            figures=figures,
            # Known to this gateway's workers alone, and to them anew at each start: break-glass grants are sealed
            # with it.
            grant_key=secrets.token_hex(32),
            on_ready=self._on_worker_ready,
        )
        first = Generation(config, around)
        ports = {option: int(listener.getsockname()[1]) for option, listener in listeners.items()}
        self._listening = Listening(
            host=config.host, port=ports[_FD], sockets=first.sockets, metrics_port=ports.get(_METRICS_FD)
        )
        self._workers = Workers(config.workers, first, figures=figures, say=say, on_death=self._on_worker_death)
        self._taking = TakingUp(first, self._workers, around, configuration=configuration, say=say)
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
            self._workers.destroy()
            for child in self._taking.processes():
                child.destroy()
            self._taking.close()

    def _finished(self) -> bool:
        others = any(child.running for child in self._taking.processes())
        return self._deadline is not None and not self._workers.running and not others

    def _advance(self, now: float) -> None:
        self._workers.advance(now, stopping=self._deadline is not None)
        for child in self._taking.processes():
            said = child.reap(now)
            if said is not None and self._figures is not None:
                self._figures.gone(child.key)
            if said is not None and not child.stopping and self._deadline is None:
                self._say(said)
        if self._deadline is None and self._stop_at is not None and now >= self._stop_at:
            self._stop()
        if self._deadline is not None:
            self._press(now, self._deadline)
        else:
            self._keep_workers(now)
        if self._deadline is None:
            self._taking.advance(now)
        for child in self._kept():
            said = child.keep(now)
            if said is not None:
                self._say(said)
        if self._figures is not None:
            self._figures.tell(self._workers.serving())

    def _keep_workers(self, now: float) -> None:
        for said in self._workers.keep(now):
            self._on_worker_death(said)

    def _kept(self) -> list[Child]:
        """Whom beside workers to start again: until the last requests are answered, all."""
        return self._taking.kept() if self._deadline is None or self._workers.running else []

    def _on_worker_death(self, said: str) -> None:
        if self._announced or self._deadline is not None:
            self._say(said)
            return
        # A mistake in the configuration is not mended by trying again.
        self._say(f"{said.partition(';')[0]}; giving up, because it never served")
        self._exit_code = 1
        self._stop()

    def _wait(self) -> None:
        times = [*self._taking.times(), *self._workers.times()]
        times.append(self._stop_at if self._deadline is None else self._deadline)
        for key, _ in self._selector.select(soonest(times)):
            key.data()

    def _on_worker_ready(self) -> None:
        reports = self._workers.reports()
        if not self._announced and self._deadline is None and reports is not None:
            self._announced = self._taking.may_begin = True
            self._on_ready(replace(self._listening, reports=tuple(reports)))

    def _on_signals(self, wakeup: socket.socket) -> None:
        # SIGCHLD only has to end the wait: `_advance` asks every child.
        for number in wakeup.recv(4096):
            if number in _STOP_SIGNALS:
                self._asked_to_stop()
            elif number == signal.SIGHUP and self._deadline is None:
                self._taking.hang_up()
            elif number == signal.SIGUSR1 and self._deadline is None:
                self._workers.reload()
            elif number == signal.SIGUSR2 and self._taking.may_begin:
                self._taking.replace_all()

    def _asked_to_stop(self) -> None:
        """Let balancers know first, if they are to have time for it; whoever asks again has none."""
        delay = self._taking.config.drain_delay_s
        if not delay or not self._announced or self._stop_at is not None:
            self._stop()
            return
        self._stop_at = time.monotonic() + delay
        self._taking.may_begin = False
        self._workers.announce_stop()

    def _stop(self) -> None:
        """Begin to stop; when asked a second time, at once."""
        now = time.monotonic()
        if self._deadline is not None:
            self._deadline = now
            return
        self._deadline = now + self._taking.config.grace_s
        self._taking.may_begin = False
        self._listeners[_FD].close()
        self._workers.stop()

    def _press(self, now: float, deadline: float) -> None:
        """Workers first, so that what they have under way is answered; then what they were using."""
        if self._workers.running:
            if now < deadline:
                return
            self._workers.destroy()
        others = self._taking.processes()
        asked = [child for child in others if child.stopping]
        if len(asked) < len(others):
            for child in others:
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
