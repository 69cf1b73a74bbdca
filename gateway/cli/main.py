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
from gateway.cli.evaluate_command import evaluate
from gateway.cli.keys.app import keys_app
from gateway.cli.options import ConfigOption, DialectChoice, DialectOption
from gateway.cli.policy.app import policy_app
from gateway.cli.train_command import train
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


app.command()(train)
app.command()(evaluate)


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
