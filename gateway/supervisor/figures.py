"""What does the supervisor say of its workers, for whoever scrapes metrics?

It makes the folder in which the workers keep their figures, writes a file of its own there in Prometheus' text format,
and takes the gauges of dead workers away. It loads no library for this: the names in here are checked by tests.
"""

import shutil
import tempfile
import time
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final

from gateway.telemetry.families import (
    CONFIG_LOADS,
    CONFIG_REFUSED,
    FOLDER,
    START_TIME,
    WORKER,
    WORKER_RESTARTS,
    WORKER_UP,
    Family,
)

_FILE: Final = "supervisor.prom"
# What may come of a new look at the configuration: it is the same, it was taken up by all workers, it cannot be used,
# or a worker could not be started with it.
RESULTS: Final = ("unchanged", "taken", "refused", "failed")


class Figures:
    """The folder and what the supervisor writes in it. Processes are known by a word, workers by their numbers."""

    def __init__(self) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="splitgate-metrics-"))
        self._started = time.time()
        self._restarts = Counter[str]()
        self._loads = Counter[str]()
        self._refused = False
        self._told = ""

    def environ(self, process: str) -> Mapping[str, str]:
        """The variables that a process finds its files by."""
        return {FOLDER: str(self._folder), WORKER: process}

    def gone(self, process: str) -> None:
        """A process is no more: its gauges go with it, and all that one says that keeps no counts for its successor."""
        (self._folder / f"{process}.prom").unlink(missing_ok=True)
        for file in self._folder.glob(f"gauge_live*_{process}.db"):
            file.unlink(missing_ok=True)

    def died(self, worker: str) -> None:
        """A worker of this number ended, and nobody had asked for that."""
        self._restarts[worker] += 1

    def looked(self, result: str) -> None:
        """The configuration was looked at again; ``result`` is what came of it."""
        self._loads[result] += 1
        self._refused = result in {"refused", "failed"}

    def tell(self, serving: Mapping[str, bool]) -> None:
        """Write which workers serve, if that or anything else has changed."""
        up = [({"worker": worker}, float(serves)) for worker, serves in serving.items()]
        restarts = [({"worker": worker}, float(self._restarts[worker])) for worker in serving]
        loads = [({"result": result}, float(self._loads[result])) for result in RESULTS]
        told = (
            _written(WORKER_UP, up)
            + _written(WORKER_RESTARTS, restarts)
            + _written(START_TIME, [({}, self._started)])
            + _written(CONFIG_LOADS, loads)
            + _written(CONFIG_REFUSED, [({}, float(self._refused))])
        )
        if told == self._told:
            return
        self._told = told
        draft = self._folder / f"{_FILE}.draft"
        try:
            draft.write_text(told, encoding="utf-8")
            draft.rename(self._folder / _FILE)
        except OSError:
            # A full disk must not take the gateway down; it is told anew with the next change.
            self._told = ""

    def remove(self) -> None:
        """Leave nothing behind."""
        shutil.rmtree(self._folder, ignore_errors=True)


def _written(family: Family, samples: Iterable[tuple[Mapping[str, str], float]]) -> str:
    lines = [f"# HELP {family.name} {family.help}", f"# TYPE {family.name} {family.kind}"]
    for labels, value in samples:
        named = ",".join([f'{name}="{of}"' for name, of in labels.items()])
        lines.append(f"{family.name}{{{named}}} {value!r}" if named else f"{family.name} {value!r}")
    return "\n".join(lines) + "\n"
