"""How often do rules hit texts in which there is nothing to find?

Every policy is taken as enforced for everybody, so that one in shadow can be judged before it acts.
"""

import math
import os
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from rich import box
from rich.table import Table

from gateway.activation.rehearse import scanning
from gateway.cli.policy.corpus import Item, Reading, read_corpora
from gateway.cli.policy.files import policy_files
from gateway.cli.policy.judge import Judge, as_enforced
from gateway.cli.policy.loaded import load, tell_unasked
from gateway.cli.policy.progress import followed
from gateway.cli.policy.report import counted, write_json
from gateway.cli.policy.verdicts import judged
from gateway.cli.terminal import one_line, out
from gateway.cli.told import NO, WRONG, CommandFailed
from gateway.cli.where import config_path
from gateway.domain.detection import Stage
from gateway.domain.identity import ANONYMOUS
from gateway.domain.verdict import Verdict
from gateway.settings import load as load_settings
from policies.engine.compare import FalsePositives, RuleName, false_positives

# The normal distribution's quantile for 95%.
_Z: Final = 1.959964
# Places shown beside a rule; JSON has all.
_PLACES: Final = 3


def fp(
    names: Sequence[str],
    corpora: Sequence[Path],
    config: Path | None,
    *,
    field: str | None,
    stage: str,
    max_rate: str | None,
    ask: bool,
    written: str,
) -> int:
    """Print the rates; the answer is the exit code: 1 where more than ``max_rate`` of the texts are refused.

    Raises:
        CommandFailed: a file is not there, is no policy, or the corpus cannot be read.
    """
    limit = None if max_rate is None else _share(max_rate)
    models = load_settings(config_path(config), os.environ, offline=True).models
    files = policy_files(names, config)
    policies = load([file for file in files if file.listed] or files, offline=not ask)
    items = read_corpora(corpora, Reading(field=field, stage=Stage(stage)))
    tell_unasked(policies, ask=ask)
    with scanning(policies, ask=ask) as (scanner, instances), followed("texts", len(items)) as step:
        choose = as_enforced(policies, instances)
        judge = Judge(choose=choose, scanner=scanner, caller=ANONYMOUS, models=models, now=time.time())
        verdicts = judged(judge, items, step)
    kept = [(item, verdict) for item, verdict in zip(items, verdicts, strict=True) if verdict is not None]
    found = false_positives([verdict for _, verdict in kept])
    over = limit is not None and refused(found) > limit * found.texts
    if written == "json":
        write_json(_as_json(found, _places(kept), limit, over=over))
    else:
        _print(found, _places(kept), limit, over=over)
    return NO if over else 0


def refused(found: FalsePositives) -> int:
    """How many texts do not get through: blocked, or held for approval."""
    return found.decisions.get("block", 0) + found.decisions.get("require_approval", 0)


def wilson(hits: int, of: int) -> tuple[float, float]:
    """The 95% interval of a share (Wilson's score interval), 0 to 1; all of it where nothing was looked at."""
    if not of:
        return 0.0, 1.0
    share, square = hits / of, _Z * _Z
    middle = (share + square / (2 * of)) / (1 + square / of)
    half = _Z / (1 + square / of) * math.sqrt(share * (1 - share) / of + square / (4 * of * of))
    # Without hits, or with nothing else, the edge is exact; rounding would only come near it.
    return (0.0 if hits == 0 else middle - half), (1.0 if hits == of else middle + half)


def _share(told: str) -> float:
    try:
        share = float(told.removesuffix("%")) / (100 if told.endswith("%") else 1)
    except ValueError:
        share = math.nan
    if not 0 <= share <= 1:
        raise CommandFailed("--max-rate is a share: write 0.005 or 0.5%", code=WRONG)
    return share


def _places(kept: Sequence[tuple[Item, Verdict]]) -> Mapping[RuleName, Sequence[str]]:
    """Where each rule hit."""
    places: defaultdict[RuleName, dict[str, None]] = defaultdict(dict)
    for item, verdict in kept:
        for hit in verdict.found.hits:
            places[RuleName(policy=hit.policy, rule=hit.rule)][item.where] = None
    return {name: tuple(wheres) for name, wheres in places.items()}


def _as_json(
    found: FalsePositives, places: Mapping[RuleName, Sequence[str]], limit: float | None, *, over: bool
) -> Mapping[str, object]:
    low, high = wilson(refused(found), found.texts)
    return {
        "ok": not over,
        "texts": found.texts,
        "decisions": dict(found.decisions),
        "refused": {"texts": refused(found), "rate": _rate(refused(found), found.texts), "interval": [low, high]},
        "max_rate": limit,
        "rules": [
            {
                "policy": rate.name.policy,
                "rule": rate.name.rule,
                "hit": rate.hit,
                "acted": rate.acted,
                "rate": rate.rate,
                "interval": list(wilson(rate.hit, rate.texts)),
                "where": list(places[rate.name]),
            }
            for rate in found.rules
        ],
    }


def _print(found: FalsePositives, places: Mapping[RuleName, Sequence[str]], limit: float | None, *, over: bool) -> None:
    console = out()
    share = _percent(_rate(refused(found), found.texts))
    interval = _interval(refused(found), found.texts)
    told = f"{counted(found.texts, 'text')}: {refused(found):,} refused, {share} ({interval})"
    allowed = "" if limit is None else f"; at most {_percent(limit)} may be"
    console.print(f"{told}{allowed}", style="bold red" if over else "bold", soft_wrap=True)
    decisions = ", ".join(f"{decision} {count:,}" for decision, count in sorted(found.decisions.items()))
    console.print(f"decisions: {decisions}")
    if not found.rules:
        console.print("no rule hit")
        return
    table = Table(box=box.SIMPLE, pad_edge=False, padding=(0, 1, 0, 0))
    table.add_column("rule", no_wrap=True)
    for heading in ("hit", "acted", "rate", "95% interval"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("where", overflow="fold")
    for rate in found.rules:
        wheres = places[rate.name]
        more = f" and {len(wheres) - _PLACES} more" if len(wheres) > _PLACES else ""
        table.add_row(
            str(rate.name),
            f"{rate.hit:,}",
            f"{rate.acted:,}",
            _percent(rate.rate),
            _interval(rate.hit, rate.texts),
            one_line(", ".join(wheres[:_PLACES])) + more,
        )
    console.print(table)


def _rate(hits: int, of: int) -> float:
    return hits / of if of else 0.0


def _percent(share: float) -> str:
    return f"{100 * share:.2f}%"


def _interval(hits: int, of: int) -> str:
    low, high = wilson(hits, of)
    return f"{_percent(low)} to {_percent(high)}"
