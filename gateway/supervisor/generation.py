"""Which processes belong to one configuration?

A running gateway may have two for a while: workers of the one finish what they have while others serve by the new one.
Each worker then finds behind its doors the processes that were started for its own configuration. What both have alike
they share.
"""

import os
import selectors
import socket
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from gateway.supervisor.children import Child, OnDemandChild, Program, WorkerChild
from gateway.supervisor.config import OnDemand, SupervisorConfig
from gateway.supervisor.figures import Figures
from gateway.supervisor.listen import Door
from gateway.telemetry.families import WORKER

CONFIG_FD = "--config-fd"


class Surroundings:
    """What all generations of one run have in common."""

    def __init__(
        self,
        *,
        selector: selectors.BaseSelector,
        listeners: Mapping[str, socket.socket],
        figures: Figures | None,
        grant_key: str,
        on_ready: Callable[[], None],
    ) -> None:
        self.selector = selector
        self.listeners = listeners
        self.figures = figures
        self.grant_key = grant_key
        self.on_ready = on_ready


class Generation:
    """The processes of ``config``. What runs already for ``before`` is taken from there, if it would be the same."""

    def __init__(self, config: SupervisorConfig, around: Surroundings, before: "Generation | None" = None) -> None:
        self.config = config
        self._around = around
        self._snapshot = None if config.snapshot is None else _file_that_holds(config.snapshot)
        self.doors: dict[str, Door] = {}
        self.on_demand: list[OnDemandChild] = []
        for one in config.on_demand:
            child = None if before is None else before.same(one)
            if child is not None and before is not None:
                self.doors[one.key] = before.doors[one.key]
            else:
                self.doors[one.key] = Door(one.key)
                child = self._on_demand_child(one)
            self.on_demand.append(child)
            if one.at_start:
                child.lifecycle.demanded()
        self.companions = [
            Child(self._program(one.name, one.name, one.command, {}, told=True), around.selector)
            for one in config.companions
        ]

    def same(self, wanted: OnDemand) -> OnDemandChild | None:
        """What runs as ``wanted`` would, but perhaps for when it is to be started."""
        pairs = zip(self.config.on_demand, self.on_demand, strict=True)
        return next((child for one, child in pairs if replace(one, at_start=wanted.at_start) == wanted), None)

    @property
    def sockets(self) -> Mapping[str, str]:
        """The paths of processes on demand, by their keys."""
        return {key: door.path for key, door in self.doors.items()}

    def worker(self, number: int, word: str, *, successor: bool) -> WorkerChild:
        """A worker of this configuration, which is to have the place of this number; ``word`` names its figures."""
        more = {"SPLITGATE_SUPERVISOR": str(os.getpid()), "SPLITGATE_GRANT_KEY": self._around.grant_key, WORKER: word}
        more |= {one.variable: self.doors[one.key].path for one in self.config.on_demand}
        program = self._program(f"worker {number}", word, self.config.worker_command, more, told=True)
        return WorkerChild(
            program,
            self._around.selector,
            listeners=self._around.listeners,
            on_ready=self._around.on_ready,
            successor=successor,
        )

    def only_mine(self, other: "Generation | None") -> list[Child]:
        """The processes that ``other`` does not share."""
        shared = set[Child]() if other is None else set(other.on_demand)
        return [*[child for child in self.on_demand if child not in shared], *self.companions]

    def close(self) -> None:
        """Let go of the configuration: no process of it will be started any more."""
        if self._snapshot is not None:
            os.close(self._snapshot)
            self._snapshot = None

    def _on_demand_child(self, one: OnDemand) -> OnDemandChild:
        program = replace(self._program(one.name, one.key, one.command, {}), told=one.told, again=one.again)
        if one.environ is not None:
            program = replace(program, environ=one.environ)
        return OnDemandChild(program, self._around.selector, door=self.doors[one.key])

    def _program(
        self, name: str, key: str, command: Sequence[str], more: Mapping[str, str], *, told: bool = False
    ) -> Program:
        figures = self._around.figures
        environ = {**os.environ, **(figures.environ(key) if figures else {}), **more}
        files = {CONFIG_FD: self._snapshot} if told and self._snapshot is not None else {}
        backoff = self.config.backoff
        return Program(name=name, key=key, command=tuple(command), environ=environ, backoff=backoff, files=files)


def _file_that_holds(content: bytes) -> int:
    """A descriptor of a file without a name; who reads it counts from its beginning."""
    with tempfile.TemporaryFile() as file:
        file.write(content)
        file.flush()
        return os.dup(file.fileno())
