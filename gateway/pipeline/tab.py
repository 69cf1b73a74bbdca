"""What does the pipeline tell whoever keeps count of what a request uses?

A port: before anything costs, the pipeline has the request's share taken, then says what is sent where and what came of
it. ``UNLIMITED`` stands where nothing is counted.
"""

from collections.abc import Callable, Sequence
from typing import Protocol, TypeAlias

from gateway.domain.errors import GatewayError
from gateway.domain.exchange import Embeddings, Reply, StreamEvent
from gateway.domain.identity import Caller
from gateway.domain.model import Model
from gateway.domain.request import ClientRequest
from gateway.domain.target import Target
from gateway.pipeline.run import Run, at_once

# Is told of the events of a stream that came together.
Hearing: TypeAlias = Callable[[Sequence[StreamEvent]], None]


class Tab(Protocol):
    """What one request uses of limits and budgets."""

    async def take(self, request: ClientRequest, caller: Caller, model: Model, run: Run = at_once) -> None:
        """Take what it may come to; ``run`` does the computing.

        Raises:
            LimitReached: a limit leaves no room for it; nothing was taken.
        """
        ...

    def asking(self, target: Target) -> None:
        """``target`` is about to be asked for an answer, whole or streamed."""
        ...

    def failed(self, error: GatewayError) -> None:
        """It gave none: before anything of it came."""
        ...

    @property
    def hearing(self) -> Hearing | None:
        """Who is to be told of a stream's events as they come; None where they do not count."""
        ...

    def answered(self, answer: Reply | Embeddings) -> None:
        """This came, whole."""
        ...


class _Unlimited:
    async def take(self, request: ClientRequest, caller: Caller, model: Model, run: Run = at_once) -> None:
        """Nothing is counted."""

    def asking(self, target: Target) -> None:
        """Nothing is counted."""

    def failed(self, error: GatewayError) -> None:
        """Nothing is counted."""

    @property
    def hearing(self) -> Hearing | None:
        return None

    def answered(self, answer: Reply | Embeddings) -> None:
        """Nothing is counted."""


UNLIMITED: Tab = _Unlimited()
