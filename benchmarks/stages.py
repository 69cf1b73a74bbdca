"""What does each stage of a request cost by itself?

The first stage is timed, then the first two one after the other, then three: a stage costs what it adds. Alone in a
loop each would have the processor's caches to itself, and look a third cheaper than it is on a request's way. The
upstream answers from memory, and one of the lowest times is taken: noise on a machine only ever adds.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from benchmarks.canned import CannedClient, at_once
from benchmarks.contenders import Contender, Site
from benchmarks.figures import percentile
from benchmarks.inside import Inside, inside, through
from benchmarks.payloads import stream_events
from benchmarks.scenarios import Scenario
from gateway.dialects.body import parse_body
from gateway.domain.detection import Facts, Scanned, Subject
from gateway.domain.evidence import Timeline
from gateway.domain.exchange import Handling, Reply
from gateway.domain.identity import Caller
from gateway.domain.model import Model
from gateway.domain.ports import Call
from gateway.domain.prompt import Prompt
from gateway.domain.request import ClientRequest
from gateway.domain.verdict import Verdict
from gateway.pipeline import run
from gateway.pipeline.admit import admit
from gateway.pipeline.answer import Answered, Answering, Held
from gateway.pipeline.apply import Applied, apply
from gateway.pipeline.lift import lift
from gateway.pipeline.scan import common_facts, scan
from gateway.pipeline.subjects import subjects_of
from gateway.pipeline.taint import is_tainted
from gateway.web.edge import check_json, deciding_headers
from policies.engine.applicable import Applicable
from policies.engine.evaluate import evaluate

_TURNS: Final = 20
_CALLS: Final = 100
_STREAMS: Final = 200
_LOW: Final = 0.02


def added_times(stages: Mapping[str, Callable[[], object]]) -> dict[str, float]:
    """What each stage adds to those before it, in microseconds."""
    steps = tuple(stages.values())
    samples: list[list[int]] = [[] for _ in steps]
    # Taking turns, so that a slow moment of the machine hits all of them.
    for _ in range(_TURNS):
        for last, durations in enumerate(samples, 1):
            durations.extend(_durations(steps[:last]))
    reached = [percentile(sorted(durations), _LOW) / 1000 for durations in samples]
    return {name: now - before for name, before, now in zip(stages, [0.0, *reached], reached, strict=False)}


def _durations(steps: Sequence[Callable[[], object]]) -> list[int]:
    durations: list[int] = []
    for _ in range(_CALLS):
        start = time.perf_counter_ns()
        for step in steps:
            step()
        durations.append(time.perf_counter_ns() - start)
    return durations


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """The stages of ``gateway/pipeline/handle.py`` for one request, each to be called by itself."""

    gateway: Inside
    request: ClientRequest
    caller: Caller
    model: Model
    policies: Applicable

    @classmethod
    def of(cls, gateway: Inside, scope: Mapping[str, Any]) -> "Way":
        """The way of the gateway's own request."""
        request = gateway.dialect.read(parse_body(gateway.body))
        caller = at_once(gateway.doorkeeper.caller(deciding_headers(dict(scope))))
        policies = admit(request, caller, gateway.in_force.ruleset, None)
        model = gateway.services.models[request.model]
        return cls(gateway=gateway, request=request, caller=caller, model=model, policies=policies)

    def admit(self) -> Applicable:
        """Which policies stand for the request."""
        return admit(self.request, self.caller, self.gateway.in_force.ruleset, self.gateway.services.bypass())

    def lift(self) -> Prompt:
        """Trust and channel of each segment."""
        return lift(self.request, self.model, self.caller)

    def subjects(self, prompt: Prompt) -> tuple[Facts, tuple[Subject, ...]]:
        """What there is to look at, and the facts of the request as a whole."""
        tainted = is_tainted(prompt, self.caller.tenant, self.gateway.services.untainted)
        facts = common_facts(self.request, self.caller, prompt, tainted=tainted)
        return facts, subjects_of(prompt, self.request.options, facts, self.policies)

    def scan(self, subjects: Sequence[Subject]) -> tuple[Scanned, ...]:
        """What detectors see in it."""
        return at_once(scan(subjects, self.policies, self.gateway.in_force.scanner, run.at_once))

    def decide(self, scanned: Sequence[Scanned]) -> Verdict:
        """What policy makes of it."""
        return evaluate(self.policies, scanned, self.gateway.services.now())

    def apply(self, prompt: Prompt, verdict: Verdict) -> Applied:
        """Redactions, placeholders, the canary."""
        canary = self.gateway.services.draw_canary() if self.policies.uses("canary") else None
        return apply(prompt, self.request.options, verdict.found, canary)

    def call(self, applied: Applied) -> Call:
        """The layout for the one target there is."""
        target = self.model.targets[0]
        layout, options = self.gateway.services.lay_out(target, applied.prompt, applied.options)
        return Call(id="0" * 32, target=target, layout=layout, options=options)

    def send(self, call: Call) -> Reply:
        """The upstream's answer, from memory."""
        return at_once(self.gateway.services.providers(call.target).send(call))

    def guard(self, prompt: Prompt, facts: Facts, applied: Applied, call: Call, reply: Reply) -> Answered | Held:
        """What of the answer may reach the client."""
        services = self.gateway.services
        answering = Answering(
            request=self.request, caller=self.caller, lifted=prompt, applied=applied, policies=self.policies,
            facts=facts, scanner=self.gateway.in_force.scanner, untainted=services.untainted,
            approvals=services.approvals, now=services.now, timeline=Timeline(),
        )  # fmt: skip
        return at_once(answering.whole(reply, call, self._handling(call)))

    def _handling(self, call: Call) -> Handling:
        return Handling(
            request_id=call.id,
            model=self.model.name,
            created=0,
            isolation="channel",
            format=call.layout.format,
            target=call.target.id,
            policy=self.policies.applied,
        )


