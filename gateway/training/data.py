"""Where do a run's examples come from? A file of an instruction set, or the builtin generator."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, fields
from pathlib import Path
from typing import Final

from gateway.evaluation.builtin.exercises import exercises
from gateway.training.example import Example, read_examples, with_attacks

BUILTIN: Final = "builtin"


def examples_of(source: str, *, seed: int, count: int, adversarial: float) -> tuple[Example, ...]:
    """The examples of a run; of a file's, ``adversarial`` is the share of those with data that get an attack.

    Raises:
        BadExamples: the file cannot be used.
    """
    if source != BUILTIN:
        return with_attacks(read_examples(Path(source)), seed, adversarial)
    made = exercises(seed, count, adversarial=adversarial)
    return tuple([Example(**{one.name: getattr(entry, one.name) for one in fields(Example)}) for entry in made])


def digest(examples: Sequence[Example]) -> str:
    """What tells one set of examples from another."""
    told = [list(asdict(example).values()) for example in examples]
    return f"sha256:{hashlib.sha256(json.dumps(told).encode()).hexdigest()}"
