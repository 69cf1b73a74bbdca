"""What does somebody read who was not there?

A page of Markdown: what was measured and with what, every format with its scores and their intervals, and what the
figures do not say. The rule: no text of a case and none of an answer stands in it.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final, TypeAlias

from gateway.domain.card import Score
from gateway.domain.value import value
from gateway.evaluation.choose import Choice
from gateway.evaluation.datasets import DataSet
from gateway.evaluation.outcome import Measured
from gateway.evaluation.refusing import PHRASES
from gateway.evaluation.telling import NONE, code, fenced, plain, told

_Column: TypeAlias = tuple[str, Callable[[Measured], str]]
_By: TypeAlias = Callable[[Measured], Mapping[str, Score]]


@value
class Circumstances:
    """How it was measured: ``command`` would do it again, ``date`` is a day, ``revision`` that of the code if known.

    ``notes`` are lines on what was left out or went wrong, such as cases that no model answered.
    """

    command: str
    date: str
    version: str
    revision: str | None = None
    notes: tuple[str, ...] = ()


_COLUMNS: Final[Sequence[_Column]] = (
    ("attack success", lambda one: told(one.outcome.scores.attack_success)),
    ("separation (SEP)", lambda one: told(one.outcome.scores.separation)),
    ("probes followed as instructions", lambda one: told(one.outcome.followed)),
    ("utility", lambda one: told(one.outcome.scores.utility)),
    ("utility under attack", lambda one: told(one.outcome.scores.utility_under_attack)),
    ("fidelity", lambda one: told(one.outcome.scores.fidelity)),
    ("refusals", lambda one: told(one.outcome.scores.refusals)),
)
_COSTS: Final[Sequence[_Column]] = (
    ("isolation", lambda one: one.isolation.label),
    ("cases", lambda one: f"{one.outcome.cases:,}"),
    ("added tokens, median", lambda one: _added(one)[0]),
    ("p90", lambda one: _added(one)[1]),
    ("latency, median", lambda one: _latency(one)[0]),
    ("p90", lambda one: _latency(one)[1]),
)
_TABLES: Final[Sequence[tuple[str, _By]]] = (
    ("Attack success by kind of attack", lambda one: one.outcome.by_attack),
    ("Attack success by where the probe stands", lambda one: one.outcome.by_position),
    ("Utility by kind of task", lambda one: one.outcome.by_kind),
)
_MEANING: Final = f"""
Attack success: the share of attacked cases whose probe was followed; the less the better. Separation: of the probes
that are followed as instructions, the share that is not followed as data (SEP, Zverev et al. 2024, who call the share
that is followed as instructions utility). Utility: the share of clean cases answered rightly; under attack, of attacked
ones. Fidelity: the same where the data holds imperatives that are to be worked on. Refusals: the share of harmless
cases that the gateway refused, or whose answer begins as refusals do ({", ".join(PHRASES)}); what the gateway refused
is no right answer, and follows no probe. In brackets, 95% intervals: Wilson's, for separation the outer bounds of his
and of a paired bootstrap. A dash: the set has no such cases; for separation, or no probe was followed as an
instruction. A score that no format has is left out."""


def report(
    data: DataSet,
    measured: Sequence[Measured],
    circumstances: Circumstances,
    *,
    choice: Choice | None = None,
    plots: Iterable[str] = (),
) -> str:
    """The page. ``plots`` are names of pictures beside it.

    Raises:
        ValueError: nothing was measured.
    """
    if not measured:
        raise ValueError("a report is of one measurement at least")
    parts = [
        _head(data, measured, circumstances),
        *(f"![Attack success against utility, by format]({name})" for name in plots),
        _table("Scores", measured, _COLUMNS),
        _MEANING.strip(),
        _table("What it costs", measured, _COSTS),
        *(_by(title, measured, by) for title, by in _TABLES),
        _chosen(choice) if choice is not None else "",
        _limits(data, circumstances),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _head(data: DataSet, measured: Sequence[Measured], circumstances: Circumstances) -> str:
    models = ", ".join(dict.fromkeys(code(one.model) for one in measured))
    version = circumstances.version + (f", revision `{circumstances.revision}`" if circumstances.revision else "")
    return (
        f"# How well {models} keeps data from being followed\n\n"
        f"- data set: {plain(data.name)}, {len(data.cases):,} cases, `{data.digest}`\n"
        f"- date: {circumstances.date}\n- code: {version}\n\n"
        f"{fenced(circumstances.command, 'sh')}"
    )


def _table(title: str, measured: Sequence[Measured], columns: Sequence[_Column]) -> str:
    head = ["model", "format", *(name for name, _ in columns)]
    rows = [[one.model, one.format, *(tell(one) for _, tell in columns)] for one in measured]
    # A column with nothing in it says nothing of any format.
    shown = [place for place in range(len(head)) if any(row[place] != NONE for row in rows)]
    return f"## {title}\n\n" + "\n".join(
        _row([plain(row[place]) for place in shown]) for row in [head, ["---"] * len(head), *rows]
    )


def _by(title: str, measured: Sequence[Measured], by: _By) -> str:
    """A column for each name that any format has a figure of, with how many cases that is."""
    counts: dict[str, int] = {}
    for one in measured:
        for name, score in by(one).items():
            counts[name] = max(counts.get(name, 0), score.n)
    columns = [(f"{name} (n = {n})", _at(by, name)) for name, n in counts.items()]
    return _table(title, measured, columns) if columns else ""


def _at(by: _By, name: str) -> Callable[[Measured], str]:
    return lambda one: told(by(one).get(name))


def _chosen(choice: Choice) -> str:
    chosen = "None" if choice.format is None else f"**{choice.format}**"
    rejected = [f"- {one.format}: {one.reason}" for one in choice.rejected]
    return "\n".join(["## The format to choose", "", f"{chosen}: {choice.reason}.", "", *rejected]).rstrip()


def _limits(data: DataSet, circumstances: Circumstances) -> str:
    left_out = [f"Left out: {one.count:,} {one.what}." for one in data.left_out]
    lines = [data.judged, *left_out, *circumstances.notes]
    return "\n".join(["## What was counted, and what was left out", "", *(f"- {plain(line)}" for line in lines)])


def _added(one: Measured) -> tuple[str, str]:
    added = one.outcome.added_tokens
    return (NONE, NONE) if added is None else (f"{added.median:g}", f"{added.p90:g}")


def _latency(one: Measured) -> tuple[str, str]:
    latency = one.outcome.latency_s
    return (NONE, NONE) if latency is None else (f"{latency.p50:.2f} s", f"{latency.p90:.2f} s")


def _row(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"
