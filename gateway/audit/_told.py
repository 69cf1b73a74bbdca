"""What did the client get of an answer, whole or as a stream?"""

from gateway.domain.exchange import (
    ApprovalPending,
    Choice,
    Finish,
    Handling,
    Judged,
    Reply,
    ReplyEvent,
    Usage,
    UsageReport,
)
from gateway.domain.finding import Finding
from gateway.pipeline.transcript import Transcript


class Told:
    """Collects it. ``findings`` are those of the answer alone, ``decision`` the last word."""

    __slots__ = ("_choices", "_transcript", "approval", "decision", "findings", "finish", "handling", "usage")

    def __init__(self) -> None:
        self.handling: Handling | None = None
        self.decision: str | None = None
        self.findings: tuple[Finding, ...] = ()
        self.usage: Usage | None = None
        self.finish: list[str] = []
        self.approval: str | None = None
        self._choices: tuple[Choice, ...] = ()
        self._transcript: Transcript | None = None

    @property
    def choices(self) -> tuple[Choice, ...]:
        """Its texts and calls."""
        return self._choices or (() if self._transcript is None else self._transcript.choices)

    def whole(self, reply: Reply, handling: Handling, approval: str | None) -> None:
        """An answer that came whole; the request's own findings stand first among the handling's."""
        before = 0 if self.handling is None else len(self.handling.findings)
        self.handling = handling
        self.decision, self.findings = handling.decision, handling.findings[before:]
        self.usage, self.approval, self._choices = reply.usage, approval, reply.choices
        self.finish = [choice.finish_reason for choice in reply.choices]

    def event(self, event: ReplyEvent) -> None:
        """One event of a stream."""
        match event:
            case Finish():
                self.finish.append(event.reason)
            case UsageReport():
                self.usage = event.usage
            case Judged():
                self.decision, self.findings = event.decision, event.findings
            case ApprovalPending():
                self.approval = event.approval
            case _:
                if self._transcript is None:
                    self._transcript = Transcript()
                self._transcript.take(event)
