"""What of a stream arrives together goes on together, and waits for nothing that it does not need."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence

import pytest

from gateway.domain.detection import Detections, Stage, Subject
from gateway.domain.evidence import Timeline
from gateway.domain.exchange import (
    ApprovalRequired,
    Finish,
    ReplyEvent,
    StreamEvent,
    TextDelta,
    ToolCallDelta,
    ToolCallStarted,
    UsageReport,
)
from gateway.domain.verdict import Action
from gateway.pipeline.asking import Asking
from gateway.pipeline.flow import Flow
from gateway.pipeline.guard import WITHHELD, Guard, GuardEvent, Watch
from gateway.pipeline.run import LARGE
from gateway.pipeline.send import OpenedStream
from policies.engine.model import Rule

SECRET = "sk-5ecret"
HELLO = TextDelta(choice=0, text="hello")
CALL = (ToolCallStarted(choice=0, index=0, id="c", name="pay"), ToolCallDelta(choice=0, index=0, arguments="{}"))
END = Finish(choice=0, reason="stop")

Passed = Callable[..., AsyncGenerator[Sequence[ReplyEvent], None]]


def plainly(cleared: Sequence[GuardEvent]) -> Sequence[ReplyEvent]:
    """What goes on where nothing needs an approver."""
    return [event for event in cleared if not isinstance(event, ApprovalRequired)]


async def nothing() -> AsyncGenerator[Sequence[ReplyEvent], None]:
    """No words at the end."""
    for event in ():
        yield event


class Service:
    """A scanner whose service answers once it is let."""

    def __init__(self) -> None:
        self.lets = asyncio.Event()

    def scan(self, subject: Subject, wanted: frozenset[str]) -> Detections:
        del subject, wanted
        return {}

    def asks(self, wanted: frozenset[str]) -> bool:
        return bool(wanted)

    async def ask(self, subjects: Sequence[Subject], wanted: frozenset[str]) -> Sequence[Detections]:
        del wanted
        await self.lets.wait()
        quiet: Detections = {}
        return [quiet for _ in subjects]


@pytest.fixture
def timeline() -> Timeline:
    return Timeline()


@pytest.fixture
def passed(timeline: Timeline) -> Passed:
    """What goes on of a stream that came in these reads."""

    def make(watch: Watch, *reads: Sequence[StreamEvent]) -> AsyncGenerator[Sequence[ReplyEvent], None]:
        async def rest() -> AsyncGenerator[Sequence[StreamEvent], None]:
            for read in reads[1:]:
                yield read

        asking = Asking(policies=watch.applicable, scanner=watch.scanner, ticks=lambda: 0.0)
        flow = Flow(Guard(None, watch), asking, timeline, 0, passing=plainly, ending=nothing)
        return flow.events(OpenedStream(first=reads[0], rest=rest()))

    return make


async def test_what_arrived_together_goes_on_together(
    passed: Passed, watch: Callable[..., Watch], rule: Callable[..., Rule], timeline: Timeline
) -> None:
    watched = watch(rule(Stage.TOOL_CALL))
    reads = ((HELLO, HELLO), (HELLO,), (HELLO, END))
    assert [tuple(events) async for events in passed(watched, *reads)] == list(reads)
    assert timeline.scanned == 5


async def test_words_do_not_wait_for_an_answer_that_only_a_call_beside_them_needs(
    passed: Passed, watch: Callable[..., Watch], rule: Callable[..., Rule]
) -> None:
    service = Service()
    flowing = passed(watch(rule(Stage.TOOL_CALL, when="det.slow.found"), scanner=service), (HELLO, *CALL, END, HELLO))
    assert list(await anext(flowing)) == [HELLO]
    service.lets.set()
    assert [event async for events in flowing for event in events] == [*CALL, END]


async def test_words_do_not_wait_for_what_is_judged_beside_the_event_loop(
    passed: Passed, watch: Callable[..., Watch], rule: Callable[..., Rule]
) -> None:
    large = TextDelta(choice=0, text="x" * (LARGE + 1))
    flowing = passed(watch(rule(Stage.TOOL_CALL)), (HELLO, large, END))
    assert list(await anext(flowing)) == [HELLO]
    assert [event async for events in flowing for event in events] == [large, END]


async def test_nothing_is_read_behind_what_blocks_an_answer(
    passed: Passed, watch: Callable[..., Watch], rule: Callable[..., Rule], timeline: Timeline
) -> None:
    found = TextDelta(choice=0, text=f"{SECRET}{'x' * 64}")
    blocking = watch(rule(Stage.OUTPUT, Action.BLOCK), mode="window", window=16)
    events = [event async for events in passed(blocking, (found, HELLO, END), (HELLO,)) for event in events]
    assert events == [Finish(choice=0, reason=WITHHELD)]
    assert (timeline.scanned, timeline.truncated) == (1, True)


async def test_how_long_something_was_held_is_told(
    passed: Passed, watch: Callable[..., Watch], rule: Callable[..., Rule], timeline: Timeline
) -> None:
    events = [event async for events in passed(watch(rule()), (HELLO,), (END,)) for event in events]
    assert events == [HELLO, END]
    assert timeline.held > 0


@pytest.mark.parametrize("size", [5, LARGE + 1])
async def test_nothing_overtakes_what_waits_for_an_answer(
    passed: Passed, watch: Callable[..., Watch], rule: Callable[..., Rule], size: int
) -> None:
    service, words = Service(), TextDelta(choice=0, text="x" * size)
    asking = watch(rule(Stage.OUTPUT, Action.BLOCK, "det.slow.found"), scanner=service)
    flowing = passed(asking, (words, END, UsageReport(usage=None)))
    service.lets.set()
    events = [event async for events in flowing for event in events]
    assert events == [words, END, UsageReport(usage=None)]
