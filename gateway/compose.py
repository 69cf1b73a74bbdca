"""Which parts make up a running worker, and how do they fit together?

The one composition root: only this file knows formats, providers, transports, pipeline and web at once.
"""

import os
import secrets
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial
from typing import TypeVar

from adapters.registry import (
    SIDE_NOTES,
    check_identifiers,
    clean_options,
    compile_reserved,
    counter_named,
    embedder_named,
    fitting_tokens,
    format_named,
    lay_out_texts,
    probe_for,
    provider_entry,
    provider_named,
)
from adapters.transport.authorities import none_read, system
from gateway.activation.activate import Activation
from gateway.activation.break_glass import BreakGlass, shared_key
from gateway.activation.engine import engine
from gateway.activation.fan_out import ask_all_workers
from gateway.activation.last_good import LastGood
from gateway.activation.sources import Sources
from gateway.activation.state_folder import StateFolder
from gateway.audit.events import Events, policies_of
from gateway.audit.line import Value
from gateway.audit.trail import Evidence as EvidenceOf
from gateway.callers import Callers, callers
from gateway.configuration.crowd import Crowd
from gateway.detectors import canary
from gateway.detectors.build import closed_facts
from gateway.dialects import split
from gateway.dialects.registry import DIALECTS
from gateway.domain.errors import NotSayable, RequestError
from gateway.domain.identity import ANONYMOUS
from gateway.domain.isolation import Isolation
from gateway.domain.model import Model
from gateway.domain.ports import Approvals, Provider, UpstreamClient
from gateway.domain.prompt import Prompt
from gateway.domain.request import REASONING_FIELDS, Options
from gateway.domain.target import FormatOptions, Layout, Target
from gateway.domain.value import value
from gateway.embedded_health import EmbeddedHealth
from gateway.limited import limited
from gateway.observed import observed
from gateway.pipeline import route
from gateway.pipeline.condition import Conditions
from gateway.pipeline.credit import Evidence, credit
from gateway.pipeline.handle import Services
from gateway.pipeline.lift import lift
from gateway.pipeline.limiter import Limiter
from gateway.probes import Probes
from gateway.recorded import Recorded, recorded
from gateway.rotation import Rotation, ends, mounted, noted
from gateway.settings import Settings
from gateway.standing import EXAMPLE, Standing, Standings
from gateway.stores.approvals import SqliteApprovals
from gateway.stores.share import ALONE, Share
from gateway.stores.sweep import swept
from gateway.stores.untainted import UntaintedReplies
from gateway.target_health import TargetHealth
from gateway.telemetry.families import SECOND, WORKER
from gateway.web.admin import Desk, admin_routes
from gateway.web.app import App
from gateway.web.approvals import ApprovalDesk, approval_routes
from gateway.web.auth import Doorkeeper
from gateway.web.door import Lobby
from gateway.web.gate import Gate
from gateway.web.recent import Recent
from gateway.web.running import RunningDesk, running_routes
from gateway.web.targets import target_routes
from policies.engine.model import Policy

Offered = TypeVar("Offered")

# Seconds that a start waits for render probes; a target that answers later is credited later.
PROBE_WAIT_S = 5.0


@value
class Worker:
    """A worker's application, what its models can do at present, and the way to have it reload its policies.

    ``scrape`` gives the metrics of all workers, if there are any.
    """

    app: App
    standings: Callable[[], Standings]
    reload: Callable[[], Awaitable[object]]
    ready: Callable[[], bool]
    scrape: Callable[[], Awaitable[bytes]] | None


@asynccontextmanager
async def running_app(
    settings: Settings, embedded_socket: str | None, litellm_socket: str | None = None
) -> AsyncGenerator[App, None]:
    """The application of one worker; leaving the context closes its upstream connections."""
    async with running_worker(settings, embedded_socket, litellm_socket) as worker:
        yield worker.app


