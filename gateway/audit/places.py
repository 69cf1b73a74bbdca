"""Where does what lie in the folder of the journals?

The layout of ``docs/audit-format.md``: names alone, and the reading of whole lines. Nothing is judged here.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from gateway.audit.opening import MOST_LINE, lines_of, reading

EPOCH: Final = re.compile(r"[0-9]{8}T[0-9]{6}Z-[0-9a-f]{8}")
_EVENT: Final = re.compile(rf"({EPOCH.pattern})\.(0|[1-9][0-9]{{0,14}})")
_ENTRY: Final = re.compile(r"[0-9]{8}")


@dataclass(frozen=True, slots=True)
class EpochPlaces:
    """The files of one epoch."""

    folder: Path

    @property
    def epoch(self) -> str:
        return self.folder.name

    @property
    def journal(self) -> Path:
        return self.folder / "journal"

    @property
    def checkpoints(self) -> Path:
        return self.folder / "checkpoints"

    @property
    def blobs(self) -> Path:
        return self.folder / "blobs"

    @property
    def lock(self) -> Path:
        return self.folder / "lock"


@dataclass(frozen=True, slots=True)
class Places:
    """The folder of all journals."""

    root: Path

    @property
    def registry(self) -> Path:
        return self.root / "registry"

    @property
    def subjects(self) -> Path:
        return self.root / "subjects.sqlite3"

    @property
    def ship(self) -> Path:
        return self.root / "ship"

    @property
    def public_key(self) -> Path:
        return self.root / "public-key"

    def epoch(self, name: str) -> EpochPlaces:
        """The files of the epoch ``name``, whether it is there or not."""
        return EpochPlaces(self.root / "epochs" / name)

    def epochs(self) -> list[EpochPlaces]:
        """The epochs that are there, in the order of their names: by the second in which they began.

        Raises:
            OSError: the folder cannot be read.
        """
        folder = self.root / "epochs"
        if not folder.is_dir():
            return []
        return [EpochPlaces(path) for path in sorted(folder.iterdir()) if EPOCH.fullmatch(path.name)]

    def entries(self) -> list[Path]:
        """The entries of the registry, in the order of their numbers.

        Raises:
            OSError: the folder cannot be read.
        """
        if not self.registry.is_dir():
            return []
        return sorted(path for path in self.registry.iterdir() if _ENTRY.fullmatch(path.name))


def event_of(epoch: str, number: int) -> str:
    """The id of the epoch's record ``number``, counted from 0."""
    return f"{epoch}.{number}"


def split_event(event: str) -> tuple[str, int] | None:
    """The epoch and the number that an event's id names; None where it is none."""
    found = _EVENT.fullmatch(event)
    return None if found is None else (found[1], int(found[2]))


def whole_lines(path: Path, start: int = 0) -> Iterator[bytes]:
    """The lines from byte ``start`` on, without their line feeds; what follows the last line feed is left out.

    So is what follows a line that is longer than ``MOST_LINE``, and that line: it is no gateway's.

    Raises:
        OSError: the file cannot be read.
    """
    with reading(path) as file:
        file.seek(start)
        for line in lines_of(file):
            if not line.endswith(b"\n") or len(line) > MOST_LINE:
                return
            yield line[:-1]


def registry_entry(raw: bytes) -> tuple[bytes, bytes] | None:
    """The line and the signed note in the file of a registry entry; None where it does not hold the two."""
    line, gap, note = raw.partition(b"\n\n")
    return (line, note) if gap and b"\n" not in line else None
