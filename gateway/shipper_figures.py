"""What does the shipper say for whoever scrapes metrics?

A file of its own in the folder of figures, in Prometheus' text format, which a worker's ``/metrics`` passes on. Without
that folder nothing is said.
"""

import contextlib
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from gateway.telemetry.families import AUDIT_FORKS, AUDIT_UNSHIPPED, FOLDER, Family

_FILE: Final = "shipper.prom"


class ShipperFigures:
    """The figures of the one process that ships."""

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder
        self._unshipped = 0
        self._forks: dict[str, int] = {}
        self._told = ""

    def unshipped(self, records: int) -> None:
        """So many durable records are not with every sink yet."""
        self._unshipped = records
        self._tell()

    def anchored(self, anchor: str) -> None:
        """Checkpoints are kept by ``anchor``: none contradicts ours so far.

        A counter that begins with 1 is none that grew: Prometheus' ``increase`` would miss the first fork.
        """
        self._forks.setdefault(anchor, 0)
        self._tell()

    def forked(self, anchor: str) -> None:
        """``anchor`` keeps a checkpoint that contradicts ours."""
        self._forks[anchor] = self._forks.get(anchor, 0) + 1
        self._tell()

    def _tell(self) -> None:
        forks = {f'{{anchor="{anchor}"}}': count for anchor, count in self._forks.items()}
        told = _written(AUDIT_UNSHIPPED, {"": self._unshipped}) + _written(AUDIT_FORKS, forks)
        if self._folder is None or told == self._told:
            return
        draft = self._folder / f"{_FILE}.draft"
        # A full disk must not keep records from being shipped; it is told anew with the next change.
        with contextlib.suppress(OSError):
            draft.write_text(told, encoding="utf-8")
            draft.rename(self._folder / _FILE)
            self._told = told


def figures_of(environ: Mapping[str, str]) -> ShipperFigures:
    """The figures that go where the supervisor says, if it says so."""
    folder = environ.get(FOLDER)
    return ShipperFigures(None if folder is None else Path(folder))


def _written(family: Family, samples: Mapping[str, int]) -> str:
    lines = [f"# HELP {family.name} {family.help}", f"# TYPE {family.name} {family.kind}"]
    lines += [f"{family.name}{labels} {count}" for labels, count in samples.items()]
    return "\n".join(lines) + "\n" if samples else ""
