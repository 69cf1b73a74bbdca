"""What does a flood of wrong keys cost, and what does an honest client notice of it?

32 connections, each request with another key that nobody has, beside one connection that works; and that one alone, in
turns. What a refusal costs is the server's CPU time less that of the honest answers, at what they cost without flood.
"""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from benchmarks.figures import Measured, Spread, figures_of, told
from benchmarks.kinds.setting import CHAT, Figures, Rounds, Setting, in_turns, over, used_by
from benchmarks.load import Load
from benchmarks.payloads import request_bytes
from benchmarks.plan import Plan
from benchmarks.rounds import load_of
from benchmarks.scenarios import Scenario

CONNECTIONS: Final = 32
KEYS: Final = 4096
_ALONE: Final = "alone"
_FLOODED: Final = "flooded"
_HONEST: Final = Scenario(name="honest", connections=1)
_FLOOD: Final = Scenario(name="flood", connections=CONNECTIONS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Honest:
    """What the honest connection sees; times in milliseconds."""

    rate: Spread
    p50: Spread
    p99: Spread

    @property
    def words(self) -> str:
        """The figures for people."""
        return f"p50 {told(self.p50, 2)} ms, p99 {told(self.p99, 2)} ms"


@dataclass(frozen=True, slots=True, kw_only=True)
class Flood:
    """The flood, and the honest connection with it and without."""

    connections: int
    keys: int
    refusals: Spread
    cpu_us_per_refusal: Spread
    alone: Honest
    flooded: Honest
    rounds: Rounds

    @property
    def lines(self) -> Sequence[str]:
        """The figures for people."""
        cost = f"{told(self.refusals)} refusals/s at c={self.connections}, {told(self.cpu_us_per_refusal)} µs CPU each"
        honest = f"one honest connection in it: {self.flooded.words}; alone: {self.alone.words}"
        return [f"flood of wrong keys: {cost}", honest]


def flood_of(rounds: Rounds) -> Flood:
    """What the rounds come to."""
    alone = over(rounds[_ALONE], lambda figures: figures["cpu_us"]).median
    return Flood(
        connections=CONNECTIONS,
        keys=KEYS,
        refusals=over(rounds[_FLOODED], lambda figures: figures["refusals"]),
        cpu_us_per_refusal=over(rounds[_FLOODED], lambda figures: _refusal_us(figures, alone)),
        alone=_honest(rounds[_ALONE]),
        flooded=_honest(rounds[_FLOODED]),
        rounds=rounds,
    )


def _refusal_us(figures: Figures, honest_us: float) -> float:
    """CPU shares are of one second."""
    return (figures["cpu_share"] * 1e6 - figures["rate"] * honest_us) / figures["refusals"]


def _honest(rounds: Sequence[Figures]) -> Honest:
    return Honest(
        rate=over(rounds, lambda figures: figures["rate"]),
        p50=over(rounds, lambda figures: figures["latency_p50"]),
        p99=over(rounds, lambda figures: figures["latency_p99"]),
    )


def wrong_keys(plan: Plan, load: Load) -> Load:
    """The same load, each request with another key that nobody has."""
    requests = tuple(request_bytes(CHAT, _FLOOD, secrets.token_urlsafe(32), plan.language) for _ in range(KEYS))
    return replace(load, requests=requests, status=401, tokens=0)


def take(setting: Setting) -> Flood:
    """Start a gateway, and flood it every other turn."""
    plan = setting.plan
    with setting.worker(setting.config("flood")) as server:
        honest = load_of(plan, _HONEST, CHAT, server.port)
        flood = wrong_keys(plan, load_of(plan, _FLOOD, CHAT, server.port))

        def alone() -> Figures:
            return figures_of(setting.drive(honest, of=used_by(server))[0], streams=False)

        def flooded() -> Figures:
            return _both(*setting.drive(honest, flood, of=used_by(server)))

        return flood_of(in_turns(setting.rounds, {_ALONE: alone, _FLOODED: flooded}))


def _both(honest: Measured, flood: Measured) -> Figures:
    figures = figures_of(honest, streams=False)
    return {**figures, "refusals": figures_of(flood, streams=False)["rate"]}
