"""What happens to a request, in order?

The numbered list below is the whole way; each step takes and returns values, and no step calls another. Streaming and
whole answers share every step.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from gateway.domain.errors import BlockedByPolicy, UnknownModel
from gateway.domain.exchange import AppliedRevision, Handling
from gateway.domain.finding import Finding, finding_of
from gateway.domain.identity import Caller
from gateway.domain.isolation import Isolation
from gateway.domain.model import Model
from gateway.domain.ports import Approvals, Call, Provider, Untainted
from gateway.domain.request import ClientRequest
from gateway.domain.target import Target
from gateway.domain.verdict import Block, RequireApproval, Verdict, Weight, decision_of
from gateway.pipeline import route, send
from gateway.pipeline.admit import admit
from gateway.pipeline.answer import Answered, Answering, Held, Streaming
from gateway.pipeline.apply import apply
from gateway.pipeline.in_force import InForce
from gateway.pipeline.lift import lift
from gateway.pipeline.run import Run, at_once
from gateway.pipeline.scan import common_facts, scan, scan_as_data
from gateway.pipeline.seams import spread
from gateway.pipeline.subjects import prompt_seams, subjects_of, undemoted
from gateway.pipeline.taint import is_tainted
from gateway.pipeline.trail import Judgement, Trail
from policies.engine.applicable import Applicable
from policies.engine.evaluate import evaluate

# Said where `native` rests on the configuration's word instead of on evidence.
ASSUMED = "native-assumed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """What the stages ask of the world.

    ``now`` gives seconds since the epoch; ``in_force`` the policies, once for each request, and ``bypass`` the reason
    for which they are not enforced at present, if they are not.
    """

    models: Mapping[str, Model]
    lay_out: route.LayOut
    credit: route.Credit
    providers: Callable[[Target], Provider]
    now: Callable[[], float]
    in_force: Callable[[], InForce]
    bypass: Callable[[], str | None]
    untainted: Untainted
    approvals: Approvals
    draw_canary: Callable[[], str]


async def handle(
    request: ClientRequest, caller: Caller, request_id: str, services: Services, *, trail: Trail, run: Run = at_once
) -> Answered | Streaming | Held:
    """Serve one request; ``run`` does its computing, ``trail`` keeps the evidence.

    Raises:
        RequestError: the request cannot be served as it is, or policy refuses it; nothing was sent upstream.
        UpstreamError: no target answered.
        PoliciesNotLoaded: there are no policies to judge by.
        AuditUnavailable: what is about to be sent cannot be recorded; it was not sent.
    """
    # 1 admit: the model must exist; one revision of the policies stands for the whole request
    model = find_model(request.model, services.models, caller)
    in_force = services.in_force()
    bypass = services.bypass()
    policies = admit(request, caller, in_force.ruleset, bypass)
    # 2 lift: trust and channel of each segment
    prompt = await run(lambda: lift(request, model, caller))
    trail.timeline.lifted = time.perf_counter_ns()
    # 3 scan: what detectors see in each text
    tainted = is_tainted(prompt, caller.tenant, services.untainted)
    facts = common_facts(request, caller, prompt, tainted=tainted)
    subjects = await run(lambda: subjects_of(prompt, request.options, facts, policies))
    scanned = await scan(subjects, policies, in_force.scanner, run)
    # 4 decide: what policy makes of it; what it lowers to data is judged as data too
    verdict = await run(lambda: evaluate(policies, scanned, services.now()))
    grounds = prompt
    if verdict.found.demoted:
        demoted = spread(verdict.found, prompt_seams(prompt)).demoted
        scanned = await scan_as_data(scanned, demoted, policies, in_force.scanner, run)
        verdict = await run(lambda: evaluate(policies, scanned, services.now()))
        grounds = undemoted(prompt, demoted)
    trail.judged(
        Judgement(came=prompt, policies=policies, scanned=scanned, verdict=verdict, tainted=tainted, bypass=bypass)
    )
    refuse_blocked(verdict)
    # 5 apply: redactions, placeholders, the canary
    canary = services.draw_canary() if policies.uses("canary") else None
    applied = await run(lambda: apply(prompt, request.options, verdict.found, canary))
    # 6 route: the targets that reach the floor, each with its layout
    ranked = route.candidates(
        applied.prompt,
        applied.options,
        model,
        route.floor_of(request.min_isolation, model, policies.min_isolation),
        lay_out=services.lay_out,
        credit=services.credit,
    )

    async def intend(call: Call) -> None:
        await trail.intend(
            call,
            _handling(request, call, verdict, policies, services.now(), notes=trail.notes),
            applied.prompt,
            applied.options,
        )

    # 7 send, each attempt recorded before; 8 guard
    sending = send.Sending(
        request_id=request_id, trace=trail.traceparent, providers=services.providers, intend=intend, run=run,
        timeline=trail.timeline,
    )  # fmt: skip
    answering = Answering(
        request=request, caller=caller, lifted=grounds, applied=applied, policies=policies, facts=facts,
        scanner=in_force.scanner, untainted=services.untainted, approvals=services.approvals, now=services.now,
        timeline=trail.timeline, seen=trail.seen,
    )  # fmt: skip
    if request.options.stream:
        call, opened = await send.open_stream(ranked, sending)
        return answering.stream(
            opened, call, _handling(request, call, verdict, policies, services.now(), notes=trail.notes)
        )
    call, reply = await send.send(ranked, sending)
    return await answering.whole(
        reply, call, _handling(request, call, verdict, policies, services.now(), notes=trail.notes)
    )


def find_model(name: str, models: Mapping[str, Model], caller: Caller) -> Model:
    """Look a model up. One that the caller may not ask for is answered as one that does not exist.

    Raises:
        UnknownModel: the message names those that the caller may ask for.
    """
    model = models.get(name)
    if model is None or not caller.may_ask(name):
        known = ", ".join(sorted(filter(caller.may_ask, models))) or "none"
        raise UnknownModel(f"no such model; there are for you: {known}", param="model")
    return model


def refuse_blocked(verdict: Verdict) -> None:
    """End the way of a request that policy blocks.

    Raises:
        BlockedByPolicy: naming the rules. What waits for approval is an answer, never a request: it blocks as well.
    """
    if not isinstance(verdict, Block | RequireApproval):
        return
    hits = [hit for hit in verdict.found.hits if hit.weight is Weight.ACTS]
    rules = tuple(dict.fromkeys([hit.rule for hit in hits]))
    told = "; ".join(dict.fromkeys([f"{hit.rule} ({hit.where}): {hit.message}" for hit in hits]))
    raise BlockedByPolicy(f"policy refuses this request: {told}", rules=rules, found=verdict.found)


def _handling(
    request: ClientRequest, call: Call, verdict: Verdict, policies: Applicable, now: float, *, notes: tuple[str, ...]
) -> Handling:
    layout = call.layout
    removed = [Finding(rule="reserved-token", where=r.where, count=r.count) for r in layout.removals]
    return Handling(
        request_id=call.id,
        model=request.model,
        created=int(now),
        isolation=layout.isolation_label,
        format=layout.format,
        target=call.target.id,
        decision=decision_of(verdict),
        policy=AppliedRevision(names=policies.names, revision=policies.revision),
        findings=(*removed, *[finding_of(hit) for hit in verdict.found.hits]),
        notes=(*_notes(call), *notes),
        echo=request.echo,
    )


def _notes(call: Call) -> tuple[str, ...]:
    layout = call.layout
    assumed = layout.isolation is Isolation.NATIVE and call.target.assumed
    return (*layout.notes, ASSUMED) if assumed else layout.notes
