"""What would have become of recorded requests if these policies had been in force?

Over the facts in the audit journal: no text is needed, no detector looks, and no key. What the records do not tell is
counted by itself.
"""

import os
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from rich import box
from rich.console import Console
from rich.table import Table

from gateway.activation.sources import FALLBACK, PolicyFile, Sources
from gateway.audit.looked import ONLY, Looked
from gateway.audit.places import Places
from gateway.audit.replay import Doubt, Outcome, Replay
from gateway.audit.search import Passed, Wanted, found
from gateway.audit.tried import Tried
from gateway.cli.audit.query import followed, tell
from gateway.cli.audit.when import shown
from gateway.cli.policy.changes import as_json, in_words, line, moved
from gateway.cli.policy.files import policy_files
from gateway.cli.policy.loaded import load
from gateway.cli.policy.report import counted, write_json
from gateway.cli.terminal import one_line, out
from gateway.cli.told import NO, WRONG, CommandFailed
from gateway.cli.where import config_path
from gateway.configuration.packs import PACKS, POLICY
from gateway.detectors.build import keys_of, vocabulary
from gateway.domain.verdict import Decision
from gateway.settings import load as load_settings
from policies.engine.vocabulary import BASE

_TOLD_WHY: Final = 20


@dataclass(slots=True)
class _Summary:
    """What came of all requests; at most ``limit`` of each kind are kept, None for all."""

    limit: int | None
    requests: int = 0
    answers: int = 0
    changed: int = 0
    stricter: int = 0
    looser: int = 0
    untold: int = 0
    moved: Counter[tuple[Decision, Decision]] = field(default_factory=Counter[tuple[Decision, Decision]])
    appeared: Counter[str] = field(default_factory=Counter[str])
    gone: Counter[str] = field(default_factory=Counter[str])
    why: Counter[Doubt] = field(default_factory=Counter[Doubt])
    changes: list[Outcome] = field(default_factory=list[Outcome])
    doubted: list[Outcome] = field(default_factory=list[Outcome])

    def take(self, outcome: Outcome) -> None:
        """Count one request on one way."""
        change = outcome.change
        self.requests += outcome.way == "in"
        self.answers += outcome.way == "out"
        if not outcome.told:
            self.untold += 1
            self.why.update(outcome.doubts)
            self._keep(self.doubted, outcome)
            return
        self.moved[change.before, change.after] += 1
        if outcome.changed:
            self.changed += 1
            self.stricter += change.stricter
            self.looser += change.looser
            self.appeared.update([str(name) for name in change.appeared])
            self.gone.update([str(name) for name in change.gone])
            self._keep(self.changes, outcome)

    def _keep(self, kept: list[Outcome], outcome: Outcome) -> None:
        if self.limit is None or len(kept) < self.limit:
            kept.append(outcome)


def replay(
    names: Sequence[str],
    places: Places,
    wanted: Wanted,
    config: Path | None,
    *,
    limit: int | None,
    written: str,
) -> int:
    """Print what would change; the answer is the exit code: 1 where anything would.

    Raises:
        CommandFailed: a file is no policy, or the journals cannot be read.
        ConfigError: nothing is named, and the configuration's files cannot be read.
    """
    passed = Passed()
    summary = _Summary(limit)
    tried = _tried(names, config)
    with followed() as begun:
        try:
            run = Replay(tried, _looked(places))
            for outcome in run.outcomes(found(places, wanted, passed, begun)):
                summary.take(outcome)
        except OSError as error:
            if error.filename is None:
                raise
            raise CommandFailed(f"{error.filename} cannot be read ({error.strerror})", code=WRONG) from None
    tell(passed, places)
    if written == "json":
        write_json(_as_json(summary, run))
    else:
        _print(summary, run)
    return NO if summary.changed else 0


def _looked(places: Places) -> Looked:
    """What all records say of policies that came into force, whenever that was."""
    looked = Looked()
    for fields in found(places, Wanted(phase="config"), Passed(), only=ONLY):
        looked.learn(fields)
    return looked


def _tried(names: Sequence[str], config: Path | None) -> Tried:
    """The policies that were named, or those of the configuration, and what stands where none of them does."""
    files = Sources(load_settings(config_path(config), os.environ, offline=True).policies).read() if not names else ()
    if names:
        files = (*policy_files(names, None), _fallback())
    return tried_of(files)


