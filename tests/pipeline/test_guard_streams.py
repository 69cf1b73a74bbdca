"""The guard under policies: what is held, what goes on, what is refused."""

from collections.abc import Callable, Sequence
from typing import Protocol, TypeAlias

import pytest

from gateway.domain.detection import Detections, Stage, Subject
from gateway.domain.exchange import (
    Finish,
    ReasoningDelta,
    RefusalDelta,
    Reply,
    Started,
    StreamEvent,
    TextDelta,
    ToolCallDelta,
    ToolCallStarted,
    UsageReport,
)
from gateway.domain.verdict import Action, Weight, decision_of
from gateway.pipeline.guard import WITHHELD, Guard, GuardEvent, Watch
from policies.engine.model import Rule

NOW = 1_000.0
SECRET = "sk-5ecret"
GONE = "[REDACTED:key]"
FOUND = "det.secrets.found"
WORDS = ("text", "reasoning")


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


# hold


def test_held_text_goes_on_whole_once_it_is_judged(watch: Watching, rule: Ruling) -> None:
    guard = Guard(None, watch(rule()))
    assert told(guard, *text("a ", "b")) == []
    assert told(guard, end()) == [TextDelta(choice=0, text="a b"), end()]
    assert decision_of(guard.verdict) == "allow"


def test_what_a_rule_wants_gone_is_replaced_before_it_goes_on(watch: Watching, rule: Ruling) -> None:
    guard = Guard(None, watch(rule()))
    assert told(guard, *text("key: sk-5e", "cret."), end()) == [TextDelta(choice=0, text=f"key: {GONE}."), end()]
    assert [(hit.rule, hit.where) for hit in guard.verdict.found.hits] == [("R1", "output")]
    assert decision_of(guard.verdict) == "redact"


def test_a_blocked_choice_ends_and_holds_nothing(watch: Watching, rule: Ruling) -> None:
    guard = Guard(None, watch(rule(action=Action.BLOCK)))
    assert told(guard, *text("see ", SECRET), *call("{}"), end()) == [end(reason=WITHHELD)]
    assert told(guard, *text("more"), end()) == []
    assert guard.over
    assert decision_of(guard.verdict) == "block"


@pytest.mark.rows
@pytest.mark.parametrize("kind", [TextDelta, ReasoningDelta, RefusalDelta])
def test_every_channel_is_judged_under_its_name(watch: Watching, rule: Ruling, kind: type[TextDelta]) -> None:
    channel = {TextDelta: "text", ReasoningDelta: "reasoning", RefusalDelta: "refusal"}[kind]
    guarding = watch(rule(when=f'{FOUND} && output.channel == "{channel}" && tainted'))
    assert joined(told(Guard(None, guarding), kind(choice=0, text=SECRET), end())) == GONE
    other = watch(rule(when=f'{FOUND} && output.channel != "{channel}"'))
    assert joined(told(Guard(None, other), kind(choice=0, text=SECRET), end())) == SECRET


def test_one_channel_blocks_all_that_its_choice_holds(watch: Watching, rule: Ruling) -> None:
    guard = Guard(None, watch(rule(action=Action.BLOCK)))
    events = told(guard, *text("fine"), ReasoningDelta(choice=0, text=SECRET), end(), *text("other", choice=1), end(1))
    assert events == [end(reason=WITHHELD), TextDelta(choice=1, text="other"), end(1)]
    assert not guard.over


