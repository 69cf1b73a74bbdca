"""What can each model do at this moment, as a worker found it when it began to serve?

The worker tells the supervisor's side in one line of JSON. Where workers found different things, the least counts: a
request may reach any of them.
"""

import json
from collections.abc import Iterable, Mapping
from functools import reduce
from typing import Final, TypeAlias

from gateway.domain.isolation import Isolation, isolation_from_label
from gateway.domain.jsonvalue import JsonObject
from gateway.domain.value import value

# A request that the embedded model really answers.
EXAMPLE: Final[JsonObject] = {
    "instructions": "How much does the ticket cost?",
    "data": [{"id": "mail-17", "origin": "email", "text": "The train leaves at 10:15 and a ticket costs 12 euros."}],
    "max_tokens": 20,
    "temperature": 0,
}


@value
class Standing:
    """``reaches`` is the most that any target of a model is credited with now.

    ``example`` is what the example request would reach, None where it would be refused.
    """

    reaches: Isolation
    example: Isolation | None

    def least(self, other: "Standing") -> "Standing":
        """What both can do."""
        examples = (self.example, other.example)
        return Standing(
            reaches=min(self.reaches, other.reaches),
            example=None if None in examples else min(level for level in examples if level is not None),
        )


Standings: TypeAlias = Mapping[str, Standing]


def written(standings: Standings) -> bytes:
    """One line, with its end."""
    told = {
        name: [one.reaches.label, None if one.example is None else one.example.label] for name, one in standings.items()
    }
    return json.dumps(told).encode() + b"\n"


def read(lines: Iterable[str]) -> Standings:
    """What the workers' lines say together: of the models that every one of them knows."""
    return reduce(_least, map(_read, lines))


def _read(line: str) -> dict[str, Standing]:
    told: dict[str, tuple[str, str | None]] = json.loads(line)
    return {
        name: Standing(
            reaches=isolation_from_label(reaches), example=None if example is None else isolation_from_label(example)
        )
        for name, (reaches, example) in told.items()
    }


def _least(one: dict[str, Standing], other: dict[str, Standing]) -> dict[str, Standing]:
    return {name: standing.least(other[name]) for name, standing in one.items() if name in other}
