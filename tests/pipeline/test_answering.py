"""How an answer is driven through the guard: time, several choices, questions, what the event loop is spared."""

import asyncio
import threading
from collections.abc import AsyncGenerator, Callable, Sequence
from dataclasses import replace
from typing import Protocol

import pytest

from gateway.domain.approval import HeldReply
from gateway.domain.detection import Detections, Stage, Subject
from gateway.domain.evidence import Timeline
from gateway.domain.exchange import (
    ApprovalPending,
    Choice,
    Finish,
    Handling,
    Judged,
    Reply,
    ReplyEvent,
    StreamEvent,
    TextDelta,
    ToolCallDelta,
    ToolCallStarted,
)
from gateway.domain.identity import ANONYMOUS
from gateway.domain.jsonvalue import JsonObject, JsonValue
from gateway.domain.ports import Call
from gateway.domain.prompt import Data, History, Instruction, Prompt, Speaker, Tool, ToolCall, Trust, Turn
from gateway.domain.request import ClientRequest, Options
from gateway.domain.target import Endpoint, Layout, Target
from gateway.domain.verdict import Action, Weight
from gateway.pipeline.answer import PENDING, Answered, Answering, Held
from gateway.pipeline.apply import Applied
from gateway.pipeline.guard import WITHHELD, Watch
from gateway.pipeline.pseudonyms import Pseudonyms
from gateway.pipeline.run import LARGE
from gateway.pipeline.send import OpenedStream
from gateway.stores.untainted import UntaintedReplies
from policies.engine.model import Policy, Rule

SECRET = "sk-5ecret"
HANDLING = Handling(request_id="r", model="m", created=1, isolation="channel", format="plain", target="t")
APPROVED = "tool.name == 'pay'"


class Approvals(Protocol):
    held: list[HeldReply]

    async def hold(self, held: HeldReply) -> None: ...


class Looking(Protocol):
    seen: list[Subject]


def prompt(*, history: str = "", text: str = "Do.", data: str | None = None, tools: Sequence[str] = ()) -> Prompt:
    said = [Instruction(id="s1", origin="user", text=text, trust=Trust.USER)]
    turns = [Turn(speaker=Speaker.USER, segments=tuple(said))]
    if history:
        turns.append(Turn(speaker=Speaker.ASSISTANT, segments=(History(id="h", text=history),)))
    if data is not None:
        turns.append(Turn(speaker=Speaker.INPUT, segments=(Data(id="d", origin="mail", text=data),)))
    return Prompt(turns=tuple(turns), tools=tuple([Tool(name=name, description=None, parameters={}) for name in tools]))


Answers = Callable[..., Answering]


@pytest.fixture
def answering(approvals: Approvals) -> Answers:
    """How an answer under ``guarding`` comes; ``lifted`` is the request as it came, ``sent`` as it was sent."""

    def make(
        guarding: Watch, *, lifted: Prompt | None = None, sent: Prompt | None = None, choices: int = 1
    ) -> Answering:
        options = Options(values={"n": choices})
        before = lifted or prompt(tools=["pay"])
        return Answering(
            request=ClientRequest(dialect="openai_chat", model="m", messages=(), options=options),
            caller=ANONYMOUS,
            lifted=before,
            applied=Applied(prompt=sent or before, options=options),
            policies=guarding.applicable,
            facts={"tainted": False},
            scanner=guarding.scanner,
            untainted=UntaintedReplies(lambda: 0.0),
            approvals=approvals,
            now=lambda: 100.0,
            timeline=Timeline(),
        )

    return make


@pytest.fixture
def upstream_call(a_target: Callable[..., Target]) -> Call:
    layout = Layout(format="plain", endpoint=Endpoint.CHAT, body={}, isolation=None)
    return Call(id="r", target=a_target(), layout=layout, options=Options())


async def streamed(answering: Answering, call: Call, events: Sequence[StreamEvent]) -> list[ReplyEvent]:
    async def rest() -> AsyncGenerator[Sequence[StreamEvent], None]:
        for event in events[1:]:
            yield (event,)

    outcome = answering.stream(OpenedStream(first=(events[0],), rest=rest()), call, HANDLING)
    return [event async for together in outcome.events for event in together]


async def whole(answering: Answering, call: Call, *choices: Choice) -> Answered | Held:
    return await answering.whole(Reply(id="r", model="m", created=1, choices=choices), call, HANDLING)


def said(*pieces: str, choice: int = 0) -> list[StreamEvent]:
    return [*[TextDelta(choice=choice, text=piece) for piece in pieces], Finish(choice=choice, reason="stop")]