def test_scores_add_up_over_the_channels_of_a_choice_and_not_over_choices(watch: Watching, rule: Ruling) -> None:
    rules = (
        rule(action=Action.SCORE, when=f'{FOUND} && output.channel == "text"', name="A"),
        rule(action=Action.SCORE, when=f'{FOUND} && output.channel == "reasoning"', name="B"),
    )
    reasoning = ReasoningDelta(choice=0, text=SECRET)
    both = Guard(None, watch(*rules, threshold=10))
    assert told(both, reasoning, *text(SECRET), end()) == [end(reason=WITHHELD)]
    apart = Guard(None, watch(*rules, threshold=10))
    assert joined(told(apart, reasoning, *text(SECRET, choice=1), end(), end(1))) == SECRET * 2
    assert decision_of(apart.verdict) == "allow"
    assert [score.points for score in apart.verdict.found.scores] == [5]


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_of_several_choices_the_highest_score_is_told(watch: Watching, rule: Ruling, order: tuple[int, int]) -> None:
    rules = tuple(rule(action=Action.SCORE, when=f'{FOUND} && output.channel == "{name}"', name=name) for name in WORDS)
    guard = Guard(None, watch(*rules, threshold=100))
    both = [*text(SECRET, choice=order[0]), ReasoningDelta(choice=order[0], text=SECRET)]
    told(guard, *both, *text(SECRET, choice=order[1]), end(0), end(1))
    assert [score.points for score in guard.verdict.found.scores] == [10]


def test_subjects_say_what_they_are(watch: Watching, rule: Ruling, scanner_of: Scanning) -> None:
    scanner = scanner_of()
    guarding = watch(rule(), scanner=scanner)
    told(Guard(None, guarding), ReasoningDelta(choice=1, text="r"), *text("t", choice=1), end(1))
    assert [(s.where, s.text, s.canary, s.schema) for s in scanner.seen] == [
        ("output:1.reasoning", "r", "canary", None),
        ("output:1", "t", "canary", {"type": "object"}),
    ]


def test_a_stream_that_breaks_off_releases_nothing_and_says_nothing_of_it(
    watch: Watching, rule: Ruling, scanner_of: Scanning
) -> None:
    scanner = scanner_of()
    guard = Guard(None, watch(rule(), scanner=scanner))
    assert told(guard, *text(SECRET), *call("{}")) == []
    assert scanner.seen == []
    assert guard.verdict.found.hits == ()


def test_a_detector_that_could_not_look_blocks(watch: Watching, rule: Ruling, scanner_of: Scanning) -> None:
    guard = Guard(None, watch(rule(), scanner=scanner_of(failed="error")))
    assert told(guard, *text("anything"), end()) == [end(reason=WITHHELD)]


def test_starts_and_counts_pass(watch: Watching, rule: Ruling) -> None:
    started, usage = Started(id="r", model="m", created=1), UsageReport(usage=None)
    assert told(Guard(None, watch(rule())), started, usage) == [started, usage]


def test_datamarks_are_taken_out_before_anything_is_judged(watch: Watching, rule: Ruling) -> None:
    guard = Guard("\ue000", watch(rule(), rule(Stage.TOOL_CALL, name="R2")))
    events = told(guard, *text("sk-\ue0005e", "cret"), *call('{"a":"sk-\\ue0005ecret"}'), end())
    assert everything(events) == GONE + f'{{"a":"{GONE}"}}'


def test_log_probabilities_follow_their_text_until_it_changes(watch: Watching, rule: Ruling) -> None:
    one, two = {"content": [{"token": "a"}], "refusal": None}, {"content": [{"token": "b"}], "refusal": None}
    pieces = [TextDelta(choice=0, text="a", logprobs=one), TextDelta(choice=0, text="b", logprobs=two)]
    kept = told(Guard(None, watch(rule())), *pieces, end())
    both = {"content": [{"token": "a"}, {"token": "b"}], "refusal": None}
    assert kept == [TextDelta(choice=0, text="ab", logprobs=both), end()]
    changed = told(Guard(None, watch(rule())), TextDelta(choice=0, text=SECRET, logprobs=one), end())
    assert changed == [TextDelta(choice=0, text=GONE), end()]


@pytest.mark.rows
@pytest.mark.parametrize("said", [(), text(""), [ReasoningDelta(choice=0, text="")]])
def test_an_empty_answer_is_judged_as_an_empty_text(watch: Watching, rule: Ruling, said: Sequence[StreamEvent]) -> None:
    guard = Guard(None, watch(rule(when="!det.secrets.found", action=Action.BLOCK)))
    assert told(guard, *said, end()) == [end(reason=WITHHELD)]
    assert [hit.where for hit in guard.verdict.found.hits] == ["output"]


