"""What does any proxy of this kind pay?

The floor: the same server and the same client library as the gateway, and between them nothing. Body and answer are
forwarded without a look; a streamed answer is passed on piece by piece.
"""

import sys
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, TypeAlias

import aiohttp
import uvicorn

from benchmarks.listening import Listening, run

_Message: TypeAlias = MutableMapping[str, Any]
_Receive: TypeAlias = Callable[[], Awaitable[_Message]]
_Send: TypeAlias = Callable[[_Message], Awaitable[None]]

_HEADERS = {"content-type": "application/json", "accept": "*/*", "user-agent": "bare"}


class Passthrough:
    """An ASGI application that knows one upstream."""

    def __init__(self, session: aiohttp.ClientSession, upstream: str) -> None:
        self._session = session
        self._upstream = upstream

    async def __call__(self, scope: _Message, receive: _Receive, send: _Send) -> None:
        """Forward one request."""
        body = await _read(receive)
        async with self._session.post(self._upstream + scope["path"], data=body, headers=_HEADERS) as response:
            kind = (b"content-type", response.headers["content-type"].encode())
            if response.content_length is None:
                await send({"type": "http.response.start", "status": response.status, "headers": [kind]})
                async for piece in response.content.iter_any():
                    await send({"type": "http.response.body", "body": piece, "more_body": True})
                await send({"type": "http.response.body", "body": b""})
            else:
                content = await response.read()
                length = (b"content-length", str(len(content)).encode())
                await send({"type": "http.response.start", "status": response.status, "headers": [kind, length]})
                await send({"type": "http.response.body", "body": content})


async def _read(receive: _Receive) -> bytes:
    message = await receive()
    body: bytes = message.get("body", b"")
    if not message.get("more_body", False):
        return body
    parts = [body]
    while message.get("more_body", False):
        message = await receive()
        parts.append(message.get("body", b""))
    return b"".join(parts)


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config, listening: Listening) -> None:
        super().__init__(config)
        self._listening = listening

    async def startup(self, sockets: list[Any] | None = None) -> None:
        await super().startup(sockets)
        self._listening.say_ready()


async def _serve(listening: Listening) -> None:
    # As many as the gateway has unless told otherwise: a thousand streams are to find room.
    connector = aiohttp.TCPConnector(limit=2500)
    session = aiohttp.ClientSession(
        connector=connector, cookie_jar=aiohttp.DummyCookieJar(), auto_decompress=False, trust_env=False
    )
    async with session:
        config = uvicorn.Config(
            Passthrough(session, f"http://127.0.0.1:{listening.upstream_port}"),
            http="httptools",
            loop="none",
            lifespan="off",
            ws="none",
            access_log=False,
            log_config=None,
            server_header=False,
            date_header=False,
            proxy_headers=False,
            backlog=2048,
        )
        await _Server(config, listening).serve(sockets=[listening.socket])


if __name__ == "__main__":
    sys.exit(run(_serve))
