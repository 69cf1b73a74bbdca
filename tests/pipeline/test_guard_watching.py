"""Rules that only watch change neither what goes on nor when, and are told beside those that act."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.domain.detection import Detections, Stage
from gateway.domain.exchange import Choice, Finish, Reply, StreamEvent, TextDelta, ToolCallDelta, ToolCallStarted
from gateway.domain.verdict import Action, Verdict, Weight, decision_of
from gateway.pipeline.guard import WITHHELD, Guard, GuardEvent, Watch
from gateway.pipeline.pseudonyms import Pseudonyms
from policies.engine.model import Policy, Rule

NOW = 1_000.0
SECRET = "sk-5ecret"
SLOW = "det.slow.found"
Mode = Literal["hold", "window"]


@pytest.fixture(scope="session")
def shadow(policy: Callable[..., Policy], rule: Callable[..., Rule]) -> Policy:
    """As careful, as impatient and as slow as a policy can be."""
    rules = (
        rule(action=Action.BLOCK, name="S1"),
        rule(action=Action.BLOCK, when=SLOW, name="S2"),
        rule(Stage.TOOL_CALL, Action.REQUIRE_APPROVAL, "tainted", name="S3"),
    )
    return policy(*rules, name="s", mode="hold", window=999, max_hold_ms=1)


def told(guard: Guard, *events: StreamEvent, now: float = NOW) -> list[GuardEvent]:
    return [passed for event in events for passed in guard.feed(event, now)]


def hits(verdict: Verdict) -> list[tuple[str, Weight]]:
    return [(hit.rule, hit.weight) for hit in verdict.found.hits]


texts = st.lists(st.sampled_from([SECRET, "sk-5", "ecret", "s", "-", "a b", "é", "slowly"])).map("".join)
cuts = st.lists(st.integers(0, 10_000), max_size=12)


def stream(whole: str, places: Sequence[int]) -> list[StreamEvent]:
    at = sorted({place % (len(whole) + 1) for place in places})
    pieces = [whole[a:b] for a, b in zip([0, *at], [*at, len(whole)], strict=True)]
    return [
        *[TextDelta(choice=0, text=piece) for piece in pieces],
        ToolCallStarted(choice=0, index=0, id="c", name="send"),
        ToolCallDelta(choice=0, index=0, arguments='{ "a": "b" }'),
        Finish(choice=0, reason="stop"),
    ]


@pytest.mark.parametrize("mode", ["hold", "window"])
@pytest.mark.parametrize("stage", [Stage.OUTPUT, Stage.TOOL_CALL])
@given(whole=texts, places=cuts, action=st.sampled_from([Action.REDACT, Action.BLOCK, Action.SCORE]))
def test_beside_a_policy_that_watches_every_event_goes_on_when_it_would(
    watch: Callable[..., Watch],
    rule: Callable[..., Rule],
    shadow: Policy,
    mode: Mode,
    stage: Stage,
    whole: str,
    places: list[int],
    action: Action,
) -> None:
    alone = Guard(None, watch(rule(stage, action), mode=mode))
    beside = Guard(None, watch(rule(stage, action), mode=mode, others=[shadow]))
    for event in stream(whole, places):
        assert beside.feed(event, NOW) == alone.feed(event, NOW)
        assert beside.deadline == alone.deadline
        assert beside.questions == alone.questions == ()
    assert decision_of(beside.verdict) == decision_of(alone.verdict)
    assert [hit for hit in beside.verdict.found.hits if hit.weight is Weight.ACTS] == [*alone.verdict.found.hits]


@pytest.mark.parametrize("mode", ["hold", "window"])
def test_what_watches_sees_the_whole_text_as_the_model_wrote_it(
    watch: Callable[..., Watch], rule: Callable[..., Rule], policy: Callable[..., Policy], mode: Mode
) -> None:
    watching = policy(rule(action=Action.BLOCK, when="det.secrets.count == 2", name="S"), name="s")
    guard = Guard(None, watch(rule(), mode=mode, others=[watching]))
    passed = told(guard, *stream(f"{SECRET} and much more text, {SECRET}", range(40)))
    assert SECRET not in "".join([event.text for event in passed if isinstance(event, TextDelta)])
    assert hits(guard.verdict) == [("R1", Weight.ACTS), ("S", Weight.SHADOW)]


@pytest.mark.parametrize("mode", ["hold", "window"])
def test_a_shadow_rule_of_a_policy_that_acts_holds_nothing(
    watch: Callable[..., Watch], rule: Callable[..., Rule], mode: Mode
) -> None:
    rules = (rule(name="W", when=SLOW, action=Action.BLOCK, mode="shadow"), rule())
    alone, beside = Guard(None, watch(rule(), mode=mode)), Guard(None, watch(*rules, mode=mode))
    for event in stream("0123456789" * 5, range(50)):
        assert beside.feed(event, NOW) == alone.feed(event, NOW)


def test_whole_answers_and_streams_are_told_the_same(
    watch: Callable[..., Watch], rule: Callable[..., Rule], shadow: Policy
) -> None:
    guarding = watch(rule(), mode="window", others=[shadow])
    streamed, whole = Guard(None, guarding), Guard(None, guarding)
    told(streamed, TextDelta(choice=0, text=f"{SECRET} slowly"), Finish(choice=0, reason="stop"))
    choice = Choice(index=0, text=f"{SECRET} slowly", finish_reason="stop")
    whole.whole(Reply(id="", model="", created=0, choices=(choice,)), NOW)
    for guard in (streamed, whole):
        assert guard.questions == ()
        found: Detections = {}
        guard.answer_late([found] * len(guard.late_questions), NOW)
    assert hits(streamed.verdict) == hits(whole.verdict) == [("R1", Weight.ACTS), ("S1", Weight.SHADOW)]


def test_what_watches_is_never_too_late_and_never_refuses(
    watch: Callable[..., Watch], rule: Callable[..., Rule]
) -> None:
    guard = Guard(None, watch(rule(Stage.TOOL_CALL, name="S"), weight=Weight.SHADOW))
    started = ToolCallStarted(choice=0, index=0, id="c", name="send")
    told(guard, TextDelta(choice=0, text="a"), started, started, now=NOW)
    assert told(guard, Finish(choice=0, reason="stop"), now=NOW + 1e6) == [Finish(choice=0, reason="stop")]
    assert guard.verdict.found.hits == ()
    assert (guard.cut_off(), guard.over, guard.withheld) == ((), False, None)
    assert guard.answer([], NOW) == ()


def test_a_detector_that_fails_is_told_once(
    watch: Callable[..., Watch],
    rule: Callable[..., Rule],
    scanner_of: Callable[..., object],
) -> None:
    rules = (rule(action=Action.BLOCK), rule(action=Action.BLOCK, name="S", mode="shadow"))
    guard = Guard(None, watch(*rules, scanner=scanner_of(failed="error")))
    assert told(guard, *stream("a", ()))[-1] == Finish(choice=0, reason=WITHHELD)
    assert ("on_error:secrets", Weight.ACTS) in hits(guard.verdict)
    assert ("on_error:secrets", Weight.SHADOW) not in hits(guard.verdict)


def test_redactions_that_only_watch_or_are_excepted_are_told_where_values_come_back(
    watch: Callable[..., Watch], rule: Callable[..., Rule]
) -> None:
    pseudonyms = Pseudonyms()
    pseudonyms.placeholder("key", "jo")
    rules = (rule(name="E"), rule(name="S", mode="shadow"))
    guard = Guard(None, replace(watch(*rules, excepted_until=NOW + 10), pseudonyms=pseudonyms))
    passed = told(guard, *stream(f"<KEY_1> {SECRET}", ()))
    assert passed[0] == TextDelta(choice=0, text=f"jo {SECRET}")
    assert hits(guard.verdict) == [("E", Weight.EXCEPTED), ("S", Weight.EXCEPTED)]


def test_exceptions_run_out_by_the_time_of_day(watch: Callable[..., Watch], rule: Callable[..., Rule]) -> None:
    guarding = watch(rule(action=Action.BLOCK), excepted_until=1_000_000.0)
    for epoch, decision in ((999_000.0 - NOW, "allow"), (1_000_000.0 - NOW, "block")):
        guard = Guard(None, replace(guarding, epoch=epoch))
        told(guard, *stream(SECRET, ()))
        assert decision_of(guard.verdict) == decision
