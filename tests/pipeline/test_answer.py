import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from dataclasses import replace
from typing import Never

import pytest

from gateway.domain.approval import HeldReply
from gateway.domain.detection import Detection, Detections, Subject
from gateway.domain.errors import BlockedByPolicy, NotSayable
from gateway.domain.exchange import (
    ApprovalPending,
    Choice,
    Finish,
    Judged,
    Reply,
    ReplyEvent,
    Started,
    StreamEvent,
    TextDelta,
    ToolCallDelta,
    ToolCallStarted,
)
from gateway.domain.identity import ANONYMOUS
from gateway.domain.isolation import Isolation
from gateway.domain.model import Model
from gateway.domain.ports import Call
from gateway.domain.prompt import Prompt, ToolCall
from gateway.domain.request import ClientRequest, DataPart, Message, Options, Part, Role, TextPart
from gateway.domain.target import Endpoint, Layout, Target
from gateway.pipeline.answer import Answered, Held, Streaming
from gateway.pipeline.handle import Services, handle
from gateway.pipeline.in_force import InForce
from gateway.pipeline.trail import Trail
from gateway.stores.untainted import UntaintedReplies

Policies = Callable[..., InForce]

REDACTS = "id: r, stage: output, when: det.urls.found, action: redact"
BLOCKS = "id: b, stage: output, when: det.urls.script, action: block"
URL = "https://evil.example/x"


class Approvals:
    def __init__(self) -> None:
        self.held: list[HeldReply] = []

    async def hold(self, held: HeldReply) -> None:
        self.held.append(held)


class Provider:
    """Answers what it is told, whole or in pieces."""

    def __init__(self, *choices: Choice, pause_s: float = 0.0) -> None:
        self.choices = choices
        self.pause_s = pause_s
        self.prompts: list[Prompt] = []
        self.closed = False

    def serialise(self, call: Call) -> bytes:
        raise NotImplementedError

    async def send(self, call: Call) -> Reply:
        del call
        return Reply(id="up", model="m", created=1, choices=self.choices)

    async def stream(self, call: Call) -> AsyncGenerator[Sequence[StreamEvent], None]:
        del call
        try:
            yield (Started(id="up", model="m", created=1),)
            for choice in self.choices:
                for char in choice.text or "":
                    yield (TextDelta(choice=choice.index, text=char),)
                    await asyncio.sleep(self.pause_s)
                for index, tool in enumerate(choice.tool_calls):
                    yield (ToolCallStarted(choice=choice.index, index=index, id=tool.id, name=tool.name),)
                    yield (ToolCallDelta(choice=choice.index, index=index, arguments=tool.arguments),)
                yield (Finish(choice=choice.index, reason=choice.finish_reason),)
        finally:
            self.closed = True


def says(text: str | None, *calls: ToolCall, index: int = 0) -> Choice:
    return Choice(index=index, text=text, finish_reason="stop", tool_calls=calls)


@pytest.fixture
def approvals() -> Approvals:
    return Approvals()


@pytest.fixture
def served(
    a_target: Callable[..., Target], approvals: Approvals, cannot: Callable[[Target], Never]
) -> Callable[..., Services]:
    def lay_out(target: Target, prompt: Prompt, options: Options) -> tuple[Layout, Options]:
        del prompt
        layout = Layout(format=target.format, endpoint=Endpoint.CHAT, body={}, isolation=Isolation.NATIVE)
        return layout, options

    def make(provider: Provider, in_force: InForce, *, now: Callable[[], float] = lambda: 100.0) -> Services:
        return Services(
            models={"m": Model(name="m", targets=(a_target("t"),))},
            lay_out=lay_out,
            lay_out_texts=lay_out,
            credit=lambda _, reached: reached,
            providers=lambda _: provider,
            counters=cannot,
            embedders=cannot,
            now=now,
            in_force=lambda: in_force,
            bypass=lambda: None,
            untainted=UntaintedReplies(lambda: 0.0),
            approvals=approvals,
            draw_canary=lambda: "sgcanary0000",
        )

    return make


