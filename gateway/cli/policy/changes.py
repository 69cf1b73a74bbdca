"""How are verdicts shown that other policies would change?"""

from collections.abc import Iterator, Mapping, Sequence

from rich import box
from rich.table import Table
from rich.text import Text

from gateway.cli.terminal import one_line
from gateway.domain.verdict import Decision
from policies.engine.compare import Change


def counts(changes: Sequence[Change]) -> str:
    """How many there are of each kind."""
    stricter, looser = sum(c.stricter for c in changes), sum(c.looser for c in changes)
    return in_words(len(changes), stricter, looser)


def in_words(changed: int, stricter: int, looser: int) -> str:
    """``3 changed (1 stricter, 1 looser, 1 by other rules alone)``."""
    kinds = f"{stricter:,} stricter, {looser:,} looser, {changed - stricter - looser:,} by other rules alone"
    return f"{changed:,} changed ({kinds})"


def moved(counted: Mapping[tuple[Decision, Decision], int], what: str) -> Table:
    """How many were decided in which way, before and after."""
    table = Table(box=box.SIMPLE, pad_edge=False, padding=(0, 1, 0, 0))
    for heading in ("before", "after"):
        table.add_column(heading, no_wrap=True)
    table.add_column(what, justify="right")
    for (before, after), count in sorted(counted.items()):
        table.add_row(before, after, f"{count:,}")
    return table


def line(change: Change, where: str) -> Text:
    """One change, and the rules that hit now (``+``) or no longer (``-``)."""
    style = "red" if change.stricter else "green" if change.looser else "yellow"
    told = change.after if change.before == change.after else f"{change.before} → {change.after}"
    return Text.assemble((one_line(where), ""), "  ", (told, style), "  ", " ".join(_signed(change)))


def as_json(change: Change) -> Mapping[str, object]:
    """The same for programs."""
    return {
        "before": change.before,
        "after": change.after,
        "appeared": [str(name) for name in change.appeared],
        "gone": [str(name) for name in change.gone],
    }


def _signed(change: Change) -> Iterator[str]:
    yield from (f"+{name}" for name in change.appeared)
    yield from (f"-{name}" for name in change.gone)
