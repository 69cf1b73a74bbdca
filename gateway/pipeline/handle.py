"""What happens to a request, in order?

The numbered list below is the whole way; each step takes and returns values, and no step calls another. Steps 1 to 6
are ``_prepare``, which all requests pass: those for an answer, whole or streamed (``handle``), those that ask how many
tokens one would take (``count``), and those for vectors (``embed``). What differs is what is asked for, in step 7.
"""

import time
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

from gateway.domain.detection import Facts
from gateway.domain.errors import BlockedByPolicy, UnknownModel
from gateway.domain.exchange import Embeddings, Handling
from gateway.domain.identity import Caller
from gateway.domain.model import Model
from gateway.domain.ports import Approvals, Call, Counter, Embedder, Provider, Scanner, Untainted
from gateway.domain.prompt import Prompt
from gateway.domain.request import ClientRequest
from gateway.domain.target import Target
from gateway.domain.value import value
from gateway.domain.verdict import Block, RequireApproval, Verdict, Weight
from gateway.pipeline import route, send
from gateway.pipeline.admit import admit
from gateway.pipeline.answer import Answered, Answering, Held, Streaming
from gateway.pipeline.apply import Applied, apply
from gateway.pipeline.attempts import Sending
from gateway.pipeline.balance import order
from gateway.pipeline.condition import Conditions
from gateway.pipeline.handling import handling_of
from gateway.pipeline.in_force import InForce
from gateway.pipeline.lift import lift
from gateway.pipeline.run import Run, at_once
from gateway.pipeline.scan import common_facts, scan, scan_as_data
from gateway.pipeline.seams import spread
from gateway.pipeline.subjects import prompt_seams, subjects_of, undemoted
from gateway.pipeline.tab import UNLIMITED, Tab
from gateway.pipeline.taint import is_tainted
from gateway.pipeline.trail import Judgement, Trail
from policies.engine.applicable import Applicable
from policies.engine.evaluate import evaluate

# What waits for approval is an answer, never a request: it blocks as well.
_REFUSED: Final = (Block, RequireApproval)


async def _nothing_to_show(_: Iterable[Target]) -> None:
    """Every target has shown what it can."""


@value
class Services:
    """What the stages ask of the world.

    ``now`` gives seconds since the epoch; ``in_force`` the policies, once for each request, and ``bypass`` the reason
    for which they are not enforced at present, if they are not. ``lay_out_texts`` lays out what is to be embedded.
    ``counters`` and ``embedders`` raise ``NotSayable`` for a target that cannot do that. ``conditions`` is how the
    targets are doing. ``shown`` returns once targets have had their chance to show what ``credit`` goes by.
    """

    models: Mapping[str, Model]
    lay_out: route.LayOut
    lay_out_texts: route.LayOut
    credit: route.Credit
    providers: Callable[[Target], Provider]
    counters: Callable[[Target], Counter]
    embedders: Callable[[Target], Embedder]
    now: Callable[[], float]
    in_force: Callable[[], InForce]
    bypass: Callable[[], str | None]
    untainted: Untainted
    approvals: Approvals
    draw_canary: Callable[[], str]
    conditions: Conditions = field(default_factory=Conditions)
    shown: Callable[[Iterable[Target]], Awaitable[None]] = _nothing_to_show


@value
class Counted:
    """How many tokens the request has as it would be sent, and what was done for it."""

    tokens: int
    handling: Handling


@value
class Embedded:
    """The vectors, and what was done for them."""

    embeddings: Embeddings
    handling: Handling


