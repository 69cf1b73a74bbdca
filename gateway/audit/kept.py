"""How is a small secret of the gateway's own made once, by whichever process comes first?

It is written beside its place and then linked there, which never replaces anything: the file is whole or absent, and
whoever comes second reads what the first one made. What others could read or write is refused.
"""

import os
import secrets
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Final

from gateway.domain.errors import StateUnusable

_OTHERS: Final = 0o077
_MOST_BYTES: Final = 64 * 1024


def kept_text(path: Path, make: Callable[[], str]) -> str:
    """The text in the file at ``path``, without the line end; where there is none, one that ``make`` gives.

    Raises:
        StateUnusable: it cannot be read or made, is empty, or is not this user's alone.
    """
    try:
        found = _read(path)
        if found is None:
            _publish(path, make())
            found = _read(path)
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is no text"
        raise StateUnusable(f"{path} cannot be used ({why}); let the gateway's user write its folder") from error
    if not found:
        raise StateUnusable(f"{path} is empty or went away; restore it from a backup, or remove it to begin anew")
    return found


def _read(path: Path) -> str | None:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    with os.fdopen(descriptor, "rb") as file:
        seen = os.fstat(file.fileno())
        if not stat.S_ISREG(seen.st_mode) or seen.st_uid != os.geteuid() or seen.st_mode & _OTHERS:
            raise StateUnusable(f"{path} must be a file of the gateway's own, closed to others; chmod 600 it")
        return file.read(_MOST_BYTES).decode().strip("\r\n")


def _publish(path: Path, text: str) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    try:
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(f"{text}\n".encode())
            file.flush()
            os.fsync(file.fileno())
        link_new(draft, path)
    finally:
        draft.unlink(missing_ok=True)


def link_new(draft: Path, path: Path) -> bool:
    """Put a finished draft at its place, for good; False where something is there already, which stays.

    Raises:
        OSError: it cannot be put there.
    """
    try:
        path.hardlink_to(draft)
    except FileExistsError:
        return False
    descriptor = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    return True