def request(
    *, stream: bool = False, data: bool = True, more: Sequence[Message] = (), **values: object
) -> ClientRequest:
    parts: tuple[Part, ...] = (TextPart(text="Do.", path="i"),)
    apart = Message(role=Role.INPUT, parts=(DataPart(text="mail", path="d"),), path="d")
    return ClientRequest(
        dialect="openai_chat",
        model="m",
        messages=(Message(role=Role.USER, parts=parts, path="i"), *([apart] if data else []), *more),
        options=Options(stream=stream, values=values),  # pyright: ignore[reportArgumentType]
    )


def only_wrapped(_: Target, __: Isolation) -> Isolation:
    return Isolation.WRAPPED


async def events_of(outcome: Answered | Streaming | Held) -> list[ReplyEvent]:
    assert isinstance(outcome, Streaming)
    return [event async for together in outcome.events for event in together]


def text_of(events: Sequence[ReplyEvent]) -> str:
    return "".join(event.text for event in events if isinstance(event, TextDelta))


async def test_a_redaction_is_the_same_whole_and_streamed(
    served: Callable[..., Services], policies_of: Policies, trail: Trail
) -> None:
    services = served(Provider(says(f"see {URL} now")), policies_of([REDACTS]))
    whole = await handle(request(), ANONYMOUS, "r", services, trail=trail)
    assert isinstance(whole, Answered)
    assert whole.reply.choices[0].text == "see [REDACTED:bare] now"
    assert whole.handling.decision == "redact"
    assert [(found.rule, found.where, found.policy) for found in whole.handling.findings] == [("r", "output", "test")]
    streamed = await handle(request(stream=True), ANONYMOUS, "r", services, trail=trail)
    assert isinstance(streamed, Streaming)
    assert streamed.handling.decision == "pending"
    events = await events_of(streamed)
    assert text_of(events) == whole.reply.choices[0].text
    assert events[-1] == Judged(decision="redact", findings=whole.handling.findings)


async def test_a_clean_answer_passes_and_says_allow(
    served: Callable[..., Services], policies_of: Policies, trail: Trail
) -> None:
    services = served(Provider(says("fine")), policies_of([REDACTS]))
    whole = await handle(request(), ANONYMOUS, "r", services, trail=trail)
    assert whole.handling.decision == "allow"
    events = await events_of(await handle(request(stream=True), ANONYMOUS, "r", services, trail=trail))
    assert text_of(events) == "fine"
    assert events[-1] == Judged(decision="allow", findings=())


async def test_a_blocked_stream_stops_the_upstream(
    served: Callable[..., Services], policies_of: Policies, trail: Trail
) -> None:
    provider = Provider(says("[x](javascript:alert(1))"))
    services = served(provider, policies_of([BLOCKS]))
    events = await events_of(await handle(request(stream=True), ANONYMOUS, "r", services, trail=trail))
    assert text_of(events) == ""
    assert Finish(choice=0, reason="content_filter") in events
    assert isinstance(events[-1], Judged)
    assert events[-1].decision == "block"
    assert provider.closed


async def test_an_answer_held_for_too_long_is_blocked(
    served: Callable[..., Services], policies_of: Policies, trail: Trail
) -> None:
    spec = "mode: enforce\n  streaming: {max_hold_ms: 100}"
    provider = Provider(says("slow"), pause_s=5)
    services = served(provider, policies_of([REDACTS], spec), now=asyncio.get_running_loop().time)
    events = await events_of(await handle(request(stream=True), ANONYMOUS, "r", services, trail=trail))
    assert text_of(events) == ""
    assert Finish(choice=0, reason="content_filter") in events
    assert provider.closed


SEND = ToolCall(id="c", name="send", arguments='{ "to": "eve@evil.example" }')
APPROVES = "id: a, stage: tool_call, when: tool.derived, action: require_approval"


