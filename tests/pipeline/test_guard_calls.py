"""Tool calls under guard: where they are found, what binds an approver, what cannot be read."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from gateway.domain.detection import Stage
from gateway.domain.exchange import (
    ApprovalRequired,
    Choice,
    Finish,
    Reply,
    StreamEvent,
    TextDelta,
    ToolCallDelta,
    ToolCallStarted,
)
from gateway.domain.prompt import ToolCall
from gateway.domain.verdict import Action, decision_of
from gateway.pipeline._calls import CallPlaces
from gateway.pipeline.guard import WITHHELD, Guard, GuardEvent, Watch
from policies.engine.model import Rule

NOW = 1_000.0
SECRET = "sk-5ecret"
GONE = "[REDACTED:key]"
Watching = Callable[..., Watch]
Ruling = Callable[..., Rule]


def told(guard: Guard, *events: StreamEvent) -> list[GuardEvent]:
    return [passed for event in events for passed in guard.feed(event, NOW)]


def call(arguments: str, *, name: str = "send", index: int = 0, choice: int = 0) -> list[StreamEvent]:
    return [
        ToolCallStarted(choice=choice, index=index, id=f"c{index}", name=name),
        ToolCallDelta(choice=choice, index=index, arguments=arguments),
    ]


def end(choice: int = 0, reason: str = "stop") -> Finish:
    return Finish(choice=choice, reason=reason)


def whole(guard: Guard, *calls: ToolCall, text: str | None = None) -> Choice:
    choice = Choice(index=0, text=text, finish_reason="tool_calls", tool_calls=calls)
    return guard.whole(Reply(id="r", model="m", created=1, choices=(choice,)), NOW).choices[0]


def test_places_of_calls_never_collide() -> None:
    places = CallPlaces(0)
    offered = [places.name(name, offered=True) for name in ("x", "x", "x#2", "x", "tool_call", "x#2#2")]
    assert offered == ["x", "x#2", "x#2#2", "x#3", "tool_call", "x#2#2#2"]
    assert [places.name(SECRET, offered=False) for _ in range(2)] == ["tool_call#2", "tool_call#3"]
    assert CallPlaces(1).name("x", offered=True) == "x:1"


def test_an_edit_falls_on_its_own_call_alone(watch: Watching, rule: Ruling) -> None:
    guard = Guard(None, watch(rule(Stage.TOOL_CALL)))
    harmless = '{"a":"nothing to see here"}'
    secret = ToolCall(id="3", name="x#2", arguments=f'{{"a":"the {SECRET}"}}')
    calls = (ToolCall(id="1", name="x", arguments="{}"), ToolCall(id="2", name="x", arguments=harmless), secret)
    passed = whole(guard, *calls)
    assert [one.arguments for one in passed.tool_calls] == ["{}", harmless, f'{{"a":"the {GONE}"}}']


@pytest.mark.parametrize(("offered", "where"), [(False, "tool_call"), (True, "send it all")])
def test_a_name_is_told_only_where_the_request_offered_it(
    watch: Watching, rule: Ruling, where: str, *, offered: bool
) -> None:
    facts = {"tool.offered": offered}
    guard = Guard(None, watch(rule(Stage.TOOL_CALL, Action.BLOCK, "tainted"), facts=facts))
    told(guard, *call("{}", name="send it all"), end())
    assert [hit.where for hit in guard.verdict.found.hits] == [where]


def test_places_are_the_same_in_whatever_order_choices_end(watch: Watching, rule: Ruling) -> None:
    def places(*order: int) -> set[str]:
        guard = Guard(None, watch(rule(Stage.TOOL_CALL, Action.BLOCK, "tainted")))
        told(guard, *call("{}"), *call("{}", choice=1), *[end(choice) for choice in order])
        return {hit.where for hit in guard.verdict.found.hits}

    assert places(0, 1) == places(1, 0) == {"send", "send:1"}


# approval


def test_an_approval_that_output_asks_for_binds_arguments_as_they_were_understood(
    watch: Watching, rule: Ruling
) -> None:
    guard = Guard(None, watch(rule(action=Action.REQUIRE_APPROVAL)))
    whole(guard, ToolCall(id="c", name="send", arguments='{ "to": "a\\u0062c" }'), text=SECRET)
    assert guard.withheld is not None
    assert guard.withheld.choices[0].tool_calls[0].arguments == '{"to":"abc"}'


@pytest.mark.rows
@pytest.mark.parametrize("arguments", ['{"to":"a", "to":"b"}', "{", '{"to":NaN}'])
def test_arguments_that_can_be_read_in_two_ways_are_not_put_before_an_approver(
    watch: Watching, rule: Ruling, arguments: str
) -> None:
    guard = Guard(None, watch(rule(action=Action.REQUIRE_APPROVAL)))
    passed = whole(guard, ToolCall(id="c", name="send", arguments=arguments), text=SECRET)
    assert (passed.finish_reason, guard.withheld, decision_of(guard.verdict)) == (WITHHELD, None, "block")
    assert "unreadable_arguments" in [hit.rule for hit in guard.verdict.found.hits]


def test_arguments_stay_as_they_are_where_nobody_approves(watch: Watching, rule: Ruling) -> None:
    written = ToolCall(id="c", name="send", arguments='{"to":"a", "to":"b"}')
    assert whole(Guard(None, watch(rule(action=Action.BLOCK))), written, text="fine").tool_calls == (written,)


def test_an_approver_is_asked_for_a_streams_calls_in_the_same_words(watch: Watching, rule: Ruling) -> None:
    guard = Guard(None, watch(rule(action=Action.REQUIRE_APPROVAL), mode="window"))
    events = told(guard, TextDelta(choice=0, text=SECRET), *call('{ "a": 1 }'), end())
    assert events == [ApprovalRequired(choice=0), end(reason=WITHHELD)]
    assert guard.withheld is not None
    assert guard.withheld.choices[0].tool_calls[0].arguments == '{"a":1}'


# calls that begin twice


@pytest.mark.rows
@pytest.mark.parametrize("stage", [Stage.OUTPUT, Stage.TOOL_CALL])
@pytest.mark.parametrize("name", ["send", "read_untrusted_data"])
def test_a_call_that_begins_twice_is_refused(watch: Watching, rule: Ruling, stage: Stage, name: str) -> None:
    guard = Guard(None, watch(rule(stage)))
    events = told(guard, *call(f'{{"a":"{SECRET}"}}'), *call("{}", name=name), end())
    assert events == [end(reason=WITHHELD)]
    assert "garbled_calls" in [hit.rule for hit in guard.verdict.found.hits]


def test_calls_of_two_choices_may_have_one_number(watch: Watching, rule: Ruling) -> None:
    guard = Guard(None, replace(watch(rule(Stage.TOOL_CALL)), choices=2))
    events = [*call("{}"), end(), *call("{}", choice=1), end(1)]
    assert told(guard, *events) == events
