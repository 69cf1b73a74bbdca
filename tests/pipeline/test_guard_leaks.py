"""No cut of a stream lets a character past the guard, and no cut changes what it decides."""

import re
from collections.abc import Callable, Sequence
from itertools import product
from typing import Final, Literal, Protocol, TypeAlias

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.domain.detection import Detection, Detections, Mark, Stage, Subject
from gateway.domain.exchange import (
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
    UsageReport,
)
from gateway.domain.prompt import RESERVED_TOOL, ToolCall
from gateway.domain.verdict import Action, Weight, decision_of
from gateway.pipeline.guard import WITHHELD, Guard, GuardEvent, Watch
from policies.engine.model import Rule

NOW: Final = 1_000.0
SECRET: Final = "sk-5ecret"
GONE: Final = "[REDACTED:key]"
WINDOW: Final = 12
# Without a character of the secret.
AROUND: Final = "0123 46789" * 3
FOUND: Final = "det.secrets.found"
COUNT: Final = "det.secrets.count"
KINDS: Final = "det.secrets.kinds"
LONG = pytest.mark.exhaustive


class Scanner(Protocol):
    """The scanner of ``conftest.py``."""

    seen: list[Subject]


Acting: TypeAlias = Callable[..., Watch]
Scanning: TypeAlias = Callable[..., Scanner]


@pytest.fixture(scope="session")
def acting(watch: Callable[..., Watch], rule: Callable[..., Rule]) -> Acting:
    """One rule for each stage."""

    def make(
        action: Action,
        mode: Literal["hold", "window"],
        *,
        when: str = FOUND,
        stages: Sequence[Stage] = (Stage.OUTPUT, Stage.TOOL_CALL),
        window: int = WINDOW,
        **given: object,
    ) -> Watch:
        rules = [rule(stage, action, when, f"R-{stage}") for stage in stages]
        return watch(*rules, mode=mode, window=window, **given)

    return make


def told(guard: Guard, *events: StreamEvent) -> list[GuardEvent]:
    return [passed for event in events for passed in guard.feed(event, NOW)]


def said(events: Sequence[GuardEvent]) -> str:
    return "".join([e.text for e in events if isinstance(e, TextDelta | ReasoningDelta | RefusalDelta)])


def everything(events: Sequence[GuardEvent]) -> str:
    return said(events) + "".join([e.arguments for e in events if isinstance(e, ToolCallDelta)])


def pieces_of(whole: str, places: Sequence[int]) -> list[str]:
    at = sorted({place % (len(whole) + 1) for place in places})
    return [whole[a:b] for a, b in zip([0, *at], [*at, len(whole)], strict=True)]


def stream(*pieces: str, kind: type[TextDelta] = TextDelta) -> list[StreamEvent]:
    return [*[kind(choice=0, text=piece) for piece in pieces], Finish(choice=0, reason="stop")]


END: Final = Finish(choice=0, reason="stop")
REFUSED: Final = Finish(choice=0, reason=WITHHELD)
# Texts in which the secret and its beginnings are frequent, and overlap.
texts = st.lists(st.sampled_from([SECRET, "sk-5", "ecret", "s", "-", "a b", "é", "\n", "\U0001f600"])).map("".join)
cuts = st.lists(st.integers(0, 10_000), max_size=12)


# windows


def test_a_window_lets_go_all_but_its_last_characters(acting: Acting) -> None:
    guard = Guard(None, acting(Action.REDACT, "window"))
    assert said(told(guard, TextDelta(choice=0, text="x" * WINDOW))) == ""
    assert said(told(guard, TextDelta(choice=0, text="abc"))) == "xxx"
    assert told(guard, END) == [TextDelta(choice=0, text="x" * (WINDOW - 3) + "abc"), END]


