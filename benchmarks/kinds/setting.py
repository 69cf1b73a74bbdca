"""In which surroundings is a kind of measurement taken, and how are its turns told?

What every kind is given, and what every kind does: servers of its own, one turn after the other, a median with its
range over the rounds. What a round has measured is kept by name, so that each value can be told again from them.
"""

import json
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final, TypeAlias

import uvloop

from benchmarks.contenders import Contender, Site
from benchmarks.figures import Measured, Spread, spread
from benchmarks.load import Load, drive_together
from benchmarks.plan import Plan, shifted
from benchmarks.processes import CannotMeasure, Cores, Process, Use, on_core, use_of
from benchmarks.scenarios import SCENARIOS, Scenario
from benchmarks.site import Parts, config_text

Figures: TypeAlias = Mapping[str, float]
Rounds: TypeAlias = Mapping[str, Sequence[Figures]]

# Servers of their own, so that no other kind has made them warm or old.
CHAT: Final = Contender(name="gateway", server="gateway", path="/v1/chat/completions", dialect="chat")
BARE: Final = Contender(name="bare", server="passthrough", path="/v1/chat/completions", dialect="chat")

# What the upstream can answer beside the scenarios of the turns.
CALL_BURST: Final = Scenario(name="call burst c=32", connections=32, chunks=100, calls=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """What a kind is given: a folder of its own, the upstream that runs, and how long to measure."""

    folder: Path
    site: Site
    plan: Plan
    cores: Cores
    quick: bool = False

    @property
    def rounds(self) -> int:
        """How often everything has its turn."""
        return self.plan.rounds

    def config(self, name: str, **sections: Mapping[str, object]) -> Path:
        """The file of a gateway that differs from a new installation in what these sections say."""
        folder = self.folder / name
        folder.mkdir(parents=True, exist_ok=True)
        config: dict[str, Any] = json.loads(
            config_text(self.site.upstream_port, self.plan.key, (*SCENARIOS, CALL_BURST), Parts())
        )
        for section, keys in sections.items():
            config[section] = {**config.get(section, {}), **keys}
        path = folder / "splitgate.yaml"
        path.write_text(json.dumps(config))
        return path

    def worker(self, config: Path) -> Process:
        """A worker of the gateway alone on its core, to be entered."""
        command = [sys.executable, "-m", "gateway.worker", "--config", str(config)]
        return Process(config.parent.name, command, self.cores.server)

    def passthrough(self) -> Process:
        """The bare pass-through, to be entered."""
        command = [sys.executable, "-m", "benchmarks.passthrough", "--upstream-port", str(self.site.upstream_port)]
        return Process("passthrough", command, self.cores.server)

    def drive(self, *loads: Load, of: Callable[[], Use]) -> Sequence[Measured]:
        """Put a server under these loads at the same time.

        Raises:
            CannotMeasure: an answer was wrong or missing.
        """
        try:
            with on_core(self.cores.load):
                return uvloop.run(drive_together(loads, of))
        except OSError as exc:
            raise CannotMeasure(str(exc)) from exc


def used_by(server: Process) -> Callable[[], Use]:
    """What a server has used so far."""
    return partial(use_of, server.pid)


def in_turns(rounds: int, takers: Mapping[str, Callable[[], Figures]]) -> Rounds:
    """What each measures in each round; they take turns, and each round begins with the next one."""
    taken: dict[str, list[Figures]] = {name: [] for name in takers}
    for number in range(rounds):
        for name in shifted(tuple(takers), number):
            taken[name].append(takers[name]())
    return taken


def over(rounds: Sequence[Figures], tell: Callable[[Figures], float]) -> Spread:
    """What ``tell`` makes of each round, as a median with its range.

    Raises:
        CannotMeasure: a round lacks what it asks for, or there is none.
    """
    try:
        found = spread([tell(figures) for figures in rounds])
    except (KeyError, ZeroDivisionError) as exc:
        raise CannotMeasure("a turn came to no figures; give it more with --seconds") from exc
    if found is None:
        raise CannotMeasure("there was no round")
    return found


def joined(rounds: Rounds, figure: str) -> Sequence[Figures]:
    """One figure of all that took turns, round by round: by their names.

    Raises:
        CannotMeasure: one of them lacks it.
    """
    try:
        return [
            {name: figures[figure] for name, figures in zip(rounds, row, strict=True)}
            for row in zip(*rounds.values(), strict=True)
        ]
    except KeyError as exc:
        raise CannotMeasure("a turn came to no figures; give it more with --seconds") from exc
