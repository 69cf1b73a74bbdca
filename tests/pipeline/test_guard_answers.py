"""The guard beyond holding: approvals, questions, whole answers, placeholders."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Literal, Protocol, TypeAlias

import pytest

from gateway.domain.detection import Detections, Stage, Subject
from gateway.domain.exchange import (
    ApprovalRequired,
    Choice,
    Finish,
    ReasoningDelta,
    RefusalDelta,
    Reply,
    Started,
    StreamEvent,
    TextDelta,
    ToolCallDelta,
    ToolCallStarted,
    Usage,
    UsageReport,
)
from gateway.domain.prompt import ToolCall
from gateway.domain.verdict import Action, Weight, decision_of
from gateway.pipeline.guard import WITHHELD, Guard, GuardEvent, Watch
from gateway.pipeline.pseudonyms import Pseudonyms
from policies.engine.model import Effect, Rule, ToolRule

NOW = 1_000.0
SECRET = "sk-5ecret"
GONE = "[REDACTED:key]"
FOUND = "det.secrets.found"


class Scanner(Protocol):
    """The scanner of ``conftest.py``."""

    seen: list[Subject]

    def answers(self, subjects: Sequence[Subject]) -> list[Detections]: ...


Watching: TypeAlias = Callable[..., Watch]
Ruling: TypeAlias = Callable[..., Rule]
Scanning: TypeAlias = Callable[..., Scanner]


def told(guard: Guard, *events: StreamEvent, now: float = NOW) -> list[GuardEvent]:
    return [passed for event in events for passed in guard.feed(event, now)]


def withheld(guard: Guard) -> Reply:
    assert guard.withheld is not None
    return guard.withheld


def text(*pieces: str, choice: int = 0) -> list[StreamEvent]:
    return [TextDelta(choice=choice, text=piece) for piece in pieces]


def call(arguments: str, *, name: str = "send", index: int = 0, choice: int = 0) -> list[StreamEvent]:
    return [
        ToolCallStarted(choice=choice, index=index, id=f"c{index}", name=name),
        ToolCallDelta(choice=choice, index=index, arguments=arguments),
    ]


def end(choice: int = 0, reason: str = "stop") -> Finish:
    return Finish(choice=choice, reason=reason)


def joined(events: Sequence[GuardEvent]) -> str:
    return "".join([e.text for e in events if isinstance(e, TextDelta | ReasoningDelta | RefusalDelta)])


def everything(events: Sequence[GuardEvent]) -> str:
    return joined(events) + "".join([e.arguments for e in events if isinstance(e, ToolCallDelta)])


# approval


@pytest.fixture
def approving(watch: Watching, rule: Ruling) -> Watching:
    return lambda: watch(rule(), rule(Stage.TOOL_CALL, Action.REQUIRE_APPROVAL, "tainted", "R2"))


def test_a_call_that_takes_approval_waits_and_so_does_what_is_held_beside_it(approving: Watching) -> None:
    guard = Guard(None, approving())
    started, usage = (
        Started(id="r", model="m", created=7, extra={"a": "b"}),
        UsageReport(usage=Usage(input_tokens=1, output_tokens=2), extra={"c": "d"}),
    )
    told(guard, started, *text("key ", SECRET), *call('{ "a": 1 }'))
    assert guard.withheld is None
    assert told(guard, end(reason="tool_calls"), usage) == [ApprovalRequired(choice=0), end(reason=WITHHELD), usage]
    assert decision_of(guard.verdict) == "require_approval"
    assert guard.withheld == Reply(
        id="r",
        model="m",
        created=7,
        choices=(
            Choice(
                index=0,
                text=f"key {GONE}",
                finish_reason="tool_calls",
                tool_calls=(ToolCall(id="c0", name="send", arguments='{"a":1}'),),
            ),
        ),
        usage=usage.usage,
        extra={"a": "b", "c": "d"},
    )
    assert not guard.over


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_nothing_is_kept_for_an_approver_where_another_choice_is_blocked(
    approving: Watching, order: tuple[int, int]
) -> None:
    guard = Guard(None, replace(approving(), choices=2))
    events = told(guard, *call("{}"), *call("nonsense", choice=1), *[end(choice) for choice in order])
    assert decision_of(guard.verdict) == "block"
    assert guard.withheld is None
    assert [event for event in events if isinstance(event, Finish)] == [end(choice, WITHHELD) for choice in order]


def test_choices_that_need_no_approver_are_kept_with_those_that_do(watch: Watching, rule: Ruling) -> None:
    guard = Guard(None, watch(rule(action=Action.REQUIRE_APPROVAL)))
    told(guard, *text(SECRET), end(), *text("fine", choice=1))
    assert guard.withheld is None
    told(guard, end(1))
    assert [(choice.index, choice.text) for choice in withheld(guard).choices] == [(0, SECRET), (1, "fine")]


def test_an_approver_that_output_needs_stops_a_window_and_gets_all_of_the_answer(watch: Watching, rule: Ruling) -> None:
    rules = (rule(action=Action.REQUIRE_APPROVAL),)
    guard = Guard(None, watch(*rules, mode="window"))
    early = told(guard, *text("0123456789" * 3))
    assert joined(early) == ("0123456789" * 3)[:-16]
    late = told(guard, *text(SECRET, "x" * 40, "y" * 40), end())
    assert SECRET not in joined(late)
    assert late[-2:] == [ApprovalRequired(choice=0), end(reason=WITHHELD)]
    held = withheld(guard)
    assert held.choices[0].text == "0123456789" * 3 + SECRET + "x" * 40 + "y" * 40


def test_text_that_went_on_at_once_is_part_of_what_waits(watch: Watching, rule: Ruling) -> None:
    guard = Guard(None, watch(rule(Stage.TOOL_CALL, Action.REQUIRE_APPROVAL, "tainted")))
    told(guard, *text("said"), *call("{}"), end())
    held = withheld(guard)
    assert held.choices[0].text == "said"


def test_nothing_is_withheld_where_nobody_has_to_approve(watch: Watching, rule: Ruling) -> None:
    guard = Guard(None, watch(rule()))
    told(guard, *text("a"), end())
    assert guard.withheld is None


# questions


def test_an_answer_waits_until_its_questions_are_answered(watch: Watching, rule: Ruling, scanner_of: Scanning) -> None:
    scanner = scanner_of()
    guard = Guard(None, watch(rule(when="det.slow.found", action=Action.BLOCK), mode="window", scanner=scanner))
    assert told(guard, *text("slow" * 20), ReasoningDelta(choice=0, text="slowly"), end()) == []
    assert [subject.where for subject in guard.questions] == ["output", "output.reasoning"]
    with pytest.raises(ValueError, match="ask again"):
        guard.answer([], NOW)
    assert guard.answer(scanner.answers(guard.questions), NOW) == (end(reason=WITHHELD),)
    assert guard.questions == ()


def test_each_choice_gets_its_own_answers(watch: Watching, rule: Ruling, scanner_of: Scanning) -> None:
    scanner = scanner_of()
    guard = Guard(None, watch(rule(when="det.slow.found", action=Action.BLOCK), scanner=scanner))
    told(guard, *text("done", choice=5), *text("slowly", choice=1), end(1), *text("fast", choice=2), end(2))
    assert guard.answer(scanner.answers(guard.questions), NOW) == (
        end(1, WITHHELD), TextDelta(choice=2, text="fast"), end(2),
    )  # fmt: skip


def test_a_question_that_is_never_answered_is_a_block(watch: Watching, rule: Ruling) -> None:
    guard = Guard(None, watch(rule(when="det.slow.found")))
    told(guard, *text("a"), end())
    assert guard.expire(NOW + 2) == (end(reason=WITHHELD),)
    assert guard.questions == ()


# whole answers


def whole(guard: Guard, choice: Choice) -> Choice:
    reply = Reply(id="r", model="m", created=1, choices=(choice,), usage=Usage(input_tokens=1, output_tokens=2))
    passed = guard.whole(reply, NOW)
    assert replace(passed, choices=()) == replace(reply, choices=())
    return passed.choices[0]


@pytest.mark.parametrize("mode", ["hold", "window"])
def test_a_whole_answer_passes_the_same_rules(watch: Watching, rule: Ruling, mode: Literal["hold", "window"]) -> None:
    came = Choice(
        index=0,
        text=f"see {SECRET}",
        reasoning="",
        refusal=None,
        finish_reason="tool_calls",
        tool_calls=(ToolCall(id="c", name="send", arguments=f'{{ "a": "{SECRET}" }}'),),
        logprobs={"content": []},
        extra={"annotations": [{"url": "https://good.example"}]},
    )
    guarding = watch(rule(), rule(Stage.TOOL_CALL, name="R2"), mode=mode)
    assert whole(Guard(None, guarding), came) == replace(
        came,
        text=f"see {GONE}",
        tool_calls=(ToolCall(id="c", name="send", arguments=f'{{"a":"{GONE}"}}'),),
        logprobs=None,
    )


def test_other_words_of_a_choice_are_dropped_where_anything_in_them_acts(watch: Watching, rule: Ruling) -> None:
    came = Choice(index=3, text="fine", finish_reason="stop", extra={"annotations": [{"title": f"x {SECRET}"}]})
    assert whole(Guard(None, watch(rule())), came) == replace(came, extra={})
    assert whole(Guard(None, watch(rule(action=Action.BLOCK))), came) == Choice(
        index=3, text=None, finish_reason=WITHHELD
    )


def test_other_words_that_nobody_can_read_are_dropped_by_rules_that_act(watch: Watching, rule: Ruling) -> None:
    deep: list[object] = []
    for _ in range(300):
        deep = [deep]
    came = Choice(index=0, text="", finish_reason="stop", extra={"annotations": deep})  # pyright: ignore[reportArgumentType]
    assert whole(Guard(None, watch(rule())), came) == replace(came, extra={})
    assert whole(Guard(None, watch(rule(mode="shadow"), rule(Stage.TOOL_CALL))), came) == came


def test_a_whole_answer_waits_for_its_questions(watch: Watching, rule: Ruling, scanner_of: Scanning) -> None:
    scanner = scanner_of()
    guard = Guard(None, watch(rule(when="det.slow.found", action=Action.BLOCK), scanner=scanner))
    assert whole(guard, Choice(index=0, text="fast", finish_reason="stop")).finish_reason == WITHHELD
    guard.answer(scanner.answers(guard.questions), NOW)
    assert guard.reply.choices == (Choice(index=0, text="fast", finish_reason="stop"),)


def test_a_whole_answer_may_wait_for_an_approver(approving: Watching) -> None:
    came = Choice(
        index=4, text="", finish_reason="tool_calls", tool_calls=(ToolCall(id="c", name="send", arguments="{}"),)
    )
    guard = Guard(None, approving())
    assert whole(guard, came) == Choice(index=4, text=None, finish_reason=WITHHELD)
    held = withheld(guard)
    assert held.choices == (came,)


def test_a_whole_answer_is_not_put_before_an_approver_where_a_choice_is_blocked(approving: Watching) -> None:
    good = ToolCall(id="c", name="send", arguments="{}")
    choices = (
        Choice(index=0, text=None, finish_reason="tool_calls", tool_calls=(good,)),
        Choice(index=1, text="", finish_reason="tool_calls", tool_calls=(replace(good, arguments="nonsense"),)),
    )
    guard = Guard(None, approving())
    passed = guard.whole(Reply(id="r", model="m", created=1, choices=choices), NOW)
    assert (decision_of(guard.verdict), guard.withheld) == ("block", None)
    assert passed.choices == tuple([Choice(index=n, text=None, finish_reason=WITHHELD) for n in range(2)])


def test_a_whole_answer_passes_rules_that_only_watch(watch: Watching, rule: Ruling) -> None:
    came = Choice(index=0, text=SECRET, finish_reason="stop")
    guard = Guard(None, watch(rule(action=Action.BLOCK), weight=Weight.SHADOW))
    assert whole(guard, came) == came
    assert [hit.rule for hit in guard.verdict.found.hits] == ["R1"]


def test_a_stream_cannot_be_had_whole(watch: Watching, rule: Ruling) -> None:
    with pytest.raises(ValueError, match="came whole"):
        _ = Guard(None, watch(rule())).reply


# placeholders


@pytest.fixture
def restoring(watch: Watching) -> Watching:
    def make(*rules: Rule, **given: object) -> Watch:
        pseudonyms = Pseudonyms()
        pseudonyms.placeholder("key", SECRET)
        return replace(watch(*rules, mode="window", **given), pseudonyms=pseudonyms)

    return make


READ = {"look": ToolRule(effect=Effect.READ), "send": ToolRule(effect=Effect.EGRESS)}


def test_values_come_back_and_are_not_taken_out_again(rule: Ruling, restoring: Watching) -> None:
    guard = Guard(None, restoring(rule()))
    assert joined(told(guard, *text("your key is <K", "EY_1>"), end())) == f"your key is {SECRET}"
    assert decision_of(guard.verdict) == "allow"
    assert guard.verdict.found.hits == ()


def test_what_the_model_says_itself_is_still_taken_out(rule: Ruling, restoring: Watching) -> None:
    guard = Guard(None, restoring(rule()))
    assert joined(told(guard, *text(f"<KEY_1> {SECRET}"), end())) == f"{SECRET} {GONE}"
    assert decision_of(guard.verdict) == "redact"


def test_a_block_counts_for_values_that_came_back(rule: Ruling, restoring: Watching) -> None:
    guard = Guard(None, restoring(rule(action=Action.BLOCK)))
    assert told(guard, *text("<KEY_1>"), end()) == [end(reason=WITHHELD)]


def test_what_is_judged_twice_is_counted_once(watch: Watching, rule: Ruling, restoring: Watching) -> None:
    guarding = watch(rule(action=Action.SCORE), threshold=10)
    guard = Guard(None, replace(guarding, pseudonyms=restoring().pseudonyms))
    assert joined(told(guard, *text(f"<KEY_1> {SECRET}"), end())) == f"{SECRET} {SECRET}"
    assert [(hit.rule, hit.count) for hit in guard.verdict.found.hits] == [("R1", 2)]


def test_an_edit_that_reaches_beyond_a_value_is_carried_out(
    rule: Ruling, scanner_of: Scanning, restoring: Watching
) -> None:
    scanner = scanner_of(literals={f"({SECRET})": "key"})
    guard = Guard(None, replace(restoring(rule()), scanner=scanner))
    assert joined(told(guard, *text("a (<KEY_1>)"), end())) == f"a {GONE}"


def test_texts_without_placeholders_stay_as_they_are(watch: Watching, rule: Ruling, restoring: Watching) -> None:
    assert joined(told(Guard(None, restoring()), *text("a "), *text("b"), end())) == "a b"
    assert watch(rule()).restored("<KEY_1>") == ("<KEY_1>", ())


def test_values_come_back_without_any_rule_on_output(restoring: Watching) -> None:
    assert joined(told(Guard(None, restoring()), *text("<KEY_1> https://x.example/<KEY_1>"), end())) == (
        f"{SECRET} https://x.example/<KEY_1>"
    )


def test_arguments_get_values_back_unless_their_tool_reaches_outside(rule: Ruling, restoring: Watching) -> None:
    written = '{ "a": "<KEY_1>" }'
    guard = Guard(None, restoring(rule(Stage.TOOL_CALL, when='tainted && tool.effect == "x"'), tools=READ))
    events = told(guard, *call(written, name="look"), *call(written, name="send", index=1), end())
    assert everything(events) == f'{{"a":"{SECRET}"}}{{"a":"<KEY_1>"}}'


def test_a_rule_may_let_values_out_through_tools_that_reach_outside(restoring: Watching) -> None:
    guarding = restoring(tools=READ)
    let_out = replace(guarding, applicable=replace(guarding.applicable, restore_anywhere=True))
    assert everything(told(Guard(None, let_out), *call('{"a":"<KEY_1>"}', name="send"), end())) == f'{{"a":"{SECRET}"}}'


def test_arguments_without_placeholders_stay_as_the_model_wrote_them(restoring: Watching) -> None:
    events = [*call('{ "a": 1 }', name="look"), end()]
    assert told(Guard(None, restoring(tools=READ)), *events) == events


def test_arguments_that_are_no_json_get_nothing_back(restoring: Watching) -> None:
    guard = Guard(None, restoring(tools=READ))
    assert everything(told(guard, *call("<KEY_1>", name="look"), end())) == "<KEY_1>"


def test_other_words_keep_their_placeholders(restoring: Watching) -> None:
    came = Choice(index=0, text="<KEY_1>", finish_reason="stop", extra={"annotations": ["<KEY_1>"]})
    assert whole(Guard(None, restoring()), came) == replace(came, text=SECRET)


def test_questions_are_asked_again_for_what_came_back(rule: Ruling, scanner_of: Scanning, restoring: Watching) -> None:
    scanner = scanner_of(slow_word=SECRET)
    guarding = replace(restoring(rule(when="det.slow.found", action=Action.BLOCK)), scanner=scanner)
    guard = Guard(None, guarding)
    told(guard, *text("<KEY_1>"), end())
    assert guard.answer(scanner.answers(guard.questions), NOW) == ()
    assert [subject.text for subject in guard.questions] == [SECRET]
    assert guard.answer(scanner.answers(guard.questions), NOW) == (end(reason=WITHHELD),)
