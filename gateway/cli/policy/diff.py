"""Which verdicts over a corpus would change if one set of policies took the place of another?"""

import os
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from gateway.activation.rehearse import scanning
from gateway.cli.callers import caller_named
from gateway.cli.policy.changes import as_json, counts, line, moved
from gateway.cli.policy.corpus import Item, Reading, read_corpora
from gateway.cli.policy.files import policy_files
from gateway.cli.policy.judge import Judge, as_written
from gateway.cli.policy.loaded import load, tell_unasked
from gateway.cli.policy.progress import followed
from gateway.cli.policy.report import counted, write_json
from gateway.cli.policy.verdicts import judged
from gateway.cli.terminal import out
from gateway.cli.told import NO
from gateway.cli.where import config_path
from gateway.domain.detection import Stage
from gateway.domain.verdict import Verdict
from gateway.settings import Settings
from gateway.settings import load as load_settings
from policies.engine.compare import Comparison, compare

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
        "changes": [{"where": items[change.index].where, **as_json(change)} for change in comparison.changes],
    }


def _print(comparison: Comparison, items: Sequence[Item], *, every: bool) -> None:
    console = out()
    changes = comparison.changes
    console.print(f"{counted(comparison.texts, 'text')}: {counts(changes)}", style="bold")
    if not changes:
        return
    console.print(moved(comparison.moved, "texts"))
    shown = changes if every else changes[:_LISTED]
    for change in shown:
        console.print(line(change, items[change.index].where), soft_wrap=True)
    if len(shown) < len(changes):
        console.print(f"and {len(changes) - len(shown):,} more; --all lists them, --format json for programs")
