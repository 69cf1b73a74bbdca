"""Which commands does ``splitgate`` have?

Commands are declared here and carried out in a file each, imported when the command runs: ``splitgate --help`` loads
none of the gateway.
"""

import gc
import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from gateway.cli.audit.app import audit_app
from gateway.cli.keys.app import keys_app
from gateway.cli.options import ConfigOption, DialectChoice, DialectOption, MethodChoice, SuiteChoice
from gateway.cli.policy.app import policy_app
from gateway.version import VERSION

EXIT_CODES = (
    "Exit codes: 0 it worked; 1 the answer is no; 2 wrong usage or configuration; 3 a running gateway, or the "
    "model that is measured, could not be reached; 130 interrupted."
)

app = typer.Typer(
    name="splitgate",
    help="A reverse proxy for language models that keeps instructions and data apart.",
    epilog=EXIT_CODES,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.add_typer(keys_app, name="keys")
app.add_typer(policy_app, name="policy")
app.add_typer(audit_app, name="audit")


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"splitgate {VERSION}")
        raise typer.Exit


@app.callback()
def root(
    *,
    _shown: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """A reverse proxy for language models that keeps instructions and data apart."""


@app.command()
def serve(
    config: ConfigOption = None,
    host: Annotated[str | None, typer.Option(help="Address to listen on, instead of the file's.")] = None,
    port: Annotated[int | None, typer.Option(min=0, max=65_535, help="Port, instead of the file's.")] = None,
    workers: Annotated[int, typer.Option(min=1, max=256, help="Worker processes.")] = 1,
) -> None:
    """Run the gateway until SIGTERM or SIGINT."""
    # What is imported stays: looking through it again and again is a seventh of the supervisor's start.
    gc.disable()
    from gateway.cli.told import told  # noqa: PLC0415 - see the module's docstring
    from gateway.cli.where import config_path  # noqa: PLC0415
    from gateway.main import serve as run_gateway  # noqa: PLC0415

    gc.freeze()
    gc.enable()
    with told():
        raise typer.Exit(run_gateway(config_path(config), host, port, workers))


@app.command()
def check(
    config: ConfigOption = None,
    *,
    schema: Annotated[
        bool, typer.Option("--schema", help="Print the file's JSON Schema for your editor, and check nothing.")
    ] = False,
    no_secrets: Annotated[
        bool,
        typer.Option("--no-secrets", help="Do not look whether the credentials that the file refers to are there."),
    ] = False,
) -> None:
    """Check the configuration: OK with a summary, or every problem with its line."""
    from gateway.cli.check import check as run_check  # noqa: PLC0415
    from gateway.cli.check import show_schema  # noqa: PLC0415
    from gateway.cli.told import told  # noqa: PLC0415
    from gateway.cli.where import config_path  # noqa: PLC0415

    with told():
        if schema:
            show_schema()
        else:
            run_check(config_path(config), secrets=not no_secrets)


@app.command()
def models(config: ConfigOption = None) -> None:
    """List models and targets, the isolation that each can reach, and where a floor cannot be reached."""
    from gateway.cli.models import models as run_models  # noqa: PLC0415
    from gateway.cli.told import told  # noqa: PLC0415
    from gateway.cli.where import config_path  # noqa: PLC0415

    with told():
        run_models(config_path(config))


@app.command()
def explain(
    request: Annotated[Path, typer.Argument(metavar="REQUEST.json", help="A request's body; - reads stdin.")],
    *,
    config: ConfigOption = None,
    model: Annotated[str | None, typer.Option(help="Use this model instead of the request's.")] = None,
    dialect: DialectOption = DialectChoice.AUTO,
    key: Annotated[str | None, typer.Option("--as", metavar="KEY", help="Explain it for the key of this name.")] = None,
    full: Annotated[bool, typer.Option("--full", help="Show long texts whole.")] = False,
    raw: Annotated[bool, typer.Option("--raw", help="Write the upstream body alone, byte for byte.")] = False,
) -> None:
    """Show what would be sent to the model, and why; no model is called."""
    from gateway.cli.explain import explain as run_explain  # noqa: PLC0415
    from gateway.cli.told import told  # noqa: PLC0415
    from gateway.cli.where import config_path  # noqa: PLC0415

    with told():
        code = run_explain(
            request, config_path(config), model=model, dialect=dialect.value, key=key, full=full, raw=raw
        )
        raise typer.Exit(code)


@app.command()
def doctor(
    recorded: Annotated[
        Path | None, typer.Argument(metavar="[FILE.jsonl]", help="Request bodies, one a line; - reads stdin.")
    ] = None,
    url: Annotated[
        str | None, typer.Option(help="Ask a running gateway for its last requests (server.record_recent).")
    ] = None,
    api_key: Annotated[
        str | None,
        typer.Option(
            "--api-key",
            metavar="REFERENCE",
            help="For --url: env:NAME or file:PATH; without it the variable SPLITGATE_KEY, if set.",
        ),
    ] = None,
    config: ConfigOption = None,
    dialect: DialectOption = DialectChoice.AUTO,
) -> None:
    """List recorded requests that carry no data apart, and propose templates for them."""
    from gateway.cli.doctor import doctor as run_doctor  # noqa: PLC0415
    from gateway.cli.told import told  # noqa: PLC0415
    from gateway.cli.where import config_path  # noqa: PLC0415

    with told():
        code = run_doctor(recorded, config_path(config), url=url, api_key=api_key, dialect=dialect.value)
        raise typer.Exit(code)


@app.command()
def train(
    out: Annotated[Path, typer.Option(metavar="DIR", help="Where the adapter, its log and checkpoints go.")],
    *,
    method: Annotated[MethodChoice, typer.Option(help="How the model learns to tell data.")] = MethodChoice.STRUQ,
    data: Annotated[
        str, typer.Option(metavar="FILE|builtin", help="JSONL with instruction, input and output; or our own tasks.")
    ] = "builtin",
    count: Annotated[int, typer.Option(min=1, help="Examples to make, if they are our own.")] = 1600,
    adversarial: Annotated[
        float, typer.Option(min=0, max=1, help="Share of the examples whose data holds an attack.")
    ] = 0.5,
    seed: Annotated[int, typer.Option(min=0, help="What everything random follows from.")] = 0,
    steps: Annotated[int, typer.Option(min=1, help="Steps to make.")] = 200,
    batch: Annotated[int, typer.Option(min=1, help="Examples a step.")] = 8,
    rate: Annotated[float, typer.Option(min=0, help="Highest learning rate.")] = 1e-3,
    warm_up: Annotated[int, typer.Option(min=0, help="Steps until the rate is reached.")] = 20,
    longest: Annotated[int, typer.Option(min=16, help="Tokens of the longest example that is used.")] = 512,
    checkpoint_every: Annotated[int, typer.Option(min=1, help="Steps between two checkpoints.")] = 50,
    resume: Annotated[bool, typer.Option("--resume", help="Go on from the last checkpoint in DIR.")] = False,
    base: Annotated[
        Path | None, typer.Option(metavar="DIR", help="A causal language model, instead of the embedded one.")
    ] = None,
    start: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Begin with what a finished run has learned.")
    ] = None,
    threads: Annotated[int, typer.Option(min=1, help="Threads to compute with.")] = 1,
    device: Annotated[str, typer.Option(help="What to compute on: cpu, cuda.")] = "cpu",
    exact: Annotated[bool, typer.Option("--exact", help="Compute in 32 bits throughout, twice as slowly.")] = False,
    beta: Annotated[float, typer.Option(min=0, help="secalign: how far the model may go from its start.")] = 0.1,
    answer_weight: Annotated[float, typer.Option(min=0, help="secalign: weight of the plain answer loss.")] = 0.0,
    angle: Annotated[float, typer.Option(help="aside: degrees by which data is rotated.")] = 90.0,
    ramp: Annotated[int, typer.Option(min=0, help="aside: steps until the whole angle is reached.")] = 0,
    full_layers: Annotated[int, typer.Option(min=0, help="First layers that learn whole, beside LoRA.")] = 0,
) -> None:
    """Train a model to tell instructions from data: LoRA matrices, with the figures of how it went."""
    from gateway.cli.train import Wanted  # noqa: PLC0415 - see the module's docstring
    from gateway.cli.train import train as run_train  # noqa: PLC0415

    raise typer.Exit(
        run_train(
            Wanted(
                method=method.value,
                seed=seed,
                steps=steps,
                data=data,
                count=count,
                adversarial=adversarial,
                out=out,
                base=base,
                start=start,
                resume=resume,
                threads=threads,
                device=device,
                batch=batch,
                rate=rate,
                warm_up=warm_up,
                longest=longest,
                checkpoint_every=checkpoint_every,
                exact=exact,
                beta=beta,
                answer_weight=answer_weight,
                angle=angle,
                ramp=ramp,
                full_layers=full_layers,
            )
        )
    )


@app.command()
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
    from gateway.cli.evaluate import Wanted  # noqa: PLC0415
    from gateway.cli.evaluate import evaluate as run_evaluate  # noqa: PLC0415
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


def run() -> None:
    """The entry point of the installed command."""
    for stream in (sys.stdout, sys.stderr):
        # A terminal that knows fewer characters gets escapes, not a traceback.
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors="backslashreplace")
    # Before anything imports pydantic, and for the workers too: looking through every installed package for plugins is
    # a twentieth of each process's start, and nothing installed beside the gateway is to see what it validates.
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")
    app()
