"""Which policies hold for a request? Those that this one value holds, read once when the request begins.

A reload replaces the value whole, so that no request ever sees two revisions.
"""

from gateway.domain.ports import Scanner
from gateway.domain.value import value
from policies.engine.ruleset import Ruleset


@value
class InForce:
    """The policies of one revision, and the detectors that their rules need."""

    ruleset: Ruleset
    scanner: Scanner
