"""Which policies hold for a request? Those that this one value holds, read once when the request begins.

A reload replaces the value whole, so that no request ever sees two revisions.
"""

from dataclasses import dataclass

from gateway.domain.ports import Scanner
from policies.engine.ruleset import Ruleset


@dataclass(frozen=True, slots=True, kw_only=True)
class InForce:
    """The policies of one revision, and the detectors that their rules need."""

    ruleset: Ruleset
    scanner: Scanner