def test_a_wide_window_slides_by_a_part_of_itself(acting: Acting) -> None:
    guard = Guard(None, acting(Action.REDACT, "window", window=160))
    assert said(told(guard, TextDelta(choice=0, text="x" * 169))) == ""
    assert said(told(guard, TextDelta(choice=0, text="y"))) == "x" * 10


def test_a_mark_across_the_boundary_holds_back_from_its_start(acting: Acting) -> None:
    guard = Guard(None, acting(Action.REDACT, "window"))
    held = "sk-5ecret" + "x" * (WINDOW - 3)
    assert said(told(guard, TextDelta(choice=0, text="ab" + held))) == "ab"
    assert said(told(guard, TextDelta(choice=0, text="yyy"))) == GONE
    assert said(told(guard, END)) == "x" * (WINDOW - 3) + "yyy"


def test_marks_that_overlap_hold_back_from_the_first(acting: Acting, scanner_of: Scanning) -> None:
    scanner = scanner_of(literals={"abcd": "one", "cdef": "two"})
    guard = Guard(None, acting(Action.REDACT, "window", scanner=scanner, window=3))
    assert said(told(guard, TextDelta(choice=0, text="__abcdef"))) == "__"
    assert said(told(guard, TextDelta(choice=0, text="____"), END)) == "[REDACTED:one]____"


def test_a_mark_longer_than_the_window_is_taken_out_of_what_is_left(acting: Acting) -> None:
    guard = Guard(None, acting(Action.REDACT, "window", window=4))
    events = told(guard, *stream(SECRET[:7], SECRET[7:], "____"))
    assert said(events) == SECRET[:3] + GONE + "____"


def test_a_block_ends_a_window_once_and_stops_the_reading(acting: Acting) -> None:
    guard = Guard(None, acting(Action.BLOCK, "window"))
    events = told(guard, *stream("a" * 20, SECRET, "b" * 20, "c"))
    assert events[-1] == REFUSED
    assert events.count(REFUSED) == 1
    assert said(events) == "a" * 17
    assert guard.over


def test_a_window_counts_each_mark_once(acting: Acting) -> None:
    guard = Guard(None, acting(Action.REDACT, "window"))
    told(guard, *stream(*list(f"{SECRET} and {SECRET} and much more text")))
    assert [(hit.rule, hit.count) for hit in guard.verdict.found.hits] == [("R-output", 2)]
    assert decision_of(guard.verdict) == "redact"


def test_points_are_scored_once_in_however_many_pieces(acting: Acting) -> None:
    guard = Guard(None, acting(Action.SCORE, "window", when=f"{FOUND} && {COUNT} < 2"))
    assert told(guard, *stream(*list(f"{SECRET} and much more text")))[-1] == REFUSED
    assert [score.points for score in guard.verdict.found.scores] == [5]


@pytest.mark.parametrize(
    ("when", "blocked"), [('"late" in det.secrets.kinds', True), ('"none" in det.secrets.kinds', False)]
)
def test_facts_speak_of_the_marks_that_are_settled(
    acting: Acting, scanner_of: Scanning, when: str, *, blocked: bool
) -> None:
    scanner = scanner_of(literals={SECRET: "early", "[late]": "late"})
    guard = Guard(None, acting(Action.BLOCK, "window", when=when, scanner=scanner))
    early = told(guard, TextDelta(choice=0, text=f"{SECRET}123456[late]"))
    assert said(early) == SECRET
    assert (told(guard, TextDelta(choice=0, text="x" * 20), END)[-1] == REFUSED) == blocked


def test_what_went_on_stays_in_sight_for_as_long_as_a_window(acting: Acting, scanner_of: Scanning) -> None:
    scanner = scanner_of()
    guard = Guard(None, acting(Action.REDACT, "window", scanner=scanner))
    told(guard, *stream(*["0123456789"] * 50))
    assert max(len(subject.text) for subject in scanner.seen) <= 2 * WINDOW + 10
    assert scanner.seen[10].text.endswith("0123456789" * 2)


