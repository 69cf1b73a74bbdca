"""What does not ask for an answer, counts and vectors, passes the same steps as what does."""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Never, Protocol

import pytest

from gateway.domain.errors import (
    AuditUnavailable,
    BlockedByPolicy,
    InvalidField,
    IsolationUnreachable,
    NotSayable,
    UnknownField,
    UnknownModel,
    UpstreamFailed,
    UpstreamRejected,
)
from gateway.domain.evidence import Attempt, Timeline
from gateway.domain.exchange import Embeddings, Handling
from gateway.domain.identity import ANONYMOUS, Caller
from gateway.domain.isolation import Isolation
from gateway.domain.model import Model
from gateway.domain.ports import Approvals, Call
from gateway.domain.prompt import Data, Prompt
from gateway.domain.request import ClientRequest, DataPart, Message, Options, Role, TextPart
from gateway.domain.target import Endpoint, Layout, Removal, Target
from gateway.pipeline.handle import Counted, Embedded, Services, count, embed
from gateway.pipeline.in_force import InForce
from gateway.pipeline.trail import Judgement
from gateway.stores.untainted import UntaintedReplies

MakeTarget = Callable[..., Target]
Policies = Callable[..., InForce]
Serve = Callable[..., Awaitable[Counted | Embedded]]
KEY = "AKIAQX7ZK2M4N6P3R5T7"


class Trail(Protocol):
    timeline: Timeline
    notes: tuple[str, ...]
    judgements: list[Judgement]
    intents: list[tuple[Call, Handling, Prompt, Options]]
    refuses: bool

    @property
    def seen(self) -> None: ...
    @property
    def traceparent(self) -> str | None: ...
    def judged(self, judgement: Judgement) -> None: ...
    def tried(self, attempt: Attempt) -> None: ...

    async def intend(self, call: Call, handling: Handling, sent: Prompt, options: Options) -> None: ...


class Server:
    """Counts and embeds; ``failures`` are what it says at the targets named."""

    def __init__(self) -> None:
        self.calls: list[Call] = []
        self.failures: dict[str, Exception] = {}

    def _called(self, call: Call) -> None:
        self.calls.append(call)
        if call.target.id in self.failures:
            raise self.failures[call.target.id]

    async def count(self, call: Call) -> int:
        self._called(call)
        return 31

    def serialise(self, call: Call) -> bytes:
        return call.id.encode()

    async def embed(self, call: Call) -> Embeddings:
        self._called(call)
        return Embeddings(vectors=((0.5, 1.0),))


@pytest.fixture
def server() -> Server:
    return Server()


@pytest.fixture
def services(
    server: Server,
    a_target: MakeTarget,
    policies_of: Policies,
    approvals: Approvals,
    lay_out: Callable[[Target, Prompt, Options], tuple[Layout, Options]],
    cannot: Callable[[Target], Never],
) -> Services:
    """Targets ``none`` and ``t``: neither the first nor any ``providers`` can do what is asked."""

    def lay_out_texts(_: Target, prompt: Prompt, options: Options) -> tuple[Layout, Options]:
        texts = [segment.text for segment in prompt.segments() if isinstance(segment, Data)]
        layout = Layout(
            format="embedding",
            endpoint=Endpoint.EMBEDDINGS,
            body={"input": texts},
            isolation=None,
            removals=(Removal(where="s1", count=2),),
        )
        return layout, options

    def able(target: Target) -> Server:
        return cannot(target) if target.id == "none" else server

    return Services(
        models={"m": Model(name="m", targets=(a_target("none", fmt="native"), a_target("t", fmt="channel")))},
        lay_out=lay_out,
        lay_out_texts=lay_out_texts,
        credit=lambda _, reached: reached,
        providers=cannot,
        counters=able,
        embedders=able,
        now=lambda: 12.9,
        in_force=policies_of,
        bypass=lambda: None,
        untainted=UntaintedReplies(lambda: 0.0),
        approvals=approvals,
        draw_canary=lambda: "sgcanary0000",
    )


def texts(*given: str, **more: object) -> ClientRequest:
    messages = [
        Message(role=Role.INPUT, parts=(DataPart(text=text, path=f"input[{n}]", origin="embedding"),), path="input")
        for n, text in enumerate(given)
    ]
    asked = ClientRequest(dialect="openai_embeddings", model="m", messages=tuple(messages))
    return replace(asked, **more)  # pyright: ignore[reportArgumentType]


def prompt(data: str = "d", **more: object) -> ClientRequest:
    asked = ClientRequest(
        dialect="fake",
        model="m",
        messages=(
            Message(role=Role.SYSTEM, parts=(TextPart(text="Do.", path="i"),), path="i"),
            Message(role=Role.INPUT, parts=(DataPart(text=data, path="d"),), path="d"),
        ),
    )
    return replace(asked, **more)  # pyright: ignore[reportArgumentType]