def test_no_empty_text_is_judged_beside_a_call(watch: Watching, rule: Ruling) -> None:
    guard = Guard(None, watch(rule(when="!det.secrets.found", action=Action.BLOCK)))
    assert told(guard, *text(""), *call("{}"), end()) == [*call("{}"), end()]


# time


def test_what_is_held_for_too_long_is_blocked(watch: Watching, rule: Ruling) -> None:
    guard = Guard(None, watch(rule()))
    assert guard.deadline is None
    told(guard, *text("a"), now=NOW)
    told(guard, *text("b"), now=NOW + 1)
    assert guard.deadline == NOW + 2
    assert guard.expire(NOW + 1.9) == ()
    assert guard.expire(NOW + 2) == (end(reason=WITHHELD),)
    assert [(hit.policy, hit.rule) for hit in guard.verdict.found.hits] == [("splitgate", "max_hold_ms")]
    assert guard.over
    assert guard.deadline is None
    assert told(guard, *text("c"), end()) == []


def test_a_held_call_runs_out_of_time_while_its_text_went_on(watch: Watching, rule: Ruling) -> None:
    guard = Guard(None, watch(rule(Stage.TOOL_CALL)))
    assert told(guard, *text("at once")) == [TextDelta(choice=0, text="at once")]
    assert guard.deadline is None
    told(guard, *call("{}"))
    assert guard.expire(NOW + 2) == (end(reason=WITHHELD),)


def test_nothing_runs_out_where_nothing_is_guarded() -> None:
    assert Guard(None).deadline is None
    assert Guard(None).expire(NOW) == ()
    assert not Guard(None).over


# rules that only watch


@pytest.mark.parametrize("weight", [Weight.SHADOW, Weight.BYPASSED])
def test_policies_that_only_watch_change_nothing_and_see_everything(
    watch: Watching, rule: Ruling, weight: Weight
) -> None:
    rules = (rule(action=Action.BLOCK), rule(Stage.TOOL_CALL, Action.BLOCK, name="R2"))
    guard = Guard(None, watch(*rules, weight=weight))
    events = [*text(SECRET), *call('{ "a": "sk-5ecret" }'), end()]
    assert told(guard, *events) == events
    assert guard.deadline is None
    assert guard.expire(NOW + 100) == ()
    assert [(hit.rule, hit.weight) for hit in guard.verdict.found.hits] == [("R1", weight), ("R2", weight)]
    assert decision_of(guard.verdict) == "allow"


def test_a_question_of_a_policy_that_only_watches_holds_nothing_back(
    watch: Watching, rule: Ruling, scanner_of: Scanning
) -> None:
    scanner = scanner_of()
    guarding = watch(rule(when="det.slow.found", action=Action.BLOCK), weight=Weight.SHADOW, scanner=scanner)
    guard = Guard(None, guarding)
    assert joined(told(guard, *text("slowly"), end())) == "slowly"
    assert guard.questions == ()
    with pytest.raises(ValueError, match="ask again"):
        guard.answer_late([], NOW)
    guard.answer_late(scanner.answers(guard.late_questions), NOW + 1_000)
    assert guard.late_questions == ()
    assert [hit.rule for hit in guard.verdict.found.hits] == ["R1"]


def test_text_that_only_shadow_rules_look_at_goes_on_while_calls_are_held(watch: Watching, rule: Ruling) -> None:
    guard = Guard(None, watch(rule(mode="shadow"), rule(Stage.TOOL_CALL, Action.BLOCK, name="R2")))
    assert joined(told(guard, *text(SECRET))) == SECRET
    assert told(guard, *call(f'{{"a":"{SECRET}"}}'), end()) == [end(reason=WITHHELD)]
    assert {hit.rule: hit.weight for hit in guard.verdict.found.hits} == {"R1": Weight.SHADOW, "R2": Weight.ACTS}


# tool calls


