"""How far is a long run? Told on stderr, and only where somebody watches."""

from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Final

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from gateway.cli.terminal import err

# Fewer are done before anybody could read it.
_WORTH_IT: Final = 50


@contextmanager
def followed(what: str, total: int) -> Generator[Callable[[], None]]:
    """What is to be called at each of ``total`` steps."""
    console = err()
    if not console.is_terminal or total < _WORTH_IT:
        yield lambda: None
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task(what, total=total)
        yield lambda: progress.advance(task)
