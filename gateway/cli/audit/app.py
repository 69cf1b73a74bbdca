"""Which verbs does ``splitgate audit`` have?

Declared here, carried out in a file each; as for the other commands, nothing of the gateway is loaded before one runs.
"""

from enum import StrEnum
from pathlib import Path
from typing import Annotated, TypeAlias

import typer

from gateway.cli.options import ConfigOption

audit_app = typer.Typer(help="Check, prove, read and prune the audit journal.", no_args_is_help=True)
key_app = typer.Typer(help="The keys that sign the journal's checkpoints.", no_args_is_help=True)
audit_app.add_typer(key_app, name="key")

DirArgument: TypeAlias = Annotated[Path, typer.Argument(metavar="DIR", help="The folder of the journals, or a copy.")]
FolderOption: TypeAlias = Annotated[
    Path | None,
    typer.Option("--dir", metavar="DIR", help="The folder of the journals, or a copy; none: the configuration's."),
]
KeysOption: TypeAlias = Annotated[
    list[str] | None,
    typer.Option(
        "--key",
        metavar="PUB",
        help="The log's public key as you know it: NAME+ID+KEY, or a file that holds it; may be repeated.",
    ),
]


@audit_app.callback()
def audit() -> None:
    """Check, prove, read and prune the audit journal."""


@audit_app.command()
def verify(
    folder: DirArgument,
    *,
    keys: KeysOption = None,
    anchors: Annotated[
        list[Path] | None,
        typer.Option(
            "--anchors", metavar="D", help="A folder of checkpoints that another owner keeps; may be repeated."
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Write the result as JSON.")] = False,
    clock_tolerance: Annotated[
        float, typer.Option("--clock-tolerance", metavar="S", min=0, help="Seconds that a clock may step back.")
    ] = 1.0,
) -> None:
    """Tell, offline, whether a journal is whole and as it was signed, and everything that is not."""
    from gateway.cli.audit.verify import verify as run_verify  # noqa: PLC0415 - see the module's docstring
    from gateway.cli.told import told  # noqa: PLC0415

    with told():
        raise typer.Exit(
            run_verify(folder, keys or (), anchors or (), as_json=as_json, clock_tolerance_s=clock_tolerance)
        )


@audit_app.command()
def assemble(
    objects: Annotated[
        Path, typer.Argument(metavar="OBJECTS", help="A downloaded copy of one log's objects: PREFIX/LOG of a bucket.")
    ],
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="What to make: empty, or not there.")],
) -> None:
    """Make a folder of journals, for `verify` and `query`, of what a sink of kind `s3` put into a bucket."""
    from gateway.cli.audit.assemble import assemble as run_assemble  # noqa: PLC0415
    from gateway.cli.told import told  # noqa: PLC0415

    with told():
        run_assemble(objects, folder)


@audit_app.command()
def prove(
    event: Annotated[str, typer.Argument(metavar="EVENT", help="The record's id: EPOCH.N.")],
    *,
    folder: FolderOption = None,
    config: ConfigOption = None,
    keys: KeysOption = None,
    out: Annotated[Path | None, typer.Option("--out", metavar="FILE", help="Write it there, not to stdout.")] = None,
) -> None:
    """Write a proof that a record stands in the journal, for people who get nothing else of it."""
    from gateway.cli.audit.prove import prove as run_prove  # noqa: PLC0415
    from gateway.cli.audit.reach import journals  # noqa: PLC0415
    from gateway.cli.told import told  # noqa: PLC0415
    from gateway.cli.where import config_path  # noqa: PLC0415

    with told():
        run_prove(event, journals(folder, config_path(config)), keys or (), out)


@audit_app.command("check-proof")
def check_proof(
    proof: Annotated[Path, typer.Argument(metavar="FILE", help="The proof; - reads stdin.")],
    *,
    keys: KeysOption = None,
    record: Annotated[
        Path | None,
        typer.Option("--record", metavar="FILE", help="The record's line, where the proof does not hold it."),
    ] = None,
) -> None:
    """Tell, offline, what a proof proves; 1 if nothing."""
    from gateway.cli.audit.prove import check_proof as run_check  # noqa: PLC0415
    from gateway.cli.told import told  # noqa: PLC0415

    with told():
        raise typer.Exit(run_check(proof, keys or (), record))


@key_app.callback()
def key() -> None:
    """The keys that sign the journal's checkpoints."""


@key_app.command("new")
def key_new(
    name: Annotated[
        str, typer.Option("--name", help="What the log is called: `audit.name` of the configuration.")
    ] = "splitgate.local/audit",
) -> None:
    """Make a signing key: prints it once, and says its public key on stderr."""
    from gateway.cli.audit.key import new  # noqa: PLC0415
    from gateway.cli.told import told  # noqa: PLC0415

    with told():
        new(name)


@key_app.command("show")
def key_show(config: ConfigOption = None) -> None:
    """Print the public keys that checkpoints are signed with."""
    from gateway.cli.audit.key import show  # noqa: PLC0415
    from gateway.cli.told import told  # noqa: PLC0415
    from gateway.cli.where import config_path  # noqa: PLC0415

    with told():
        show(config_path(config))


class FoundFormat(StrEnum):
    """How records are written: for people, as one JSON array, or one JSON object a line."""

    TABLE = "table"
    JSON = "json"
    JSONL = "jsonl"


