"""Which rules are suspended, until when, and is that still so?"""

from datetime import UTC, datetime
from typing import Final

from gateway.yamlfile.problems import Loc
from gateway.yamlfile.report import Report
from policies.engine.load_rules import rule_stages
from policies.engine.load_settings import match_of
from policies.engine.model import ExceptionRule
from policies.engine.schema import SpecSection
from policies.engine.schema_rules import ExceptionSection

_DAY_S: Final = 86_400
_LONG_S: Final = 366 * _DAY_S


def load_exceptions(spec: SpecSection, report: Report, now: float) -> tuple[ExceptionRule, ...]:
    seen: set[str] = set()
    known = rule_stages(spec, report)
    made: list[ExceptionRule] = []
    for index, section in enumerate(spec.exceptions):
        loc: Loc = ("spec", "exceptions", index)
        report.expect_unique(seen, section.id, (*loc, "id"), f"the exception id `{section.id}`")
        if known is not None and report.sound((*loc, "rules")):
            for place, rule in enumerate(section.rules):
                report.expect_name((*loc, "rules", place), "rule", rule, known)
        made.append(_exception(section, loc, report, now))
    return tuple(made)


def _exception(section: ExceptionSection, loc: Loc, report: Report, now: float) -> ExceptionRule:
    return ExceptionRule(
        id=section.id,
        rules=section.rules,
        reason=section.reason,
        approver=section.approver,
        expires=_expiry(section, (*loc, "expires"), report, now),
        match=match_of(section.match),
    )


def _expiry(section: ExceptionSection, loc: Loc, report: Report, now: float) -> float:
    """The end of the last day, in seconds since the epoch."""
    try:
        begins = datetime.strptime(section.expires, "%Y-%m-%d").replace(tzinfo=UTC).timestamp()
    except ValueError:
        report.add(loc, "there is no such day; write year, month and day, such as 2030-01-31")
        return 0.0
    expires = begins + _DAY_S
    if expires <= now:
        report.warn(loc, f"the exception `{section.id}` has expired: its rules act again; remove or renew it")
    elif expires > now + _LONG_S:
        report.warn(loc, f"the exception `{section.id}` lasts for more than a year; let it be renewed instead")
    return expires
