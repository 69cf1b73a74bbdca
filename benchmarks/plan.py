"""In which order do the contenders take their turns?

Round by round, scenario by scenario, every contender after the other, each round beginning with the next one: none
always runs first, or always after the same neighbour.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from benchmarks.contenders import Contender
from benchmarks.payloads import Language
from benchmarks.scenarios import Scenario


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What is to be measured, and how long; times in seconds."""

    scenarios: Sequence[Scenario]
    contenders: Sequence[Contender]
    rounds: int
    seconds: float
    warmup: float
    key: str
    language: Language


def turns(plan: Plan) -> Iterator[tuple[int, Scenario, Contender]]:
    """All turns in order, rounds counted from 0."""
    for number in range(plan.rounds):
        for scenario in plan.scenarios:
            shift = number % len(plan.contenders)
            for contender in (*plan.contenders[shift:], *plan.contenders[:shift]):
                yield number, scenario, contender