BOTH = pytest.mark.parametrize(("serve", "ask"), [(count, prompt), (embed, texts)], ids=["count", "embed"])


async def test_a_count_is_of_the_prompt_as_it_would_be_sent(services: Services, server: Server, trail: Trail) -> None:
    counted = await count(prompt(), ANONYMOUS, "r-1", services, trail=trail)
    assert counted.tokens == 31
    (call,) = server.calls
    assert (call.target.id, call.layout.endpoint) == ("t", Endpoint.CHAT)
    assert (counted.handling.isolation, counted.handling.format) == ("channel", "channel")
    assert trail.timeline.sent <= trail.timeline.first == trail.timeline.last


async def test_texts_are_embedded_each_alone_and_nothing_is_said_of_isolation(
    services: Services, server: Server, trail: Trail
) -> None:
    embedded = await embed(texts("a", "b"), ANONYMOUS, "r-1", services, trail=trail)
    assert embedded.embeddings.vectors == ((0.5, 1.0),)
    (call,) = server.calls
    assert call.layout.body == {"input": ["a", "b"]}
    handling = embedded.handling
    assert (handling.isolation, handling.format, handling.target) == ("no-instruction", "embedding", "t")
    assert [(found.rule, found.count) for found in handling.findings] == [("reserved-token", 2)]


@BOTH
async def test_the_intent_is_recorded_before_anything_is_sent(
    services: Services, server: Server, trail: Trail, serve: Serve, ask: Callable[[str], ClientRequest]
) -> None:
    await serve(ask("a"), ANONYMOUS, "r-1", services, trail=trail)
    ((call, handling, sent, _),) = trail.intents
    assert (call.target.id, handling.decision, sent.data[0].id) == ("t", "allow", sent.data[0].id)
    trail.refuses = True
    server.calls.clear()
    with pytest.raises(AuditUnavailable):
        await serve(ask("a"), ANONYMOUS, "r-1", services, trail=trail)
    assert server.calls == []


@BOTH
@pytest.mark.parametrize("action", ["block", "score"])
async def test_a_rule_that_refuses_data_refuses_it_here(
    services: Services,
    server: Server,
    policies_of: Policies,
    trail: Trail,
    serve: Serve,
    ask: Callable[[str], ClientRequest],
    action: str,
) -> None:
    in_force = policies_of([f"id: no-key, stage: data, when: det.secrets.found, action: {action}"])
    strict = replace(services, in_force=lambda: in_force)
    with pytest.raises(BlockedByPolicy) as caught:
        await serve(ask(f"key {KEY}"), ANONYMOUS, "r-1", strict, trail=trail)
    assert caught.value.rules == ("no-key",)
    assert server.calls == []
    assert await serve(ask("no key"), ANONYMOUS, "r-1", strict, trail=trail)


@BOTH
async def test_a_redaction_changes_what_is_sent(
    services: Services, policies_of: Policies, trail: Trail, serve: Serve, ask: Callable[[str], ClientRequest]
) -> None:
    in_force = policies_of(["id: no-key, stage: data, when: det.secrets.found, action: redact"])
    done = await serve(ask(f"key {KEY}"), ANONYMOUS, "r-1", replace(services, in_force=lambda: in_force), trail=trail)
    assert done.handling.decision == "redact"
    (data,) = trail.intents[0][2].data
    assert isinstance(data, Data)
    assert data.text == "key [REDACTED:aws_access_key]"


@BOTH
async def test_a_rule_that_only_watches_is_told_and_changes_nothing(
    services: Services, policies_of: Policies, trail: Trail, serve: Serve, ask: Callable[[str], ClientRequest]
) -> None:
    in_force = policies_of(["id: no-key, stage: data, when: det.secrets.found, action: block"], "mode: shadow")
    done = await serve(ask(f"key {KEY}"), ANONYMOUS, "r-1", replace(services, in_force=lambda: in_force), trail=trail)
    assert done.handling.decision == "allow"
    assert [(f.rule, f.weight) for f in done.handling.findings if f.policy] == [("no-key", "shadow")]
    (data,) = trail.intents[0][2].data
    assert isinstance(data, Data)
    assert KEY in data.text


async def test_rules_know_the_route_and_each_text_is_judged_apart(
    services: Services, policies_of: Policies, trail: Trail
) -> None:
    known = "request.route == 'openai_embeddings' && segment.origin == 'embedding'"
    rules = [f"id: r, stage: data, mode: shadow, when: {known}, action: block"]
    in_force = policies_of([*rules, "id: s, stage: data, when: det.secrets.found, action: redact"])
    strict = replace(services, in_force=lambda: in_force)
    # Halves in two texts are no key: no model ever reads them as one.
    await embed(texts(KEY[:9], KEY[9:]), ANONYMOUS, "r-1", strict, trail=trail)
    hits = trail.judgements[0].verdict.found.hits
    assert [(hit.rule, hit.where) for hit in hits] == [("r", "s1"), ("r", "s2")]


