"""What does it cost to judge the calls of a model?

A gateway with the pack ``baseline`` alone, whose rules look at no call, and one with ``agents`` too and the benchmark's
tools declared: there each call's arguments are read, scanned, and compared with data and instructions; and a streamed
call is held until it is whole. Its recipient is on a list, so that the call passes.
"""

import json
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from typing import Final

from benchmarks.figures import Spread, figures_of, told
from benchmarks.kinds.setting import CALL_BURST, CHAT, Figures, Rounds, Setting, in_turns, joined, over, used_by
from benchmarks.processes import Process
from benchmarks.rounds import load_of
from benchmarks.scenarios import Scenario

_PACKS: Final = {"baseline": ["baseline"], "agents": ["baseline", "agents"]}
_DECLARED: Final = {
    "apiVersion": "splitgate/v1",
    "kind": "Policy",
    "metadata": {"name": "tools", "owner": "benchmarks"},
    "spec": {
        "mode": "enforce",
        "lists": {"customers": ["kim@shop.example"]},
        "tools": {
            "look_up_order": {"effect": "read"},
            "close_ticket": {"effect": "write", "sink_args": ["ticket"]},
            "send_email": {"effect": "egress", "sink_args": ["to"], "allowed": ["customers"]},
        },
    },
}
_WHOLE: Final = Scenario(name="call c=32", connections=32, calls=True)
_SCENARIOS: Final = (_WHOLE, CALL_BURST)


@dataclass(frozen=True, slots=True, kw_only=True)
class CallRow:
    """What a request with one call costs; ``pieces`` is of how many pieces its arguments come, 1 if not streamed."""

    packs: str
    pieces: int
    rate: Spread
    cpu_us: Spread


@dataclass(frozen=True, slots=True, kw_only=True)
class Calls:
    """All of them; ``judged_us`` is what the request with a whole answer costs more, ``judged_stream_us`` the other."""

    rows: Sequence[CallRow]
    judged_us: Spread
    judged_stream_us: Spread
    rounds: Rounds

    @property
    def lines(self) -> Sequence[str]:
        """The figures for people."""
        rows = [
            f"{row.packs}, call in {row.pieces}: {told(row.cpu_us)} µs CPU a request, {told(row.rate)}/s"
            for row in self.rows
        ]
        pieces = f"{told(self.judged_stream_us)} in {CALL_BURST.chunks} pieces"
        return [*rows, f"a call judged: {told(self.judged_us)} µs more, {pieces}"]


def calls_of(rounds: Rounds) -> Calls:
    """What the rounds come to."""
    rows = [_row(packs, scenario, rounds) for packs in _PACKS for scenario in _SCENARIOS]
    return Calls(
        rows=rows, judged_us=_judged(_WHOLE, rounds), judged_stream_us=_judged(CALL_BURST, rounds), rounds=rounds
    )


def _row(packs: str, scenario: Scenario, rounds: Rounds) -> CallRow:
    found = rounds[_name(packs, scenario)]
    return CallRow(
        packs=packs,
        pieces=scenario.chunks or 1,
        rate=over(found, lambda figures: figures["rate"]),
        cpu_us=over(found, lambda figures: figures["request_us"]),
    )


def _judged(scenario: Scenario, rounds: Rounds) -> Spread:
    less, more = (_name(packs, scenario) for packs in _PACKS)
    return over(joined(rounds, "request_us"), lambda cpu: cpu[more] - cpu[less])


def _name(packs: str, scenario: Scenario) -> str:
    return f"{packs}, {scenario.name}"


def take(setting: Setting) -> Calls:
    """Start both, and let them and both kinds of answer take turns."""
    with ExitStack() as running:
        takers: dict[str, Callable[[], Figures]] = {}
        for packs, names in _PACKS.items():
            config = setting.config(f"calls-{packs}", policies={"packs": names, "paths": ["tools.yaml"]})
            (config.parent / "tools.yaml").write_text(json.dumps(_DECLARED))
            server = running.enter_context(setting.worker(config))
            takers |= {_name(packs, scenario): partial(_turn, setting, server, scenario) for scenario in _SCENARIOS}
        return calls_of(in_turns(setting.rounds, takers))


def _turn(setting: Setting, server: Process, scenario: Scenario) -> Figures:
    (measured,) = setting.drive(
        load_of(setting.plan, scenario, CHAT, server.port, setting.site.upstream_port), of=used_by(server)
    )
    each = measured.tokens / (scenario.chunks or 1)
    figures = figures_of(measured, streams=scenario.chunks > 0)
    return {**figures, "rate": each / (measured.wall_ns / 1e9), "request_us": measured.cpu_ns / 1000 / each}
