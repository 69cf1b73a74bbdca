"""Which targets are called for one request, when once more, and when no more? Time and upstreams are simulated."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.domain.errors import (
    AuditUnavailable,
    DeadlinePassed,
    GatewayError,
    IsolationUnreachable,
    NotSayable,
    TargetsUnavailable,
    UpstreamError,
    UpstreamFailed,
    UpstreamGarbled,
    UpstreamOverloaded,
    UpstreamRejected,
    UpstreamTimeout,
    UpstreamUnreachable,
)
from gateway.domain.evidence import Attempt, Timeline
from gateway.domain.isolation import Isolation
from gateway.domain.model import Persistence
from gateway.domain.ports import Call
from gateway.domain.request import Options
from gateway.domain.target import BreakerLimits, Endpoint, Layout, Target, Timeouts
from gateway.pipeline.attempts import Attempts, Sending
from gateway.pipeline.breaker import Outcome, State
from gateway.pipeline.condition import Conditions, Ticket
from gateway.pipeline.route import Candidate, Ranked

MakeTarget = Callable[..., Target]

DOWN = UpstreamUnreachable("down", target="t")
FAILED = UpstreamFailed("failed", target="t", status=500)
WRONG_KEY = UpstreamFailed("wrong key", target="t", status=401)
SLOW = UpstreamTimeout("slow", target="t", phase="first_byte")
GARBLED = UpstreamGarbled("noise", target="t")
REJECTED = UpstreamRejected("no", target="t", status=400, reason=None)
BUSY = UpstreamOverloaded("busy", target="t", retry_after=None)


def rest(seconds: float) -> UpstreamOverloaded:
    return UpstreamOverloaded("busy", target="t", retry_after=seconds)


@dataclass(kw_only=True)
class World:
    """Upstreams that answer by script, each call after its seconds; a script that is over answers ``ok``."""

    targets: list[Target]
    scripts: dict[str, list[tuple[BaseException | None, float]]] = field(
        default_factory=dict[str, list[tuple[BaseException | None, float]]]
    )
    refused: dict[str, GatewayError] = field(default_factory=dict[str, GatewayError])
    persistence: Persistence = field(default_factory=Persistence)
    drawn: float = 0.5
    intending_s: float = 0.0
    unrecorded: str | None = None
    now: float = 1000.0
    laid_out: list[str] = field(default_factory=list[str])
    calls: list[tuple[str, float, float]] = field(default_factory=list[tuple[str, float, float]])
    slept: list[float] = field(default_factory=list[float])
    attempts: list[Attempt] = field(default_factory=list[Attempt])
    timeline: Timeline = field(default_factory=Timeline)

    errors: list[BaseException | None] = field(default_factory=list[BaseException | None])

    def __post_init__(self) -> None:
        self.sleep: Callable[[float], Awaitable[None]] = self._sleep
        self.conditions = Conditions(ticks=lambda: self.now, draw=lambda: self.drawn)

    def fails(self, target: str, *errors: BaseException | None, after: float = 0.0) -> None:
        self.scripts[target] = [(error, after) for error in errors]

    def open(self, target: Target) -> None:
        breaker = self.conditions.of(target).breaker
        for _ in range(target.breaker.failures):
            breaker.end(breaker.begin(self.now), Outcome.FAILED, self.now)
        assert breaker.state is State.OPEN

    async def answered(self, ends: float | None = None) -> str:
        """Which target's answer the request gets."""
        sending = Sending(
            request_id="r", intend=self._intend, tried=self.attempts.append, timeline=self.timeline,
            conditions=self.conditions, persistence=self.persistence, ends=ends, sleep=self.sleep,
        )  # fmt: skip
        _, answer = await Attempts(Ranked(targets=self.targets, judge=self._judge), sending, self._ask).answered()
        return answer

    def _judge(self, target: Target) -> Candidate:
        self.laid_out.append(target.id)
        layout = Layout(format="spotlight", endpoint=Endpoint.CHAT, body={}, isolation=Isolation.WRAPPED)
        refusal = self.refused.get(target.id)
        return Candidate(target=target, layout=None if refusal else layout, options=Options(), refusal=refusal)

    async def _intend(self, call: Call) -> None:
        self.now += self.intending_s
        if call.target.id == self.unrecorded:
            raise AuditUnavailable("no")

    async def _sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds

    async def _ask(self, call: Call, ticket: Ticket) -> str:
        script = self.scripts.get(call.target.id, [])
        error, after = script.pop(0) if script else (None, 0.0)
        # What a transport does: nothing takes longer than it may.
        if after > call.target.timeouts.total:
            error, after = UpstreamTimeout("over", target=call.target.id, phase="total"), call.target.timeouts.total
        self.calls.append((call.target.id, self.now, self.now + after))
        self.now += after
        self.errors.append(error)
        if error is not None:
            raise error
        ticket.end(Outcome.SUCCEEDED)
        return call.target.id

    @property
    def called(self) -> list[str]:
        return [target for target, _, _ in self.calls]

    @property
    def pending(self) -> int:
        return sum(self.conditions.of(target).pending for target in self.targets)


