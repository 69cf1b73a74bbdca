"""How many bytes does a request leave in the journal, and how many does it send?

A gateway is put under load, and its journal read afterwards: an intent and an outcome for each request. Bytes on the
wire are those of the benchmark's own request and answer, head and body.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from benchmarks.kinds.setting import CHAT, Setting, used_by
from benchmarks.payloads import request_bytes, whole_response
from benchmarks.processes import CannotMeasure
from benchmarks.rounds import load_of
from benchmarks.scenarios import Scenario

_SCENARIO: Final = Scenario(name="records", connections=32)


@dataclass(frozen=True, slots=True, kw_only=True)
class Records:
    """Of one request: bytes and records in the journal, bytes of the request and of its answer."""

    requests: int
    journal_bytes: float
    journal_records: float
    request_bytes: int
    answer_bytes: int

    @property
    def lines(self) -> list[str]:
        """The figures for people."""
        left = f"{self.journal_bytes:,.0f} bytes in {self.journal_records:.1f} records of the journal"
        return [f"a request leaves {left}; {self.request_bytes:,} bytes came, {self.answer_bytes:,} went"]


def left_by(lines: Iterable[bytes]) -> tuple[int, int, int]:
    """Requests, and the bytes and records that they left; what else is in a journal is left out."""
    requests = size = records = 0
    for line in lines:
        phase = json.loads(line)["phase"]
        if phase in ("intent", "decision", "outcome"):
            requests += phase == "outcome"
            size += len(line)
            records += 1
    return requests, size, records


def take(setting: Setting) -> Records:
    """Start a gateway, give it work, and read what it wrote."""
    config = setting.config("records")
    with setting.worker(config) as server:
        load = load_of(setting.plan, _SCENARIO, CHAT, server.port)
        setting.drive(load, of=used_by(server))
    requests, size, records = left_by(_lines(config.parent))
    if not requests:
        raise CannotMeasure("the gateway wrote no record; run the tests")
    return Records(
        requests=requests,
        journal_bytes=size / requests,
        journal_records=records / requests,
        request_bytes=len(request_bytes(CHAT, _SCENARIO, setting.plan.key)),
        answer_bytes=len(whole_response()),
    )


def _lines(folder: Path) -> Iterable[bytes]:
    for journal in folder.glob("state/audit/epochs/*/journal"):
        with journal.open("rb") as lines:
            yield from lines
