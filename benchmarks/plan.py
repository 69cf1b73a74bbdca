"""In which order do the contenders take their turns?

Round by round, scenario by scenario, every contender after the other, each round beginning with the next one: none
always runs first, or always after the same neighbour.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

from benchmarks.contenders import Contender
from benchmarks.payloads import Language
from benchmarks.scenarios import Scenario

_One = TypeVar("_One")


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
            if scenario.rounds is None or number < scenario.rounds:
                for contender in shifted(plan.contenders, number):
                    yield number, scenario, contender


def shifted(them: Sequence[_One], by: int) -> Sequence[_One]:
    """The same in a ring, from the one at place ``by`` on."""
    at = by % len(them) if them else 0
    return (*them[at:], *them[:at])