async def handle(
    request: ClientRequest,
    caller: Caller,
    request_id: str,
    services: Services,
    *,
    trail: Trail,
    tab: Tab = UNLIMITED,
    run: Run = at_once,
) -> Answered | Streaming | Held:
    """Serve one request; ``run`` does its computing, ``trail`` keeps the evidence, ``tab`` counts what is used.

    Raises:
        RequestError: the request cannot be served as it is, or policy or a limit refuses it; nothing was sent upstream.
        UpstreamError: no target answered.
        PoliciesNotLoaded: there are no policies to judge by.
        AuditUnavailable: what is about to be sent cannot be recorded; it was not sent.
    """
    # 1 to 6
    ready = await _prepare(request, caller, services, services.lay_out, trail=trail, tab=tab, run=run)
    # 7 send, each attempt recorded before; 8 guard
    sending = ready.sending(request_id, run, tab)
    answering = Answering(
        request=request, caller=caller, lifted=ready.grounds, applied=ready.applied, policies=ready.policies,
        facts=ready.facts, scanner=ready.scanner, untainted=services.untainted, approvals=services.approvals,
        now=services.now, timeline=trail.timeline, seen=trail.seen,
    )  # fmt: skip
    if request.options.stream:
        call, opened = await send.open_stream(
            ready.ranked, sending, lambda call: services.providers(call.target).stream(call)
        )
        return answering.stream(opened, call, ready.handling(call))
    call, reply = await send.send(ready.ranked, sending, lambda call: services.providers(call.target).send(call))
    tab.answered(reply)
    return await answering.whole(reply, call, ready.handling(call))


async def count(
    request: ClientRequest,
    caller: Caller,
    request_id: str,
    services: Services,
    *,
    trail: Trail,
    tab: Tab = UNLIMITED,
    run: Run = at_once,
) -> Counted:
    """Count the tokens of a request as it would be sent; raises as ``handle`` does."""
    # 1 to 6
    lay_out = route.able(services.lay_out, services.counters)
    ready = await _prepare(request, caller, services, lay_out, trail=trail, tab=tab, run=run)
    # 7 send, each attempt recorded before. A number holds no text: there is nothing to guard.
    call, tokens = await send.send(
        ready.ranked, ready.sending(request_id, run), lambda call: services.counters(call.target).count(call)
    )
    return Counted(tokens=tokens, handling=ready.handling(call))


async def embed(
    request: ClientRequest,
    caller: Caller,
    request_id: str,
    services: Services,
    *,
    trail: Trail,
    tab: Tab = UNLIMITED,
    run: Run = at_once,
) -> Embedded:
    """Have a request's texts made into vectors; raises as ``handle`` does."""
    # 1 to 6
    lay_out = route.able(services.lay_out_texts, services.embedders)
    ready = await _prepare(request, caller, services, lay_out, trail=trail, tab=tab, run=run)
    # 7 send, each attempt recorded before. Vectors hold no text: there is nothing to guard.
    call, made = await send.send(
        ready.ranked, ready.sending(request_id, run, tab), lambda call: services.embedders(call.target).embed(call)
    )
    tab.answered(made)
    return Embedded(embeddings=made, handling=ready.handling(call))


