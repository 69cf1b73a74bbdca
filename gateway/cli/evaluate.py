"""How well does a model keep instructions and data apart, in each format?

Asks it cases whose right answers are known, keeps the answers, and scores them. What it will cost is told first.
"""

import os
import sys
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import typer

from gateway.cli.evaluate_view import followed, show_counts, show_estimate, show_examples
from gateway.cli.told import NO, UNREACHABLE, WRONG, CommandFailed, say
from gateway.domain.limits import money_in_words
from gateway.domain.value import value
from gateway.evaluation.asking import Sampling
from gateway.evaluation.dataset import chosen, read
from gateway.evaluation.described import described
from gateway.evaluation.estimate import Estimate, estimate
from gateway.evaluation.laid_out import length_of
from gateway.evaluation.measured_settings import formats_of, measured, target_of
from gateway.evaluation.measurement import Measurement, carry_out
from gateway.evaluation.run import pending
from gateway.evaluation.stopped import CannotMeasure, MeasurementStopped
from gateway.evaluation.store import Store, opened
from gateway.settings import Settings, load

_FOLDER: Final = Path("evaluation")


@value
class Wanted:
    """What was asked for on the command line."""

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
    policies: bool
    out: Path | None
    fresh: bool
    dry_run: bool
    yes: bool


def evaluate(wanted: Wanted, config: Path | None) -> int:
    """Measure, and print what came of it; the answer is the exit code.

    Raises:
        ConfigError: the configuration cannot be used.
        CommandFailed: it cannot be measured like that, or the model cannot be reached.
    """
    with _told(), tempfile.TemporaryDirectory(prefix="splitgate-") as scratch:
        measurement = _measurement(wanted, config)
        settings = measured(
            measurement.settings, measurement.target, measurement.formats, Path(scratch), policies=wanted.policies
        )
        if wanted.dry_run:
            _estimate(measurement, settings, None)
            show_examples(measurement, settings)
            return 0
        folder = wanted.out or _FOLDER / _as_name(wanted.model)
        with opened(folder, described(measurement), fresh=wanted.fresh) as store:
            _expect_consent(_estimate(measurement, settings, store), measurement, yes=wanted.yes)
            _ask(measurement, store)
            show_counts(measurement, store)
    return 0


@contextmanager
def _told() -> Generator[None]:
    try:
        yield
    except CannotMeasure as error:
        raise CommandFailed(str(error), code=WRONG) from error
    except MeasurementStopped as error:
        raise CommandFailed(str(error), code=UNREACHABLE) from error


def _measurement(wanted: Wanted, config: Path | None) -> Measurement:
    settings = load(config, os.environ, offline=wanted.dry_run)
    target = target_of(settings, wanted.model, wanted.target)
    cases = chosen(read(wanted.files), kinds=wanted.kinds, roles=wanted.roles, sample=wanted.sample, seed=wanted.seed)
    return Measurement(
        settings=settings,
        model=wanted.model,
        target=target,
        formats=formats_of(target, wanted.formats),
        cases=cases,
        sampling=Sampling(max_tokens=wanted.max_tokens),
        policies=wanted.policies,
        concurrency=wanted.concurrency,
    )


def _as_name(model: str) -> str:
    """A model's name as a file's."""
    return "".join(char if char.isalnum() or char in "._-" else "_" for char in model).lstrip(".") or "model"


def _estimate(measurement: Measurement, settings: Settings, store: Store | None) -> Estimate:
    asked = pending(measurement.cases, measurement.formats, store)
    made = estimate(
        asked,
        length_of(settings, measurement.sampling),
        max_tokens=measurement.sampling.max_tokens,
        price=measurement.settings.limits.prices.get(measurement.target.id),
    )
    show_estimate(measurement, made)
    return made


def _expect_consent(made: Estimate, measurement: Measurement, *, yes: bool) -> None:
    if yes or not made.cost:
        return
    price = f"{money_in_words(made.cost)} {measurement.settings.limits.currency}"
    if not sys.stdin.isatty():
        raise CommandFailed(f"this would cost about {price}; say --yes to spend that", code=WRONG)
    if not typer.confirm(f"Spend about {price}?"):
        raise CommandFailed("nothing was sent", code=NO)


def _ask(measurement: Measurement, store: Store) -> None:
    left = len(pending(measurement.cases, measurement.formats, store))
    try:
        with followed("asking", left) as step:
            carry_out(measurement, store, say=say, on_answer=lambda _: step())
    except KeyboardInterrupt:
        say(f"interrupted; {store.file} keeps what was answered: run the same command to go on")
        raise