def called(name: str, choice: int = 0) -> list[StreamEvent]:
    return [
        ToolCallStarted(choice=choice, index=0, id="c", name=name),
        ToolCallDelta(choice=choice, index=0, arguments="{}"),
        Finish(choice=choice, reason="tool_calls"),
    ]


def judged(events: Sequence[ReplyEvent]) -> str:
    last = events[-1]
    assert isinstance(last, Judged)
    return last.decision


def calls(index: int, name: str) -> Choice:
    call = ToolCall(id="c", name=name, arguments="{}")
    return Choice(index=index, text=None, finish_reason="tool_calls", tool_calls=(call,))


@pytest.fixture
def both(watch: Callable[..., Watch], rule: Callable[..., Rule]) -> Watch:
    """Blocks secrets, and asks an approver about payments."""
    return watch(
        rule(action=Action.BLOCK), rule(Stage.TOOL_CALL, Action.REQUIRE_APPROVAL, APPROVED, "A"), max_hold_ms=60_000
    )


# several choices


@pytest.mark.parametrize("watched", [True, False])
async def test_whoever_counts_hears_all_that_came_once_though_rules_hold_it(
    answering: Answers, upstream_call: Call, watch: Callable[..., Watch], rule: Callable[..., Rule], *, watched: bool
) -> None:
    first, *others = said("a", "b")

    async def rest() -> AsyncGenerator[Sequence[StreamEvent], None]:
        yield others[:1]
        yield others[1:]

    heard: list[StreamEvent] = []
    opened = OpenedStream(first=(first,), rest=rest(), hearing=heard.extend)
    guarding = watch(rule(Stage.OUTPUT, Action.BLOCK)) if watched else watch()
    outcome = answering(guarding).stream(opened, upstream_call, HANDLING)
    assert (outcome.handling.decision == PENDING) is watched
    _ = [event async for together in outcome.events for event in together]
    assert heard == others


@pytest.mark.parametrize("blocked", [0, 1])
async def test_no_choice_waits_for_an_approver_where_another_is_blocked(
    answering: Answers, both: Watch, upstream_call: Call, approvals: Approvals, blocked: int
) -> None:
    other = 1 - blocked
    choices = [calls(other, "pay"), Choice(index=blocked, text=SECRET, finish_reason="stop")]
    told = await whole(answering(both, choices=2), upstream_call, *sorted(choices, key=lambda one: one.index))
    assert isinstance(told, Answered)
    assert told.handling.decision == "block"
    approved, refused = called("pay", other), said(SECRET, choice=blocked)
    for order in ([*approved, *refused], [*refused, *approved]):
        events = await streamed(answering(both, choices=2), upstream_call, order)
        assert {event.choice: event.reason for event in events if isinstance(event, Finish)} == {
            0: WITHHELD,
            1: WITHHELD,
        }
        assert not any(isinstance(event, ApprovalPending) for event in events)
        assert judged(events) == "block"
    assert approvals.held == []


@pytest.mark.parametrize("first", [0, 1])
async def test_choices_wait_for_an_approver_together(
    answering: Answers, both: Watch, upstream_call: Call, approvals: Approvals, first: int
) -> None:
    order = [called("pay"), said("fine", choice=1)]
    events = await streamed(answering(both, choices=2), upstream_call, [*order[first], *order[1 - first]])
    assert judged(events) == "require_approval"
    (pending,) = [event for event in events if isinstance(event, ApprovalPending)]
    assert (pending.choice, pending.tools) == (0, ("pay",))
    assert events[events.index(pending) + 1] == Finish(choice=0, reason=WITHHELD)
    told = await whole(
        answering(both, choices=2), upstream_call, calls(0, "pay"), Choice(index=1, text="fine", finish_reason="stop")
    )
    assert isinstance(told, Held)
    assert approvals.held[0].reply.choices == approvals.held[1].reply.choices


async def test_a_name_that_nobody_offered_is_told_to_the_approver_alone(
    answering: Answers, both: Watch, upstream_call: Call, approvals: Approvals
) -> None:
    told = await whole(answering(both, lifted=prompt()), upstream_call, calls(0, "pay"))
    assert isinstance(told, Held)
    assert told.pending.tools == ("tool_call",)
    assert [finding.where for finding in told.handling.findings] == ["tool_call"]
    assert approvals.held[0].approval.tools == ("tool_call",)
    assert approvals.held[0].approval.calls[0].name == "pay"


# time


class Ticks:
    """A clock that goes on by so much each time that it is looked at."""

    def __init__(self, step: float) -> None:
        self.now = 0.0
        self.step = step

    def __call__(self) -> float:
        self.now += self.step
        return self.now


