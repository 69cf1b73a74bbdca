"""What if the upstream took no time?

An ``UpstreamClient`` that answers from memory. What is left of a request then never waits, so it needs no event loop.
"""

from collections.abc import AsyncIterator, Awaitable, Mapping
from types import TracebackType
from typing import TypeVar

_Result = TypeVar("_Result")


class CannedClient:
    """Gives one answer, in the pieces given."""

    def __init__(self, content_type: str, pieces: tuple[bytes, ...]) -> None:
        self._response = _CannedResponse({"content-type": content_type}, pieces)

    def request(self, method: str, url: str, **_: object) -> "_CannedExchange":
        """Open an exchange."""
        del method, url
        return _CannedExchange(self._response)

    async def close(self) -> None:
        """Nothing is open."""


class _CannedResponse:
    status = 200

    def __init__(self, headers: Mapping[str, str], pieces: tuple[bytes, ...]) -> None:
        self.headers = headers
        self._pieces = pieces

    async def chunks(self) -> AsyncIterator[bytes]:
        for piece in self._pieces:
            yield piece

    async def read(self, limit: int) -> bytes:
        del limit
        return b"".join(self._pieces)


class _CannedExchange:
    def __init__(self, response: _CannedResponse) -> None:
        self._response = response

    async def __aenter__(self) -> _CannedResponse:
        return self._response

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return None


def at_once(waiting: Awaitable[_Result]) -> _Result:
    """The result of something that never has to wait.

    Raises:
        RuntimeError: it waits all the same.
    """
    steps = waiting.__await__()
    try:
        next(steps)
    except StopIteration as done:
        return done.value
    raise RuntimeError("this was to run without waiting; run it on an event loop instead")
