"""What stands in a file, if it is one?

Files may be changed while the gateway runs, and a pipe or a device that has come to stand in the place of one would
hold up whoever opens it, for ever. The rule: nothing that is read again while the gateway runs is opened otherwise.
"""

import errno
import os
import stat
from pathlib import Path
from typing import Final

_FLAGS: Final = os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC


def read_regular(path: Path, most: int) -> bytes:
    """The first ``most`` bytes of the file.

    Raises:
        OSError: it cannot be read, or is no regular file.
    """
    descriptor = os.open(path, _FLAGS)
    try:
        _expect(os.fstat(descriptor))
        with os.fdopen(descriptor, "rb", closefd=False) as file:
            return file.read(most)
    finally:
        os.close(descriptor)


def expect_regular(*paths: Path | None) -> None:
    """Make sure that each of the files that there are to be is one, before a library opens it.

    Raises:
        OSError: one cannot be looked at, or is no regular file.
    """
    for path in paths:
        if path is not None:
            _expect(path.stat())


def _expect(found: os.stat_result) -> None:
    if not stat.S_ISREG(found.st_mode):
        raise OSError(errno.EINVAL, "it is no regular file")