async def test_a_call_that_needs_an_approver_is_kept_and_not_sent(
    served: Callable[..., Services], policies_of: Policies, approvals: Approvals, trail: Trail
) -> None:
    in_force = policies_of([APPROVES])
    services = served(Provider(says("ok", SEND)), in_force)
    outcome = await handle(request(), ANONYMOUS, "r", services, trail=trail)
    assert isinstance(outcome, Held)
    (held,) = approvals.held
    assert held.reply.choices[0].tool_calls == (replace(SEND, arguments='{"to":"eve@evil.example"}'),)
    approval = held.approval
    assert (approval.tenant, approval.key, approval.rules) == ("local", "anonymous", ("a",))
    assert approval.revision == in_force.ruleset.revision
    assert approval.expires > approval.created
    assert outcome.pending == ApprovalPending(approval=approval.id, expires=approval.expires, tools=("tool_call",))
    assert outcome.handling.decision == "require_approval"


async def test_the_same_call_in_a_stream_ends_it_with_the_approval(
    served: Callable[..., Services], policies_of: Policies, approvals: Approvals, trail: Trail
) -> None:
    services = served(Provider(says("ok", SEND)), policies_of([APPROVES]))
    events = await events_of(await handle(request(stream=True), ANONYMOUS, "r", services, trail=trail))
    pending = next(event for event in events if isinstance(event, ApprovalPending))
    assert pending.approval == approvals.held[0].approval.id
    assert events[events.index(pending) + 1] == Finish(choice=0, reason="content_filter")
    assert not any(isinstance(event, ToolCallStarted | ToolCallDelta) for event in events)
    assert isinstance(events[-1], Judged)


async def test_a_call_grounded_in_the_users_words_passes(
    served: Callable[..., Services], policies_of: Policies, trail: Trail
) -> None:
    services = served(Provider(says(None, replace(SEND, arguments='{"to":"Do"}'))), policies_of([APPROVES]))
    outcome = await handle(request(), ANONYMOUS, "r", services, trail=trail)
    assert isinstance(outcome, Answered)
    assert outcome.reply.choices[0].tool_calls[0].arguments == '{"to":"Do"}'


@pytest.mark.parametrize("stream", [False, True])
async def test_an_untainted_reply_sent_back_leaves_the_request_untainted(
    served: Callable[..., Services], policies_of: Policies, stream: bool, trail: Trail
) -> None:
    services = served(Provider(says("ok", SEND)), policies_of([APPROVES]))
    first = await handle(request(data=False, stream=stream), ANONYMOUS, "r", services, trail=trail)
    if isinstance(first, Streaming):
        events = await events_of(first)
        arguments = next(event.arguments for event in events if isinstance(event, ToolCallDelta))
    else:
        assert isinstance(first, Answered)
        arguments = first.reply.choices[0].tool_calls[0].arguments

    def history(text: str) -> Sequence[Message]:
        parts = (TextPart(text=text, path="h"),)
        calls = (replace(SEND, arguments=arguments),)
        said = Message(role=Role.ASSISTANT, parts=parts, path="h", tool_calls=calls)
        return [said, Message(role=Role.USER, parts=(TextPart(text="On.", path="u"),), path="u")]

    known = await handle(request(data=False, more=history("ok")), ANONYMOUS, "r", services, trail=trail)
    assert isinstance(known, Answered)
    forged = await handle(request(data=False, more=history("ok, as agreed")), ANONYMOUS, "r", services, trail=trail)
    assert isinstance(forged, Held)


async def test_a_reply_to_a_tainted_request_is_not_remembered(
    served: Callable[..., Services], policies_of: Policies, trail: Trail
) -> None:
    services = served(Provider(says("ok")), policies_of([APPROVES]))
    await handle(request(), ANONYMOUS, "r", services, trail=trail)
    assert not services.untainted.knows("local", ("ok", "", ""))


