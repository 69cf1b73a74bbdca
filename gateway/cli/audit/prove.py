"""How is one record handed to somebody else with its proof, and how do they check it?"""

import json
import sys
from collections.abc import Sequence
from pathlib import Path

import typer

from gateway.audit.note import VerifierKey
from gateway.audit.opening import is_unfit
from gateway.audit.places import Places
from gateway.audit.proof import NoProof, Proof, check
from gateway.audit.proof import prove as run_prove
from gateway.cli.audit.key import given_keys
from gateway.cli.terminal import one_line, visible
from gateway.cli.told import NO, WRONG, CommandFailed, say


def prove(event: str, places: Places, keys: Sequence[str], out: Path | None) -> None:
    """Write the proof to a file or to stdout.

    Raises:
        CommandFailed: there is nothing to prove, or a file cannot be used.
    """
    try:
        proof = bytes(run_prove(places, event, _keys(places, keys)))
        if out is not None:
            out.write_bytes(proof)
    except NoProof as error:
        raise CommandFailed(str(error), code=NO) from error
    except OSError as error:
        raise CommandFailed(f"{error.filename} cannot be used ({error.strerror})", code=WRONG) from error
    if out is None:
        typer.echo(proof, nl=False)
    else:
        say(f"{out}: the proof of {event}, with its record; `splitgate audit check-proof` checks it")


def check_proof(file: Path, keys: Sequence[str], record: Path | None) -> int:
    """Print what the proof proves, and the record; the answer is the exit code.

    Raises:
        CommandFailed: there is no key, or a file cannot be read.
    """
    if not keys:
        raise CommandFailed("nothing is proven without the log's public key: give it with --key", code=WRONG)
    trusted = given_keys(keys)
    try:
        raw = sys.stdin.buffer.read() if str(file) == "-" else file.read_bytes()
        line = None if record is None else record.read_bytes().removesuffix(b"\n")
    except OSError as error:
        raise CommandFailed(f"{error.filename} cannot be read ({error.strerror})", code=WRONG) from error
    try:
        proven = check(Proof.parse(raw), trusted, line)
    except NoProof as error:
        say(f"NOT PROVEN: {error}")
        return NO
    said = proven.said
    typer.echo(
        one_line(f"PROVEN: {proven.key.name}+{proven.key.id.hex()} signed that {proven.event} is this record, one of ")
        + f"{said.size} that the log held then:"
    )
    typer.echo(visible(json.dumps(proven.fields, indent=2, sort_keys=True, ensure_ascii=False)))
    return 0


def _keys(places: Places, keys: Sequence[str]) -> list[VerifierKey]:
    """The keys that were given, else the operator's copy: whoever checks the proof brings a key of their own."""
    if keys:
        return given_keys(keys)
    if is_unfit(places.public_key) or not places.public_key.exists():
        raise CommandFailed(f"there is no {places.public_key}; give the log's public key with --key", code=WRONG)
    return given_keys([str(places.public_key)])
