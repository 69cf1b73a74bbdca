"""How does the model's answer come through the guard to the client?

Drives the sans-I/O guard: feeds it what the upstream sends, asks the detectors that it has questions for, keeps its
deadline, and puts what an approver has to see in front of one. Whole answers and streams end in the same verdict.
"""

import asyncio
import secrets
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Sequence
from contextlib import aclosing
from dataclasses import replace
from functools import partial
from itertools import groupby
from typing import Final, TypeVar

from gateway.domain.approval import Approval, HeldReply
from gateway.domain.detection import Detections, Facts, Stage, Subject
from gateway.domain.evidence import Timeline
from gateway.domain.exchange import (
    ApprovalPending,
    ApprovalRequired,
    Choice,
    Finish,
    Handling,
    Judged,
    ReasoningDelta,
    RefusalDelta,
    Reply,
    ReplyEvent,
    StreamEvent,
    TextDelta,
    ToolCallDelta,
    ToolCallStarted,
)
from gateway.domain.finding import finding_of
from gateway.domain.identity import Caller
from gateway.domain.jsonvalue import JsonObject, JsonValue
from gateway.domain.ports import Approvals, Call, Scanner, Untainted
from gateway.domain.prompt import Prompt, ToolCall
from gateway.domain.request import ClientRequest, Options
from gateway.domain.value import value
from gateway.domain.verdict import Block, Redact, RequireApproval, Verdict, Weight, decision_of
from gateway.pipeline._calls import UNOFFERED
from gateway.pipeline.admit import request_digest
from gateway.pipeline.apply import Applied
from gateway.pipeline.guard import WITHHELD, Guard, GuardEvent, Watch
from gateway.pipeline.run import Run, at_once, runner_for
from gateway.pipeline.seen import Seen
from gateway.pipeline.send import OpenedStream
from gateway.pipeline.taint import TAINT_FACTS, CallGrounds, exact_content
from gateway.pipeline.transcript import Transcript
from policies.engine.applicable import Applicable
from policies.engine.evaluate import CLEAR

# Seconds for which an answer waits for an approver.
APPROVAL_S: Final = 3600.0
# Said in place of a verdict while an answer is still being judged.
PENDING: Final = "pending"

_Done = TypeVar("_Done")


@value
class Answered:
    """A whole answer, and what was done for it."""

    reply: Reply
    handling: Handling


@value
class Streaming:
    """An answer that is still coming; ``events`` raises ``UpstreamError`` where it breaks off."""

    events: AsyncGenerator[ReplyEvent, None]
    handling: Handling


@value
class Held:
    """An answer that waits for an approver; ``reply`` is what waits."""

    pending: ApprovalPending
    handling: Handling
    reply: Reply


