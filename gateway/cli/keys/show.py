"""Which keys are there, and which of them open at present?"""

import json
import os
import time
from collections.abc import Iterator, Mapping
from math import inf
from pathlib import Path
from typing import Final

import typer
from rich import box
from rich.table import Table
from rich.text import Text

from gateway.cli.callers import all_keys
from gateway.cli.terminal import out
from gateway.domain.identity import Key
from gateway.domain.instant import written
from gateway.settings import Settings, load

_COLOURS: Final = {"open": "green", "later": "cyan", "expired": "yellow", "revoked": "red"}


def show(config: Path | None, *, as_json: bool) -> None:
    """Print every key of the configuration and of its key file; of none more than its public id.

    Raises:
        ConfigError: the configuration or the key file cannot be used.
    """
    settings = load(config, os.environ, offline=True)
    rows = list(_rows(settings, time.time()))
    if as_json:
        typer.echo(json.dumps(rows, indent=1))
        return
    table = Table(box=box.SIMPLE, pad_edge=False, padding=(0, 1, 0, 0))
    for heading in ("name", "id", "state", "until", "tenant", "roles"):
        table.add_column(heading, no_wrap=True)
    for heading in ("models", "routes", "in"):
        # On a narrow terminal these give way.
        table.add_column(heading, overflow="fold")
    for row in rows:
        table.add_row(*[_cell(name, row[name]) for name in row if name != "from"])
    out().print(table)


def state_of(key: Key, now: float) -> str:
    """``open``, ``later``, ``expired`` or ``revoked``."""
    if key.revoked:
        return "revoked"
    if now >= key.expires:
        return "expired"
    return "later" if now < key.not_before else "open"


def _rows(settings: Settings, now: float) -> Iterator[Mapping[str, str | list[str] | None]]:
    for key in all_keys(settings):
        caller = key.caller
        yield {
            "name": caller.key,
            "id": caller.secret,
            "state": state_of(key, now),
            "until": None if key.expires == inf else written(key.expires),
            "tenant": caller.tenant,
            "roles": sorted(caller.roles),
            "models": None if caller.models is None else sorted(caller.models),
            "routes": None if caller.routes is None else sorted(caller.routes),
            "in": "keys" if key in settings.keys else "keys_file",
            "from": None if key.not_before == -inf else written(key.not_before),
        }


def _cell(name: str, said: str | list[str] | None) -> Text:
    if isinstance(said, list):
        return Text(", ".join(said) or "none")
    if said is None:
        return Text("all" if name in ("models", "routes") else "—")
    return Text(said, style=_COLOURS[said] if name == "state" else "")
