"""What is told of a copy is the same whether its choice came whole or as events, however those were cut."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Protocol

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.domain.detection import Detections, Stage, Subject
from gateway.domain.exchange import Choice, Finish, TextDelta, ToolCallStarted
from gateway.domain.jsonvalue import JsonObject
from gateway.domain.prompt import Seal, ToolCall
from gateway.domain.verdict import Action, Block, Weight
from gateway.pipeline._copies import Copies, Said
from gateway.pipeline._unmark import Unmark
from gateway.pipeline.collect import events_of
from gateway.pipeline.guard import Watch
from gateway.pipeline.pseudonyms import Pseudonyms
from gateway.pipeline.seen import Looks
from policies.engine.evaluate import CLEAR
from policies.engine.model import Rule

NOW = 1_000.0
SECRET = "sk-5ecret"
MARK = "\ue000"
words = st.none() | st.lists(st.sampled_from([SECRET, "a b", "é", "slowly", "<KEY_1>", MARK])).map("".join)
calls = st.builds(
    ToolCall,
    id=st.just("c"),
    name=st.sampled_from(["send", SECRET]),
    arguments=st.sampled_from(["", '{"a": "b"}', f'{{"a":"{SECRET}"}}', '{"a":1,"a":2}', '{"a": "<KEY_1>"}']),
)
choices = st.builds(
    Choice,
    index=st.just(0),
    text=words,
    reasoning=words,
    refusal=words,
    finish_reason=st.just("stop"),
    tool_calls=st.lists(calls, max_size=3).map(tuple),
    seals=st.sampled_from([(), (Seal(length=1, token="t"),)]),
)
asked = st.lists(
    st.tuples(
        st.sampled_from([Stage.OUTPUT, Stage.TOOL_CALL]),
        st.sampled_from([Action.REDACT, Action.BLOCK]),
        st.sampled_from(["det.secrets.found", "det.slow.found", "tainted"]),
    ),
    min_size=1,
    max_size=3,
)


class Scanner(Protocol):
    def answers(self, subjects: Sequence[Subject]) -> list[Detections]: ...


@pytest.fixture(scope="session")
def watching(watch: Callable[..., Watch], rule: Callable[..., Rule]) -> Callable[..., Watch]:
    """These rules, of which each only watches, and a place for what they look at."""

    def make(*rules: Rule) -> Watch:
        watching = watch(*(rules or (rule(),)), weight=Weight.SHADOW).watching
        assert watching is not None
        return replace(watching, looks={})

    return make


def told(copies: Copies, scanner: Scanner) -> object:
    """Everything that is told of a copy in the end, and what was asked on the way."""
    questions: list[Sequence[Subject]] = []
    while copies.questions:
        questions.append(copies.questions)
        copies.answer(scanner.answers(copies.questions), NOW)
    return questions, {number: copy.ledger.verdict for number, copy in copies.known.items()}


def looked(looks: dict[int, Looks] | None) -> object:
    assert looks is not None
    return {number: (one.texts, one.calls, one.quiet, one.whole) for number, one in looks.items()}


@given(came=st.lists(choices, max_size=2), rules=asked, marked=st.booleans(), restores=st.booleans())
def test_a_choice_that_came_whole_is_told_as_its_events_are(
    watching: Callable[..., Watch],
    rule: Callable[..., Rule],
    scanner_of: Callable[[], Scanner],
    came: list[Choice],
    rules: list[tuple[Stage, Action, str]],
    *,
    marked: bool,
    restores: bool,
) -> None:
    pseudonyms = Pseudonyms()
    if restores:
        pseudonyms.placeholder("key", "jo")
    under = replace(watching(*[rule(*one, f"S{number}") for number, one in enumerate(rules)]), pseudonyms=pseudonyms)
    sides = [replace(under, looks={}), replace(under, looks={})]
    once, piecemeal = [Copies(side, Unmark(MARK if marked else None)) for side in sides]
    once.whole(came, NOW)
    for number, choice in enumerate(came):
        for event in events_of(choice, number):
            if isinstance(event, TextDelta):
                for letter in event.text:
                    piecemeal.feed(replace(event, text=letter), NOW)
            else:
                piecemeal.feed(event, NOW)
    assert told(once, scanner_of()) == told(piecemeal, scanner_of())
    assert looked(sides[0].looks) == looked(sides[1].looks)


def test_words_beside_a_choice_are_looked_at(watching: Callable[..., Watch]) -> None:
    annotations: JsonObject = {"annotations": [SECRET]}
    copies = Copies(watching(), Unmark(None))
    copies.whole([Choice(index=0, text="a", finish_reason="stop", extra=annotations)], NOW)
    assert [hit.where for hit in copies.known[0].ledger.verdict.found.hits] == ["output.extra"]


def test_what_follows_the_end_of_a_choice_is_not_taken(watching: Callable[..., Watch]) -> None:
    copies = Copies(watching(), Unmark(None))
    for event in (Finish(choice=0, reason="stop"), TextDelta(choice=0, text=SECRET), Finish(choice=0, reason="stop")):
        copies.feed(event, NOW)
    assert copies.known[0].ledger.verdict is CLEAR


def test_a_call_that_begins_twice_is_refused(watching: Callable[..., Watch], rule: Callable[..., Rule]) -> None:
    under = watching(rule(Stage.TOOL_CALL))
    copies = Copies(under, Unmark(None))
    begins = ToolCallStarted(choice=0, index=0, id="c", name="send")
    for event in (begins, begins, Finish(choice=0, reason="stop")):
        copies.feed(event, NOW)
    verdict = copies.known[0].ledger.verdict
    assert isinstance(verdict, Block)
    assert [hit.rule for hit in verdict.found.hits] == ["garbled_calls"]


def test_there_has_to_be_one_answer_for_each_question(
    watching: Callable[..., Watch], rule: Callable[..., Rule]
) -> None:
    copies = Copies(watching(rule(when="det.slow.found")), Unmark(None))
    copies.whole([Choice(index=0, text="slowly", finish_reason="stop")], NOW)
    with pytest.raises(ValueError, match="0 answers do not fit 1 questions"):
        copies.answer([], NOW)


def test_a_text_that_was_said_can_be_edited_as_any_passage(watching: Callable[..., Watch]) -> None:
    said = Said("text", 1, "a secret")
    assert said.edit([(2, 8, "[gone]")])
    assert said.subject(watching()).text == "a [gone]"