def test_a_whole_answer_is_judged_whole_also_where_streams_have_windows(acting: Acting) -> None:
    came = Choice(index=0, text=f"{SECRET}{AROUND}{SECRET}", finish_reason="stop")
    guard = Guard(None, acting(Action.BLOCK, "window", when=f"{COUNT} > 1"))
    assert guard.whole(Reply(id="", model="", created=0, choices=(came,)), NOW).choices[0].text is None


def test_what_acted_once_is_not_forgotten_for_a_later_exception(acting: Acting) -> None:
    guard = Guard(None, acting(Action.REDACT, "window", excepted_until=NOW + 1))
    guard.feed(TextDelta(choice=0, text=SECRET + "x" * WINDOW), NOW)
    guard.feed(TextDelta(choice=0, text=SECRET + "x" * WINDOW), NOW + 1.5)
    guard.feed(TextDelta(choice=0, text=SECRET + "x" * WINDOW), NOW)
    (hit,) = guard.verdict.found.hits
    assert (hit.weight, hit.count) == (Weight.ACTS, 3)


def test_time_runs_for_the_oldest_text_in_the_window(acting: Acting) -> None:
    guard = Guard(None, acting(Action.REDACT, "window"))
    guard.feed(TextDelta(choice=0, text="x" * WINDOW), NOW)
    guard.feed(TextDelta(choice=0, text="y"), NOW + 1)
    assert guard.deadline == NOW + 2
    guard.feed(TextDelta(choice=0, text="z" * (WINDOW - 1)), NOW + 1)
    assert guard.deadline == NOW + 3
    assert guard.expire(NOW + 3) == (REFUSED,)


def test_log_probabilities_wait_with_their_text(acting: Acting) -> None:
    guard = Guard(None, acting(Action.BLOCK, "window"))
    spoken = {"content": [{"token": "x"}]}
    assert told(guard, TextDelta(choice=0, text="x" * (WINDOW + 2), logprobs=spoken)) == [
        TextDelta(choice=0, text="xx")
    ]
    assert told(guard, END) == [TextDelta(choice=0, text="x" * WINDOW, logprobs=spoken), END]


# any cut


@pytest.mark.parametrize("action", [Action.REDACT, Action.BLOCK, Action.SCORE, Action.REQUIRE_APPROVAL])
@given(whole=texts, places=cuts)
def test_any_cut_of_a_held_text_gives_the_same(acting: Acting, action: Action, whole: str, places: list[int]) -> None:
    once, cut = Guard(None, acting(action, "hold")), Guard(None, acting(action, "hold"))
    assert told(cut, *stream(*pieces_of(whole, places))) == told(once, *stream(whole))
    assert cut.verdict == once.verdict


@given(whole=texts, places=cuts, window=st.integers(len(SECRET), 24))
def test_a_window_redacts_what_a_whole_answer_redacts(
    acting: Acting, whole: str, places: list[int], window: int
) -> None:
    came = Reply(id="", model="", created=0, choices=(Choice(index=0, text=whole, finish_reason="stop"),))
    (passed,) = Guard(None, acting(Action.REDACT, "window")).whole(came, NOW).choices
    guard = Guard(None, acting(Action.REDACT, "window", window=window))
    assert said(told(guard, *stream(*pieces_of(whole, places)))) == passed.text


@given(whole=texts, places=cuts)
def test_a_window_blocks_what_a_whole_answer_blocks(acting: Acting, whole: str, places: list[int]) -> None:
    once, cut = Guard(None, acting(Action.BLOCK, "hold")), Guard(None, acting(Action.BLOCK, "window"))
    told(once, *stream(whole))
    events = told(cut, *stream(*pieces_of(whole, places)))
    assert decision_of(cut.verdict) == decision_of(once.verdict)
    assert (events[-1] == REFUSED) == (SECRET in whole)
    assert whole.startswith(said(events))


