"""Which verbs does ``splitgate keys`` have?

Declared here, carried out in a file each; as for the other commands, nothing of the gateway is loaded before one runs.
"""

from enum import StrEnum
from typing import Annotated

import typer

from gateway.cli.options import ConfigOption

keys_app = typer.Typer(help="API keys for clients of the gateway.", no_args_is_help=True)


class RoleChoice(StrEnum):
    """What a key may do."""

    APP = "app"
    APPROVER = "approver"
    AUDITOR = "auditor"
    ADMIN = "admin"


class TrustChoice(StrEnum):
    """The most that a caller's words count for."""

    OPERATOR = "operator"
    USER = "user"


@keys_app.callback()
def keys() -> None:
    """API keys for clients of the gateway."""


@keys_app.command()
def new(
    *,
    name: Annotated[str | None, typer.Option(help="What the key is called in logs; app-ID if not given.")] = None,
    tenant: Annotated[str, typer.Option(help="On whose behalf its holder calls.")] = "default",
    role: Annotated[
        list[RoleChoice] | None, typer.Option(help="What it may do; may be repeated. Without any: app.")
    ] = None,
    model: Annotated[
        list[str] | None, typer.Option(help="A model or glob that it may ask for; may be repeated. Without any: all.")
    ] = None,
    route: Annotated[
        list[str] | None, typer.Option(help="A route that it may use (split); may be repeated. Without any: all.")
    ] = None,
    expires: Annotated[
        str | None, typer.Option(metavar="WHEN", help="When it ends: 90d from now, or 2030-01-31T12:00:00Z.")
    ] = None,
    max_trust: Annotated[
        TrustChoice, typer.Option("--max-trust", help="The most that its holder's words count for.")
    ] = TrustChoice.OPERATOR,
    require_data: Annotated[bool, typer.Option("--require-data", help="Refuse requests without data apart.")] = False,
    write: Annotated[bool, typer.Option("--write", help="Put the entry into the configuration's keys_file.")] = False,
    config: ConfigOption = None,
) -> None:
    """Make a key: prints it once, with the entry for the configuration file."""
    from gateway.cli.keys.make import Wish, make  # noqa: PLC0415 - see the module's docstring
    from gateway.cli.told import told  # noqa: PLC0415
    from gateway.cli.where import config_path  # noqa: PLC0415

    wish = Wish(
        name=name,
        tenant=tenant,
        roles=[one.value for one in role or [RoleChoice.APP]],
        models=model or [],
        routes=route or [],
        max_trust=max_trust.value,
        require_data=require_data,
        expires=expires,
    )
    with told():
        make(wish, config_path(config), write=write)


@keys_app.command("list")
def list_(
    config: ConfigOption = None,
    *,
    as_json: Annotated[bool, typer.Option("--json", help="Write the result as JSON.")] = False,
) -> None:
    """List the keys of the configuration and its key file, and which of them open."""
    from gateway.cli.keys.show import show  # noqa: PLC0415
    from gateway.cli.told import told  # noqa: PLC0415
    from gateway.cli.where import config_path  # noqa: PLC0415

    with told():
        show(config_path(config), as_json=as_json)


@keys_app.command()
def rotate(
    name: Annotated[str, typer.Argument(metavar="NAME", help="What the key is called.")],
    overlap: Annotated[str, typer.Option(metavar="WHEN", help="How long the key before goes on to open.")] = "7d",
    expires: Annotated[str | None, typer.Option(metavar="WHEN", help="When the new key ends.")] = None,
    config: ConfigOption = None,
) -> None:
    """Make another key for an entry of the key file, and have the one before end after a while."""
    from gateway.cli.keys.make import succeed  # noqa: PLC0415
    from gateway.cli.told import told  # noqa: PLC0415
    from gateway.cli.where import config_path  # noqa: PLC0415

    with told():
        succeed(name, config_path(config), overlap=overlap, expires=expires)


@keys_app.command()
def revoke(
    named: Annotated[str, typer.Argument(metavar="NAME|ID", help="An entry, or one key's public id: sg-1a2b3c4d.")],
    config: ConfigOption = None,
) -> None:
    """Take keys of the key file back; gateways that run follow at once."""
    from gateway.cli.keys.make import take_back  # noqa: PLC0415
    from gateway.cli.told import told  # noqa: PLC0415
    from gateway.cli.where import config_path  # noqa: PLC0415

    with told():
        take_back(named, config_path(config))
