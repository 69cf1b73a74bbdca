"""What does one exchange add to the figures?

On every request's way: dicts and no locks.
"""

from typing import Final

from gateway.domain.evidence import ANSWERED, Ended
from gateway.telemetry import families
from gateway.telemetry.families import UNKNOWN
from gateway.telemetry.totals import Totals

_S: Final = 1e-9
# Whose doing a finding is that no policy made: reserved tokens that were removed.
_GATEWAY: Final = "(gateway)"
_REMOVAL: Final = "remove"


class Counting:
    """The observer that counts."""

    def __init__(self, totals: Totals) -> None:
        self._requests = totals.of(families.REQUESTS)
        self._findings = totals.of(families.FINDINGS)
        self._errors = totals.of(families.ERRORS)
        self._limits = totals.of(families.LIMIT_REFUSALS)
        self._in_flight = totals.of(families.IN_FLIGHT)
        self._tokens = totals.of(families.TOKENS)
        self._attempts = totals.of(families.UPSTREAM_ATTEMPTS)
        self._retries = totals.of(families.UPSTREAM_RETRIES)
        self._request_s = totals.histogram(families.REQUEST_SECONDS)
        self._gateway_s = totals.histogram(families.GATEWAY_SECONDS)
        self._upstream_s = totals.histogram(families.UPSTREAM_SECONDS)
        self._first_s = totals.histogram(families.UPSTREAM_FIRST_SECONDS)
        self._hold_s = totals.histogram(families.GUARD_HOLD_SECONDS)

    def began(self, dialect: str) -> None:
        """One more is under way."""
        self._in_flight[dialect,] += 1

    def ended(self, ended: Ended) -> None:
        """Count all that is known of it."""
        asked = (ended.dialect, ended.operation)
        total, upstream, gateway = ended.timeline.shares()
        self._in_flight[ended.dialect,] -= 1
        model = ended.model if ended.configured else UNKNOWN
        handling = ended.handling
        isolation = UNKNOWN if handling is None else handling.isolation
        self._requests[*asked, model, ended.decision or UNKNOWN, isolation, str(ended.status)] += 1
        if ended.error is not None:
            self._errors[ended.error,] += 1
        if ended.limit is not None:
            self._limits[ended.limit] += 1
        self._request_s.observe(asked, total * _S)
        self._gateway_s.observe(asked, gateway * _S)
        if ended.target is not None:
            self._called(ended, (ended.target.id,), upstream)
        if ended.usage is not None:
            self._tokens[model, "input"] += ended.usage.input_tokens
            self._tokens[model, "output"] += ended.usage.output_tokens
        for found in ended.findings:
            stage = UNKNOWN if found.stage is None else found.stage
            self._findings[found.policy or _GATEWAY, found.rule, found.action or _REMOVAL, found.weight, stage] += 1

    def _called(self, ended: Ended, target: tuple[str], upstream: int) -> None:
        times = ended.timeline
        for one in ended.tried:
            self._attempts[one.target.id, one.error or ANSWERED] += 1
            if one.again:
                self._retries[one.target.id,] += 1
        if times.sent:
            self._upstream_s.observe(target, upstream * _S)
        if times.first:
            self._first_s.observe(target, (times.first - times.sent) * _S)
            if ended.stream:
                self._hold_s.observe((), times.held * _S)