@pytest.mark.rows
@pytest.mark.parametrize("mode", ["hold", "window"])
@pytest.mark.parametrize("action", [Action.REDACT, Action.BLOCK])
@pytest.mark.parametrize("kind", [TextDelta, ReasoningDelta, RefusalDelta])
@pytest.mark.parametrize("before", [0, pytest.param(1, marks=LONG), WINDOW, pytest.param(WINDOW + 5, marks=LONG)])
def test_no_character_of_a_secret_leaks_at_any_cut(
    acting: Acting, mode: Literal["hold", "window"], action: Action, kind: type[TextDelta], before: int
) -> None:
    whole = AROUND[:before] + SECRET + AROUND
    for first in range(len(whole) + 1):
        for second in {first, first + 1, first + len(SECRET)}:
            pieces = [whole[:first], whole[first:second], whole[second:]]
            events = told(Guard(None, acting(action, mode)), *stream(*pieces, kind=kind))
            left = said(events).replace(GONE, "")
            assert not set(left) & set(SECRET), pieces
            if action is Action.REDACT:
                assert left == AROUND[:before] + AROUND, pieces
            else:
                assert AROUND[:before].startswith(left), pieces


class Seeing:
    """Sees the secret through characters that are not drawn, as detectors do."""

    def scan(self, subject: Subject, wanted: frozenset[str]) -> Detections:
        assert wanted == {"secrets"}
        found = re.finditer("[\u200b\u0301\U000e0041]*".join(map(re.escape, SECRET)), subject.text)
        marks = tuple(Mark(kind="key", start=match.start(), end=match.end()) for match in found)
        return {"secrets": Detection(facts={FOUND: True}, marks=marks)} if marks else {}

    def asks(self, wanted: frozenset[str]) -> bool:
        return not wanted

    async def ask(self, subjects: Sequence[Subject], wanted: frozenset[str]) -> Sequence[Detections]:
        raise NotImplementedError


@pytest.mark.rows
@pytest.mark.parametrize("action", [Action.REDACT, Action.BLOCK])
@pytest.mark.parametrize("unseen", ["\u200b", "\u0301", "\U000e0041"])
@pytest.mark.parametrize("count", [1, 3, 40])
def test_characters_that_are_not_seen_do_not_stretch_a_secret_beyond_a_window(
    acting: Acting, action: Action, unseen: str, count: int
) -> None:
    whole = AROUND + (unseen * count).join(SECRET) + AROUND
    guard = Guard(None, acting(action, "window", scanner=Seeing()))
    left = said(told(guard, *stream(*whole)))
    assert left == (AROUND + GONE + AROUND if action is Action.REDACT else AROUND[: len(left)])


def test_a_text_of_nothing_but_unseen_characters_is_held(acting: Acting) -> None:
    assert said(told(Guard(None, acting(Action.REDACT, "window")), TextDelta(choice=0, text="\u200b" * 10_000))) == ""


@pytest.mark.rows
@pytest.mark.parametrize("mode", ["hold", "window"])
@pytest.mark.parametrize("action", [Action.REDACT, Action.BLOCK])
@pytest.mark.parametrize("written", [SECRET, "".join(f"\\u{ord(char):04x}" for char in SECRET)])
def test_no_character_of_a_secret_in_arguments_leaks_at_any_cut(
    acting: Acting, mode: Literal["hold", "window"], action: Action, written: str
) -> None:
    arguments = f'{{"0": ["{written}"]}}'
    for first in range(len(arguments) + 1):
        events: list[StreamEvent] = [
            ToolCallStarted(choice=0, index=0, id="1", name="2"),
            ToolCallDelta(choice=0, index=0, arguments=arguments[:first]),
            ToolCallDelta(choice=0, index=0, arguments=arguments[first:]),
            END,
        ]
        left = everything(told(Guard(None, acting(action, mode)), *events))
        assert left == ("" if action is Action.BLOCK else f'{{"0":["{GONE}"]}}')


