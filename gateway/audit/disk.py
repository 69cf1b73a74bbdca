"""How do bytes reach the disk for good?

The one seam between the journal and the file system: every call either did it durably or raised ``OSError``. A file
that failed once is never written to again, since nobody can tell what of it the kernel still has.
"""

import os
import secrets
from pathlib import Path
from typing import Final

from gateway.audit.opening import open_safely

_PRIVATE_FOLDER: Final = 0o700
_PRIVATE_FILE: Final = 0o600
_APPEND: Final = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_DSYNC
_DRAFT: Final = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW


class Disk:
    """Real files. All methods raise ``OSError``."""

    def __init__(self) -> None:
        # Which files are open, by descriptor: that never changes while one is.
        self._files: dict[int, tuple[int, int]] = {}

    def make_folder(self, path: Path) -> None:
        """Make a folder, and those above it that are missing, for this user alone."""
        missing = [folder for folder in (path, *path.parents) if not folder.exists()]
        for folder in reversed(missing):
            folder.mkdir(mode=_PRIVATE_FOLDER, exist_ok=True)
            self._flush(folder.parent)

    def open_to_append(self, path: Path) -> int:
        """A descriptor whose writes are durable when they return (``O_DSYNC``)."""
        descriptor = open_safely(path, _APPEND, _PRIVATE_FILE)
        held = os.fstat(descriptor)
        self._files[descriptor] = (held.st_dev, held.st_ino)
        self._flush(path.parent)
        return descriptor

    def append(self, descriptor: int, content: bytes) -> None:
        """Append all of ``content``, durably."""
        written = os.write(descriptor, content)
        while written < len(content):
            written += os.write(descriptor, content[written:])

    def stands(self, descriptor: int, path: Path | str, size: int) -> bool:
        """Whether ``path`` still is the open file, and holds ``size`` bytes: nobody removed, replaced or cut it."""
        try:
            there = os.lstat(path)
        except FileNotFoundError:
            return False
        return there.st_size == size and (there.st_dev, there.st_ino) == self._files[descriptor]

    def close(self, descriptor: int) -> None:
        os.close(descriptor)

    def publish(self, path: Path, content: bytes) -> None:
        """Make a new file, whole or not at all."""
        # A name that nobody can guess, and have something lie there already.
        draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
        descriptor = os.open(draft, _DRAFT, _PRIVATE_FILE)
        try:
            try:
                self.append(descriptor, content)
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
            draft.rename(path)
        except BaseException:
            draft.unlink(missing_ok=True)
            raise
        self._flush(path.parent)

    def _flush(self, folder: Path) -> None:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
