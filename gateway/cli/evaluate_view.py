"""How is a measurement told: what it will cost, how far it is, what came of it?"""

from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager

import typer
from rich import box
from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, Task, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from gateway.cli.explain import explained
from gateway.cli.explain_view import show
from gateway.cli.terminal import err, one_line, out
from gateway.dialects import split
from gateway.domain.identity import ANONYMOUS
from gateway.domain.limits import money_in_words
from gateway.evaluation.asking import request_of
from gateway.evaluation.choose import Choice
from gateway.evaluation.estimate import Estimate
from gateway.evaluation.measurement import Measurement
from gateway.evaluation.outcome import Measured
from gateway.evaluation.telling import NONE, SCORES, told
from gateway.settings import Settings


def show_estimate(measurement: Measurement, made: Estimate) -> None:
    """What will be asked of whom, and for how much."""
    target, currency = measurement.target, measurement.settings.limits.currency
    if made.cost is None:
        price = f"no price is configured for {target.model} (limits.prices)"
    else:
        price = f"about {money_in_words(made.cost)} {currency}" if made.cost else "no price"
    line = (
        f"{len(measurement.data.cases)} cases in {', '.join(measurement.formats)} by {target.id} ({target.provider}, "
        f"{target.model}): {made.calls} calls to make, about {made.input_tokens} tokens of input and at most "
        f"{made.output_tokens} of output; {price}"
    )
    typer.echo(one_line(line))


def show_examples(measurement: Measurement, settings: Settings) -> None:
    """One case as it would be sent in each format; one with something in its data, if there is any."""
    case = next((case for case in measurement.data.cases if case.data), measurement.data.cases[0])
    for name in measurement.formats:
        typer.echo(f"\n{'─' * 8} {case.id} in {name}")
        request = split.read(request_of(case, name, measurement.sampling))
        show(explained(request, settings, ANONYMOUS), full=False)


class _Rate(ProgressColumn):
    def render(self, task: Task) -> Text:
        return Text("" if task.speed is None else f"{task.speed:.1f}/s")


@contextmanager
def followed(what: str, total: int) -> Generator[Callable[[], None]]:
    """What is to be called at each of ``total`` steps; nothing is shown where nobody watches."""
    console = err()
    if not console.is_terminal:
        yield lambda: None
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), _Rate(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task(what, total=total)
        yield lambda: progress.advance(task)


def show_scores(measured: Sequence[Measured]) -> None:
    """A line for each format."""
    table = Table(box=box.SIMPLE, pad_edge=False, padding=(0, 1, 0, 0))
    for heading in ("format", "isolation", *(name.replace("_", " ") for name in SCORES), "added tokens", "seconds"):
        table.add_column(heading)
    for one in measured:
        scores, added, taken = one.outcome.scores, one.outcome.added_tokens, one.outcome.latency_s
        table.add_row(
            one.format,
            one.isolation.label,
            *(told(getattr(scores, name)) for name in SCORES),
            NONE if added is None else f"{added.median:g}",
            NONE if taken is None else f"{taken.p50:.2f}",
        )
    out().print(table)


def show_choice(choice: Choice) -> None:
    """Which format it is, and why it is none of the others."""
    typer.echo(f"chosen: {choice.format or 'none'} ({choice.reason})")
    for one in choice.rejected:
        typer.echo(f"  not {one.format}: {one.reason}")
