"""What is known of one exchange once it is over, for the journal and for telemetry?

An exchange is one request and whatever became of it. Nothing here holds text of a prompt or an answer.
"""

import time
from typing import Final

from gateway.domain.exchange import Handling, Usage
from gateway.domain.finding import Finding
from gateway.domain.identity import Caller
from gateway.domain.operation import Operation
from gateway.domain.target import Target
from gateway.domain.trace import Trace
from gateway.domain.value import value


class Timeline:
    """Where the time of an exchange went: nanoseconds by one clock that never goes back, 0 for what did not happen.

    ``began`` and ``ended`` bound the exchange; ``sent`` is when the last attempt went upstream, ``first`` when its
    answer began, ``last`` when it was complete. ``read``, ``lifted``, ``judged`` are when these were done. ``held`` is
    the longest that the guard held anything back, ``journal`` how long the exchange waited for the journal: durations.
    ``elsewhere`` is what went by before the last attempt was made: earlier ones, and pauses between them. ``wall`` is
    when it began, in nanoseconds since the epoch.
    """

    __slots__ = (
        "began", "elsewhere", "ended", "first", "held", "journal", "judged", "last", "lifted", "read", "scanned",
        "sent", "truncated", "wall",
    )  # fmt: skip

    def __init__(self) -> None:
        self.wall = time.time_ns()
        self.began = time.perf_counter_ns()
        self.read = self.lifted = self.judged = self.sent = self.first = self.last = self.ended = 0
        self.held = self.journal = self.elsewhere = 0
        # Events of a stream that the guard was fed; whether something was cut out of it.
        self.scanned = 0
        self.truncated = False

    @property
    def total(self) -> int:
        """All of it."""
        return self.shares()[0]

    @property
    def upstream(self) -> int:
        """How long the last attempt's answer took, to its end."""
        return self.shares()[1]

    @property
    def gateway(self) -> int:
        """What is the gateway's own: all but the upstreams'."""
        return self.shares()[2]

    def shares(self) -> tuple[int, int, int]:
        """``total``, and of that ``upstream`` and ``gateway``."""
        total = max(0, self.ended - self.began)
        upstream = max(0, (self.last or self.ended) - self.sent) if self.sent else 0
        return total, upstream, max(0, total - upstream - self.elsewhere)


# What an attempt came to, beside the codes of errors.
ANSWERED: Final = "answered"
ABANDONED: Final = "abandoned"


@value
class Attempt:
    """A call of an upstream that is over, or whose streamed answer has begun.

    ``error`` is the code of what went wrong, ``ABANDONED`` where nobody waited for it, None for an answer. ``began`` is
    by the timeline's clock; the call ``took`` so long, and the request ``waited`` before it: nanoseconds. ``again``
    says that the target had been called before for the same request.
    """

    target: Target
    error: str | None
    began: int
    took: int
    waited: int = 0
    again: bool = False


@value
class Ended:
    """An exchange that is over.

    ``status`` is the HTTP status; of a stream that broke off it is 200, and ``error`` says why. ``error`` is the code
    of what went wrong, ``client_gone`` where the caller did not wait. ``model`` is as asked, and may be one that nobody
    configured: ``configured`` says whether it is. ``target`` is the one that was called last. ``decision`` is the
    verdict's word, of the request where the answer was not judged. ``handling`` is what was done, where the request got
    as far, and of its word and findings not the last. ``tried`` are the calls that were made for it. ``findings`` are
    all that were made, also of a request that was refused and of the answer; ``revision`` is that of the policies that
    it was judged by. ``limit`` is the rule that refused it, and what that counts.
    """

    request_id: str
    trace: Trace
    dialect: str
    timeline: Timeline
    status: int
    operation: Operation = Operation.CHAT
    stream: bool = False
    caller: Caller | None = None
    model: str = ""
    configured: bool = False
    target: Target | None = None
    attempts: int = 0
    tried: tuple[Attempt, ...] = ()
    error: str | None = None
    limit: tuple[str, str] | None = None
    decision: str | None = None
    handling: Handling | None = None
    findings: tuple[Finding, ...] = ()
    revision: str | None = None
    usage: Usage | None = None
    finish: tuple[str, ...] = ()
