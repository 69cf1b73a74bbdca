"""How questions about an answer are asked, and for how long their answers are waited for."""

import asyncio
from collections.abc import Callable, Sequence

import pytest

from gateway.domain.detection import Detection, Detections, Stage, Subject
from gateway.domain.exchange import Finish, TextDelta
from gateway.domain.verdict import Action, Weight
from gateway.pipeline.asking import Asking
from gateway.pipeline.guard import WITHHELD, Guard, Watch
from gateway.pipeline.run import at_once
from policies.engine.model import Rule

HELLO = TextDelta(choice=0, text="hello")
END = Finish(choice=0, reason="stop")
BLOCKED = Finish(choice=0, reason=WITHHELD)
SLOW = "det.slow.found"


class Service:
    """A scanner whose service ``finds``, fails, or takes long."""

    def __init__(self, *, finds: bool = False, fails: bool = False, seconds: float = 0.0) -> None:
        self.asked: list[list[str]] = []
        self._finds = finds
        self._fails = fails
        self._seconds = seconds

    def scan(self, subject: Subject, wanted: frozenset[str]) -> Detections:
        del subject, wanted
        return {}

    def asks(self, wanted: frozenset[str]) -> bool:
        return bool(wanted)

    async def ask(self, subjects: Sequence[Subject], wanted: frozenset[str]) -> Sequence[Detections]:
        del wanted
        self.asked.append([subject.where for subject in subjects])
        await asyncio.sleep(self._seconds)
        if self._fails:
            raise TimeoutError
        seen: Detections = {"slow": Detection(facts={SLOW: True})} if self._finds else {}
        return [seen for _ in subjects]


def fed(watch: Watch, *, at: float = 0.0) -> tuple[Guard, Asking]:
    guard = Guard(None, watch)
    for event in (HELLO, END):
        guard.feed(event, 0.0)
    return guard, Asking(policies=watch.applicable, scanner=watch.scanner, ticks=lambda: at)


@pytest.mark.parametrize("finds", [False, True])
async def test_what_is_held_goes_on_or_ends_by_the_answer(
    watch: Callable[..., Watch], rule: Callable[..., Rule], *, finds: bool
) -> None:
    service = Service(finds=finds)
    guard, asking = fed(watch(rule(Stage.OUTPUT, Action.BLOCK, SLOW), scanner=service))
    assert await asking.answered(guard, at_once) == ([BLOCKED] if finds else [HELLO, END])
    assert service.asked == [["output"]]


async def test_an_answer_that_takes_longer_than_policy_lets_it_blocks(
    watch: Callable[..., Watch], rule: Callable[..., Rule]
) -> None:
    slow = watch(rule(Stage.OUTPUT, Action.BLOCK, SLOW), scanner=Service(seconds=60), max_hold_ms=20)
    guard, asking = fed(slow)
    assert await asking.answered(guard, at_once) == [BLOCKED]


async def test_a_question_that_only_watches_is_asked_late_and_changes_nothing(
    watch: Callable[..., Watch], rule: Callable[..., Rule]
) -> None:
    service = Service(finds=True)
    watching = watch(rule(Stage.OUTPUT, Action.BLOCK, SLOW), scanner=service, weight=Weight.SHADOW)
    guard, asking = fed(watching)
    assert (guard.questions, await asking.answered(guard, at_once)) == ((), [])
    await asking.answered_late(guard, at_once)
    assert [hit.weight for hit in guard.verdict.found.hits] == [Weight.SHADOW]
    assert service.asked == [["output"]]


async def test_a_services_own_time_out_is_none_of_policys(
    watch: Callable[..., Watch], rule: Callable[..., Rule]
) -> None:
    guard, asking = fed(
        watch(rule(Stage.OUTPUT, Action.BLOCK, SLOW), scanner=Service(fails=True), weight=Weight.SHADOW)
    )
    with pytest.raises(TimeoutError):
        await asking.answered_late(guard, at_once)


async def test_work_without_a_deadline_is_waited_for(watch: Callable[..., Watch], rule: Callable[..., Rule]) -> None:
    _, asking = fed(watch(rule()), at=1.0)
    assert await asking.in_time(asyncio.sleep(0, "done"), None) == "done"
    assert await asking.in_time(asyncio.sleep(0, "done"), 2.0) == "done"
    with pytest.raises(TimeoutError):
        await asking.in_time(asyncio.sleep(60), 0.5)
