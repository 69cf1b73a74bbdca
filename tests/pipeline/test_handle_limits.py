"""Every kind of request takes from its tab before anything else, and says on it what came."""

from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace

import pytest

from gateway.domain.errors import (
    BlockedByPolicy,
    GatewayError,
    LimitReached,
    NotSayable,
    UnknownModel,
    UpstreamRejected,
)
from gateway.domain.exchange import Choice, Embeddings, Finish, Reply, Started, StreamEvent, Usage, UsageReport
from gateway.domain.identity import ANONYMOUS, Caller
from gateway.domain.model import Model
from gateway.domain.ports import Approvals, Call
from gateway.domain.prompt import Prompt
from gateway.domain.request import ClientRequest, DataPart, Message, Options, Role, TextPart
from gateway.domain.target import Layout, Target
from gateway.pipeline.answer import Answered, Streaming
from gateway.pipeline.handle import Counted, Embedded, Services, count, embed, handle
from gateway.pipeline.in_force import InForce
from gateway.pipeline.run import Run, at_once
from gateway.pipeline.tab import Hearing
from gateway.pipeline.trail import Trail
from gateway.stores.untainted import UntaintedReplies

Served = Answered | Streaming | Counted | Embedded
Policies = Callable[..., InForce]
USAGE = Usage(input_tokens=3, output_tokens=4)
KEY = "AKIAQX7ZK2M4N6P3R5T7"


@dataclass
class Tab:
    """Keeps what it is told, in order; ``full`` has it refuse."""

    told: list[str] = field(default_factory=list[str])
    full: bool = False

    async def take(self, request: ClientRequest, caller: Caller, model: Model, run: Run = at_once) -> None:
        self.told.append(f"take {request.model} {caller.key} {model.name} {await run(lambda: 'here')}")
        if self.full:
            raise LimitReached("no")

    def asking(self, target: Target) -> None:
        self.told.append(f"ask {target.id}")

    def failed(self, error: GatewayError) -> None:
        self.told.append(f"failed {error.code}")

    @property
    def hearing(self) -> Hearing | None:
        return lambda together: self.told.extend([f"heard {type(event).__name__}" for event in together])

    def answered(self, answer: Reply | Embeddings) -> None:
        self.told.append(f"answered {answer.usage == USAGE}")


class Server:
    """Answers everything, unless it ``fails``."""

    def __init__(self) -> None:
        self.calls: list[Call] = []
        self.fails: GatewayError | None = None

    def asked(self, call: Call) -> None:
        self.calls.append(call)
        if self.fails is not None:
            raise self.fails

    def serialise(self, call: Call) -> bytes:
        return call.id.encode()

    async def send(self, call: Call) -> Reply:
        self.asked(call)
        choice = Choice(index=0, text="a", finish_reason="stop")
        return Reply(id="up", model="m", created=1, choices=(choice,), usage=USAGE)

    async def stream(self, call: Call) -> AsyncGenerator[Sequence[StreamEvent], None]:
        self.asked(call)
        yield (Started(id="up", model="m", created=1),)
        yield (Finish(choice=0, reason="stop"),)
        yield (UsageReport(usage=USAGE),)

    async def count(self, call: Call) -> int:
        self.asked(call)
        return 31

    async def embed(self, call: Call) -> Embeddings:
        self.asked(call)
        return Embeddings(vectors=((0.5,),), usage=USAGE)


@pytest.fixture
def server() -> Server:
    return Server()


@pytest.fixture
def services(
    server: Server,
    a_target: Callable[..., Target],
    policies_of: Policies,
    approvals: Approvals,
    lay_out: Callable[[Target, Prompt, Options], tuple[Layout, Options]],
) -> Services:
    in_force = policies_of(["id: no-key, stage: data, when: det.secrets.found, action: block"])
    return Services(
        models={"m": Model(name="m", targets=(a_target("t"),))},
        lay_out=lay_out,
        lay_out_texts=lay_out,
        credit=lambda _, reached: reached,
        providers=lambda _: server,
        counters=lambda _: server,
        embedders=lambda _: server,
        now=lambda: 12.9,
        in_force=lambda: in_force,
        bypass=lambda: None,
        untainted=UntaintedReplies(lambda: 0.0),
        approvals=approvals,
        draw_canary=lambda: "sgcanary0000",
    )


