"""Whatever is decided of a whole answer is decided of the same answer as a stream, however it is cut and mixed."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import chain, zip_longest
from random import Random
from typing import Literal, Protocol

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.domain.detection import Detections, Stage, Subject
from gateway.domain.exchange import Choice, Finish, Reply, Started, StreamEvent, TextDelta, UsageReport
from gateway.domain.prompt import ToolCall
from gateway.domain.verdict import Action, decision_of
from gateway.pipeline.collect import events_of
from gateway.pipeline.guard import Guard, Watch
from gateway.pipeline.pseudonyms import Pseudonyms
from policies.engine.model import Policy, Rule


class Scanner(Protocol):
    def answers(self, subjects: Sequence[Subject]) -> list[Detections]: ...


NOW = 1_000.0
SECRET = "sk-5ecret"
words = st.lists(st.sampled_from([SECRET, "sk-5", "ecret", "a b", "é", "slowly", "<KEY_1>", "\u200b" * 9])).map("".join)
calls = st.builds(
    ToolCall,
    id=st.just("c"),
    name=st.sampled_from(["send", "pay", SECRET]),
    arguments=st.sampled_from(["{}", '{"a": "b"}', f'{{"a":"{SECRET}"}}', '{"a":1,"a":2}', f'{{"{SECRET}":1}}']),
)
choices = st.lists(
    st.builds(
        Choice,
        index=st.just(0),
        text=words,
        reasoning=st.none() | words,
        finish_reason=st.just("stop"),
        tool_calls=st.lists(calls, max_size=3).map(tuple),
    ),
    min_size=1,
    max_size=3,
).map(lambda made: tuple([replace(choice, index=number) for number, choice in enumerate(made)]))
actions = st.sampled_from([Action.REDACT, Action.BLOCK, Action.SCORE, Action.REQUIRE_APPROVAL])
asked = st.lists(
    st.tuples(
        st.sampled_from([Stage.OUTPUT, Stage.TOOL_CALL]),
        actions,
        st.sampled_from(["det.secrets.found", "det.slow.found", "tainted && det.secrets.found"]),
    ),
    max_size=4,
)


def cut(events: Sequence[StreamEvent], random: Random) -> list[StreamEvent]:
    """The same with its texts in pieces."""
    pieces: list[StreamEvent] = []
    for event in events:
        if isinstance(event, TextDelta) and event.text:
            at = random.randint(0, len(event.text))
            pieces += [replace(event, text=event.text[:at]), replace(event, text=event.text[at:])]
        else:
            pieces.append(event)
    return pieces


def mixed(reply: Reply, random: Random) -> list[StreamEvent]:
    """Its choices as events, each choice's in order."""
    told = [cut(list(events_of(choice, number)), random) for number, choice in enumerate(reply.choices)]
    random.shuffle(told)
    between = [event for event in chain.from_iterable(zip_longest(*told)) if event is not None]
    started = Started(id="r", model="m", created=1, extra=reply.extra)
    return [started, *between, UsageReport(usage=reply.usage)]


def reached(guard: Guard, answers: Callable[[Sequence[Subject]], list[Detections]]) -> list[object]:
    events: list[object] = []
    while guard.questions:
        events += guard.answer(answers(guard.questions), NOW)
    while guard.late_questions:
        guard.answer_late(answers(guard.late_questions), NOW)
    return events


def hits(guard: Guard) -> set[tuple[object, ...]]:
    return {(hit.policy, hit.rule, hit.stage, hit.where, hit.weight) for hit in guard.verdict.found.hits}


@pytest.mark.parametrize("mode", ["hold", "window"])
@given(came=choices, acting=asked, watching=asked, restores=st.booleans(), random=st.randoms(use_true_random=False))
def test_whole_and_streamed_are_alike(
    watch: Callable[..., Watch],
    rule: Callable[..., Rule],
    policy: Callable[..., Policy],
    scanner_of: Callable[[], Scanner],
    mode: Literal["hold", "window"],
    came: tuple[Choice, ...],
    acting: list[tuple[Stage, Action, str]],
    watching: list[tuple[Stage, Action, str]],
    random: Random,
    *,
    restores: bool,
) -> None:
    shadow = policy(*[rule(*one, f"S{number}") for number, one in enumerate(watching)], name="s")
    guarding = watch(*[rule(*one, f"R{number}") for number, one in enumerate(acting)], mode=mode, others=[shadow])
    pseudonyms = Pseudonyms()
    if restores:
        pseudonyms.placeholder("key", "jo")
    guarding = replace(guarding, choices=len(came), pseudonyms=pseudonyms)
    reply = Reply(id="r", model="m", created=1, choices=came, extra={"system_fingerprint": "fp"})
    answers = scanner_of().answers
    once, streamed = Guard(None, guarding), Guard(None, guarding)
    once.whole(reply, NOW)
    reached(once, answers)
    events: list[object] = []
    for event in mixed(reply, random):
        events += streamed.feed(event, NOW)
        events += reached(streamed, answers)
    assert decision_of(streamed.verdict) == decision_of(once.verdict)
    ends = {event.choice: event.reason for event in events if isinstance(event, Finish)}
    assert ends == {choice.index: choice.finish_reason for choice in once.reply.choices}
    assert (streamed.withheld is None) == (once.withheld is None)
    if streamed.withheld is not None and once.withheld is not None:
        assert [(c.text or "", c.tool_calls) for c in streamed.withheld.choices] == [
            (c.text or "", c.tool_calls) for c in once.withheld.choices
        ]
    if decision_of(once.verdict) != "block" or mode == "hold":
        assert hits(streamed) == hits(once)
    for choice in once.reply.choices:
        if ends[choice.index] == "stop":
            text = [event.text for event in events if isinstance(event, TextDelta) and event.choice == choice.index]
            assert "".join(text) == choice.text
