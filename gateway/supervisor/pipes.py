"""How is a process told something that stands neither in its variables nor in its command?"""

import errno
import fcntl
import os
import sys
from contextlib import suppress
from typing import Final

# What is told can be longer than a pipe holds: it is read in pieces of at most this many bytes.
PIECE: Final = 65_536


def pipe_that_holds(told: bytes) -> int:
    """The end to read of a pipe that holds all of ``told``, whose other end is closed.

    Raises:
        OSError: it does not fit into a pipe of this system's.
    """
    near, far = os.pipe()
    try:
        if written_whole(far, told):
            return near
    finally:
        os.close(far)
    os.close(near)
    raise OSError(errno.EFBIG, "what it is told does not fit into a pipe")


def written_whole(pipe: int, told: bytes) -> bool:
    """Whether all of ``told`` went into the pipe, without waiting for whoever reads it."""
    if sys.platform == "linux":  # 64 KiB by default, and a megabyte for whoever asks
        with suppress(PermissionError):
            fcntl.fcntl(pipe, fcntl.F_SETPIPE_SZ, max(len(told), PIECE))
    os.set_blocking(pipe, False)
    try:
        return os.write(pipe, told) == len(told)
    except (BlockingIOError, BrokenPipeError):
        return False
