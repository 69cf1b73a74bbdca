"""What leaves this process, and what comes back?

Everything that litellm sends goes through httpx, and every client of httpx sends through the gate. A request passes if
it belongs to a call that was asked of us, has been held against it, and is the only one of that call: nothing is
fetched beside it, nothing is sent twice, and redirects are not followed. Of what comes back the gate keeps what
litellm's own errors lose: the vendor's status, its ``Retry-After``, its word for what went wrong, and whether a stream
has said that it is at its end, since litellm makes up an ending for one that was cut.
"""

import re
from collections.abc import AsyncIterator, Callable, Generator, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import httpx
import orjson
from httpx import USE_CLIENT_DEFAULT

from adapters._refusal import Refused
from adapters.litellm.ending import Ending
from gateway.domain.address import PUBLIC_ONLY, Addresses
from gateway.domain.jsonvalue import JsonValue

if TYPE_CHECKING:
    from httpx._client import UseClientDefault
    from httpx._types import AuthTypes

_MOST_BYTES: Final = 64 * 1024 * 1024
_IDENTIFIER: Final = re.compile(r"[A-Za-z0-9_.-]{1,64}")


class Stopped(httpx.RequestError):
    """A request was held back: the passage says why."""


@dataclass(slots=True, kw_only=True)
class Passage:
    """One call on its way. ``check`` raises ``Refused`` for a body that is not what was asked.

    ``several`` lets a call send more than one request; each is checked. ``addresses`` says where it may connect to.
    """

    check: Callable[[JsonValue], None]
    addresses: Addresses = PUBLIC_ONLY
    several: bool = False
    refused: Refused | None = None
    sent: int = 0
    status: int | None = None
    retry_after: str | None = None
    code: str | None = None
    ended: bool = False
    body: bytes = b""

    def leave(self, request: httpx.Request) -> None:
        """Let a request out, or not.

        Raises:
            Stopped: it stays here.
        """
        if self.sent and not self.several:
            # litellm tries again after some failures: whether the first one was paid for, nobody knows.
            raise Stopped("sent before", request=request)
        try:
            self.check(_parse(request))
        except Refused as refused:
            self.refused = refused
            raise Stopped("held back", request=request) from None
        self.sent += 1
        # Encoded bytes could not be looked at while they come.
        request.headers["accept-encoding"] = "identity"

    def come_back(self, response: httpx.Response) -> None:
        """Keep what is to be known of an answer's head."""
        self.status = response.status_code
        self.retry_after = response.headers.get("retry-after")
        self.code = identifier(response.headers.get("x-amzn-errortype", "").partition(":")[0])
        if response.headers.get("content-encoding", "identity").lower() != "identity":
            raise Stopped("encoded", request=response.request)

    def keep(self, body: bytes) -> None:
        """Keep a body that has come whole, and of a refusal the vendor's word for it."""
        self.body = body
        if self.status is not None and self.status >= 400:
            self.code = _code_in(body) or self.code


@contextmanager
def passing(passage: Passage) -> Generator[None]:
    """Everything that is sent in here, by this task and those that it begins, is sent on ``passage``."""
    token = _under_way.set(passage)
    try:
        yield
    finally:
        _under_way.reset(token)


def reach() -> Addresses:
    """Where the call may connect to that this task works for; what belongs to no call reaches public addresses."""
    passage = _under_way.get()
    return PUBLIC_ONLY if passage is None else passage.addresses


def install() -> None:
    """Put the gate before every httpx client of this process."""
    httpx.AsyncClient.send = send
    httpx.Client.send = send_at_once


_under_way: ContextVar[Passage | None] = ContextVar("passage", default=None)
_past_the_gate: Final = httpx.AsyncClient.send
_past_the_gate_at_once: Final = httpx.Client.send


