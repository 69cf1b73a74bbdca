"""How are old epochs taken away without the journal losing its proof?"""

import asyncio
import os
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import typer
from rich.filesize import decimal
from rich.progress import Progress, SpinnerColumn, TextColumn

from gateway.audit.note import VerifierKey
from gateway.audit.prune import Candidate, Pruning
from gateway.cli.audit.key import given_keys
from gateway.cli.audit.reach import own_log
from gateway.cli.audit.when import shown
from gateway.cli.terminal import err
from gateway.cli.told import NO, CommandFailed, say
from gateway.recorded import opened
from gateway.settings import Settings, load


def run(before: int, config: Path | None, keys: Sequence[str], *, dry_run: bool, force_unshipped: bool) -> int:
    """Prune what ended before then, one line an epoch; the exit code: 1 where something had to stay.

    Raises:
        CommandFailed: the journals cannot be read or written.
        ConfigError: the configuration cannot be used.
        AuditUnavailable: the registry is damaged, or nothing can be recorded.
    """
    settings = _knowing(load(config, os.environ), given_keys(keys))
    sinks = [] if force_unshipped else [sink.name for sink in settings.audit.ship]
    pruning = Pruning(own_log(settings), sinks)
    try:
        with _followed() as progress:
            found = pruning.candidates(before, progress)
        for candidate in found:
            if candidate.refusal is not None:
                say(f"stays: {candidate.epoch}: {candidate.refusal}")
        free = [candidate for candidate in found if candidate.refusal is None]
        left = pruning.unfinished()
        if dry_run:
            _tell("would be pruned", free)
        elif free or left:
            asyncio.run(_prune(settings, pruning, free, left))
    except OSError as error:
        where = "" if error.filename is None else f" at {error.filename}"
        raise CommandFailed(f"cut short{where} ({error.strerror}); run the same command again", code=NO) from None
    if not free and not left:
        say("nothing to prune")
    return NO if len(free) < len(found) else 0


def _knowing(settings: Settings, earlier: Sequence[VerifierKey]) -> Settings:
    known = (*settings.audit.earlier_keys, *earlier)
    return replace(settings, audit=replace(settings.audit, earlier_keys=known))


async def _prune(settings: Settings, pruning: Pruning, free: Sequence[Candidate], left: Sequence[str]) -> None:
    for epoch in left:
        pruning.finish(epoch)
        say(f"finished: {epoch}: the rest of an epoch that was pruned before is gone")
    if not free:
        return
    # An epoch of the command's own answers for what it does.
    async with opened(settings, "cli") as journal:
        by = journal.epoch or ""
        for candidate in free:
            await asyncio.to_thread(pruning.prune, candidate, by)
            _tell("pruned", [candidate])


def _tell(what: str, candidates: Sequence[Candidate]) -> None:
    for one in candidates:
        typer.echo(f"{what}: {one.epoch}: {one.size} records, {decimal(one.bytes)}, ended {shown(one.ended)}")


@contextmanager
def _followed() -> Generator[Callable[[int], None]]:
    """How many records were looked at, on stderr, where somebody watches."""
    console = err()
    if not console.is_terminal:
        yield lambda _records: None
        return
    columns = (SpinnerColumn(), TextColumn("looking at what was signed: {task.completed} records"))
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task("", total=None)
        yield lambda records: progress.advance(task, records)