@asynccontextmanager
async def running_worker(
    settings: Settings, embedded_socket: str | None, litellm_socket: str | None = None, *, share: Share = ALONE
) -> AsyncGenerator[Worker, None]:
    """The same, with what its models can do; ``share`` says which of how many workers it is."""
    sockets = {"embedded": embedded_socket, "litellm": litellm_socket, "bedrock": litellm_socket}
    client = _client(settings)
    models = {name: _reachable(model, sockets) for name, model in settings.models.items()}
    targets = tuple(target for model in models.values() for target in model.targets)
    ask = probe_for(client)

    async def evidence_of(target: Target) -> tuple[Evidence, str]:
        outcome, reason = await ask(target)
        return Evidence(outcome), reason

    probes = Probes(evidence_of)
    health = _health(settings, targets, client)
    conditions = Conditions(targets)
    checks = TargetHealth(client, conditions)
    try:
        if health is not None:
            health.start()
        checks.start(targets)
        await probes.start(targets, wait_s=PROBE_WAIT_S, when_used=partial(_loads_when_used, settings))
        store = SqliteApprovals(settings.state_dir / "approvals.sqlite3", time.time)
        async with (
            observed(settings, os.environ) as seen,
            recorded(settings, seen.audit) as records,
            _activation(settings, client, records.events) as activation,
            callers(settings, records.events) as who,
            limited(settings, share, records.events, seen.together()) as limiter,
            swept(store.sweep),
            Rotation(lambda: mounted(settings, _policies(activation)), partial(noted, records.events)) as rotation,
        ):
            _begin_with_policies(records, activation)
            seen.watch(activation.state, activation.break_glass.state)
            seen.watch_files(settings.digest, rotation.stale, partial(ends, settings))
            if limiter is not None:
                seen.watch_limits(limiter.fullest)
            seen.watch_targets(conditions)
            services = _services(
                models, targets, client, probes, activation=activation, approvals=store, conditions=conditions
            )

            def ready() -> bool:
                known = activation.ready and who.ready() and records.writable
                return known and probes.settled and (health is None or health.answers)

            yield Worker(
                app=_app(
                    settings,
                    services,
                    activation,
                    store,
                    limiter=limiter,
                    doorkeeper=who.doorkeeper,
                    evidence=EvidenceOf(
                        recording=records.recording,
                        observers=seen.observers,
                        models=frozenset(models),
                        traceparent=seen.traceparent,
                        closed=closed_facts(),
                    ),
                    events=records.events,
                    ready=ready,
                    rotation=rotation,
                ),
                ready=ready,
                standings=lambda: {name: standing(model, services) for name, model in models.items()},
                reload=lambda: _reload(activation, who),
                scrape=seen.scrape,
            )
    finally:
        if health is not None:
            await health.close()
        await checks.close()
        await probes.close()
        await client.close()


async def _reload(activation: Activation, who: Callers) -> None:
    """Keys first: whatever is wrong with policies, a key that was taken back opens no more."""
    await who.reload()
    await activation.reload()


def _begin_with_policies(records: Recorded, activation: Activation) -> None:
    """Have each new epoch say which policies are in force."""
    if records.recording is None:
        return
    journal = records.recording.journal
    before = journal.preamble
    journal.preamble = lambda: (*before(), {"what": "policies", **_policies_of(activation)})


def _policies_of(activation: Activation) -> Mapping[str, Value]:
    """What is in force, as records tell it."""
    return policies_of(activation.state(), activation.in_force().ruleset if activation.ready else None)


def _policies(activation: Activation) -> Sequence[Policy]:
    """Those in force, if any are yet."""
    return activation.in_force().ruleset.all_policies if activation.ready else ()


def _activation(settings: Settings, client: UpstreamClient, events: Events) -> Activation:
    """The policies and the break-glass grants of this worker."""
    folder = StateFolder(settings.state_dir / "policies")
    made = Activation(
        Sources(settings.policies),
        engine(os.environ, lambda: client),
        last_good=LastGood(folder),
        break_glass=BreakGlass(folder, shared_key(os.environ), events=events),
        watch=settings.policies.watch,
        on_change=lambda _: events.note("config", "policies", _policies_of(made)),
    )
    return made


def _health(settings: Settings, targets: tuple[Target, ...], client: UpstreamClient) -> EmbeddedHealth | None:
    """Watches for the embedded model where it is to be there from the start."""
    if settings.embedded.start != "at_start":
        return None
    socket = next((target.socket for target in targets if target.provider == "embedded"), None)
    return None if socket is None else EmbeddedHealth(client, socket)


