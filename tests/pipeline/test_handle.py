from collections.abc import AsyncGenerator, Callable, Iterable, Sequence
from dataclasses import replace
from typing import Never

import pytest

from gateway.domain.card import Card
from gateway.domain.errors import (
    BlockedByPolicy,
    DeadlinePassed,
    InvalidField,
    IsolationUnreachable,
    SplitUnproven,
    UnknownModel,
    UpstreamGarbled,
)
from gateway.domain.exchange import Choice, Finish, Reply, Started, StreamEvent, TextDelta, ToolCallStarted
from gateway.domain.identity import ANONYMOUS, Caller
from gateway.domain.isolation import Isolation
from gateway.domain.model import Model, Persistence
from gateway.domain.ports import Approvals, Call
from gateway.domain.prompt import RESERVED_TOOL, Prompt
from gateway.domain.request import ClientRequest, DataPart, Message, Options, Role, TextPart
from gateway.domain.target import Endpoint, Layout, Removal, Target
from gateway.pipeline.answer import Answered, Streaming
from gateway.pipeline.handle import Services, handle
from gateway.pipeline.handling import ASSUMED
from gateway.pipeline.in_force import InForce
from gateway.pipeline.trail import Trail
from gateway.stores.untainted import UntaintedReplies

Policies = Callable[..., InForce]

MARK = "\ue000"


class Provider:
    def __init__(self) -> None:
        self.calls: list[Call] = []
        self.breaks = False
        self.closed = False

    def serialise(self, call: Call) -> bytes:
        return call.id.encode()

    async def send(self, call: Call) -> Reply:
        self.calls.append(call)
        choice = Choice(index=0, text=f"a{MARK}b", finish_reason="stop")
        return Reply(id="up", model="m", created=1, choices=(choice,))

    async def stream(self, call: Call) -> AsyncGenerator[Sequence[StreamEvent], None]:
        self.calls.append(call)
        try:
            yield (Started(id="up", model="m", created=1),)
            yield (ToolCallStarted(choice=0, index=0, id="c", name=RESERVED_TOOL),)
            yield (TextDelta(choice=0, text=f"a{MARK}b"),)
            if self.breaks:
                raise UpstreamGarbled("broke off", target=call.target.id)
            yield (Finish(choice=0, reason="stop"),)
        finally:
            self.closed = True


def only_wrapped(_: Target, __: Isolation) -> Isolation:
    return Isolation.WRAPPED


@pytest.fixture
def provider() -> Provider:
    return Provider()


@pytest.fixture
def services(
    provider: Provider,
    a_target: Callable[..., Target],
    policies_of: Callable[..., InForce],
    approvals: Approvals,
    cannot: Callable[[Target], Never],
) -> Services:
    def lay_out(target: Target, prompt: Prompt, options: Options) -> tuple[Layout, Options]:
        layout = Layout(
            format=target.format,
            endpoint=Endpoint.CHAT,
            body={"messages": []},
            isolation=Isolation.NATIVE if prompt.data else None,
            removals=(Removal(where="s2", count=3),),
            notes=("operator-user-merged",),
            datamark=MARK,
        )
        return layout, options

    return Services(
        models={"m": Model(name="m", targets=(a_target("t"),))},
        lay_out=lay_out,
        lay_out_texts=lay_out,
        credit=lambda _, reached: reached,
        providers=lambda _: provider,
        counters=cannot,
        embedders=cannot,
        now=lambda: 12.9,
        in_force=policies_of,
        bypass=lambda: None,
        untainted=UntaintedReplies(lambda: 0.0),
        approvals=approvals,
        draw_canary=lambda: "sgcanary0000",
    )


def request(*, stream: bool = False, model: str = "m", floor: Isolation | None = None) -> ClientRequest:
    return ClientRequest(
        dialect="split",
        model=model,
        messages=(
            Message(role=Role.SYSTEM, parts=(TextPart(text="Do.", path="instructions"),), path="instructions"),
            Message(role=Role.INPUT, parts=(DataPart(text="d", path="data"),), path="data"),
        ),
        options=Options(stream=stream),
        min_isolation=floor,
    )


async def test_a_whole_answer_says_what_was_done(services: Services, provider: Provider, trail: Trail) -> None:
    outcome = await handle(request(), ANONYMOUS, "r-1", services, trail=trail)
    assert isinstance(outcome, Answered)
    assert outcome.reply.choices[0].text == "ab"
    handling = outcome.handling
    assert (handling.request_id, handling.model, handling.created) == ("r-1", "m", 12)
    assert (handling.isolation, handling.format, handling.target) == ("native", "spotlight", "t")
    assert [(f.rule, f.where, f.count) for f in handling.findings] == [("reserved-token", "s2", 3)]
    assert handling.notes == ("operator-user-merged",)
    assert provider.calls[0].id == "r-1"


