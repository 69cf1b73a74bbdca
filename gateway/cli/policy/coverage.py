"""Which rules are shown by cases to hit what they are for, and to leave alone what is nearly the same?"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from rich import box
from rich.table import Table
from rich.text import Text

from gateway.cli.policy.files import policy_files
from gateway.cli.policy.loaded import tell_unasked, unasked
from gateway.cli.policy.report import Check, Remark, Suite, counted, write_github, write_json, write_junit
from gateway.cli.policy.tried import Outcome, try_cases
from gateway.cli.terminal import one_line, out
from gateway.cli.told import NO
from policies.engine.applicable import evaluated


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One rule: how many passing cases hit it, how many just miss it, and which of the two is wanting.

    ``rests_on`` are services without whose answer nothing can be shown.
    """

    rule: str
    stage: str
    hits: int
    near: int
    missing: tuple[str, ...]
    evaluated: bool
    rests_on: str

    @property
    def gap(self) -> bool:
        """Whether something is wanting that could be there."""
        return bool(self.missing) and not self.rests_on


def coverage(names: Sequence[str], config: Path | None, *, ask: bool, written: str) -> int:
    """Print the table; the answer is the exit code.

    Raises:
        CommandFailed: a file is not there, or is no policy.
    """
    outcomes = try_cases(policy_files(names, config), ask=ask)
    tell_unasked([outcome.policy for outcome in outcomes], ask=ask)
    tables = [(outcome, tuple(_rows(outcome, ask=ask))) for outcome in outcomes]
    match written:
        case "json":
            write_json(_as_json(tables))
        case "junit":
            write_junit("splitgate policy coverage", [_suite(outcome, rows) for outcome, rows in tables])
        case "github":
            write_github([_suite(outcome, rows) for outcome, rows in tables])
        case _:
            for outcome, rows in tables:
                _print(outcome, rows)
    return NO if any(row.gap for _, rows in tables for row in rows) else 0


def _rows(outcome: Outcome, *, ask: bool) -> Iterator[Row]:
    policy = outcome.policy
    passed = [result for result in outcome.results if result.passed]
    services = unasked([policy], ask=ask)
    for rule in policy.rules:
        yield Row(
            rule=rule.id,
            stage=rule.stage,
            hits=sum(rule.id in result.got for result in passed),
            near=sum(rule.id in result.case.near and result.case.stage is rule.stage for result in passed),
            missing=tuple(gap.missing for gap in outcome.gaps if gap.rule == rule.id),
            evaluated=evaluated(policy, rule),
            rests_on=services.get((policy.name, rule.id), ""),
        )


def _suite(outcome: Outcome, rows: Sequence[Row]) -> Suite:
    return Suite(name=outcome.policy.name, file=outcome.policy.file, checks=tuple(map(_check, rows)))


def _check(row: Row) -> Check:
    remarks = tuple(
        Remark(message=f"no passing case is a {missing} of the rule `{row.rule}`; add one", warning=not row.gap)
        for missing in row.missing
    )
    return Check(name=row.rule, remarks=remarks)


def _as_json(tables: Sequence[tuple[Outcome, Sequence[Row]]]) -> Mapping[str, object]:
    return {
        "ok": not any(row.gap for _, rows in tables for row in rows),
        "policies": [
            {
                "policy": outcome.policy.name,
                "file": outcome.policy.file,
                "failed_cases": [result.case.name for result in outcome.failed],
                "rules": [
                    {
                        "rule": row.rule,
                        "stage": row.stage,
                        "hits": row.hits,
                        "near_misses": row.near,
                        "missing": list(row.missing),
                        "evaluated": row.evaluated,
                    }
                    for row in rows
                ],
            }
            for outcome, rows in tables
        ],
    }


def _print(outcome: Outcome, rows: Sequence[Row]) -> None:
    console = out()
    shown = sum(1 for row in rows if row.evaluated and not row.missing)
    told = f"{shown} of {counted(sum(row.evaluated for row in rows), 'rule')} shown by cases"
    console.print(one_line(f"{outcome.policy.file}: {outcome.policy.name}: {told}"), style="bold", soft_wrap=True)
    if outcome.failed:
        console.print(f"what fails shows nothing: {counted(len(outcome.failed), 'case')}; see `splitgate policy test`")
    table = Table(box=box.SIMPLE, pad_edge=False, padding=(0, 1, 0, 0))
    table.add_column("rule", no_wrap=True)
    table.add_column("stage", no_wrap=True)
    table.add_column("hits", justify="right")
    table.add_column("near misses", justify="right")
    table.add_column("remark", overflow="fold")
    for row in rows:
        table.add_row(row.rule, row.stage, str(row.hits), str(row.near), _remark(row))
    console.print(table)


def _remark(row: Row) -> Text:
    if not row.evaluated:
        return Text("not evaluated", style="dim")
    if row.missing and row.rests_on:
        return Text(f"rests on {row.rests_on}, which was not asked", style="yellow")
    return Text(f"no {' and no '.join(row.missing)}" if row.missing else "", style="red")
