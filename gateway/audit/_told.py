"""What did the client get of an answer, whole or as a stream, or in place of one?

Texts are committed to piece by piece and kept only where they are to be kept, so that an answer without an end takes no
room here.
"""

from collections.abc import Callable, Sequence
from typing import Final, Protocol

from gateway.audit.mask import masked_ending
from gateway.domain.exchange import (
    ApprovalPending,
    Embeddings,
    Finish,
    Handling,
    Judged,
    ReasoningDelta,
    RefusalDelta,
    Reply,
    ReplyEvent,
    TextDelta,
    ToolCallDelta,
    ToolCallStarted,
    Usage,
    UsageReport,
)
from gateway.domain.finding import Finding

# Characters of an answer that are kept at most, all its texts together.
MOST_KEPT: Final = 8 * 1024 * 1024

_CHANNELS: Final = ("text", "reasoning", "refusal")


class Committing(Protocol):
    """A commitment to a text that comes in pieces. ``length`` is the text's so far, in characters."""

    @property
    def length(self) -> int: ...

    def update(self, text: str) -> None: ...

    def hexdigest(self) -> str: ...


class Heard:
    """One text of an answer, or the arguments of one call, as far as it has come. ``cut``: not all of it is kept.

    ``said`` is committed to all of it.
    """

    __slots__ = ("choice", "cut", "label", "pieces", "said")

    def __init__(self, choice: int, label: str, said: Committing) -> None:
        self.choice = choice
        self.label = label
        self.said = said
        self.pieces: list[str] = []
        self.cut = False


class Told:
    """Collects it. ``findings`` are those of the answer alone, ``decision`` the last word.

    ``counted`` is how many tokens were counted, ``vectors`` how many vectors there are and how long each is, where the
    request asked for that. ``released`` is how many events of a stream went on; ``calls`` are the tool calls, labelled
    by their names, by their choice and their number in it.
    """

    __slots__ = (
        "_begin", "_keeps", "_kept", "_texts", "approval", "calls", "counted", "decision", "findings", "finish",
        "handling", "released", "usage", "vectors",
    )  # fmt: skip

    def __init__(self) -> None:
        self.handling: Handling | None = None
        self.decision: str | None = None
        self.findings: tuple[Finding, ...] = ()
        self.usage: Usage | None = None
        self.finish: list[str] = []
        self.approval: str | None = None
        self.counted: int | None = None
        self.vectors: tuple[int, int] | None = None
        self._texts: dict[tuple[int, str], Heard] = {}
        self.calls: dict[tuple[int, int], Heard] = {}
        self.released = 0
        self._begin: Callable[[], Committing] | None = None
        self._keeps = False
        self._kept = 0

    def listen(self, begin: Callable[[], Committing], *, keeps: bool) -> None:
        """Commit to what comes, by ``begin``; without this nothing of it is looked at."""
        self._begin = begin
        self._keeps = keeps

    @property
    def texts(self) -> list[Heard]:
        """The texts that are not empty, by choice and channel."""
        return sorted(self._texts.values(), key=_place) if len(self._texts) > 1 else list(self._texts.values())

    def whole(self, reply: Reply, handling: Handling, *, approval: str | None = None) -> None:
        """An answer that came whole; with ``approval`` it waits for an approver first.

        The request's own findings stand first among the handling's.
        """
        before = 0 if self.handling is None else len(self.handling.findings)
        self.handling = handling
        self.decision, self.findings = handling.decision, handling.findings[before:]
        self.usage, self.approval = reply.usage, approval
        for choice in reply.choices:
            self.finish.append(masked_ending(choice.finish_reason))
            for channel, text in zip(_CHANNELS, (choice.text, choice.reasoning, choice.refusal), strict=True):
                if text:
                    self._text(choice.index, channel, text)
            for number, call in enumerate(choice.tool_calls):
                self._call(choice.index, number, call.name, call.arguments)

    def count(self, tokens: int, handling: Handling) -> None:
        """In place of an answer: how many tokens the request has."""
        self.handling, self.decision, self.counted = handling, handling.decision, tokens

    def embeddings(self, made: Embeddings, handling: Handling) -> None:
        """In place of an answer: vectors, which are told by their number and length alone."""
        self.handling, self.decision, self.usage = handling, handling.decision, made.usage
        self.vectors = (len(made.vectors), made.dimensions)

    def events(self, together: Sequence[ReplyEvent]) -> None:
        """Events of a stream, which go on next: mostly text."""
        self.released += len(together)
        for event in together:
            if not isinstance(event, TextDelta):
                self._event(event)
            elif self._keeps or (heard := self._texts.get((event.choice, "text"))) is None:
                self._text(event.choice, "text", event.text)
            else:
                heard.said.update(event.text)

    def _event(self, event: ReplyEvent) -> None:
        match event:
            case ReasoningDelta() | RefusalDelta():
                channel = "reasoning" if isinstance(event, ReasoningDelta) else "refusal"
                self._text(event.choice, channel, event.text)
            case ToolCallStarted():
                self._call(event.choice, event.index, event.name)
            case ToolCallDelta():
                self._call(event.choice, event.index, "", event.arguments)
            case Finish():
                self.finish.append(masked_ending(event.reason))
            case UsageReport():
                self.usage = event.usage
            case Judged():
                self.decision, self.findings = event.decision, event.findings
            case ApprovalPending():
                self.approval = event.approval
            case _:
                return

    def _text(self, choice: int, channel: str, text: str) -> None:
        begin = self._begin
        if begin is None or not text:
            return
        heard = self._texts.get((choice, channel))
        if heard is None:
            heard = self._texts[choice, channel] = Heard(choice, channel, begin())
        heard.said.update(text)
        if self._keeps:
            self._keep(heard, text)

    def _keep(self, heard: Heard, text: str) -> None:
        room = MOST_KEPT - self._kept
        heard.cut = heard.cut or len(text) > room
        if room and not heard.cut:
            heard.pieces.append(text)
            self._kept += len(text)

    def _call(self, choice: int, number: int, name: str, arguments: str = "") -> None:
        begin = self._begin
        if begin is None:
            return
        heard = self.calls.get((choice, number))
        if heard is None:
            heard = self.calls[choice, number] = Heard(choice, name, begin())
        heard.said.update(arguments)


def _place(heard: Heard) -> tuple[int, int]:
    return heard.choice, _CHANNELS.index(heard.label)
