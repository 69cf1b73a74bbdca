"""What have all workers of a machine used in long windows, and since when does a worker not know it?

One row for each window of a bucket, with what all have used of it. Each change takes the next number of one sequence,
so that whoever remembers a number is told what changed after it. What a window held is forgotten once it counts no
more.
"""

import sqlite3
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from gateway.domain.errors import StateUnusable
from gateway.domain.value import value
from gateway.stores._sqlite_file import SqliteFile
from gateway.stores._sums import Sum

NAME: Final = "limits.sqlite3"
_VERSION: Final = 1
_SCHEMA: Final = """
CREATE TABLE sums (
    name TEXT NOT NULL,
    start INTEGER NOT NULL,
    amount INTEGER NOT NULL,
    expires INTEGER NOT NULL,
    changed INTEGER NOT NULL,
    PRIMARY KEY (name, start)
) STRICT, WITHOUT ROWID;
CREATE INDEX by_change ON sums (changed);
CREATE INDEX by_expiry ON sums (expires);
CREATE TABLE sequence (number INTEGER NOT NULL) STRICT;
INSERT INTO sequence VALUES (0);
"""
_NEXT: Final = "UPDATE sequence SET number = number + 1 RETURNING number"
_LAST: Final = "SELECT number FROM sequence"
_ADD: Final = """
INSERT INTO sums (name, start, amount, expires, changed) VALUES (?, ?, max(0, ?), ?, ?)
ON CONFLICT (name, start) DO UPDATE SET amount = max(0, amount + excluded.amount), changed = excluded.changed
"""
_TAKE_BACK: Final = "UPDATE sums SET amount = max(0, amount + ?), changed = ? WHERE name = ? AND start = ?"
_FORGET: Final = "DELETE FROM sums WHERE expires <= ?"
_CHANGED: Final = "SELECT name, start, amount, expires FROM sums WHERE changed > ?"


@value
class Heard:
    """What all have used where that changed, and the number to ask after the next time."""

    sums: tuple[Sum, ...]
    number: int


class CountsFile:
    """The file at ``path``, made at first use."""

    def __init__(self, path: Path, patience_s: float = 1.0) -> None:
        self._file = SqliteFile(path, patience_s, schema=_SCHEMA, version=_VERSION, unusable=_unusable)

    def exchange(self, more: Sequence[Sum], since: int, now: float) -> Heard:
        """Add ``more``, all or nothing of it, and hear what changed since the number ``since``, that included.

        Raises:
            StateUnusable: the file cannot be used; nothing was added.
        """
        with self._file.transaction() as connection:
            if more:
                self._add(connection, more, now)
            (number,) = connection.execute(_LAST).fetchone()
            # A file that was made anew counts from the beginning.
            known = since if since <= number else -1
            sums = [
                Sum(name=name, start=start, amount=amount, expires=expires)
                for name, start, amount, expires in connection.execute(_CHANGED, (known,))
            ]
        return Heard(sums=tuple(sums), number=number)

    def _add(self, connection: sqlite3.Connection, more: Sequence[Sum], now: float) -> None:
        (number,) = connection.execute(_NEXT).fetchone()
        connection.execute(_FORGET, (int(now),))
        for one in more:
            if one.amount < 0:
                connection.execute(_TAKE_BACK, (one.amount, number, one.name, one.start))
            else:
                connection.execute(_ADD, (one.name, one.start, one.amount, one.expires, number))


def _unusable(why: str) -> StateUnusable:
    return StateUnusable(f"{NAME} in `state_dir` cannot be used ({why})")
