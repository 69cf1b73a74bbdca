"""Which keys sign the journal?

Shared by the verbs of ``splitgate audit``: how a public key is given to them.
"""

import os
from collections.abc import Sequence
from pathlib import Path

import typer

from gateway.audit.keys import SIGNING_FILE
from gateway.audit.note import BadKey, SigningKey, VerifierKey
from gateway.audit.read import public_keys
from gateway.cli.told import WRONG, CommandFailed, say
from gateway.configuration.values import Settings
from gateway.settings import load


def new(name: str) -> None:
    """Print a signing key on stdout, its public key on stderr.

    Raises:
        CommandFailed: a name that no key can have.
    """
    try:
        key = SigningKey.draw(name)
    except BadKey as error:
        raise CommandFailed(f"--name: {error}", code=WRONG) from error
    say("The signing key: keep it secret, and name it in `audit.signing_keys` as env:NAME or file:PATH:")
    typer.echo(key.reveal())
    say("Its public key, for whoever verifies: give it to them now, by a way that you do not control alone:")
    say(str(key.verifier))


def show(config: Path | None) -> None:
    """Print the public keys of a configuration, one a line.

    Raises:
        ConfigError: the configuration cannot be used.
        CommandFailed: there is no key yet.
    """
    for key in _signing_keys(load(config, os.environ)):
        typer.echo(str(key.verifier))


def given_keys(keys: Sequence[str]) -> list[VerifierKey]:
    """The keys that were given: each a text, or a file that holds one or more.

    Raises:
        CommandFailed: what was given is neither.
    """
    found: list[VerifierKey] = []
    for index, key in enumerate(keys, start=1):
        try:
            found += public_keys(key if _is_text(key) else Path(key).read_text(encoding="utf-8"))
        except BadKey as error:
            raise CommandFailed(f"--key number {index}: {error}", code=WRONG) from error
        except (OSError, UnicodeDecodeError) as error:
            what = "cannot be read: name a file, or write the key itself as NAME+ID+KEY"
            raise CommandFailed(f"--key number {index} {what}", code=WRONG) from error
    return found


def _is_text(key: str) -> bool:
    return key.count("+") > 1 and not Path(key).is_file()


def _signing_keys(settings: Settings) -> list[SigningKey]:
    if settings.audit.signing_keys:
        return [SigningKey.parse(secret.reveal()) for secret in settings.audit.signing_keys]
    made = settings.state_dir / SIGNING_FILE
    try:
        return [SigningKey.parse(made.read_text(encoding="utf-8"))]
    except FileNotFoundError:
        raise CommandFailed(
            f"there is no key yet: the gateway makes {made} at its first start; or make one with "
            "`splitgate audit key new` and name it in `audit.signing_keys`",
            code=WRONG,
        ) from None
    except (OSError, BadKey, UnicodeDecodeError) as error:
        raise CommandFailed(f"{made} holds no key that can be used; put it back from a backup", code=WRONG) from error
