"""Which files hold the policies, and what is in them now?

The shipped packs that the configuration names, its own files and folders, and always the pack ``baseline``, which is
the fallback. The files are read as one: where any of them changed meanwhile, all are read again.
"""

import os
import stat
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final, NoReturn, TypeAlias

from gateway.configuration.packs import PACKS, POLICY
from gateway.configuration.values import PolicySettings
from gateway.domain.value import value
from gateway.yamlfile.problems import InvalidConfiguration, Problem, refuse
from gateway.yamlfile.source import MAX_BYTES

FALLBACK: Final = "baseline"
MAX_FILES: Final = 200
_ATTEMPTS: Final = 5
_SUFFIXES: Final = frozenset({".yaml", ".yml"})

# What tells that a file is another one, or was written: its path, where that leads, and the inode's own marks.
Mark: TypeAlias = tuple[str, str, int, int, int, int]
Signature: TypeAlias = tuple[Mark, ...]


@value
class PolicyFile:
    """One file as it was read. ``listed`` is false for a fallback that the configuration does not name."""

    file: str
    raw: bytes
    listed: bool = True
    fallback: bool = False


class Sources:
    """The policy files of a configuration."""

    def __init__(self, settings: PolicySettings, packs: Path = PACKS) -> None:
        self._fallback = packs / FALLBACK / POLICY
        self._packs = tuple(packs / name / POLICY for name in settings.packs)
        self._paths = settings.paths

    def read(self) -> tuple[PolicyFile, ...]:
        """Every file, the fallback first.

        Raises:
            InvalidConfiguration: a file or folder is missing, unreadable, empty of policies or too large; or they
                change so fast that no state of theirs could be read.
        """
        for _ in range(_ATTEMPTS):
            before = self.signature()
            files = tuple(self._files())
            if self.signature() == before:
                break
        else:
            _refuse(str(self._paths[0] if self._paths else self._fallback), "changes while it is read; try again")
        return files

    def signature(self) -> Signature:
        """What changes when any of the files does. It follows links, as those that a ConfigMap's folder is made of."""
        return tuple(_mark(path) for path in (self._fallback, *self._packs, *self._paths, *self._inside()))

    def folders(self) -> tuple[Path, ...]:
        """Where changes are to be waited for: folders that exist."""
        candidates = (path if _is_folder(path) else path.parent for path in self._paths)
        packs = (path.parent for path in (self._fallback, *self._packs))
        return tuple(dict.fromkeys(folder for folder in (*candidates, *packs) if _is_folder(folder)))

    def _files(self) -> Iterator[PolicyFile]:
        yield _read(self._fallback, listed=self._fallback in self._packs, fallback=True)
        for path in self._packs:
            if path != self._fallback:
                yield _read(path)
        count = 0
        for path in self._paths:
            for file in self._expand(path):
                count += 1
                if count > MAX_FILES:
                    _refuse(str(path), f"makes more than {MAX_FILES} policy files; name fewer")
                yield _read(file)

    def _expand(self, path: Path) -> Iterable[Path]:
        if not _is_folder(path):
            return (path,)
        inside = _policies_in(path)
        if not inside:
            _refuse(str(path), "holds no policy file; put one there (*.yaml or *.yml), or take it out of the paths")
        return inside

    def _inside(self) -> Iterator[Path]:
        for path in self._paths:
            # A folder that cannot be listed is a problem of reading, not of telling whether anything changed.
            with suppress(InvalidConfiguration):
                yield from _policies_in(path) if _is_folder(path) else ()


def _is_folder(path: Path) -> bool:
    """What may not be looked at is none; reading it then says why."""
    try:
        return path.is_dir()
    except OSError:
        return False


def _policies_in(folder: Path) -> list[Path]:
    """Hidden names are none: a ConfigMap's folder holds its versions under such."""
    try:
        inside = sorted(folder.iterdir())
    except OSError as error:
        _refuse(str(folder), f"cannot be listed ({error.strerror}); let the gateway's user read it", error)
    return [path for path in inside if not path.name.startswith(".") and path.suffix in _SUFFIXES]


def _read(path: Path, *, listed: bool = True, fallback: bool = False) -> PolicyFile:
    try:
        # A pipe in the folder would otherwise hold the load for ever.
        if not stat.S_ISREG(path.stat().st_mode):
            _refuse(str(path), "is no regular file; take it out of the paths")
        with path.open("rb") as file:
            raw = file.read(MAX_BYTES + 1)
    except OSError as error:
        _refuse(str(path), f"cannot be read ({error.strerror}); name an existing file that the gateway may read", error)
    return PolicyFile(file=str(path), raw=raw, listed=listed, fallback=fallback)


def _mark(path: Path) -> Mark:
    try:
        found = path.stat()
    except OSError:
        return (str(path), "", 0, 0, 0, 0)
    return (str(path), os.path.realpath(path), found.st_dev, found.st_ino, found.st_size, found.st_ctime_ns)


def _refuse(file: str, message: str, cause: Exception | None = None) -> NoReturn:
    refuse([Problem(file=file, message=message)], cause=cause)
