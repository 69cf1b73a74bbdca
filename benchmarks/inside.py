"""What is a gateway made of when it is measured without server and network?

The parts that ``gateway/compose.py`` puts together, around an upstream that answers from memory.
"""

import time
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from adapters.registry import counter_named, embedder_named, provider_named
from benchmarks.canned import CannedClient
from benchmarks.contenders import Contender, Site
from benchmarks.payloads import request_body, whole_answer
from benchmarks.processes import CannotMeasure
from benchmarks.scenarios import Scenario
from gateway.access.ring import Ring
from gateway.activation.assemble import assemble
from gateway.activation.engine import engine
from gateway.activation.sources import Sources
from gateway.audit.trail import Evidence
from gateway.compose import Layouts, offered
from gateway.configuration.values import PolicySettings
from gateway.detectors import canary
from gateway.dialects import openai_chat, split
from gateway.dialects.registry import Dialect
from gateway.domain.approval import HeldReply
from gateway.domain.ports import UpstreamClient
from gateway.pipeline.handle import Services
from gateway.pipeline.in_force import InForce
from gateway.settings import load
from gateway.stores.untainted import UntaintedReplies
from gateway.web.auth import Doorkeeper
from gateway.web.door import Door, Lobby
from gateway.web.generating import Generating


class _NoApprovals:
    """Nothing that the benchmark sends is to wait for an approver."""

    async def hold(self, held: HeldReply) -> None:
        del held
        raise CannotMeasure("an answer waits for an approver; measure with policies that ask for none")


@dataclass(frozen=True, slots=True, kw_only=True)
class Inside:
    """One contender's gateway and the request that it is sent; ``door`` is its route, called as a server would."""

    dialect: Dialect
    doorkeeper: Doorkeeper
    services: Services
    door: Door
    body: bytes

    @property
    def in_force(self) -> InForce:
        """The policies, and the detectors that their rules need."""
        return self.services.in_force()


def inside(site: Site, contender: Contender, scenario: Scenario, answers: CannedClient | None = None) -> Inside:
    """A gateway as the site configures it for this contender, whose upstream ``answers``, unless told in whole."""
    settings = load(site.configs[contender.server], {})
    dialect: Dialect = split if contender.dialect == "split" else openai_chat
    client = answers or CannedClient("application/json", (whole_answer(),))
    targets = settings.models[scenario.model].targets
    providers = {target.provider: provider_named(target.provider, client) for target in targets}
    in_force = policies_of(settings.policies)
    layouts = Layouts(targets)
    services = Services(
        models=settings.models,
        lay_out=layouts,
        lay_out_texts=layouts.texts,
        credit=lambda _, reached: reached,
        providers=lambda target: providers[target.provider],
        counters=offered(targets, lambda name: counter_named(name, client), "count tokens"),
        embedders=offered(targets, lambda name: embedder_named(name, client), "make embeddings"),
        now=time.time,
        in_force=lambda: in_force,
        bypass=lambda: None,
        untainted=UntaintedReplies(time.monotonic),
        approvals=_NoApprovals(),
        draw_canary=canary.draw,
    )
    doorkeeper = Doorkeeper(Ring(settings.keys) if settings.asks else None, settings.server.allowed_hosts)
    lobby = Lobby(
        services=services,
        evidence=Evidence(recording=None),
        doorkeeper=doorkeeper,
        max_body_bytes=settings.server.max_body_bytes,
        recent=deque(maxlen=0),
    )
    return Inside(
        dialect=dialect,
        doorkeeper=doorkeeper,
        services=services,
        door=Door(Generating(dialect), lobby),
        body=request_body(contender.dialect, scenario),
    )


def policies_of(settings: PolicySettings) -> InForce:
    """The policies of these files, loaded and tried as a worker does it."""
    return assemble(Sources(settings).read(), engine({}, _nobody)).in_force


def _nobody() -> UpstreamClient:
    raise CannotMeasure("a policy asks an external classifier; measure with policies that ask none")


def scope_of(contender: Contender, key: str, length: int) -> dict[str, Any]:
    """The request's head as a server gives it to an application."""
    path = contender.path
    return {
        "type": "http",
        "http_version": "1.1",
        "method": "POST",
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "root_path": "",
        "headers": [
            (b"host", b"127.0.0.1"),
            (b"authorization", f"Bearer {key}".encode()),
            (b"content-type", b"application/json"),
            (b"content-length", str(length).encode()),
        ],
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 2),
    }


async def through(gateway: Inside, scope: Mapping[str, Any]) -> None:
    """Send the request once.

    Raises:
        CannotMeasure: it was answered with an error.
    """

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": gateway.body, "more_body": False}

    async def send(message: Mapping[str, Any]) -> None:
        if message.get("status", 200) != 200 or b'"error"' in message.get("body", b""):
            raise CannotMeasure("the gateway answered with an error to a request of the benchmark's own")

    await gateway.door(dict(scope), receive, send)