@pytest.mark.parametrize("step", [0.1, 0.11, 0.13, 0.17, 0.19])
async def test_an_upstream_that_never_lets_go_of_the_loop_runs_out_of_time(
    answering: Answers, watch: Callable[..., Watch], rule: Callable[..., Rule], upstream_call: Call, step: float
) -> None:
    events = [*said(*["a"] * 50)[:-1], *said("b")]
    slowly = replace(answering(watch(rule())), ticks=Ticks(step))
    passed = await streamed(slowly, upstream_call, events)
    assert passed[0] == Finish(choice=0, reason=WITHHELD)
    assert judged(passed) == "block"
    quickly = replace(answering(watch(rule())), ticks=Ticks(0.001))
    assert judged(await streamed(quickly, upstream_call, events)) == "allow"


async def test_a_clock_that_is_set_back_holds_nothing_longer(
    answering: Answers, watch: Callable[..., Watch], rule: Callable[..., Rule], upstream_call: Call
) -> None:
    backwards = Ticks(-3_600.0)
    slowly = replace(answering(watch(rule())), ticks=Ticks(0.1), now=backwards)
    assert judged(await streamed(slowly, upstream_call, said(*["a"] * 50))) == "block"


async def test_an_upstream_that_says_nothing_more_is_cut_off_with_all_its_choices(
    answering: Answers, watch: Callable[..., Watch], rule: Callable[..., Rule], upstream_call: Call
) -> None:
    async def rest() -> AsyncGenerator[Sequence[StreamEvent], None]:
        yield (TextDelta(choice=1, text="b"),)
        await asyncio.sleep(60)

    guarded = answering(watch(rule(Stage.TOOL_CALL), max_hold_ms=20), choices=2)
    first = ToolCallStarted(choice=0, index=0, id="c", name="pay")
    outcome = guarded.stream(OpenedStream(first=(first,), rest=rest()), upstream_call, HANDLING)
    events = [event async for together in outcome.events for event in together]
    assert events[0] == TextDelta(choice=1, text="b")
    assert {event.choice for event in events if isinstance(event, Finish)} == {0, 1}
    assert judged(events) == "block"


class Never:
    """A scanner whose service does not answer."""

    def scan(self, subject: Subject, wanted: frozenset[str]) -> Detections:
        del subject, wanted
        return {}

    def asks(self, wanted: frozenset[str]) -> bool:
        return bool(wanted)

    async def ask(self, subjects: Sequence[Subject], wanted: frozenset[str]) -> Sequence[Detections]:
        del subjects, wanted
        await asyncio.sleep(60)
        raise AssertionError


async def test_a_service_that_does_not_answer_blocks_in_time_whole_and_streamed(
    answering: Answers, watch: Callable[..., Watch], rule: Callable[..., Rule], upstream_call: Call
) -> None:
    guarding = watch(rule(when="det.slow.found"), scanner=Never(), max_hold_ms=20)
    assert judged(await streamed(answering(guarding), upstream_call, said("a"))) == "block"
    told = await whole(answering(guarding), upstream_call, Choice(index=0, text="a", finish_reason="stop"))
    assert isinstance(told, Answered)
    assert (told.handling.decision, told.reply.choices[0].text) == ("block", None)


class Broken(Never):
    async def ask(self, subjects: Sequence[Subject], wanted: frozenset[str]) -> Sequence[Detections]:
        del subjects, wanted
        raise TimeoutError


async def test_a_time_out_that_is_not_policys_is_not_taken_for_one(
    answering: Answers, watch: Callable[..., Watch], rule: Callable[..., Rule], upstream_call: Call
) -> None:
    for weight, pieces in ((Weight.SHADOW, ["a"]), (Weight.ACTS, [])):
        guarding = watch(rule(when="det.slow.found"), weight=weight, scanner=Broken())
        with pytest.raises(TimeoutError):
            await streamed(answering(guarding), upstream_call, said(*pieces))


async def test_a_question_of_a_policy_that_watches_is_asked_when_all_else_is_done(
    answering: Answers,
    watch: Callable[..., Watch],
    rule: Callable[..., Rule],
    policy: Callable[..., Policy],
    upstream_call: Call,
) -> None:
    watching = policy(rule(when="det.slow.found", action=Action.BLOCK, name="S"), name="s", max_hold_ms=1)
    guarding = watch(rule(), others=[watching])
    events = await streamed(answering(guarding), upstream_call, said("slowly"))
    assert events[:-1] == said("slowly")
    last = events[-1]
    assert isinstance(last, Judged)
    assert [(finding.rule, finding.weight) for finding in last.findings] == [("S", Weight.SHADOW)]
    told = await whole(answering(guarding), upstream_call, Choice(index=0, text="slowly", finish_reason="stop"))
    assert told.handling.findings == last.findings


# taint


