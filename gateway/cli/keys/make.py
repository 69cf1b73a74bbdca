"""How is an API key made, given a successor and taken back?

``sg-``, 8 hexadecimal digits that may be shown anywhere, ``-`` and 256 random bits. Only the SHA-256 of the whole key
is ever kept, so a lost key is replaced, not recovered. What is printed on stdout is the key, once; all else is on
stderr.
"""

import hashlib
import json
import os
import re
import secrets
import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Final

import typer

from gateway.access.edit import NewDigest, NoSuchKey, add, revoke, rotate
from gateway.access.key_file import KeyFile
from gateway.cli.audit.when import later
from gateway.cli.callers import all_keys
from gateway.cli.told import NO, WRONG, CommandFailed, say
from gateway.dialects.registry import DIALECTS
from gateway.domain.instant import written
from gateway.domain.jsonvalue import JsonValue
from gateway.settings import Settings, load

_NAME: Final = re.compile(r"[A-Za-z0-9_.:-]{1,64}")
_GLOB: Final = re.compile(r"[A-Za-z0-9_.:/*?-]{1,128}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What a new key is to be; ``expires`` as it was written. Empty lists mean all."""

    name: str | None
    tenant: str
    roles: Sequence[str]
    models: Sequence[str]
    routes: Sequence[str]
    max_trust: str
    require_data: bool
    expires: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Key:
    """A new key, whole, and what is kept of it."""

    key: str
    digest: NewDigest


def make(wish: Wish, config: Path | None, *, write: bool) -> None:
    """Print a key, and its entry; with ``write`` the entry goes into the key file instead.

    Raises:
        CommandFailed: the configuration would refuse it.
        ConfigError: the configuration or the key file cannot be used.
        StateUnusable: the key file cannot be written.
    """
    _check(wish)
    made = _made(_taken_ids(None), wish.expires, time.time())
    entry = _entry(wish, made.digest)
    if not write:
        say("The key, shown this once; clients send it as `authorization: Bearer KEY`:")
        typer.echo(made.key)
        say("Its entry for `keys:` in the configuration file:")
        typer.echo(f"- {_yaml(entry)}")
        return
    settings, file = _key_file(config)
    _expect_known(wish.models, settings.models, "model")
    if any(key.caller.key == wish.name for key in all_keys(settings)):
        raise CommandFailed(f"there is a key `{wish.name}`; `splitgate keys rotate` gives it another one", code=NO)
    made = _made(_taken_ids(settings), wish.expires, time.time())
    entry = _entry(wish, made.digest)
    add(file, entry)
    say(f"The key `{entry['name']}` is in {file.path}, and opens within a second or two where a gateway runs.")
    say("The key itself, shown this once; clients send it as `authorization: Bearer KEY`:")
    typer.echo(made.key)


def succeed(name: str, config: Path | None, *, overlap: str, expires: str | None) -> None:
    """Print another key for the same entry; those before it go on to open for ``overlap``.

    Raises:
        CommandFailed: the key file has no such entry.
        ConfigError: the configuration or the key file cannot be used.
        StateUnusable: the key file cannot be written.
    """
    settings, file = _key_file(config)
    now = time.time()
    made, ends = _made(_taken_ids(settings), expires, now), later(overlap, "--overlap", now)
    try:
        left = rotate(file, name, made.digest, ends)
    except NoSuchKey as error:
        raise CommandFailed(str(error), code=NO) from None
    say(f"`{name}` has another key; {left} from before open until {written(ends)} at most.")
    say("The key itself, shown this once:")
    typer.echo(made.key)


def take_back(named: str, config: Path | None) -> None:
    """Revoke the entry of this name, or the one key of this public id.

    Raises:
        CommandFailed: the key file has neither.
        ConfigError: the configuration or the key file cannot be used.
        StateUnusable: the key file cannot be written.
    """
    settings, file = _key_file(config)
    try:
        names = revoke(file, named, time.time())
    except NoSuchKey as error:
        if any(named in (key.caller.key, key.caller.secret) for key in settings.keys):
            message = f"`{named}` stands in {settings.file} itself; take it out there, and restart the gateway"
            raise CommandFailed(message, code=NO) from None
        raise CommandFailed(str(error), code=NO) from None
    say(f"Revoked in {', '.join(names)}: where a gateway runs it opens nothing within a second or two.")


def _check(wish: Wish) -> None:
    for option, text in (("--name", wish.name), ("--tenant", wish.tenant)):
        if text is not None and not _NAME.fullmatch(text):
            raise CommandFailed(f"{option} must be 1 to 64 letters, digits or . _ : - signs", code=WRONG)
    for model in wish.models:
        if not _GLOB.fullmatch(model):
            raise CommandFailed("--model must be a name, or a glob with * and ?", code=WRONG)
    _expect_known(wish.routes, DIALECTS, "route")


def _expect_known(globs: Sequence[str], known: Collection[str], what: str) -> None:
    for glob in globs:
        if not any(fnmatchcase(name, glob) for name in known):
            raise CommandFailed(f"--{what}: no {what} is `{glob}`; there are {', '.join(sorted(known))}", code=WRONG)


def _key_file(config: Path | None) -> tuple[Settings, KeyFile]:
    settings = load(config, os.environ, offline=True)
    if settings.keys_file is None:
        raise CommandFailed(
            f"{settings.file} names no `keys_file`; add one to it, or put the entry into `keys` by hand", code=WRONG
        )
    return settings, KeyFile(settings.keys_file, settings)


def _taken_ids(settings: Settings | None) -> frozenset[str]:
    found = () if settings is None else all_keys(settings)
    return frozenset([key.caller.secret for key in found if key.caller.secret is not None])


def _made(taken: Collection[str], expires: str | None, now: float) -> _Key:
    until = None if expires is None else later(expires, "--expires", now)
    while (public := f"sg-{secrets.token_hex(4)}") in taken:
        pass
    key = f"{public}-{secrets.token_urlsafe(32)}"
    digest = hashlib.sha256(key.encode()).hexdigest()
    return _Key(key=key, digest=NewDigest(id=public, sha256=digest, created=now, expires=until))


def _entry(wish: Wish, digest: NewDigest) -> Mapping[str, JsonValue]:
    """What is not said by default stands in it."""
    told: dict[str, JsonValue] = {
        "name": wish.name or f"app-{digest.id.removeprefix('sg-')}",
        **digest.told(),
        "tenant": wish.tenant,
        "roles": list(wish.roles),
    }
    if wish.models:
        told["models"] = list(wish.models)
    if wish.routes:
        told["routes"] = list(wish.routes)
    if wish.max_trust != "operator":
        told["max_trust"] = wish.max_trust
    if wish.require_data:
        told["require_data"] = True
    return told


def _yaml(entry: Mapping[str, JsonValue]) -> str:
    """On one line, as people write it: names bare, texts in quotes."""
    return "{" + ", ".join(f"{name}: {json.dumps(inner)}" for name, inner in entry.items()) + "}"