@pytest.fixture
def world(a_target: MakeTarget) -> World:
    return World(targets=[a_target("a"), a_target("b")])


async def test_each_target_is_called_once_before_any_is_called_again(world: World) -> None:
    world.fails("a", DOWN, DOWN)
    world.fails("b", FAILED)
    assert await world.answered() == "b"
    assert world.called == ["a", "b", "a", "b"]
    assert world.slept == [pytest.approx(0.126)]
    assert world.laid_out == ["a", "b"]


@pytest.mark.parametrize(("retries", "calls"), [(0, 2), (1, 4), (3, 8)])
async def test_there_are_only_so_many_further_rounds(world: World, retries: int, calls: int) -> None:
    world.persistence = Persistence(retries=retries, max_wait_s=60.0)
    world.fails("a", *[DOWN] * 9)
    world.fails("b", *[FAILED] * 9)
    with pytest.raises(UpstreamFailed):
        await world.answered()
    assert world.called == ["a", "b"] * (calls // 2)
    assert world.slept == [pytest.approx(0.001 + 0.125 * 2**n) for n in range(retries)]
    assert world.pending == 0


@pytest.mark.parametrize("final", [SLOW, GARBLED, REJECTED])
@pytest.mark.parametrize("earlier", [[], [DOWN]])
async def test_what_may_have_been_processed_is_not_called_again_in_any_round(
    world: World, final: UpstreamError, earlier: list[UpstreamError]
) -> None:
    world.fails("a", *earlier, final)
    world.fails("b", FAILED, None)
    with pytest.raises(type(final)):
        await world.answered()
    assert world.called == (["a", "b", "a"] if earlier else ["a"])


async def test_what_asking_again_will_not_mend_is_not_asked_again(world: World) -> None:
    world.fails("a", WRONG_KEY)
    world.fails("b", BUSY, BUSY)
    with pytest.raises(UpstreamOverloaded):
        await world.answered()
    assert world.called == ["a", "b", "b"]


async def test_a_rest_that_was_asked_for_is_waited_for_if_it_is_short(world: World) -> None:
    world.targets = world.targets[:1]
    world.fails("a", rest(1.5))
    assert await world.answered() == "a"
    assert world.slept == [pytest.approx(1.625)]


async def test_a_rest_that_is_too_long_to_wait_for_is_told_at_once(world: World) -> None:
    world.targets = world.targets[:1]
    world.fails("a", rest(2.5))
    with pytest.raises(UpstreamOverloaded) as caught:
        await world.answered()
    assert (caught.value.retry_after, world.called, world.slept) == (2.5, ["a"], [])


async def test_while_one_target_rests_the_others_are_called_again(world: World) -> None:
    world.fails("a", rest(30.0))
    world.fails("b", FAILED)
    assert await world.answered() == "b"
    assert world.called == ["a", "b", "b"]


async def test_all_requests_leave_a_resting_target_alone(world: World) -> None:
    world.fails("a", rest(30.0))
    assert [await world.answered() for _ in range(3)] == ["b"] * 3
    assert world.called == ["a", "b", "b", "b"]
    assert world.laid_out == ["a", "b", "b", "b"]


async def test_who_finds_all_resting_hears_the_shortest_that_is_left(world: World) -> None:
    world.fails("a", rest(30.0))
    world.fails("b", rest(20.0))
    with pytest.raises(UpstreamOverloaded):
        await world.answered()
    world.now += 5.0
    with pytest.raises(UpstreamOverloaded, match="Targets a, b: ") as caught:
        await world.answered()
    assert (caught.value.retry_after, world.called, world.slept) == (15.0, ["a", "b"], [])
    world.now += 14.0
    # Now it is short enough to wait for, even where nothing is called a second time.
    world.persistence = Persistence(retries=0)
    assert await world.answered() == "b"
    assert world.slept == [pytest.approx(1.125)]
    assert (world.attempts[-1].waited, world.attempts[-1].again) == (1_125_000_000, False)


async def test_nobody_waits_where_waiting_is_off(world: World) -> None:
    world.persistence = Persistence(retries=3, max_wait_s=0.0)
    world.fails("a", DOWN)
    world.fails("b", DOWN)
    with pytest.raises(UpstreamUnreachable):
        await world.answered()
    assert (world.called, world.slept) == (["a", "b"], [])


async def test_all_waits_together_are_bounded(world: World) -> None:
    world.persistence = Persistence(retries=9, max_wait_s=1.0)
    world.drawn = 1.0
    world.fails("a", *[DOWN] * 20)
    world.fails("b", *[DOWN] * 20)
    with pytest.raises(UpstreamUnreachable):
        await world.answered()
    assert world.slept == [pytest.approx(0.251), pytest.approx(0.501), pytest.approx(0.248)]


async def test_an_open_breaker_is_passed_by_without_a_layout(world: World) -> None:
    world.open(world.targets[0])
    assert await world.answered() == "b"
    assert (world.called, world.laid_out) == (["b"], ["b"])


async def test_where_every_breaker_is_open_it_is_said_at_once_when_to_come_again(world: World) -> None:
    world.drawn = 1.0
    world.open(world.targets[0])
    world.now += 0.5
    world.open(world.targets[1])
    with pytest.raises(TargetsUnavailable, match="Targets a, b: ") as caught:
        await world.answered()
    assert (caught.value.retry_after, world.called, world.slept, world.pending) == (1.5, [], [], 0)
    world.now += 1.5
    assert await world.answered() == "a"


async def test_a_target_that_rests_is_told_before_one_that_is_broken(world: World) -> None:
    world.fails("b", rest(30.0))
    world.open(world.targets[0])
    for _ in range(2):
        with pytest.raises(UpstreamOverloaded):
            await world.answered()
    assert world.called == ["b"]


async def test_a_target_that_could_not_have_served_it_is_no_excuse(world: World) -> None:
    world.refused = {name: IsolationUnreachable(f"{name} is too low") for name in ("a", "b")}
    world.open(world.targets[0])
    with pytest.raises(IsolationUnreachable):
        await world.answered()
    del world.refused["a"]
    with pytest.raises(TargetsUnavailable, match="Targets a: "):
        await world.answered()
    assert world.called == []


async def test_a_target_below_the_floor_is_called_in_no_round(world: World) -> None:
    world.refused = {"b": IsolationUnreachable("too low")}
    world.fails("a", DOWN, DOWN)
    with pytest.raises(UpstreamUnreachable):
        await world.answered()
    assert (world.called, world.pending) == (["a", "a"], 0)


async def test_a_target_without_words_for_it_is_called_in_no_further_round(world: World) -> None:
    world.fails("a", NotSayable("a has no such route"))
    world.fails("b", DOWN)
    assert await world.answered() == "b"
    assert world.called == ["a", "b", "b"]
    assert [attempt.error for attempt in world.attempts] == ["not_sayable", "upstream_unreachable", None]


async def test_what_cannot_be_recorded_holds_no_place(world: World) -> None:
    world.unrecorded = "a"
    with pytest.raises(AuditUnavailable):
        await world.answered()
    assert (world.called, world.pending) == ([], 0)


async def test_few_calls_are_made_again_however_many_fail(world: World) -> None:
    world.targets = [replace(world.targets[0], breaker=BreakerLimits(failures=0))]
    world.fails("a", *[DOWN] * 1000)
    for _ in range(100):
        with pytest.raises(UpstreamUnreachable):
            await world.answered()
    assert len(world.called) == 100 + 10 + 9


async def test_an_attempt_has_no_more_time_than_the_request(world: World) -> None:
    world.targets = [replace(target, timeouts=Timeouts(total=50.0)) for target in world.targets]
    world.fails("a", FAILED, after=7.0)
    world.fails("b", None, after=1000.0)
    with pytest.raises(UpstreamTimeout):
        await world.answered(ends=world.now + 10.0)
    assert world.calls == [("a", 1000.0, 1007.0), ("b", 1007.0, 1010.0)]


@pytest.mark.parametrize(("left", "state"), [(7.4, State.CLOSED), (7.6, State.OPEN), (9.5, State.CLOSED)])
async def test_a_request_that_came_slowly_opens_no_breaker_when_its_time_is_over(
    world: World, left: float, state: State
) -> None:
    world.targets = world.targets[:1]
    world.persistence = Persistence(deadline_s=10.0)
    world.fails("a", *[None] * 5, after=9.0)
    for _ in range(5):
        with contextlib.suppress(UpstreamTimeout):
            await world.answered(ends=world.now + left)
    assert len(world.called) == 5
    assert world.conditions.of(world.targets[0]).breaker.state is state


async def test_no_pause_goes_beyond_the_deadline(world: World) -> None:
    world.targets = world.targets[:1]
    world.fails("a", rest(1.5))
    with pytest.raises(UpstreamOverloaded):
        await world.answered(ends=world.now + 1.5)
    assert (world.called, world.slept) == (["a"], [])


async def test_nothing_is_sent_once_the_time_is_over(world: World) -> None:
    with pytest.raises(DeadlinePassed, match="deadline_s"):
        await world.answered(ends=world.now)
    world.intending_s = 0.5
    with pytest.raises(DeadlinePassed):
        await world.answered(ends=world.now + 0.4)
    assert (world.called, world.pending) == ([], 0)
    assert [(attempt.target.id, attempt.error) for attempt in world.attempts] == [("a", "deadline_passed")]


async def test_the_last_failure_is_told_where_the_time_is_over_after_it(world: World) -> None:
    world.fails("a", FAILED, after=3.0)
    with pytest.raises(UpstreamFailed):
        await world.answered(ends=world.now + 3.0)
    assert world.called == ["a"]


async def test_each_attempt_is_told_with_what_came_of_it(world: World) -> None:
    world.fails("a", DOWN)
    world.fails("b", BUSY)
    assert await world.answered() == "a"
    told = [(one.target.id, one.error, one.again) for one in world.attempts]
    assert told == [("a", "upstream_unreachable", False), ("b", "upstream_overloaded", False), ("a", None, True)]
    assert [one.waited for one in world.attempts] == [0, 0, 126_000_000]
    # What went by before the last call is none of the gateway's own time.
    assert world.timeline.elsewhere == world.attempts[2].began - world.attempts[0].began


async def test_a_call_that_nobody_waits_for_any_more_is_told_as_abandoned(world: World) -> None:
    world.fails("a", asyncio.CancelledError())
    with pytest.raises(asyncio.CancelledError):
        await world.answered()
    assert [(one.target.id, one.error) for one in world.attempts] == [("a", "abandoned")]
    assert (world.pending, world.conditions.of(world.targets[0]).breaker.failures) == (0, 0)


async def test_whoever_goes_away_during_a_pause_is_not_waited_for(world: World) -> None:
    started = asyncio.Event()

    async def endless(_: float) -> None:
        started.set()
        await asyncio.Event().wait()

    world.fails("a", DOWN)
    world.fails("b", DOWN)
    world.sleep = endless
    task = asyncio.create_task(world.answered())
    await started.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert (world.pending, len(world.attempts)) == (0, 2)


STEP = st.tuples(
    st.sampled_from([
        None, DOWN, FAILED, WRONG_KEY, SLOW, GARBLED, REJECTED, BUSY, rest(0.0), rest(0.3), rest(5.0), rest(1e9),
        UpstreamTimeout("no connection", target="t", phase="connect"), NotSayable("no words"),
        asyncio.CancelledError(),
    ]),
    st.sampled_from([0.0, 0.1, 1.0, 30.0]),
)  # fmt: skip


@given(
    scripts=st.lists(st.lists(STEP, max_size=12), min_size=1, max_size=3),
    floors=st.lists(st.booleans(), min_size=3, max_size=3),
    retries=st.integers(0, 4),
    max_wait_s=st.sampled_from([0.0, 0.5, 2.0, 20.0]),
    deadline_s=st.none() | st.sampled_from([0.05, 1.0, 10.0, 100.0]),
    failures=st.sampled_from([0, 1, 3]),
    drawn=st.floats(0, 1),
    requests=st.lists(st.sampled_from([0.0, 1.0, 90.0]), min_size=1, max_size=12),
)
def test_whatever_upstreams_do(
    scripts: list[list[tuple[BaseException | None, float]]],
    floors: list[bool],
    retries: int,
    max_wait_s: float,
    deadline_s: float | None,
    failures: int,
    drawn: float,
    requests: list[float],
) -> None:
    targets = [_target(number, failures) for number in range(len(scripts))]
    low = {
        target.id: IsolationUnreachable("too low") for target, high in zip(targets, floors, strict=False) if not high
    }
    world = World(
        targets=targets,
        scripts={target.id: list(script) for target, script in zip(targets, scripts, strict=True)},
        refused=dict(low),
        persistence=Persistence(retries=retries, max_wait_s=max_wait_s, deadline_s=deadline_s),
        drawn=drawn,
    )
    for pause in requests:
        world.now += pause
        ends = None if deadline_s is None else world.now + deadline_s
        world.calls, world.slept, world.attempts, world.errors = [], [], [], []
        with contextlib.suppress(GatewayError, asyncio.CancelledError):
            _run(world, ends)
        # The floor is never lowered, and nothing is left behind.
        assert not low.keys() & set(world.called)
        assert world.pending == 0
        # Nothing goes beyond the deadline, and no wait beyond its bound.
        assert sum(world.slept) <= max_wait_s + 1e-9
        assert ends is None or all(over <= ends + 1e-6 for _, _, over in world.calls)
        assert len(world.calls) <= len(targets) * (retries + 1)
        # After a class that may have been processed, or an answer, no call is made again.
        assert not any(_may_be_done(error) for error in world.errors[:-1])
        # Every call is told, and nothing else but what was intended and came too late.
        told = [attempt.target.id for attempt in world.attempts if attempt.error != DeadlinePassed.code]
        assert told == world.called
    # No trial's place leaks: once all rests and cool-downs are over, whoever is usable is called.
    world.now += 1000.0
    world.scripts.clear()
    usable = [target.id for target in targets if target.id not in low]
    if usable:
        assert _run(world, None) == usable[0]


def _may_be_done(error: BaseException | None) -> bool:
    """Said here once more, and not as the code has it: an answer, one of another protocol, time that ran out later."""
    if isinstance(error, UpstreamTimeout):
        return error.phase != "connect"
    return error is None or isinstance(error, UpstreamGarbled | UpstreamRejected | asyncio.CancelledError)


def _target(number: int, failures: int) -> Target:
    limits = BreakerLimits(failures=failures, cooldown_s=2.0, longest_s=8.0)
    return Target(
        id=f"t{number}", provider="openai_compatible", base_url="http://127.0.0.1:1/v1", model="m", format="spotlight",
        family="all", breaker=limits,
    )  # fmt: skip


def _run(world: World, ends: float | None) -> str:
    """Nothing in the world waits for anything real: the request is over after one step."""
    request = world.answered(ends)
    try:
        request.send(None)
    except StopIteration as over:
        return over.value
    raise AssertionError("something was waited for")
