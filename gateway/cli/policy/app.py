"""Which verbs does ``splitgate policy`` have?

Declared here, carried out in a file each; as for the other commands, nothing of the gateway is loaded before one runs.
"""

from enum import StrEnum
from pathlib import Path
from typing import Annotated, TypeAlias

import typer

from gateway.cli.options import ConfigOption, DialectChoice, DialectOption

policy_app = typer.Typer(help="Write, try and compare policies.", no_args_is_help=True)


class ReportFormat(StrEnum):
    """How the result of a check is written: for people, programs, CI, or as annotations of a GitHub action."""

    TEXT = "text"
    JSON = "json"
    JUNIT = "junit"
    GITHUB = "github"


class ResultFormat(StrEnum):
    """How a result is written that is no check."""

    TEXT = "text"
    JSON = "json"


class CorpusStage(StrEnum):
    """Where bare texts of a corpus stand."""

    DATA = "data"
    INSTRUCTIONS = "instructions"
    TOOLS = "tools"
    OUTPUT = "output"


PoliciesArgument: TypeAlias = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="[POLICY]…",
        help="Files, folders (all *.yaml and *.yml below them), names of shipped packs, or - for stdin; none: those "
        "of the configuration.",
    ),
]
PolicyOption: TypeAlias = Annotated[
    list[str] | None,
    typer.Option(
        "--policy",
        "-p",
        metavar="POLICY",
        help="A file, a folder or a shipped pack; may be repeated. None: those of the configuration.",
    ),
]
ReportOption: TypeAlias = Annotated[ReportFormat, typer.Option("--format", help="How to write the result.")]
ResultOption: TypeAlias = Annotated[ResultFormat, typer.Option("--format", help="How to write the result.")]
AskOption: TypeAlias = Annotated[
    bool,
    typer.Option("--ask", help="Also ask external classifiers, with their real credentials; otherwise none is asked."),
]
CorpusOption: TypeAlias = Annotated[
    list[Path],
    typer.Option(
        "--corpus",
        metavar="FILE",
        help="Requests or texts: JSONL, JSON, a text file, a folder with a text in each file, - for JSONL on stdin; "
        "may be repeated.",
    ),
]
FieldOption: TypeAlias = Annotated[
    str | None, typer.Option("--field", help="The field that holds an entry's text; otherwise `text` or `prompt`.")
]
StageOption: TypeAlias = Annotated[CorpusStage, typer.Option("--stage", help="Where bare texts stand.")]


@policy_app.callback()
def policy() -> None:
    """Write, try and compare policies."""


@policy_app.command()
def lint(
    policies: PoliciesArgument = None,
    *,
    config: ConfigOption = None,
    offline: Annotated[
        bool,
        typer.Option("--offline/--online", help="Whether credentials that a policy refers to need not be there."),
    ] = True,
    strict: Annotated[bool, typer.Option("--strict", help="Fail on warnings too.")] = False,
    written: ReportOption = ReportFormat.TEXT,
) -> None:
    """Tell all that is wrong with policy files, with line and column."""
    from gateway.cli.policy.lint import lint as run_lint  # noqa: PLC0415 - see the module's docstring
    from gateway.cli.told import told  # noqa: PLC0415

    with told():
        raise typer.Exit(run_lint(policies or (), config, offline=offline, strict=strict, written=written.value))


@policy_app.command("test")
def try_cases(
    policies: PoliciesArgument = None,
    *,
    config: ConfigOption = None,
    coverage: Annotated[
        bool, typer.Option("--coverage", help="Fail on a rule without a case that hits it and a near miss.")
    ] = False,
    ask: AskOption = False,
    written: ReportOption = ReportFormat.TEXT,
) -> None:
    """Run the cases that stand in policy files, with the real detectors."""
    from gateway.cli.policy.test import check_cases  # noqa: PLC0415
    from gateway.cli.told import told  # noqa: PLC0415

    with told():
        raise typer.Exit(check_cases(policies or (), config, gaps=coverage, ask=ask, written=written.value))


@policy_app.command()
def coverage(
    policies: PoliciesArgument = None,
    *,
    config: ConfigOption = None,
    ask: AskOption = False,
    written: ReportOption = ReportFormat.TEXT,
) -> None:
    """Show for each rule how many passing cases hit it, and how many just miss it."""
    from gateway.cli.policy.coverage import coverage as run_coverage  # noqa: PLC0415
    from gateway.cli.told import told  # noqa: PLC0415

    with told():
        raise typer.Exit(run_coverage(policies or (), config, ask=ask, written=written.value))


