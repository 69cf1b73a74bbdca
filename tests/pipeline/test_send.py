from collections.abc import AsyncGenerator, Callable, Iterator

import pytest

from gateway.domain.errors import (
    AuditUnavailable,
    GatewayError,
    IsolationUnreachable,
    NotSayable,
    UpstreamFailed,
    UpstreamGarbled,
    UpstreamOverloaded,
    UpstreamRejected,
    UpstreamTimeout,
    UpstreamUnreachable,
)
from gateway.domain.evidence import Timeline
from gateway.domain.exchange import Choice, Finish, Reply, Started, StreamEvent, TextDelta
from gateway.domain.isolation import Isolation
from gateway.domain.ports import Call
from gateway.domain.request import Options
from gateway.domain.target import Endpoint, Layout, Target
from gateway.pipeline.route import Candidate
from gateway.pipeline.send import Sending, open_stream, send

MakeTarget = Callable[..., Target]

REPEATABLE: list[GatewayError] = [
    UpstreamUnreachable("down", target="a"),
    UpstreamOverloaded("busy", target="a", retry_after=1.0),
    UpstreamFailed("broken", target="a"),
    UpstreamTimeout("no connection", target="a", phase="connect"),
]
FINAL: list[GatewayError] = [
    UpstreamTimeout("slow", target="a", phase="first_byte"),
    UpstreamRejected("no", target="a", status=400, reason=None),
    UpstreamGarbled("noise", target="a"),
]


class ScriptedProvider:
    """Answers, or fails with what its script says for the target."""

    def __init__(self) -> None:
        self.failures: dict[str, GatewayError] = {}
        self.events: list[StreamEvent] = [
            Started(id="up-1", model="m", created=1),
            TextDelta(choice=0, text="hello"),
            Finish(choice=0, reason="stop"),
        ]
        self.called: list[str] = []
        self.closed = 0

    def serialise(self, call: Call) -> bytes:
        return call.id.encode()

    async def send(self, call: Call) -> Reply:
        self.called.append(call.target.id)
        if call.target.id in self.failures:
            raise self.failures[call.target.id]
        return Reply(id="up-1", model="m", created=1, choices=(Choice(index=0, text="hello", finish_reason="stop"),))

    async def stream(self, call: Call) -> AsyncGenerator[StreamEvent, None]:
        self.called.append(call.target.id)
        try:
            if call.target.id in self.failures:
                raise self.failures[call.target.id]
            for event in self.events:
                yield event
        finally:
            self.closed += 1


@pytest.fixture
def provider() -> ScriptedProvider:
    return ScriptedProvider()


def sending(provider: ScriptedProvider, refused: str | None = None) -> Sending:
    """Each attempt is noted before it is made; one at the target ``refused`` cannot be."""

    async def intend(call: Call) -> None:
        if call.target.id == refused:
            raise AuditUnavailable("no")
        provider.called.append(f"intent {call.target.id}")

    return Sending(request_id="r", intend=intend, timeline=Timeline(), trace="00-t")


async def attempted(ranked: Iterator[Candidate], way: Sending, provider: ScriptedProvider, *, streaming: bool) -> None:
    if streaming:
        await open_stream(ranked, way, provider.stream)
    else:
        await send(ranked, way, provider.send)


def usable(target: Target) -> Candidate:
    layout = Layout(format="spotlight", endpoint=Endpoint.CHAT, body={}, isolation=Isolation.WRAPPED)
    return Candidate(target=target, layout=layout, options=Options())


@pytest.mark.parametrize("streaming", [False, True])
@pytest.mark.parametrize("failure", REPEATABLE, ids=lambda e: type(e).__name__)
async def test_the_next_target_answers_after_a_repeatable_failure(
    provider: ScriptedProvider, a_target: MakeTarget, failure: GatewayError, streaming: bool
) -> None:
    provider.failures = {"a": failure}
    ranked = iter([usable(a_target("a")), usable(a_target("b"))])
    if streaming:
        call, opened = await open_stream(ranked, sending(provider), provider.stream)
        assert isinstance(opened.first, Started)
        await opened.rest.aclose()
    else:
        call, _ = await send(ranked, sending(provider), provider.send)
    assert call.target.id == "b"
    assert provider.called == ["intent a", "a", "intent b", "b"]


