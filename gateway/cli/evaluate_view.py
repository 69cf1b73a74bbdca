"""How is a measurement told: what it will cost, how far it is, what came of it?"""

from collections import Counter
from collections.abc import Callable, Generator
from contextlib import contextmanager

import typer
from rich import box
from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, Task, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from gateway.cli.explain import explained
from gateway.cli.explain_view import show
from gateway.cli.terminal import err, out
from gateway.dialects import split
from gateway.domain.identity import ANONYMOUS
from gateway.domain.limits import money_in_words
from gateway.evaluation.asking import request_of
from gateway.evaluation.estimate import Estimate
from gateway.evaluation.measurement import Measurement
from gateway.evaluation.store import Store
from gateway.settings import Settings


def show_estimate(measurement: Measurement, made: Estimate) -> None:
    """What will be asked of whom, and for how much."""
    target, currency = measurement.target, measurement.settings.limits.currency
    if made.cost is None:
        price = f"no price is configured for {target.model} (limits.prices)"
    else:
        price = f"about {money_in_words(made.cost)} {currency}" if made.cost else "no price"
    typer.echo(
        f"{len(measurement.cases)} cases in {', '.join(measurement.formats)} by {target.id} ({target.provider}, "
        f"{target.model}): {made.calls} calls to make, about {made.input_tokens} tokens of input and at most "
        f"{made.output_tokens} of output; {price}"
    )


def show_examples(measurement: Measurement, settings: Settings) -> None:
    """One case as it would be sent in each format; one with something in its data, if there is any."""
    case = next((case for case in measurement.cases if case.data), measurement.cases[0])
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


def show_counts(measurement: Measurement, store: Store) -> None:
    """How many answers there are in each format, and which isolation they report."""
    table = Table(box=box.SIMPLE, pad_edge=False, padding=(0, 1, 0, 0))
    for heading in ("format", "answered", "refused", "not taken", "isolation"):
        table.add_column(heading)
    for name in measurement.formats:
        told = [answer for answer in store.answers if answer.format == name]
        levels = Counter(answer.isolation for answer in told if answer.isolation is not None)
        table.add_row(
            name,
            str(sum(answer.refused is None and answer.failed is None for answer in told)),
            str(sum(answer.refused is not None for answer in told)),
            str(sum(answer.failed is not None for answer in told)),
            ", ".join(f"{level} {count}" for level, count in sorted(levels.items())),
        )
    out().print(table)
