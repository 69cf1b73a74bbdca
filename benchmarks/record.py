"""Where do the raw figures go?

Into one JSON file a run, with what is needed to judge it later: machine, versions, load, the histograms of each turn.
"""

import json
import os
import platform
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Final

from benchmarks.contenders import Contender
from benchmarks.figures import Measured, histogram
from benchmarks.journaling import Verified
from benchmarks.payloads import Writing
from benchmarks.plan import Plan
from benchmarks.policing import Cost, Times
from benchmarks.processes import ROOT, Cores
from benchmarks.scenarios import Scenario
from benchmarks.starting import Field
from benchmarks.surroundings import load_average, surroundings

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

RESULTS: Final = ROOT / "benchmarks" / "results"


class Recorder:
    """Collects the turns of one run."""

    def __init__(self, plan: Plan, cores: Cores, field: Field) -> None:
        self._began = datetime.now(UTC)
        self._turns: list[dict[str, object]] = []
        self._policies: dict[str, object] = {}
        self._skipped: list[dict[str, str]] = []
        self._kinds: dict[str, object] = {}
        self._scenarios = [{**asdict(scenario), "model": scenario.model} for scenario in plan.scenarios]
        self._about: dict[str, object] = {
            "began": self._began.isoformat(timespec="seconds"),
            "python": platform.python_version(),
            "machine": platform.machine(),
            **surroundings(),
            "processors": os.cpu_count(),
            "cores": str(cores),
            "versions": {name: version(name) for name in ("splitgate", "aiohttp", "uvicorn", "uvloop", "orjson")},
            "others": dict(field.versions),
            "left_out": dict(field.left_out),
            "rounds": plan.rounds,
            "seconds": plan.seconds,
            "warmup": plan.warmup,
            "language": plan.language,
        }

    def add(
        self,
        number: int,
        scenario: Scenario,
        contender: Contender,
        measured: Measured,
        figures: Mapping[str, float],
    ) -> None:
        """Keep one turn."""
        histograms = {
            "latency_us": histogram(measured.latencies),
            "first_token_us": histogram(measured.first_tokens),
            "delay_us": histogram(measured.delays),
        }
        self._turns.append(
            {
                "round": number,
                "scenario": scenario.name,
                "contender": contender.name,
                "load_average": load_average(),
                "figures": dict(figures),
                "histograms": {name: counts for name, counts in histograms.items() if counts},
            }
        )

    def skip(self, what: str, contender: str, why: str) -> None:
        """Keep that something could not be measured: a scenario of a contender, or a kind (without one).

        Of the reason it is the first line: what a program said below it is for the screen, and full of this machine.
        """
        self._skipped.append({"what": what, "contender": contender, "why": why.partition("\n")[0].rstrip(":")})

    def add_kind(self, name: str, told: "DataclassInstance") -> None:
        """Keep what a kind of measurement came to, under its name."""
        self._kinds[name] = asdict(told)

    def add_price(self, priced: Mapping[str, Times]) -> None:
        """Keep what ``baseline`` costs without server and network, in microseconds."""
        self._policies["baseline_us"] = {name: asdict(taken) for name, taken in priced.items()}

    def add_costs(self, writing: Writing, found: Mapping[str, Sequence[Cost]]) -> None:
        """Keep what detectors cost by themselves."""
        self._policies[writing] = {name: [asdict(cost) for cost in row] for name, row in found.items()}

    def add_journal(self, told: Verified) -> None:
        """Keep how fast a journal was verified."""
        self._kinds["journal"] = asdict(told)

    def save(self) -> Path:
        """Write the file and say where it is."""
        RESULTS.mkdir(parents=True, exist_ok=True)
        path = RESULTS / f"{self._began:%Y-%m-%dT%H%M%SZ}.json"
        path.write_text(json.dumps(self.whole(), indent=1) + "\n")
        return path

    def whole(self) -> Mapping[str, object]:
        """All that is kept: README.md says what stands under which key."""
        return {
            "about": self._about,
            "scenarios": self._scenarios,
            "turns": self._turns,
            "skipped": self._skipped,
            **self._kinds,
            **({"policies": self._policies} if self._policies else {}),
        }
