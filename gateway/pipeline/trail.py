"""What does the pipeline tell whoever keeps the evidence of a request?

A port: the pipeline says what it found and what it is about to send, and goes on only once that is recorded. Nothing of
what is told is changed by the telling.
"""

from collections.abc import Sequence
from typing import Protocol

from gateway.domain.detection import Scanned
from gateway.domain.evidence import Attempt, Timeline
from gateway.domain.exchange import Handling
from gateway.domain.ports import Call
from gateway.domain.prompt import Prompt
from gateway.domain.request import Options
from gateway.domain.value import value
from gateway.domain.verdict import Verdict
from gateway.pipeline.seen import Seen
from policies.engine.applicable import Applicable


@value
class Judgement:
    """What was decided on a request, and on what grounds: ``came`` is the prompt as it came."""

    came: Prompt
    policies: Applicable
    scanned: Sequence[Scanned]
    verdict: Verdict
    tainted: bool
    bypass: str | None


class Trail(Protocol):
    """The evidence of one request."""

    @property
    def timeline(self) -> Timeline:
        """When what happened: the pipeline fills in its part."""
        ...

    @property
    def notes(self) -> tuple[str, ...]:
        """What the reply must say of how it was recorded."""
        ...

    @property
    def seen(self) -> Seen | None:
        """Where to tell what detectors see in the answer, if anybody keeps it."""
        ...

    @property
    def traceparent(self) -> str | None:
        """The header to send upstream, if one is to be sent."""
        ...

    def judged(self, judgement: Judgement) -> None:
        """Policy decided. It may do so again, once it treats some of the prompt as data."""
        ...

    def tried(self, attempt: Attempt) -> None:
        """A call that was intended is over, or its streamed answer has begun; or nobody waits for it any more."""
        ...

    async def intend(self, call: Call, handling: Handling, sent: Prompt, options: Options) -> None:
        """Record that ``call`` is about to be made with ``sent``; once this returns, that is durable.

        Raises:
            AuditUnavailable: it is not: the call must not be made.
        """
        ...