@pytest.mark.parametrize(("data", "tainted"), [(None, False), ("lowered by policy", True)])
async def test_history_with_placeholders_in_it_taints_nothing(
    answering: Answers,
    watch: Callable[..., Watch],
    rule: Callable[..., Rule],
    upstream_call: Call,
    data: str | None,
    *,
    tainted: bool,
) -> None:
    guarding = watch(rule(Stage.TOOL_CALL, Action.BLOCK, "tainted", "T"))
    sent = prompt(history="Mail <EMAIL_1>, done", data=data, tools=["pay"])
    known = answering(guarding, lifted=prompt(history="Mail jo@acme.example, done", tools=["pay"]), sent=sent)
    told = await whole(known, upstream_call, calls(0, "pay"))
    assert told.handling.decision == ("block" if tainted else "allow")
    assert known.untainted.knows("local", ("", "", "", "pay", "{}")) is not tainted


# the event loop


class Threads(Never):
    """Remembers in which threads it looked at long texts."""

    def __init__(self) -> None:
        self.used: set[int] = set()

    def scan(self, subject: Subject, wanted: frozenset[str]) -> Detections:
        del wanted
        if len(subject.text) > LARGE:
            self.used.add(threading.get_ident())
        return {}

    def asks(self, wanted: frozenset[str]) -> bool:
        return "slow" in wanted

    async def ask(self, subjects: Sequence[Subject], wanted: frozenset[str]) -> Sequence[Detections]:
        del wanted
        found: Detections = {}
        return [found] * len(subjects)


@pytest.mark.parametrize("when", ["det.secrets.found", "det.slow.found || det.secrets.found"])
async def test_long_texts_and_arguments_are_looked_at_beside_the_event_loop(
    answering: Answers, watch: Callable[..., Watch], rule: Callable[..., Rule], upstream_call: Call, when: str
) -> None:
    scanner = Threads()
    long = "<KEY_1>" + "x" * LARGE
    guarding = watch(rule(when=when), rule(Stage.TOOL_CALL, when=when, name="C"), scanner=scanner, mode="window")
    arguments = ToolCallDelta(choice=0, index=0, arguments=f'{{"a":"{long}"}}')
    start, _, end = called("pay")
    assert judged(await streamed(answering(guarding), upstream_call, [start, arguments, end])) == "allow"
    assert judged(await streamed(answering(guarding), upstream_call, said(long))) == "allow"
    # Values come back once the questions are answered: then all of it is looked at again.
    pseudonyms = Pseudonyms()
    pseudonyms.placeholder("key", "jo")
    plain = answering(guarding)
    restoring = replace(plain, applied=replace(plain.applied, pseudonyms=pseudonyms))
    assert "jo" in str(await streamed(restoring, upstream_call, said(long)))
    assert scanner.used
    assert threading.get_ident() not in scanner.used


async def test_a_call_is_looked_for_in_a_long_prompt_beside_the_event_loop(
    answering: Answers, watch: Callable[..., Watch], rule: Callable[..., Rule], upstream_call: Call
) -> None:
    used: list[int] = []

    class Noting(Threads):
        def scan(self, subject: Subject, wanted: frozenset[str]) -> Detections:
            del subject, wanted
            used.append(threading.get_ident())
            return {}

    guarding = watch(rule(Stage.TOOL_CALL), scanner=Noting())
    long = prompt(text="x" * (LARGE + 1), data="d", tools=["pay"])
    await streamed(answering(guarding, lifted=long), upstream_call, called("pay"))
    await whole(answering(guarding, lifted=long), upstream_call, calls(0, "pay"))
    assert len(used) == 2
    assert threading.get_ident() not in used


@pytest.mark.parametrize(
    ("asked", "schema"),
    [
        ({"type": "json_schema", "json_schema": {"schema": {"type": "array"}}}, {"type": "array"}),
        ({"type": "json_schema", "json_schema": {"schema": {}}}, None),
        ({"type": "json_schema", "json_schema": None}, None),
        ({"type": "text"}, None),
        ("text", None),
    ],
)
async def test_a_text_is_looked_at_with_the_schema_that_the_request_asks_for(
    answering: Answers,
    watch: Callable[..., Watch],
    rule: Callable[..., Rule],
    scanner_of: Callable[[], Looking],
    upstream_call: Call,
    asked: JsonValue,
    schema: JsonObject | None,
) -> None:
    scanner = scanner_of()
    made = answering(watch(rule(), scanner=scanner))
    asking = replace(made.request, options=Options(values={"response_format": asked}))
    await whole(replace(made, request=asking), upstream_call, Choice(index=0, text="[]", finish_reason="stop"))
    assert [subject.schema for subject in scanner.seen] == [schema]
