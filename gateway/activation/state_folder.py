"""How is state kept so that it is whole or absent, and nobody else's?

One folder, readable and writable by the gateway's own user alone. A file is written beside its place, flushed to disk
and then renamed. What others could have written is not read.
"""

import fcntl
import os
import secrets
import stat
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final, NoReturn

from gateway.domain.errors import StateUnusable

_PRIVATE: Final = 0o700
_OTHERS: Final = 0o077


class StateFolder:
    """A folder of small files; it is made when something is first written to it."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def write(self, name: str, content: bytes) -> None:
        """Replace the file at once and for good.

        Raises:
            StateUnusable: the folder is another's, or there is no room or right to write.
        """
        try:
            self._made()
            draft = self.path / f".{name}.{secrets.token_hex(8)}"
            try:
                _write_new(draft, content)
                draft.rename(self.path / name)
            finally:
                draft.unlink(missing_ok=True)
            self._flush()
        except OSError as error:
            self._refuse(error)

    def read(self, name: str, most: int) -> bytes | None:
        """The file's content; None where there is no such file.

        Raises:
            StateUnusable: it cannot be read, is larger than ``most``, or others could have written it.
        """
        try:
            self._check(self.path.lstat())
            descriptor = os.open(self.path / name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
            with os.fdopen(descriptor, "rb") as file:
                self._check(os.fstat(file.fileno()))
                content = file.read(most + 1)
        except FileNotFoundError:
            return None
        except OSError as error:
            self._refuse(error)
        if len(content) > most:
            raise StateUnusable(f"{self.path / name} is larger than {most} bytes; remove it")
        return content

    def remove(self, name: str) -> None:
        """Take the file away, if it is there.

        Raises:
            StateUnusable: it cannot be taken away.
        """
        try:
            (self.path / name).unlink(missing_ok=True)
        except NotADirectoryError:
            return
        except OSError as error:
            self._refuse(error)

    def remove_others(self, kept: str, pattern: str) -> None:
        """Take away all files that ``pattern`` matches, but ``kept``."""
        for path in self.path.glob(pattern):
            if path.name != kept:
                with suppress(OSError):
                    path.unlink()

    @contextmanager
    def locked(self) -> Generator[None]:
        """Keep other processes out of what takes more than one write.

        Raises:
            StateUnusable: the folder cannot be used.
        """
        try:
            self._made()
            descriptor = os.open(self.path / ".lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        except OSError as error:
            self._refuse(error)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)

    def _made(self) -> None:
        # `mkdir` gives its mode to the last folder alone; those further up are nobody's secret.
        self.path.parent.mkdir(mode=_PRIVATE, parents=True, exist_ok=True)
        self.path.mkdir(mode=_PRIVATE, exist_ok=True)
        self._check(self.path.lstat())

    def _check(self, found: os.stat_result) -> None:
        if found.st_uid != os.geteuid() or found.st_mode & _OTHERS or stat.S_ISLNK(found.st_mode):
            message = f"{self.path} must be the gateway's own, closed to others; chmod 700 it, or set `state_dir` anew"
            raise StateUnusable(message)

    def _flush(self) -> None:
        descriptor = os.open(self.path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def _refuse(self, error: OSError) -> NoReturn:
        message = (
            f"{self.path} cannot be used ({error.strerror}); set `state_dir` to a folder that the gateway may write"
        )
        raise StateUnusable(message) from error


def _write_new(path: Path, content: bytes) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