def _loads_when_used(settings: Settings, target: Target) -> bool:
    """Whether ``target`` is the embedded model, which a render probe at start would load."""
    return target.provider == "embedded" and settings.embedded.start == "first_use"


def _services(
    models: Mapping[str, Model],
    targets: tuple[Target, ...],
    client: UpstreamClient,
    probes: Probes,
    *,
    activation: Activation,
    approvals: Approvals,
    conditions: Conditions,
) -> Services:
    layouts = Layouts(targets)
    providers = {target.provider: provider_named(target.provider, client) for target in targets}

    def provider(target: Target) -> Provider:
        return providers[target.provider]

    return Services(
        models=models,
        lay_out=layouts,
        lay_out_texts=layouts.texts,
        credit=partial(credit, evidence=probes.evidence),
        providers=provider,
        counters=offered(targets, lambda name: counter_named(name, client), "count tokens"),
        embedders=offered(targets, lambda name: embedder_named(name, client), "make embeddings"),
        now=time.time,
        in_force=activation.in_force,
        bypass=activation.bypass,
        untainted=UntaintedReplies(time.monotonic),
        approvals=approvals,
        draw_canary=canary.draw,
        conditions=conditions,
        shown=probes.shown,
    )


def offered(targets: Iterable[Target], make: Callable[[str], Offered | None], what: str) -> Callable[[Target], Offered]:
    """What each target's provider offers beside answers: made once by the provider's name.

    What is returned raises ``NotSayable`` for a target whose provider has no such thing.
    """
    made = {name: make(name) for name in {target.provider for target in targets}}

    def find(target: Target) -> Offered:
        found = made[target.provider]
        if found is None:
            raise NotSayable(
                f"target {target.id} cannot {what}, for its provider has no way to; ask for another model, or give "
                "this one a target that can"
            )
        return found

    return find


def _app(
    settings: Settings,
    services: Services,
    activation: Activation,
    store: SqliteApprovals,
    *,
    limiter: Limiter | None,
    doorkeeper: Doorkeeper,
    evidence: EvidenceOf,
    events: Events,
    ready: Callable[[], bool],
    rotation: Rotation,
) -> App:
    lobby = Lobby(
        services=services,
        evidence=evidence,
        doorkeeper=doorkeeper,
        max_body_bytes=settings.server.max_body_bytes,
        compressed_bodies=settings.server.compressed_bodies,
        limiter=limiter,
        gate=_gate(settings.server.crowd),
        recent=Recent(settings.server.record_recent, most_bytes=settings.server.record_recent_bytes),
    )
    desk = Desk(
        doorkeeper=doorkeeper,
        policies=activation,
        glass=activation.break_glass,
        fan_out=lambda: ask_all_workers(os.environ),
    )
    approvals = ApprovalDesk(
        doorkeeper=doorkeeper,
        store=store,
        revision=lambda: activation.in_force().ruleset.revision,
        dialects=DIALECTS,
        events=events,
    )
    shown = target_routes(services.models, services.conditions, doorkeeper)
    running = RunningDesk(
        doorkeeper=doorkeeper,
        file=settings.file,
        digest=settings.digest,
        worker=os.environ.get(WORKER, "").removesuffix(SECOND),
        stale=rotation.stale,
        changed=rotation.changed,
    )
    more = (*admin_routes(desk), *shown, *approval_routes(approvals), *running_routes(running))
    return App(lobby, reach=lambda model: reach(model, services.credit), ready=ready, admin=more)


def _gate(crowd: Crowd) -> Gate:
    return Gate(places=crowd.max_concurrent, queue=crowd.max_queued, patience_s=crowd.queue_timeout_s)


def reach(model: Model, credited: Callable[[Target, Isolation], Isolation]) -> Isolation:
    """The best isolation that any target of ``model`` can give at present."""
    return max(credited(target, format_named(target.format).best) for target in model.targets)