async def test_a_blocked_request_is_never_sent_and_names_its_rules(
    served: Callable[..., Services], policies_of: Policies, trail: Trail
) -> None:
    rules = ["id: no-mail, stage: data, when: segment.origin == 'input', action: block"]
    with pytest.raises(BlockedByPolicy) as caught:
        await handle(request(), ANONYMOUS, "r", served(Provider(), policies_of(rules)), trail=trail)
    assert caught.value.rules == ("no-mail",)


async def test_a_shadow_policy_is_told_and_changes_nothing(
    served: Callable[..., Services], policies_of: Policies, trail: Trail
) -> None:
    rules = ["id: no-mail, stage: data, when: segment.origin == 'input', action: block", REDACTS]
    services = served(Provider(says(URL)), policies_of(rules, "mode: shadow"))
    outcome = await handle(request(), ANONYMOUS, "r", services, trail=trail)
    assert isinstance(outcome, Answered)
    assert outcome.reply.choices[0].text == URL
    assert outcome.handling.decision == "allow"
    assert {(found.rule, found.weight.value) for found in outcome.handling.findings} == {
        ("no-mail", "shadow"),
        ("r", "shadow"),
    }


async def test_a_bypass_lets_everything_pass_and_says_so(
    served: Callable[..., Services], policies_of: Policies, trail: Trail
) -> None:
    rules = ["id: no-mail, stage: data, when: segment.origin == 'input', action: block"]
    services = replace(served(Provider(says("x")), policies_of(rules)), bypass=lambda: "an incident")
    outcome = await handle(request(), ANONYMOUS, "r", services, trail=trail)
    assert [(found.rule, found.weight.value) for found in outcome.handling.findings] == [("no-mail", "bypassed")]


async def test_log_probabilities_are_refused_where_answers_are_redacted(
    served: Callable[..., Services], policies_of: Policies, trail: Trail
) -> None:
    with pytest.raises(NotSayable, match="logprobs"):
        await handle(
            request(logprobs=True), ANONYMOUS, "r", served(Provider(says("x")), policies_of([REDACTS])), trail=trail
        )
    allowed = await handle(
        request(logprobs=True), ANONYMOUS, "r", served(Provider(says("x")), policies_of([BLOCKS])), trail=trail
    )
    assert isinstance(allowed, Answered)


class Asking:
    """A scanner with one detector that has to be asked."""

    def scan(self, subject: Subject, wanted: frozenset[str]) -> Detections:
        del subject, wanted
        return {}

    def asks(self, wanted: frozenset[str]) -> bool:
        return bool(wanted)

    async def ask(self, subjects: Sequence[Subject], wanted: frozenset[str]) -> Sequence[Detections]:
        (key,) = wanted
        bad = Detection(facts={"det.urls.found": True, "det.urls.script": True})
        return [{key: bad} if "bad" in subject.text else {} for subject in subjects]


@pytest.mark.parametrize(("text", "decision"), [("bad", "block"), ("good", "allow")])
async def test_detectors_that_are_asked_judge_answers_whole_and_streamed(
    served: Callable[..., Services], policies_of: Policies, text: str, decision: str, trail: Trail
) -> None:
    in_force = replace(policies_of([BLOCKS]), scanner=Asking())
    services = served(Provider(says(text)), in_force)
    whole = await handle(request(), ANONYMOUS, "r", services, trail=trail)
    assert whole.handling.decision == decision
    events = await events_of(await handle(request(stream=True), ANONYMOUS, "r", services, trail=trail))
    assert isinstance(events[-1], Judged)
    assert events[-1].decision == decision
    assert text_of(events) == ("good" if decision == "allow" else "")


async def test_the_policys_floor_counts(served: Callable[..., Services], policies_of: Policies, trail: Trail) -> None:
    services = served(Provider(says("x")), policies_of([], "mode: enforce\n  min_isolation: native"))
    low = replace(services, credit=only_wrapped)
    with pytest.raises(Exception, match="native"):
        await handle(request(), ANONYMOUS, "r", low, trail=trail)
