"""What is kept of the looks at an answer, and what does the guard tell of them?"""

from collections.abc import Callable
from dataclasses import replace

import pytest

from gateway.domain.detection import Detection, Detections, Scanned, Stage, Subject
from gateway.domain.exchange import Choice, Finish, Reply, TextDelta
from gateway.domain.prompt import ToolCall
from gateway.domain.verdict import Action, Weight
from gateway.pipeline.guard import Guard, Watch
from gateway.pipeline.seen import MOST_LOOKS, Looks, Seen
from policies.engine.model import Rule

FOUND: Detections = {"a": Detection(facts={"det.a.found": True})}
SECRET = "sk-5ecret"


def scanned(where: str = "output", detections: Detections | None = None, stage: Stage = Stage.OUTPUT) -> Scanned:
    subject = Subject(stage=stage, where=where, text="planted", facts={"tainted": True})
    return Scanned(subject=subject, detections=detections or {})


def test_quiet_looks_count_once_and_keep_no_text() -> None:
    looks = Looks()
    for _ in range(3):
        looks.take(scanned())
    assert looks.texts == {"output": [({"tainted": True}, {}, False, ())]}
    assert looks.quiet
    assert "planted" not in repr(looks.texts)


def test_what_was_seen_is_kept_beside_a_look_that_was_quiet() -> None:
    looks = Looks()
    for detections in (None, FOUND, None, FOUND):
        looks.take(scanned(detections=detections))
    assert [one[1] for one in looks.texts["output"]] == [{}, FOUND]
    assert not looks.quiet


def test_calls_and_texts_of_one_name_are_kept_apart() -> None:
    looks = Looks()
    looks.take(scanned())
    looks.take(scanned(stage=Stage.TOOL_CALL))
    assert (list(looks.texts), list(looks.calls), looks.quiet) == (["output"], ["output"], False)


def test_a_second_look_after_values_came_back_is_another_one() -> None:
    looks = Looks()
    looks.take(scanned())
    looks.take(scanned(), again=True, restored=((0, 3),))
    assert [one[2:] for one in looks.texts["output"]] == [(False, ()), (True, ((0, 3),))]


def test_beyond_a_number_of_looks_only_that_there_were_more_is_kept() -> None:
    looks = Looks()
    for number in range(MOST_LOOKS + 1):
        looks.take(scanned(detections={"a": Detection(facts={"det.a.count": number})}))
    assert len(looks.texts["output"]) == MOST_LOOKS
    assert looks.crowded


@pytest.fixture
def guard(watch: Callable[..., Watch], rule: Callable[..., Rule]) -> Callable[..., tuple[Guard, Seen]]:
    """A guard that tells what it sees; one rule acts on text, one only watches calls."""

    def make(action: Action = Action.BLOCK, **given: object) -> tuple[Guard, Seen]:
        seen = Seen()
        rules = (rule(action=action), rule(stage=Stage.TOOL_CALL, action=Action.BLOCK, name="R2", mode="shadow"))
        return Guard(None, replace(watch(*rules, **given), seen=seen)), seen

    return make


def test_both_kinds_of_rules_tell_what_they_looked_at(guard: Callable[..., tuple[Guard, Seen]]) -> None:
    made, seen = guard()
    call = ToolCall(id="c", name="send", arguments=f'{{"to": "{SECRET}"}}')
    reply = Reply(
        id="r", model="m", created=1,
        choices=(Choice(index=0, text="fine", finish_reason="stop", tool_calls=(call,)),),
    )  # fmt: skip
    made.whole(reply, 0.0)
    acting, watching = seen.acting[0], seen.watching[0]
    assert ([one[1] for one in acting.texts["output"]], acting.calls) == ([{}], {})
    assert list(watching.calls["send"][0][1]) == ["secrets"]
    assert acting.whole
    assert watching.whole


def test_a_stream_that_is_blocked_on_its_way_was_not_seen_whole(guard: Callable[..., tuple[Guard, Seen]]) -> None:
    made, seen = guard(mode="window", window=16)
    made.feed(TextDelta(choice=0, text=f"{SECRET}{'x' * 64}"), 0.0)
    assert [one[1] for one in seen.acting[0].texts["output"]] != [{}]
    assert not seen.acting[0].whole
    made.feed(Finish(choice=0, reason="stop"), 0.0)
    assert not seen.acting[0].whole


def test_nothing_is_kept_where_nobody_asked(watch: Callable[..., Watch], rule: Callable[..., Rule]) -> None:
    for side in (watch(rule()).acting, watch(rule(), weight=Weight.SHADOW).watching):
        assert side is not None
        assert side.looks_at(0) is None


def test_rules_of_a_kind_that_there_are_none_of_have_no_watch(
    watch: Callable[..., Watch], rule: Callable[..., Rule]
) -> None:
    assert watch(rule()).watching is None
    assert watch(rule(), weight=Weight.SHADOW).acting is None
