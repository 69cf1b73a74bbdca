"""How does the model's answer come through the guard to the client?

Drives the sans-I/O guard: feeds it what the upstream sends, asks the detectors that it has questions for, keeps its
deadline, and puts what an approver has to see in front of one. Whole answers and streams end in the same verdict.
"""

import secrets
import time
from collections.abc import AsyncGenerator, Callable, Iterable, Sequence
from dataclasses import replace
from functools import partial
from typing import Final

from gateway.domain.approval import Approval, HeldReply
from gateway.domain.detection import Facts
from gateway.domain.evidence import Timeline
from gateway.domain.exchange import (
    ApprovalPending,
    ApprovalRequired,
    Choice,
    Finish,
    Handling,
    Judged,
    Reply,
    ReplyEvent,
    StreamEvent,
    TextDelta,
)
from gateway.domain.finding import finding_of
from gateway.domain.identity import Caller
from gateway.domain.jsonvalue import JsonObject, JsonValue
from gateway.domain.ports import Approvals, Call, Scanner, Untainted
from gateway.domain.prompt import Prompt, ToolCall
from gateway.domain.request import ClientRequest
from gateway.domain.value import value
from gateway.domain.verdict import Block, Redact, RequireApproval, Verdict, Weight, decision_of
from gateway.pipeline._calls import UNOFFERED
from gateway.pipeline._plain import Plain
from gateway.pipeline.admit import request_digest
from gateway.pipeline.apply import Applied
from gateway.pipeline.asking import Asking
from gateway.pipeline.flow import Flow
from gateway.pipeline.guard import WITHHELD, Guard, GuardEvent, Watch
from gateway.pipeline.run import at_once, runner_for
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


@value
class Answered:
    """A whole answer, and what was done for it."""

    reply: Reply
    handling: Handling


