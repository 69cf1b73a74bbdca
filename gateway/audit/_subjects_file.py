"""How are the wrapped keys of data subjects kept in one file that all processes share?

SQLite, its owner's alone, made beside its place and linked there whole. A key that is to be forgotten is deleted, its
place overwritten and the log of changes emptied, in which a copy may lie. What is left of it is that, and when, it was
erased.
"""

import os
import secrets
import sqlite3
import stat
import time
from collections.abc import Callable, Collection, Generator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from threading import Lock
from typing import Final

from gateway.audit.kept import link_new
from gateway.domain.errors import StateUnusable
from gateway.domain.value import value

_VERSION: Final = 1
_OTHERS: Final = 0o077
_WRITE_OF_OTHERS: Final = 0o022
_SCHEMA: Final = f"""
CREATE TABLE keys (
    pseudonym TEXT NOT NULL PRIMARY KEY,
    generation INTEGER NOT NULL,
    created INTEGER NOT NULL,
    wrapped BLOB NOT NULL
) STRICT;
CREATE TABLE erased (
    pseudonym TEXT NOT NULL,
    generation INTEGER NOT NULL,
    created INTEGER NOT NULL,
    time INTEGER NOT NULL,
    PRIMARY KEY (pseudonym, generation)
) STRICT;
CREATE TABLE master (mark BLOB NOT NULL) STRICT;
PRAGMA user_version = {_VERSION};
PRAGMA journal_mode = WAL;
"""
# A power cut must not take back a key that something is committed under, hence FULL. What SQLite writes aside stays in
# memory.
_EACH: Final = (
    "PRAGMA synchronous = FULL",
    "PRAGMA secure_delete = ON",
    "PRAGMA trusted_schema = OFF",
    "PRAGMA temp_store = MEMORY",
)


@value
class Erased:
    """A key that is gone: when it was made and when it was destroyed, in microseconds since the epoch."""

    created: int
    time: int


