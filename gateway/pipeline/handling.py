"""What is told of what was done with a request: in its reply, in headers, in records?"""

from gateway.domain.exchange import Handling
from gateway.domain.finding import Finding, finding_of
from gateway.domain.isolation import Isolation
from gateway.domain.ports import Call
from gateway.domain.request import ClientRequest
from gateway.domain.verdict import Verdict, decision_of
from policies.engine.applicable import Applicable

# Said where `native` rests on the configuration's word instead of on evidence.
ASSUMED = "native-assumed"


def handling_of(
    request: ClientRequest, call: Call, verdict: Verdict, policies: Applicable, now: float, *, notes: tuple[str, ...]
) -> Handling:
    """What stands once ``call`` is made; ``notes`` are those beside the layout's, ``now`` is in seconds since 1970."""
    layout = call.layout
    findings = tuple(map(finding_of, verdict.found.hits))
    if layout.removals:
        removed = [Finding(rule="reserved-token", where=r.where, count=r.count) for r in layout.removals]
        findings = (*removed, *findings)
    told = (*layout.notes, *notes)
    if layout.isolation is Isolation.NATIVE and call.target.assumed:
        told = (*layout.notes, ASSUMED, *notes)
    return Handling(
        request_id=call.id,
        model=request.model,
        created=int(now),
        isolation=layout.isolation_label,
        format=layout.format,
        target=call.target.id,
        decision=decision_of(verdict),
        policy=policies.applied,
        findings=findings,
        notes=told,
        echo=request.echo,
    )
