"""How is recorded what is no request: policies that come into force, break-glass grants, approvers' decisions?"""

import logging
from collections.abc import Mapping
from typing import Final

from gateway.audit.journal import Journal, Phase
from gateway.audit.line import Value
from gateway.domain.activation import PolicyState
from gateway.domain.errors import AuditUnavailable
from policies.engine.model import Rollout
from policies.engine.ruleset import Ruleset

_log: Final = logging.getLogger("splitgate.audit")


class Events:
    """Records events in ``journal``; without one there is nothing to be done."""

    def __init__(self, journal: Journal | None) -> None:
        self._journal = journal

    def expect(self) -> None:
        """Make sure that a record would be taken.

        Raises:
            AuditUnavailable: it would not; do nothing that had to be recorded.
        """
        if self._journal is not None:
            self._journal.expect()

    async def write(self, phase: Phase, what: str, fields: Mapping[str, Value]) -> None:
        """Record an event for good.

        Raises:
            AuditUnavailable: it is not recorded.
        """
        if self._journal is not None:
            await self._journal.write(phase, {"what": what, **fields})

    def note(self, phase: Phase, what: str, fields: Mapping[str, Value]) -> None:
        """Record an event that has happened already, whether it can be recorded or not."""
        if self._journal is None:
            return
        try:
            self._journal.note(phase, {"what": what, **fields})
        except AuditUnavailable:
            _log.error("audit: %s could not be recorded", what)


NO_EVENTS: Final = Events(None)


def policies_of(state: PolicyState, ruleset: Ruleset | None = None) -> Mapping[str, Value]:
    """What a record says of the policies in force, which are those of ``ruleset``.

    Beside each stands which detectors its rules have look, at which stage, and for whom it was rolled out: what has to
    be known to try other policies on what was recorded under these.
    """
    policies: list[Value] = []
    for one in state.policies:
        told: dict[str, Value] = {
            "name": one.name,
            "digest": f"sha256:{one.digest}",
            "mode": one.mode,
            "fallback": int(one.fallback),
        }
        if ruleset is not None:
            told["looks"] = {stage.value: sorted(keys) for stage, keys in ruleset.looks_of(one.name).items()}
            told |= _rollout(next(policy.rollout for policy in ruleset.all_policies if policy.name == one.name))
        policies.append(told)
    return {"revision": state.revision or "", "source": state.source or "", "policies": policies}


def _rollout(rollout: Rollout) -> dict[str, Value]:
    told: dict[str, Value] = {}
    if rollout.percent is not None:
        told["percent"] = repr(float(rollout.percent))
    if rollout.tenants:
        told["pilots"] = rollout.tenants
    return {"rollout": told} if told else {}
