"""How well does a model keep instructions and data apart, in each format?

Asks it cases whose right answers are known, keeps the answers, and scores them. What it will cost is told first.
"""

import os
import sys
import tempfile
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import typer

from gateway.cli.evaluate_view import followed, show_choice, show_estimate, show_examples, show_scores
from gateway.cli.evaluate_wanted import Wanted, command
from gateway.cli.terminal import one_line
from gateway.cli.told import NO, UNREACHABLE, WRONG, CommandFailed, say
from gateway.domain.limits import money_in_words
from gateway.evaluation.asking import Sampling
from gateway.evaluation.cards import card_of, circumstances, file_name, write_cards
from gateway.evaluation.choose import Choice, choose
from gateway.evaluation.described import described
from gateway.evaluation.estimate import Estimate, estimate
from gateway.evaluation.laid_out import length_of
from gateway.evaluation.measured_settings import formats_of, measured, target_of
from gateway.evaluation.measurement import Measurement, carry_out
from gateway.evaluation.outcome import Measured
from gateway.evaluation.outcomes import Outcomes, outcomes_of
from gateway.evaluation.plots import PlotsUnavailable, plot
from gateway.evaluation.report import Circumstances, report
from gateway.evaluation.run import Patience, pending
from gateway.evaluation.selection import all_cases, chosen
from gateway.evaluation.stopped import CannotMeasure, MeasurementStopped
from gateway.evaluation.store import Store, opened
from gateway.evaluation.weights import adapter_of
from gateway.settings import Settings, load

_FOLDER: Final = Path("evaluation")
_REPORT: Final = "report.md"


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
        folder = wanted.out or _FOLDER / file_name(wanted.model)
        # The weights that are there before anything is asked: a card is of those, whatever lies in their place then.
        adapter = adapter_of(measurement.target)
        if wanted.fresh:
            # Before anything is forgotten that would have to be paid for again.
            _expect_consent(_estimate(measurement, settings, None), measurement, yes=wanted.yes)
        with opened(folder, described(measurement), fresh=wanted.fresh) as store:
            if not wanted.fresh:
                _expect_consent(_estimate(measurement, settings, store), measurement, yes=wanted.yes)
            _ask(measurement, store, Patience(retries=wanted.retries))
            outcomes = outcomes_of(measurement.target.model, measurement.formats, measurement.data.cases, store.results)
        return _tell(wanted, measurement, outcomes, folder, adapter)


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
    return Measurement(
        settings=settings,
        model=wanted.model,
        target=target,
        formats=formats_of(target, wanted.formats),
        data=chosen(
            all_cases(wanted.files), kinds=wanted.kinds, roles=wanted.roles, sample=wanted.sample, seed=wanted.seed
        ),
        sampling=Sampling(max_tokens=wanted.max_tokens),
        policies=wanted.policies,
        concurrency=wanted.concurrency,
    )


def _estimate(measurement: Measurement, settings: Settings, store: Store | None) -> Estimate:
    asked = pending(measurement.data.cases, measurement.formats, store)
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


def _ask(measurement: Measurement, store: Store, patience: Patience) -> None:
    left = len(pending(measurement.data.cases, measurement.formats, store))
    try:
        with followed("asking", left) as step:
            carry_out(measurement, store, say=say, on_result=lambda _: step(), patience=patience)
    except KeyboardInterrupt:
        say(f"interrupted; {store.file} keeps what was answered: run the same command to go on")
        raise


def _tell(wanted: Wanted, measurement: Measurement, outcomes: Outcomes, folder: Path, adapter: str | None) -> int:
    """Print the scores, write cards, report and plots; the answer is the exit code."""
    for note in outcomes.notes:
        say(f"warning: {note}")
    if not outcomes.measured:
        return NO
    show_scores(outcomes.measured)
    told = circumstances(command(wanted, measurement), outcomes.notes)
    files = _cards(wanted.cards or folder, measurement, outcomes.measured, told, adapter)
    least = measurement.settings.models[measurement.model].min_isolation
    choice = None if wanted.floor is None else choose(outcomes.measured, wanted.floor, least)
    page = folder / _REPORT
    try:
        plots = _plots(outcomes.measured, folder)
        text = report(measurement.data, outcomes.measured, told, choice=choice, plots=[plot.name for plot in plots[:1]])
        page.write_text(text, encoding="utf-8")
    except OSError as error:
        raise CannotMeasure(
            f"{folder} cannot be written ({error.strerror}); the answers are kept: run the same command once it can"
        ) from error
    typer.echo(one_line(f"wrote {', '.join(str(file) for file in (*files, page, *plots))}"))
    return _chosen(choice)


def _cards(
    folder: Path, measurement: Measurement, found: Sequence[Measured], told: Circumstances, adapter: str | None
) -> Sequence[Path]:
    """One for each format, but for what policies had a part in.

    A card is of a model. A policy may refuse everything, for want of a card even, and nothing is safer than that.
    """
    if measurement.policies:
        say("no cards: with --policies it is the whole gateway that was measured, and a card is of a model alone")
        return ()
    return write_cards([card_of(one, measurement.target, measurement.data, told, adapter) for one in found], folder)


def _chosen(choice: Choice | None) -> int:
    if choice is None:
        return 0
    show_choice(choice)
    return NO if choice.format is None else 0


def _plots(found: tuple[Measured, ...], folder: Path) -> tuple[Path, ...]:
    try:
        return plot(found, folder / "scores", found[0].model)
    except PlotsUnavailable as missing:
        say(str(missing))
        return ()
