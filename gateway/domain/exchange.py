"""What came back from the model, whole or as events?

Every event names its choice, so that one guard per choice can stand in the way. A stream that ends without ``Finish``
for each choice it opened was cut short.
"""

from collections.abc import Sequence
from dataclasses import field
from typing import TypeAlias

from gateway.domain.finding import Finding
from gateway.domain.jsonvalue import JsonObject, JsonValue
from gateway.domain.prompt import Seal, ToolCall
from gateway.domain.value import value


@value
class Usage:
    """Tokens counted by the upstream, cached ones included.

    ``details`` keeps what is counted beyond the two, under OpenAI's chat names.
    """

    input_tokens: int
    output_tokens: int
    details: JsonObject = field(default_factory=dict[str, JsonValue])


@value
class Choice:
    """One answer. ``finish_reason`` is OpenAI's word: stop, length, tool_calls, content_filter.

    ``stopped_by`` is the one of the request's stop sequences that ended it, where the upstream says which;
    ``seals`` are what the vendor needs to take the reasoning back.
    """

    index: int
    text: str | None
    finish_reason: str
    refusal: str | None = None
    reasoning: str | None = None
    tool_calls: tuple[ToolCall, ...] = ()
    logprobs: JsonObject | None = None
    extra: JsonObject = field(default_factory=dict[str, JsonValue])
    stopped_by: str | None = None
    seals: tuple[Seal, ...] = ()


@value
class Reply:
    """A whole answer. ``created`` counts seconds since the epoch, ``extra`` holds other harmless upstream fields."""

    id: str
    model: str
    created: int
    choices: tuple[Choice, ...]
    usage: Usage | None = None
    extra: JsonObject = field(default_factory=dict[str, JsonValue])


@value
class Embeddings:
    """One vector for each text, in the order of the texts: all of one length, every number finite, none changed."""

    vectors: tuple[Sequence[float], ...]
    usage: Usage | None = None

    @property
    def dimensions(self) -> int:
        """The length of each."""
        return len(self.vectors[0]) if self.vectors else 0


@value
class Started:
    """The upstream began to answer; comes once, first."""

    id: str
    model: str
    created: int
    extra: JsonObject = field(default_factory=dict[str, JsonValue])


@value
class TextDelta:
    """More text of a choice, with the log-probabilities of just these tokens where they were asked for."""

    choice: int
    text: str
    logprobs: JsonObject | None = None


@value
class ReasoningDelta:
    """More of the model's visible reasoning."""

    choice: int
    text: str


@value
class ReasoningSealed:
    """A piece of the reasoning is complete: ``seal`` covers what came since the last one."""

    choice: int
    seal: Seal


@value
class RefusalDelta:
    """More of a refusal."""

    choice: int
    text: str


@value
class ToolCallStarted:
    """A tool call begins; ``index`` counts the calls of one choice from 0."""

    choice: int
    index: int
    id: str
    name: str


@value
class ToolCallDelta:
    """More of a call's argument text."""

    choice: int
    index: int
    arguments: str


@value
class Finish:
    """A choice ended, for the reason given in OpenAI's words; ``stopped_by`` as in ``Choice``."""

    choice: int
    reason: str
    stopped_by: str | None = None


@value
class UsageReport:
    """The token counts of the whole answer, near the end of the stream, if there are any.

    ``extra`` holds other harmless fields that come as late.
    """

    usage: Usage | None
    extra: JsonObject = field(default_factory=dict[str, JsonValue])


@value
class ApprovalRequired:
    """What a choice held back waits for an approver: the guard's word to the pipeline, never sent as it is."""

    choice: int


@value
class ApprovalPending:
    """The answer, or what of it was not yet sent, waits for an approver until ``expires`` (seconds since the epoch)."""

    approval: str
    expires: float
    tools: tuple[str, ...]
    choice: int = 0


@value
class Judged:
    """What policy made of an answer, once all of it was judged: the last event of a guarded stream."""

    decision: str
    findings: tuple[Finding, ...]


StreamEvent: TypeAlias = (
    Started
    | TextDelta
    | ReasoningDelta
    | ReasoningSealed
    | RefusalDelta
    | ToolCallStarted
    | ToolCallDelta
    | Finish
    | UsageReport
)
# What goes on to the client: the upstream's events as far as they are cleared, and what the gateway adds.
ReplyEvent: TypeAlias = StreamEvent | ApprovalPending | Judged


@value
class AppliedRevision:
    """The policies that stood for a request, and the digest of the whole set that they are from."""

    names: tuple[str, ...]
    revision: str


@value
class Handling:
    """What the gateway did with a request: the ``split`` part of a native reply, the headers of every reply.

    ``model`` is the name that the client asked for, ``isolation`` a level, ``no-data`` or ``no-instruction``,
    ``created`` in seconds since the epoch. ``decision`` is a verdict's word, or ``pending`` while an answer is still
    being judged. ``echo`` is what a reply in the client's dialect repeats of the request.
    """

    request_id: str
    model: str
    created: int
    isolation: str
    format: str
    target: str
    decision: str = "allow"
    policy: AppliedRevision | None = None
    findings: tuple[Finding, ...] = ()
    notes: tuple[str, ...] = ()
    echo: JsonObject = field(default_factory=dict[str, JsonValue])
