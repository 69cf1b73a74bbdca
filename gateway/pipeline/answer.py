"""How does the model's answer come through the guard to the client?

Drives the sans-I/O guard: feeds it what the upstream sends, asks the detectors that it has questions for, keeps its
deadline, and puts what an approver has to see in front of one. Whole answers and streams end in the same verdict.
"""

import asyncio
import math
import secrets
from collections.abc import AsyncGenerator, Callable, Iterable, Sequence
from contextlib import aclosing
from dataclasses import replace
from itertools import groupby
from typing import Final

from gateway.domain.approval import Approval, HeldReply
from gateway.domain.detection import Detections, Facts, Stage, Subject
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
)
from gateway.domain.finding import finding_of
from gateway.domain.identity import Caller
from gateway.domain.jsonvalue import JsonObject, JsonValue
from gateway.domain.ports import Approvals, Call, Scanner, Untainted
from gateway.domain.prompt import Prompt
from gateway.domain.request import ClientRequest, Options
from gateway.domain.value import value
from gateway.domain.verdict import Block, Redact, RequireApproval, Verdict, Weight, decision_of
from gateway.pipeline.admit import request_digest
from gateway.pipeline.apply import Applied
from gateway.pipeline.guard import Guard, GuardEvent, Watch
from gateway.pipeline.run import runner_for
from gateway.pipeline.send import OpenedStream
from gateway.pipeline.taint import TAINT_FACTS, Grounds, exact_content, is_tainted
from gateway.pipeline.transcript import Transcript
from policies.engine.applicable import Applicable

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
    """An answer that is still coming; ``events`` raises ``UpstreamError`` where it breaks off."""

    events: AsyncGenerator[ReplyEvent, None]
    handling: Handling


@value
class Held:
    """An answer that waits for an approver."""

    pending: ApprovalPending
    handling: Handling


