"""How is the outcome of a check written for programs: JSON, JUnit XML, annotations of a GitHub action?

A suite is a policy file, a check is a case, a rule or the file as a whole. Names and messages may hold what stands in a
policy file: characters that drive a terminal or that XML cannot carry are escaped.
"""

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from xml.etree import ElementTree as ET

import typer

from gateway.cli.terminal import one_line, visible


@dataclass(frozen=True, slots=True, kw_only=True)
class Remark:
    """What is wrong, and where in the file; a ``warning`` does not make a check fail."""

    message: str
    line: int | None = None
    column: int | None = None
    warning: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One thing that was looked at."""

    name: str
    line: int | None = None
    remarks: tuple[Remark, ...] = ()

    @property
    def failures(self) -> tuple[Remark, ...]:
        return tuple(remark for remark in self.remarks if not remark.warning)


@dataclass(frozen=True, slots=True, kw_only=True)
class Suite:
    """All checks of one file."""

    name: str
    file: str
    checks: tuple[Check, ...]

    @property
    def failed(self) -> int:
        """How many checks failed."""
        return sum(1 for check in self.checks if check.failures)


def write_json(value: object) -> None:
    """The value as JSON in plain ASCII."""
    typer.echo(json.dumps(value, indent=2))


def write_junit(title: str, suites: Sequence[Suite]) -> None:
    """The suites as JUnit XML."""
    root = ET.Element("testsuites", _counts(title, suites))
    for suite in suites:
        inner = ET.SubElement(root, "testsuite", {**_counts(suite.name, (suite,)), "file": one_line(suite.file)})
        for check in suite.checks:
            _case(inner, suite, check)
    ET.indent(root)
    typer.echo(f'<?xml version="1.0" encoding="utf-8"?>\n{ET.tostring(root, encoding="unicode")}')


def _counts(name: str, suites: Iterable[Suite]) -> dict[str, str]:
    of_all = list(suites)
    tests = sum(len(suite.checks) for suite in of_all)
    return {"name": one_line(name), "tests": str(tests), "failures": str(sum(suite.failed for suite in of_all))}


def _case(parent: ET.Element, suite: Suite, check: Check) -> None:
    attributes = {"name": one_line(check.name), "classname": one_line(suite.name), "file": one_line(suite.file)}
    if check.line is not None:
        attributes["line"] = str(check.line)
    case = ET.SubElement(parent, "testcase", attributes)
    if check.failures:
        failure = ET.SubElement(case, "failure", {"message": one_line(check.failures[0].message)})
        failure.text = "\n".join(_placed(suite.file, remark) for remark in check.failures)
    warnings = [remark for remark in check.remarks if remark.warning]
    if warnings:
        ET.SubElement(case, "system-out").text = "\n".join(_placed(suite.file, remark) for remark in warnings)


def _placed(file: str, remark: Remark) -> str:
    where = ":".join(str(part) for part in (file, remark.line, remark.column) if part is not None)
    return visible(f"{where}: {remark.message}")


def write_github(suites: Sequence[Suite]) -> None:
    """The suites as workflow commands, which GitHub shows beside the lines of a change."""
    for suite in suites:
        for check in suite.checks:
            for remark in check.remarks:
                typer.echo(_annotation(suite, check, remark))
    failed, checks = sum(suite.failed for suite in suites), sum(len(suite.checks) for suite in suites)
    typer.echo(f"{checks} checked, {failed} failed")


def _annotation(suite: Suite, check: Check, remark: Remark) -> str:
    places = {"file": suite.file, "line": remark.line or check.line, "col": remark.column, "title": check.name}
    listed = ",".join(f"{name}={_property(str(place))}" for name, place in places.items() if place is not None)
    return f"::{'warning' if remark.warning else 'error'} {listed}::{_data(remark.message)}"


def _data(text: str) -> str:
    return visible(text).replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")


def counted(number: int, noun: str) -> str:
    """``1 case``, ``2 cases``."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def of_policy(file: str, warnings: Iterable[str]) -> Iterator[Remark]:
    """Warnings ``file:line:column: …`` as remarks."""
    for warning in warnings:
        line, _, rest = warning.removeprefix(f"{file}:").partition(":")
        column, _, message = rest.partition(": ")
        yield Remark(message=message, line=int(line), column=int(column), warning=True)