async def send(
    self: httpx.AsyncClient,
    request: httpx.Request,
    *,
    stream: bool = False,
    auth: "AuthTypes | UseClientDefault | None" = USE_CLIENT_DEFAULT,
    follow_redirects: "bool | UseClientDefault" = USE_CLIENT_DEFAULT,  # noqa: ARG001 — never
) -> httpx.Response:
    """Send in place of ``httpx.AsyncClient.send``.

    Raises:
        Stopped: the request, or its answer, was held back.
    """
    passage = _passage_of(request)
    passage.leave(request)
    response = await _past_the_gate(self, request, stream=True, auth=auth, follow_redirects=False)
    try:
        passage.come_back(response)
        if isinstance(response.stream, httpx.AsyncByteStream):
            response.stream = _Watched(response.stream, Seen(passage, request))
        if not stream or not response.is_success:
            passage.keep(await response.aread())
    except BaseException:
        await response.aclose()
        raise
    return response


def send_at_once(
    self: httpx.Client,
    request: httpx.Request,
    *,
    stream: bool = False,
    auth: "AuthTypes | UseClientDefault | None" = USE_CLIENT_DEFAULT,
    follow_redirects: "bool | UseClientDefault" = USE_CLIENT_DEFAULT,  # noqa: ARG001 — never
) -> httpx.Response:
    """The same for vendors that litellm calls from a thread."""
    passage = _passage_of(request)
    passage.leave(request)
    response = _past_the_gate_at_once(self, request, stream=True, auth=auth, follow_redirects=False)
    try:
        passage.come_back(response)
        if isinstance(response.stream, httpx.SyncByteStream):
            response.stream = _WatchedAtOnce(response.stream, Seen(passage, request))
        if not stream or not response.is_success:
            passage.keep(response.read())
    except BaseException:
        response.close()
        raise
    return response


def _passage_of(request: httpx.Request) -> Passage:
    passage = _under_way.get()
    if passage is None:
        raise Stopped("belongs to no call", request=request)
    return passage


class Seen:
    """The bytes of an answer so far: how many, and whether they said that it is at its end."""

    __slots__ = ("_count", "_ending", "_passage", "_request")

    def __init__(self, passage: Passage, request: httpx.Request) -> None:
        self._passage = passage
        self._request = request
        self._count = 0
        self._ending = Ending()

    def take(self, chunk: bytes) -> bytes:
        self._count += len(chunk)
        if self._count > _MOST_BYTES:
            raise Stopped("too long", request=self._request)
        self._ending.feed(chunk)
        self._passage.ended = self._ending.said
        return chunk

    def finish(self) -> None:
        """The answer has come whole."""
        self._ending.finish()
        self._passage.ended = self._ending.said


class _Watched(httpx.AsyncByteStream):
    def __init__(self, inner: httpx.AsyncByteStream, seen: Seen) -> None:
        self._inner = inner
        self._seen = seen

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for chunk in self._inner:
            yield self._seen.take(chunk)
        self._seen.finish()

    async def aclose(self) -> None:
        await self._inner.aclose()


class _WatchedAtOnce(httpx.SyncByteStream):
    def __init__(self, inner: httpx.SyncByteStream, seen: Seen) -> None:
        self._inner = inner
        self._seen = seen

    def __iter__(self) -> Iterator[bytes]:
        for chunk in self._inner:
            yield self._seen.take(chunk)
        self._seen.finish()

    def close(self) -> None:
        self._inner.close()


def _parse(request: httpx.Request) -> JsonValue:
    try:
        return orjson.loads(request.read())
    except (orjson.JSONDecodeError, httpx.StreamError, RuntimeError):
        # Without a cause: the decoder's error carries the text that it read.
        raise Refused("unknown_wire", "The vendor is sent something other than JSON: use another target.") from None


def _code_in(body: bytes) -> str | None:
    """A vendor's own word for an error, where it is a plain one: its messages may quote what it was sent."""
    try:
        answer: JsonValue = orjson.loads(body)
    except orjson.JSONDecodeError:
        return None
    if isinstance(answer, list) and answer:
        answer = answer[0]  # Gemini's form for a stream that failed before it began
    if not isinstance(answer, Mapping):
        return None
    error = answer.get("error")
    for held in (error, answer):
        for key in ("code", "status", "type", "__type"):
            if isinstance(held, Mapping) and (word := identifier(held.get(key))):
                return word
    return None


def identifier(value: JsonValue) -> str | None:
    """A plain word that is no number, which would be the status once more."""
    return value if isinstance(value, str) and _IDENTIFIER.fullmatch(value) and not value.isdigit() else None
