"""How do the workers' figures come together?

Each worker writes its own into files of a folder that they share, in the form of prometheus-client's multiprocess mode;
any of them can read all. A file is named by the worker's number: one that takes a dead worker's place goes on counting
where that one ended, while its gauges, which spoke of the dead process, are taken away by the supervisor. All that is
special to prometheus-client stands here.
"""

import json
import struct
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final, Protocol

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.mmap_dict import MmapedDict, mmap_key  # pyright: ignore[reportUnknownVariableType]  untyped
from prometheus_client.multiprocess import MultiProcessCollector

from gateway.telemetry.families import Family, Kind
from gateway.telemetry.totals import Labels, Totals

_LE: Final = "le"


class _Values(Protocol):
    """What a file of values can do."""

    def read_all_values(self) -> Iterable[tuple[str, float, float]]: ...

    def write_value(self, key: str, value: float, timestamp: float) -> None: ...

    def close(self) -> None: ...


class Shared:
    """The files of one worker. Made anew, it takes up what counters and histograms came to in them."""

    def __init__(self, folder: Path, worker: str, totals: Totals) -> None:
        self._totals = totals
        self._files: dict[str, _Values] = {}
        # What stands in the files, so that only what changed is written.
        self._written: dict[str, float] = {}
        self._keys: dict[tuple[str, Labels], tuple[str, ...]] = {}
        for family in totals.families:
            name = _file_of(family)
            if name not in self._files:
                self._files[name] = _opened(folder / f"{name}_{worker}.db")
        self._take_up()

    def write(self) -> None:
        """Bring the files up to date."""
        for family in self._totals.families:
            file = self._files[_file_of(family)]
            for labels, values in self._rows(family):
                for key, value in zip(self._keys_of(family, labels), values, strict=True):
                    if self._written.get(key) != value:
                        file.write_value(key, value, 0.0)
                        self._written[key] = value

    def close(self) -> None:
        """Let go of the files, which stay for whoever reads them."""
        for file in self._files.values():
            file.close()
        self._files.clear()

    def _rows(self, family: Family) -> Iterator[tuple[Labels, Iterable[float]]]:
        if family.kind is Kind.HISTOGRAM:
            yield from self._totals.histogram(family).rows.items()
        else:
            for labels, value in self._totals.of(family).items():
                yield labels, (value,)

    def _keys_of(self, family: Family, labels: Labels) -> tuple[str, ...]:
        keys = self._keys.get((family.name, labels))
        if keys is None:
            keys = self._keys[family.name, labels] = tuple(_keys(family, labels))
        return keys

    def _take_up(self) -> None:
        for family in self._totals.families:
            if family.kind is not Kind.GAUGE:
                found = {key: value for key, value, _ in self._files[_file_of(family)].read_all_values()}
                for labels in {labels for key in found if (labels := _labels(family, key)) is not None}:
                    self._restore(family, labels, [found.get(key, 0.0) for key in self._keys_of(family, labels)])

    def _restore(self, family: Family, labels: Labels, values: list[float]) -> None:
        if family.kind is Kind.HISTOGRAM:
            self._totals.histogram(family).row(labels)[:] = values
        else:
            self._totals.of(family)[labels] = values[0]


def exposed(folder: Path) -> bytes:
    """What all processes have counted, as Prometheus reads it; blocks while it reads files.

    Whatever stands in files named ``*.prom`` is passed on as it is: what processes say that have no worker's number.
    """
    registry = CollectorRegistry()
    MultiProcessCollector(registry, path=str(folder))
    said = [generate_latest(registry)]
    for file in sorted(folder.glob("*.prom")):
        with suppress(FileNotFoundError):
            said.append(file.read_bytes())
    return b"".join(said)


def _opened(path: Path) -> _Values:
    if path.exists() and not _whole(path):
        # Left half written by a process that was killed: its figures are lost, not the worker.
        path.unlink()
    return MmapedDict(str(path))


def _whole(path: Path) -> bool:
    try:
        for key, *_ in _values_in(path):
            json.loads(key)
    except (RuntimeError, ValueError, struct.error):
        return False
    return True


def _values_in(path: Path) -> Iterable[tuple[str, float, float, int]]:
    return MmapedDict.read_all_values_from_file(str(path))  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]


def _file_of(family: Family) -> str:
    return f"gauge_{family.across}" if family.kind is Kind.GAUGE else family.kind.value


def _keys(family: Family, labels: Labels) -> Iterator[str]:
    """The keys of one row, in the order of its values."""
    match family.kind:
        case Kind.HISTOGRAM:
            for bound in (*family.buckets, float("inf")):
                yield mmap_key(
                    family.name,
                    f"{family.name}_bucket",
                    [*family.labels, _LE],
                    [*labels, repr(bound)],
                    family.help,
                )
            yield mmap_key(family.name, f"{family.name}_sum", [*family.labels], [*labels], family.help)
        case Kind.COUNTER:
            # The library counts `x` and exposes `x_total`.
            yield mmap_key(family.name.removesuffix("_total"), family.name, [*family.labels], [*labels], family.help)
        case Kind.GAUGE:
            yield mmap_key(family.name, family.name, [*family.labels], [*labels], family.help)


def _labels(family: Family, key: str) -> Labels | None:
    """The labels in a key, if it is of that family as it is today."""
    said: tuple[str, str, Mapping[str, str], str] = json.loads(key)
    name, _, labels, about = said
    if name != family.name.removesuffix("_total") or about != family.help:
        return None
    if set(labels) - {_LE} != set(family.labels):
        return None
    return tuple([labels[label] for label in family.labels])