async def test_a_stream_passes_the_same_guard(services: Services, provider: Provider, trail: Trail) -> None:
    outcome = await handle(request(stream=True), ANONYMOUS, "r-1", services, trail=trail)
    assert isinstance(outcome, Streaming)
    events = [event async for together in outcome.events for event in together]
    assert events == [
        Started(id="up", model="m", created=1),
        TextDelta(choice=0, text="ab"),
        Finish(choice=0, reason="content_filter"),
    ]
    assert outcome.handling.isolation == "native"
    assert provider.closed


async def test_a_broken_stream_stays_broken(services: Services, provider: Provider, trail: Trail) -> None:
    provider.breaks = True
    outcome = await handle(request(stream=True), ANONYMOUS, "r-1", services, trail=trail)
    assert isinstance(outcome, Streaming)
    with pytest.raises(UpstreamGarbled):
        _ = [event async for together in outcome.events for event in together]


async def test_closing_a_stream_early_closes_the_upstream_call(
    services: Services, provider: Provider, trail: Trail
) -> None:
    outcome = await handle(request(stream=True), ANONYMOUS, "r-1", services, trail=trail)
    assert isinstance(outcome, Streaming)
    await anext(outcome.events)
    await outcome.events.aclose()
    assert provider.closed


async def test_a_claim_without_evidence_is_noted(
    services: Services, a_target: Callable[..., Target], trail: Trail
) -> None:
    assumed = replace(a_target("t"), assumed=True)
    services = replace(services, models={"m": Model(name="m", targets=(assumed,))})
    outcome = await handle(request(), ANONYMOUS, "r-1", services, trail=trail)
    assert outcome.handling.notes == ("operator-user-merged", ASSUMED)


async def test_an_unknown_model_is_refused_with_the_known_ones(
    services: Services, provider: Provider, trail: Trail
) -> None:
    with pytest.raises(UnknownModel) as caught:
        await handle(request(model="x"), ANONYMOUS, "r-1", services, trail=trail)
    assert caught.value.message.endswith("there are for you: m")
    assert provider.calls == []


async def test_a_model_that_the_caller_may_not_ask_for_is_refused_like_one_that_is_not_there(
    services: Services, provider: Provider, trail: Trail
) -> None:
    services = replace(services, models={**services.models, "n": replace(services.models["m"], name="n")})
    bound = Caller(key="k", tenant="t", models=frozenset({"n"}))
    told: list[str] = []
    for name in ("m", "x"):
        with pytest.raises(UnknownModel) as caught:
            await handle(request(model=name), bound, "r-1", services, trail=trail)
        told.append(caught.value.message)
    assert told == ["no such model; there are for you: n"] * 2
    assert provider.calls == []
    await handle(request(model="n"), bound, "r-1", services, trail=trail)
    assert len(provider.calls) == 1


@pytest.mark.parametrize("stream", [False, True])
async def test_the_floor_holds_in_both_modes(
    services: Services, provider: Provider, stream: bool, trail: Trail
) -> None:
    low = replace(services, credit=only_wrapped)
    with pytest.raises(IsolationUnreachable):
        await handle(request(stream=stream, floor=Isolation.CHANNEL), ANONYMOUS, "r-1", low, trail=trail)
    assert provider.calls == []


@pytest.mark.parametrize("stream", [False, True])
async def test_what_a_policy_asks_of_a_card_holds_in_both_modes(
    services: Services, provider: Provider, policies_of: Policies, stream: bool, trail: Trail, card: Card
) -> None:
    asking = replace(services, in_force=lambda: policies_of([], "mode: enforce\n  max_attack_success: 0.05"))
    with pytest.raises(SplitUnproven, match=r"max_attack_success 0\.05 is asked for, and it has no card"):
        await handle(request(stream=stream), ANONYMOUS, "r-1", asking, trail=trail)
    assert provider.calls == []
    (target,) = services.models["m"].targets
    shown = Model(name="m", targets=(target, replace(target, id="shown", card=card)))
    outcome = await handle(request(stream=stream), ANONYMOUS, "r-1", replace(asking, models={"m": shown}), trail=trail)
    assert isinstance(outcome, Streaming if stream else Answered)
    assert outcome.handling.target == "shown"


async def test_a_prefill_is_refused_before_anything_is_sent(
    services: Services, provider: Provider, trail: Trail
) -> None:
    prefill = Message(role=Role.ASSISTANT, parts=(TextPart(text="Sure", path="p"),), path="messages[2]")
    asked = request()
    with pytest.raises(InvalidField):
        await handle(replace(asked, messages=(*asked.messages, prefill)), ANONYMOUS, "r-1", services, trail=trail)
    assert provider.calls == []


async def test_a_withheld_first_event_is_withheld_too(services: Services, trail: Trail) -> None:
    class CallingAtOnce(Provider):
        async def stream(self, call: Call) -> AsyncGenerator[Sequence[StreamEvent], None]:
            yield (ToolCallStarted(choice=0, index=0, id=call.id, name=RESERVED_TOOL),)
            yield (Finish(choice=0, reason="tool_calls"),)

    def calling_at_once(_: Target) -> Provider:
        return CallingAtOnce()

    services = replace(services, providers=calling_at_once)
    outcome = await handle(request(stream=True), ANONYMOUS, "r-1", services, trail=trail)
    assert isinstance(outcome, Streaming)
    assert [event async for together in outcome.events for event in together] == [
        Finish(choice=0, reason="content_filter")
    ]