@BOTH
async def test_an_unknown_model_is_refused(
    services: Services, trail: Trail, serve: Serve, ask: Callable[..., ClientRequest]
) -> None:
    with pytest.raises(UnknownModel):
        await serve(ask("a", model="x"), ANONYMOUS, "r-1", services, trail=trail)


@BOTH
async def test_without_a_target_that_can_the_first_one_says_why(
    services: Services,
    a_target: MakeTarget,
    trail: Trail,
    serve: Serve,
    ask: Callable[[str], ClientRequest],
) -> None:
    unable = replace(services, models={"m": Model(name="m", targets=(a_target("none"),))})
    with pytest.raises(NotSayable, match="none cannot"):
        await serve(ask("a"), ANONYMOUS, "r-1", unable, trail=trail)
    assert trail.intents == []


@BOTH
async def test_targets_are_tried_in_order_by_the_rules_of_failover(
    services: Services,
    server: Server,
    a_target: MakeTarget,
    trail: Trail,
    serve: Serve,
    ask: Callable[[str], ClientRequest],
) -> None:
    services = replace(services, models={"m": Model(name="m", targets=(a_target("a"), a_target("b")))})
    server.failures = {"a": UpstreamFailed("broken", target="a")}
    done = await serve(ask("x"), ANONYMOUS, "r-1", services, trail=trail)
    assert (done.handling.target, [call.target.id for call in server.calls]) == ("b", ["a", "b"])
    server.failures = {"a": NotSayable("a has no such route")}
    assert (await serve(ask("x"), ANONYMOUS, "r-1", services, trail=trail)).handling.target == "b"
    server.failures = {"a": UpstreamRejected("no", target="a", status=400, reason=None)}
    with pytest.raises(UpstreamRejected):
        await serve(ask("x"), ANONYMOUS, "r-1", services, trail=trail)


async def test_a_count_keeps_to_the_floor_and_texts_to_embed_have_none(services: Services, trail: Trail) -> None:
    def nothing(_: Target, __: Isolation) -> Isolation:
        return Isolation.NONE

    low = replace(services, credit=nothing)
    with pytest.raises(IsolationUnreachable):
        await count(prompt(), ANONYMOUS, "r-1", low, trail=trail)
    assert (await embed(texts("a"), ANONYMOUS, "r-1", low, trail=trail)).handling.isolation == "no-instruction"


@pytest.mark.parametrize("text", ["a", " "])
async def test_texts_to_embed_are_data_apart_whatever_they_say(services: Services, trail: Trail, text: str) -> None:
    strict = Caller(key="k", tenant="t", require_data=True)
    assert await embed(texts(text), strict, "r-1", services, trail=trail)
    with pytest.raises(IsolationUnreachable, match="data apart"):
        await count(prompt(" "), strict, "r-1", services, trail=trail)


@BOTH
async def test_a_field_that_no_target_names_is_refused(
    services: Services, a_target: MakeTarget, trail: Trail, serve: Serve, ask: Callable[..., ClientRequest]
) -> None:
    odd = ask("a", options=Options(extra={"input_type": "query"}))
    with pytest.raises(UnknownField):
        await serve(odd, ANONYMOUS, "r-1", services, trail=trail)
    knows = a_target("t", extra_params=frozenset({"input_type"}))
    services = replace(services, models={"m": Model(name="m", targets=(knows,))})
    assert await serve(odd, ANONYMOUS, "r-1", services, trail=trail)


async def test_a_prefill_is_refused_in_a_count_too(services: Services, trail: Trail) -> None:
    asked = prompt()
    prefill = Message(role=Role.ASSISTANT, parts=(TextPart(text="Sure", path="p"),), path="p")
    with pytest.raises(InvalidField, match="the last message is the assistant's"):
        await count(replace(asked, messages=(*asked.messages, prefill)), ANONYMOUS, "r-1", services, trail=trail)


async def test_a_count_holds_the_canary_that_an_answer_would_be_asked_with(
    services: Services, policies_of: Policies, trail: Trail
) -> None:
    in_force = policies_of(["id: c, stage: output, when: det.canary.found, action: block"])
    strict = replace(services, in_force=lambda: in_force)
    await count(prompt(), ANONYMOUS, "r-1", strict, trail=trail)
    assert "sgcanary0000" in trail.intents[0][2].instructions[0].text
    await embed(texts("a"), ANONYMOUS, "r-1", strict, trail=trail)
    assert [segment.id for segment in trail.intents[1][2].segments()] == ["s1"]