# any stream

choices = st.integers(0, 2)
names = st.sampled_from(["send", "look", RESERVED_TOOL])
arguments = st.sampled_from(['{"a":"b"}', '{"a":', f'"{SECRET}"}}', f'{{"{SECRET}":1}}', "", "{}"])
steps = st.lists(
    st.one_of(
        st.builds(TextDelta, choice=choices, text=texts),
        st.builds(ReasoningDelta, choice=choices, text=texts),
        st.builds(RefusalDelta, choice=choices, text=texts),
        st.builds(ToolCallStarted, choice=choices, index=st.integers(0, 2), id=st.just("c"), name=names),
        st.builds(ToolCallDelta, choice=choices, index=st.integers(0, 2), arguments=arguments),
    ),
    max_size=25,
)


@pytest.mark.parametrize("mode", ["hold", "window"])
@given(
    action=st.sampled_from([Action.REDACT, Action.BLOCK, Action.SCORE, Action.REQUIRE_APPROVAL]),
    stages=st.sets(st.sampled_from([Stage.OUTPUT, Stage.TOOL_CALL])),
    middle=steps,
)
def test_what_goes_on_is_always_a_valid_stream(
    acting: Acting, mode: Literal["hold", "window"], action: Action, stages: set[Stage], middle: list[StreamEvent]
) -> None:
    started = Started(id="r", model="m", created=1)
    ends = [Finish(choice=choice, reason="stop") for choice in range(3)]
    guard = Guard(None, acting(action, mode, stages=sorted(stages)))
    passed = told(guard, started, *middle, *ends)
    assert passed[0] == started
    assert passed.count(started) == 1
    open_calls: dict[int, int] = {}
    finished: set[int] = set()
    for event in passed[1:]:
        assert not isinstance(event, Started | UsageReport)
        choice = event.choice
        assert choice not in finished
        if isinstance(event, ToolCallStarted):
            assert event.name != RESERVED_TOOL
            assert event.index == open_calls.get(choice, 0)
            open_calls[choice] = event.index + 1
        elif isinstance(event, ToolCallDelta):
            assert event.index < open_calls.get(choice, 0)
        elif isinstance(event, Finish):
            finished.add(choice)
    assert finished == {0, 1, 2}
    assert guard.deadline is None
    if Stage.OUTPUT in stages:
        for choice, kind in product(range(3), [TextDelta, ReasoningDelta, RefusalDelta]):
            assert SECRET not in said([e for e in passed if isinstance(e, kind) and e.choice == choice])
    if Stage.TOOL_CALL in stages:
        assert not [e for e in passed if isinstance(e, ToolCallDelta) and SECRET in e.arguments]


@given(whole=texts, arguments=arguments, action=st.sampled_from([Action.REDACT, Action.BLOCK]))
def test_a_whole_answer_and_a_held_stream_say_the_same(
    acting: Acting, whole: str, arguments: str, action: Action
) -> None:
    call = ToolCall(id="c", name="send", arguments=arguments)
    came = Reply(
        id="",
        model="",
        created=0,
        choices=(Choice(index=0, text=whole, reasoning=whole, finish_reason="stop", tool_calls=(call,)),),
    )
    (passed,) = Guard(None, acting(action, "hold")).whole(came, NOW).choices
    events = told(
        Guard(None, acting(action, "hold")),
        ReasoningDelta(choice=0, text=whole),
        TextDelta(choice=0, text=whole),
        ToolCallStarted(choice=0, index=0, id="c", name="send"),
        ToolCallDelta(choice=0, index=0, arguments=arguments),
        END,
    )
    spoken = (passed.reasoning or "") + (passed.text or "") + "".join([c.arguments for c in passed.tool_calls])
    assert everything(events) == spoken
    assert events[-1] == Finish(choice=0, reason=passed.finish_reason)