@value
class Answering:
    """All that judging one answer takes. ``lifted`` is the request as it came, ``applied`` as it was sent.

    ``now`` gives seconds since the epoch; ``ticks`` seconds by a clock that nobody sets, for how long a text is held.
    """

    request: ClientRequest
    caller: Caller
    lifted: Prompt
    applied: Applied
    policies: Applicable
    facts: Facts
    scanner: Scanner
    untainted: Untainted
    approvals: Approvals
    now: Callable[[], float]
    timeline: Timeline
    ticks: Callable[[], float] = time.monotonic
    seen: Seen | None = None

    async def whole(self, reply: Reply, call: Call, handling: Handling) -> Answered | Held:
        """Bring a whole answer to its end.

        Raises:
            ApprovalsUnavailable: it needs an approver, and cannot be kept for one.
        """
        guard = Guard(call.layout.datamark, self._watch())
        run = runner_for(_size(reply) + (self._grounds_size if _calls(reply) else 0))
        # Most answers are short and ask nobody: nothing is waited for, so nothing need be there to wait with.
        if run is at_once:
            cleared = guard.whole(reply, self.ticks())
        else:
            cleared = await run(lambda: guard.whole(reply, self.ticks()))
        if guard.questions:
            await self._answered(guard, run)
            cleared = await run(lambda: guard.reply)
        if guard.late_questions:
            await self._answered_late(guard, run)
        self.timeline.held = time.perf_counter_ns() - self.timeline.last
        told = _told(handling, guard.verdict)
        if (withheld := guard.withheld) is not None:
            return Held(pending=await self._hold(withheld, guard.verdict, told), handling=told, reply=withheld)
        self._remember(cleared.choices)
        return Answered(reply=cleared, handling=told)

    def stream(self, opened: OpenedStream, call: Call, handling: Handling) -> Streaming:
        """Begin to bring a stream to its end."""
        watch = self._watch()
        guard = Guard(call.layout.datamark, watch)
        if not watch.stands and not self._minds_taint:
            return Streaming(events=self._unwatched(opened, guard), handling=handling)
        begun = replace(handling, decision=PENDING) if watch.stands else handling
        return Streaming(events=self._watched(opened, guard, handling), handling=begun)

    async def _watched(
        self, opened: OpenedStream, guard: Guard, handling: Handling
    ) -> AsyncGenerator[ReplyEvent, None]:
        # How the choices end that need an approver: what became of the others is known at the end.
        waiting: dict[int, Finish] = {}
        transcript = Transcript()
        remembers = self._minds_taint
        async with aclosing(self._cleared(opened, guard)) as events:
            async for event in events:
                if isinstance(event, ApprovalRequired):
                    waiting[event.choice] = Finish(choice=event.choice, reason=WITHHELD)
                elif not (isinstance(event, Finish) and event.choice in waiting):
                    if remembers:
                        transcript.take(event)
                    yield event
        for event in await self._ends(tuple(waiting.values()), guard, handling):
            yield event
        if guard.withheld is None:
            self._remember(transcript.choices)
        told = _told(handling, guard.verdict)
        yield Judged(decision=told.decision, findings=told.findings[len(handling.findings) :])

    async def _unwatched(self, opened: OpenedStream, guard: Guard) -> AsyncGenerator[ReplyEvent, None]:
        """An answer that no rule looks at."""
        async with opened as rest:
            event: StreamEvent | None = opened.first
            while event is not None:
                self.timeline.scanned += 1
                for cleared in guard.feed(event, self.ticks()):
                    if not isinstance(cleared, ApprovalRequired):
                        yield cleared
                event = await anext(rest, None)
        self.timeline.last = time.perf_counter_ns()

    async def _cleared(self, opened: OpenedStream, guard: Guard) -> AsyncGenerator[GuardEvent, None]:
        """What the guard lets through of the upstream's events, until there is nothing more to wait for."""
        size, since = 0, 0
        async with opened as rest:
            event: StreamEvent | None = opened.first
            while event is not None:
                size += self._weight(event)
                self.timeline.scanned += 1
                fed = await self._fed(guard, event, size)
                since = self._held_since(since, event, fed)
                for cleared in fed:
                    yield cleared
                deadline = guard.deadline
                if deadline is not None and deadline <= self.ticks():
                    # An upstream that never lets go of the event loop is not waited for either.
                    for cleared in guard.expire(deadline):
                        yield cleared
                if guard.over:
                    self.timeline.truncated = True
                    break
                try:
                    event = await self._in_time(anext(rest, None), guard.deadline)
                except TimeoutError:
                    for cleared in guard.cut_off():
                        yield cleared
                    self.timeline.truncated = True
                    break
        self.timeline.last = time.perf_counter_ns()
        await self._answered_late(guard, runner_for(size))

    async def _fed(self, guard: Guard, event: StreamEvent, size: int) -> Sequence[GuardEvent]:
        """Feed one event; beside the event loop if what is judged with it is large: at a choice's end, all of it."""
        judged = size if isinstance(event, Finish) else self._weight(event)
        cleared = list(await runner_for(judged)(lambda: guard.feed(event, self.ticks())))
        return [*cleared, *await self._answered(guard, runner_for(size))]

    def _held_since(self, since: int, event: StreamEvent, cleared: Sequence[GuardEvent]) -> int:
        """Since when something is held back; the longest time that anything was is kept. Nanoseconds, 0 for nothing."""
        now = time.perf_counter_ns()
        if since and cleared:
            self.timeline.held = max(self.timeline.held, now - since)
        if cleared:
            return 0
        return since or (now if self._weight(event) else 0)

    def _weight(self, event: StreamEvent) -> int:
        """How much there is to judge because of an event."""
        match event:
            case TextDelta() | ReasoningDelta() | RefusalDelta():
                return len(event.text)
            case ToolCallDelta():
                return len(event.arguments)
            case ToolCallStarted():
                return self._grounds_size
            case _:
                return 0

    async def _answered(self, guard: Guard, run: Run) -> list[GuardEvent]:
        """What may go on once all that has to be asked is answered; questions that take too long are dropped."""
        cleared: list[GuardEvent] = []
        while questions := guard.questions:
            deadline = guard.deadline
            try:
                answers = await self._in_time(self._ask(questions, self.policies.acting), deadline)
            except TimeoutError:
                if deadline is None:
                    raise
                cleared += guard.expire(deadline)
            else:
                cleared += await run(partial(guard.answer, answers, self.ticks()))
        return cleared

    async def _answered_late(self, guard: Guard, run: Run) -> None:
        """Ask for the rules that only watch: nothing waits for it but what is told of them."""
        while questions := guard.late_questions:
            answers = await self._ask(questions, self.policies.watching)
            await run(partial(guard.answer_late, answers, self.ticks()))

    async def _in_time(self, work: Awaitable[_Done], deadline: float | None) -> _Done:
        """Wait for ``work``, but not beyond ``deadline``.

        Raises:
            TimeoutError: it took longer.
        """
        if deadline is None:
            return await work
        async with asyncio.timeout(max(0.0, deadline - self.ticks())):
            return await work

    async def _ends(self, waiting: Sequence[Finish], guard: Guard, handling: Handling) -> Sequence[ReplyEvent]:
        """How the choices end that need an approver: without one, where another choice is blocked."""
        withheld = guard.withheld
        if withheld is None:
            return waiting
        pending = await self._hold(withheld, guard.verdict, _told(handling, guard.verdict))
        return [event for finish in waiting for event in (replace(pending, choice=finish.choice), finish)]

    async def _hold(self, reply: Reply, verdict: Verdict, handling: Handling) -> ApprovalPending:
        created = self.now()
        calls = tuple([call for choice in reply.choices for call in choice.tool_calls])
        approval = Approval(
            id=secrets.token_urlsafe(16),
            tenant=self.caller.tenant,
            key=self.caller.key,
            dialect=self.request.dialect,
            model=self.request.model,
            request_digest=request_digest(self.request),
            calls=calls,
            tools=self._tools(calls),
            rules=tuple(dict.fromkeys([h.rule for h in verdict.found.hits if h.weight is Weight.ACTS])),
            revision=self.policies.revision,
            created=created,
            expires=created + APPROVAL_S,
        )
        await self.approvals.hold(HeldReply(approval=approval, reply=reply, handling=handling))
        return ApprovalPending(approval=approval.id, expires=approval.expires, tools=approval.tools)

    def _tools(self, calls: Sequence[ToolCall]) -> tuple[str, ...]:
        """What may be told of the calls: the names of tools that were offered; any other is the model's own text."""
        offered = {tool.name for prompt in (self.lifted, self.applied.prompt) for tool in prompt.tools}
        return tuple([call.name if call.name in offered else UNOFFERED for call in calls])

    async def _ask(self, questions: Sequence[Subject], policies: Applicable) -> Sequence[Detections]:
        """One answer for each question, in their order; those of one stage are asked together."""
        numbered = sorted(enumerate(questions), key=lambda pair: pair[1].stage)
        answers: dict[int, Detections] = {}
        for stage, group in groupby(numbered, key=lambda pair: pair[1].stage):
            asked = list(group)
            seen = await self.scanner.ask([subject for _, subject in asked], policies.wanted(Stage(stage)))
            answers |= {number: one for (number, _), one in zip(asked, seen, strict=True)}
        return [answers[number] for number in range(len(questions))]

    def _watch(self) -> Watch:
        tainted = self._tainted
        return Watch(
            applicable=self.policies,
            scanner=self.scanner,
            facts={**self.facts, "tainted": tainted},
            call_facts=CallGrounds((self.lifted, self.applied.prompt), self.policies, tainted=tainted),
            canary=self.applied.canary,
            schema=_output_schema(self.request.options),
            pseudonyms=self.applied.pseudonyms,
            choices=_choices(self.request.options),
            epoch=self.now() - self.ticks(),
            seen=self.seen,
        )

    @property
    def _tainted(self) -> bool:
        """Whether data stands in the context: what came as such, and what policy lowered to it.

        Not asked of the prompt as it was sent: nobody knows history with placeholders in it.
        """
        return bool(self.facts["tainted"]) or bool(self.applied.prompt.data)

    @property
    def _grounds_size(self) -> int:
        """How much text there is to look for a call's values in."""
        if not self._tainted:
            return 0
        return sum([len(one.text) for prompt in (self.lifted, self.applied.prompt) for one in prompt.instructions])

    @property
    def _minds_taint(self) -> bool:
        return not self._tainted and self.policies.reads(TAINT_FACTS)

    def _remember(self, choices: Iterable[Choice]) -> None:
        """Put answers to an untainted request on the list of those."""
        if not self._minds_taint:
            return
        for choice in choices:
            content = exact_content(choice.text, choice.refusal, choice.reasoning, choice.tool_calls, choice.seals)
            self.untainted.remember(self.caller.tenant, content)


