"""Which verdicts over a corpus would change if one set of policies took the place of another?"""

import os
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

from rich import box
from rich.table import Table
from rich.text import Text

from gateway.activation.rehearse import scanning
from gateway.cli.policy.corpus import Item, Reading, read_corpora
from gateway.cli.policy.files import policy_files
from gateway.cli.policy.judge import Judge, as_written, caller_named
from gateway.cli.policy.loaded import load, tell_unasked
from gateway.cli.policy.progress import followed
from gateway.cli.policy.report import counted, write_json
from gateway.cli.policy.verdicts import judged
from gateway.cli.terminal import one_line, out
from gateway.cli.told import NO
from gateway.cli.where import config_path
from gateway.domain.detection import Stage
from gateway.domain.verdict import Verdict
from gateway.settings import Settings
from gateway.settings import load as load_settings
from policies.engine.compare import Change, Comparison, compare

# Changes beyond these are counted, unless all are asked for.
_LISTED: Final = 20


def diff(
    sides: tuple[str, str],
    corpora: Sequence[Path],
    config: Path | None,
    *,
    field: str | None,
    stage: str,
    key: str | None,
    every: bool,
    ask: bool,
    written: str,
) -> int:
    """Print what changes; the answer is the exit code: 1 where anything does.

    Raises:
        CommandFailed: a file is not there, is no policy, or the corpus cannot be read.
    """
    settings = load_settings(config_path(config), os.environ, offline=True)
    before, after = sides
    items = read_corpora(corpora, Reading(field=field, stage=Stage(stage)))
    old = _verdicts(before, items, settings, key=key, ask=ask)
    new = _verdicts(after, items, settings, key=key, ask=ask)
    kept = [index for index in range(len(items)) if old[index] is not None and new[index] is not None]
    compared = [items[index] for index in kept]
    comparison = compare(_there(old, kept), _there(new, kept))
    if written == "json":
        write_json(_as_json(comparison, compared))
    else:
        _print(comparison, compared, every=every)
    return NO if comparison.changes else 0


def _verdicts(
    name: str, items: Sequence[Item], settings: Settings, *, key: str | None, ask: bool
) -> list[Verdict | None]:
    policies = load(policy_files([name], None), offline=not ask)
    tell_unasked(policies, ask=ask)
    with scanning(policies, ask=ask) as (scanner, instances), followed(name, len(items)) as step:
        judge = Judge(
            choose=as_written(policies, instances),
            scanner=scanner,
            caller=caller_named(settings, key),
            models=settings.models,
            now=time.time(),
        )
        return judged(judge, items, step)


def _there(verdicts: Sequence[Verdict | None], kept: Sequence[int]) -> list[Verdict]:
    return [verdict for index in kept if (verdict := verdicts[index]) is not None]


def _as_json(comparison: Comparison, items: Sequence[Item]) -> Mapping[str, object]:
    return {
        "texts": comparison.texts,
        "changed": len(comparison.changes),
        "stricter": sum(change.stricter for change in comparison.changes),
        "looser": sum(change.looser for change in comparison.changes),
        "moved": [
            {"before": before, "after": after, "texts": count} for (before, after), count in comparison.moved.items()
        ],
        "changes": [
            {
                "where": items[change.index].where,
                "before": change.before,
                "after": change.after,
                "appeared": [str(name) for name in change.appeared],
                "gone": [str(name) for name in change.gone],
            }
            for change in comparison.changes
        ],
    }


def _print(comparison: Comparison, items: Sequence[Item], *, every: bool) -> None:
    console = out()
    changes = comparison.changes
    stricter, looser = sum(c.stricter for c in changes), sum(c.looser for c in changes)
    counts = f"{stricter} stricter, {looser} looser, {len(changes) - stricter - looser} by other rules alone"
    console.print(f"{counted(comparison.texts, 'text')}: {len(changes):,} changed ({counts})", style="bold")
    if not changes:
        return
    table = Table(box=box.SIMPLE, pad_edge=False, padding=(0, 1, 0, 0))
    for heading in ("before", "after"):
        table.add_column(heading, no_wrap=True)
    table.add_column("texts", justify="right")
    for (before, after), count in sorted(comparison.moved.items()):
        table.add_row(before, after, f"{count:,}")
    console.print(table)
    shown = changes if every else changes[:_LISTED]
    for change in shown:
        console.print(_line(change, items[change.index].where), soft_wrap=True)
    if len(shown) < len(changes):
        console.print(f"and {len(changes) - len(shown):,} more; --all lists them, --format json for programs")


def _line(change: Change, where: str) -> Text:
    style = "red" if change.stricter else "green" if change.looser else "yellow"
    rules = " ".join(_signed(change))
    told = change.after if change.before == change.after else f"{change.before} → {change.after}"
    return Text.assemble((one_line(where), ""), "  ", (told, style), "  ", rules)


def _signed(change: Change) -> Iterator[str]:
    yield from (f"+{name}" for name in change.appeared)
    yield from (f"-{name}" for name in change.gone)
