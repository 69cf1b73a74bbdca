"""What does the core ask of the world outside it?"""

from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Protocol

from gateway.domain.address import PUBLIC_ONLY, Addresses
from gateway.domain.approval import HeldReply
from gateway.domain.detection import Detections, Subject
from gateway.domain.evidence import Ended
from gateway.domain.exchange import Embeddings, Reply, StreamEvent
from gateway.domain.prompt import Prompt
from gateway.domain.request import Options
from gateway.domain.target import FormatOptions, Layout, Target, Timeouts, Tls
from gateway.domain.value import value


class Format(Protocol):
    """Lays a prompt out for a model: a pure function."""

    def __call__(self, prompt: Prompt, options: FormatOptions, /) -> Layout: ...


@value
class Call:
    """All that a provider needs to make one upstream call.

    ``id`` is the gateway's request id, ``trace`` the header ``traceparent`` to send along, where there is to be one.
    """

    id: str
    target: Target
    layout: Layout
    options: Options
    trace: str | None = None


class Provider(Protocol):
    """Speaks one vendor's wire format over an ``UpstreamClient``. Both methods raise ``UpstreamError``."""

    def serialise(self, call: Call) -> bytes:
        """The exact upstream body: pure, so that ``explain`` shows what ``send`` would send."""
        ...

    async def send(self, call: Call) -> Reply:
        """Make the call and read the whole answer."""
        ...

    def stream(self, call: Call) -> AsyncGenerator[Sequence[StreamEvent], None]:
        """Make the call and yield events as they arrive, those together that do; closing it cancels the call."""
        ...


class Counter(Protocol):
    """Asks how many tokens a prompt has as it is laid out: what a provider may offer beside answers."""

    async def count(self, call: Call) -> int:
        """The number of tokens; nothing is generated.

        Raises:
            NotSayable: this target cannot tell; another one may.
            UpstreamError: it should have, and did not.
        """
        ...


class Embedder(Protocol):
    """Has texts made into vectors: what a provider may offer beside answers."""

    def serialise(self, call: Call) -> bytes:
        """The exact upstream body: pure, as a ``Provider``'s."""
        ...

    async def embed(self, call: Call) -> Embeddings:
        """One vector for each text of the layout's ``input``; raises as ``Counter.count`` does."""
        ...


class UpstreamResponse(Protocol):
    """A response whose headers have come. Headers are found by their names in lower case."""

    @property
    def status(self) -> int: ...

    @property
    def headers(self) -> Mapping[str, str]: ...

    def chunks(self) -> AsyncIterator[bytes]:
        """The body as it arrives, content-encoding untouched."""
        ...

    async def read(self, limit: int) -> bytes:
        """The whole body; raises ``UpstreamGarbled`` beyond ``limit`` bytes."""
        ...


class UpstreamClient(Protocol):
    """Sends one HTTP request and gives back status, headers and a stream of bytes."""

    def request(
        self,
        method: str,
        url: str,
        *,
        target: str,
        headers: Mapping[str, str],
        body: bytes,
        timeouts: Timeouts,
        socket: str | None = None,
        addresses: Addresses = PUBLIC_ONLY,
        tls: Tls | None = None,
    ) -> AbstractAsyncContextManager[UpstreamResponse]:
        """Open an exchange; leaving the context cancels whatever is still under way.

        No connection is made to an address that ``addresses`` does not permit, whatever the URL's host is or means. A
        call with ``tls`` uses no connection that was made without it, or with what it was before its files changed.

        Raises ``UpstreamUnreachable``, ``UpstreamTimeout`` or ``UpstreamGarbled``, naming ``target``.
        """
        ...

    async def close(self) -> None:
        """Close pooled connections."""
        ...


class Scanner(Protocol):
    """Runs detectors, which it knows by their instance keys. Neither method raises for a detector that fails."""

    def scan(self, subject: Subject, wanted: frozenset[str]) -> Detections:
        """What those of ``wanted`` that only compute see: pure, each within its own time budget."""
        ...

    def asks(self, wanted: frozenset[str]) -> bool:
        """Whether any of ``wanted`` takes another process or a service."""
        ...

    async def ask(self, subjects: Sequence[Subject], wanted: frozenset[str]) -> Sequence[Detections]:
        """What those of ``wanted`` see that take another process or a service; one answer for each subject."""
        ...


class Untainted(Protocol):
    """The gateway's own short-lived list of replies that no untrusted data could have steered."""

    def knows(self, tenant: str, content: tuple[str, ...]) -> bool:
        """Whether exactly this was a reply to an untainted request of this tenant's."""
        ...

    def remember(self, tenant: str, content: tuple[str, ...]) -> None:
        """Put a reply on the list."""
        ...


class Approvals(Protocol):
    """Keeps replies that wait for an approver."""

    async def hold(self, held: HeldReply) -> None:
        """Keep a reply; raises ``ApprovalsUnavailable`` where that is not certain."""
        ...


class Observer(Protocol):
    """Counts or traces exchanges. Neither method raises, nor waits."""

    def began(self, dialect: str) -> None:
        """A request came on a route of ``dialect``."""
        ...

    def ended(self, ended: Ended) -> None:
        """It is over: called once for each ``began``."""
        ...
