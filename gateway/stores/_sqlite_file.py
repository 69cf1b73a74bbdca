"""How is a SQLite file made and opened that all workers of a machine share?

Its owner's alone, and made beside its place and then renamed, so that it is whole or absent. The rule: each piece of
work is one transaction over a connection of its own, so that a file that is gone, locked, full, damaged or open to
others is noticed by whoever needs it next.
"""

import fcntl
import os
import secrets
import sqlite3
import stat
from collections.abc import Callable, Generator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Final

from gateway.domain.errors import GatewayError

_OTHERS: Final = 0o077
# A power cut must not bring back what was forgotten, hence FULL.
_EACH: Final = ("PRAGMA synchronous = FULL", "PRAGMA secure_delete = ON", "PRAGMA trusted_schema = OFF")


class SqliteFile:
    """The file at ``path``, made at first use by ``schema``, whose ``user_version`` is ``version``.

    Others are waited for at most ``patience_s`` seconds. ``unusable`` makes an error of a reason in a few words.
    """

    def __init__(
        self, path: Path, patience_s: float, *, schema: str, version: int, unusable: Callable[[str], GatewayError]
    ) -> None:
        self._path = path.absolute()
        self._patience_s = patience_s
        self._schema = f"{schema}\nPRAGMA user_version = {version};\nPRAGMA journal_mode = WAL;\n"
        self._version = version
        self._unusable = unusable
        self._made = False

    @property
    def is_there(self) -> bool:
        """Whether anything was ever kept."""
        return os.path.lexists(self._path)

    @contextmanager
    def transaction(self) -> Generator[sqlite3.Connection]:
        """Do something whole or not at all, alone among all workers; leaving by an error takes it back.

        Raises:
            GatewayError: by ``unusable``; the file cannot be used, or what was done did not get to the disk.
        """
        try:
            self._ready()
            with closing(_connected(self._path, self._patience_s)) as connection:
                self._prepare(connection)
                connection.execute("BEGIN IMMEDIATE")
                yield connection
                connection.execute("COMMIT")
        except (sqlite3.Error, OSError) as error:
            # A file that went away is told of once, and then made anew.
            self._made = False
            raise self._unusable(type(error).__name__) from error

    def _ready(self) -> None:
        if not self._made:
            self._make()
            self._made = True
        # By `lstat` alone: closing a descriptor of the file would drop the locks of this process's other threads.
        self._check(self._path.parent.lstat())
        self._check(self._path.lstat())

    def _make(self) -> None:
        folder = self._path.parent
        # `mkdir` gives its mode to the last folder alone; those further up are nobody's secret.
        folder.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        folder.mkdir(mode=0o700, exist_ok=True)
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            # One worker makes the file; the others wait and find it.
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            if not self._path.exists():
                self._make_file(folder / f".{self._path.name}.{secrets.token_hex(8)}")
                os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def _make_file(self, draft: Path) -> None:
        try:
            os.close(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
            with closing(_connected(draft, self._patience_s)) as connection:
                connection.executescript(self._schema)
            draft.rename(self._path)
        finally:
            draft.unlink(missing_ok=True)

    def _prepare(self, connection: sqlite3.Connection) -> None:
        for pragma in _EACH:
            connection.execute(pragma)
        if connection.execute("PRAGMA user_version").fetchone() != (self._version,):
            raise self._unusable("it is another release's")

    def _check(self, found: os.stat_result) -> None:
        if found.st_uid != os.geteuid() or found.st_mode & _OTHERS or stat.S_ISLNK(found.st_mode):
            raise self._unusable("file and folder must be the gateway's own and closed to others")
        if not found.st_mode & stat.S_IWUSR:
            # SQLite would leave files beside it that nobody could write any more.
            raise self._unusable("file and folder must be writable")


def _connected(path: Path, patience_s: float) -> sqlite3.Connection:
    # `rw` opens what is there, and makes nothing.
    return sqlite3.connect(f"{path.as_uri()}?mode=rw", uri=True, timeout=patience_s, isolation_level=None)
