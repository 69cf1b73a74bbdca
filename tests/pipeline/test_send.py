from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing

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
from gateway.domain.evidence import Attempt, Timeline
from gateway.domain.exchange import Choice, Finish, Reply, Started, StreamEvent, TextDelta
from gateway.domain.isolation import Isolation
from gateway.domain.model import Persistence
from gateway.domain.ports import Call
from gateway.domain.request import Options
from gateway.domain.target import Endpoint, Layout, Target
from gateway.pipeline.attempts import Sending
from gateway.pipeline.breaker import Outcome, State
from gateway.pipeline.condition import Conditions
from gateway.pipeline.route import Candidate, Ranked
from gateway.pipeline.send import open_stream, send

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
        self.breaks: GatewayError | None = None
        self.attempts: list[Attempt] = []
        self.closed = 0

    def serialise(self, call: Call) -> bytes:
        return call.id.encode()

    async def send(self, call: Call) -> Reply:
        self.called.append(call.target.id)
        if call.target.id in self.failures:
            raise self.failures[call.target.id]
        return Reply(id="up-1", model="m", created=1, choices=(Choice(index=0, text="hello", finish_reason="stop"),))

    async def stream(self, call: Call) -> AsyncGenerator[Sequence[StreamEvent], None]:
        self.called.append(call.target.id)
        try:
            if call.target.id in self.failures:
                raise self.failures[call.target.id]
            for number, event in enumerate(self.events):
                if number and self.breaks is not None:
                    raise self.breaks
                yield (event,)
        finally:
            self.closed += 1


@pytest.fixture
def provider() -> ScriptedProvider:
    return ScriptedProvider()


def sending(provider: ScriptedProvider, refused: str | None = None, conditions: Conditions | None = None) -> Sending:
    """Each attempt is noted before it is made; one at the target ``refused`` cannot be. None is made twice."""

    async def intend(call: Call) -> None:
        if call.target.id == refused:
            raise AuditUnavailable("no")
        provider.called.append(f"intent {call.target.id}")

    return Sending(
        request_id="r",
        intend=intend,
        tried=provider.attempts.append,
        timeline=Timeline(),
        conditions=conditions or Conditions(),
        persistence=Persistence(retries=0),
        trace="00-t",
    )


async def attempted(ranked: Ranked, way: Sending, provider: ScriptedProvider, *, streaming: bool) -> None:
    if streaming:
        await open_stream(ranked, way, provider.stream)
    else:
        await send(ranked, way, provider.send)


def among(*candidates: Candidate) -> Ranked:
    judged = {candidate.target.id: candidate for candidate in candidates}
    targets = [candidate.target for candidate in candidates]
    return Ranked(targets=targets, judge=lambda target: judged[target.id])


def usable(target: Target) -> Candidate:
    layout = Layout(format="spotlight", endpoint=Endpoint.CHAT, body={}, isolation=Isolation.WRAPPED)
    return Candidate(target=target, layout=layout, options=Options())


@pytest.mark.parametrize("streaming", [False, True])
@pytest.mark.parametrize("failure", REPEATABLE, ids=lambda e: type(e).__name__)
async def test_the_next_target_answers_after_a_repeatable_failure(
    provider: ScriptedProvider, a_target: MakeTarget, failure: GatewayError, streaming: bool
) -> None:
    provider.failures = {"a": failure}
    ranked = among(usable(a_target("a")), usable(a_target("b")))
    if streaming:
        call, opened = await open_stream(ranked, sending(provider), provider.stream)
        assert [type(event) for event in opened.first] == [Started]
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
    ranked = among(usable(a_target("a")), usable(a_target("b")))
    with pytest.raises(type(failure)):
        await attempted(ranked, sending(provider), provider, streaming=streaming)
    assert provider.called == ["intent a", "a"]


async def test_the_last_failure_is_told_when_all_targets_fail(provider: ScriptedProvider, a_target: MakeTarget) -> None:
    provider.failures = {"a": REPEATABLE[0], "b": REPEATABLE[1]}
    with pytest.raises(UpstreamOverloaded):
        await send(among(usable(a_target("a")), usable(a_target("b"))), sending(provider), provider.send)


async def test_failing_over_never_uses_a_refused_target(provider: ScriptedProvider, a_target: MakeTarget) -> None:
    provider.failures = {"a": REPEATABLE[0]}
    refused = Candidate(target=a_target("low"), layout=None, options=Options(), refusal=IsolationUnreachable("too low"))
    with pytest.raises(UpstreamUnreachable):
        await send(among(usable(a_target("a")), refused), sending(provider), provider.send)
    assert provider.called == ["intent a", "a"]


@pytest.mark.parametrize("streaming", [False, True])
async def test_a_target_that_turns_out_to_have_no_words_for_it_leaves_it_to_the_next(
    provider: ScriptedProvider, a_target: MakeTarget, streaming: bool
) -> None:
    provider.failures = {"a": NotSayable("a has no such route", param="x")}
    await attempted(
        among(usable(a_target("a")), usable(a_target("b"))), sending(provider), provider, streaming=streaming
    )
    assert provider.called == ["intent a", "a", "intent b", "b"]
    with pytest.raises(NotSayable, match="no such route"):
        await attempted(among(usable(a_target("a"))), sending(provider), provider, streaming=streaming)


async def test_what_failed_is_told_rather_than_what_had_no_words(
    provider: ScriptedProvider, a_target: MakeTarget
) -> None:
    provider.failures = {"a": NotSayable("a has no such route"), "b": REPEATABLE[2]}
    with pytest.raises(UpstreamFailed):
        await send(among(usable(a_target("a")), usable(a_target("b"))), sending(provider), provider.send)


