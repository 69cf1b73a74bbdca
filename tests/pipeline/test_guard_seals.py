"""What a vendor needs to take reasoning back goes on behind it, and never where anything of it went on otherwise."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TypeAlias

import pytest

from gateway.domain.exchange import (
    Choice,
    Finish,
    ReasoningDelta,
    ReasoningSealed,
    Reply,
    StreamEvent,
    TextDelta,
)
from gateway.domain.prompt import Seal
from gateway.domain.verdict import Action
from gateway.pipeline.guard import Guard, GuardEvent, Watch
from gateway.pipeline.pseudonyms import Pseudonyms
from policies.engine.model import Rule

NOW = 1_000.0
SECRET = "sk-5ecret"
THOUGHT = "Let me think about it for a while."
SEAL = Seal(length=len(THOUGHT), token="c2VhbGVk")
HIDDEN = Seal(length=0, token="aGlkZGVu", hidden=True)
TEXT_ONLY = 'det.secrets.found && output.channel == "text"'

Watching: TypeAlias = Callable[..., Watch]
Ruling: TypeAlias = Callable[..., Rule]


def thinking(thought: str = THOUGHT, *seals: Seal) -> list[StreamEvent]:
    sealed = [ReasoningSealed(choice=0, seal=seal) for seal in seals]
    return [
        ReasoningDelta(choice=0, text=thought),
        *sealed,
        TextDelta(choice=0, text="Yes."),
        Finish(choice=0, reason="stop"),
    ]


def fed(guard: Guard, events: Sequence[StreamEvent]) -> list[GuardEvent]:
    return [passed for event in events for passed in guard.feed(event, NOW)]


def whole(guard: Guard, thought: str, *seals: Seal) -> Choice:
    choice = Choice(index=0, text="Yes.", reasoning=thought, seals=seals, finish_reason="stop", stopped_by="END")
    return guard.whole(Reply(id="r", model="m", created=1, choices=(choice,)), NOW).choices[0]


def seals_of(events: Sequence[GuardEvent]) -> list[Seal]:
    return [event.seal for event in events if isinstance(event, ReasoningSealed)]


@pytest.mark.parametrize("mode", ["hold", "window"])
def test_seals_come_behind_all_of_the_reasoning(watch: Watching, rule: Ruling, mode: str) -> None:
    events = fed(Guard(None, watch(rule(), mode=mode)), thinking(THOUGHT, SEAL, HIDDEN))
    assert "".join([event.text for event in events if isinstance(event, ReasoningDelta)]) == THOUGHT
    assert seals_of(events) == [SEAL, HIDDEN]
    last = max(at for at, event in enumerate(events) if isinstance(event, ReasoningDelta))
    assert all(at > last for at, event in enumerate(events) if isinstance(event, ReasoningSealed))
    assert events[-1] == Finish(choice=0, reason="stop")


def test_where_nothing_looks_at_an_answer_a_seal_goes_on_as_it_comes(watch: Watching, rule: Ruling) -> None:
    events = thinking(THOUGHT, SEAL)
    assert fed(Guard(None), events) == events
    calls_only = watch(rule(action=Action.REQUIRE_APPROVAL, when="false"), mode="window")
    assert seals_of(fed(Guard(None, calls_only), events)) == [SEAL]


@pytest.mark.parametrize("mode", ["hold", "window"])
def test_edited_reasoning_loses_its_seals(watch: Watching, rule: Ruling, mode: str) -> None:
    thought = f"the key is {SECRET} and so on, and so forth"
    seal = replace(SEAL, length=len(thought))
    assert seals_of(fed(Guard(None, watch(rule(), mode=mode)), thinking(thought, seal))) == []
    assert whole(Guard(None, watch(rule())), thought, seal).seals == ()


def test_an_edit_of_the_text_leaves_the_reasoning_sealed(watch: Watching, rule: Ruling) -> None:
    guard = Guard(None, watch(rule(when=TEXT_ONLY)))
    choice = Choice(index=0, text=SECRET, reasoning=THOUGHT, seals=(SEAL,), finish_reason="stop")
    cleared = guard.whole(Reply(id="r", model="m", created=1, choices=(choice,)), NOW).choices[0]
    assert cleared.text != SECRET
    assert cleared.seals == (SEAL,)


def test_a_value_brought_back_into_the_reasoning_breaks_its_seal(watch: Watching, rule: Ruling) -> None:
    pseudonyms = Pseudonyms()
    placeholder = pseudonyms.placeholder("key", "jo")
    guarding = replace(watch(rule()), pseudonyms=pseudonyms)
    thought = f"ask {placeholder}"
    assert whole(Guard(None, guarding), thought, replace(SEAL, length=len(thought))).seals == ()
    assert whole(Guard(None, guarding), THOUGHT, SEAL).seals == (SEAL,)


def test_a_datamark_may_have_stood_in_what_was_sealed(watch: Watching, rule: Ruling) -> None:
    for guard in (Guard("\ue000"), Guard("\ue000", watch(rule()))):
        assert seals_of(fed(guard, thinking(THOUGHT, SEAL))) == []
    for guard in (Guard("\ue000"), Guard("\ue000", watch(rule()))):
        assert whole(guard, THOUGHT, SEAL).seals == ()


def test_nothing_is_sealed_of_what_is_blocked(watch: Watching, rule: Ruling) -> None:
    blocking = rule(action=Action.BLOCK)
    assert seals_of(fed(Guard(None, watch(blocking)), thinking(SECRET, SEAL))) == []
    blocked = whole(Guard(None, watch(blocking)), SECRET, SEAL)
    assert (blocked.seals, blocked.stopped_by) == ((), None)


def test_what_waits_for_an_approver_is_kept_with_its_seals(watch: Watching, rule: Ruling) -> None:
    guard = Guard(None, watch(rule(action=Action.REQUIRE_APPROVAL)))
    choice = Choice(index=0, text=SECRET, reasoning=THOUGHT, seals=(SEAL,), finish_reason="stop", stopped_by="END")
    guard.whole(Reply(id="r", model="m", created=1, choices=(choice,)), NOW)
    assert guard.withheld is not None
    assert [(kept.seals, kept.stopped_by) for kept in guard.withheld.choices] == [((SEAL,), "END")]


def test_the_stop_sequence_that_ended_an_answer_is_told(watch: Watching, rule: Ruling) -> None:
    ending = Finish(choice=0, reason="stop", stopped_by="END")
    for guard in (Guard(None), Guard(None, watch(rule()))):
        assert fed(guard, [TextDelta(choice=0, text="Yes."), ending])[-1] == ending
    for guard in (Guard(None), Guard(None, watch(rule()))):
        assert whole(guard, THOUGHT, SEAL).stopped_by == "END"