@pytest.mark.parametrize("streaming", [False, True])
@pytest.mark.parametrize("failure", FINAL, ids=lambda e: type(e).__name__)
async def test_a_call_that_may_have_been_processed_is_not_sent_twice(
    provider: ScriptedProvider, a_target: MakeTarget, failure: GatewayError, streaming: bool
) -> None:
    provider.failures = {"a": failure}
    ranked = iter([usable(a_target("a")), usable(a_target("b"))])
    with pytest.raises(type(failure)):
        await attempted(ranked, sending(provider), provider, streaming=streaming)
    assert provider.called == ["intent a", "a"]


async def test_the_last_failure_is_told_when_all_targets_fail(provider: ScriptedProvider, a_target: MakeTarget) -> None:
    provider.failures = {"a": REPEATABLE[0], "b": REPEATABLE[1]}
    with pytest.raises(UpstreamOverloaded):
        await send(iter([usable(a_target("a")), usable(a_target("b"))]), sending(provider), provider.send)


async def test_failing_over_never_uses_a_refused_target(provider: ScriptedProvider, a_target: MakeTarget) -> None:
    provider.failures = {"a": REPEATABLE[0]}
    refused = Candidate(target=a_target("low"), layout=None, options=Options(), refusal=IsolationUnreachable("too low"))
    with pytest.raises(UpstreamUnreachable):
        await send(iter([usable(a_target("a")), refused]), sending(provider), provider.send)
    assert provider.called == ["intent a", "a"]


@pytest.mark.parametrize("streaming", [False, True])
async def test_a_target_that_turns_out_to_have_no_words_for_it_leaves_it_to_the_next(
    provider: ScriptedProvider, a_target: MakeTarget, streaming: bool
) -> None:
    provider.failures = {"a": NotSayable("a has no such route", param="x")}
    await attempted(
        iter([usable(a_target("a")), usable(a_target("b"))]), sending(provider), provider, streaming=streaming
    )
    assert provider.called == ["intent a", "a", "intent b", "b"]
    with pytest.raises(NotSayable, match="no such route"):
        await attempted(iter([usable(a_target("a"))]), sending(provider), provider, streaming=streaming)


async def test_what_failed_is_told_rather_than_what_had_no_words(
    provider: ScriptedProvider, a_target: MakeTarget
) -> None:
    provider.failures = {"a": NotSayable("a has no such route"), "b": REPEATABLE[2]}
    with pytest.raises(UpstreamFailed):
        await send(iter([usable(a_target("a")), usable(a_target("b"))]), sending(provider), provider.send)


async def test_nothing_is_sent_when_every_target_is_refused(provider: ScriptedProvider, a_target: MakeTarget) -> None:
    refused = Candidate(target=a_target("low"), layout=None, options=Options(), refusal=IsolationUnreachable("too low"))
    with pytest.raises(IsolationUnreachable):
        await send(iter([refused]), sending(provider), provider.send)
    assert provider.called == []


async def test_a_stream_without_any_event_is_an_error(provider: ScriptedProvider, a_target: MakeTarget) -> None:
    provider.events = []
    with pytest.raises(UpstreamGarbled):
        await open_stream(iter([usable(a_target("a"))]), sending(provider), provider.stream)


@pytest.mark.parametrize("streaming", [False, True])
async def test_what_cannot_be_recorded_is_not_sent(
    provider: ScriptedProvider, a_target: MakeTarget, streaming: bool
) -> None:
    provider.failures = {"a": REPEATABLE[0]}
    ranked = iter([usable(a_target("a")), usable(a_target("b"))])
    with pytest.raises(AuditUnavailable):
        await attempted(ranked, sending(provider, refused="b"), provider, streaming=streaming)
    assert provider.called == ["intent a", "a"]


async def test_the_trace_goes_along_and_the_times_are_taken(provider: ScriptedProvider, a_target: MakeTarget) -> None:
    way = sending(provider)
    call, _ = await send(iter([usable(a_target("a"))]), way, provider.send)
    assert call.trace == "00-t"
    assert 0 < way.timeline.sent <= way.timeline.first == way.timeline.last
