"""What would be sent to the model for this request, and why?

The same stages as for a live request, up to the upstream body; no model is called and no network is used.
"""

import os
import sys
import time
from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from pathlib import Path
from typing import Final

from adapters.registry import embedder_named, provider_named
from gateway.activation.assemble import assemble
from gateway.activation.engine import engine
from gateway.activation.sources import Sources
from gateway.cli.callers import caller_named
from gateway.cli.explain_view import Explanation, Outcome, show
from gateway.cli.requests import read_bytes, read_request
from gateway.cli.told import NO, WRONG, CommandFailed
from gateway.compose import Layouts, offered
from gateway.detectors import canary
from gateway.dialects.registry import EMBEDS
from gateway.domain.address import PUBLIC_ONLY, Addresses
from gateway.domain.identity import Caller
from gateway.domain.model import Model
from gateway.domain.ports import Call, UpstreamClient, UpstreamResponse
from gateway.domain.request import ClientRequest, Options
from gateway.domain.target import Endpoint, Layout, Target, Timeouts, Tls
from gateway.domain.verdict import Block, RequireApproval
from gateway.pipeline import route
from gateway.pipeline.admit import admit
from gateway.pipeline.apply import apply
from gateway.pipeline.credit import Evidence, credit
from gateway.pipeline.handle import find_model
from gateway.pipeline.lift import lift
from gateway.pipeline.scan import common_facts, look
from gateway.pipeline.subjects import subjects_of
from gateway.settings import Settings, load
from policies.engine.evaluate import evaluate

_REQUEST_ID: Final = "explain"


def explain(
    path: Path, config: Path | None, *, model: str | None, dialect: str, key: str | None, full: bool, raw: bool
) -> int:
    """Print the explanation, or with ``raw`` the upstream body alone; the answer is the exit code.

    Raises:
        GatewayError: the request would be refused before any target is considered, or the file cannot be used.
        CommandFailed: something was asked for that is not there.
    """
    settings = load(config, os.environ, offline=True)
    request = read_request(read_bytes(path), dialect=dialect, model=model)
    explanation = explained(request, settings, caller_named(settings, key))
    if raw:
        _write_raw(explanation)
    else:
        show(explanation, full=full)
    return 0 if explanation.chosen is not None else NO


def explained(request: ClientRequest, settings: Settings, caller: Caller) -> Explanation:
    """Take a request as far as its upstream body, or as far as policy lets it.

    Raises:
        ConfigError: the policies cannot be used.
        RequestError: it would be refused before any target is considered.
    """
    model = find_model(request.model, settings.models, caller)
    in_force = assemble(Sources(settings.policies).read(), engine(os.environ, _no_services)).in_force
    policies = admit(request, caller, in_force.ruleset, None)
    prompt = lift(request, model, caller)
    facts = common_facts(request, caller, prompt, tainted=bool(prompt.data))
    scanned = look(subjects_of(prompt, request.options, facts, policies), policies, in_force.scanner)
    verdict = evaluate(policies, scanned, time.time())
    floor = route.floor_of(request.min_isolation, model, policies.min_isolation)
    explanation = Explanation(
        request=request, model=model, caller=caller, prompt=prompt, policies=policies, verdict=verdict, floor=floor
    )
    if isinstance(verdict, Block | RequireApproval):
        return explanation
    applied = apply(prompt, request.options, verdict.found, canary.draw() if policies.uses("canary") else None)
    judged = route.candidates(
        applied.prompt,
        applied.options,
        model,
        floor,
        route.bar_of(model, policies.bar),
        lay_out=_lay_out(request, model),
        # Render probes need the server: here their success is supposed, and the view says so.
        credit=lambda target, reached: credit(target, reached, lambda _: Evidence.SHOWN),
    )
    return replace(explanation, outcomes=tuple(_outcome(candidate) for candidate in judged))


def _no_services() -> UpstreamClient:
    """Detectors that would ask a service are not asked: no network is used."""
    return _NoNetwork()


def _lay_out(request: ClientRequest, model: Model) -> route.LayOut:
    """How the request's targets would be sent it: a request for vectors goes to those alone that make any."""
    layouts = Layouts(model.targets)
    if request.dialect not in {dialect.NAME for dialect in EMBEDS.values()}:
        return layouts
    embedders = offered(model.targets, lambda name: embedder_named(name, _NoNetwork()), "make embeddings")
    return route.able(layouts.texts, embedders)


def _outcome(candidate: route.Candidate) -> Outcome:
    usable = candidate.refusal is None and candidate.layout is not None
    body = (
        _body(candidate.target, candidate.layout, candidate.options)
        if usable and candidate.layout is not None
        else None
    )
    return Outcome(target=candidate.target, layout=candidate.layout, refusal=candidate.refusal, body=body)


def _body(target: Target, layout: Layout, options: Options) -> bytes:
    call = Call(id=_REQUEST_ID, target=target, layout=layout, options=options)
    embedder = embedder_named(target.provider, _NoNetwork()) if layout.endpoint is Endpoint.EMBEDDINGS else None
    return (embedder or provider_named(target.provider, _NoNetwork())).serialise(call)


class _NoNetwork:
    """An upstream client that sends nothing: ``serialise`` is pure."""

    def request(
        self,
        method: str,
        url: str,
        *,
        target: str,
        headers: Mapping[str, str],
        body: bytes,
        timeouts: Timeouts,
        socket: str | None = None,
        addresses: Addresses = PUBLIC_ONLY,
        tls: Tls | None = None,
    ) -> AbstractAsyncContextManager[UpstreamResponse]:
        raise NotImplementedError

    async def close(self) -> None:
        """Nothing is open."""


def _write_raw(explanation: Explanation) -> None:
    chosen = explanation.chosen
    if chosen is None or chosen.body is None:
        raise CommandFailed("no target can be used for this request; leave out --raw to see why", code=NO)
    if sys.stdout.isatty():
        # Data could hold sequences that drive a terminal.
        raise CommandFailed("--raw writes bytes as they are; send them to a file or another program", code=WRONG)
    sys.stdout.buffer.write(chosen.body)
    sys.stdout.flush()
