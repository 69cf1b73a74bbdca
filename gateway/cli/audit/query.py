"""Which records of the journal are there of this kind?

One line a record, as they are found: nothing is collected first, however large the journal is.
"""

import sys
import time
from collections.abc import Callable, Generator, Iterable
from contextlib import contextmanager
from itertools import islice
from typing import Final, Literal, TypeAlias

import typer
from rich.cells import cell_len, set_cell_size
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from rich.text import Text

from gateway.audit.line import Fields, canonical
from gateway.audit.places import Places
from gateway.audit.search import Passed, Wanted, found, number_of, rules_of, tenant_of, text_of, time_of
from gateway.cli.audit.when import shown
from gateway.cli.terminal import err, one_line, out, visible_json
from gateway.cli.told import NO, CommandFailed, say

Written: TypeAlias = Literal["table", "json", "jsonl"]
Begun: TypeAlias = Callable[[int, int], None]

_WIDTH: Final = 100
# Heading and width; what is left of the line goes to the rules.
_COLUMNS: Final = (("time", 20), ("phase", 9), ("request", 9), ("tenant", 10), ("model", 14), ("decision", 8), ("", 5))
_SHORT: Final = {"require_approval": "approval"}
_STYLES: Final = {"block": "red", "require_approval": "yellow", "redact": "yellow"}


def now() -> int:
    """Microseconds since the epoch."""
    return time.time_ns() // 1000


def query(places: Places, wanted: Wanted, *, limit: int | None, written: Written) -> None:
    """Print the records that are meant, the oldest first; what could not be read is told on stderr.

    Raises:
        CommandFailed: the folder cannot be read.
    """
    passed = Passed()
    # A list that is written to the same terminal would run into it.
    with followed(quiet=sys.stdout.isatty()) as begun:
        try:
            _print(islice(found(places, wanted, passed, begun), limit), written)
        except OSError as error:
            if error.filename is None:
                raise
            raise CommandFailed(f"{error.filename} cannot be read ({error.strerror})", code=NO) from None
    tell(passed, places)


@contextmanager
def followed(*, quiet: bool = False) -> Generator[Begun]:
    """How far the search is, on stderr, where somebody watches and it is not to be ``quiet``."""
    console = err()
    if quiet or not console.is_terminal:
        yield lambda _number, _of: None
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task("epochs")
        yield lambda number, of: progress.update(task, completed=number, total=of)


def tell(passed: Passed, places: Places) -> None:
    """Say on stderr what could not be read."""
    if passed.lines:
        some = "1 line is no record" if passed.lines == 1 else f"{passed.lines} lines are no records"
        say(f"note: {some}; `splitgate audit verify {places.root}` tells which")
    for why in passed.epochs:
        say(f"note: not read: {why}")


def _print(records: Iterable[Fields], written: Written) -> None:
    if written == "table":
        _table(records)
    elif written == "jsonl":
        for fields in records:
            typer.echo(_line(fields))
    else:
        before = "["
        for fields in records:
            typer.echo(before + _line(fields))
            before = ","
        typer.echo("]" if before == "," else "[]")


def _line(fields: Fields) -> str:
    """The record's own line; for a terminal with escapes for what could drive it."""
    line = canonical(fields).decode()
    return visible_json(line) if sys.stdout.isatty() else line


def _table(records: Iterable[Fields]) -> None:
    console = out()
    rules = max(console.width, _WIDTH) - sum(width + 1 for _, width in _COLUMNS)
    heading = " ".join([*[set_cell_size(name, width) for name, width in _COLUMNS], "rules"])
    console.print(Text(heading, style="bold"), soft_wrap=True)
    for fields in records:
        console.print(_row(fields, rules), soft_wrap=True)


def _row(fields: Fields, rules: int) -> Text:
    decision = text_of(fields, "decision")
    status = number_of(fields, "status")
    cells = (
        shown(time_of(fields)),
        text_of(fields, "phase"),
        text_of(fields, "request")[:8],
        tenant_of(fields),
        text_of(fields, "model"),
        _SHORT.get(decision, decision),
        "" if status is None else str(status),
    )
    row = Text()
    for cell, (name, width) in zip(cells, _COLUMNS, strict=True):
        row.append(_cut(cell, width), style=_STYLES.get(decision, "") if name == "decision" else "")
        row.append(" ")
    row.append(_cut(", ".join([text_of(fields, "error"), *rules_of(fields)]).removeprefix(", "), rules).rstrip())
    return row


def _cut(text: str, width: int) -> str:
    """The text in exactly ``width`` cells."""
    cell = one_line(text)
    return set_cell_size(cell, width) if cell_len(cell) <= width else set_cell_size(cell, width - 1) + "…"