def stages(site: Site, contender: Contender, scenario: Scenario, scope: Mapping[str, Any]) -> dict[str, float]:
    """Microseconds of each stage of a whole answer in the order of its way, then of all of them together."""
    gateway = inside(site, contender, scenario)
    way = Way.of(gateway, scope)
    parsed = parse_body(gateway.body)
    prompt = way.lift()
    facts, subjects = way.subjects(prompt)
    scanned = way.scan(subjects)
    verdict = way.decide(scanned)
    applied = way.apply(prompt, verdict)
    call = way.call(applied)
    reply = way.send(call)
    answered = way.guard(prompt, facts, applied, call, reply)

    def at_the_door() -> None:
        headers = deciding_headers(dict(scope))
        at_once(gateway.doorkeeper.caller(headers))
        check_json(headers)

    timed: Mapping[str, Callable[[], object]] = {
        "headers, key": at_the_door,
        "parse the body": lambda: parse_body(gateway.body),
        "dialect: read": lambda: gateway.dialect.read(parsed),
        "admit": way.admit,
        "lift": way.lift,
        "subjects": lambda: way.subjects(prompt),
        "scan": lambda: way.scan(subjects),
        "decide": lambda: way.decide(scanned),
        "apply": lambda: way.apply(prompt, verdict),
        "lay out": lambda: way.call(applied),
        "provider: send, from memory": lambda: way.send(call),
        "guard": lambda: way.guard(prompt, facts, applied, call, reply),
        "dialect: write": lambda: gateway.dialect.write(reply, answered.handling),
    }
    whole = added_times({"all": lambda: at_once(through(gateway, scope))})["all"]
    found = added_times(timed)
    return found | {"what joins them": whole - sum(found.values()), "the whole request": whole}


async def token_time(site: Site, contender: Contender, scenario: Scenario, scope: Mapping[str, Any]) -> float:
    """Microseconds of one token of a streamed answer, each a piece of its own: a long stream less a short one."""

    def of(tokens: int) -> Inside:
        opening, token, ending = stream_events()
        client = CannedClient("text/event-stream", (opening, *(token,) * tokens, ending))
        return inside(site, contender, scenario, client)

    gateways = {tokens: of(tokens) for tokens in (10, 110)}
    samples: dict[int, list[int]] = {tokens: [] for tokens in gateways}
    for _ in range(_STREAMS):
        for tokens, gateway in gateways.items():
            start = time.perf_counter_ns()
            await through(gateway, scope)
            samples[tokens].append(time.perf_counter_ns() - start)
    short, long = (percentile(sorted(durations), _LOW) for durations in samples.values())
    return (long - short) / 1000 / 100