def tried_of(files: Sequence[PolicyFile]) -> Tried:
    """The policies of ``files``, one of which is the fallback.

    Raises:
        CommandFailed: a file is no policy, which has been told, or two have one name.
    """
    listed = load([file for file in files if file.listed], offline=True)
    (fallback,) = load([file for file in files if file.fallback], offline=True)
    # One that was named stands in place of the one that ships.
    fallback = next((policy for policy in listed if policy.name == fallback.name), fallback)
    every = (*listed, *([] if fallback in listed else [fallback]))
    facts = [*BASE.values(), *[fact for policy in every for fact in vocabulary(policy.detectors).values()]]
    return Tried(listed, fallback, keys_of(every), {fact.name: fact.type for fact in facts})


def _fallback() -> PolicyFile:
    path = PACKS / FALLBACK / POLICY
    return PolicyFile(file=str(path), raw=path.read_bytes(), listed=False, fallback=True)


def _as_json(summary: _Summary, run: Replay) -> Mapping[str, object]:
    return {
        "requests": summary.requests,
        "answers": summary.answers,
        "changed": summary.changed,
        "stricter": summary.stricter,
        "looser": summary.looser,
        "cannot_be_told": summary.untold,
        "answers_not_asked_for": run.unasked,
        "moved": [{"before": a, "after": b, "count": count} for (a, b), count in sorted(summary.moved.items())],
        "rules": [
            {"rule": rule, "appeared": summary.appeared[rule], "gone": summary.gone[rule]}
            for rule in sorted({*summary.appeared, *summary.gone})
        ],
        "unknown": [
            {"rule": doubt.rule, "fact": doubt.fact, "why": doubt.why, "count": count}
            for doubt, count in summary.why.most_common()
        ],
        "changes": [{**_told(one), **as_json(one.change)} for one in summary.changes],
        "doubted": [
            {**_told(one), "before": one.change.before, "rules": list(dict.fromkeys([d.rule for d in one.doubts]))}
            for one in summary.doubted
        ],
    }


def _told(one: Outcome) -> Mapping[str, object]:
    return {"request": one.request, "way": one.way, "time": one.time, "tenant": one.tenant, "model": one.model}


def _print(summary: _Summary, run: Replay) -> None:
    console = out()
    looked_at = f"{counted(summary.requests, 'request')} and {counted(summary.answers, 'answer')}"
    told = in_words(summary.changed, summary.stricter, summary.looser)
    console.print(f"{looked_at}: {told}, {summary.untold:,} cannot be told", style="bold")
    if summary.changed:
        console.print(moved(summary.moved, "ways"))
        console.print(_rules(summary))
        for one in summary.changes:
            console.print(line(one.change, _where(one)), soft_wrap=True)
        _print_rest(console, summary.changed - len(summary.changes))
    if summary.untold:
        _print_untold(console, summary)
    if run.unasked:
        console.print(f"not compared: {counted(run.unasked, 'answer')} of requests that would have been refused")


def _print_untold(console: Console, summary: _Summary) -> None:
    console.print(f"cannot be told: {summary.untold:,}", style="bold yellow")
    for doubt, count in summary.why.most_common(_TOLD_WHY):
        rule = f"{doubt.rule} " if doubt.rule else ""
        console.print(f"  {count:,} times {one_line(rule)}({one_line(doubt.fact)}): {doubt.why}", soft_wrap=True)
    if len(summary.why) > _TOLD_WHY:
        console.print(f"  and {len(summary.why) - _TOLD_WHY:,} more reasons; --format json has them all")
    for one in summary.doubted:
        console.print(f"{one_line(_where(one))}  {one.change.before} → ?", soft_wrap=True)
    _print_rest(console, summary.untold - len(summary.doubted))


def _print_rest(console: Console, left: int) -> None:
    if left:
        console.print(f"and {left:,} more; --all lists them, --format json for programs")


def _rules(summary: _Summary) -> Table:
    table = Table(box=box.SIMPLE, pad_edge=False, padding=(0, 1, 0, 0))
    table.add_column("rule", no_wrap=True)
    for heading in ("hits now", "no longer"):
        table.add_column(heading, justify="right")
    for rule in sorted({*summary.appeared, *summary.gone}):
        table.add_row(one_line(rule), f"{summary.appeared[rule]:,}", f"{summary.gone[rule]:,}")
    return table


def _where(one: Outcome) -> str:
    return f"{shown(one.time)}  {one.request}/{one.way}  {one.tenant}  {one.model}"
