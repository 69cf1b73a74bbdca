"""What does the pipeline tell whoever keeps count of what a request uses?

A port: before anything costs, the pipeline has the request's share taken, then says what is sent where and what came of
it. ``UNLIMITED`` stands where nothing is counted.
"""

from collections.abc import AsyncGenerator, Awaitable, Sequence
from typing import Protocol, TypeVar

from gateway.domain.exchange import Embeddings, Reply, StreamEvent
from gateway.domain.identity import Caller
from gateway.domain.model import Model
from gateway.domain.request import ClientRequest
from gateway.domain.target import Target
from gateway.pipeline.run import Run, at_once

Answer = TypeVar("Answer")


class Tab(Protocol):
    """What one request uses of limits and budgets."""

    async def take(self, request: ClientRequest, caller: Caller, model: Model, run: Run = at_once) -> None:
        """Take what it may come to; ``run`` does the computing.

        Raises:
            LimitReached: a limit leaves no room for it; nothing was taken.
        """
        ...

    def asking(self, target: Target, answer: Awaitable[Answer], /) -> Awaitable[Answer]:
        """``answer``, which is what ``target`` is about to be asked for, whole."""
        ...

    def streaming(
        self, target: Target, events: AsyncGenerator[Sequence[StreamEvent], None], /
    ) -> AsyncGenerator[Sequence[StreamEvent], None]:
        """The same of a stream."""
        ...

    def answered(self, answer: Reply | Embeddings) -> None:
        """This came, whole."""
        ...


class _Unlimited:
    async def take(self, request: ClientRequest, caller: Caller, model: Model, run: Run = at_once) -> None:
        """Nothing is counted."""

    def asking(self, _: Target, answer: Awaitable[Answer]) -> Awaitable[Answer]:
        return answer

    def streaming(
        self, _: Target, events: AsyncGenerator[Sequence[StreamEvent], None]
    ) -> AsyncGenerator[Sequence[StreamEvent], None]:
        return events

    def answered(self, answer: Reply | Embeddings) -> None:
        """Nothing is counted."""


UNLIMITED: Tab = _Unlimited()
