"""What would policies have decided of an exchange, given what detectors saw in it then?

Mirrors the way of a live request from its facts on: ``handle.py`` for what came, the guard for what came back. Texts
are not needed, since conditions see none.
"""

from collections.abc import Callable, Sequence
from typing import Final

from gateway.domain.detection import Scanned, Stage, Subject
from gateway.domain.value import value
from gateway.domain.verdict import Findings, Verdict
from gateway.pipeline._ledger import OWN, Ledger, together, without_edits
from gateway.pipeline.scan import as_data, as_tainted, is_instruction
from gateway.pipeline.seams import Seam, spread
from policies.engine.applicable import Applicable
from policies.engine.evaluate import evaluate

__all__ = ["OWN", "RESTORED", "Look", "judge_choice", "judge_request", "together"]

# Where a mark stands in a text that nobody has any more, if values had been brought back there on purpose.
RESTORED: Final = -1


@value
class Look:
    """One look at one passage of an answer; ``again`` says that values were back in it."""

    scanned: Scanned
    again: bool = False


def judge_request(
    policies: Applicable,
    scanned: Sequence[Scanned],
    seams: Sequence[Seam],
    look_as_data: Callable[[Subject], Scanned],
    now: float,
) -> tuple[Verdict, frozenset[str]]:
    """What follows for a request, and which of its instructions count as data."""
    verdict = evaluate(policies, scanned, now)
    if not verdict.found.demoted:
        return verdict, frozenset()
    demoted = frozenset(spread(Findings(demoted=verdict.found.demoted), seams).demoted)
    tainted = [Scanned(subject=as_tainted(one.subject), detections=one.detections) for one in scanned]
    lowered = [
        look_as_data(as_data(one.subject)) for one in tainted if one.subject.where in demoted and is_instruction(one)
    ]
    return evaluate(policies, [*tainted, *lowered], now), demoted


def judge_choice(
    policies: Applicable, looks: Sequence[Look], refusals: Sequence[tuple[str, Stage, str]], now: float
) -> Verdict:
    """What follows for one choice of an answer; ``refusals`` are the gateway's own, by rule, stage and place."""
    ledger = Ledger()
    for rule, stage, where in refusals:
        ledger.refuse(rule, stage, where)
    for look in looks:
        found = evaluate(policies, [look.scanned], now).found
        if look.again:
            found = without_edits(found, tuple([edit for edit in found.edits if edit.start != RESTORED]))
        if found.hits:
            ledger.add(found)
    return ledger.verdict