class SubjectsFile:
    """The file at ``path``, made at first use; safe to use from several threads.

    ``mark`` tells one master key from another, ``wall`` gives microseconds since the epoch. Others are waited for at
    most ``patience_s`` seconds. Every method raises ``StateUnusable`` where the file cannot be used.
    """

    def __init__(self, path: Path, mark: bytes, wall: Callable[[], int], patience_s: float) -> None:
        self._path = path.absolute()
        self._mark = mark
        self._wall = wall
        self._patience_s = patience_s
        self._lock = Lock()
        self._connection: sqlite3.Connection | None = None
        self._opened: tuple[int, int] | None = None

    @property
    def is_there(self) -> bool:
        """Whether any key was ever made."""
        return os.path.lexists(self._path)

    def wrapped(self, row: str) -> bytes | None:
        """The key of ``row``, if there is one."""
        with self._used() as connection:
            return _wrapped(connection, row)

    def wrapped_or_made(self, rows: Collection[str], make: Callable[[str], bytes]) -> Mapping[str, bytes]:
        """The same of several; where there is none, what ``make`` gives becomes it, unless another process was faster.

        All that are made are durable by one write.
        """
        with self._used() as connection:
            found = {row: key for row in rows if (key := _wrapped(connection, row)) is not None}
            missing = [row for row in rows if row not in found]
            if missing:
                connection.execute("BEGIN IMMEDIATE")
                for row in missing:
                    found[row] = _wrapped(connection, row) or self._made(connection, row, make(row))
                connection.execute("COMMIT")
            return found

    def erased(self, row: str) -> tuple[Erased, ...]:
        """The keys that ``row`` once had, the oldest first."""
        with self._used() as connection:
            found = connection.execute(
                "SELECT created, time FROM erased WHERE pseudonym = ? ORDER BY generation", (row,)
            ).fetchall()
        return tuple([Erased(created=created, time=gone) for created, gone in found])

    def destroy(self, row: str) -> bool:
        """Delete the key of ``row`` for good; False where there was none.

        In either case nothing deleted is left in the file or beside it, also of an earlier try that was cut short.
        """
        with self._used() as connection:
            connection.execute("BEGIN IMMEDIATE")
            there = connection.execute(
                "INSERT INTO erased SELECT pseudonym, generation, created, ? FROM keys WHERE pseudonym = ?",
                (self._wall(), row),
            ).rowcount
            connection.execute("DELETE FROM keys WHERE pseudonym = ?", (row,))
            connection.execute("COMMIT")
            self._empty_log(connection)
            return there > 0

    def close(self) -> None:
        """Close the file; it is opened again where it is needed."""
        with self._lock:
            self._drop()

    def _made(self, connection: sqlite3.Connection, row: str, key: bytes) -> bytes:
        connection.execute(
            "INSERT INTO keys SELECT ?, 1 + count(*), ?, ? FROM erased WHERE pseudonym = ?",
            (row, self._wall(), key, row),
        )
        return key

    def _empty_log(self, connection: sqlite3.Connection) -> None:
        until = time.monotonic() + self._patience_s
        while True:
            # Busy while another process reads what is to be forgotten: that takes it a moment.
            ((busy, _, _),) = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
            if not busy:
                return
            if time.monotonic() > until:
                raise _unusable("another process keeps reading it, so that a deleted key may still lie beside it")
            time.sleep(0.01)

    @contextmanager
    def _used(self) -> Generator[sqlite3.Connection]:
        with self._lock:
            try:
                yield self._ready()
            except (sqlite3.Error, OSError) as error:
                self._drop()
                raise _unusable(type(error).__name__) from error
            except BaseException:
                self._drop()
                raise

    def _ready(self) -> sqlite3.Connection:
        if not self.is_there:
            # Where the file was taken away its connection would write into nothing.
            self._drop()
            self._make()
        _check_folder(self._path.parent.stat())
        seen = self._path.lstat()
        _check(seen)
        if self._connection is None or self._opened != (seen.st_dev, seen.st_ino):
            self._drop()
            self._connection = _connected(self._path, self._patience_s)
            self._opened = (seen.st_dev, seen.st_ino)
            self._prepare(self._connection)
        return self._connection

    def _drop(self) -> None:
        if self._connection is not None:
            self._connection.close()
        self._connection = self._opened = None

    def _prepare(self, connection: sqlite3.Connection) -> None:
        for pragma in _EACH:
            connection.execute(pragma)
        if connection.execute("PRAGMA user_version").fetchall() != [(_VERSION,)]:
            raise _unusable("it is another release's")
        if connection.execute("SELECT mark FROM master").fetchall() != [(self._mark,)]:
            raise StateUnusable(
                "the keys of data subjects are wrapped by another master key; set `audit.master_key` to that one, or "
                "move subjects.sqlite3 out of `audit.dir`"
            )

    def _make(self) -> None:
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        draft = self._path.with_name(f".{self._path.name}.{secrets.token_hex(8)}")
        try:
            os.close(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
            with closing(_connected(draft, self._patience_s)) as connection:
                connection.executescript(_SCHEMA)
                connection.execute("INSERT INTO master VALUES (?)", (self._mark,))
            link_new(draft, self._path)
        finally:
            draft.unlink(missing_ok=True)


def _wrapped(connection: sqlite3.Connection, row: str) -> bytes | None:
    # All rows are fetched: a statement that is not at its end would keep others from emptying the log.
    found = connection.execute("SELECT wrapped FROM keys WHERE pseudonym = ?", (row,)).fetchall()
    return found[0][0] if found else None


def _connected(path: Path, patience_s: float) -> sqlite3.Connection:
    # `rw` opens what is there, and makes nothing. The lock above sees to it that one thread at a time uses it.
    return sqlite3.connect(
        f"{path.as_uri()}?mode=rw", uri=True, timeout=patience_s, isolation_level=None, check_same_thread=False
    )


def _unusable(why: str) -> StateUnusable:
    return StateUnusable(
        f"the keys of data subjects cannot be used ({why}); see to subjects.sqlite3 in `audit.dir`: the gateway's own, "
        "writable, with room on the disk"
    )


def _check(seen: os.stat_result) -> None:
    if seen.st_uid != os.geteuid() or seen.st_mode & _OTHERS or not stat.S_ISREG(seen.st_mode):
        raise _unusable("it must be the gateway's own and closed to others")
    if not seen.st_mode & stat.S_IWUSR:
        raise _unusable("it must be writable")


def _check_folder(seen: os.stat_result) -> None:
    if seen.st_mode & _WRITE_OF_OTHERS:
        raise _unusable("others may write its folder")
