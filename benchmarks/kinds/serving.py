"""How does the gateway run as its users run it?

``splitgate serve``, with its supervisor and so many workers, on cores of one's choice. It is ready when ``/readyz``
says so on the port that serves.
"""

import subprocess
import time
from collections.abc import Callable, Collection
from contextlib import suppress
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Final, Self

from benchmarks.contenders import serve_command
from benchmarks.outside import end_group, free_ports
from benchmarks.processes import ROOT, CannotMeasure, Use, on_cores, use_of
from benchmarks.soaking.sampling import children

_START_S: Final = 60.0
_STOP_S: Final = 30.0
_LOOK_S: Final = 0.002


class Serving:
    """A gateway in full; leaving the context stops it. ``started_s`` is from exec to the first yes of ``/readyz``."""

    def __init__(self, config: Path, workers: int, cores: Collection[int]) -> None:
        self.port: int = free_ports(("gateway",))["gateway"]
        self._log = config.parent / "log"
        command = serve_command(config, self.port, workers)
        with self._log.open("w") as sink, on_cores(cores):
            began = time.perf_counter()
            self._process = subprocess.Popen(  # noqa: S603
                command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=sink, start_new_session=True
            )
        try:
            self._await_ready()
        except BaseException:
            self.stop()
            raise
        self.started_s: float = time.perf_counter() - began

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def processes(self) -> dict[str, int]:
        """The supervisor and all below it."""
        return {"supervisor": self._process.pid, **children(self._process.pid)}

    @property
    def workers(self) -> list[int]:
        """The workers' ids."""
        return [pid for name, pid in self.processes.items() if name.startswith("gateway.worker")]

    def stop(self) -> None:
        """Ask it to end; kill what is left of it."""
        end_group(self._process, _STOP_S)

    def _await_ready(self) -> None:
        deadline = time.monotonic() + _START_S
        while not _is_ready(self.port):
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise CannotMeasure(f"the gateway did not start:\n{self._log.read_text()}")
            time.sleep(_LOOK_S)


def used_by_all(pids: Collection[int]) -> Callable[[], Use]:
    """What several processes have used so far."""

    def use() -> Use:
        uses = [use_of(pid) for pid in pids]
        return Use(cpu_ns=sum(one.cpu_ns for one in uses), preempted=sum(one.preempted for one in uses))

    return use


def _is_ready(port: int) -> bool:
    asked = HTTPConnection("127.0.0.1", port, timeout=_START_S)
    with suppress(OSError, HTTPException):
        # Whoever listens already answers when it serves: so it is asked once, and waited for.
        asked.request("GET", "/readyz")
        return asked.getresponse().status == 200
    return False
