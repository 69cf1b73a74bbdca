"""What did a run come to, by what it kept?

Raw figures in, values out, so that a page can be written anew from the file of any run. What compares two contenders
compares them within a round, as everywhere here.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from benchmarks.contenders import SERVE
from benchmarks.figures import Spread, spread

BARE: Final = "bare"
DIRECT: Final = "direct"


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A contender in a scenario: its figures by round."""

    contender: str
    rounds: Mapping[int, Mapping[str, float]]

    def spread(self, figure: str) -> Spread | None:
        """Median and range; None where no round has it."""
        return spread([figures[figure] for figures in self.rounds.values() if figure in figures])

    def times(self, figure: str, other: "Line") -> Spread | None:
        """How many times ``other``'s."""
        return self._beside(figure, other, lambda mine, theirs: mine / theirs if theirs else None)

    def added(self, figure: str, other: "Line") -> Spread | None:
        """How much more than ``other``'s."""
        return self._beside(figure, other, lambda mine, theirs: mine - theirs)

    def _beside(self, figure: str, other: "Line", how: Callable[[float, float], float | None]) -> Spread | None:
        shared = self.rounds.keys() & other.rounds.keys()
        pairs = [(self.rounds[number], other.rounds[number]) for number in sorted(shared)]
        found = [how(mine[figure], theirs[figure]) for mine, theirs in pairs if figure in mine and figure in theirs]
        return spread([value for value in found if value is not None])


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One run of the benchmark. ``kinds`` are the measurements that are no turns, by name, as README.md describes."""

    about: Mapping[str, Any]
    scenarios: Sequence[Mapping[str, Any]]
    lines: Mapping[str, Mapping[str, Line]]
    skipped: Sequence[Mapping[str, str]]
    kinds: Mapping[str, Any]

    def line(self, scenario: str, *contenders: str) -> Line | None:
        """The first of these contenders that was measured in this scenario."""
        found = self.lines.get(scenario, {})
        return next((found[name] for name in contenders if name in found), None)

    def kind(self, *path: str) -> Any:  # noqa: ANN401 - JSON
        """What stands under these keys; None where nothing does."""
        found: Any = self.kinds
        for key in path:
            found = found.get(key) if found is not None else None
        return found


def gateways_start(run: Run) -> Spread | None:
    """Seconds from exec of ``splitgate serve`` until it is ready."""
    starts = run.kind("startup", "starts") or ()
    return next((spread_of(one["seconds"]) for one in starts if one["server"] == SERVE), None)


_OWN: Final = ("about", "scenarios", "turns", "skipped")


def run_of(raw: Mapping[str, Any]) -> Run:
    """Read raw figures; what a contender did not measure is absent."""
    lines: dict[str, dict[str, dict[int, Mapping[str, float]]]] = {}
    for turn in raw.get("turns", ()):
        of_scenario = lines.setdefault(turn["scenario"], {})
        of_scenario.setdefault(turn["contender"], {})[turn["round"]] = turn["figures"]
    # In the order in which contenders are listed: rounds begin with another one each time.
    order = [turn["contender"] for turn in raw.get("turns", ()) if turn["round"] == 0]
    return Run(
        about=raw["about"],
        scenarios=raw.get("scenarios", ()),
        lines={
            scenario: {
                contender: Line(contender=contender, rounds=rounds)
                for contender, rounds in sorted(of_scenario.items(), key=lambda item: _place(order, item[0]))
            }
            for scenario, of_scenario in lines.items()
        },
        skipped=raw.get("skipped", ()),
        kinds={name: value for name, value in raw.items() if name not in _OWN},
    )


def _place(order: Sequence[str], contender: str) -> int:
    return order.index(contender) if contender in order else len(order)


def spread_of(value: Any) -> Spread | None:  # noqa: ANN401 - JSON
    """A spread as it is kept, or a number that has none."""
    if value is None:
        return None
    if isinstance(value, int | float):
        return Spread(median=value, low=value, high=value)
    return Spread(**value)


def trimmed(raw: Mapping[str, Any]) -> Mapping[str, Any]:
    """The same without the histograms of each turn, which no table reads."""
    turns = [{key: value for key, value in turn.items() if key != "histograms"} for turn in raw.get("turns", ())]
    return {**raw, "turns": turns}
