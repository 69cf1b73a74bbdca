"""How do the objects that a sink put into a bucket become a folder of journals again?

From a downloaded copy of them, offline. Names and joints alone are judged here: that nothing is missing between two
objects, and that those agree which hold the same bytes. Whether the whole is what was signed, ``verify`` tells.
"""

import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import BinaryIO, Final

from gateway.audit.opening import MOST_NOTES, read_whole
from gateway.audit.places import EPOCH, Places
from gateway.audit.ship.entries import read_entry
from gateway.audit.ship.objects import Stretch, read_name
from gateway.domain.value import value

_AGAIN: Final = "download the log's objects anew; if that does not help, the bucket does not hold the whole journal"


class CannotAssemble(Exception):
    """The objects make no folder of journals; the message says why, and what to do."""


@value
class Assembled:
    """What the folder holds now."""

    objects: int
    epochs: int


def assemble(objects: Path, folder: Path) -> Assembled:
    """Make ``folder``, which is empty or not there, of the objects of one log; whole or not at all.

    Raises:
        CannotAssemble: they make none.
        OSError: something cannot be read or written.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise CannotAssemble(f"{folder} is not empty, and nothing is overwritten; name a folder that is not there")
    entries, stretches = _sorted(objects)
    folder.parent.mkdir(parents=True, exist_ok=True)
    draft = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    try:
        places = Places(draft)
        _write_registry(entries, places)
        for (epoch, file), found in stretches.items():
            _write_file(found, places.epoch(epoch).folder / file)
        _begin_epochs(places)
        draft.rename(folder)
    except BaseException:
        shutil.rmtree(draft, ignore_errors=True)
        raise
    return Assembled(
        objects=len(entries) + sum([len(found) for found in stretches.values()]),
        epochs=len(Places(folder).epochs()),
    )


def _sorted(objects: Path) -> tuple[Sequence[Path], Mapping[tuple[str, str], Sequence[tuple[int, Path]]]]:
    """The entries in their order, and of each file its stretches in theirs."""
    entries: list[tuple[int, Path]] = []
    stretches: dict[tuple[str, str], list[tuple[int, Path]]] = {}
    for path in sorted(_files(objects)):
        match read_name(path.relative_to(objects).as_posix()):
            case int(number):
                entries.append((number, path))
            case Stretch(epoch=epoch, file=file, offset=offset):
                stretches.setdefault((epoch, file), []).append((offset, path))
            case None:
                raise CannotAssemble(_no_object(path, objects))
    if not entries:
        raise CannotAssemble(
            f"{objects} holds no entry of a registry; name the folder of one log, with `registry` and `epochs` in it"
        )
    for before, (number, path) in enumerate(entries):
        if number != before + 1:
            raise CannotAssemble(f"the entry {before + 1:08d} in front of {path} is missing; {_AGAIN}")
    return [path for _, path in entries], stretches


def _files(folder: Path) -> Iterator[Path]:
    """All that is no folder; links are not followed."""
    with os.scandir(folder) as found:
        for one in list(found):
            if one.is_dir(follow_symlinks=False):
                yield from _files(Path(one.path))
            else:
                yield Path(one.path)


def _no_object(path: Path, objects: Path) -> str:
    log = path.relative_to(objects).parts[0]
    if EPOCH.fullmatch(log):
        return f"{objects} holds whole logs, each in a folder of its own; name one of them, such as {objects / log}"
    return f"{path} is no object that a sink puts; take it away, or name the folder of one log's objects alone"


def _write_registry(entries: Sequence[Path], places: Places) -> None:
    places.registry.mkdir()
    for path in entries:
        (places.registry / path.name).write_bytes(read_whole(path))


def _write_file(stretches: Sequence[tuple[int, Path]], path: Path) -> None:
    """Join what the objects of one file hold."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("x+b") as file:
        before = path
        for offset, source in stretches:
            _join(file, offset, source, before)
            before = source


def _join(file: BinaryIO, offset: int, source: Path, before: Path) -> None:
    # No object holds more than one record that goes alone, or what a crash left behind the last one.
    content = read_whole(source, MOST_NOTES)
    end = file.seek(0, os.SEEK_END)
    if offset > end:
        behind = f"{before} ends at byte {end:,}" if end else "nothing stands before it"
        raise CannotAssemble(f"{source} begins at byte {offset:,} and {behind}: what lies between is missing; {_AGAIN}")
    file.seek(offset)
    there = file.read(min(end - offset, len(content)))
    if there != content[: len(there)]:
        raise CannotAssemble(
            f"{source} says something else than objects before it, up to {before}: one of them was changed. Keep both "
            "as evidence, find in the bucket's versions and access log who put which, and assemble without the other"
        )
    file.seek(0, os.SEEK_END)
    file.write(content[len(there) :])


def _begin_epochs(places: Places) -> None:
    """Have a journal for each epoch that was opened and not pruned, for an empty one is no object."""
    said = [entry for path in places.entries() if (entry := read_entry(path.read_bytes())) is not None]
    pruned = {entry.epoch for entry in said if entry.kind == "pruned"}
    for entry in said:
        if entry.kind == "opened" and entry.epoch not in pruned:
            epoch = places.epoch(entry.epoch)
            epoch.folder.mkdir(parents=True, exist_ok=True)
            epoch.journal.touch()