def _told(handling: Handling, verdict: Verdict) -> Handling:
    """The handling with what policy made of the answer; the stricter of the two decisions stands."""
    if verdict is CLEAR:
        return handling
    found = tuple([finding_of(hit) for hit in verdict.found.hits])
    if not found and not isinstance(verdict, Redact):
        return handling
    stricter = isinstance(verdict, Block | RequireApproval) or handling.decision == "allow"
    decision = decision_of(verdict) if stricter else handling.decision
    return replace(handling, decision=decision, findings=(*handling.findings, *found))


def _size(reply: Reply) -> int:
    size = 0
    for choice in reply.choices:
        size += len(choice.text or "") + len(choice.refusal or "") + len(choice.reasoning or "")
        for call in choice.tool_calls:
            size += len(call.arguments)
    return size


def _calls(reply: Reply) -> bool:
    return any(choice.tool_calls for choice in reply.choices)


def _choices(options: Options) -> int:
    count = options.values.get("n")
    return count if isinstance(count, int) and count > 0 else 1


def _output_schema(options: Options) -> JsonObject | None:
    """The JSON schema that the request itself asks the answer to match, in OpenAI's words."""
    asked = options.values.get("response_format")
    if not isinstance(asked, dict):
        return None
    return _object(_object(asked.get("json_schema") or {}).get("schema")) or None


def _object(held: JsonValue) -> JsonObject:
    return held if isinstance(held, dict) else {}