async def test_nothing_is_sent_when_every_target_is_refused(provider: ScriptedProvider, a_target: MakeTarget) -> None:
    refused = Candidate(target=a_target("low"), layout=None, options=Options(), refusal=IsolationUnreachable("too low"))
    with pytest.raises(IsolationUnreachable):
        await send(among(refused), sending(provider), provider.send)
    assert provider.called == []


async def test_a_stream_without_any_event_is_an_error(provider: ScriptedProvider, a_target: MakeTarget) -> None:
    provider.events = []
    with pytest.raises(UpstreamGarbled):
        await open_stream(among(usable(a_target("a"))), sending(provider), provider.stream)


@pytest.mark.parametrize("streaming", [False, True])
async def test_what_cannot_be_recorded_is_not_sent(
    provider: ScriptedProvider, a_target: MakeTarget, streaming: bool
) -> None:
    provider.failures = {"a": REPEATABLE[0]}
    ranked = among(usable(a_target("a")), usable(a_target("b")))
    with pytest.raises(AuditUnavailable):
        await attempted(ranked, sending(provider, refused="b"), provider, streaming=streaming)
    assert provider.called == ["intent a", "a"]


async def test_the_trace_goes_along_and_the_times_are_taken(provider: ScriptedProvider, a_target: MakeTarget) -> None:
    way = sending(provider)
    call, _ = await send(among(usable(a_target("a"))), way, provider.send)
    assert call.trace == "00-t"
    assert 0 < way.timeline.sent <= way.timeline.first == way.timeline.last


async def test_a_stream_is_in_progress_until_it_is_over(provider: ScriptedProvider, a_target: MakeTarget) -> None:
    conditions, target = Conditions(), a_target("a")
    _, opened = await open_stream(among(usable(target)), sending(provider, conditions=conditions), provider.stream)
    assert conditions.of(target).pending == 1
    async with opened as rest:
        assert [type(event) async for together in rest for event in together] == [TextDelta, Finish]
        assert conditions.of(target).pending == 1
    assert (conditions.of(target).pending, provider.closed) == (0, 1)
    assert conditions.of(target).attempts == {"answered": 1}


async def test_a_stream_that_breaks_off_counts_against_its_target(
    provider: ScriptedProvider, a_target: MakeTarget
) -> None:
    conditions, target = Conditions(), a_target("a")
    provider.breaks = UpstreamGarbled("it broke off", target="a")
    _, opened = await open_stream(among(usable(target)), sending(provider, conditions=conditions), provider.stream)
    with pytest.raises(UpstreamGarbled):
        async with opened as rest:
            assert [event async for together in rest for event in together] == []
    condition = conditions.of(target)
    assert (condition.pending, condition.breaker.failures, dict(condition.attempts)) == (0, 1, {"upstream_garbled": 1})


@pytest.mark.parametrize(("phase", "failures"), [("total", 0), ("idle", 1)])
async def test_a_stream_that_is_too_long_for_its_time_is_not_the_targets_fault_but_a_silent_one_is(
    provider: ScriptedProvider, a_target: MakeTarget, phase: str, failures: int
) -> None:
    conditions, target = Conditions(), a_target("a")
    provider.breaks = UpstreamTimeout("over", target="a", phase=phase)
    _, opened = await open_stream(among(usable(target)), sending(provider, conditions=conditions), provider.stream)
    with pytest.raises(UpstreamTimeout):
        async with opened as rest:
            assert [event async for together in rest for event in together] == []
    condition = conditions.of(target)
    assert (condition.pending, condition.breaker.failures) == (0, failures)
    assert condition.attempts == {"upstream_timeout": 1}


async def test_a_stream_that_nobody_reads_to_its_end_says_nothing_of_its_target(
    provider: ScriptedProvider, a_target: MakeTarget
) -> None:
    conditions, target = Conditions(), a_target("a")
    condition = conditions.of(target)

    async def left() -> AsyncGenerator[Sequence[StreamEvent], None]:
        ranked, way = among(usable(target)), sending(provider, conditions=conditions)
        _, opened = await open_stream(ranked, way, provider.stream)
        async with opened as rest:
            async for events in rest:
                yield events

    async with aclosing(left()) as events:
        assert await anext(events) == (TextDelta(choice=0, text="hello"),)
    assert (condition.pending, condition.breaker.failures, provider.closed) == (0, 0, 1)
    assert condition.attempts == {"abandoned": 1}


async def test_a_stream_that_nobody_begins_to_read_is_not_in_progress_for_good(
    provider: ScriptedProvider, a_target: MakeTarget
) -> None:
    conditions, target = Conditions(), a_target("a")
    _, opened = await open_stream(among(usable(target)), sending(provider, conditions=conditions), provider.stream)
    assert conditions.of(target).pending == 1
    del opened
    assert conditions.of(target).pending == 0


async def test_whole_answers_close_a_breaker_and_streams_do_when_they_begin(
    provider: ScriptedProvider, a_target: MakeTarget
) -> None:
    now = 0.0
    conditions, target = Conditions(ticks=lambda: now, draw=lambda: 1.0), a_target("a")
    breaker = conditions.of(target).breaker
    for streaming in (False, True):
        for _ in range(target.breaker.failures):
            breaker.end(breaker.begin(now), Outcome.FAILED, now)
        assert breaker.state is State.OPEN
        now += target.breaker.cooldown_s
        ranked, way = among(usable(target)), sending(provider, conditions=conditions)
        await attempted(ranked, way, provider, streaming=streaming)
        assert breaker.state is State.CLOSED
