"""How does what was written get to the disk, and stay there when the power fails?

Whatever is appended here is compared first with what stands there already, and nothing is ever cut or overwritten: it
works in folders that can only be added to.
"""

import os
import sys
from pathlib import Path
from typing import Final

from gateway.audit.opening import open_safely
from gateway.audit.ship.failure import Disputed, Shortened

_FOLDER_MODE: Final = 0o750
_FILE_MODE: Final = 0o640
_OPEN: Final = os.O_RDWR | os.O_APPEND


def flush_file(descriptor: int) -> None:
    """Flush what was written to a file; its times may be lost."""
    if sys.platform == "darwin":
        os.fsync(descriptor)
    else:
        os.fdatasync(descriptor)


def flush_path(path: Path) -> None:
    """The same for a file that is not open, whoever wrote to it.

    Raises:
        OSError: it cannot be opened or flushed.
    """
    descriptor = open_safely(path)
    try:
        flush_file(descriptor)
    finally:
        os.close(descriptor)


def flush_folder(path: Path) -> None:
    """Flush the names that a folder holds."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def make_folders(root: Path, folder: Path) -> None:
    """Make ``folder`` and those above it, up to ``root``, which must be there: what is not mounted is not replaced.

    Raises:
        OSError: that cannot be done.
    """
    missing = [path for path in (folder, *folder.parents) if path.is_relative_to(root) and path != root]
    for path in reversed(missing):
        if not path.is_dir():
            path.mkdir(mode=_FOLDER_MODE, exist_ok=True)
            flush_folder(path.parent)


def append(path: Path, offset: int, content: bytes) -> None:
    """Have ``content`` stand at ``offset`` of a file that is made if it is not there; what stands there stays.

    Raises:
        OSError: that cannot be done.
        Disputed: something else stands there.
        Shortened: the file ends before ``offset``.
    """
    made = False
    try:
        descriptor = open_safely(path, _OPEN)
    except FileNotFoundError:
        descriptor, made = open_safely(path, _OPEN | os.O_CREAT | os.O_EXCL, _FILE_MODE), True
    try:
        size = os.fstat(descriptor).st_size
        if size < offset:
            raise Shortened
        there = _read(descriptor, offset, min(size - offset, len(content)))
        if there != content[: len(there)]:
            raise Disputed
        _write(descriptor, content[len(there) :])
        flush_file(descriptor)
    finally:
        os.close(descriptor)
    if made:
        flush_folder(path.parent)


def _read(descriptor: int, offset: int, length: int) -> bytes:
    found = b""
    while len(found) < length and (piece := os.pread(descriptor, length - len(found), offset + len(found))):
        found += piece
    return found


def _write(descriptor: int, content: bytes) -> None:
    left = memoryview(content)
    while left:
        left = left[os.write(descriptor, left) :]
