"""What is wrong with these policy files?"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from gateway.activation.sources import FALLBACK, PolicyFile
from gateway.cli.policy.files import policy_files
from gateway.cli.policy.loaded import Read, namesakes, read
from gateway.cli.policy.report import (
    Check,
    Remark,
    Suite,
    counted,
    of_policy,
    write_github,
    write_json,
    write_junit,
)
from gateway.cli.terminal import one_line, out, visible
from gateway.cli.told import NO, shown
from gateway.configuration.packs import PACKS, POLICY


def lint(names: Sequence[str], config: Path | None, *, offline: bool, strict: bool, written: str) -> int:
    """Print every problem and warning; the answer is the exit code.

    Raises:
        CommandFailed: a file is not there.
    """
    files = policy_files(names, config)
    everything = [read(file, offline=offline) for file in files]
    more = dict(_about_names(files, everything))
    suites = [_suite(one, more.get(one.file, ()), strict=strict) for one in everything]
    match written:
        case "json":
            write_json(_as_json(suites))
        case "junit":
            write_junit("splitgate policy lint", suites)
        case "github":
            write_github(suites)
        case _:
            _print(everything, suites)
    return NO if any(suite.failed for suite in suites) else 0


def _about_names(files: Sequence[PolicyFile], everything: Sequence[Read]) -> Iterator[tuple[str, tuple[Remark, ...]]]:
    """Names that a gateway would refuse if these files were in force together."""
    policies = [one.policy for one in everything if one.policy is not None]
    for first, other in namesakes(policies):
        message = f"the name `{other.name}` is that of {first.file} too; both cannot be in force together"
        yield other.file, (Remark(message=message, warning=True),)
    shipped = str(PACKS / FALLBACK / POLICY)
    known = {file.file for file in files if file.fallback or Path(file.file).resolve() == Path(shipped).resolve()}
    for policy in policies:
        if policy.name == FALLBACK and policy.file not in known:
            message = f"the name `{FALLBACK}` is the shipped fallback's, which is always there; choose another"
            yield policy.file, (Remark(message=message, warning=True),)


def _suite(one: Read, more: Sequence[Remark], *, strict: bool) -> Suite:
    problems = [Remark(message=p.message, line=p.line, column=p.column) for p in one.problems]
    warnings = [*of_policy(one.file, one.warnings), *more]
    if strict:
        warnings = [Remark(message=w.message, line=w.line, column=w.column) for w in warnings]
    name = one.file if one.policy is None else one.policy.name
    return Suite(name=name, file=one.file, checks=(Check(name="lint", remarks=(*problems, *warnings)),))


def _as_json(suites: Sequence[Suite]) -> Mapping[str, object]:
    return {
        "ok": not any(suite.failed for suite in suites),
        "files": [
            {
                "file": suite.file,
                "ok": not suite.failed,
                "problems": [_remark(remark) for remark in suite.checks[0].failures],
                "warnings": [_remark(remark) for remark in suite.checks[0].remarks if remark.warning],
            }
            for suite in suites
        ],
    }


def _remark(remark: Remark) -> Mapping[str, object]:
    return {"line": remark.line, "column": remark.column, "message": remark.message}


def _print(everything: Sequence[Read], suites: Sequence[Suite]) -> None:
    console = out()
    for one, suite in zip(everything, suites, strict=True):
        for problem in one.problems:
            console.print(visible(shown(problem)), style="red", soft_wrap=True)
        for remark in suite.checks[0].remarks if one.policy is not None else ():
            where = ":".join(str(part) for part in (one.file, remark.line, remark.column) if part is not None)
            told = "warning" if remark.warning else "refused (--strict)"
            console.print(one_line(f"{where}: {told}: {remark.message}"), style="yellow", soft_wrap=True)
        if one.policy is not None and not suite.failed:
            rules, cases = len(one.policy.rules), len(one.policy.cases)
            told = f"{one.file}: OK — {one.policy.name}, {counted(rules, 'rule')}, {counted(cases, 'case')}"
            console.print(one_line(told), style="green", soft_wrap=True)
    failed = sum(suite.failed for suite in suites)
    if failed:
        console.print(f"{failed} of {counted(len(suites), 'file')} cannot be used as they are", style="bold red")