def standing(model: Model, services: Services) -> Standing:
    """What ``model`` can do at present: the example is taken as far as it goes without calling a model."""
    reaches = reach(model, services.credit)
    request = split.read({"model": model.name, **EXAMPLE})
    try:
        prompt = lift(request, model, ANONYMOUS)
    except RequestError:
        return Standing(reaches=reaches, example=None)
    judged = route.candidates(
        *(prompt, request.options, model, model.min_isolation, model.bar),
        lay_out=services.lay_out,
        credit=services.credit,
    )
    usable = (candidate.layout for candidate in judged if candidate.refusal is None)
    return Standing(reaches=reaches, example=next((layout.isolation for layout in usable if layout is not None), None))


class Layouts:
    """Lays prompts out for targets; what depends on the target alone is made once."""

    def __init__(self, targets: tuple[Target, ...]) -> None:
        self._prepared = {target.id: _Prepared.of(target) for target in targets}

    def __call__(self, target: Target, prompt: Prompt, options: Options) -> tuple[Layout, Options]:
        """Lay ``prompt`` out in the target's format, and clean the options that a server may render.

        Raises:
            RequestError: the format or the provider has no words for some of it.
        """
        prepared = self._prepared[target.id]
        if prepared.in_names:
            check_identifiers(prompt, prepared.in_names)
        layout = prepared.lay_out(prompt, prepared.options)
        clean, removals = clean_options(options, prepared.options)
        notes = layout.notes
        for note, asked in prepared.unsaid:
            if asked(prompt):
                notes = (*notes, note)
        if removals or notes is not layout.notes:
            layout = replace(layout, removals=(*layout.removals, *removals), notes=notes)
        if prepared.refuse_unsayable is not None:
            prepared.refuse_unsayable(target, layout, clean)
        return layout, clean

    @property
    def texts(self) -> "Layouts":
        """The same for texts that are only to be embedded, whatever the target's format."""
        embedding = Layouts(())
        for name, prepared in self._prepared.items():
            embedding._prepared[name] = replace(prepared, lay_out=lay_out_texts, refuse_unsayable=None)
        return embedding


@value
class _Prepared:
    lay_out: Callable[[Prompt, FormatOptions], Layout]
    options: FormatOptions
    in_names: tuple[str, ...]
    refuse_unsayable: Callable[[Target, Layout, Options], None] | None
    # What replies note of a prompt of which that is true.
    unsaid: tuple[tuple[str, Callable[[Prompt], bool]], ...]

    @classmethod
    def of(cls, target: Target) -> "_Prepared":
        reserved = compile_reserved(target.family, target.reserved_tokens)
        options = FormatOptions(
            remove_reserved=reserved.remove,
            break_reserved=reserved.break_json,
            reserved=reserved.tokens,
            draw_nonce=lambda: secrets.token_hex(16),
            settings=target.format_options,
            reasoning_field=next((name for name in REASONING_FIELDS if name in target.extra_params), None),
        )
        entry = format_named(target.format)
        return cls(
            lay_out=entry.lay_out,
            options=options,
            in_names=fitting_tokens(reserved.tokens),
            refuse_unsayable=provider_entry(target.provider).refuse_unsayable,
            unsaid=tuple([(f"{what}-left-out", asked) for what, asked in SIDE_NOTES.items() if what not in entry.says]),
        )


def _client(settings: Settings) -> UpstreamClient:
    # Whoever has a place at the gate finds a connection: there is no second queue behind it.
    places = settings.server.crowd.max_concurrent
    match settings.transport:
        case "aiohttp":
            with none_read():
                from adapters.transport.aiohttp_client import AiohttpClient  # noqa: PLC0415  loaded only where chosen

            return AiohttpClient(pool_limit=places, tls=system() if _believes_the_system(settings) else None)
        case "httpx":
            from adapters.transport.httpx_client import HttpxClient  # noqa: PLC0415  loaded only where chosen

            return HttpxClient(pool_limit=places)


def _believes_the_system(settings: Settings) -> bool:
    """Whether any target is to be asked over TLS and has no authority of its own."""
    targets = (target for model in settings.models.values() for target in model.targets)
    return any(target.tls is None and target.base_url.lower().startswith("https:") for target in targets)


def _reachable(model: Model, sockets: Mapping[str, str | None]) -> Model:
    """The model with its targets pointed at the sockets that the supervisor opened for their providers."""
    targets = tuple(
        replace(target, socket=sockets[target.provider]) if target.provider in sockets else target
        for target in model.targets
    )
    return replace(model, targets=targets)
