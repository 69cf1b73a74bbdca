"""How does one request leave evidence, from its first byte to its last?

A trail is begun for every request and ended once, whatever becomes of it: the journal gets an intent before each call
and an outcome before the caller gets the last byte, and observers get what was measured. Who is nobody's caller leaves
no record, but is counted.
"""

import asyncio
import contextlib
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from typing import Final, TypeAlias

from gateway.audit import facts, record
from gateway.audit._chain import Untellable
from gateway.audit._custody import Custody
from gateway.audit._told import Heard, Told
from gateway.audit._written import written
from gateway.audit.journal import Journal, Record
from gateway.audit.line import Value
from gateway.audit.mask import hides_names
from gateway.audit.subjects import SubjectKeys
from gateway.domain.drawn import drawn_digits
from gateway.domain.errors import AuditUnavailable, LimitReached
from gateway.domain.evidence import Attempt, Ended, Timeline
from gateway.domain.exchange import Handling
from gateway.domain.finding import Finding, finding_of
from gateway.domain.identity import Caller
from gateway.domain.operation import Operation
from gateway.domain.ports import Call, Observer
from gateway.domain.prompt import Prompt
from gateway.domain.request import ClientRequest, Options
from gateway.domain.target import Target
from gateway.domain.trace import Trace, trace_of
from gateway.domain.value import value
from gateway.domain.verdict import Block, RequireApproval, decision_of
from gateway.pipeline.run import LARGE, beside
from gateway.pipeline.seen import Seen
from gateway.pipeline.trail import Judgement

_Segments: TypeAlias = list[dict[str, Value]]

UNAUDITED: Final = "unaudited"
RETRIED: Final = "retried"
CLIENT_GONE: Final = "client_gone"
# What a status is called that nobody was told: as nginx calls it.
_NOBODY: Final = 499
# The attempt that makes a request one that was tried again.
_AGAIN: Final = 2


@value
class Recording:
    """Where records go. ``content`` says whether texts are kept beside the journal, encrypted."""

    journal: Journal
    keys: SubjectKeys
    content: bool = False


@value
class Evidence:
    """What all trails share. Without ``recording`` nothing is recorded, and replies say so.

    ``models`` are those configured. ``traceparent`` gives the header for the upstream calls of a trace, None where none
    is to be sent. ``closed`` are the facts whose words a record may hold.
    """

    recording: Recording | None
    observers: Sequence[Observer] = ()
    models: Collection[str] = ()
    traceparent: Callable[[Trace], str] | None = None
    closed: frozenset[str] = frozenset()

    def begin(self, dialect: str, traceparent: bytes | None, operation: Operation = Operation.CHAT) -> "RequestTrail":
        """The trail of a request that has just come."""
        for observer in self.observers:
            observer.began(dialect)
        return RequestTrail(self, dialect, trace_of(traceparent), operation)


