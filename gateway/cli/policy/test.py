"""Do the cases that stand in policy files come out as they say?"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from gateway.cli.policy.files import policy_files
from gateway.cli.policy.loaded import tell_unasked, unasked
from gateway.cli.policy.report import Check, Remark, Suite, counted, write_github, write_json, write_junit
from gateway.cli.policy.tried import Outcome, try_cases
from gateway.cli.terminal import one_line, out, visible
from gateway.cli.told import NO
from policies.engine.cases import CaseResult


def check_cases(names: Sequence[str], config: Path | None, *, gaps: bool, ask: bool, written: str) -> int:
    """Print what came of each case; with ``gaps``, what no case shows counts as well. The answer is the exit code.

    Raises:
        CommandFailed: a file is not there, or is no policy.
    """
    outcomes = try_cases(policy_files(names, config), ask=ask)
    tell_unasked([outcome.policy for outcome in outcomes], ask=ask)
    suites = [_suite(outcome, gaps=gaps, ask=ask) for outcome in outcomes]
    match written:
        case "json":
            write_json(_as_json(outcomes, suites, gaps=gaps))
        case "junit":
            write_junit("splitgate policy test", suites)
        case "github":
            write_github(suites)
        case _:
            _print(outcomes, suites)
    return NO if any(suite.failed for suite in suites) else 0


def differences(result: CaseResult) -> tuple[str, ...]:
    """What came out otherwise than the case says, a sentence each."""
    expect = result.case.expect
    parts = (
        (result.decision != expect.decision, f"comes out as {result.decision}, not as {expect.decision}"),
        (result.missing, f"not hit: {', '.join(result.missing)}"),
        (result.unexpected, f"hit, and not expected: {', '.join(result.unexpected)}"),
        (result.too_near, f"hit, and named under `near`: {', '.join(result.too_near)}"),
        (result.wrong_text is not None, f"the text that comes out: {result.wrong_text}"),
    )
    return tuple(told for wrong, told in parts if wrong)


def gap_checks(outcome: Outcome, *, ask: bool) -> Iterator[Check]:
    """A check for each rule that is not shown to hit, and to miss narrowly."""
    services = unasked([outcome.policy], ask=ask)
    for gap in outcome.gaps:
        rests = services.get((outcome.policy.name, gap.rule))
        message = f"no passing case is a {gap.missing} of the rule `{gap.rule}`; add one"
        if rests:
            message += f" (it rests on {rests}, which was not asked)"
        yield Check(name=f"{gap.rule}: {gap.missing}", remarks=(Remark(message=message, warning=bool(rests)),))


def _suite(outcome: Outcome, *, gaps: bool, ask: bool) -> Suite:
    checks = [_check(result) for result in outcome.results]
    if gaps:
        checks += gap_checks(outcome, ask=ask)
    return Suite(name=outcome.policy.name, file=outcome.policy.file, checks=tuple(checks))


def _check(result: CaseResult) -> Check:
    line = result.case.line
    remarks = tuple(Remark(message=told, line=line) for told in differences(result))
    return Check(name=result.case.name, line=line, remarks=remarks)


def _as_json(outcomes: Sequence[Outcome], suites: Sequence[Suite], *, gaps: bool) -> Mapping[str, object]:
    return {
        "ok": not any(suite.failed for suite in suites),
        "policies": [
            {
                "policy": outcome.policy.name,
                "file": outcome.policy.file,
                "cases": [_case(result) for result in outcome.results],
                **({"gaps": [{"rule": gap.rule, "missing": gap.missing} for gap in outcome.gaps]} if gaps else {}),
            }
            for outcome in outcomes
        ],
    }


def _case(result: CaseResult) -> Mapping[str, object]:
    return {
        "name": result.case.name,
        "line": result.case.line,
        "passed": result.passed,
        "expected": {"decision": result.case.expect.decision, "rules": list(result.case.expect.rules)},
        "got": {"decision": result.decision, "rules": list(result.got)},
        "differences": list(differences(result)),
    }


def _print(outcomes: Sequence[Outcome], suites: Sequence[Suite]) -> None:
    console = out()
    for outcome, suite in zip(outcomes, suites, strict=True):
        cases, failed = len(outcome.results), len(outcome.failed)
        told = f"{counted(cases, 'case')} passed" if not failed else f"{failed} of {counted(cases, 'case')} failed"
        style = "red" if suite.failed else "green"
        console.print(one_line(f"{suite.file}: {suite.name}: {told}"), style=style, soft_wrap=True)
        for check in suite.checks:
            if check.remarks:
                where = f"{suite.file}:{check.line}" if check.line else suite.file
                word = "FAILED" if check.failures else "note"
                console.print(one_line(f"  {word}  {where}: {check.name}"), style="bold", soft_wrap=True)
            for remark in check.remarks:
                console.print(visible(f"          {remark.message}"), soft_wrap=True)
