"""Which options has ``splitgate evaluate``?

Declared here, carried out in ``evaluate``; as for the other commands, nothing is loaded before it runs.
"""

from pathlib import Path
from typing import Annotated

import typer

from gateway.cli.options import ConfigOption, SuiteChoice


def evaluate(
    model: Annotated[str, typer.Option(help="Measure this model of the configuration.")],
    *,
    config: ConfigOption = None,
    suite: Annotated[
        SuiteChoice | None, typer.Option(help="Ask this suite; the built-in one unless --dataset is given.")
    ] = None,
    dataset: Annotated[
        list[Path] | None,
        typer.Option(metavar="FILE", help="Ask the cases of a file instead; BIPIA's mails need their attacks too."),
    ] = None,
    formats: Annotated[
        str | None, typer.Option(metavar="A,B|all", help="Formats to compare; without it the target's own.")
    ] = None,
    target: Annotated[str | None, typer.Option(metavar="ID", help="Another target than the model's first.")] = None,
    kinds: Annotated[str, typer.Option(metavar="A,B", help="Only cases of these kinds.", show_default=False)] = "",
    roles: Annotated[str, typer.Option(metavar="A,B", help="Only cases of these roles.", show_default=False)] = "",
    sample: Annotated[int | None, typer.Option(min=1, help="So many cases, drawn by --seed.")] = None,
    seed: Annotated[int, typer.Option(help="Draws the sample.")] = 0,
    concurrency: Annotated[int, typer.Option(min=1, max=256, help="Calls at once.")] = 2,
    retries: Annotated[int, typer.Option(min=0, help="How often a call that was not answered is made again.")] = 5,
    max_tokens: Annotated[int, typer.Option(min=1, help="The most that an answer may take.")] = 64,
    policies: Annotated[bool, typer.Option("--policies", help="With the configuration's policies in force.")] = False,
    out: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Where answers and the report go; evaluation/MODEL if not given.")
    ] = None,
    cards: Annotated[Path | None, typer.Option(metavar="DIR", help="Where cards go instead.")] = None,
    fresh: Annotated[bool, typer.Option("--fresh", help="Forget what was answered before.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what it would cost, with examples.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask whether to spend money.")] = False,
    choose: Annotated[bool, typer.Option("--choose", help="Say which format is best.")] = False,
    min_utility: Annotated[
        float, typer.Option(min=0, max=1, help="The least utility of a format that --choose may choose.")
    ] = 0.8,
) -> None:
    """Measure how well a model keeps instructions and data apart, and what each format does for it."""
    from gateway.cli.evaluate import evaluate as run_evaluate  # noqa: PLC0415 - see the module's docstring
    from gateway.cli.evaluate_wanted import Wanted  # noqa: PLC0415
    from gateway.cli.told import told  # noqa: PLC0415
    from gateway.cli.where import config_path  # noqa: PLC0415

    if suite is not None and dataset:
        raise typer.BadParameter("give --suite or --dataset, not both")
    if policies and cards is not None:
        raise typer.BadParameter("a card is of a model alone: leave --cards or --policies out")
    wanted = Wanted(
        model=model,
        target=target,
        formats=_words(formats or ""),
        files=tuple(dataset or ()),
        kinds=_words(kinds),
        roles=_words(roles),
        sample=sample,
        seed=seed,
        max_tokens=max_tokens,
        concurrency=concurrency,
        retries=retries,
        policies=policies,
        out=out,
        cards=cards,
        fresh=fresh,
        dry_run=dry_run,
        yes=yes,
        floor=min_utility if choose else None,
    )
    with told():
        raise typer.Exit(run_evaluate(wanted, config_path(config)))


def _words(text: str) -> tuple[str, ...]:
    return tuple([word.strip() for word in text.split(",") if word.strip()])
