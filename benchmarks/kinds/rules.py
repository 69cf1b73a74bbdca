"""What does one more rule cost a request?

Gateways that differ in the number of their rules alone, at c=32 with 2 KB. From 1 rule to 10 more detectors are asked
as well; from 10 to 100 it is nothing but rules, and that is what a rule is said to cost.
"""

import json
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from typing import Final

from benchmarks.figures import Spread, figures_of, told
from benchmarks.kinds.rule_files import rules_of
from benchmarks.kinds.setting import CHAT, Figures, Rounds, Setting, in_turns, joined, over, used_by
from benchmarks.processes import Process
from benchmarks.rounds import load_of
from benchmarks.scenarios import Scenario

COUNTS: Final = (1, 10, 100)
_SCENARIO: Final = Scenario(name="rules", connections=32)


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleRow:
    """A gateway with so many rules."""

    rules: int
    rate: Spread
    cpu_us: Spread


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleCosts:
    """All of them; ``us_per_rule`` is from the last but one to the last."""

    rows: Sequence[RuleRow]
    us_per_rule: Spread
    rounds: Rounds

    @property
    def lines(self) -> Sequence[str]:
        """The figures for people."""
        rows = [f"{row.rules} rules: {told(row.cpu_us)} µs CPU a request, {told(row.rate)}/s" for row in self.rows]
        more = f"one rule more: {told(self.us_per_rule, 2)} µs ({COUNTS[-1]} rules against {COUNTS[-2]})"
        return [*rows, more]


def costs_of(rounds: Rounds) -> RuleCosts:
    """What the rounds come to."""
    few, many = COUNTS[-2:]
    rows = [
        RuleRow(
            rules=count,
            rate=over(rounds[str(count)], lambda figures: figures["rate"]),
            cpu_us=over(rounds[str(count)], lambda figures: figures["cpu_us"]),
        )
        for count in COUNTS
    ]
    each = over(joined(rounds, "cpu_us"), lambda cpu: (cpu[str(many)] - cpu[str(few)]) / (many - few))
    return RuleCosts(rows=rows, us_per_rule=each, rounds=rounds)


def take(setting: Setting) -> RuleCosts:
    """Start a gateway for each number of rules, and let them take turns."""
    with ExitStack() as running:
        takers: dict[str, Callable[[], Figures]] = {}
        for count in COUNTS:
            config = setting.config(f"rules-{count}", policies={"packs": [], "paths": ["rules.yaml"]})
            (config.parent / "rules.yaml").write_text(json.dumps(rules_of(count)))
            takers[str(count)] = partial(_turn, setting, running.enter_context(setting.worker(config)))
        return costs_of(in_turns(setting.rounds, takers))


def _turn(setting: Setting, server: Process) -> Figures:
    (measured,) = setting.drive(load_of(setting.plan, _SCENARIO, CHAT, server.port), of=used_by(server))
    return figures_of(measured, streams=False)
