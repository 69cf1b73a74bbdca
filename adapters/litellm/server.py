"""Which requests does this process answer, how many at once, and in which shape?

OpenAI's, on three routes. Requests that come before litellm is loaded wait for it. A client that goes away ends its
call; so does the deadline. What is told of a failure before the first piece of an answer is a status; after that, an
event of the stream, which then has no ending.
"""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import aclosing
from typing import Final, Protocol

import orjson
from aiohttp import web

from adapters._queue import Busy, Queue
from adapters._refusal import Refused, error_object, failure, refusal
from adapters.litellm.admission import MOST_BYTES, Asked, admit_chat, admit_embedding, parse, target_of
from adapters.litellm.failure import Failure
from adapters.litellm.targets import Target
from adapters.litellm.vendors import DEADLINE_S, Failed
from gateway.domain.jsonvalue import JsonObject

_CHAT: Final = "/v1/chat/completions"
_EMBEDDINGS: Final = "/v1/embeddings"
_DEADLINE: Final = Failure(
    status=504, code="deadline_exceeded", message="The vendor took too long: ask for a shorter answer."
)


class Caller(Protocol):
    """Calls vendors; each method raises ``Failed``."""

    async def complete(self, asked: Asked) -> JsonObject: ...

    def stream(self, asked: Asked) -> AsyncGenerator[JsonObject]: ...

    async def embed(self, asked: Asked) -> JsonObject: ...


class Front:
    """The aiohttp application; ``loaded`` is set once ``vendors`` can be called."""

    def __init__(
        self,
        vendors: Caller,
        targets: Mapping[str, Target],
        queue: Queue,
        loaded: asyncio.Event,
        *,
        deadline_s: float = DEADLINE_S,
    ) -> None:
        self._vendors = vendors
        self._targets = targets
        self._queue = queue
        self._loaded = loaded
        self._deadline_s = deadline_s

    def application(self) -> web.Application:
        application = web.Application(client_max_size=MOST_BYTES)
        application.router.add_post(_CHAT, self._chat)
        application.router.add_post(_EMBEDDINGS, self._embeddings)
        application.router.add_get("/health", self._health)
        return application

    async def _health(self, _: web.Request) -> web.Response:
        if self._loaded.is_set():
            return web.json_response({"status": "ok"})
        return web.json_response({"status": "loading"}, status=503)

    async def _chat(self, request: web.Request) -> web.StreamResponse:
        return await self._serve(request, admit_chat, self._answer)

    async def _embeddings(self, request: web.Request) -> web.StreamResponse:
        return await self._serve(request, admit_embedding, self._embed)

    async def _serve(
        self,
        request: web.Request,
        admit: Callable[[JsonObject, Target], Asked],
        answer: Callable[[web.Request, Asked], Awaitable[web.StreamResponse]],
    ) -> web.StreamResponse:
        try:
            body = parse(await request.read())
            target = self._targets.get(target_of(body))
            if target is None:
                return failure(404, "model_not_found", "There is no target of this id.", param="model")
            asked = admit(body, target)
            async with self._queue.turn():
                return await answer(request, asked)
        except Refused as refused:
            return refusal(refused)
        except Failed as failed:
            return _failed(failed.failure)
        except web.HTTPRequestEntityTooLarge:
            return failure(413, "request_too_large", "The request is larger than any vendor takes: send less.")
        except Busy:
            return failure(503, "busy", "too many requests wait for the litellm process: try again", retry_after=1)

    async def _answer(self, request: web.Request, asked: Asked) -> web.StreamResponse:
        if asked.stream:
            return await self._stream(request, asked)
        return await self._within_deadline(self._vendors.complete, asked)

    async def _embed(self, _: web.Request, asked: Asked) -> web.StreamResponse:
        return await self._within_deadline(self._vendors.embed, asked)

    async def _within_deadline(self, call: Callable[[Asked], Awaitable[JsonObject]], asked: Asked) -> web.Response:
        try:
            async with asyncio.timeout(self._deadline_s):
                await self._loaded.wait()
                return web.Response(body=orjson.dumps(await call(asked)), content_type="application/json")
        except TimeoutError:
            return _failed(_DEADLINE)

    async def _stream(self, request: web.Request, asked: Asked) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream", "Cache-Control": "no-cache"})
        try:
            async with asyncio.timeout(self._deadline_s), aclosing(self._pieces(asked)) as pieces:
                async for piece in pieces:
                    if not response.prepared:
                        await response.prepare(request)
                    await response.write(b"data: " + orjson.dumps(piece) + b"\n\n")
            await response.write(b"data: [DONE]\n\n")
        except (Failed, TimeoutError) as error:
            failed = error.failure if isinstance(error, Failed) else _DEADLINE
            if not response.prepared:
                return _failed(failed)
            told = error_object(failed.code, failed.message)
            await response.write(b"event: error\ndata: " + orjson.dumps(told) + b"\n\n")
        await response.write_eof()
        return response

    async def _pieces(self, asked: Asked) -> AsyncGenerator[JsonObject]:
        await self._loaded.wait()
        async with aclosing(self._vendors.stream(asked)) as pieces:
            async for piece in pieces:
                yield piece


def _failed(failed: Failure) -> web.Response:
    return failure(failed.status, failed.code, failed.message, param=failed.param, retry_after=failed.retry_after)