async def _prepare(
    request: ClientRequest,
    caller: Caller,
    services: Services,
    lay_out: route.LayOut,
    *,
    trail: Trail,
    tab: Tab,
    run: Run,
) -> "_Ready":
    """Take a request as far as it goes before anything is sent; raises ``handle``'s errors but the upstream's."""
    # 1 admit: the model must exist; one revision of the policies stands for the whole request; limits leave room for it
    model = find_model(request.model, services.models, caller)
    in_force = services.in_force()
    bypass = services.bypass()
    policies = admit(request, caller, in_force.ruleset, bypass)
    await tab.take(request, caller, model, run)
    # 2 lift: trust and channel of each segment
    prompt = await run(lift, request, model, caller)
    trail.timeline.lifted = time.perf_counter_ns()
    # 3 scan: what detectors see in each text
    tainted = is_tainted(prompt, caller.tenant, services.untainted)
    facts = common_facts(request, caller, prompt, tainted=tainted)
    subjects = await run(subjects_of, prompt, request.options, facts, policies)
    scanned = await scan(subjects, policies, in_force.scanner, run)
    # 4 decide: what policy makes of it; what it lowers to data is judged as data too
    verdict = await run(evaluate, policies, scanned, services.now())
    grounds = prompt
    if verdict.found.demoted:
        demoted = spread(verdict.found, prompt_seams(prompt)).demoted
        scanned = await scan_as_data(scanned, demoted, policies, in_force.scanner, run)
        verdict = await run(evaluate, policies, scanned, services.now())
        grounds = undemoted(prompt, demoted)
    trail.judged(
        Judgement(came=prompt, policies=policies, scanned=scanned, verdict=verdict, tainted=tainted, bypass=bypass)
    )
    if isinstance(verdict, _REFUSED):
        raise blocked(verdict)
    # 5 apply: redactions, placeholders, the canary
    canary = services.draw_canary() if policies.uses("canary") else None
    if verdict.found.edits or verdict.found.demoted or canary is not None:
        applied = await run(apply, prompt, request.options, verdict.found, canary)
    else:
        applied = Applied(prompt=prompt, options=request.options)
    # 6 route: the targets that reach the floor and are shown to do as much as is asked, each with its layout
    await services.shown(model.targets)
    judge = route.judging(
        applied.prompt,
        applied.options,
        model,
        route.floor_of(request.min_isolation, model, policies.min_isolation),
        route.bar_of(model, policies.bar),
        lay_out=lay_out,
        credit=services.credit,
    )
    ranked = route.Ranked(targets=order(model, services.conditions), judge=judge)
    return _Ready(
        request=request, model=model, policies=policies, scanner=in_force.scanner, facts=facts, verdict=verdict,
        grounds=grounds, applied=applied, ranked=ranked, trail=trail, now=services.now, conditions=services.conditions,
    )  # fmt: skip


@dataclass(slots=True, kw_only=True)
class _Ready:
    """A request that steps 1 to 6 let pass. ``grounds`` is what came less what policy lowered to data."""

    request: ClientRequest
    model: Model
    policies: Applicable
    scanner: Scanner
    facts: Facts
    verdict: Verdict
    grounds: Prompt
    applied: Applied
    ranked: route.Ranked
    trail: Trail
    now: Callable[[], float]
    conditions: Conditions
    # What was told of the last call, with the trail's notes at that time.
    _told: tuple[Call, tuple[str, ...], Handling] | None = None

    def sending(self, request_id: str, run: Run, tab: Tab = UNLIMITED) -> Sending:
        """What sending it takes; each attempt is recorded before it is made."""
        deadline = self.model.persistence.deadline_s
        return Sending(
            tab=tab,
            request_id=request_id, trace=self.trail.traceparent, intend=self._intend, tried=self.trail.tried, run=run,
            timeline=self.trail.timeline, conditions=self.conditions, persistence=self.model.persistence,
            ends=None if deadline is None else self._ends(deadline),
        )  # fmt: skip

    def _ends(self, deadline: float) -> float:
        """When ``deadline`` seconds are over by the conditions' clock, counted from the request's first byte."""
        gone = time.perf_counter_ns() - self.trail.timeline.began
        return self.conditions.ticks() + deadline - gone * 1e-9

    def handling(self, call: Call) -> Handling:
        """What was done with it, once it went out as ``call``: told once, unless there is more to note by now."""
        notes, told = self.trail.notes, self._told
        if told is not None and told[0] is call and told[1] == notes:
            return told[2]
        handling = handling_of(self.request, call, self.verdict, self.policies, self.now(), notes=notes)
        self._told = (call, notes, handling)
        return handling

    def _intend(self, call: Call) -> Awaitable[None]:
        return self.trail.intend(call, self.handling(call), self.applied.prompt, self.applied.options)


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


def blocked(verdict: Verdict) -> BlockedByPolicy:
    """What ends the way of a request that policy blocks; it names the rules."""
    hits = [hit for hit in verdict.found.hits if hit.weight is Weight.ACTS]
    rules = tuple(dict.fromkeys([hit.rule for hit in hits]))
    told = "; ".join(dict.fromkeys([f"{hit.rule} ({hit.where}): {hit.message}" for hit in hits]))
    return BlockedByPolicy(f"policy refuses this request: {told}", rules=rules, found=verdict.found)
