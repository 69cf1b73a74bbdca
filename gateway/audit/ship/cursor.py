"""How far is one sink or anchor?

A small file of its own, written whole or not at all, after what it says was acknowledged: so whoever crashes in
between offers something twice, and never leaves anything out. A file that is missing or damaged means the beginning.
"""

import logging
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from gateway.audit.disk import Disk
from gateway.audit.line import VERSION, Fields, Value, canonical, parsed
from gateway.audit.opening import MOST_NOTES, read_whole
from gateway.audit.places import EPOCH
from gateway.domain.value import value

_log: Final = logging.getLogger("splitgate.audit")


@value
class Mark:
    """How much of one file was acknowledged: bytes, and records; for anchors, the size of the last checkpoint."""

    bytes: int = 0
    records: int = 0


_NOTHING: Final = Mark()


class Cursor:
    """The marks of one sink or anchor, and ``registry``: the last entry that was dealt with."""

    def __init__(self, path: Path, save_s: float = 0.25) -> None:
        self.registry = 0
        self._path = path
        self._save_s = save_s
        self._marks: dict[str, Mark] = {}
        self._changed = False
        self._saved_at = 0.0
        self._failing = False
        self._load()

    @property
    def marks(self) -> Mapping[str, Mark]:
        """The epochs that are known, and how far."""
        return self._marks

    def mark(self, epoch: str) -> Mark:
        """How far ``epoch`` is."""
        return self._marks.get(epoch, _NOTHING)

    def move(self, epoch: str, mark: Mark) -> None:
        """Note that ``epoch`` is at ``mark`` now."""
        self._marks[epoch] = mark
        self._changed = True

    def move_registry(self, number: int) -> None:
        """Note that the registry's entry ``number`` is dealt with."""
        self.registry = number
        self._changed = True

    def drop(self, epoch: str) -> None:
        """Forget an epoch that will not come back."""
        self._marks.pop(epoch)
        self._changed = True

    def save(self, *, now: bool = False) -> None:
        """Write it down if that is due, or ``now``. One that cannot be written is told of once, and tried again."""
        if not self._changed or not (now or time.monotonic() >= self._saved_at + self._save_s):
            return
        try:
            self._publish()
        except OSError as error:
            if not self._failing:
                _log.warning(
                    "audit: %s cannot be written (%s); some records may be sent twice", self._path, error.strerror
                )
            self._failing = True
        else:
            self._failing = self._changed = False
        self._saved_at = time.monotonic()

    def _publish(self) -> None:
        marks = {epoch: {"bytes": mark.bytes, "records": mark.records} for epoch, mark in self._marks.items()}
        content = canonical({"v": VERSION, "registry": self.registry, "epochs": marks})
        self._path.parent.mkdir(mode=0o700, exist_ok=True)
        Disk().publish(self._path, content)

    def _load(self) -> None:
        try:
            self.registry, self._marks = _read(parsed(read_whole(self._path, MOST_NOTES)))
        except FileNotFoundError:
            _log.info("audit: %s begins with the first record", self._path.stem)
        except (OSError, ValueError):
            _log.warning("audit: %s cannot be read; what it counted is offered once more", self._path)


def _read(said: Fields) -> tuple[int, dict[str, Mark]]:
    registry, epochs = said.get("registry"), said.get("epochs")
    if said.get("v") != VERSION or not isinstance(epochs, Mapping):
        raise ValueError("it is no cursor")
    return _number(registry), {_epoch(epoch): _mark(mark) for epoch, mark in epochs.items()}


def _mark(said: Value) -> Mark:
    if not isinstance(said, Mapping):
        raise ValueError("it is no mark")  # noqa: TRY004 - a damaged file, whatever is wrong in it
    return Mark(bytes=_number(said.get("bytes")), records=_number(said.get("records")))


def _epoch(said: str) -> str:
    if not EPOCH.fullmatch(said):
        raise ValueError("it names no epoch")
    return said


def _number(said: object) -> int:
    if not isinstance(said, int) or said < 0:
        raise ValueError("it counts nothing")
    return said
