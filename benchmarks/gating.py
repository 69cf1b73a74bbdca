"""Has the gateway become dearer than what is committed?

Pure. A figure is never a time: it is how many times the CPU time of the bare pass-through of the same round the gateway
takes, or how many functions it calls. A figure that nobody committed does not hold, for else a gauge that was renamed
would measure nothing.
"""

import json
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Final, TypeAlias

from benchmarks.figures import Row, Spread, spread, told

# Of the committed figure, that may be added to it.
TOLERANCE: Final = 0.15
ROUNDS: Final = 7
# Where the first measurement spoke against the change, and for a figure that is to be committed.
MORE_ROUNDS: Final = 15
# So often it is measured again before it fails: busy minutes of a shared machine come two at a time.
AGAIN: Final = 2
RATIO: Final = "times bare"
CALLS: Final = "calls"
# Ratios over so many rounds, of all gauges or of these.
Measure: TypeAlias = Callable[[int, Collection[str] | None], Mapping[str, Spread]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Baseline:
    """What is committed, by gauge: ``ratios`` to the bare pass-through, and ``calls`` of functions.

    ``interpreter`` is the one that they were measured with.
    """

    interpreter: str
    ratios: Mapping[str, float]
    calls: Mapping[str, float]

    def text(self) -> str:
        """The file's text."""
        return json.dumps(asdict(self), indent=2, ensure_ascii=False) + "\n"

    @classmethod
    def read(cls, text: str) -> "Baseline":
        """Raises KeyError and ValueError for what :meth:`text` did not write."""
        found = json.loads(text)
        return cls(interpreter=found["interpreter"], ratios=found["ratios"], calls=found["calls"])


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """A gauge's figure beside the committed one."""

    gauge: str
    unit: str
    found: Spread
    committed: float | None

    @property
    def most(self) -> float:
        """What the figure may be at the highest."""
        return 0.0 if self.committed is None else self.committed * (1 + TOLERANCE)

    @property
    def holds(self) -> bool:
        """Whether the figure is known and no more than it may be."""
        return self.committed is not None and self.found.median <= self.most

    @property
    def line(self) -> str:
        """The verdict for people."""
        line = f"{self.gauge}: {told(self.found, 2)} {self.unit}"
        if self.committed is None:
            return f"{line}; NOTHING COMMITTED: --write commits it"
        moved = f"{self.found.median / self.committed - 1:+.0%}"
        word = "holds" if self.holds else f"DEARER than {self.most:,.2f}"
        # A gate that stands far above what it guards lets the next slow change pass.
        hint = "; much cheaper: --write commits it" if self.found.median < self.committed * (1 - TOLERANCE) else ""
        return f"{line}; committed {self.committed:,.2f} ({moved}): {word}{hint}"


def ratios(rows: Mapping[tuple[str, str], Row], *, bare: str) -> dict[str, Spread]:
    """How many times ``bare``'s CPU time each other contender took in the same round of the same scenario.

    Raises:
        ValueError: there is no round, or ``bare`` was not there in one.
    """
    found: dict[str, Spread] = {}
    for (scenario, contender), row in rows.items():
        if contender == bare:
            continue
        floor = rows.get((scenario, bare))
        pairs = zip(row.rounds, floor.rounds if floor is not None else (), strict=True)
        taken = spread([mine["cpu_us"] / theirs["cpu_us"] for mine, theirs in pairs])
        if taken is None:
            raise ValueError(f"{contender}, {scenario}: no round was measured")
        found[gauge(contender, scenario)] = taken
    return found


def gauge(contender: str, scenario: str) -> str:
    """What a ratio is called where it is committed."""
    return f"{contender}, {scenario}"


def judge(found: Mapping[str, Spread], committed: Mapping[str, float], unit: str) -> list[Verdict]:
    """A verdict for each figure that was found."""
    return [Verdict(gauge=name, unit=unit, found=one, committed=committed.get(name)) for name, one in found.items()]


def decided(calls: Mapping[str, Spread], measured: Measure, old: Baseline, say: Callable[[str], None]) -> bool:
    """Whether nothing is dearer than committed, said line by line.

    Calls are counted, so one count decides. A ratio is measured, on a machine that may be busy: what is too high is
    measured again, alone, and fails if it is too high each time.
    """
    by_calls = judge(calls, old.calls, CALLS)
    _say(say, "calls of functions", by_calls)
    found = measured(ROUNDS, None)
    by_time = judge(found, old.ratios, RATIO)
    _say(say, f"CPU time, {ROUNDS} rounds", by_time)
    for left in reversed(range(AGAIN)):
        doubted = {one.gauge for one in by_time if not one.holds and one.committed is not None}
        if not doubted:
            break
        again = judge(measured(MORE_ROUNDS, doubted), old.ratios, RATIO)
        counts = "" if left else ": this verdict counts"
        _say(say, f"CPU time of what was too dear, {MORE_ROUNDS} rounds{counts}", again)
        by_time = [*(one for one in by_time if one.gauge not in doubted), *again]
    gone = sorted((old.calls.keys() - calls.keys()) | (old.ratios.keys() - found.keys()))
    for name in gone:
        say(f"{name}: committed, and no longer measured; --write commits what is")
    holds = not gone and all(one.holds for one in (*by_calls, *by_time))
    say("gate: passed" if holds else f"gate: FAILED; at most {TOLERANCE:.0%} more than committed is let through")
    return holds


def _say(say: Callable[[str], None], title: str, verdicts: Sequence[Verdict]) -> None:
    say(f"{title}:")
    for verdict in verdicts:
        say(f"  {verdict.line}")


def renewed(old: Baseline | None, new: Baseline) -> list[str]:
    """What a new baseline changes, for whoever has to answer for it."""
    before = old or Baseline(interpreter="-", ratios={}, calls={})
    return [
        f"interpreter: {before.interpreter} → {new.interpreter}",
        *_changes(before.ratios, new.ratios, RATIO),
        *_changes(before.calls, new.calls, CALLS),
    ]


def _changes(before: Mapping[str, float], after: Mapping[str, float], unit: str) -> list[str]:
    names = sorted(before.keys() | after.keys())
    return [f"{name}: {_figure(before.get(name))} → {_figure(after.get(name))} {unit}" for name in names]


def _figure(value: float | None) -> str:
    return "-" if value is None else f"{value:,.2f}"
