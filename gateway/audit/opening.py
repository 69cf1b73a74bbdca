"""How is a file opened in a folder where somebody may have put anything in its place?

No link is followed, no pipe or device is waited for, and nothing is read whole whose size was not looked at: whoever
can write into a journal's folder must not be able to stop those who read it.
"""

import errno
import os
import stat
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Final

# What is read at most, in bytes: of a line with its line feed, of an entry of the registry or another small file, and
# of a file of checkpoints.
MOST_LINE: Final = 16 * 1024 * 1024
MOST_SMALL: Final = 64 * 1024
MOST_NOTES: Final = 64 * 1024 * 1024

_READ: Final = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


class Unfit(OSError):
    """What stands there is nothing that a gateway wrote: no regular file, or one that is far too large."""


def open_safely(path: Path, flags: int = _READ, mode: int = 0o600) -> int:
    """A descriptor of a regular file; ``flags`` are completed so that nothing is followed or waited for.

    Raises:
        Unfit: it is something else.
        OSError: it cannot be opened.
    """
    try:
        descriptor = os.open(path, flags | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, mode)
    except OSError as error:
        if error.errno in {errno.ELOOP, errno.EMLINK, errno.ENXIO, errno.EISDIR}:
            raise Unfit(error.errno, error.strerror, str(path)) from error
        raise
    if stat.S_ISREG(os.fstat(descriptor).st_mode):
        return descriptor
    os.close(descriptor)
    raise Unfit(errno.EINVAL, "it is no regular file", str(path))


@contextmanager
def reading(path: Path) -> Generator[BinaryIO]:
    """A regular file to read from; raises as ``open_safely`` does."""
    with os.fdopen(open_safely(path), "rb") as file:
        yield file


def read_whole(path: Path, most: int = MOST_SMALL) -> bytes:
    """All of a file that has at most ``most`` bytes.

    Raises:
        Unfit: it has more, or is no regular file.
        OSError: it cannot be read.
    """
    with reading(path) as file:
        raw = b"" if size_of(file) > most else file.read(most + 1)
        if size_of(file) > most:
            raise Unfit(errno.EFBIG, f"it has more than {most:,} bytes", str(path))
    return raw


def is_unfit(path: Path) -> bool:
    """Whether something stands there that is no regular file."""
    try:
        return not stat.S_ISREG(path.lstat().st_mode)
    except (FileNotFoundError, NotADirectoryError):
        return False


def size_of(file: BinaryIO) -> int:
    """How many bytes an open file has now."""
    return os.fstat(file.fileno()).st_size


def lines_of(file: BinaryIO, most: int = MOST_LINE) -> Iterator[bytes]:
    """The lines of a file with their line feeds; one that is longer than ``most`` is the last, and cut behind that."""
    while line := file.readline(most + 1):
        yield line
        if len(line) > most:
            return