@value
class Answering:
    """All that judging one answer takes. ``lifted`` is the request as it came, ``applied`` as it was sent."""

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

    async def whole(self, reply: Reply, call: Call, handling: Handling) -> Answered | Held:
        """Bring a whole answer to its end.

        Raises:
            ApprovalsUnavailable: it needs an approver, and cannot be kept for one.
        """
        guard = Guard(call.layout.datamark, self._watch())
        run = runner_for(_size(reply))
        cleared = await run(lambda: guard.whole(reply, self.now()))
        while questions := guard.questions:
            guard.answer(await self._ask(questions), self.now())
            cleared = guard.reply
        verdict = guard.verdict
        told = _told(handling, verdict)
        if isinstance(verdict, RequireApproval) and (withheld := guard.withheld) is not None:
            return Held(pending=await self._hold(withheld, verdict, told), handling=told)
        self._remember(cleared.choices)
        return Answered(reply=cleared, handling=told)

    def stream(self, opened: OpenedStream, call: Call, handling: Handling) -> Streaming:
        """Begin to bring a stream to its end."""
        watch = self._watch()
        guard = Guard(call.layout.datamark, watch)
        if not watch.stands and not self._minds_taint:
            return Streaming(events=_unwatched(opened, guard, self.now), handling=handling)
        begun = replace(handling, decision=PENDING) if watch.stands else handling
        return Streaming(events=self._watched(opened, guard, handling), handling=begun)

    async def _watched(
        self, opened: OpenedStream, guard: Guard, handling: Handling
    ) -> AsyncGenerator[ReplyEvent, None]:
        waiting: list[Finish] = []
        transcript = Transcript()
        async for event in self._cleared(opened, guard):
            if isinstance(event, ApprovalRequired):
                waiting.append(Finish(choice=event.choice, reason=""))
            elif isinstance(event, Finish) and any(held.choice == event.choice for held in waiting):
                waiting = [event if held.choice == event.choice else held for held in waiting]
            else:
                transcript.take(event)
                yield event
        for event in await self._approval_events(waiting, guard, handling):
            yield event
        if not waiting:
            self._remember(transcript.choices)
        told = _told(handling, guard.verdict)
        yield Judged(decision=told.decision, findings=told.findings[len(handling.findings) :])

    async def _cleared(self, opened: OpenedStream, guard: Guard) -> AsyncGenerator[GuardEvent, None]:
        """What the guard lets through of the upstream's events, until there is nothing more to wait for."""
        size = 0
        async with aclosing(opened.rest) as rest:
            event: StreamEvent | None = opened.first
            while event is not None:
                size += len(event.text) if isinstance(event, TextDelta | ReasoningDelta | RefusalDelta) else 0
                for cleared in await self._fed(guard, event, size):
                    yield cleared
                if guard.over:
                    return
                try:
                    async with asyncio.timeout(self._left(guard)):
                        event = await anext(rest, None)
                except TimeoutError:
                    for cleared in guard.expire(math.inf):
                        yield cleared
                    return

    async def _fed(self, guard: Guard, event: StreamEvent, size: int) -> Sequence[GuardEvent]:
        """Feed one event; a choice's end, where all of it is judged, beside the event loop if it is large."""
        run = runner_for(size if isinstance(event, Finish) else 0)
        cleared = list(await run(lambda: guard.feed(event, self.now())))
        while questions := guard.questions:
            cleared += guard.answer(await self._ask(questions), self.now())
        return cleared

    def _left(self, guard: Guard) -> float | None:
        """Seconds for which what is held may still be held."""
        return None if guard.deadline is None else max(0.0, guard.deadline - self.now())

    async def _approval_events(
        self, waiting: Sequence[Finish], guard: Guard, handling: Handling
    ) -> Sequence[ReplyEvent]:
        if not waiting or guard.withheld is None:
            return ()
        pending = await self._hold(guard.withheld, guard.verdict, _told(handling, guard.verdict))
        return [event for finish in waiting for event in (replace(pending, choice=finish.choice), finish)]

    async def _hold(self, reply: Reply, verdict: Verdict, handling: Handling) -> ApprovalPending:
        created = self.now()
        approval = Approval(
            id=secrets.token_urlsafe(16),
            tenant=self.caller.tenant,
            key=self.caller.key,
            dialect=self.request.dialect,
            model=self.request.model,
            request_digest=request_digest(self.request),
            calls=tuple([call for choice in reply.choices for call in choice.tool_calls]),
            rules=tuple(dict.fromkeys([h.rule for h in verdict.found.hits if h.weight is Weight.ACTS])),
            revision=self.policies.revision,
            created=created,
            expires=created + APPROVAL_S,
        )
        await self.approvals.hold(HeldReply(approval=approval, reply=reply, handling=handling))
        tools = tuple([call.name for call in approval.calls])
        return ApprovalPending(approval=approval.id, expires=approval.expires, tools=tools)

    async def _ask(self, questions: Sequence[Subject]) -> Sequence[Detections]:
        """One answer for each question, in their order; those of one stage are asked together."""
        numbered = sorted(enumerate(questions), key=lambda pair: pair[1].stage)
        answers: dict[int, Detections] = {}
        for stage, group in groupby(numbered, key=lambda pair: pair[1].stage):
            asked = list(group)
            seen = await self.scanner.ask([subject for _, subject in asked], self.policies.wanted(Stage(stage)))
            answers |= {number: one for (number, _), one in zip(asked, seen, strict=True)}
        return [answers[number] for number in range(len(questions))]

    def _watch(self) -> Watch:
        policies = self.policies
        tainted = bool(self.facts["tainted"]) or is_tainted(self.applied.prompt, self.caller.tenant, self.untainted)
        calls = policies.guards(Stage.TOOL_CALL)
        grounds = Grounds.of((self.lifted, self.applied.prompt) if calls else (), policies, tainted=tainted)
        return Watch(
            applicable=policies,
            scanner=self.scanner,
            facts={**self.facts, "tainted": tainted},
            call_facts=grounds.facts,
            canary=self.applied.canary,
            schema=_output_schema(self.request.options),
            pseudonyms=self.applied.pseudonyms,
            choices=_choices(self.request.options),
        )

    @property
    def _minds_taint(self) -> bool:
        return not self.facts["tainted"] and self.policies.reads(TAINT_FACTS)

    def _remember(self, choices: Iterable[Choice]) -> None:
        """Put answers to an untainted request on the list of those."""
        if not self._minds_taint or is_tainted(self.applied.prompt, self.caller.tenant, self.untainted):
            return
        for choice in choices:
            content = exact_content(choice.text, choice.refusal, choice.reasoning, choice.tool_calls)
            self.untainted.remember(self.caller.tenant, content)


async def _unwatched(opened: OpenedStream, guard: Guard, now: Callable[[], float]) -> AsyncGenerator[ReplyEvent, None]:
    """An answer that no rule looks at."""
    async with aclosing(opened.rest) as rest:
        for event in guard.feed(opened.first, now()):
            if not isinstance(event, ApprovalRequired):
                yield event
        async for came in rest:
            for event in guard.feed(came, now()):
                if not isinstance(event, ApprovalRequired):
                    yield event


def _told(handling: Handling, verdict: Verdict) -> Handling:
    """The handling with what policy made of the answer; the stricter of the two decisions stands."""
    found = tuple([finding_of(hit) for hit in verdict.found.hits])
    if not found and not isinstance(verdict, Redact):
        return handling
    stricter = isinstance(verdict, Block | RequireApproval) or handling.decision == "allow"
    decision = decision_of(verdict) if stricter else handling.decision
    return replace(handling, decision=decision, findings=(*handling.findings, *found))


def _size(reply: Reply) -> int:
    texts = [text for c in reply.choices for text in (c.text, c.refusal, c.reasoning) if text is not None]
    return sum(map(len, texts)) + sum([len(call.arguments) for c in reply.choices for call in c.tool_calls])


def _choices(options: Options) -> int:
    count = options.values.get("n")
    return count if isinstance(count, int) and count > 0 else 1


def _output_schema(options: Options) -> JsonObject | None:
    """The JSON schema that the request itself asks the answer to match, in OpenAI's words."""
    asked = _object(options.values.get("response_format"))
    return _object(_object((asked or {}).get("json_schema") or {}).get("schema")) or None


def _object(held: JsonValue) -> JsonObject:
    return held if isinstance(held, dict) else {}