@value
class Streaming:
    """An answer that is still coming: ``events`` are those that go on together.

    It raises ``UpstreamError`` where the answer breaks off.
    """

    events: AsyncGenerator[Sequence[ReplyEvent], None]
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
        run = runner_for(self._size(reply))
        # Most answers are short and ask nobody: nothing is waited for, so nothing need be there to wait with.
        if run is at_once:
            cleared = guard.whole(reply, self.ticks())
        else:
            cleared = await run(lambda: guard.whole(reply, self.ticks()))
        if guard.acts and guard.questions:
            await self._asking.answered(guard, run)
            cleared = await run(lambda: guard.reply)
        if guard.late_questions:
            await self._asking.answered_late(guard, run)
        self.timeline.held = time.perf_counter_ns() - self.timeline.last
        verdict = guard.verdict
        told = handling if verdict is CLEAR else _told(handling, verdict)
        if guard.acts and (withheld := guard.withheld) is not None:
            return Held(pending=await self._hold(withheld, verdict, told), handling=told, reply=withheld)
        if self._minds_taint:
            self._remember(cleared.choices)
        return Answered(reply=cleared, handling=told)

    def stream(self, opened: OpenedStream, call: Call, handling: Handling) -> Streaming:
        """Begin to bring a stream to its end."""
        watch = self._watch()
        if not watch.stands and not self._minds_taint:
            return Streaming(events=self._unwatched(opened, Plain.of(call.layout.datamark)), handling=handling)
        guard = Guard(call.layout.datamark, watch)
        begun = replace(handling, decision=PENDING) if watch.stands else handling
        return Streaming(events=self._watched(opened, guard, handling), handling=begun)

    def _watched(
        self, opened: OpenedStream, guard: Guard, handling: Handling
    ) -> AsyncGenerator[Sequence[ReplyEvent], None]:
        # How the choices end that need an approver: what became of the others is known at the end.
        waiting: dict[int, Finish] = {}
        transcript = Transcript() if self._minds_taint else None

        def noting(cleared: Sequence[GuardEvent], into: Transcript) -> Sequence[ReplyEvent]:
            passed = _passed(cleared, waiting)
            into.take(passed)
            return passed

        async def ending() -> AsyncGenerator[Sequence[ReplyEvent], None]:
            if ends := await self._ends(tuple(waiting.values()), guard, handling):
                yield ends
            if transcript is not None and guard.withheld is None:
                self._remember(transcript.choices)
            told = _told(handling, guard.verdict)
            yield (Judged(decision=told.decision, findings=told.findings[len(handling.findings) :]),)

        passing = partial(_passed, waiting=waiting) if transcript is None else partial(noting, into=transcript)
        flow = Flow(guard, self._asking, self.timeline, self._grounds_size, passing=passing, ending=ending)
        return flow.events(opened)

    async def _unwatched(self, opened: OpenedStream, plain: Plain) -> AsyncGenerator[Sequence[ReplyEvent], None]:
        """An answer that no rule looks at."""
        async with opened as rest:
            came: Sequence[StreamEvent] | None = opened.first
            while came is not None:
                self.timeline.scanned += len(came)
                passed: list[ReplyEvent] = []
                for one in came:
                    passed += plain.feed(one)
                if passed:
                    yield passed
                came = await anext(rest, None)
                if opened.hearing is not None and came is not None:
                    opened.hearing(came)
        self.timeline.last = time.perf_counter_ns()

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

    @property
    def _asking(self) -> Asking:
        return Asking(policies=self.policies, scanner=self.scanner, ticks=self.ticks)

    def _watch(self) -> Watch:
        tainted = self._tainted
        options = self.request.options.values
        return Watch(
            applicable=self.policies,
            scanner=self.scanner,
            facts={**self.facts, "tainted": tainted},
            call_facts=CallGrounds((self.lifted, self.applied.prompt), self.policies, tainted=tainted),
            canary=self.applied.canary,
            schema=_output_schema(options) if "response_format" in options else None,
            pseudonyms=self.applied.pseudonyms,
            choices=_choices(options) if "n" in options else 1,
            epoch=self.now() - self.ticks(),
            seen=self.seen,
        )

    @property
    def _tainted(self) -> bool:
        """Whether data stands in the context: what came as such, and what policy lowered to it.

        Not asked of the prompt as it was sent: nobody knows history with placeholders in it.
        """
        return bool(self.facts["tainted"]) or bool(self.applied.prompt.data)

    def _size(self, reply: Reply) -> int:
        """How much there is to judge in a whole answer."""
        size = grounds = 0
        for choice in reply.choices:
            for said in (choice.text, choice.refusal, choice.reasoning):
                size += len(said) if said else 0
            for call in choice.tool_calls:
                size += len(call.arguments)
                grounds = grounds or self._grounds_size
        return size + grounds

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
        for choice in choices:
            content = exact_content(choice.text, choice.refusal, choice.reasoning, choice.tool_calls, choice.seals)
            self.untainted.remember(self.caller.tenant, content)


def _passed(events: Sequence[GuardEvent], waiting: dict[int, Finish]) -> Sequence[ReplyEvent]:
    """The events that go on; how a choice ends that needs an approver is put down in ``waiting``."""
    if len(events) == 1 and isinstance(only := events[0], TextDelta):
        # Nearly all there are.
        return (only,)
    passed: list[ReplyEvent] = []
    for event in events:
        if isinstance(event, ApprovalRequired):
            waiting[event.choice] = Finish(choice=event.choice, reason=WITHHELD)
        elif not (waiting and isinstance(event, Finish) and event.choice in waiting):
            passed.append(event)
    return passed


def _told(handling: Handling, verdict: Verdict) -> Handling:
    """The handling with what policy made of the answer; the stricter of the two decisions stands."""
    found = tuple([finding_of(hit) for hit in verdict.found.hits])
    if not found and not isinstance(verdict, Redact):
        return handling
    stricter = isinstance(verdict, (Block, RequireApproval)) or handling.decision == "allow"
    decision = decision_of(verdict) if stricter else handling.decision
    return replace(handling, decision=decision, findings=(*handling.findings, *found))


def _choices(options: JsonObject) -> int:
    count = options["n"]
    return count if isinstance(count, int) and count > 0 else 1


def _output_schema(options: JsonObject) -> JsonObject | None:
    """The JSON schema that the request itself asks the answer to match, in OpenAI's words."""
    asked = _object(options["response_format"])
    return _object(_object(asked.get("json_schema")).get("schema")) or None


def _object(held: JsonValue) -> JsonObject:
    return held if isinstance(held, dict) else {}