FolderArgument: TypeAlias = Annotated[
    Path | None,
    typer.Argument(metavar="[DIR]", help="The folder of the journals, or a copy; none: the configuration's."),
]
MasterOption: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--master-key", metavar="REFERENCE", help="env:NAME or file:PATH; without it the configuration's master key."
    ),
]


@audit_app.command()
def query(
    folder: FolderArgument = None,
    *,
    config: ConfigOption = None,
    since: Annotated[
        str | None, typer.Option(metavar="T", help="From then on: 2026-08-01T12:00:00Z, 2026-08-01, 2h, 7d.")
    ] = None,
    until: Annotated[str | None, typer.Option(metavar="T", help="Before then.")] = None,
    tenant: Annotated[str | None, typer.Option(help="On behalf of this tenant.")] = None,
    rule: Annotated[str | None, typer.Option(help="With a finding of this rule: ID or POLICY/ID.")] = None,
    decision: Annotated[str | None, typer.Option(help="So decided: allow, redact, require_approval, block.")] = None,
    request: Annotated[str | None, typer.Option(help="Of the request whose id begins so.")] = None,
    model: Annotated[str | None, typer.Option(help="That asked for this model.")] = None,
    phase: Annotated[str | None, typer.Option(help="intent, decision, outcome, config, erasure or heartbeat.")] = None,
    subject: Annotated[
        str | None, typer.Option(help="About this data subject; needs --tenant and the master key.")
    ] = None,
    master_key: MasterOption = None,
    limit: Annotated[int | None, typer.Option(min=1, help="At most so many.")] = None,
    written: Annotated[FoundFormat, typer.Option("--format", help="How to write them.")] = FoundFormat.TABLE,
) -> None:
    """List records, the oldest first."""
    from gateway.audit.search import Wanted  # noqa: PLC0415
    from gateway.cli.audit.query import now  # noqa: PLC0415
    from gateway.cli.audit.query import query as run_query  # noqa: PLC0415
    from gateway.cli.audit.reach import journals, pseudonym  # noqa: PLC0415
    from gateway.cli.audit.when import moment  # noqa: PLC0415
    from gateway.cli.told import told  # noqa: PLC0415
    from gateway.cli.where import config_path  # noqa: PLC0415

    with told():
        path = config_path(config)
        wanted = Wanted(
            since=moment(since, "--since", now),
            until=moment(until, "--until", now),
            tenant=tenant,
            rule=rule,
            decision=decision,
            request=request,
            model=model,
            phase=phase,
            subject=None if subject is None else pseudonym(tenant, subject, master_key, path),
        )
        run_query(journals(folder, path), wanted, limit=limit, written=written.value)


@audit_app.command()
def show(
    request: Annotated[str, typer.Argument(metavar="REQUEST", help="The request's id, or how it begins.")],
    *,
    folder: FolderOption = None,
    config: ConfigOption = None,
    content: Annotated[
        bool, typer.Option("--content", help="Also its texts, as far as they were kept; needs the master key.")
    ] = False,
    master_key: MasterOption = None,
) -> None:
    """Tell what became of one request: what came, what was found and decided, what was sent, what came back."""
    from gateway.cli.audit.reach import journals  # noqa: PLC0415
    from gateway.cli.audit.show import show as run_show  # noqa: PLC0415
    from gateway.cli.told import told  # noqa: PLC0415
    from gateway.cli.where import config_path  # noqa: PLC0415

    with told():
        path = config_path(config)
        run_show(request, journals(folder, path), content=content, master_key=master_key, config=path)


@audit_app.command()
def erase(
    *,
    subject: Annotated[str, typer.Option(help="Whom requests named as the data subject.")],
    tenant: Annotated[str, typer.Option(help="On whose behalf.")],
    config: ConfigOption = None,
    reason: Annotated[str, typer.Option(help="Stands in the journal for good: a ticket's number, and no name.")] = "",
    sure: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Destroy a data subject's key: what was encrypted under it can never be read again, nor what was committed to."""
    from gateway.cli.audit.erase import run  # noqa: PLC0415
    from gateway.cli.told import told  # noqa: PLC0415
    from gateway.cli.where import config_path  # noqa: PLC0415

    with told():
        run(tenant, subject, config_path(config), reason=reason, sure=sure)


@audit_app.command()
def prune(
    *,
    before: Annotated[
        str, typer.Option(metavar="T", help="What ended before then: 2026-08-01T12:00:00Z, 2026-08-01, 90d.")
    ],
    config: ConfigOption = None,
    keys: Annotated[
        list[str] | None,
        typer.Option(
            "--key", metavar="PUB", help="A public key that signed earlier: NAME+ID+KEY, or a file; may be repeated."
        ),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Tell what would go, and take nothing away.")] = False,
    force_unshipped: Annotated[
        bool, typer.Option("--force-unshipped", help="Also what a configured sink did not get yet.")
    ] = False,
) -> None:
    """Take away journals that are over, signed and shipped; checkpoints and the registry stay."""
    from gateway.cli.audit.prune import run  # noqa: PLC0415
    from gateway.cli.audit.query import now  # noqa: PLC0415
    from gateway.cli.audit.when import moment  # noqa: PLC0415
    from gateway.cli.told import told  # noqa: PLC0415
    from gateway.cli.where import config_path  # noqa: PLC0415

    with told():
        at = moment(before, "--before", now) or 0
        code = run(at, config_path(config), keys or (), dry_run=dry_run, force_unshipped=force_unshipped)
        raise typer.Exit(code)
