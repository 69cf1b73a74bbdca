"""What was asked for on the command line, and what would ask for the same again?"""

import shlex
from collections.abc import Iterator
from pathlib import Path

from gateway.domain.value import value
from gateway.evaluation.measurement import Measurement


@value
class Wanted:
    """What was asked for on the command line; ``floor`` is the least utility of the format to choose, if one is."""

    model: str
    target: str | None
    formats: tuple[str, ...]
    files: tuple[Path, ...]
    kinds: tuple[str, ...]
    roles: tuple[str, ...]
    sample: int | None
    seed: int
    max_tokens: int
    concurrency: int
    retries: int
    policies: bool
    out: Path | None
    cards: Path | None
    fresh: bool
    dry_run: bool
    yes: bool
    floor: float | None


def command(wanted: Wanted, measurement: Measurement) -> str:
    """What would measure the same again, with every default that decides said; files by their names alone."""
    return shlex.join(["splitgate", "evaluate", *_words(wanted, measurement)])


def _words(wanted: Wanted, measurement: Measurement) -> Iterator[str]:
    yield from ("--model", wanted.model, "--target", measurement.target.id)
    yield from ("--formats", ",".join(measurement.formats), "--max-tokens", str(wanted.max_tokens))
    for file in wanted.files:
        yield from ("--dataset", file.name)
    if not wanted.files:
        yield from ("--suite", measurement.data.name)
    if wanted.kinds:
        yield from ("--kinds", ",".join(wanted.kinds))
    if wanted.roles:
        yield from ("--roles", ",".join(wanted.roles))
    if wanted.sample is not None:
        yield from ("--sample", str(wanted.sample), "--seed", str(wanted.seed))
    if wanted.policies:
        yield "--policies"