class RequestTrail:
    """The evidence of one request: ``Trail`` for the pipeline, and what the door tells of the rest.

    ``notes`` are what the reply must say of how it was recorded, and that more than one call was made for it. ``seen``
    is where the guard tells what detectors see in the answer, None where nothing is recorded; ``traceparent`` the
    header to send upstream, if one is to be sent. ``caller`` is who asks: once that is known, the request leaves a
    record. ``told`` is what goes to the client. Once the request is ``over``, nothing more is recorded of it.
    """

    def __init__(self, evidence: Evidence, dialect: str, trace: Trace, operation: Operation) -> None:
        self.request_id = drawn_digits()
        self.timeline = Timeline()
        self.trace = trace
        recording, traceparent = evidence.recording, evidence.traceparent
        self.notes: tuple[str, ...] = () if recording is not None else (UNAUDITED,)
        self.seen = None if recording is None else Seen()
        self.traceparent = None if traceparent is None else traceparent(trace)
        self.caller: Caller | None = None
        self.told = Told()
        self._evidence = evidence
        self._recording = recording
        self._dialect = dialect
        self._operation = operation
        self._custody: Custody | None = None
        self._request: ClientRequest | None = None
        self._size = 0
        self._judgement: Judgement | None = None
        # What each record says of the request itself, once that is known.
        self._about: Record | None = None
        self._target: Target | None = None
        self._attempts = 0
        self._tried: list[Attempt] = []
        self._intent: str | None = None
        self._outputs: _Segments = []
        self._limit: LimitReached | None = None
        self.over = False
        # Whether its outcome was handed to the journal.
        self._ordered = False

    def expect(self) -> None:
        """Make sure that a record would be taken: else nothing is begun that had to be recorded.

        Raises:
            AuditUnavailable: it would not.
        """
        if self._recording is not None:
            self._recording.journal.expect()

    def asked(self, request: ClientRequest, size: int) -> None:
        """What is asked, in a body of ``size`` bytes."""
        self._request = request
        self._size = size
        self.timeline.read = time.perf_counter_ns()

    def limited(self, error: LimitReached) -> None:
        """A limit refuses it."""
        self._limit = error

    def judged(self, judgement: Judgement) -> None:
        """What policy decided on the request."""
        self._judgement = judgement
        self._about = None
        self.timeline.judged = time.perf_counter_ns()

    async def intend(self, call: Call, handling: Handling, sent: Prompt, options: Options) -> None:
        """Record that ``call`` is about to be made.

        Raises:
            AuditUnavailable: it is not recorded: the call must not be made.
        """
        self._target = call.target
        self.told.handling = handling
        recording, judgement = self._recording, self._judgement
        if recording is not None and judgement is not None:
            came, began = judgement.came, time.perf_counter_ns()
            custody = self._keys(recording)
            if missing := custody.lacks(came):
                await custody.fetch(missing, recording.journal.deadline_s)
            own = custody.keys[None]
            self.told.listen(own.begin, keeps=recording.content)
            if self._size > LARGE:
                segments = await beside(record.segments, came, sent, custody.keys)
            else:
                segments = record.segments(came, sent, custody.keys)
            blob = custody.input_blob(recording.journal, segments, sent, ()) if recording.content else b""
            told = self._judged(judgement, segments, handling.findings, handling.decision)
            told |= record.attempt(handling, call.target.model, self._attempts + 1)
            told |= record.options(sent.tools, {**options.values, **options.extra}, own.commitment)
            told |= record.sealed(sent, own.commitment)
            event, durable = written(recording.journal, "intent", told, blob, since=began)
            await durable
            self._intent = event
            self.timeline.journal += time.perf_counter_ns() - began
        self._attempts += 1
        if self._attempts == _AGAIN:
            self.notes = (*self.notes, RETRIED)

    def tried(self, attempt: Attempt) -> None:
        """How a call that was intended ended."""
        self._tried.append(attempt)

    async def end(self, status: int, error: str | None = None) -> None:
        """The request is over but for its last byte: once this returns, that is durable. Only the first call counts.

        Raises:
            AuditUnavailable: it is not; the caller must not be told that all is well.
        """
        if self.over:
            return
        self.over = True
        began = self.timeline.ended = time.perf_counter_ns()
        try:
            if self._recording is not None and self.caller is None:
                self._recording.journal.refused[error or "unknown"] += 1
            elif self._recording is not None:
                await self._record_end(self._recording, status, error, since=began)
        except AuditUnavailable as unwritten:
            status, error = 503, unwritten.code
            raise AuditUnavailable(unwritten.message, sent=self._attempts > 0) from unwritten
        except asyncio.CancelledError:
            # What did not come as far as the journal is left to ``abandon``.
            self.over = self._ordered
            raise
        finally:
            self.timeline.ended = time.perf_counter_ns()
            self.timeline.journal += self.timeline.ended - began
            if self.over:
                self._observe(status, error)

    def abandon(self, error: str = CLIENT_GONE) -> None:
        """The same where nobody waits any more."""
        if self.over:
            return
        self.over = True
        self.timeline.ended = time.perf_counter_ns()
        if self._recording is not None and self.caller is not None:
            # What cannot be recorded now is counted by the journal.
            with contextlib.suppress(AuditUnavailable):
                self._note_outcome(self._recording, _NOBODY, error)
        self._observe(_NOBODY, error)

    async def _record_end(self, recording: Recording, status: int, error: str | None, *, since: int) -> None:
        if error == AuditUnavailable.code:
            # The caller is being refused for it already: nobody is made to wait once more.
            with contextlib.suppress(AuditUnavailable):
                self._note_outcome(recording, status, error)
            return
        if self._custody is None or None not in self._custody.keys:
            custody = self._keys(recording)
            await custody.fetch(custody.lacks(None), recording.journal.deadline_s)
        if self._judgement is not None and self._intent is None and error is not None:
            await self._record_refusal(recording, self._judgement)
        try:
            told = self._outcome(status, error)
            blob = self._output_blob(recording) if recording.content else b""
            self._ordered = True
            _, durable = written(recording.journal, "outcome", told, blob, since=since)
            await durable
        except Untellable as untellable:
            # The caller will be told this error: that much can be recorded.
            await recording.journal.write("outcome", self._least(untellable.code))
            raise

    def _note_outcome(self, recording: Recording, status: int, error: str | None) -> None:
        told = self._outcome(status, error)
        try:
            blob = self._output_blob(recording) if recording.content else b""
            recording.journal.note("outcome", told, blob)
        except Untellable:
            recording.journal.note("outcome", self._least(error or Untellable.code))

    def _least(self, error: str) -> Record:
        """An outcome of which nothing is told that somebody else made up."""
        told = {**self._described(), "decision_id": f"{self.request_id}/out"}
        told |= {"error": error, "times": record.times(self.timeline)}
        return told if self._intent is None else {**told, "intent": self._intent}

    async def _record_refusal(self, recording: Recording, judgement: Judgement) -> None:
        """What policy refused, or no target could serve. The outcome that follows is waited for, this is not."""
        custody = self._keys(recording)
        if missing := custody.lacks(judgement.came):
            await custody.fetch(missing, recording.journal.deadline_s)
        verdict = judgement.verdict
        found = tuple([finding_of(hit) for hit in verdict.found.hits])
        # What waits for an approver is an answer, never a request: a request is blocked.
        refused = isinstance(verdict, (Block, RequireApproval))
        decision = "block" if refused else decision_of(verdict)
        segments = record.segments(judgement.came, None, custody.keys)
        blob = b""
        if recording.content:
            blob = custody.input_blob(recording.journal, segments, judgement.came, verdict.found.edits)
        told = self._judged(judgement, segments, found, decision)
        with contextlib.suppress(AuditUnavailable):
            recording.journal.note("decision", told, blob)

    def _judged(self, judgement: Judgement, segments: _Segments, findings: Sequence[Finding], decision: str) -> Record:
        """What came, and what was made of it."""
        edits = judgement.verdict.found.edits
        hides = bool(edits) and hides_names(edits)
        changed: Mapping[str, str] = {}
        if hides:
            findings = record.renamed(segments, findings)
        else:
            changed = record.numbered(segments, judgement.came)
            if changed:
                findings = [replace(one, where=record.place_in(changed, one.where)) for one in findings]
        told = self._head("in")
        told |= record.decided(findings, decision)
        told["segments"] = segments
        seen = facts.of_request(judgement, self._request, self._evidence.closed, changed, hides_names=hides)
        if seen:
            told["facts"] = seen
        return told

    def _keys(self, recording: Recording) -> Custody:
        custody = self._custody
        if custody is None:
            tenant = "" if self.caller is None else self.caller.tenant
            subject = None if self._request is None else self._request.subject
            custody = self._custody = Custody(recording.keys, tenant, subject)
        return custody

    def _outcome(self, status: int, error: str | None) -> Record:
        said, judgement = self.told, self._judgement
        told = self._head("out")
        told["status"] = status
        if error is not None:
            told["error"] = error
        if self._limit is not None:
            told["limit"] = record.limited(self._limit)
        if self._intent is not None:
            told["intent"] = self._intent
        if said.decision is not None:
            told |= record.decided(said.findings, said.decision)
        elif said.handling is not None and error is None:
            told["decision"] = said.handling.decision
        told |= record.attempts(self._tried)
        texts = said.texts
        self._answer(told, texts)
        told |= record.ending(said)
        if self.seen is not None and judgement is not None and error is None:
            seen = facts.of_answer(self.seen, judgement, texts, self._evidence.closed)
            if seen:
                told["facts"] = seen
        if self._request is not None and self._request.options.stream:
            line = self.timeline
            told["stream"] = {"scanned": line.scanned, "released": said.released, "truncated": int(line.truncated)}
        told["times"] = record.times(self.timeline)
        return told

    def _answer(self, told: Record, texts: Sequence[Heard]) -> None:
        """Tell what the client got."""
        custody = self._custody
        if custody is None or None not in custody.keys:
            return
        judgement, calls = self._judgement, self.told.calls
        if texts:
            told["output"] = self._outputs = record.outputs(texts)
        if calls:
            offered = frozenset[str]() if judgement is None else frozenset([t.name for t in judgement.came.tools])
            tainted = judgement is not None and judgement.tainted
            told["calls"] = record.calls(calls, offered, tainted=tainted)

    def _output_blob(self, recording: Recording) -> bytes:
        """The texts of the answer, encrypted; their entries, which are in the record by now, say where they lie."""
        custody = self._custody
        if custody is None or not self._outputs:
            return b""
        event, offset = recording.journal.place()
        texts = ["".join(one.pieces) for one in self.told.texts]
        return custody.sealed(event, offset, [(e, None, text) for e, text in zip(self._outputs, texts, strict=True)])

    def _head(self, way: str) -> Record:
        about = self._about
        if about is None:
            about = self._described()
            if self._judgement is not None:
                about |= record.judged(self._judgement)
                self._about = about if self._custody is not None and None in self._custody.keys else None
        return {**about, "decision_id": f"{self.request_id}/{way}"}

    def _described(self) -> Record:
        """Whose request it is, and what is asked."""
        told: Record = {"request": self.request_id, "trace": self.trace.id, "dialect": self._dialect}
        if self._operation is not Operation.CHAT:
            told["operation"] = self._operation.value
        if self.caller is not None:
            told["actor"] = record.actor_of(self.caller)
        if self._request is not None:
            # Any but a configured model's name is the caller's own text.
            model = self._request.model
            told["model"] = model if model in self._evidence.models else "(unknown)"
        own = None if self._custody is None else self._custody.keys.get(None)
        if own is not None and own.pseudonym is not None:
            told["subject"] = own.pseudonym
        return told

    def _observe(self, status: int, error: str | None) -> None:
        if not self._evidence.observers:
            return
        said, request = self.told, self._request
        handling = said.handling
        decision = said.decision or (None if handling is None else handling.decision)
        findings = () if handling is None else handling.findings
        if handling is not None and said.findings and findings[-len(said.findings) :] != said.findings:
            findings = (*findings, *said.findings)
        judgement = self._judgement
        if judgement is not None and handling is None:
            findings = tuple([finding_of(hit) for hit in judgement.verdict.found.hits])
            decision = decision or decision_of(judgement.verdict)
        ended = Ended(
            request_id=self.request_id,
            trace=self.trace,
            dialect=self._dialect,
            operation=self._operation,
            timeline=self.timeline,
            status=status,
            stream=request is not None and request.options.stream,
            caller=self.caller,
            model="" if request is None else request.model,
            configured=request is not None and request.model in self._evidence.models,
            target=self._target,
            attempts=self._attempts,
            tried=tuple(self._tried),
            error=error,
            decision=decision,
            handling=handling,
            findings=findings,
            revision=None if judgement is None else judgement.policies.revision,
            limit=None if self._limit is None else (self._limit.rule, self._limit.measure.value),
            usage=said.usage,
            finish=tuple(said.finish),
        )
        for observer in self._evidence.observers:
            observer.ended(ended)
