"""How fast is a journal verified?

One is written by the gateway's own epoch, with records as requests leave them, and verified as ``splitgate audit
verify`` does it. Nothing else happens in the process meanwhile.
"""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from benchmarks.processes import CannotMeasure
from gateway.audit.epoch import Epoch
from gateway.audit.line import NO_LINE, VERSION, Value, canonical
from gateway.audit.log import Log
from gateway.audit.note import SigningKey
from gateway.audit.places import Places, event_of
from gateway.audit.registry import Registry
from gateway.audit.tree import leaf_hash
from gateway.audit.verify import verify

RECORDS: Final = 1_000_000
# Microseconds of CPU that the journal may add to a request.
JOURNAL_AIM_US: Final = 60.0
_VERIFY_AIM_S: Final = 20.0
_GROUP: Final = 1000
_NAME: Final = "bench.local/audit"


@dataclass(frozen=True, slots=True, kw_only=True)
class Verified:
    """What a verification took, in seconds, and of how much."""

    records: int
    bytes: int
    seconds: float

    @property
    def line(self) -> str:
        """The figures for people; the aim is for a million records."""
        rate = self.records / self.seconds
        whole = RECORDS / rate
        aim = "met" if whole < _VERIFY_AIM_S else "MISSED"
        told = f"{self.records:,} records ({self.bytes / 1e6:,.0f} MB) verified in {self.seconds:.1f} s"
        return f"{told}: {rate:,.0f} a second, a million in {whole:.1f} s; aim: under {_VERIFY_AIM_S:.0f} s, {aim}"


def verified(folder: Path, records: int) -> Verified:
    """Write ``records`` records below ``folder``, and verify them.

    Raises:
        CannotMeasure: they did not verify.
    """
    key = SigningKey.draw(_NAME)
    log = Log(places=Places(folder), name=_NAME, keys=[key])
    _write(log, records)
    began = time.perf_counter()
    report = verify(log.places, [key.verifier])
    seconds = time.perf_counter() - began
    if report.findings or report.signed != records:
        raise CannotMeasure("a journal of the benchmark's own does not verify; run the tests")
    size = sum(epoch.journal.stat().st_size for epoch in log.places.epochs())
    return Verified(records=records, bytes=size, seconds=seconds)


def _write(log: Log, records: int) -> None:
    registry = Registry(log)
    epoch = Epoch(log)
    with registry.locked():
        registry.add("opened", epoch.epoch, process="bench")
    group: list[bytes] = []
    for line in _lines(epoch.epoch, records):
        group.append(line)
        if len(group) == _GROUP:
            epoch.write(group)
            epoch.checkpoint()
            group.clear()
    if group:
        epoch.write(group)
    epoch.close(registry, "stopped")


def _lines(epoch: str, records: int) -> Iterator[bytes]:
    prev = NO_LINE
    for number in range(records):
        record: dict[str, Value] = {**(_outcome if number % 2 else _intent)(number // 2)}
        record |= {"v": VERSION, "event": event_of(epoch, number), "prev": prev, "build": "0", "time": number}
        line = canonical(record)
        prev = leaf_hash(line).hex()
        yield line


def _common(number: int) -> dict[str, Value]:
    return {
        "request": f"{number:032x}",
        "trace": f"{number:032x}",
        "actor": {"key": "bench", "tenant": "default", "method": "api_key"},
        "dialect": "openai_chat",
        "model": "whole",
        "policies": [{"name": "baseline", "digest": f"sha256:{number:064x}", "mode": "enforce"}],
        "revision": f"sha256:{number:064x}",
        "tainted": 1,
        "decision": "allow",
        "shadow": "allow",
    }


def _intent(number: int) -> dict[str, Value]:
    segments = [
        {"id": id_, "channel": channel, "trust": trust, "origin": id_, "length": 1024, "commitment": f"{number:064x}"}
        for id_, channel, trust in (("operator", "instruction", "operator"), ("mail", "data", "untrusted"))
    ]
    way = {"target": "whole/1", "upstream": "whole", "format": "tool-envelope", "isolation": "channel", "attempt": 1}
    return {**_common(number), **way, "phase": "intent", "segments": segments}


def _outcome(number: int) -> dict[str, Value]:
    output = [{"channel": "text", "choice": 0, "length": 100, "commitment": f"{number:064x}"}]
    times = {"total": 900, "gateway": 300, "journal": 200, "upstream": 600, "held": 20, "first": 600}
    end = {"status": 200, "finish": ["stop"], "usage": {"input": 500, "output": 20}, "output": output, "times": times}
    return {**_common(number), **end, "phase": "outcome"}