def request(data: str = "d", *, stream: bool = False, model: str = "m") -> ClientRequest:
    return ClientRequest(
        dialect="split",
        model=model,
        messages=(
            Message(role=Role.SYSTEM, parts=(TextPart(text="Do.", path="i"),), path="i"),
            Message(role=Role.INPUT, parts=(DataPart(text=data, path="d"),), path="d"),
        ),
        options=Options(stream=stream),
    )


async def streamed(asked: ClientRequest, services: Services, trail: Trail, tab: Tab) -> Served:
    served = await handle(replace(asked, options=Options(stream=True)), ANONYMOUS, "r", services, trail=trail, tab=tab)
    assert isinstance(served, Streaming)
    _ = [event async for together in served.events for event in together]
    return served


async def whole(asked: ClientRequest, services: Services, trail: Trail, tab: Tab) -> Served:
    served = await handle(asked, ANONYMOUS, "r", services, trail=trail, tab=tab)
    assert isinstance(served, Answered)
    return served


async def counted(asked: ClientRequest, services: Services, trail: Trail, tab: Tab) -> Served:
    return await count(asked, ANONYMOUS, "r", services, trail=trail, tab=tab)


async def embedded(asked: ClientRequest, services: Services, trail: Trail, tab: Tab) -> Served:
    return await embed(asked, ANONYMOUS, "r", services, trail=trail, tab=tab)


Serve = Callable[[ClientRequest, Services, Trail, Tab], Awaitable[Served]]
TAKEN = "take m anonymous m here"


@pytest.mark.parametrize(
    ("serve", "told"),
    [
        (whole, ["ask t", "answered True"]),
        (streamed, ["ask t", "heard Started", "heard Finish", "heard UsageReport"]),
        (counted, []),
        (embedded, ["ask t", "answered True"]),
    ],
)
async def test_it_takes_asks_and_says_what_came(
    serve: Serve, told: list[str], services: Services, trail: Trail, server: Server
) -> None:
    tab = Tab()
    await serve(request(), services, trail, tab)
    assert tab.told == [TAKEN, *told]
    assert len(server.calls) == 1


@pytest.mark.parametrize("serve", [whole, streamed, counted, embedded])
async def test_where_a_limit_refuses_nothing_is_sent_nor_judged(
    serve: Serve, services: Services, trail: Trail, server: Server
) -> None:
    tab = Tab(full=True)
    with pytest.raises(LimitReached):
        await serve(request(KEY), services, trail, tab)
    assert (tab.told, server.calls) == ([TAKEN], [])


@pytest.mark.parametrize("serve", [whole, streamed, counted, embedded])
async def test_what_policy_blocks_has_taken_and_asked_for_nothing(
    serve: Serve, services: Services, trail: Trail
) -> None:
    tab = Tab()
    with pytest.raises(BlockedByPolicy):
        await serve(request(KEY), services, trail, tab)
    assert tab.told == [TAKEN]


async def test_what_is_for_no_model_takes_nothing(services: Services, trail: Trail) -> None:
    tab = Tab()
    with pytest.raises(UnknownModel):
        await whole(request(model="x"), services, trail, tab)
    assert tab.told == []


@pytest.mark.parametrize(
    "error",
    [NotSayable("m"), UpstreamRejected("m", target="t", status=400, reason=None)],
    ids=lambda error: type(error).__name__,
)
@pytest.mark.parametrize("serve", [whole, streamed, embedded])
async def test_of_a_call_that_fails_it_is_told_why(
    serve: Serve, error: GatewayError, services: Services, trail: Trail, server: Server
) -> None:
    tab, server.fails = Tab(), error
    with pytest.raises(type(error)):
        await serve(request(), services, trail, tab)
    assert tab.told == [TAKEN, "ask t", f"failed {error.code}"]
