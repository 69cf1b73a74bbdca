"""Is this folder of journals whole, and how does a command say so?"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import typer

from gateway.audit.places import Places
from gateway.audit.verdict import Finding, Report
from gateway.audit.verify import verify as run_verify
from gateway.cli.audit.key import given_keys
from gateway.cli.policy.report import counted, write_json
from gateway.cli.terminal import one_line
from gateway.cli.told import NO, WRONG, CommandFailed


def verify(
    folder: Path, keys: Sequence[str], anchors: Sequence[Path], *, as_json: bool, clock_tolerance_s: float
) -> int:
    """Print every problem and notice, and how far others vouch for it; the answer is the exit code.

    Raises:
        CommandFailed: there is no key, or nothing to verify.
    """
    places = Places(folder)
    if not keys:
        raise CommandFailed(_no_key(places), code=WRONG)
    trusted = given_keys(keys)
    try:
        if not places.registry.is_dir() and not places.epochs():
            raise CommandFailed(f"there is no journal in {folder}; name the folder of `audit.dir`", code=WRONG)
        report = run_verify(places, trusted, anchors, clock_tolerance_s=clock_tolerance_s)
    except OSError as error:
        what = f"{error.filename or folder} cannot be read ({error.strerror}); nothing was decided"
        raise CommandFailed(what, code=WRONG) from error
    if as_json:
        write_json(_as_json(report))
    else:
        _print(report)
    return 0 if report.whole else NO


def _no_key(places: Places) -> str:
    return (
        "nothing is verified without a public key: give --key with the one that you got from the log's operator when "
        f"the log began. A copy lies in {places.public_key}; whoever can change the journals can change it too, so "
        "that it alone proves nothing"
    )


def _print(report: Report) -> None:
    for finding in report.findings:
        typer.echo(one_line(f"{_where(finding)}: {'notice, ' if finding.notice else ''}{_told(finding)}"))
    read = f"{counted(report.records, 'record')} in {counted(report.epochs, 'epoch')}"
    typer.echo(f"{read}, {report.signed:,} under a checkpoint")
    problems = len(report.problems)
    typer.echo("WHOLE" if report.whole else f"BROKEN: {counted(problems, 'problem')}")
    typer.echo(
        f"anchored to {report.anchored}" if report.anchored else "NOT ANCHORED: proves nothing against the key's holder"
    )


def _where(finding: Finding) -> str:
    return finding.epoch if finding.position is None else f"{finding.epoch}.{finding.position}"


def _told(finding: Finding) -> str:
    many = f" ({finding.count})" if finding.count != 1 else ""
    return f"{finding.kind}{many}: {finding.message}"


def _as_json(report: Report) -> Mapping[str, object]:
    return {
        "whole": report.whole,
        "epochs": report.epochs,
        "records": report.records,
        "signed": report.signed,
        "anchored": report.anchored,
        "problems": [_finding(finding) for finding in report.problems],
        "notices": [_finding(finding) for finding in report.notices],
    }


def _finding(finding: Finding) -> Mapping[str, object]:
    return {
        "class": finding.kind.value,
        "epoch": finding.epoch,
        "position": finding.position,
        "count": finding.count,
        "message": finding.message,
    }
