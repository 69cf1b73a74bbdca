"""Which processes are there while a model is measured, and who ends them?

Those through which models are called: the embedded model, and litellm. They are the supervisor's own children, behind
the same doors; one that dies is started again by the next request. Leaving the context ends them.
"""

import asyncio
import os
import selectors
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from typing import Final

import httpx

from gateway.supervisor.children import OnDemandChild, Program
from gateway.supervisor.config import OnDemand
from gateway.supervisor.lifecycle import Backoff
from gateway.supervisor.listen import Door

_EVERY_S: Final = 0.05
_HEALTH_S: Final = 5.0


class Processes:
    """What runs beside a measurement. ``sockets`` are the paths of Unix sockets, by the processes' keys."""

    def __init__(self, wanted: Sequence[OnDemand], say: Callable[[str], None]) -> None:
        self._say = say
        self._selector = selectors.DefaultSelector()
        self._doors = {one.key: Door(one.key) for one in wanted}
        self._children = [self._child(one) for one in wanted]
        self.sockets: Mapping[str, str] = {key: door.path for key, door in self._doors.items()}

    def start(self) -> None:
        """Start them all: before this process has threads, which a fork would not take along."""
        for child in self._children:
            child.lifecycle.demanded()
        self._look()

    async def tend(self) -> None:
        """Start again what dies and is asked for, until this is cancelled."""
        while True:
            self._look()
            await asyncio.sleep(_EVERY_S)

    async def well(self) -> bool:
        """Whether all of them have loaded what they need: who asks sooner waits, which is no model's latency."""
        return all([await _well(path) for path in self.sockets.values()])

    def end(self) -> None:
        """End them, and leave nothing behind."""
        for child in self._children:
            child.destroy()
            child.leave()
        self._selector.close()

    def _look(self) -> None:
        if self._children:
            for key, _ in self._selector.select(0):
                key.data()
        now = time.monotonic()
        for child in self._children:
            for said in (child.reap(now), child.keep(now)):
                if said is not None:
                    self._say(said)

    def _child(self, one: OnDemand) -> OnDemandChild:
        program = Program(
            name=one.name,
            key=one.key,
            command=one.command,
            environ=dict(os.environ) if one.environ is None else one.environ,
            backoff=Backoff(),
            told=one.told,
        )
        return OnDemandChild(program, self._selector, door=self._doors[one.key])


async def _well(path: str) -> bool:
    try:
        async with httpx.AsyncClient(transport=httpx.AsyncHTTPTransport(uds=path), timeout=_HEALTH_S) as http:
            return (await http.get("http://beside.invalid/health")).is_success
    except httpx.HTTPError:
        return False


@contextmanager
def running(wanted: Sequence[OnDemand], say: Callable[[str], None]) -> Generator[Processes]:
    """Those processes, started, until the context ends; ``say`` is told when one dies."""
    processes = Processes(wanted, say)
    try:
        processes.start()
        yield processes
    finally:
        processes.end()
