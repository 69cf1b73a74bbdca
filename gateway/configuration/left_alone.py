"""When is a target left alone, and does what the file says of that make sense?"""

from typing import Final

from gateway.configuration.schema_targets import BreakerSection, HealthSection
from gateway.domain.target import BreakerLimits, HealthCheck
from gateway.yamlfile.problems import Loc
from gateway.yamlfile.report import Report

# Whose processes the supervisor watches, or which know no address of their own.
_UNASKED: Final = frozenset({"embedded", "litellm", "bedrock"})


def build_breaker(section: BreakerSection, loc: Loc, report: Report) -> BreakerLimits:
    """The section's values."""
    if section.longest_s < section.cooldown_s:
        report.add((*loc, "longest_s"), "must be as long as `cooldown_s` at least; raise this one, or lower that one")
    return BreakerLimits(
        failures=section.failures,
        cooldown_s=section.cooldown_s,
        longest_s=max(section.longest_s, section.cooldown_s),
        longest_rest_s=section.longest_rest_s,
    )


def build_health(section: HealthSection | None, provider: str, loc: Loc, report: Report) -> HealthCheck | None:
    """The section's values, None where there is no such section."""
    if section is None:
        return None
    if provider in _UNASKED:
        report.add(loc, f"`health` means nothing to the provider `{provider}`; remove it", at_key=True)
    elif section.timeout_s > section.interval_s:
        report.add((*loc, "timeout_s"), "must not be longer than `interval_s`; lower this one, or raise that one")
    return HealthCheck(
        path=section.path, interval_s=section.interval_s, timeout_s=section.timeout_s, failures=section.failures
    )
