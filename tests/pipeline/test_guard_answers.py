"""The guard beyond holding: approvals, questions, whole answers, placeholders."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

import pytest

from gateway.domain.detection import Detection, Detections, Fact, Facts, FactType, FactValue, Mark, Stage, Subject
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
from policies.engine.applicable import applicable_of, apply_policy
from policies.engine.condition import compile_condition
from policies.engine.model import Effect, Policy, Rule, Streaming, ToolRule
from policies.engine.vocabulary import BASE

NOW = 1_000.0
SECRET = "sk-5ecret"
GONE = "[REDACTED:key]"
FOUND = "det.secrets.found"
VOCABULARY = {
    **BASE,
    **{
        name: Fact(name=name, type=kind, doc="A test's.", longest=16)
        for name, kind in {
            FOUND: FactType.BOOL,
            "det.slow.found": FactType.BOOL,
        }.items()
    },
}


@dataclass
class Scanner:
    """Marks a literal wherever it stands; ``slow`` has to be asked and finds another."""

    literals: Mapping[str, str] = field(default_factory=lambda: {SECRET: "key"})
    slow_word: str = "slowly"

    def scan(self, subject: Subject, wanted: frozenset[str]) -> Detections:
        marks = [
            Mark(kind=kind, start=at, end=at + len(word))
            for word, kind in self.literals.items()
            for at in range(len(subject.text))
            if subject.text.startswith(word, at)
        ]
        if "secrets" not in wanted or not marks:
            return {}
        return {"secrets": Detection(facts={FOUND: True}, marks=tuple(marks))}

    def asks(self, wanted: frozenset[str]) -> bool:
        return "slow" in wanted

    async def ask(self, subjects: Sequence[Subject], wanted: frozenset[str]) -> Sequence[Detections]:
        raise NotImplementedError

    def answers(self, subjects: Sequence[Subject]) -> list[Detections]:
        return [
            {"slow": Detection(facts={"det.slow.found": True})} if self.slow_word in subject.text else {}
            for subject in subjects
        ]


def rule(
    stage: Stage = Stage.OUTPUT,
    action: Action = Action.REDACT,
    when: str = FOUND,
    name: str = "R1",
    mode: Literal["enforce", "shadow"] = "enforce",
) -> Rule:
    condition = compile_condition(when, VOCABULARY, stage, {})
    return Rule(id=name, stage=stage, severity="critical", when=condition, action=action, message="m", mode=mode)


def watch(
    *rules: Rule,
    mode: Literal["hold", "window"] = "hold",
    scanner: Scanner | None = None,
    weight: Weight = Weight.ACTS,
    facts: Mapping[str, FactValue] | None = None,
    tools: Mapping[str, ToolRule] | None = None,
    threshold: int = 5,
) -> Watch:
    policy = Policy(
        name="p",
        owner="o",
        file="p.yaml",
        digest="0" * 64,
        mode="enforce",
        severities={"critical": 5, "error": 4, "warning": 3, "notice": 2},
        thresholds=dict.fromkeys(Stage, threshold),
        streaming=Streaming(mode=mode, window_chars=16, max_hold_ms=2_000),
        tools=tools or {},
        rules=rules,
    )
    applied = apply_policy(policy, weight, {"secrets": "secrets", "slow": "slow"})
    call_facts: Facts = {"tool.offered": True, "tool.valid": True} if facts is None else facts
    return Watch(
        applicable=applicable_of((applied,), "sha256:0"),
        scanner=scanner or Scanner(),
        facts={"tainted": True},
        call_facts=lambda _: call_facts,
        canary="canary",
        schema={"type": "object"},
    )


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


def approving(mode: Literal["hold", "window"] = "hold") -> Watch:
    return watch(rule(), rule(Stage.TOOL_CALL, Action.REQUIRE_APPROVAL, "tainted", "R2"), mode=mode)


def test_a_call_that_takes_approval_waits_and_so_does_what_is_held_beside_it() -> None:
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


def test_what_is_blocked_is_never_kept_for_an_approver() -> None:
    guarding = replace(approving(), choices=2)
    guard = Guard(None, guarding)
    told(guard, *call("{}"), end(), *call("nonsense", choice=1))
    assert guard.withheld is None
    told(guard, end(1))
    held = withheld(guard)
    assert [(c.index, c.text, c.tool_calls, c.finish_reason) for c in held.choices] == [
        (0, None, (ToolCall(id="c0", name="send", arguments="{}"),), "stop"),
        (1, None, (), WITHHELD),
    ]


def test_an_approver_that_output_needs_stops_a_window_and_gets_all_of_the_answer() -> None:
    rules = (rule(action=Action.REQUIRE_APPROVAL),)
    guard = Guard(None, watch(*rules, mode="window"))
    early = told(guard, *text("0123456789" * 3))
    assert joined(early) == ("0123456789" * 3)[:-16]
    late = told(guard, *text(SECRET, "x" * 40, "y" * 40), end())
    assert SECRET not in joined(late)
    assert late[-2:] == [ApprovalRequired(choice=0), end(reason=WITHHELD)]
    held = withheld(guard)
    assert held.choices[0].text == "0123456789" * 3 + SECRET + "x" * 40 + "y" * 40


def test_text_that_went_on_at_once_is_part_of_what_waits() -> None:
    guard = Guard(None, watch(rule(Stage.TOOL_CALL, Action.REQUIRE_APPROVAL, "tainted")))
    told(guard, *text("said"), *call("{}"), end())
    held = withheld(guard)
    assert held.choices[0].text == "said"


def test_nothing_is_withheld_where_nobody_has_to_approve() -> None:
    guard = Guard(None, watch(rule()))
    told(guard, *text("a"), end())
    assert guard.withheld is None


# questions


def test_an_answer_waits_until_its_questions_are_answered() -> None:
    scanner = Scanner()
    guard = Guard(None, watch(rule(when="det.slow.found", action=Action.BLOCK), mode="window", scanner=scanner))
    assert told(guard, *text("slow" * 20), ReasoningDelta(choice=0, text="slowly"), end()) == []
    assert [subject.where for subject in guard.questions] == ["output", "output.reasoning"]
    with pytest.raises(ValueError, match="ask again"):
        guard.answer([], NOW)
    assert guard.answer(scanner.answers(guard.questions), NOW) == (end(reason=WITHHELD),)
    assert guard.questions == ()


def test_each_choice_gets_its_own_answers() -> None:
    scanner = Scanner()
    guard = Guard(None, watch(rule(when="det.slow.found", action=Action.BLOCK), scanner=scanner))
    told(guard, *text("done", choice=5), *text("slowly", choice=1), end(1), *text("fast", choice=2), end(2))
    assert guard.answer(scanner.answers(guard.questions), NOW) == (
        end(1, WITHHELD), TextDelta(choice=2, text="fast"), end(2),
    )  # fmt: skip


def test_a_question_that_is_never_answered_is_a_block() -> None:
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
def test_a_whole_answer_passes_the_same_rules(mode: Literal["hold", "window"]) -> None:
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


def test_other_words_of_a_choice_are_dropped_where_anything_in_them_acts() -> None:
    came = Choice(index=3, text="fine", finish_reason="stop", extra={"annotations": [{"title": f"x {SECRET}"}]})
    assert whole(Guard(None, watch(rule())), came) == replace(came, extra={})
    assert whole(Guard(None, watch(rule(action=Action.BLOCK))), came) == Choice(
        index=3, text=None, finish_reason=WITHHELD
    )


def test_other_words_that_nobody_can_read_are_dropped_by_rules_that_act() -> None:
    deep: list[object] = []
    for _ in range(300):
        deep = [deep]
    came = Choice(index=0, text="", finish_reason="stop", extra={"annotations": deep})  # pyright: ignore[reportArgumentType]
    assert whole(Guard(None, watch(rule())), came) == replace(came, extra={})
    assert whole(Guard(None, watch(rule(mode="shadow"), rule(Stage.TOOL_CALL))), came) == came


def test_a_whole_answer_waits_for_its_questions() -> None:
    scanner = Scanner()
    guard = Guard(None, watch(rule(when="det.slow.found", action=Action.BLOCK), scanner=scanner))
    assert whole(guard, Choice(index=0, text="fast", finish_reason="stop")).finish_reason == WITHHELD
    guard.answer(scanner.answers(guard.questions), NOW)
    assert guard.reply.choices == (Choice(index=0, text="fast", finish_reason="stop"),)


def test_a_whole_answer_may_wait_for_an_approver() -> None:
    came = Choice(
        index=4, text="", finish_reason="tool_calls", tool_calls=(ToolCall(id="c", name="send", arguments="{}"),)
    )
    guard = Guard(None, approving())
    assert whole(guard, came) == Choice(index=4, text=None, finish_reason=WITHHELD)
    held = withheld(guard)
    assert held.choices == (came,)


def test_a_whole_answer_for_an_approver_lacks_what_is_blocked() -> None:
    good = ToolCall(id="c", name="send", arguments="{}")
    choices = (
        Choice(index=0, text=None, finish_reason="tool_calls", tool_calls=(good,)),
        Choice(index=1, text="", finish_reason="tool_calls", tool_calls=(replace(good, arguments="nonsense"),)),
    )
    guard = Guard(None, approving())
    guard.whole(Reply(id="r", model="m", created=1, choices=choices), NOW)
    held = withheld(guard)
    assert held.choices == (choices[0], Choice(index=1, text=None, finish_reason=WITHHELD))


def test_a_whole_answer_passes_rules_that_only_watch() -> None:
    came = Choice(index=0, text=SECRET, finish_reason="stop")
    guard = Guard(None, watch(rule(action=Action.BLOCK), weight=Weight.SHADOW))
    assert whole(guard, came) == came
    assert [hit.rule for hit in guard.verdict.found.hits] == ["R1"]


def test_a_stream_cannot_be_had_whole() -> None:
    with pytest.raises(ValueError, match="came whole"):
        _ = Guard(None, watch(rule())).reply


# placeholders


def restoring(*rules: Rule, tools: Mapping[str, ToolRule] | None = None) -> Watch:
    pseudonyms = Pseudonyms()
    pseudonyms.placeholder("key", SECRET)
    return replace(watch(*rules, mode="window", tools=tools), pseudonyms=pseudonyms)


READ = {"look": ToolRule(effect=Effect.READ), "send": ToolRule(effect=Effect.EGRESS)}


def test_values_come_back_and_are_not_taken_out_again() -> None:
    guard = Guard(None, restoring(rule()))
    assert joined(told(guard, *text("your key is <K", "EY_1>"), end())) == f"your key is {SECRET}"
    assert decision_of(guard.verdict) == "allow"
    assert guard.verdict.found.hits == ()


def test_what_the_model_says_itself_is_still_taken_out() -> None:
    guard = Guard(None, restoring(rule()))
    assert joined(told(guard, *text(f"<KEY_1> {SECRET}"), end())) == f"{SECRET} {GONE}"
    assert decision_of(guard.verdict) == "redact"


def test_a_block_counts_for_values_that_came_back() -> None:
    guard = Guard(None, restoring(rule(action=Action.BLOCK)))
    assert told(guard, *text("<KEY_1>"), end()) == [end(reason=WITHHELD)]


def test_what_is_judged_twice_is_counted_once() -> None:
    guarding = watch(rule(action=Action.SCORE), threshold=10)
    guard = Guard(None, replace(guarding, pseudonyms=restoring().pseudonyms))
    assert joined(told(guard, *text(f"<KEY_1> {SECRET}"), end())) == f"{SECRET} {SECRET}"
    assert [(hit.rule, hit.count) for hit in guard.verdict.found.hits] == [("R1", 2)]


def test_an_edit_that_reaches_beyond_a_value_is_carried_out() -> None:
    scanner = Scanner(literals={f"({SECRET})": "key"})
    guard = Guard(None, replace(restoring(rule()), scanner=scanner))
    assert joined(told(guard, *text("a (<KEY_1>)"), end())) == f"a {GONE}"


def test_texts_without_placeholders_stay_as_they_are() -> None:
    assert joined(told(Guard(None, restoring()), *text("a "), *text("b"), end())) == "a b"
    assert watch(rule()).restored("<KEY_1>") == ("<KEY_1>", ())


def test_values_come_back_without_any_rule_on_output() -> None:
    assert joined(told(Guard(None, restoring()), *text("<KEY_1> https://x.example/<KEY_1>"), end())) == (
        f"{SECRET} https://x.example/<KEY_1>"
    )


def test_arguments_get_values_back_unless_their_tool_reaches_outside() -> None:
    written = '{ "a": "<KEY_1>" }'
    guard = Guard(None, restoring(rule(Stage.TOOL_CALL, when='tainted && tool.effect == "x"'), tools=READ))
    events = told(guard, *call(written, name="look"), *call(written, name="send", index=1), end())
    assert everything(events) == f'{{"a":"{SECRET}"}}{{"a":"<KEY_1>"}}'


def test_a_rule_may_let_values_out_through_tools_that_reach_outside() -> None:
    guarding = restoring(tools=READ)
    let_out = replace(guarding, applicable=replace(guarding.applicable, restore_anywhere=True))
    assert everything(told(Guard(None, let_out), *call('{"a":"<KEY_1>"}', name="send"), end())) == f'{{"a":"{SECRET}"}}'


def test_arguments_without_placeholders_stay_as_the_model_wrote_them() -> None:
    events = [*call('{ "a": 1 }', name="look"), end()]
    assert told(Guard(None, restoring(tools=READ)), *events) == events


def test_arguments_that_are_no_json_get_nothing_back() -> None:
    guard = Guard(None, restoring(tools=READ))
    assert everything(told(guard, *call("<KEY_1>", name="look"), end())) == "<KEY_1>"


def test_other_words_keep_their_placeholders() -> None:
    came = Choice(index=0, text="<KEY_1>", finish_reason="stop", extra={"annotations": ["<KEY_1>"]})
    assert whole(Guard(None, restoring()), came) == replace(came, text=SECRET)


def test_questions_are_asked_again_for_what_came_back() -> None:
    scanner = Scanner(slow_word=SECRET)
    guarding = replace(restoring(rule(when="det.slow.found", action=Action.BLOCK)), scanner=scanner)
    guard = Guard(None, guarding)
    told(guard, *text("<KEY_1>"), end())
    assert guard.answer(scanner.answers(guard.questions), NOW) == ()
    assert [subject.text for subject in guard.questions] == [SECRET]
    assert guard.answer(scanner.answers(guard.questions), NOW) == (end(reason=WITHHELD),)
