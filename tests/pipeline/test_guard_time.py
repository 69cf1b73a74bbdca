"""What is held runs out of time by whatever comes next: an event, an answer, or nothing."""

from collections.abc import Callable, Sequence
from typing import Protocol

from gateway.domain.detection import Detections, Subject
from gateway.domain.exchange import Choice, Finish, Reply, TextDelta
from gateway.domain.verdict import Action
from gateway.pipeline.guard import WITHHELD, Guard, Watch
from policies.engine.model import Rule

NOW = 1_000.0
LATE = NOW + 2
END = Finish(choice=0, reason="stop")
REFUSED = Finish(choice=0, reason=WITHHELD)


class Scanner(Protocol):
    def answers(self, subjects: Sequence[Subject]) -> list[Detections]: ...


def slow(watch: Callable[..., Watch], rule: Callable[..., Rule], scanner: Scanner) -> Guard:
    return Guard(None, watch(rule(when="det.slow.found", action=Action.BLOCK), scanner=scanner))


def test_an_end_that_comes_too_late_releases_nothing(watch: Callable[..., Watch], rule: Callable[..., Rule]) -> None:
    guard = Guard(None, watch(rule()))
    guard.feed(TextDelta(choice=0, text="a"), NOW)
    assert guard.feed(END, LATE) == (REFUSED,)
    assert [hit.rule for hit in guard.verdict.found.hits] == ["max_hold_ms"]
    assert guard.feed(END, LATE) == ()


def test_an_end_in_time_releases_what_was_held(watch: Callable[..., Watch], rule: Callable[..., Rule]) -> None:
    guard = Guard(None, watch(rule()))
    guard.feed(TextDelta(choice=0, text="a"), NOW)
    assert guard.feed(END, LATE - 0.001) == (TextDelta(choice=0, text="a"), END)


def test_an_answer_that_comes_too_late_releases_nothing(
    watch: Callable[..., Watch], rule: Callable[..., Rule], scanner_of: Callable[..., Scanner]
) -> None:
    for at, passed in ((LATE, (REFUSED,)), (LATE - 0.001, (TextDelta(choice=0, text="a"), END))):
        scanner = scanner_of()
        guard = slow(watch, rule, scanner)
        guard.feed(TextDelta(choice=0, text="a"), NOW)
        guard.feed(END, NOW)
        assert guard.answer(scanner.answers(guard.questions), at) == passed


def test_a_whole_answer_waits_no_longer_for_its_questions(
    watch: Callable[..., Watch], rule: Callable[..., Rule], scanner_of: Callable[..., Scanner]
) -> None:
    guard = slow(watch, rule, scanner_of())
    came = Choice(index=0, text="a", finish_reason="stop")
    guard.whole(Reply(id="", model="", created=0, choices=(came,)), NOW)
    assert guard.deadline == LATE
    guard.expire(LATE)
    assert guard.reply.choices == (Choice(index=0, text=None, finish_reason=WITHHELD),)


def test_without_policies_nothing_is_asked_late() -> None:
    guard = Guard(None)
    guard.answer_late([], NOW)
    assert guard.late_questions == ()


def test_only_choices_that_have_not_ended_are_cut_off(watch: Callable[..., Watch], rule: Callable[..., Rule]) -> None:
    guard = Guard(None, watch(rule()))
    guard.feed(TextDelta(choice=0, text="a"), NOW)
    guard.feed(END, NOW)
    guard.feed(TextDelta(choice=1, text="b"), NOW)
    assert guard.cut_off() == (Finish(choice=1, reason=WITHHELD),)
    assert guard.cut_off() == ()


def test_only_choices_that_have_not_ended_have_deadlines_and_questions(
    watch: Callable[..., Watch], rule: Callable[..., Rule], scanner_of: Callable[..., Scanner]
) -> None:
    scanner = scanner_of()
    guard = slow(watch, rule, scanner)
    for number in range(4):
        guard.feed(TextDelta(choice=number, text="a"), NOW + number / 8)
    assert guard.deadline == LATE
    guard.feed(END, NOW + 0.5)
    guard.feed(Finish(choice=2, reason="stop"), NOW + 0.5)
    assert [subject.where for subject in guard.questions] == ["output", "output:2"]
    released = guard.answer(scanner.answers(guard.questions), NOW + 0.5)
    assert [event.choice for event in released if isinstance(event, Finish)] == [0, 2]
    assert (guard.questions, guard.deadline) == ((), LATE + 1 / 8)
    assert guard.expire(LATE + 1 / 8) == (Finish(choice=1, reason=WITHHELD),)
    assert guard.deadline == LATE + 3 / 8
    assert guard.cut_off() == (Finish(choice=3, reason=WITHHELD),)
    assert (guard.deadline, guard.cut_off(), guard.expire(LATE * 2)) == (None, (), ())
