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
from typing import Final

from benchmarks.contenders import Contender
from benchmarks.figures import Measured, histogram
from benchmarks.journaling import Verified
from benchmarks.payloads import Writing
from benchmarks.plan import Plan
from benchmarks.policing import Cost, Times
from benchmarks.processes import ROOT, Cores
from benchmarks.scenarios import Scenario
from benchmarks.starting import Field

RESULTS: Final = ROOT / "benchmarks" / "results"


def load_average() -> float:
    """The machine's load over the last minute; 0 where there is no such thing."""
    return round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else 0.0


class Recorder:
    """Collects the turns of one run."""

    def __init__(self, plan: Plan, cores: Cores, field: Field) -> None:
        self._began = datetime.now(UTC)
        self._turns: list[dict[str, object]] = []
        self._policies: dict[str, object] = {}
        self._journal: dict[str, object] = {}
        self._about: dict[str, object] = {
            "began": self._began.isoformat(timespec="seconds"),
            "python": platform.python_version(),
            "machine": platform.machine(),
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

    def add_price(self, priced: Mapping[str, Times]) -> None:
        """Keep what ``baseline`` costs without server and network, in microseconds."""
        self._policies["baseline_us"] = {name: asdict(taken) for name, taken in priced.items()}

    def add_costs(self, writing: Writing, found: Mapping[str, Sequence[Cost]]) -> None:
        """Keep what detectors cost by themselves."""
        self._policies[writing] = {name: [asdict(cost) for cost in row] for name, row in found.items()}

    def add_journal(self, told: Verified) -> None:
        """Keep how fast a journal was verified."""
        self._journal = asdict(told)

    def save(self) -> Path:
        """Write the file and say where it is."""
        RESULTS.mkdir(parents=True, exist_ok=True)
        path = RESULTS / f"{self._began:%Y-%m-%dT%H%M%SZ}.json"
        path.write_text(
            json.dumps(
                {"about": self._about, "turns": self._turns, "policies": self._policies, "journal": self._journal},
                indent=1,
            )
            + "\n"
        )
        return path