def test_calls_are_judged_decoded_and_written_again(watch: Watching, rule: Ruling) -> None:
    guard = Guard(None, watch(rule(Stage.TOOL_CALL)))
    events = told(guard, *call('{ "to": "a\\u0062c", "key": "sk-\\u0035ecret", "n": 1.0 }'), end(reason="tool_calls"))
    assert events == [*call(f'{{"to":"abc","key":"{GONE}","n":1.0}}'), end(reason="tool_calls")]


@pytest.mark.rows
@pytest.mark.parametrize("arguments", ['{"sk-5ecret": 1}', '{"a": "sk-5ecret", "b": NaN}', "sk-5ecret"])
def test_a_redaction_that_cannot_be_carried_out_blocks(watch: Watching, rule: Ruling, arguments: str) -> None:
    guard = Guard(None, watch(rule(Stage.TOOL_CALL)))
    assert told(guard, *text("fine"), *call(arguments), end())[-1:] == [end(reason=WITHHELD)]


@pytest.mark.rows
@pytest.mark.parametrize("arguments", ['{"a":1,"a":2}', "[]", '{"a":NaN}', "{"])
def test_arguments_that_are_no_strict_json_are_not_released(watch: Watching, rule: Ruling, arguments: str) -> None:
    guard = Guard(None, watch(rule(Stage.TOOL_CALL)))
    assert told(guard, *call(arguments), end()) == [end(reason=WITHHELD)]
    assert [hit.rule for hit in guard.verdict.found.hits] == ["unreadable_arguments"]


def test_the_same_arguments_pass_where_no_rule_looks_at_calls(watch: Watching, rule: Ruling) -> None:
    events = [*call('{"a":1,"a":2}'), end()]
    assert told(Guard(None, watch(rule())), *events) == events


@pytest.mark.parametrize("blank", ["", " \n"])
def test_a_call_without_arguments_is_an_empty_object(watch: Watching, rule: Ruling, blank: str) -> None:
    assert told(Guard(None, watch(rule(Stage.TOOL_CALL))), *call(blank), end()) == [*call("{}"), end()]


def test_a_name_that_was_not_offered_is_judged_with_the_arguments(watch: Watching, rule: Ruling) -> None:
    unknown = watch(rule(Stage.TOOL_CALL), facts={})
    assert told(Guard(None, unknown), *call("{}", name=SECRET), end()) == [end(reason=WITHHELD)]
    assert told(Guard(None, unknown), *call("nothing", name=SECRET), end()) == [end(reason=WITHHELD)]
    assert told(Guard(None, unknown), *call('{"a":"b"}'), end()) == [*call('{"a":"b"}'), end()]
    assert told(Guard(None, watch(rule(Stage.TOOL_CALL))), *call("{}", name=SECRET), end()) != [end(reason=WITHHELD)]


def test_calls_keep_their_numbers_without_gaps_and_their_places_apart(watch: Watching, rule: Ruling) -> None:
    guard = Guard(None, watch(rule(Stage.TOOL_CALL)))
    reserved = call("{}", name="read_untrusted_data")
    events = told(guard, *reserved, *call(f'{{"a":"{SECRET}"}}', index=1), *call("{}", index=2), end())
    assert [e.index for e in events if isinstance(e, ToolCallStarted)] == [0, 1]
    assert everything(events) == f'{{"a":"{GONE}"}}{{}}'
    assert told(guard, ToolCallDelta(choice=3, index=9, arguments=SECRET), end(3)) == [end(3)]


def test_facts_of_the_call_decide(watch: Watching, rule: Ruling) -> None:
    when = 'tool.effect == "egress" && tainted'
    guarding = watch(rule(Stage.TOOL_CALL, Action.BLOCK, when), facts={"tool.effect": "egress"})
    assert told(Guard(None, guarding), *call("{}"), end()) == [end(reason=WITHHELD)]
    near = watch(rule(Stage.TOOL_CALL, Action.BLOCK, when), facts={"tool.effect": "read"})
    assert told(Guard(None, near), *call("{}"), end()) == [*call("{}"), end()]