LOWERS = "id: low, stage: instructions, when: segment.origin == 'user', action: set_channel, channel: data"


async def test_targets_have_their_chance_to_show_what_they_are_before_they_are_judged_and_not_where_policy_refuses(
    services: Services, policies_of: Policies, trail: Trail
) -> None:
    shown: list[str] = []

    async def show(targets: Iterable[Target]) -> None:
        shown.extend(target.id for target in targets)

    def credit(_: Target, reached: Isolation) -> Isolation:
        return reached if shown else Isolation.NONE

    blocks = policies_of(["id: never, stage: data, when: det.secrets.found, action: block"])
    lazy = replace(services, shown=show, credit=credit, in_force=lambda: blocks)
    with pytest.raises(BlockedByPolicy):
        await handle(said_as_data("key AKIAQX7ZK2M4N6P3R5T7"), ANONYMOUS, "r-1", lazy, trail=trail)
    assert shown == []
    await handle(said_as_data("no key"), ANONYMOUS, "r-1", lazy, trail=trail)
    assert shown == [target.id for target in services.models["m"].targets]


def said_as_data(text: str) -> ClientRequest:
    asked = request()
    data = Message(role=Role.INPUT, parts=(DataPart(text=text, path="data"),), path="data")
    return replace(asked, messages=(asked.messages[0], data))


def said_by_the_user(text: str) -> ClientRequest:
    parts = (TextPart(text=text, path="u"),)
    asked = request()
    return replace(asked, messages=(asked.messages[0], Message(role=Role.USER, parts=parts, path="u")))


async def test_what_a_rule_lowers_to_data_is_judged_as_data(
    services: Services, policies_of: Policies, trail: Trail
) -> None:
    in_force = policies_of([LOWERS, "id: no-key, stage: data, when: det.secrets.found && tainted, action: block"])
    strict = replace(services, in_force=lambda: in_force)
    with pytest.raises(BlockedByPolicy) as caught:
        await handle(said_by_the_user("key AKIAQX7ZK2M4N6P3R5T7"), ANONYMOUS, "r-1", strict, trail=trail)
    assert caught.value.rules == ("low", "no-key")
    outcome = await handle(said_by_the_user("no key"), ANONYMOUS, "r-1", strict, trail=trail)
    assert [found.rule for found in outcome.handling.findings if found.policy] == ["low"]


async def test_a_canary_is_drawn_for_rules_that_act_alone(
    services: Services, policies_of: Policies, trail: Trail
) -> None:
    def drawn() -> str:
        raise AssertionError("a canary was drawn")

    rule = "id: c, stage: output, when: det.canary.found, action: block"
    shadow, acting = policies_of([rule], "mode: shadow"), policies_of([rule])
    await handle(
        request(), ANONYMOUS, "r-1", replace(services, in_force=lambda: shadow, draw_canary=drawn), trail=trail
    )
    with pytest.raises(AssertionError, match="a canary was drawn"):
        await handle(
            request(), ANONYMOUS, "r-1", replace(services, in_force=lambda: acting, draw_canary=drawn), trail=trail
        )


@pytest.mark.parametrize("stream", [False, True])
async def test_the_deadline_counts_from_the_requests_first_byte(
    services: Services, provider: Provider, trail: Trail, a_target: Callable[..., Target], stream: bool
) -> None:
    model = Model(name="m", targets=(a_target("t"),), persistence=Persistence(deadline_s=5.0))
    services = replace(services, models={"m": model})
    outcome = await handle(request(stream=stream), ANONYMOUS, "r-1", services, trail=trail)
    if isinstance(outcome, Streaming):
        await outcome.events.aclose()
    # A call has what is left; it began a moment ago.
    assert 0.0 < provider.calls[0].target.timeouts.total < 5.0
    trail.timeline.began -= 6_000_000_000
    with pytest.raises(DeadlinePassed):
        await handle(request(stream=stream), ANONYMOUS, "r-2", services, trail=trail)
    assert len(provider.calls) == 1


async def test_the_target_with_the_fewest_calls_in_progress_is_asked(
    services: Services, provider: Provider, trail: Trail, a_target: Callable[..., Target]
) -> None:
    one, other = a_target("one"), a_target("other")
    model = Model(name="m", targets=(one, other), balance="least_pending")
    services = replace(services, models={"m": model})
    streams: list[Streaming] = []
    for _ in range(4):
        outcome = await handle(request(stream=True), ANONYMOUS, "r", services, trail=trail)
        assert isinstance(outcome, Streaming)
        # It is in progress from its first event on, and until it is over.
        await anext(outcome.events)
        streams.append(outcome)
    assert sorted(call.target.id for call in provider.calls) == ["one", "one", "other", "other"]
    assert [services.conditions.of(target).pending for target in (one, other)] == [2, 2]
    for stream in streams:
        await stream.events.aclose()
    assert [services.conditions.of(target).pending for target in (one, other)] == [0, 0]