@policy_app.command()
def explain(
    request: Annotated[
        Path, typer.Argument(metavar="REQUEST.json", help="A request's body, or {stage, text, …}; - reads stdin.")
    ],
    *,
    policies: PolicyOption = None,
    config: ConfigOption = None,
    model: Annotated[str | None, typer.Option(help="Use this model instead of the request's.")] = None,
    dialect: DialectOption = DialectChoice.AUTO,
    key: Annotated[str | None, typer.Option("--as", metavar="KEY", help="Explain it for the key of this name.")] = None,
    every: Annotated[bool, typer.Option("--all", help="Show also rules whose detectors are all quiet.")] = False,
    ask: AskOption = False,
    written: ResultOption = ResultFormat.TEXT,
) -> None:
    """Show what policy makes of a request, rule by rule, with the scores; no model is called."""
    from gateway.cli.policy.explain import explain as run_explain  # noqa: PLC0415
    from gateway.cli.told import told  # noqa: PLC0415

    with told():
        raise typer.Exit(
            run_explain(
                request,
                policies or (),
                config,
                model=model,
                dialect=dialect.value,
                key=key,
                every=every,
                ask=ask,
                written=written.value,
            )
        )


@policy_app.command()
def diff(
    before: Annotated[str, typer.Argument(metavar="A", help="A file, a folder or a shipped pack.")],
    after: Annotated[str, typer.Argument(metavar="B", help="What it is compared with.")],
    *,
    corpus: CorpusOption,
    field: FieldOption = None,
    stage: StageOption = CorpusStage.DATA,
    config: ConfigOption = None,
    key: Annotated[str | None, typer.Option("--as", metavar="KEY", help="Ask as the key of this name.")] = None,
    every: Annotated[bool, typer.Option("--all", help="List every change.")] = False,
    ask: AskOption = False,
    written: ResultOption = ResultFormat.TEXT,
) -> None:
    """Show the verdicts of a corpus that B decides otherwise than A; 1 if there are any."""
    from gateway.cli.policy.diff import diff as run_diff  # noqa: PLC0415
    from gateway.cli.told import told  # noqa: PLC0415

    with told():
        raise typer.Exit(
            run_diff(
                (before, after),
                corpus,
                config,
                field=field,
                stage=stage.value,
                key=key,
                every=every,
                ask=ask,
                written=written.value,
            )
        )


@policy_app.command()
def fp(
    *,
    corpus: CorpusOption,
    policies: PolicyOption = None,
    field: FieldOption = None,
    stage: StageOption = CorpusStage.DATA,
    max_rate: Annotated[
        str | None,
        typer.Option("--max-rate", metavar="SHARE", help="Fail if more texts are refused: 0.005 or 0.5%."),
    ] = None,
    config: ConfigOption = None,
    ask: AskOption = False,
    written: ResultOption = ResultFormat.TEXT,
) -> None:
    """Count how often each rule hits a corpus in which nothing should hit."""
    from gateway.cli.policy.fp import fp as run_fp  # noqa: PLC0415
    from gateway.cli.told import told  # noqa: PLC0415

    with told():
        raise typer.Exit(
            run_fp(
                policies or (),
                corpus,
                config,
                field=field,
                stage=stage.value,
                max_rate=max_rate,
                ask=ask,
                written=written.value,
            )
        )


@policy_app.command()
def replay(
    *,
    policies: PolicyOption = None,
    audit: Annotated[
        Path | None,
        typer.Option("--audit", metavar="DIR", help="The folder of the journals; none: the configuration's."),
    ] = None,
    since: Annotated[
        str | None, typer.Option(metavar="T", help="From then on: 2026-08-01T12:00:00Z, 2026-08-01, 2h, 7d.")
    ] = None,
    until: Annotated[str | None, typer.Option(metavar="T", help="Before then.")] = None,
    tenant: Annotated[str | None, typer.Option(help="On behalf of this tenant.")] = None,
    config: ConfigOption = None,
    every: Annotated[bool, typer.Option("--all", help="List every change.")] = False,
    limit: Annotated[int, typer.Option(min=0, help="List at most so many changes.")] = 20,
    written: ResultOption = ResultFormat.TEXT,
) -> None:
    """Show what policies would change about the requests in an audit journal; 1 if anything."""
    from gateway.audit.search import Wanted  # noqa: PLC0415
    from gateway.cli.audit.query import now  # noqa: PLC0415
    from gateway.cli.audit.reach import journals  # noqa: PLC0415
    from gateway.cli.audit.when import moment  # noqa: PLC0415
    from gateway.cli.policy.replay import replay as run_replay  # noqa: PLC0415
    from gateway.cli.told import told  # noqa: PLC0415
    from gateway.cli.where import config_path  # noqa: PLC0415

    with told():
        wanted = Wanted(since=moment(since, "--since", now), until=moment(until, "--until", now), tenant=tenant)
        places = journals(audit, config_path(config))
        raise typer.Exit(
            run_replay(policies or (), places, wanted, config, limit=None if every else limit, written=written.value)
        )


@policy_app.command()
def schema() -> None:
    """Print the JSON Schema of a policy file, for your editor."""
    from gateway.cli.policy.schema import schema as run_schema  # noqa: PLC0415
    from gateway.cli.told import told  # noqa: PLC0415

    with told():
        run_schema()
