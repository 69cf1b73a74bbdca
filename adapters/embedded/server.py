"""Which requests reach the embedded model, and how many at once?

A thin HTTP front: the listed routes and no others are passed on to llama.cpp's own server, with bodies that hold
nothing but what ``admission`` lets through; answers come back byte for byte, streams as they come. As many requests as
the model has slots run at once, a bounded number waits, further ones are sent away, and none runs longer than the
deadline. What needs no slot, the counting of a prompt, has a queue of its own. When a client goes away its request is
closed on the inside too, which ends the generation.
"""

import asyncio
from collections.abc import AsyncGenerator

import aiohttp
from aiohttp import web

from adapters._queue import Busy, Queue
from adapters._refusal import Refused, failure, refusal
from adapters.embedded.admission import MOST_BYTES, NEED_NO_SLOT, PATHS, admit, too_long
from adapters.embedded.models import MEASURED_WITH, SPLIT

# Enough for a full context at ten tokens a second, and less than a gateway's own limit, which is 600.
DEADLINE_S = 540.0
_GET_ROUTES = ("/v1/models", "/health")
_COUNTERS = "http://engine/metrics"
_PASSED_HEADERS = ("Content-Type", "Cache-Control", "X-Accel-Buffering")


class Front:
    """The aiohttp application in front of the engine's socket; ``deadline_s`` limits one request's time in there.

    ``adapter`` is the digest of the split model's adapter, None where the engine has none.
    """

    def __init__(
        self, engine_socket: str, queue: Queue, *, adapter: str | None = None, deadline_s: float = DEADLINE_S
    ) -> None:
        self._engine_socket = engine_socket
        self._queue = queue
        self._adapter = adapter
        # One at a time: each keeps a core busy, and none takes long.
        self._aside = Queue(slots=1, waiting=queue.waiting)
        self._deadline_s = deadline_s
        self._unanswered: dict[object, float] = {}  # since when, the oldest first

    def application(self) -> web.Application:
        application = web.Application(client_max_size=MOST_BYTES)
        for path in PATHS:
            application.router.add_post(path, self._generate)
        for path in _GET_ROUTES:
            application.router.add_get(path, self._read)
        application.cleanup_ctx.append(self._connect)
        return application

    def unanswered_s(self) -> float:
        """For how many seconds a request has been waiting for the first byte of the engine's answer, at most."""
        first = next(iter(self._unanswered.values()), None)
        return 0.0 if first is None else asyncio.get_running_loop().time() - first

    async def counters(self) -> bytes:
        """The engine's own counters, which no client can see.

        Raises:
            OSError: it cannot be reached.
        """
        try:
            async with self._session.get(_COUNTERS) as answer:
                return await answer.read()
        except aiohttp.ClientError as exc:
            raise OSError("the engine's counters cannot be read") from exc

    async def _connect(self, _: web.Application) -> AsyncGenerator[None]:
        # No keep-alive towards the engine: it frees a slot when a connection closes.
        connector = aiohttp.UnixConnector(self._engine_socket, limit=0, force_close=True)
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=5)
        async with aiohttp.ClientSession(connector=connector, timeout=timeout, auto_decompress=False) as session:
            self._session = session
            yield

    async def _generate(self, request: web.Request) -> web.StreamResponse:
        try:
            self._expect_adapter(request)
            split = self._adapter is not None
            body = admit(request.path, await _body(request), slots=self._queue.slots, split=split)
            queue = self._aside if request.path in NEED_NO_SLOT else self._queue
            async with queue.turn():
                return await self._within_deadline(request, body)
        except Refused as refused:
            return refusal(refused)
        except Busy:
            return failure(503, "busy", "too many requests wait for the embedded model: try again", retry_after=1)

    def _expect_adapter(self, request: web.Request) -> None:
        """What was measured with one adapter is not answered with another, which was put in its place since.

        Raises:
            Refused: there is another one here, or none.
        """
        if request.headers.get(MEASURED_WITH, self._adapter) != self._adapter:
            message = f"{SPLIT} has another adapter than the one that its card is of: restart Splitgate."
            raise Refused("model_not_found", message, param="model", status=404)

    async def _within_deadline(self, request: web.Request, body: bytes) -> web.StreamResponse:
        response = web.StreamResponse()
        try:
            async with asyncio.timeout(self._deadline_s):
                return await self._pass_on(request, body, response)
        except TimeoutError:
            if response.prepared:
                raise  # in the middle of an answer: aiohttp breaks it off, which is all that can be said
            return failure(504, "deadline_exceeded", "the embedded model took too long: ask for a shorter answer")

    async def _read(self, request: web.Request) -> web.StreamResponse:
        return await self._pass_on(request, None, web.StreamResponse())

    async def _pass_on(
        self, request: web.Request, body: bytes | None, response: web.StreamResponse
    ) -> web.StreamResponse:
        try:
            async with await self._ask(request, body) as answer:
                return await _relay(request, answer, response)
        except aiohttp.ClientConnectorError:
            return failure(502, "engine_unreachable", "the embedded model does not answer: try again")

    async def _ask(self, request: web.Request, body: bytes | None) -> aiohttp.ClientResponse:
        headers = {"Content-Type": "application/json"} if body is not None else None
        mark = object()
        self._unanswered[mark] = asyncio.get_running_loop().time()
        try:
            return await self._session.request(
                request.method, f"http://engine{request.path}", data=body, headers=headers
            )
        finally:
            del self._unanswered[mark]


async def _body(request: web.Request) -> bytes:
    try:
        return await request.read()
    except web.HTTPRequestEntityTooLarge:
        raise too_long(request.path) from None


async def _relay(
    request: web.Request, answer: aiohttp.ClientResponse, response: web.StreamResponse
) -> web.StreamResponse:
    response.set_status(answer.status)
    response.headers.update({name: answer.headers[name] for name in _PASSED_HEADERS if name in answer.headers})
    response.content_length = answer.content_length
    await response.prepare(request)
    async for chunk in answer.content.iter_any():
        await response.write(chunk)
    await response.write_eof()
    return response
